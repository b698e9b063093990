"""What a call writes to its timeline and its metrics: one method per thing that happens."""

from typing import Any

from agent.model import Conversation, EndCall, Handoff, ToolCall, Turn
from core.clock import Clock
from core.timeline import EventKind, Timeline, TimelineEvent
from voice.ports import CallInfo, CallSummary, HangUpReason, VoiceMetrics


class NoMetrics:
    """Where nobody counts."""

    def stage(self, stage: str, seconds: float) -> None: ...

    def barge_in(self, stopped: bool, seconds: float) -> None: ...

    def filler(self, reason: str) -> None: ...

    def call_started(self, channel: str) -> None: ...

    def call_ended(self, channel: str, reason: str, seconds: float) -> None: ...


class CallLog:
    """Times of the call are milliseconds from answer; stage times are taken on the monotonic clock."""

    def __init__(self, timeline: Timeline, metrics: VoiceMetrics, clock: Clock, conversation: Conversation) -> None:
        self._timeline = timeline
        self.metrics = metrics
        self._clock = clock
        self._scope = conversation.scope
        self._id = conversation.id
        self._channel = conversation.channel.value

    def _write(self, kind: EventKind, call_ms: int | None, **data: Any) -> None:
        self._timeline.append(self._scope, TimelineEvent(self._id, kind, self._clock.now(), call_ms, data))

    def started(self, info: CallInfo) -> None:
        self.metrics.call_started(self._channel)
        self._write(
            EventKind.STARTED,
            0,
            direction=info.direction.value,
            transport=info.transport,
            pii_caller=info.caller,
            called=info.called,
            call_id=info.call_id,
            rate_hz=info.rate_hz,
            resumed=info.resumed,
        )

    def partial(self, call_ms: int, text: str, stable_chars: int) -> None:
        self._write(EventKind.PARTIAL, call_ms, pii_text=text, stable_chars=stable_chars)

    def turn(self, call_ms: int, turn: Turn, **facts: Any) -> None:
        self._write(
            EventKind.CALLER_TURN,
            call_ms,
            turn_kind=turn.kind.value,
            pii_text=turn.text,
            confidence=round(turn.confidence, 3),
            silence_count=turn.silence_count,
            **facts,
        )

    def tool(self, call_ms: int, call: ToolCall) -> None:
        self._write(
            EventKind.TOOL_CALL,
            call_ms,
            name=call.name,
            pii_arguments=call.arguments,
            outcome=call.outcome,
            took_ms=round(call.took_ms, 1),
            writes=call.writes,
        )

    def said(self, call_ms: int, text: str, expect: str, phrase: bool = False) -> None:
        self._write(EventKind.AGENT_SAID, call_ms, pii_text=text, expect=expect, phrase=phrase)

    def heard(self, call_ms: int, text: str, cut: bool, withdrawn: bool = False) -> None:
        """withdrawn: a reply that came too early and was taken back; the history does not hold it."""
        self._write(EventKind.AGENT_HEARD, call_ms, pii_text=text, cut=cut, withdrawn=withdrawn)

    def barge_in(self, call_ms: int, onset_ms: int, silent_ms: int, stopped: bool) -> None:
        """silent_ms: call time when the agent's audio was cleared; stopped False: it went on afterwards."""
        took_ms = silent_ms - onset_ms
        self.metrics.barge_in(stopped, took_ms / 1000)
        self._write(EventKind.BARGE_IN, call_ms, onset_ms=onset_ms, took_ms=took_ms, stopped=stopped)

    def idle(self, call_ms: int, prompt: int) -> None:
        self._write(EventKind.IDLE_PROMPT, call_ms, prompt=prompt)

    def dtmf(self, call_ms: int, digit: str) -> None:
        self._write(EventKind.DTMF, call_ms, pii_digit=digit)

    def latency(self, call_ms: int, stages: dict[str, float], speculative: bool, turn_kind: str) -> None:
        for stage, ms in stages.items():
            self.metrics.stage(stage, ms / 1000)
        rounded = {stage: round(ms, 1) for stage, ms in stages.items()}
        self._write(EventKind.LATENCY, call_ms, **rounded, speculative=speculative, turn_kind=turn_kind)

    def handoff(self, call_ms: int, handoff: Handoff, target: str) -> None:
        self._write(EventKind.HANDOFF, call_ms, reason=handoff.reason, pii_to=target, pii_card=handoff.card)

    def outcome(self, call_ms: int, end: EndCall) -> None:
        self._write(EventKind.OUTCOME, call_ms, outcome=end.outcome.value)

    def error(self, call_ms: int, where: str, what: str) -> None:
        self._write(EventKind.ERROR, call_ms, where=where, what=what)

    def ended(self, call_ms: int, summary: CallSummary) -> None:
        reason: HangUpReason = summary.ended_by
        self.metrics.call_ended(self._channel, reason.value, summary.duration_s)
        self._write(
            EventKind.ENDED,
            call_ms,
            reason=reason.value,
            outcome=summary.outcome,
            duration_s=round(summary.duration_s, 2),
        )
