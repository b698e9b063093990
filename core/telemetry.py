"""Logs for machines and people, without personal data; and the watch over the event loop.

Rules of a log line: the event is a fixed text, facts are fields. What a person said or is called stands only under keys
that begin with `pii_`, which are dropped unless the operator asks for them. The text of an exception counts as
personal; its class and where it was raised do not. Errors of our own tree are written to be harmless and keep theirs.
"""

import asyncio
import logging
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from core.errors import AppError
from core.metrics import Metrics

PERSONAL_PREFIX = "pii_"
_FRAMES_KEPT = 8
_NOISY_LIBRARIES = ("asyncio", "websockets", "httpx", "httpcore", "aioice", "aiortc", "pgqueuer", "alembic", "numba")


def configure_logging(
    *, level: str = "info", json_lines: bool = False, personal_data: bool = False, stream: TextIO | None = None
) -> None:
    """Sets up structlog and the standard library's logging to write the same lines. Called once by each process."""
    output = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        describe_exception(personal_data=personal_data),
    ]
    if not personal_data:
        shared.append(drop_personal)
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        if json_lines
        else structlog.dev.ConsoleRenderer(colors=output.isatty(), timestamp_key="ts")
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _NOISY_LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # requests carry tokens and telephone numbers in their addresses
    logging.getLogger("uvicorn.access").disabled = True
    logging.captureWarnings(True)


def drop_personal(_: Any, __: str, event: EventDict) -> EventDict:
    """Removes keys that begin with `pii_`, at any depth."""
    cleaned = _without_personal(event)
    assert isinstance(cleaned, dict)
    return cleaned


def _without_personal(value: Any) -> Any:
    if isinstance(value, MutableMapping):
        return {
            key: _without_personal(inner)
            for key, inner in value.items()
            if not (isinstance(key, str) and key.startswith(PERSONAL_PREFIX))
        }
    if isinstance(value, list | tuple):
        return type(value)(_without_personal(inner) for inner in value) if type(value) in {list, tuple} else value
    return value


def describe_exception(*, personal_data: bool) -> Processor:
    """Replaces `exc_info` by the error's class, place and, for our own errors, code, message and facts."""

    def process(_: Any, __: str, event: EventDict) -> EventDict:
        info = event.pop("exc_info", None)
        error = _error_of(info)
        if error is None:
            return event
        event["error"] = type(error).__name__
        event["error_at"] = error_location(error.__traceback__)
        if isinstance(error, AppError):
            event["error_code"] = error.code
            event["error_message"] = error.message
            event.update({f"error_{name}": value for name, value in error.facts.items()})
        if error.__cause__ is not None:
            event["error_cause"] = type(error.__cause__).__name__
        if isinstance(error, BaseExceptionGroup):
            event["error_parts"] = [type(part).__name__ for part in error.exceptions]
        if personal_data:
            event["pii_error_text"] = str(error)
        return event

    return process


def _error_of(info: Any) -> BaseException | None:
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        return info[1] if isinstance(info[1], BaseException) else None
    return sys.exc_info()[1] if info else None


def error_location(trace: TracebackType | None) -> str:
    """The last frames as `file:line function`, innermost last: no source text, no values."""
    frames = traceback.extract_tb(trace)[-_FRAMES_KEPT:]
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)


async def watch_loop_lag(metrics: Metrics, interval_s: float = 0.25) -> None:
    """Measures how late the event loop runs its timers, for as long as it is not cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due_at = loop.time() + interval_s
        await asyncio.sleep(interval_s)
        metrics.loop_lag_seconds.observe(max(0.0, loop.time() - due_at))
