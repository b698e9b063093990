"""What a caller hears when a cloud speech engine fails: one row for each engine and fault.

    python -m bench.cloud_faults            # the embedded engines stand in, on this machine
    python -m bench.cloud_faults --json

Vendors are the simulators of the tests, on 127.0.0.1, so the network's own delay is not in the numbers. A recogniser
row is one utterance, fed in real time: how long after its end the words are there, whose they are and whether one is
missing. A voice row is one sentence: its first sound, the longest silence inside, what was said twice or left out.
"""

import argparse
import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import structlog

from bench.cloud_aborts import ABORTS, abort_rows
from bench.media_legs import machine
from core.clock import SystemClock
from media_models.adapters.elevenlabs import ElevenLabsOptions, ElevenLabsSynthesizer
from media_models.adapters.google_stt import GoogleRecognizer
from media_models.adapters.google_tts import GoogleSynthesizer
from media_models.adapters.yandex_stt import YandexRecognizer
from media_models.adapters.yandex_tts import YandexSynthesizer
from media_models.cloud.gate import Gate
from media_models.fallback import (
    FallbackRecognizer,
    FallbackSynthesizer,
    probe_recognizer,
    probe_synthesizer,
)
from media_models.ladder import EngineSwitch, Ladder, Rung
from media_models.ports import Recognizer, Synthesizer
from tests.simulators.elevenlabs.server import VOICE, ElevenLabs
from tests.simulators.google_speech.auth import ServiceAccount
from tests.simulators.google_speech.stt import GoogleStt
from tests.simulators.google_speech.tts import GoogleTts
from tests.simulators.speech_vendor import Fault, Hear, scripted
from tests.simulators.tcp_line import TcpLine
from tests.simulators.yandex_speechkit.stt import SpeechKitStt
from tests.simulators.yandex_speechkit.tts import SpeechKitTts

REFUSED = "connection refused"
LINE_CUT = "line cut (TCP reset)"
LINE_DEAD = "line dead, nobody is told"
LINE_FAULTS = (REFUSED, LINE_CUT, LINE_DEAD)
COMMON = (Fault.NONE, Fault.KEY, Fault.QUOTA, Fault.BUSY, Fault.HANG_BEFORE, Fault.HANG_AFTER, Fault.RESET)
RECOGNIZER_FAULTS = {
    "yandex": (*COMMON, Fault.GARBAGE, Fault.LATE_FINAL, Fault.PARTIAL_ONLY, Fault.CLOSE_EARLY, *LINE_FAULTS),
    "google": (*COMMON, Fault.GARBAGE, Fault.LATE_FINAL, Fault.PARTIAL_ONLY, Fault.CUT, *LINE_FAULTS),
}
VOICE_FAULTS = {
    "yandex": (*COMMON, Fault.GARBAGE, Fault.SLOW, *LINE_FAULTS),
    "google": (*COMMON, Fault.GARBAGE, Fault.SLOW, *LINE_FAULTS),
    "elevenlabs": (*COMMON, Fault.GARBAGE, Fault.SLOW, Fault.CLOSE_EARLY, *LINE_FAULTS),
}
UTTERANCE = "Запишите меня на мужскую стрижку на завтра в двенадцать."
SENTENCE = (
    "Мужская стрижка стоит тысячу пятьсот рублей, длится сорок минут, и ближайшее свободное время завтра в двенадцать "
    "у мастера Анны."
)
STRIKES_MS = 900
"""Into the utterance or the sentence: where faults in the middle strike."""
FRAME_MS = 20
RATE_HZ = 8_000
AT_ONCE = 3

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class RecognizerRow:
    engine: str
    fault: str
    answered_by: str
    wait_ms: int
    """From the end of the utterance to its words."""
    text: str
    reason: str
    """Label of the switch; empty: there was none."""


@dataclass(frozen=True, slots=True)
class VoiceRow:
    engine: str
    fault: str
    finished_by: str
    first_ms: int
    """From the text to the first sound; -1: there was none."""
    gap_ms: int
    """The longest wait for a piece after that; 300 ms of audio are queued at the leg."""
    repeated: str
    """Words that were said twice."""
    lost: str
    """Words that nobody said."""
    reason: str


@dataclass(frozen=True, slots=True)
class Local:
    """What stands in, and the ear of the simulated vendors."""

    recognizer: Recognizer
    synthesizer: Synthesizer
    hear: Hear
    utterance: bytes
    account: ServiceAccount
    """One for all rows: making a key holds the event loop up."""


