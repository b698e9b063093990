"""The call on the terminal while it happens: a reader of the timeline, nothing more."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text

from core.timeline import EventKind, TimelineEvent

STAGES = (
    ("endpointing", "тишина"),
    ("stt_final", "распознавание"),
    ("agent_first_say", "ответ"),
    ("tts_first_byte", "голос"),
    ("playout", "в линию"),
    ("total", "всего"),
)


class LiveView:
    """show() each event in order. Lines are only appended, so that the output can be kept and piped."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._partial_text = ""
        self._shown: dict[EventKind, Callable[[TimelineEvent, dict[str, Any]], None]] = {
            EventKind.STARTED: self._started,
            EventKind.PARTIAL: self._partial,
            EventKind.CALLER_TURN: self._caller_turn,
            EventKind.TOOL_CALL: self._tool_call,
            EventKind.AGENT_SAID: self._agent_said,
            EventKind.AGENT_HEARD: self._agent_heard,
            EventKind.BARGE_IN: self._barge_in,
            EventKind.LATENCY: self._latency,
            EventKind.IDLE_PROMPT: self._idle_prompt,
            EventKind.HANDOFF: self._handoff,
            EventKind.ERROR: self._error,
            EventKind.ENDED: self._ended,
        }

    def show(self, event: TimelineEvent) -> None:
        show = self._shown.get(event.kind)
        if show is not None:
            show(event, event.data)

    def _started(self, event: TimelineEvent, data: dict[str, Any]) -> None:
        caller = data.get("pii_caller") or "номер скрыт"
        self._line(event, "звонок", f"{caller} → {data.get('called')} ({data.get('transport')})", "bold")

    def _partial(self, event: TimelineEvent, data: dict[str, Any]) -> None:
        text, stable = str(data["pii_text"]), int(data.get("stable_chars", 0))
        if text and text != self._partial_text:
            self._partial_text = text
            body = Text(text[:stable], style="dim cyan")
            body.append(text[stable:], style="dim")
            self._line(event, "…", body, "dim")

    def _caller_turn(self, event: TimelineEvent, data: dict[str, Any]) -> None:
        self._partial_text = ""
        kind = data.get("turn_kind")
        if kind == "start":
            return
        text = data.get("pii_text") or {"silence": "(молчит)", "unclear": "(неразборчиво)"}.get(str(kind), "")
        if text:
            self._line(event, "клиент", str(text), "bold cyan")

    def _tool_call(self, event: TimelineEvent, data: dict[str, Any]) -> None:
        arguments = ", ".join(f"{name}={value}" for name, value in dict(data.get("pii_arguments", {})).items())
        style = "bold yellow" if data.get("writes") else "yellow"
        self._line(event, "действие", f"{data['name']}({arguments}) → {data['outcome']}, {data['took_ms']} мс", style)

    def _agent_said(self, event: TimelineEvent, data: dict[str, Any]) -> None:
        self._line(event, "агент", str(data["pii_text"]), "bold green")

    def _agent_heard(self, event: TimelineEvent, data: dict[str, Any]) -> None:
        if data.get("withdrawn"):
            self._line(event, "", "ответ взят назад: клиент ещё говорил", "magenta")
        elif data.get("cut"):
            self._line(event, "", f"услышано только: «{data['pii_text']}»", "magenta")

    def _barge_in(self, event: TimelineEvent, data: dict[str, Any]) -> None:
        what = "клиент перебил, агент замолчал" if data.get("stopped") else "клиент поддакнул, агент продолжил"
        self._line(event, "перебивание", f"{what} через {data.get('took_ms')} мс", "magenta")

    def _latency(self, event: TimelineEvent, data: dict[str, Any]) -> None:
        parts = [f"{name} {data[stage]:.0f}" for stage, name in STAGES if isinstance(data.get(stage), int | float)]
        ahead = ", ответ готовился заранее" if data.get("speculative") else ""
        self._line(event, "мс", " · ".join(parts) + ahead, "dim")

    def _idle_prompt(self, event: TimelineEvent, data: dict[str, Any]) -> None:
        self._line(event, "тишина", f"напоминание {data.get('prompt')}", "dim")

    def _handoff(self, event: TimelineEvent, data: dict[str, Any]) -> None:
        self._line(event, "передача", f"{data.get('reason')} → {data.get('pii_to')}", "bold magenta")

    def _error(self, event: TimelineEvent, data: dict[str, Any]) -> None:
        self._line(event, "сбой", f"{data.get('where')}: {data.get('what')}", "bold red")

    def _ended(self, event: TimelineEvent, data: dict[str, Any]) -> None:
        text = f"завершил {data.get('reason')}, итог {data.get('outcome') or '—'}, {data.get('duration_s')} с"
        self._line(event, "конец", text, "bold")

    def _line(self, event: TimelineEvent, who: str, body: str | Text, style: str) -> None:
        at = f"{event.call_ms / 1000:6.2f}" if event.call_ms is not None else " " * 6
        line = Text(f"{at}  ", style="dim")
        line.append(f"{who:>11}  ", style=style)
        line.append_text(body if isinstance(body, Text) else Text(body, style=style.replace("bold ", "")))
        self._console.print(line, soft_wrap=True)
