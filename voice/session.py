"""The life of one call: one task group, one consumer of the leg, small pure policies that decide.

Every frame passes through `_on_frame` without an await: detector, echo gate, turn policy, speaker. Decodes, replies
and synthesis are tasks of the call's group and come back as plain calls on the same loop, so that everything that
changes what was said and heard happens in one order.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any

import structlog

from agent.model import Conversation, Turn, TurnKind
from agent.ports import Agent
from core.clock import Clock
from core.timeline import Timeline
from media_models.ports import Recognizer, SpeechDetector
from voice import timings
from voice.aiter import close_iterator
from voice.answering import Answering, TurnTimes
from voice.barge_in import AgentVoice, BargeInPolicy, Move, is_backchannel, words_of
from voice.call_log import CallLog, NoMetrics
from voice.closing import Closing
from voice.echo import EchoGate
from voice.idle import IdlePolicy
from voice.keypad import Keypad
from voice.listener import Hearing, Listener, Reading
from voice.phrases import phrases_for
from voice.ports import (
    FRAME_MS,
    AudioIn,
    CallDesk,
    CallLeg,
    CallSummary,
    CompanyLine,
    Dtmf,
    HangUpReason,
    HungUp,
    VoiceMetrics,
)
from voice.speaker import Speaker
from voice.turn_policy import OpenTurn, Signal, TurnPolicy
from voice.voice_bank import VoiceBank

log = structlog.get_logger(__name__)

_ECHO_EVERY_FRAMES = 2


@dataclass(frozen=True, slots=True)
class Engines:
    """The speech engines of a process, shared by its calls."""

    recognizer: Recognizer
    detector: SpeechDetector
    bank: VoiceBank


class CallSession:
    """run() once. Needs nothing from the outside afterwards and leaves no task behind."""

    def __init__(
        self,
        leg: CallLeg,
        line: CompanyLine,
        conversation: Conversation,
        *,
        agent: Agent,
        engines: Engines,
        timeline: Timeline,
        clock: Clock,
        desk: CallDesk,
        metrics: VoiceMetrics | None = None,
    ) -> None:
        self._leg = leg
        self._line = line
        self._clock = clock
        self._engines = engines
        self._phrases = phrases_for(line.language)
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._answered_at_s = clock.monotonic_s()
        self._last_frame_at_s = self._answered_at_s
        rate_hz = leg.info.rate_hz
        self._log = CallLog(timeline, metrics or NoMetrics(), clock, conversation)
        self._policy = TurnPolicy(line.completeness.complete, line.completeness.definite)
        self._barge_in = BargeInPolicy()
        self._idle = IdlePolicy()
        self._keypad = Keypad()
        self._echo = EchoGate(rate_hz)
        self._speaker = Speaker(leg, self._now_ms)
        self._listener = Listener(engines.recognizer, engines.detector, rate_hz, line.language, line.hints, self._spawn)
        self._answering = Answering(
            conversation,
            agent,
            self._speaker,
            engines.bank,
            self._log,
            self._phrases,
            line.language,
            rate_hz,
            self._now_ms,
            clock.now,
            self._spawn,
        )
        self._closing = Closing(leg, line, desk, agent, self._answering, self._log, self._phrases, self._now_ms, clock)
        self._answering.on_finished = self._reply_finished
        self._answering.on_expect = self._policy.asks
        self._answering.on_give_up = lambda reason: self._spawn_unless_over(self._closing.give_up(reason), "give-up")
        self._hearing: Hearing | None = None
        self._reading: Reading | None = None
        self._prefix = ""
        """Words of a turn that was answered too early and goes on."""
        self._took_floor = False
        """The open turn has stopped the agent: it must not end in silence."""
        self._paused_at_ms = 0
        self._echo_frames = 0
        self._echoing = False
        self._agent_until_ms = -timings.ECHO_TAIL_MS
        self._unclear_in_a_row = 0
        self._recognizer_faults = 0
        self._reopened = 0

    async def run(self) -> CallSummary:
        """Returns when the call is over and its outcome is filed."""
        self._log.started(self._leg.info)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._take(Turn(TurnKind.START, self._clock.now()), TurnTimes(0, 0))
                reader = self._spawn(self._read(), "frames")
                watcher = self._spawn(self._watch(), "watch")
                await self._closing.over.wait()
                reader.cancel()
                watcher.cancel()
                self._stop_everything()
        finally:
            self._group = None
            self._stop_everything()
        await self._closing.file_outcome()
        summary = CallSummary(
            ended_by=self._closing.reason,
            outcome=self._answering.outcome,
            duration_s=self._clock.monotonic_s() - self._answered_at_s,
            conversation=self._answering.conversation,
        )
        self._log.ended(self._now_ms(), summary)
        return summary

    # --- time, tasks ------------------------------------------------------------------------------------------

    def _now_ms(self) -> int:
        return int((self._clock.monotonic_s() - self._answered_at_s) * 1000)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        assert self._group is not None, "tasks live inside run()"
        task = self._group.create_task(work, name=f"{self._leg.info.call_id}/{name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _spawn_unless_over(self, work: Coroutine[Any, Any, None], name: str) -> None:
        if self._closing.over.is_set() or self._group is None:
            work.close()
        else:
            self._spawn(work, name)

    def _stop_everything(self) -> None:
        self._answering.discard_speculation()
        self._answering.settle()
        self._close_hearing()
        for task in tuple(self._tasks):
            task.cancel()

    # --- what the leg brings ----------------------------------------------------------------------------------

    async def _read(self) -> None:
        events = self._leg.events()
        try:
            async for event in events:
                match event:
                    case AudioIn():
                        self._on_frame(event)
                    case Dtmf():
                        self._on_key(event.digit)
                    case HungUp():
                        self._closing.hung_up(event.reason)
                        break
                    case _:
                        pass
        except Exception as fault:
            log.exception("voice.call_failed", fault=type(fault).__name__)
            self._log.error(self._now_ms(), "session", type(fault).__name__)
            self._leg.hang_up()
        finally:
            await close_iterator(events)
        self._closing.hung_up(HangUpReason.FAILED)

    async def _watch(self) -> None:
        """Time goes on when frames do not."""
        while True:
            await asyncio.sleep(timings.WATCH_EVERY_MS / 1000)
            missing_ms = (self._clock.monotonic_s() - self._last_frame_at_s) * 1000
            if missing_ms >= timings.MISSING_FRAMES_MS:
                self._speaker.tick(None)
                self._on_signal(self._policy.time(self._now_ms()))
            if missing_ms >= timings.NO_MEDIA_S * 1000:
                self._closing.no_media()
            self._on_time(self._now_ms())

    def _on_frame(self, frame: AudioIn) -> None:
        self._last_frame_at_s = self._clock.monotonic_s()
        end_ms = frame.at_ms + FRAME_MS
        if self._now_ms() < end_ms:
            # The leg's clock began before ours: a frame never comes before its end.
            self._answered_at_s -= (end_ms - self._now_ms()) / 1000
        speaker = self._speaker
        speaker.tick(frame.played_ms)
        detection = self._listener.frame(frame.pcm)
        speech = detection.speech and not self._is_echo(frame.pcm, detection.speech)
        signal = self._policy.frame(speech, end_ms)
        turn = self._policy.turn
        if self._hearing is not None and turn is not None:
            self._hearing.feed(frame.pcm, end_ms, turn.voiced_ms)
        self._on_signal(signal)
        turn = self._policy.turn
        if turn is not None and self._hearing is not None:
            self._while_open(turn, self._hearing, end_ms)
        if self._listener.ears.reopened != self._reopened:
            self._reopened = self._listener.ears.reopened
            self._log.error(self._now_ms(), "detector", "reopened")

    def _is_echo(self, mic: bytes, speech: bool) -> bool:
        now_ms = self._now_ms()
        if self._speaker.sounding:
            self._agent_until_ms = now_ms
        if now_ms - self._agent_until_ms > timings.ECHO_TAIL_MS:
            self._echo_frames = 0
            self._echoing = False
            return False
        self._echo.feed(mic, self._speaker.reference())
        if not speech:
            self._echo_frames = 0
            self._echoing = False
            return False
        self._echo_frames += 1
        if self._echo_frames % _ECHO_EVERY_FRAMES == 0:
            self._echoing = self._echo.is_echo(self._echo_frames * FRAME_MS)
        return self._echoing

    # --- listening --------------------------------------------------------------------------------------------

    def _on_signal(self, signal: Signal) -> None:
        match signal:
            case Signal.OPENED:
                self._open_turn()
            case Signal.HUSHED:
                if self._hearing:
                    self._hearing.want_final()
            case Signal.RESUMED:
                self._barge_in.new_sound()
                self._answering.discard_speculation()
                if self._hearing:
                    self._hearing.speech_resumed()
            case Signal.ENDED:
                self._turn_ended()
            case Signal.NONE:
                pass

    def _open_turn(self) -> None:
        turn = self._policy.turn
        assert turn is not None
        self._close_hearing()
        self._reading = None
        self._barge_in.new_sound()
        self._hearing = self._listener.open(self._on_reading, turn.last_speech_ms, turn.voiced_ms)
        if not self._answering.busy:
            self._idle.quiet(self._now_ms())

    def _while_open(self, turn: OpenTurn, hearing: Hearing, end_ms: int) -> None:
        over_agent = self._answering.busy
        every_ms = timings.BARGE_IN_MS if over_agent else timings.PARTIAL_EVERY_MS
        speaking_now = self._policy.silence_ms <= FRAME_MS
        if speaking_now and not hearing.busy and end_ms - hearing.last_partial_end_ms >= every_ms:
            hearing.want_partial()
        if over_agent:
            self._judge_sound(turn)

    def _on_reading(self, hearing: Hearing, reading: Reading) -> None:
        turn = self._policy.turn
        if hearing is not self._hearing or turn is None:
            return
        if reading.final and reading.fault:
            self._log.error(self._now_ms(), "recognizer", reading.fault)
        text = reading.transcript.text if words_of(reading.transcript.text) else ""
        if reading.fault and self._reading is not None:
            # The final decode failed: the last partial is what the caller said, as far as anyone knows.
            text = self._reading.transcript.text
            reading = replace(reading, transcript=self._reading.transcript)
        if text and (self._reading is None or self._reading.transcript.text != text):
            self._log.partial(reading.upto_ms, text, reading.transcript.stable_chars)
        self._reading = reading
        covers = turn.last_speech_ms if turn.hushed and reading.upto_ms >= turn.last_speech_ms else reading.upto_ms
        # A partial is a guess: it tells about completeness, but only a final reading may end the turn.
        known_to_ms = covers if reading.final else min(covers, turn.last_speech_ms - 1)
        self._policy.words(self._joined(text) if text else "", known_to_ms)
        if text:
            self._idle.heard_words()
        if self._answering.busy:
            self._judge_sound(turn)
        if not self._answering.busy and text and self._policy.turn is turn:
            self._maybe_speculate(turn, reading, text)
        self._on_signal(self._policy.time(self._now_ms()))

    def _maybe_speculate(self, turn: OpenTurn, reading: Reading, text: str) -> None:
        joined = self._joined(text)
        whole = reading.final and turn.hushed
        stable = self._policy.silence_ms >= timings.STABLE_SILENCE_MS and reading.transcript.stable_chars >= len(text)
        if (whole or stable) and self._line.completeness.complete(joined, self._policy.expect):
            self._answering.speculate(joined, reading.transcript.confidence)

    def _joined(self, text: str) -> str:
        return f"{self._prefix} {text}".strip()

    # --- sound over the agent ---------------------------------------------------------------------------------

    def _judge_sound(self, turn: OpenTurn) -> None:
        reading = self._reading
        text: str | None = None
        known_voiced_ms = 0
        if reading is not None and not reading.fault:
            known_voiced_ms = reading.voiced_ms
            confident = reading.transcript.confidence >= timings.MIN_CONFIDENCE
            text = reading.transcript.text if confident else ""
        speaker = self._speaker
        agent = AgentVoice(speaker.audible_ms, speaker.remaining_ms, speaker.expect)
        now_ms = self._now_ms()
        match self._barge_in.step(now_ms, turn.voiced_ms, turn.hushed, text, known_voiced_ms, agent):
            case Move.PAUSE:
                self._paused_at_ms = now_ms
                speaker.pause()
            case Move.RESUME:
                self._log.barge_in(now_ms, turn.onset_ms, self._paused_at_ms, stopped=False)
                speaker.resume()
            case Move.YIELD:
                self._yield_floor(turn, now_ms)
            case Move.KEEP:
                pass

    def _yield_floor(self, turn: OpenTurn, now_ms: int) -> None:
        silent_ms = self._paused_at_ms if self._barge_in.paused else now_ms
        if self._speaker.audible_ms:
            self._log.barge_in(now_ms, turn.onset_ms, silent_ms, stopped=True)
        withdrawn = self._answering.withdraw(turn.onset_ms)
        if withdrawn:
            self._prefix = withdrawn
        self._took_floor = True
        self._barge_in.new_reply()
        self._closing.cancelled()

    # --- turns ------------------------------------------------------------------------------------------------

    def _turn_ended(self) -> None:
        turn = self._policy.ended
        reading, self._reading = self._reading, None
        assert turn is not None
        self._close_hearing()
        text = turn.text
        answering = self._answering
        if answering.busy:
            if not text or is_backchannel(text):
                if self._barge_in.paused:
                    self._barge_in.paused = False
                    self._log.barge_in(self._now_ms(), turn.onset_ms, self._paused_at_ms, stopped=False)
                    self._speaker.resume()
                return
            self._yield_floor(turn, self._now_ms())
            text = self._joined(text) if self._prefix and not text.startswith(self._prefix) else text
        text = text or self._prefix
        took_floor, self._took_floor, self._prefix = self._took_floor, False, ""
        if self._closing.closing:
            return
        fault = reading.fault if reading is not None else ""
        times = TurnTimes(turn.last_speech_ms, self._now_ms(), reading.took_s * 1000 if reading else None)
        if text:
            self._unclear_in_a_row = self._recognizer_faults = 0
            confidence = reading.transcript.confidence if reading else 1.0
            self._take(Turn(TurnKind.WORDS, self._clock.now(), text, confidence=confidence), times)
        else:
            self._no_words(turn, fault, times, took_floor)

    def _no_words(self, turn: OpenTurn, fault: str, times: TurnTimes, took_floor: bool) -> None:
        self._answering.discard_speculation()
        if not fault and not took_floor and turn.voiced_ms < timings.UNCLEAR_MIN_MS:
            return
        self._unclear_in_a_row += 1
        self._recognizer_faults = self._recognizer_faults + 1 if fault else 0
        if self._recognizer_faults >= timings.FAULTS_IN_A_ROW:
            self._spawn_unless_over(self._closing.give_up("recognizer"), "give-up")
        elif self._unclear_in_a_row <= timings.UNCLEAR_IN_A_ROW:
            self._take(Turn(TurnKind.UNCLEAR, self._clock.now()), times)
        else:
            self._idle.prompt()
            self._ask_again()

    def _take(self, turn: Turn, times: TurnTimes) -> None:
        self._idle.busy()
        self._barge_in.new_reply()
        if turn.kind is not TurnKind.START:
            self._log.turn(self._now_ms(), turn, last_speech_ms=times.last_speech_ms, decided_ms=times.decided_ms)
        self._answering.take(turn, times)

    def _on_key(self, digit: str) -> None:
        now_ms = self._now_ms()
        self._log.dtmf(now_ms, digit)
        self._idle.heard_words()
        if self._answering.busy:
            self._answering.settle()
            self._closing.cancelled()
        digits = self._keypad.press(digit, now_ms)
        if digits:
            self._take_keys(digits)

    def _take_keys(self, digits: str) -> None:
        now_ms = self._now_ms()
        self._answering.discard_speculation()
        self._answering.settle()
        if not self._closing.closing:
            self._take(Turn(TurnKind.DIGITS, self._clock.now(), digits), TurnTimes(now_ms, now_ms))

    # --- the agent has finished, nobody speaks ----------------------------------------------------------------

    def _reply_finished(self) -> None:
        self._closing.all_heard()
        self._idle.quiet(self._now_ms())

    def _on_time(self, now_ms: int) -> None:
        self._closing.tick(now_ms)
        self._answering.tick(now_ms)
        digits = self._keypad.due(now_ms)
        if digits and not self._answering.busy:
            self._take_keys(digits)
        if self._closing.closing:
            return
        if self._answering.busy:
            self._idle.busy()
            return
        turn = self._policy.turn
        talking = turn is not None and (turn.had_words or now_ms - turn.onset_ms < timings.IDLE_PROMPT_MS // 2)
        if talking or self._keypad.open:
            return
        self._idle.quiet(now_ms)
        if self._idle.due(now_ms):
            self._ask_again()

    def _ask_again(self) -> None:
        now_ms = self._now_ms()
        self._policy.drop()
        self._close_hearing()
        self._log.idle(now_ms, self._idle.prompts)
        if self._idle.give_up:
            self._closing.end_after_reply()
        turn = Turn(TurnKind.SILENCE, self._clock.now(), silence_count=self._idle.prompts)
        self._take(turn, TurnTimes(now_ms, now_ms))

    def _close_hearing(self) -> None:
        if self._hearing:
            self._hearing.close()
            self._hearing = None
