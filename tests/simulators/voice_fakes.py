"""Scripted engines and a leg with its own play-out clock, for calls in virtual time.

Audio carries its meaning in the samples: a caller's word is frames filled with its number in a vocabulary, the agent's
words are negative numbers. So a test reads from what was played exactly which words a listener heard, and a frame lost
at the beginning of a word loses the word, as with a real recogniser.
"""

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from agent.model import Conversation, DialogState, EndCall, Expect, ReplyEvent, Say, StateChanged, Turn, TurnKind
from core.ids import CallId, CompanyId
from core.tenancy import CompanyScope
from core.timeline import EventKind, TimelineEvent
from crm.model import Outcome
from media_models.ports import Detection, Transcript
from tests.simulators.virtual_time import VirtualClock, run_virtual
from voice.completeness import timed_wait_ms
from voice.phrases import RUSSIAN
from voice.ports import (
    AudioIn,
    CallInfo,
    CallSummary,
    CompanyLine,
    Direction,
    Dtmf,
    HangUpReason,
    HungUp,
    LegEvent,
    MarkReached,
    Said,
)
from voice.service import ConversationHandler
from voice.session import Engines
from voice.voice_bank import VoiceBank

RATE_HZ = 8000
FRAME = 160
FRAME_BYTES = 320
QUIET = bytes(FRAME_BYTES)
NOISE = 20000
"""Sample value of a sound without words that the detector takes for speech: a cough, a dryer."""
MS_PER_LETTER = 60
TTS_SPEED = 20.0


class Vocabulary:
    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._words: list[str] = [""]

    def number(self, word: str) -> int:
        if word not in self._numbers:
            self._numbers[word] = len(self._words)
            self._words.append(word)
        return self._numbers[word]

    def word(self, number: int) -> str:
        return self._words[number]


def frame_of(value: int) -> bytes:
    return struct.pack("<h", value) * FRAME


def value_of(frame: bytes) -> int:
    return struct.unpack_from("<h", frame)[0] if len(frame) >= 2 else 0