async def recognizer_row(engine: str, fault: str, local: Local) -> RecognizerRow:
    switches: list[EngineSwitch] = []
    async with _vendor_recognizer(engine, fault, local) as (vendor, strike):
        rungs = [Rung(engine, vendor), Rung[Recognizer]("embedded", local.recognizer, local=True)]
        recognizer = FallbackRecognizer(
            Ladder("recognizer", rungs, probe_recognizer, SystemClock(), listener=switches.append)
        )
        stream = recognizer.open_stream(RATE_HZ, "ru", ("стрижка",))
        loop = asyncio.get_running_loop()
        size = RATE_HZ * FRAME_MS // 1000 * 2
        begun_s = loop.time()
        for number, start in enumerate(range(0, len(local.utterance), size)):
            stream.feed(local.utterance[start : start + size])
            if number * FRAME_MS == STRIKES_MS:
                strike()
            if number % 12 == 11:
                await stream.partial()
            await asyncio.sleep(max(0.0, begun_s + (number + 1) * FRAME_MS / 1000 - loop.time()))
        ended_s = loop.time()
        transcript = await stream.final()
        wait_ms = round((loop.time() - ended_s) * 1000)
        stream.close()
        await recognizer.close()
    reason = switches[0].fault.value if switches else ""
    return RecognizerRow(engine, fault, "embedded" if switches else engine, wait_ms, transcript.text, reason)


async def voice_row(engine: str, fault: str, local: Local) -> VoiceRow:
    switches: list[EngineSwitch] = []
    spare = _Noting(local.synthesizer)
    async with _vendor_voice(engine, fault, local) as (vendor, strike):
        rungs = [Rung(engine, vendor), Rung[Synthesizer]("embedded", spare, local=True)]
        voice = FallbackSynthesizer(
            Ladder("synthesizer", rungs, probe_synthesizer, SystemClock(), listener=switches.append)
        )
        loop = asyncio.get_running_loop()
        asked_s = last_s = loop.time()
        first_ms: int | None = None
        gap_ms, given, struck = 0.0, 0, False
        async for piece in voice.synthesize(SENTENCE):
            now_s = loop.time()
            if first_ms is None:
                first_ms = round((now_s - asked_s) * 1000)
            else:
                gap_ms = max(gap_ms, (now_s - last_s) * 1000)
            given += len(piece) if not spare.texts else 0
            if given >= STRIKES_MS * RATE_HZ * 2 // 1000 and not struck:
                struck = True
                strike()
            # As the speaker of a call: 300 ms ahead of play-out, then in real time.
            await asyncio.sleep(0.002)
            last_s = loop.time()
        await voice.close()
    # The simulators speak 14 characters a second.
    heard = min(round(given / 2 / RATE_HZ * 14), len(SENTENCE)) if spare.texts else len(SENTENCE)
    went_on = SENTENCE.index(spare.texts[0]) if spare.texts else len(SENTENCE)
    return VoiceRow(
        engine,
        fault,
        "embedded" if spare.texts else engine,
        -1 if first_ms is None else first_ms,
        round(gap_ms),
        SENTENCE[went_on:heard].strip() if went_on < heard else "",
        # A word that was begun is not lost: it is said again or was nearly over.
        SENTENCE[heard:went_on].strip() if went_on > heard + 1 else "",
        switches[0].fault.value if switches else "",
    )


class _Noting:
    """Implements Synthesizer: the stand-in, and what it was asked for."""

    def __init__(self, inner: Synthesizer) -> None:
        self._inner = inner
        self.name = inner.name
        self.rate_hz = inner.rate_hz
        self.texts: list[str] = []

    def synthesize(self, text: str, language: str = "ru") -> AsyncIterator[bytes]:
        self.texts.append(text)
        return self._inner.synthesize(text, language)

    async def warm_up(self) -> None:
        await self._inner.warm_up()

    async def close(self) -> None:
        return None


@asynccontextmanager
async def _vendor_recognizer(
    engine: str, fault: str, local: Local
) -> AsyncIterator[tuple[Recognizer, Callable[[], None]]]:
    async with AsyncExitStack() as cleanup:
        key, account = secrets.token_hex(16), local.account
        server: Any = SpeechKitStt(key, local.hear) if engine == "yandex" else GoogleStt(account, local.hear)
        server.fail_after_ms = STRIKES_MS
        endpoint, strike = await _line(cleanup, server, fault)
        adapter: Recognizer
        if engine == "yandex":
            adapter = YandexRecognizer(key, Gate("RU"), endpoint=endpoint)
        else:
            adapter = GoogleRecognizer(account.key_file(), Gate("DE"), endpoint=endpoint)
        yield adapter, strike


