"""Logs hold no personal data; metrics have the agreed names."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from prometheus_client import generate_latest

from core.errors import Unavailable
from core.metrics import Metrics
from core.telemetry import configure_logging

PHONE = "+79000000101"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Whatever a test sets up is undone afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("uvicorn.access").disabled = False
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_personal_keys_are_dropped_at_any_depth(stream: io.StringIO) -> None:
    configure_logging(json_lines=True, stream=stream)
    structlog.get_logger("x").info(
        "call_started", pii_phone=PHONE, call={"id": 1, "pii_name": PHONE}, parts=[{"pii_a": 1}]
    )
    assert PHONE not in stream.getvalue()
    line = lines(stream)[0]
    assert line["event"] == "call_started"
    assert line["call"] == {"id": 1}
    assert line["parts"] == [{}]
    assert {"ts", "level", "logger"} <= line.keys()


def _fail() -> None:
    raise ValueError(f"no client {PHONE}")


@pytest.mark.parametrize("json_lines", [True, False])
def test_exception_shows_class_and_place_but_not_its_text(stream: io.StringIO, json_lines: bool) -> None:
    configure_logging(json_lines=json_lines, stream=stream)
    try:
        _fail()
    except ValueError:
        structlog.get_logger("x").exception("turn_failed")
        logging.getLogger("some.library").exception("library failed")
    text = stream.getvalue()
    assert PHONE not in text
    assert text.count("ValueError") == 2
    assert "test_core_telemetry.py" in text
    assert "_fail" in text


def test_own_error_keeps_code_message_and_facts(stream: io.StringIO) -> None:
    configure_logging(json_lines=True, stream=stream)
    error = Unavailable("the CRM does not answer", vendor="yclients", status=502)
    structlog.get_logger("x").warning("crm_failed", exc_info=error)
    line = lines(stream)[0]
    assert line["error_code"] == "unavailable"
    assert line["error_message"] == "the CRM does not answer"
    assert line["error_status"] == 502


def test_operator_may_ask_for_personal_data(stream: io.StringIO) -> None:
    configure_logging(json_lines=True, personal_data=True, stream=stream)
    structlog.get_logger("x").info("call_started", pii_phone=PHONE)
    assert lines(stream)[0]["pii_phone"] == PHONE


def test_level_is_kept_and_access_logs_are_off(stream: io.StringIO) -> None:
    configure_logging(level="warning", json_lines=True, stream=stream)
    structlog.get_logger("x").info("quiet")
    logging.getLogger("uvicorn.access").warning("GET /calls?phone=%s", PHONE)
    assert stream.getvalue() == ""


def test_metrics_have_the_agreed_names_and_live_apart() -> None:
    one, two = Metrics(), Metrics()
    one.turn_stage_seconds.labels("total", "phone", "embedded").observe(0.55)
    one.calls_active.labels("sip").inc()
    text = generate_latest(one.registry).decode()
    for name in (
        "aiadmin_turn_stage_seconds_bucket",
        'aiadmin_calls_active{channel="sip"} 1.0',
        "aiadmin_bargein_total",
        "aiadmin_tick_lateness_seconds",
        "aiadmin_bookings_total",
        "aiadmin_loop_lag_seconds",
        "aiadmin_db_pool_wait_seconds",
        "aiadmin_sip_invites_total",
    ):
        assert name in text
    assert two.registry.get_sample_value("aiadmin_calls_active", {"channel": "sip"}) is None
