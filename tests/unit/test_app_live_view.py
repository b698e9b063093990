"""The live view: one line an event, nothing of the timeline misread, unknown kinds skipped."""

import io
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console

from app.demo.live_view import LiveView
from core.ids import ConversationId
from core.timeline import EventKind, TimelineEvent


def shown(*events: tuple[EventKind, dict[str, Any]], call_ms: int | None = 1500) -> list[str]:
    out = io.StringIO()
    view = LiveView(Console(file=out, width=200, color_system=None))
    for kind, data in events:
        view.show(TimelineEvent(ConversationId(UUID(int=1)), kind, datetime(2026, 12, 1, tzinfo=UTC), call_ms, data))
    return out.getvalue().splitlines()


@pytest.mark.parametrize(
    ("kind", "data", "parts"),
    [
        (EventKind.STARTED, {"pii_caller": "+79", "called": "myata", "transport": "sip"}, ["+79 → myata (sip)"]),
        (EventKind.STARTED, {"pii_caller": "", "called": "myata", "transport": "sip"}, ["номер скрыт"]),
        (EventKind.CALLER_TURN, {"turn_kind": "words", "pii_text": "да"}, ["клиент", "да"]),
        (EventKind.CALLER_TURN, {"turn_kind": "silence"}, ["(молчит)"]),
        (EventKind.CALLER_TURN, {"turn_kind": "unclear"}, ["(неразборчиво)"]),
        (EventKind.TOOL_CALL, {"name": "b", "outcome": "ok", "took_ms": 5, "pii_arguments": {"n": 1}}, ["(n=1) → ok"]),
        (EventKind.AGENT_SAID, {"pii_text": "Слушаю вас."}, ["агент", "Слушаю вас."]),
        (EventKind.AGENT_HEARD, {"cut": True, "pii_text": "Здрав"}, ["услышано только: «Здрав»"]),
        (EventKind.AGENT_HEARD, {"withdrawn": True}, ["взят назад"]),
        (EventKind.BARGE_IN, {"stopped": True, "took_ms": 161}, ["перебил", "161 мс"]),
        (EventKind.BARGE_IN, {"stopped": False, "took_ms": 161}, ["поддакнул"]),
        (EventKind.LATENCY, {"total": 440.4, "speculative": True}, ["всего 440, ответ готовился заранее"]),
        (EventKind.IDLE_PROMPT, {"prompt": 1}, ["напоминание 1"]),
        (EventKind.HANDOFF, {"reason": "жалоба", "pii_to": "+79000000001"}, ["жалоба → +79000000001"]),
        (EventKind.ERROR, {"where": "stt", "what": "Timeout"}, ["сбой", "stt: Timeout"]),
        (EventKind.ENDED, {"reason": "agent", "outcome": "", "duration_s": 3}, ["завершил agent, итог —, 3 с"]),
    ],
)  # fmt: skip
def test_a_line_for_each_event(kind: EventKind, data: dict[str, Any], parts: list[str]) -> None:
    (line,) = shown((kind, data))
    assert "1.50" in line
    assert all(part in line for part in parts), line


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (EventKind.CALLER_TURN, {"turn_kind": "start"}),
        (EventKind.AGENT_HEARD, {"cut": False, "pii_text": "всё"}),
        (EventKind.PARTIAL, {"pii_text": ""}),
        (EventKind.DTMF, {"digits": "5"}),
    ],
)
def test_what_says_nothing_new_is_not_shown(kind: EventKind, data: dict[str, Any]) -> None:
    assert shown((kind, data)) == []


def test_a_partial_is_shown_when_it_changes_and_again_in_the_next_turn() -> None:
    partial = (EventKind.PARTIAL, {"pii_text": "запишите", "stable_chars": 3})
    turn = (EventKind.CALLER_TURN, {"turn_kind": "words", "pii_text": "запишите"})
    assert len(shown(partial, partial)) == 1
    assert len(shown(partial, turn, partial)) == 3


def test_events_of_a_chat_have_no_call_clock() -> None:
    (line,) = shown((EventKind.AGENT_SAID, {"pii_text": "Да"}), call_ms=None)
    assert line.startswith("        ")