@asynccontextmanager
async def _vendor_voice(engine: str, fault: str, local: Local) -> AsyncIterator[tuple[Synthesizer, Callable[[], None]]]:
    async with AsyncExitStack() as cleanup:
        key, account = secrets.token_hex(16), local.account
        server: Any
        match engine:
            case "yandex":
                server = SpeechKitTts(key)
            case "google":
                server = GoogleTts(account)
            case _:
                server = ElevenLabs(key)
        server.fail_after_s = STRIKES_MS / 1000
        endpoint, strike = await _line(cleanup, server, fault)
        adapter: Synthesizer
        match engine:
            case "yandex":
                adapter = YandexSynthesizer(key, Gate("RU"), endpoint=endpoint)
            case "google":
                adapter = GoogleSynthesizer(account.key_file(), Gate("DE"), endpoint=endpoint)
            case _:
                adapter = ElevenLabsSynthesizer(key, Gate("DE"), ElevenLabsOptions(voice=VOICE), endpoint=endpoint)
        yield adapter, strike


async def _line(cleanup: AsyncExitStack, server: Any, fault: str) -> tuple[Any, Callable[[], None]]:
    await cleanup.enter_async_context(server)
    if fault == REFUSED:
        endpoint = server.endpoint
        await server.stop()
        return endpoint, lambda: None
    line = await cleanup.enter_async_context(TcpLine(server.endpoint))
    if fault in LINE_FAULTS:
        return line.endpoint, line.cut if fault == LINE_CUT else line.die
    server.fault = Fault(fault)
    return line.endpoint, lambda: None


def recognizer_cases() -> list[tuple[str, str]]:
    return [(engine, str(fault)) for engine, faults in RECOGNIZER_FAULTS.items() for fault in faults]


def voice_cases() -> list[tuple[str, str]]:
    return [(engine, str(fault)) for engine, faults in VOICE_FAULTS.items() for fault in faults]


async def rows(
    make: Callable[[str, str, Local], Awaitable[Row]], cases: Iterable[tuple[str, str]], local: Local
) -> list[Row]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(engine: str, fault: str) -> Row:
        async with gate:
            return await make(engine, fault, local)

    return list(await asyncio.gather(*(one(engine, fault) for engine, fault in cases)))


@asynccontextmanager
async def embedded_engines() -> AsyncIterator[Local]:
    """The engines that come with the product, and the utterance in a voice that they have not learned from."""
    from media_models.adapters.espeak import EspeakOptions, EspeakSynthesizer
    from media_models.adapters.faster_whisper import FasterWhisperRecognizer
    from media_models.engines import embedded_recognizer_folder

    recognizer = FasterWhisperRecognizer(embedded_recognizer_folder())
    voice, caller = EspeakSynthesizer(), EspeakSynthesizer(EspeakOptions(voices={"ru": "ru+m3"}))

    try:
        await recognizer.warm_up()
        await voice.warm_up()
        utterance = b"".join([piece async for piece in caller.synthesize(UTTERANCE)])
        words = UTTERANCE.lower().strip(".")
        # The vendors' ears cost nothing: they know the words, and how much of them they were sent.
        hear = scripted(words, len(utterance) // 2 * 1000 // RATE_HZ // len(words.split()))
        yield Local(recognizer, voice, hear, utterance, ServiceAccount())
    finally:
        await caller.close()
        await voice.close()
        await recognizer.close()


async def _run(*, as_json: bool) -> None:
    async with embedded_engines() as local:
        heard: list[RecognizerRow] = await rows(recognizer_row, recognizer_cases(), local)
        spoken: list[VoiceRow] = await rows(voice_row, voice_cases(), local)
        aborted = await abort_rows(local.hear, local.account, local.utterance[: 2 * RATE_HZ], SENTENCE)
    if as_json:
        listed = [*map(asdict, heard), *map(asdict, spoken), *map(asdict, aborted)]
        print(json.dumps(listed, ensure_ascii=False))
        return
    print(machine())
    print(f"\nRecognisers: «{UTTERANCE}»; faults in the middle strike {STRIKES_MS} ms into it\n")
    print("| engine | fault | words from | after the end, ms | text | reason |\n| --- | --- | --- | --- | --- | --- |")
    for row in heard:
        print(f"| {row.engine} | {row.fault} | {row.answered_by} | {row.wait_ms} | {row.text} | {row.reason} |")
    print(f"\nVoices: a sentence of {len(SENTENCE)} characters\n")
    print("| engine | fault | finished by | first sound, ms | longest gap, ms | said twice | left out | reason |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for line in spoken:
        print(
            f"| {line.engine} | {line.fault} | {line.finished_by} | {line.first_ms} | {line.gap_ms} | "
            f"{line.repeated or '-'} | {line.lost or '-'} | {line.reason} |"
        )
    print(f"\nNobody listens any more: close to the request's end at the vendor, {ABORTS} times\n")
    print("| engine | median, ms | worst, ms |\n| --- | --- | --- |")
    for ended in aborted:
        print(f"| {ended.engine} | {ended.median_ms} | {ended.worst_ms} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON list")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    asyncio.run(_run(as_json=options.json))


if __name__ == "__main__":
    main()
