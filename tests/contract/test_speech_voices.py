"""One suite for the cloud voices, each against its vendor's simulator on the real wire."""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from core.errors import ConfigurationError
from media_models.adapters.elevenlabs import ElevenLabsOptions, ElevenLabsSynthesizer
from media_models.adapters.google_tts import GoogleSynthesizer, GoogleTtsOptions
from media_models.adapters.yandex_tts import YandexSynthesizer, YandexTtsOptions
from media_models.cloud import errors
from media_models.cloud.deadlines import Deadlines
from media_models.cloud.gate import Gate
from media_models.loudness import active_dbfs
from media_models.pronunciation import Saying, marked
from media_models.regions import ForeignTransfer
from tests.simulators.elevenlabs.server import VOICE, ElevenLabs
from tests.simulators.google_speech.auth import ServiceAccount
from tests.simulators.google_speech.tts import GoogleTts
from tests.simulators.speech_vendor import Fault, until
from tests.simulators.yandex_speechkit.tts import SpeechKitTts

TEXT = (
    "Мужская стрижка стоит тысячу пятьсот рублей, длится сорок минут, и ближайшее свободное время завтра в двенадцать "
    "у мастера Анны. Записать вас?"
)
PATIENT = Deadlines(connect_s=20, first_sound_s=20, next_sound_s=20)
ACCOUNT = ServiceAccount()
KEY = secrets.token_hex(16)
S_PER_CHAR = 1 / 14


@dataclass
class Bench:
    vendor: Any
    voices: list[Any]

    def voice(self, rate_hz: int = 8_000, key: str = "", gate: str = "DE", **options: Any) -> Any:
        endpoint = self.vendor.endpoint
        made: Any
        if isinstance(self.vendor, SpeechKitTts):
            made = YandexSynthesizer(
                key or KEY, Gate(gate), YandexTtsOptions(**options), rate_hz, endpoint, deadlines=PATIENT
            )
        elif isinstance(self.vendor, GoogleTts):
            key = key or ACCOUNT.key_file()
            made = GoogleSynthesizer(key, Gate(gate), GoogleTtsOptions(**options), rate_hz, endpoint, PATIENT)
        else:
            chosen = ElevenLabsOptions(**{"voice": VOICE, **options})
            made = ElevenLabsSynthesizer(key or KEY, Gate(gate), chosen, rate_hz, endpoint, PATIENT)
        self.voices.append(made)
        return made


