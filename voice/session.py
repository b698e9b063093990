"""The life of one call: one task group, one consumer of the leg, small pure policies that decide.

Every frame passes through `_on_frame` without an await: detector, echo gate, turn policy, speaker. Decodes, replies
and synthesis are tasks of the call's group and come back as plain calls on the same loop, so that everything that
changes what was said and heard happens in one order.
"""

import asyncio
import traceback
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from agent.model import Conversation, Turn, TurnKind
from agent.ports import Agent
from core.clock import Clock
from core.timeline import Timeline
from media_models.ports import Detection, Recognizer, SpeechDetector
from voice import timings
from voice.aiter import close_iterator
from voice.answering import Answering
from voice.call_log import CallLog, NoMetrics
from voice.closing import Closing
from voice.completeness import SafeCompleteness
from voice.echo import EchoGate, Side
from voice.exchange import TurnTimes
from voice.idle import IdlePolicy
from voice.keypad import Keypad
from voice.listener import Listener
from voice.phrases import phrases_for
from voice.ports import (
    FRAME_MS,
    AudioIn,
    CallDesk,
    CallLeg,
    CallMemory,
    CallSummary,
    CompanyLine,
    Dtmf,
    HangUpReason,
    HungUp,
    VoiceMetrics,
)
from voice.speaker import Speaker
from voice.turn_taking import TurnTaking
from voice.voice_bank import VoiceBank

log = structlog.get_logger(__name__)