def word_ms(word: str) -> int:
    letters = sum(ch.isalnum() for ch in word)
    return max(120, (letters * MS_PER_LETTER + 19) // 20 * 20)


# --- the caller and the wire ----------------------------------------------------------------------------------


@dataclass
class Sound:
    at_ms: int
    frames: list[bytes]


class FakeLeg:
    """20 ms ticks on an absolute schedule; a play-out buffer with clear and marks; everything played is kept."""

    def __init__(self, vocabulary: Vocabulary, *, acknowledges: bool = True, mouth_ms: int = 0) -> None:
        self.info = CallInfo(CallId("call-1"), Direction.INBOUND, "+79000000101", "+74950000000", "test", RATE_HZ)
        self.vocabulary = vocabulary
        self.played: list[int] = []
        """Sample value of every frame played, one per tick: 0 is silence."""
        self.caller: dict[int, bytes] = {}
        """Caller's frames by tick."""
        self.cleared_at: list[int] = []
        self.transferred: list[str] = []
        self.hung_up_at: int | None = None
        self.marks: list[str] = []
        self.tick = 0
        self.late_ms = 0
        """The call is that old already when we join it (a resumed call)."""
        self.stuck_playout = False
        """The leg never reports a play position."""
        self.never_closes = False
        self.frames_stop: tuple[int, int] | None = None
        """No frames reach us between these ticks; afterwards they go on (concealed frames are not made up)."""
        self.burst = False
        """The frames that were held back arrive at once."""
        self.lost_ticks: set[int] = set()
        self._acknowledges = acknowledges
        self._buffer: deque[bytes | str] = deque()
        self._played_ms = 0
        self._events: asyncio.Queue[LegEvent] = asyncio.Queue()
        self._hang_up_asked = False
        self._closed = False
        self._at: dict[int, list[Callable[[], None]]] = {}

    # the script

    def says(self, at_ms: int, text: str, gaps_ms: Sequence[int] = ()) -> int:
        """The caller says words one after another; gaps_ms[i] is silence after word i. Gives the end in ms."""
        tick = at_ms // 20
        for index, word in enumerate(text.split()):
            for _ in range(word_ms(word) // 20):
                self.caller[tick] = frame_of(self.vocabulary.number(word))
                tick += 1
            if index < len(gaps_ms):
                tick += gaps_ms[index] // 20
        return tick * 20

    def noise(self, at_ms: int, length_ms: int) -> None:
        for tick in range(at_ms // 20, (at_ms + length_ms) // 20):
            self.caller[tick] = frame_of(NOISE)

    def at(self, at_ms: int, action: Callable[[], None]) -> None:
        self._at.setdefault(at_ms // 20, []).append(action)

    def key(self, at_ms: int, digit: str) -> None:
        self.at(at_ms, lambda: self._events.put_nowait(Dtmf(digit)))

    def leaves(self, at_ms: int) -> None:
        self.at(at_ms, lambda: self._close(HangUpReason.CALLER))

    # CallLeg

    async def events(self) -> AsyncIterator[LegEvent]:
        while True:
            event = await self._events.get()
            yield event
            if isinstance(event, HungUp):
                return

    def play(self, pcm: bytes) -> None:
        assert len(pcm) % 2 == 0
        for start in range(0, len(pcm), FRAME_BYTES):
            self._buffer.append(pcm[start : start + FRAME_BYTES].ljust(FRAME_BYTES, b"\0"))

    def mark(self, name: str) -> None:
        self._buffer.append(name)

    def clear(self) -> None:
        self.cleared_at.append(self.tick * 20)
        for item in self._buffer:
            if isinstance(item, str):
                self._reached(item)
        self._buffer.clear()

    def transfer(self, target: str) -> None:
        self.transferred.append(target)
        if not self.never_closes:
            self._close(HangUpReason.TRANSFERRED)

    def hang_up(self) -> None:
        self._hang_up_asked = True

    # the clock

    async def run(self) -> None:
        """Ticks until the call is over."""
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        held: list[AudioIn] = []
        while not self._closed:
            for action in self._at.pop(self.tick, []):
                action()
            if self._closed:
                return
            before_ms = self._played_ms
            self._play_one()
            frame = self.caller.get(self.tick, QUIET)
            shown_ms = 0 if self.stuck_playout else before_ms + self.late_ms // 3
            audio = AudioIn(frame, self.late_ms + self.tick * 20, shown_ms)
            await asyncio.sleep(max(0.0, start_s + (self.tick + 1) * 0.02 - loop.time()))
            stopped = self.frames_stop is not None and self.frames_stop[0] <= self.tick < self.frames_stop[1]
            if stopped:
                if self.burst:
                    held.append(audio)
            elif self.tick not in self.lost_ticks:
                for late in held:
                    self._events.put_nowait(late)
                held.clear()
                self._events.put_nowait(audio)
            self.tick += 1
            if self._hang_up_asked and not self._buffer and not self.never_closes:
                self._close(HangUpReason.AGENT)

    def _play_one(self) -> None:
        while self._buffer and isinstance(self._buffer[0], str):
            self._reached(str(self._buffer.popleft()))
        if not self._buffer:
            self.played.append(0)
            return
        item = self._buffer.popleft()
        assert isinstance(item, bytes)
        self.played.append(value_of(item))
        self._played_ms += 20

    def _reached(self, name: str) -> None:
        self.marks.append(name)
        if self._acknowledges:
            self._events.put_nowait(MarkReached(name))

    def _close(self, reason: HangUpReason) -> None:
        if not self._closed:
            self._closed = True
            self.hung_up_at = self.tick * 20
            self._events.put_nowait(HungUp(reason))

    # what a listener heard

    def heard_words(self, from_ms: int = 0, to_ms: int | None = None) -> list[str]:
        """The agent's words in order, a word that goes on over neighbouring frames once."""
        words: list[str] = []
        previous = 0
        for value in self.played[from_ms // 20 : None if to_ms is None else to_ms // 20]:
            if value != previous and value < 0:
                words.append(self.vocabulary.word(-value))
            previous = value
        return words

    def heard(self, from_ms: int = 0, to_ms: int | None = None) -> str:
        return " ".join(self.heard_words(from_ms, to_ms))

    def first_sound_ms(self, after_ms: int = 0) -> int | None:
        for tick in range(after_ms // 20, len(self.played)):
            if self.played[tick] != 0:
                return tick * 20
        return None

    def last_sound_ms(self, before_ms: int | None = None) -> int | None:
        end = len(self.played) if before_ms is None else min(len(self.played), before_ms // 20)
        for tick in range(end - 1, -1, -1):
            if self.played[tick] != 0:
                return (tick + 1) * 20
        return None


# --- engines --------------------------------------------------------------------------------------------------


class FakeDetector:
    name = "fake"

    def __init__(self) -> None:
        self.opened = 0
        self.deaf_after_frames: int | None = None
        """The first stream hears nothing any more after so many frames."""
        self.fails_at_frame: int | None = None

    def open_stream(self, rate_hz: int) -> "FakeDetectorStream":
        self.opened += 1
        return FakeDetectorStream(self, first=self.opened == 1)


class FakeDetectorStream:
    def __init__(self, detector: FakeDetector, first: bool) -> None:
        self._detector = detector
        self._first = first
        self._frames = 0

    def feed(self, frame: bytes) -> Detection:
        assert len(frame) == FRAME_BYTES
        self._frames += 1
        if self._first and self._frames == self._detector.fails_at_frame:
            raise RuntimeError("detector broke")
        loud = value_of(frame) > 0
        deaf_after = self._detector.deaf_after_frames
        deaf = self._first and deaf_after is not None and self._frames > deaf_after
        return Detection(loud and not deaf, 0.9 if loud else 0.0, -22.0 if loud else -60.0, -60.0)


class FakeRecognizer:
    name = "fake"

    def __init__(self, vocabulary: Vocabulary, *, final_ms: float = 80, partial_ms: float = 40) -> None:
        self.vocabulary = vocabulary
        self.final_ms = final_ms
        self.partial_ms = partial_ms
        self.finals = 0
        self.partials = 0
        self.open_streams = 0
        self.fault: Exception | None = None
        self.hangs = False
        self.deaf = False
        """Gives no text for anything."""
        self.final_says: str | None = None
        """The careful decode reads something else than the partials."""

    def open_stream(self, rate_hz: int, language: str = "ru", hints: Sequence[str] = ()) -> "FakeRecognizerStream":
        self.open_streams += 1
        return FakeRecognizerStream(self)

    async def warm_up(self) -> None:
        pass

    async def close(self) -> None:
        pass


class FakeRecognizerStream:
    def __init__(self, owner: FakeRecognizer) -> None:
        self._owner = owner
        self._values: list[int] = []
        self._last = ""
        self._closed = False

    def feed(self, pcm: bytes) -> None:
        self._values += [value_of(pcm[start : start + FRAME_BYTES]) for start in range(0, len(pcm), FRAME_BYTES)]

    def _text(self) -> str:
        """Words of which at least three quarters of the frames are there, the first among them."""
        if self._owner.deaf:
            return ""
        words: list[str] = []
        run, previous = 0, 0
        for value in [*self._values, 0]:
            if value == previous:
                run += 1
                continue
            if 0 < previous < NOISE:
                word = self._owner.vocabulary.word(previous)
                if run >= word_ms(word) // 20:
                    words.append(word)
            run, previous = 1, value
        return " ".join(words)

    async def _decode(self, took_ms: float) -> None:
        if self._owner.hangs:
            await asyncio.sleep(3600)
        await asyncio.sleep(took_ms / 1000)
        if self._owner.fault:
            raise self._owner.fault

    async def partial(self) -> Transcript:
        self._owner.partials += 1
        text = self._text()
        await self._decode(self._owner.partial_ms)
        stable = len(text) if text == self._last else 0
        self._last = text
        return Transcript(text, stable, 1.0, self._owner.partial_ms)

    async def final(self) -> Transcript:
        self._owner.finals += 1
        text = self._owner.final_says or self._text()
        await self._decode(self._owner.final_ms)
        return Transcript(text, len(text), 1.0, self._owner.final_ms)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._owner.open_streams -= 1


class FakeSynthesizer:
    """Each word is as long as its letters, made at TTS_SPEED times real time in pieces of 40 ms."""

    rate_hz = RATE_HZ

    def __init__(self, vocabulary: Vocabulary, name: str = "fake") -> None:
        self.name = name
        self.vocabulary = vocabulary
        self.texts: list[str] = []
        self.running = 0
        self.fault: Exception | None = None
        self.hangs = False
        self.fails_after_pieces: int | None = None
        self.first_ms = 0.0

    async def synthesize(self, text: str, language: str = "ru") -> AsyncIterator[bytes]:
        self.texts.append(text)
        self.running += 1
        try:
            if self.hangs:
                await asyncio.sleep(3600)
            if self.fault:
                raise self.fault
            await asyncio.sleep(self.first_ms / 1000)
            frames: list[bytes] = []
            for word in text.split():
                frames += [frame_of(-self.vocabulary.number(word))] * (word_ms(word) // 20)
            for piece, start in enumerate(range(0, len(frames), 2)):
                if piece == self.fails_after_pieces:
                    raise RuntimeError("synthesizer broke")
                await asyncio.sleep(0.04 / TTS_SPEED)
                yield b"".join(frames[start : start + 2])
        finally:
            self.running -= 1

    async def warm_up(self) -> None:
        pass

    async def close(self) -> None:
        pass


# --- agent, desk, timeline ------------------------------------------------------------------------------------

Step = ReplyEvent | float | Exception
"""An event, a pause in seconds, or a fault."""
Answer = Callable[[Conversation, Turn], Iterable[Step]]


class FakeAgent:
    """Answers by a function of the conversation and the turn; keeps what it was asked and how runs ended."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked: list[tuple[Conversation, Turn]] = []
        self.finished = 0
        self.cancelled = 0
        self.writes = 0
        self.running = 0

    async def reply(self, conversation: Conversation, turn: Turn) -> AsyncIterator[ReplyEvent]:
        self.asked.append((conversation, turn))
        self.running += 1
        try:
            for step in self._answer(conversation, turn):
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield step
            self.finished += 1
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    def spoken(self, text: str, language: str) -> str:
        return text

    def turns(self, provisional: bool | None = None) -> list[Turn]:
        return [turn for _, turn in self.asked if provisional is None or turn.provisional is provisional]


class ListTimeline:
    def __init__(self) -> None:
        self.events: list[TimelineEvent] = []

    def append(self, scope: CompanyScope, event: TimelineEvent) -> None:
        self.events.append(event)

    def of(self, kind: EventKind) -> list[dict[str, Any]]:
        return [event.data for event in self.events if event.kind is kind]


class WordCompleteness:
    """Words that break off, by a list: enough for tests of timing."""

    OPEN = frozenset(["я", "хочу", "на", "в", "во", "ну", "с", "со", "и", "а", "на"])

    def complete(self, text: str, expect: Expect) -> bool:
        words = text.lower().replace("…", "").split()
        return not words or words[-1] not in self.OPEN

    def wait_ms(self, said: Said) -> int:
        definite = said.expect is Expect.YES_NO and said.text.lower() in ("да", "нет")
        return timed_wait_ms(said, self.complete(said.text, said.expect), definite)


@dataclass
class FakeDesk:
    line: CompanyLine | None
    call_backs: list[str] = field(default_factory=list)
    summaries: list[CallSummary] = field(default_factory=list)
    opened_conversations: list[Conversation] = field(default_factory=list)
    fault: Exception | None = None
    store_fault: Exception | None = None

    async def line_for(self, info: CallInfo) -> CompanyLine | None:
        if self.fault:
            raise self.fault
        return self.line

    async def opened(self, line: CompanyLine, info: CallInfo, conversation: Conversation) -> None:
        if self.store_fault:
            raise self.store_fault
        self.opened_conversations.append(conversation)

    async def closed(self, line: CompanyLine, info: CallInfo, summary: CallSummary) -> None:
        self.summaries.append(summary)

    async def call_back(self, line: CompanyLine, conversation: Conversation, reason: str) -> bool:
        if self.fault:
            raise self.fault
        self.call_backs.append(reason)
        return True


class DictMemory:
    """voice.ports.CallMemory in this process."""

    def __init__(self) -> None:
        self.kept: Conversation | None = None
        self.fault: Exception | None = None

    async def keep(self, conversation: Conversation) -> None:
        if self.fault:
            raise self.fault
        self.kept = conversation

    async def recall(self, line: CompanyLine, info: CallInfo) -> Conversation | None:
        return self.kept


def a_line(fallback_number: str = "") -> CompanyLine:
    scope = CompanyScope(CompanyId(UUID(int=1)))
    return CompanyLine(scope, "ru", (), WordCompleteness(), fallback_number)


class Call:
    """One call with everything fake but the voice: script the leg, run(), look at what was played and written."""

    def __init__(self, answer: Answer, clock: Any, *, fallback_number: str = "", spare_engine: bool = False) -> None:
        self.clock = clock
        self.vocabulary = Vocabulary()
        self.leg = FakeLeg(self.vocabulary)
        self.agent = FakeAgent(answer)
        self.detector = FakeDetector()
        self.recognizer = FakeRecognizer(self.vocabulary)
        self.synthesizer = FakeSynthesizer(self.vocabulary)
        self.spare = FakeSynthesizer(self.vocabulary, "spare")
        engines = [self.synthesizer, self.spare] if spare_engine else [self.synthesizer]
        self.bank = VoiceBank(engines, clock)
        self.timeline = ListTimeline()
        self.desk = FakeDesk(a_line(fallback_number))
        self.engines = Engines(self.recognizer, self.detector, self.bank)
        self.memory = DictMemory()
        self.summary: CallSummary | None = None

    async def run(self, *, phrases_ready: bool = True) -> CallSummary:
        if phrases_ready:
            await self.bank.prepare(RUSSIAN.all, "ru", RATE_HZ)
        handler = ConversationHandler(
            agent=self.agent,
            engines=self.engines,
            timeline=self.timeline,
            clock=self.clock,
            desk=self.desk,
            memory=self.memory,
        )
        async with asyncio.TaskGroup() as group:
            wire = group.create_task(self.leg.run())
            await handler(self.leg)
            wire.cancel()
        assert self.agent.running == 0, "a reply is still running"
        assert self.synthesizer.running == self.spare.running == 0, "a synthesis is still running"
        assert self.recognizer.open_streams == 0, "a recogniser stream was not closed"
        self.summary = self.desk.summaries[-1]
        return self.summary

    @property
    def history(self) -> list[tuple[str, str]]:
        assert self.summary is not None
        return [(line.speaker.value, line.text) for line in self.summary.conversation.history]


def place(answer: Answer, script: Callable[[Call], None], **how: Any) -> Call:
    """Places one scripted call in virtual time and gives it back when it is over."""
    ready = how.pop("phrases_ready", True)

    async def main(clock: VirtualClock) -> Call:
        call = Call(answer, clock, **how)
        script(call)
        await call.run(phrases_ready=ready)
        return call

    return run_virtual(main)


def answers(*says: Say, think_s: float = 0.05, greeting: str = "Салон Мята, слушаю вас!") -> Answer:
    """An agent that answers its first words with the first Say, and so on; the last one again and again. It prompts on
    silence, asks again when nothing was understood, and files hang-ups."""

    def answer(conversation: Conversation, turn: Turn) -> Iterable[Step]:
        number = int(conversation.state.data.get("turns", 0))
        if turn.kind is TurnKind.HANG_UP:
            yield EndCall(Outcome.INFO)
            return
        if turn.kind is TurnKind.START:
            yield Say(greeting)
        elif turn.kind is TurnKind.SILENCE:
            yield Say(f"Алло, вы здесь? {turn.silence_count}")
        elif turn.kind is TurnKind.UNCLEAR:
            yield Say("Простите, не расслышала.")
        else:
            yield think_s
            yield says[min(number, len(says) - 1)]
            number += 1
        yield StateChanged(DialogState({"turns": number}))

    return answer