@pytest.fixture(params=["yandex", "google", "elevenlabs"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    vendors = {
        "yandex": lambda: SpeechKitTts(KEY),
        "google": lambda: GoogleTts(ACCOUNT),
        "elevenlabs": lambda: ElevenLabs(KEY),
    }
    before = asyncio.all_tasks()
    async with vendors[request.param]() as vendor:
        bench = Bench(vendor, [])
        yield bench
        for voice in bench.voices:
            await voice.close()
        left = [task.get_name() for task in asyncio.all_tasks() - before if task.get_name() == "google-speech"]
        assert left == [], "a request is still under way"


async def spoken(voice: Any, text: str) -> list[bytes]:
    return [piece async for piece in voice.synthesize(text)]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
async def test_a_sentence_comes_in_small_pieces_at_the_asked_rate(bench: Bench, rate_hz: int) -> None:
    pieces = await spoken(bench.voice(rate_hz), TEXT)
    assert {len(piece) for piece in pieces} == {rate_hz // 50 * 2}
    seconds = sum(map(len, pieces)) / 2 / rate_hz
    assert abs(seconds - len(TEXT) * S_PER_CHAR) < 0.3
    assert "".join(bench.vendor.texts).strip() == TEXT


async def test_the_second_sentence_has_the_common_loudness(bench: Bench) -> None:
    voice = bench.voice()
    await spoken(voice, TEXT)
    if not isinstance(bench.vendor, SpeechKitTts):
        assert voice._level.gain != 1.0
    pcm = b"".join(await spoken(voice, TEXT))
    samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
    assert abs(active_dbfs(samples, 8_000) + 20) < 1


async def test_a_long_text_is_cut_to_the_vendors_size_and_nothing_is_left_out(bench: Bench) -> None:
    text = " ".join(itertools.repeat(TEXT, 4))
    pieces = await spoken(bench.voice(), text)
    assert "".join(bench.vendor.texts).split() == text.split() or " ".join(bench.vendor.texts).split() == text.split()
    assert abs(sum(map(len, pieces)) / 16_000 - len(text) * S_PER_CHAR) < 1


async def test_stress_marks_reach_only_who_reads_them(bench: Bench) -> None:
    await spoken(bench.voice(), "Ма́ртовский за́мок.")
    said = "М+артовский з+амок." if isinstance(bench.vendor, SpeechKitTts) else "Мартовский замок."
    assert "".join(bench.vendor.texts).strip() == said


async def test_the_company_s_pronunciation_is_written_in_the_vendors_way(bench: Bench) -> None:
    saying = Saying(("l@r",), ("lərʲ",), "лореа́ль")
    await spoken(bench.voice(), f"Краска {marked('L’Oreal', saying)} в наличии.")
    said = "лоре+аль" if isinstance(bench.vendor, SpeechKitTts) else "лореаль"
    assert "".join(bench.vendor.texts).strip() == f"Краска {said} в наличии."


async def test_punctuation_alone_is_not_asked_for(bench: Bench) -> None:
    assert await spoken(bench.voice(), " … ") == []
    assert bench.vendor.calls == []


async def test_it_is_known_what_has_been_spoken(bench: Bench) -> None:
    voice = bench.voice()
    speech = voice.synthesize(TEXT)
    given, known = 0, []
    async for piece in speech:
        given += len(piece)
        chars = speech.spoken_chars
        if chars is not None:
            known.append(chars)
            assert chars <= given / 16_000 * 14 + 1, "more than was handed out"
    assert known == sorted(known)
    assert known[-1] >= len(TEXT) - 1


async def test_closing_the_iterator_ends_the_request_at_once(bench: Bench) -> None:
    bench.vendor.fault = Fault.SLOW
    speech = bench.voice().synthesize(TEXT)
    first = asyncio.ensure_future(anext(speech))
    if isinstance(bench.vendor, GoogleTts):
        await until(lambda: bench.vendor.texts)
        first.cancel()
        await asyncio.wait({first})
    else:
        assert await first
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    await speech.aclose()
    assert loop.time() - begun_s < 1, "the bar is 60 ms; bench.cloud_faults measures"
    if not isinstance(bench.vendor, GoogleTts):
        await until(lambda: bench.vendor.calls[0].cancelled_at_s)
    with pytest.raises(StopAsyncIteration):
        await anext(speech)


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (Fault.KEY, errors.KeyRefused, "ai-admin speech key"),
        (Fault.QUOTA, errors.QuotaExceeded, "квот"),
        (Fault.BUSY, errors.EngineUnreachable, "не отвечает"),
        (Fault.RESET, errors.EngineReset, "оборвал"),
        (Fault.GARBAGE, errors.EngineGarbage, "непонятный"),
    ],
)
async def test_refusals_are_named_with_their_remedy(bench: Bench, fault: Fault, error: type, words: str) -> None:
    bench.vendor.fault = fault
    with pytest.raises(error, match=words) as caught:
        await spoken(bench.voice(), TEXT)
    told = f"{caught.value.message} {caught.value.facts}"
    assert KEY not in told
    assert "стрижка" not in told


async def test_nobody_listens(bench: Bench) -> None:
    voice = bench.voice()
    await bench.vendor.stop()
    with pytest.raises(errors.EngineUnreachable):
        await spoken(voice, TEXT)


async def test_a_wrong_key_is_no_key(bench: Bench) -> None:
    key = ServiceAccount().key_file() if isinstance(bench.vendor, GoogleTts) else secrets.token_hex(16)
    with pytest.raises(errors.KeyRefused):
        await spoken(bench.voice(key=key), TEXT)


async def test_an_unknown_voice_is_a_setting_to_mend(bench: Bench) -> None:
    with pytest.raises(errors.RequestRefused, match="голос"):
        await spoken(bench.voice(voice="nobody"), TEXT)


async def test_a_rate_that_nobody_serves_is_named(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="rate_hz 11025"):
        bench.voice(11_025)


async def test_many_speak_at_once(bench: Bench) -> None:
    voice = bench.voice()
    made = await asyncio.gather(*(spoken(voice, f"{TEXT} {number}") for number in range(8)))
    assert all(len(pieces) > 100 for pieces in made)


async def test_a_russian_company_reaches_only_russian_hosts() -> None:
    """At the vendors' own addresses: the simulators' stand on this machine, which is nobody's abroad."""
    await YandexSynthesizer(KEY, Gate("RU")).close()
    with pytest.raises(ForeignTransfer, match="152-ФЗ"):
        GoogleSynthesizer(ACCOUNT.key_file(), Gate("RU"))
    with pytest.raises(ForeignTransfer, match="152-ФЗ"):
        ElevenLabsSynthesizer(KEY, Gate("RU"), ElevenLabsOptions(voice=VOICE))


async def test_too_many_requests_at_elevenlabs_are_a_quota() -> None:
    async with ElevenLabs(KEY) as vendor:
        vendor.most_concurrent, vendor.fault = 1, Fault.SLOW
        voice = Bench(vendor, []).voice()
        first = voice.synthesize(TEXT)
        await anext(first)
        with pytest.raises(errors.QuotaExceeded):
            await spoken(voice, TEXT)
        await first.aclose()


async def test_elevenlabs_needs_a_voice() -> None:
    with pytest.raises(ConfigurationError, match=r"speech\.elevenlabs\.voice"):
        ElevenLabsSynthesizer(KEY, Gate("DE"), ElevenLabsOptions())