_JUDGED_FRAMES = 8
"""At the onset of a voice every frame is checked for echo, later every second one."""


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
        memory: CallMemory | None = None,
    ) -> None:
        self._leg = leg
        self._memory = memory
        self._dirty = asyncio.Event()
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._answered_at_s = clock.monotonic_s()
        self._last_frame_at_s = self._answered_at_s
        self._agent_until_ms = -timings.ECHO_TAIL_MS - 1
        self._voice_frames = 0
        self._open_ms = 0
        """Voice of which it is not known yet whose it is."""
        self._side = Side.CALLER
        self._reopened = 0
        rate_hz, self._phrases = leg.info.rate_hz, phrases_for(line.language)
        phrases = self._phrases
        self._log = CallLog(timeline, metrics or NoMetrics(), clock, conversation)
        self._idle = IdlePolicy()
        self._keypad = Keypad()
        self._echo = EchoGate(rate_hz)
        self._speaker = Speaker(leg, self._now_ms)
        self._listener = Listener(engines.recognizer, engines.detector, rate_hz, line.language, line.hints, self._spawn)
        self._answering = Answering(
            conversation,
            agent=agent,
            speaker=self._speaker,
            bank=engines.bank.speaking_for(line.pronounce),
            log=self._log,
            phrases=phrases,
            language=line.language,
            rate_hz=rate_hz,
            now_ms=self._now_ms,
            now=clock.now,
            spawn=self._spawn,
        )
        self._turns = TurnTaking(
            call=self,
            completeness=SafeCompleteness(line.completeness),
            rate_hz=rate_hz,
            listener=self._listener,
            answering=self._answering,
            speaker=self._speaker,
            idle=self._idle,
            echo_known=lambda: self._echo.path_known,
            log=self._log,
            now_ms=self._now_ms,
            now=clock.now,
        )
        self._closing = Closing(leg, line, desk, agent, self._answering, self._log, phrases, self._now_ms, clock)
        self._answering.on_finished = self._reply_finished
        self._answering.on_expect = self._turns.policy.asks
        self._answering.on_give_up = self._give_up
        self._answering.on_kept = self._dirty.set

    async def run(self) -> CallSummary:
        """Returns when the call is over and its outcome is filed."""
        self._log.started(self._leg.info)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._begin()
                reader = self._spawn(self._read(), "frames")
                watcher = self._spawn(self._watch(), "watch")
                await self._closing.over.wait()
                reader.cancel()
                watcher.cancel()
                self._stop_everything()
        except* Exception as faults:
            self._broken(faults.exceptions[0])
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

    def _broken(self, fault: BaseException) -> None:
        """A fault of our own: the call cannot go on, but it is closed and filed. Exception texts may be personal."""
        while isinstance(fault, BaseExceptionGroup):
            fault = fault.exceptions[0]
        frame = traceback.extract_tb(fault.__traceback__)[-1]
        log.error("voice.call_failed", fault=type(fault).__name__, at=f"{frame.filename}:{frame.lineno}")
        self._log.error(self._now_ms(), "session", type(fault).__name__)
        self._leg.hang_up()
        self._closing.hung_up(HangUpReason.FAILED)

    def _begin(self) -> None:
        if self._memory is not None:
            self._spawn(self._keep(self._memory), "memory")
        if self._leg.info.resumed and self._answering.conversation.history:
            # Whether the last words were answered died with the process that knew: the caller is asked for them.
            self._answering.say_phrase(self._phrases.not_now[0])
        else:
            self.turn_taken(Turn(TurnKind.START, self._clock.now()), TurnTimes(0, 0))

    async def _keep(self, memory: CallMemory) -> None:
        """One write at a time, of the newest; a store that is away costs only the chance to resume."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                async with asyncio.timeout(timings.DESK_DEADLINE_S):
                    await memory.keep(self._answering.conversation)
            except (Exception, TimeoutError) as fault:
                log.warning("voice.conversation_not_kept", fault=type(fault).__name__)

    # --- time, tasks ------------------------------------------------------------------------------------------

    def _now_ms(self) -> int:
        return int((self._clock.monotonic_s() - self._answered_at_s) * 1000)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        assert self._group is not None, "tasks live inside run()"
        task = self._group.create_task(work, name=f"{self._leg.info.call_id}/{name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _stop_everything(self) -> None:
        self._answering.discard_speculation()
        self._answering.settle()
        self._turns.drop()
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
                self._turns.time(self._now_ms())
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
        if speaker.sounding:
            self._agent_until_ms = self._now_ms()
        if not self._agent_silent:
            self._echo.feed(frame.pcm, speaker.reference())
        detection = self._listener.frame(frame.pcm)
        speech = self._is_caller(detection)
        self._turns.frame(
            frame.pcm, speech, end_ms, proven_ms=self._open_ms if speech else 0, trailing=detection.trailing
        )
        if speech:
            self._open_ms = 0
        if self._listener.ears.reopened != self._reopened:
            self._reopened = self._listener.ears.reopened
            self._log.error(self._now_ms(), "detector", "reopened")

    def _is_caller(self, detection: Detection) -> bool:
        if not detection.speech or self._agent_silent:
            self._voice_frames = self._open_ms = 0
            return detection.speech
        self._voice_frames += 1
        if self._voice_frames <= _JUDGED_FRAMES or self._voice_frames % 2 == 0:
            self._side = self._echo.judge(self._voice_frames, detection.level_dbfs)
        if self._side is Side.OPEN:
            self._open_ms += FRAME_MS
        elif self._side is Side.ECHO:
            self._open_ms = 0
        return self._side is Side.CALLER

    @property
    def _agent_silent(self) -> bool:
        """Nothing of the agent has been played for so long that nothing can come back."""
        return self._now_ms() - self._agent_until_ms > timings.ECHO_TAIL_MS

    def _on_key(self, digit: str) -> None:
        now_ms = self._now_ms()
        self._log.dtmf(now_ms, digit)
        self._idle.heard_words()
        if self._answering.busy:
            self._answering.settle()
            self.floor_taken()
        digits = self._keypad.press(digit, now_ms)
        if digits:
            self._take_keys(digits)

    def _take_keys(self, digits: str) -> None:
        now_ms = self._now_ms()
        self._answering.discard_speculation()
        self._answering.settle()
        self.turn_taken(Turn(TurnKind.DIGITS, self._clock.now(), digits), TurnTimes(now_ms, now_ms))

    # --- turns ------------------------------------------------------------------------------------------------

    def turn_taken(self, turn: Turn, times: TurnTimes) -> None:
        if self._closing.closing:
            return
        self._idle.busy()
        self._turns.new_reply()
        if turn.kind is not TurnKind.START:
            self._log.turn(self._now_ms(), turn, last_speech_ms=times.last_speech_ms, decided_ms=times.decided_ms)
        self._answering.take(turn, times)

    def floor_taken(self) -> None:
        self._closing.cancelled()

    def nothing_understood_again(self) -> None:
        self._idle.prompt()
        self._ask_again()

    def recognizer_dead(self) -> None:
        self._give_up("recognizer")

    def _give_up(self, reason: str) -> None:
        if not self._closing.over.is_set() and self._group is not None:
            self._spawn(self._closing.give_up(reason), "give-up")

    # --- nobody speaks ----------------------------------------------------------------------------------------

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
        elif not self._turns.talking(now_ms) and not self._keypad.open:
            self._idle.quiet(now_ms)
            if self._idle.due(now_ms):
                self._ask_again()

    def _ask_again(self) -> None:
        now_ms = self._now_ms()
        self._turns.drop()
        self._answering.discard_speculation()
        self._log.idle(now_ms, self._idle.prompts)
        if self._idle.give_up:
            self._closing.end_after_reply()
        turn = Turn(TurnKind.SILENCE, self._clock.now(), silence_count=self._idle.prompts)
        self.turn_taken(turn, TurnTimes(now_ms, now_ms))
