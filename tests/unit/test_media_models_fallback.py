"""Ladders of engines: nothing said is lost, no sentence breaks off, who failed rests and comes back by a probe."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import SystemClock
from core.errors import ConfigurationError, Unavailable
from media_models.breaker import Breaker, BreakerPolicy
from media_models.cloud import errors
from media_models.cloud.errors import Fault, fault_of
from media_models.fallback import (
    FallbackRecognizer,
    FallbackSynthesizer,
    probe_recognizer,
    probe_synthesizer,
    spoken_chars,
)
from media_models.ladder import EngineSwitch, Ladder, Rung, switches_of_call
from media_models.ports import Transcript
from media_models.pronunciation import Saying, marked, spelled_out
from media_models.resume import CLAUSE_REACH, LEAST_CHARS_PER_S, resume_at


class ManualClock(SystemClock):
    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic_s(self) -> float:
        return self.now_s


class Ear:
    """A recogniser that hears one letter for each byte; fails when told to."""

    def __init__(self, name: str = "ear") -> None:
        self.name = name
        self.fault: Exception | None = None
        self.fails_at = 0
        """Bytes heard before the fault strikes."""
        self.opened = self.open = 0
        self.rates: list[int] = []

    def open_stream(self, rate_hz: int, language: str = "ru", hints: Sequence[str] = ()) -> "EarStream":
        if self.fault is not None and self.fails_at < 0:
            raise self.fault
        self.opened += 1
        self.open += 1
        self.rates.append(rate_hz)
        return EarStream(self)

    async def warm_up(self) -> None:
        if self.fault is not None:
            raise self.fault

    async def close(self) -> None:
        self.name = "closed"


class EarStream:
    def __init__(self, ear: Ear) -> None:
        self.ear = ear
        self.heard = b""

    def feed(self, pcm: bytes) -> None:
        self.heard += pcm

    async def partial(self) -> Transcript:
        await asyncio.sleep(0)
        if self.ear.fault is not None and len(self.heard) >= self.ear.fails_at:
            raise self.ear.fault
        return Transcript(self.heard.decode(), len(self.heard) // 2)

    async def final(self) -> Transcript:
        await self.partial()
        return Transcript(self.heard.decode(), len(self.heard))

    def close(self) -> None:
        self.ear.open -= 1


def recognizer(
    *ears: Ear, clock: ManualClock | None = None, told: list[EngineSwitch] | None = None
) -> FallbackRecognizer:
    rungs = [Rung[Any](ear.name, ear, local=ear is ears[-1]) for ear in ears]
    listener = told.append if told is not None else None
    return FallbackRecognizer(Ladder("recognizer", rungs, probe_recognizer, clock or ManualClock(), listener))


async def test_the_next_engine_hears_the_whole_turn() -> None:
    cloud, local, told = Ear("cloud"), Ear("local"), []
    engine = recognizer(cloud, local, told=told)
    turn = engine.open_stream(8_000)
    turn.feed(b"abc")
    assert (await turn.partial()).text == "abc"
    cloud.fault, cloud.fails_at = errors.reset("yandex", "x"), 4
    turn.feed(b"def")
    assert (await turn.partial()).text == "abcdef", "a partial fails over as well"
    turn.feed(b"ghi")
    assert await turn.final() == Transcript("abcdefghi", 9)
    turn.close()
    assert (cloud.open, local.open) == (0, 0)
    assert told == [EngineSwitch("recognizer", "cloud", "local", Fault.RESET)]


async def test_an_engine_that_cannot_even_be_opened() -> None:
    cloud, local = Ear("cloud"), Ear("local")
    cloud.fault, cloud.fails_at = ConfigurationError("rate_hz"), -1
    turn = recognizer(cloud, local).open_stream(8_000)
    turn.feed(b"abc")
    assert (await turn.final()).text == "abc"


async def test_three_rungs() -> None:
    first, second, local, told = Ear("first"), Ear("second"), Ear("local"), []
    first.fault = second.fault = errors.unreachable("google", "x")
    turn = recognizer(first, second, local, told=told).open_stream(8_000)
    turn.feed(b"abc")
    assert (await turn.final()).text == "abc"
    assert [(switch.engine, switch.instead) for switch in told] == [("first", "second"), ("second", "local")]


async def test_words_heard_before_all_engines_failed_are_not_lost() -> None:
    cloud, local = Ear("cloud"), Ear("local")
    turn = recognizer(cloud, local).open_stream(8_000)
    turn.feed(b"abc")
    await turn.partial()
    cloud.fault = local.fault = RuntimeError("dead")
    final = await turn.final()
    assert (final.text, final.confidence) == ("abc", 0.5)
    silent = recognizer(cloud, local).open_stream(8_000)
    silent.feed(b"abc")
    with pytest.raises(Unavailable):
        await silent.final()


async def test_closing_while_an_engine_answers() -> None:
    cloud, local, told = Ear("cloud"), Ear("local"), []
    turn = recognizer(cloud, local, told=told).open_stream(8_000)
    turn.feed(b"abc")
    cloud.fault = errors.reset("yandex", "x")
    asking = asyncio.create_task(turn.final())
    await asyncio.sleep(0)
    turn.close()
    assert (await asking).text == ""
    assert told == []
    assert local.opened == 0


async def test_a_silent_engine_rests_at_once_and_comes_back_by_a_probe_beside_the_calls() -> None:
    clock, told = ManualClock(), []
    cloud, local = Ear("cloud"), Ear("local")
    engine = recognizer(cloud, local, clock=clock, told=told)

    async def turn_text() -> tuple[str, int]:
        turn = engine.open_stream(8_000)
        turn.feed(b"abc")
        text = (await turn.final()).text
        turn.close()
        return text, cloud.opened

    cloud.fault = errors.silent("yandex", "final", 1.2)
    assert await turn_text() == ("abc", 1)
    assert await turn_text() == ("abc", 1), "no second caller waits for it"
    clock.now_s += 5.1
    assert (await turn_text())[0] == "abc"
    await asyncio.sleep(0.01)
    assert cloud.opened == 2, "the probe, not the caller's turn"
    clock.now_s += 5.1
    await turn_text()
    await asyncio.sleep(0.01)
    assert cloud.opened == 2, "the rest is longer after a failed probe"
    cloud.fault = None
    clock.now_s += 5.1
    await turn_text()
    await asyncio.sleep(0.01)
    assert told[-1] == EngineSwitch("recognizer", "local", "cloud", Fault.RECOVERED)
    opened = cloud.opened
    assert await turn_text() == ("abc", opened + 1), "it answers again"
    await engine.close()
    assert local.name == "local", "the installation's engine is not ours to close"
    assert cloud.name == "closed"


async def test_a_switch_is_told_to_the_call_that_it_happened_to() -> None:
    cloud, local = Ear("cloud"), Ear("local")
    engine = recognizer(cloud, local)
    heard: dict[str, list[EngineSwitch]] = {"one": [], "other": []}

    async def call(name: str, fails: bool) -> None:
        switches_of_call.set(heard[name].append)
        turn = engine.open_stream(8_000)
        turn.feed(b"abc")
        await turn.partial()
        if fails:
            cloud.fault = errors.reset("yandex", "x")
            await turn.final()
            cloud.fault = None
        turn.close()

    await asyncio.create_task(call("other", False))
    await asyncio.create_task(call("one", True))
    assert [len(heard["one"]), len(heard["other"])] == [1, 0]


async def test_a_vendor_that_is_down_at_start_does_not_stop_the_start() -> None:
    cloud, local = Ear("cloud"), Ear("local")
    cloud.fault = errors.silent("yandex", "connection", 2)
    engine = recognizer(cloud, local)
    await engine.warm_up()
    turn = engine.open_stream(8_000)
    turn.feed(b"abc")
    await turn.final()
    assert cloud.opened == 0
    local.fault = RuntimeError("no model")
    await engine.warm_up()  # the installation has warmed its own engines, and has said what is wrong with them


# --- voices ------------------------------------------------------------------------------------------------------

RATE_HZ = 8_000


class Voice:
    """Speaks 10 characters a second in pieces of 100 ms. Fails, hangs or ends where it is told to."""

    def __init__(self, name: str = "voice", *, knows: bool = False) -> None:
        self.name = name
        self.rate_hz = RATE_HZ
        self.knows = knows
        self.fails_at: int | None = None
        """Characters."""
        self.hangs = False
        self.texts: list[str] = []
        self.running = 0

    def synthesize(self, text: str, language: str = "ru") -> "Speaking":
        self.texts.append(text)
        return Speaking(self, text)

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...


class Speaking:
    def __init__(self, voice: Voice, text: str) -> None:
        self.voice = voice
        self.done = 0
        self.spoken_chars: int | None = 0 if voice.knows else None
        self.pieces = self.speak(text)

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        self.voice.running += 1
        try:
            for number in range(1, len(text) + 1):
                if self.voice.fails_at is not None and number > self.voice.fails_at:
                    if self.voice.hangs:
                        await asyncio.sleep(30)
                    raise errors.reset("yandex", "x")
                if self.voice.knows:
                    self.spoken_chars = number
                yield b"\1\0" * (RATE_HZ // 10)
        finally:
            self.voice.running -= 1

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self.pieces)

    async def aclose(self) -> None:
        await self.pieces.aclose()  # type: ignore[attr-defined]


def synthesizer(
    *voices: Voice, told: list[EngineSwitch] | None = None, deadlines: Any = None, clock: Any = None
) -> FallbackSynthesizer:
    rungs = [Rung[Any](voice.name, voice, local=voice is voices[-1]) for voice in voices]
    listener: Callable[[EngineSwitch], None] | None = told.append if told is not None else None
    ladder = Ladder("synthesizer", rungs, probe_synthesizer, clock or ManualClock(), listener)
    return FallbackSynthesizer(ladder, deadlines)


TEXT = "Стрижка стоит тысячу рублей, запишу вас на завтра. Приходите в двенадцать."


async def spoken(engine: FallbackSynthesizer, text: str = TEXT) -> bytes:
    return b"".join([piece async for piece in engine.synthesize(text)])


async def test_a_sentence_that_breaks_goes_on_at_its_clause() -> None:
    cloud, local, told = Voice("cloud", knows=True), Voice("local"), []
    cloud.fails_at = TEXT.index("завтра")
    pcm = await spoken(synthesizer(cloud, local, told=told))
    assert local.texts == ["запишу вас на завтра. Приходите в двенадцать."]
    assert len(pcm) >= (cloud.fails_at + len(local.texts[0])) * RATE_HZ // 10 * 2
    assert told == [EngineSwitch("synthesizer", "cloud", "local", Fault.RESET)]
    assert (cloud.running, local.running) == (0, 0)


async def test_a_voice_without_times_goes_on_before_where_it_can_have_come() -> None:
    cloud, local = Voice("cloud"), Voice("local")
    cloud.fails_at = TEXT.index("Приходите") + 12
    await spoken(synthesizer(cloud, local))
    (rest,) = local.texts
    assert TEXT.endswith(rest)
    assert len(TEXT) - len(rest) <= cloud.fails_at, "nothing is left out"


async def test_a_mark_of_pronunciation_is_not_cut_in_two() -> None:
    saying = Saying(("l@r",), ("lərʲ",), "лореа́ль")
    text = f"Окрашивание {marked('L’Oreal', saying)} стоит две тысячи рублей, запишу вас на завтра на утро."
    for fails_at in range(1, 70, 7):
        cloud, local = Voice("cloud"), Voice("local")
        cloud.fails_at = fails_at
        await spoken(synthesizer(cloud, local), text)
        assert "\ue000" not in local.texts[0]
        assert spelled_out(text).endswith(local.texts[0])
    cloud, local = Voice("cloud"), Voice("local")
    cloud.fails_at = 0
    await spoken(synthesizer(cloud, local), text)
    assert local.texts == [text], "a voice that takes over from the start says the word as the company wants"


async def test_a_voice_that_dies_before_its_first_sound_costs_nothing() -> None:
    cloud, local = Voice("cloud"), Voice("local")
    cloud.fails_at = 0
    assert len(await spoken(synthesizer(cloud, local))) == len(TEXT) * 1600
    assert local.texts == [TEXT]


async def test_a_voice_that_ends_without_a_sound_has_failed() -> None:
    class Mute(Voice):
        def synthesize(self, text: str, language: str = "ru") -> Speaking:
            self.texts.append(text)
            return Speaking(self, "")

    local = Voice("local")
    await spoken(synthesizer(Mute("cloud"), local))
    assert local.texts == [TEXT]
    assert await spoken(synthesizer(Mute("cloud"), Voice("local")), "") == b""


async def test_a_voice_that_hangs_is_given_up_in_its_time() -> None:
    from media_models.cloud.deadlines import Deadlines

    cloud, local, told = Voice("cloud", knows=True), Voice("local"), []
    cloud.fails_at, cloud.hangs = 30, True
    engine = synthesizer(cloud, local, told=told, deadlines=Deadlines(first_sound_s=0.05, next_sound_s=0.05))
    await spoken(engine)
    assert told[0].fault is Fault.SILENT
    assert cloud.running == 0, "the hanging request is closed"


async def test_a_voice_slower_than_speech_is_given_up() -> None:
    """100 ms of sound every 200 ms: no single gap is long, and the caller hears a stutter."""
    from media_models.cloud.deadlines import Deadlines

    class Slow(Speaking):
        async def __anext__(self) -> bytes:
            await asyncio.sleep(0.2)
            return await super().__anext__()

    cloud, local, told = Voice("cloud"), Voice("local"), []
    cloud.synthesize = lambda text, language="ru": Slow(cloud, text)  # type: ignore[method-assign]
    await spoken(synthesizer(cloud, local, told=told, deadlines=Deadlines(first_sound_s=5, next_sound_s=0.5)))
    assert [switch.fault for switch in told] == [Fault.SILENT]
    assert local.texts, "the local voice has gone on"


async def test_what_was_spoken_to_its_end_is_not_said_again() -> None:
    cloud, local = Voice("cloud", knows=True), Voice("local")

    class EndsBadly(Speaking):
        async def __anext__(self) -> bytes:
            try:
                return await super().__anext__()
            except StopAsyncIteration:
                raise errors.reset("yandex", "no last message") from None

    cloud.synthesize = lambda text, language="ru": EndsBadly(cloud, text)  # type: ignore[method-assign]
    pcm = await spoken(synthesizer(cloud, local))
    assert local.texts == []
    assert len(pcm) == len(TEXT) * 1600


async def test_an_abandoned_sentence_stops_its_engine() -> None:
    cloud = Voice("cloud")
    source = synthesizer(cloud, Voice("local")).synthesize(TEXT)
    await anext(source)
    await source.aclose()  # type: ignore[attr-defined]
    assert cloud.running == 0


async def test_voices_of_different_rates_make_no_ladder() -> None:
    wide = Voice("wide")
    wide.rate_hz = 16_000
    with pytest.raises(ValueError, match="rate"):
        synthesizer(wide, Voice("local"))


# --- where a sentence goes on ------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text("абвгд", min_size=1, max_size=9), min_size=1, max_size=30),
    st.sampled_from([" ", ", ", ". ", " — "]),
    st.floats(0, 40),
    st.one_of(st.none(), st.integers(0, 400)),
)
def test_nothing_is_left_out_and_no_word_is_cut(
    words: list[str], joint: str, heard_s: float, known: int | None
) -> None:
    text = joint.join(words)
    place = resume_at(text, heard_s, known)
    spoken_at_most = min(len(text), int(heard_s * LEAST_CHARS_PER_S) if known is None else known)
    assert 0 <= place <= spoken_at_most
    if place not in (0, len(text)):
        assert text[place - 1] == " "
        assert text[place] != " "
    assert spoken_at_most - place <= CLAUSE_REACH + 12, "not much is said twice"


def test_a_clause_is_begun_again_and_a_long_one_goes_on_at_the_word() -> None:
    assert resume_at("Добрый день, слушаю вас", 0, 18) == len("Добрый день, ")
    long = "слово " * 20
    assert resume_at(long, 0, 75) == 72
    assert resume_at("Добрый день.", 100) == 0, "without times the end is never taken for sure"
    assert resume_at("Добрый день.", 1, 12) == 12


# --- resting -----------------------------------------------------------------------------------------------------


def test_cheap_failures_need_two_and_costly_ones_one() -> None:
    cheap = Breaker()
    assert not cheap.failed(0, costly=False, for_a_person=False)
    assert cheap.closed
    assert cheap.failed(1, costly=False, for_a_person=False)
    assert not cheap.closed
    assert Breaker().failed(0, costly=True, for_a_person=False)
    steady = Breaker()
    for now_s in range(10):
        steady.failed(now_s, costly=False, for_a_person=False)
        steady.succeeded()
    assert steady.closed


def test_rests_grow_to_a_limit_and_a_success_forgets_them() -> None:
    breaker, now_s, rests = Breaker(BreakerPolicy(rest_s=5, longest_rest_s=60)), 0.0, []
    for _ in range(6):
        breaker.failed(now_s, costly=True, for_a_person=False)
        begun_s = now_s
        while not breaker.probe_due(now_s):
            now_s += 1
        rests.append(now_s - begun_s)
        breaker.probe_started()
        assert not breaker.probe_due(now_s), "one probe at a time"
    assert rests == [5, 10, 20, 40, 60, 60]
    assert breaker.succeeded()
    assert breaker.closed
    assert not breaker.succeeded(), "it was closed already"
    breaker.failed(now_s, costly=True, for_a_person=False)
    assert breaker.probe_due(now_s + 5)


def test_a_wrong_key_rests_until_a_person_can_have_mended_it() -> None:
    breaker = Breaker()
    assert breaker.failed(0, costly=False, for_a_person=True)
    assert not breaker.probe_due(299)
    assert breaker.probe_due(300)


def test_labels_of_faults_are_a_closed_set() -> None:
    assert fault_of(errors.quota_exceeded("google", "429")) is Fault.QUOTA
    assert fault_of(TimeoutError()) is Fault.SILENT
    assert fault_of(RuntimeError("анна")) is Fault.FAILED
    assert spoken_chars(object()) is None


@pytest.mark.parametrize(
    ("status", "answered", "kind"),
    [
        ("UNAUTHENTICATED", False, errors.KeyRefused),
        ("PERMISSION_DENIED", True, errors.KeyRefused),
        ("RESOURCE_EXHAUSTED", False, errors.QuotaExceeded),
        ("INVALID_ARGUMENT", False, errors.RequestRefused),
        ("UNAVAILABLE", False, errors.EngineUnreachable),
        ("UNAVAILABLE", True, errors.EngineReset),
        ("INTERNAL", True, errors.EngineReset),
        ("DEADLINE_EXCEEDED", False, errors.EngineSilent),
    ],
)
def test_statuses_become_our_errors(status: str, answered: bool, kind: type) -> None:
    assert type(errors.grpc_error("yandex", status, answered=answered)) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, errors.KeyRefused), (403, errors.KeyRefused), (402, errors.QuotaExceeded), (429, errors.QuotaExceeded),
     (400, errors.RequestRefused), (404, errors.RequestRefused), (500, errors.EngineUnreachable),
     (302, errors.EngineUnreachable)],
)  # fmt: skip
def test_http_statuses_become_our_errors(status: int, kind: type) -> None:
    assert type(errors.http_error("google", status)) is kind
