"""One suite for the cloud recognisers, each against its vendor's simulator on a real gRPC wire."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest

from core.errors import ConfigurationError
from media_models.adapters.google_stt import GoogleRecognizer
from media_models.adapters.yandex_stt import YandexRecognizer, YandexSttOptions
from media_models.cloud import errors
from media_models.cloud.deadlines import Deadlines
from media_models.cloud.gate import Gate
from media_models.ports import Recognizer
from media_models.regions import ForeignTransfer
from tests.simulators.google_speech.auth import ServiceAccount
from tests.simulators.google_speech.stt import GoogleStt
from tests.simulators.speech_vendor import Fault, GrpcVendor, until
from tests.simulators.yandex_speechkit.stt import SpeechKitStt

WORDS = "запишите меня на мужскую стрижку на завтра в двенадцать"
PATIENT = Deadlines(connect_s=20, final_s=20, write_s=20)
"""So that a slow machine fails no test that is not about deadlines."""
ACCOUNT = ServiceAccount()
KEY = secrets.token_hex(16)


@dataclass
class Bench:
    vendor: Any
    engines: list[Recognizer]

    def recognizer(self, deadlines: Deadlines = PATIENT, key: str = "") -> Recognizer:
        engine: Recognizer
        if isinstance(self.vendor, SpeechKitStt):
            engine = YandexRecognizer(key or KEY, Gate("RU"), endpoint=self.vendor.endpoint, deadlines=deadlines)
        else:
            key = key or ACCOUNT.key_file()
            engine = GoogleRecognizer(key, Gate("DE"), endpoint=self.vendor.endpoint, deadlines=deadlines)
        self.engines.append(engine)
        return engine


@pytest.fixture(params=["yandex", "google"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    def hear(pcm: bytes, rate_hz: int) -> str:
        return " ".join(WORDS.split()[: len(pcm) // 2 * 1000 // rate_hz // 300])

    before = asyncio.all_tasks()
    vendor: GrpcVendor = SpeechKitStt(KEY, hear) if request.param == "yandex" else GoogleStt(ACCOUNT, hear)
    async with vendor:
        bench = Bench(vendor, [])
        yield bench
        for engine in bench.engines:
            await engine.close()
    left = [task.get_name() for task in asyncio.all_tasks() - before if task.get_name().startswith("speech-")]
    assert left == [], "a task of a turn is left"


def audio(ms: int, rate_hz: int = 8_000, seed: int = 7) -> bytes:
    return np.random.default_rng(seed).integers(-3000, 3000, ms * rate_hz // 1000).astype("<i2").tobytes()


def frames(pcm: bytes, rate_hz: int = 8_000) -> Sequence[bytes]:
    size = rate_hz // 50 * 2
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]


async def partial_with(stream: Any, words: int) -> Any:
    async with asyncio.timeout(20):
        while True:
            transcript = await stream.partial()
            if len(transcript.text.split()) >= words:
                return transcript
            await asyncio.sleep(0.01)


async def test_words_come_while_the_caller_speaks_and_all_of_them_at_the_end(bench: Bench) -> None:
    stream = bench.recognizer().open_stream(8_000, "ru", ("Стрижка",))
    pcm = audio(2_700)
    for frame in frames(pcm[: len(pcm) // 2]):
        stream.feed(frame)
    early = await partial_with(stream, 4)
    assert WORDS.startswith(early.text)
    assert early.stable_chars <= len(early.text)
    for frame in frames(pcm[len(pcm) // 2 :]):
        stream.feed(frame)
    later = await partial_with(stream, 8)
    assert later.text.startswith(early.text[: early.stable_chars])
    final = await stream.final()
    assert (final.text, final.stable_chars) == (WORDS, len(WORDS))
    assert 0.8 < final.confidence < 1
    stream.close()
    assert bytes(bench.vendor.calls[0].audio) == pcm, "the vendor hears every sample once, as it was"


async def test_a_turn_that_goes_on_is_heard_on(bench: Bench) -> None:
    stream = bench.recognizer().open_stream(8_000)
    stream.feed(audio(600))
    assert (await stream.final()).text == "запишите меня"
    assert (await stream.final()).text == "запишите меня", "nothing new was said"
    stream.feed(audio(900))
    assert (await stream.final()).text == "запишите меня запишите меня на", "the second part is a stream of its own"
    stream.close()
    assert (await stream.final()).text == ""


async def test_no_sound_is_no_request(bench: Bench) -> None:
    stream = bench.recognizer().open_stream(8_000)
    assert (await stream.partial()).text == ""
    assert (await stream.final()).text == ""
    stream.close()
    assert bench.vendor.calls == []


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
async def test_the_rate_of_the_leg_is_the_rate_at_the_vendor(bench: Bench, rate_hz: int) -> None:
    stream = bench.recognizer().open_stream(rate_hz)
    stream.feed(audio(900, rate_hz))
    assert (await stream.final()).text == "запишите меня на"
    stream.close()


async def test_a_rate_that_nobody_serves_is_named(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="rate_hz 11025"):
        bench.recognizer().open_stream(11_025)


async def test_closing_ends_the_request_at_the_vendor(bench: Bench) -> None:
    stream = bench.recognizer().open_stream(8_000)
    stream.feed(audio(900))
    await partial_with(stream, 1)
    loop = asyncio.get_running_loop()
    closed_s = loop.time()
    stream.close()
    await until(lambda: bench.vendor.calls[0].cancelled_at_s)
    assert bench.vendor.calls[0].cancelled_at_s - closed_s < 2


async def test_a_final_that_is_given_up_leaves_the_turn_usable(bench: Bench) -> None:
    stream = bench.recognizer().open_stream(8_000)
    stream.feed(audio(900))
    asking = asyncio.create_task(stream.final())
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait({asking})
    assert (await stream.final()).text == "запишите меня на"
    stream.close()


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
    stream = bench.recognizer().open_stream(8_000)
    stream.feed(audio(900))
    with pytest.raises(error, match=words) as caught:
        await stream.final()
    stream.close()
    told = f"{caught.value.message} {caught.value.facts}"
    assert KEY not in told
    assert "запишите" not in told


@pytest.mark.parametrize("fault", [Fault.HANG_BEFORE, Fault.HANG_AFTER, Fault.LATE_FINAL, Fault.PARTIAL_ONLY])
async def test_a_vendor_that_is_silent_is_given_up_in_time(bench: Bench, fault: Fault) -> None:
    bench.vendor.fault = fault
    stream = bench.recognizer(replace(PATIENT, final_s=0.3)).open_stream(8_000)
    stream.feed(audio(900))
    with pytest.raises(errors.EngineSilent):
        await stream.final()
    stream.close()


async def test_nobody_listens(bench: Bench) -> None:
    await bench.vendor.stop()
    stream = bench.recognizer().open_stream(8_000)
    stream.feed(audio(900))
    with pytest.raises(errors.EngineUnreachable):
        await stream.final()
    stream.close()


async def test_a_wrong_key_is_no_key(bench: Bench) -> None:
    key = secrets.token_hex(16) if isinstance(bench.vendor, SpeechKitStt) else ServiceAccount().key_file()
    stream = bench.recognizer(key=key).open_stream(8_000)
    stream.feed(audio(300))
    with pytest.raises(errors.KeyRefused):
        await stream.final()
    stream.close()


async def test_a_pause_is_filled_with_silence(bench: Bench) -> None:
    stream = bench.recognizer(replace(PATIENT, keep_open_s=0.05)).open_stream(8_000)
    stream.feed(audio(600))
    await until(lambda: bench.vendor.calls and len(bench.vendor.calls[0].audio) >= len(audio(900)))
    assert not any(bench.vendor.calls[0].audio[len(audio(600)) :])
    assert (await stream.final()).text.startswith("запишите меня")
    stream.close()


async def test_a_stream_is_renewed_before_the_vendors_limit(bench: Bench) -> None:
    stream = bench.recognizer(replace(PATIENT, stream_limit_s=0.05)).open_stream(8_000)
    stream.feed(audio(600))
    await asyncio.sleep(0.1)
    stream.feed(audio(900))
    assert (await stream.final()).text == "запишите меня запишите меня на"
    stream.close()
    assert [len(call.audio) for call in bench.vendor.calls] == [len(audio(600)), len(audio(900))]


async def test_warming_up_reaches_the_vendor_or_says_that_it_does_not(bench: Bench) -> None:
    await bench.recognizer().warm_up()
    await bench.vendor.stop()
    with pytest.raises(errors.EngineSilent):
        await bench.recognizer(Deadlines(connect_s=0.1)).warm_up()


# --- Google alone ------------------------------------------------------------------------------------------------


@pytest.fixture
async def google() -> AsyncIterator[GoogleStt]:
    async with GoogleStt(ACCOUNT) as vendor:
        yield vendor


async def test_the_company_s_words_are_hints(google: GoogleStt) -> None:
    engine = GoogleRecognizer(ACCOUNT.key_file(), Gate("DE"), endpoint=google.endpoint, deadlines=PATIENT)
    stream = engine.open_stream(8_000, "ru", ("Стрижка", "Анна", "Стрижка", "", "ы" * 300))
    stream.feed(audio(300))
    await stream.final()
    stream.close()
    await engine.close()
    (phrase_set,) = google.calls[0].requests[0].streaming_config.config.adaptation.phrase_sets
    phrases = [phrase.value for phrase in phrase_set.inline_phrase_set.phrases]
    assert phrases == ["Стрижка", "Анна", "ы" * 100]


async def test_what_was_settled_before_a_cut_is_neither_lost_nor_heard_twice(google: GoogleStt) -> None:
    """The vendor settles its words every 600 ms and cuts the stream off at 1.5 s. It hears one word in 300 ms, by where
    in the utterance the audio is: audio that is missing or comes twice is a word that is missing or comes twice."""
    pcm = audio(2_700)

    def hear(part: bytes, rate_hz: int) -> str:
        start = pcm.find(part[:320])
        return " ".join(WORDS.split()[start // 4_800 : (start + len(part)) // 4_800])

    google.hear, google.settle_every_ms, google.limit_ms = hear, 600, 1500
    engine = GoogleRecognizer(ACCOUNT.key_file(), Gate("DE"), endpoint=google.endpoint, deadlines=PATIENT)
    stream = engine.open_stream(8_000)
    for start in range(0, len(pcm), 1280):
        stream.feed(pcm[start : start + 1280])
        await asyncio.sleep(0.005)
    final = await stream.final()
    stream.close()
    await engine.close()
    assert len(google.calls) == 2
    assert final.text == WORDS


async def test_an_api_key_serves_as_well() -> None:
    async with GoogleStt(ACCOUNT, api_key=KEY) as vendor:
        from media_models.adapters.google_stt import GoogleSttOptions

        options = GoogleSttOptions(project="salon-project")
        engine = GoogleRecognizer(KEY, Gate("DE"), options, vendor.endpoint, PATIENT)
        stream = engine.open_stream(8_000)
        stream.feed(audio(900))
        assert (await stream.final()).text == "запишите меня на"
        stream.close()
        await engine.close()
    with pytest.raises(ConfigurationError, match=r"speech\.google\.project"):
        GoogleRecognizer(KEY, Gate("DE"))


async def test_a_russian_company_builds_no_google() -> None:
    with pytest.raises(ForeignTransfer, match="152-ФЗ"):
        GoogleRecognizer(ACCOUNT.key_file(), Gate("RU"))


# --- Yandex alone ------------------------------------------------------------------------------------------------


async def test_normalised_words_replace_the_spoken_ones() -> None:
    async with SpeechKitStt(KEY) as vendor:
        options = YandexSttOptions(normalize=True)
        engine = YandexRecognizer(KEY, Gate("RU"), options, vendor.endpoint, PATIENT)
        stream = engine.open_stream(8_000)
        stream.feed(audio(900))
        assert (await stream.final()).text == "Запишите меня на"
        stream.close()
        await engine.close()


async def test_an_iam_token_needs_its_folder() -> None:
    token = f"t1.{secrets.token_hex(8)}"
    async with SpeechKitStt(token, folder_id="b1g") as vendor:
        for folder, refused in (("", True), ("b1g", False)):
            options = YandexSttOptions(folder_id=folder)
            engine = YandexRecognizer(token, Gate("RU"), options, vendor.endpoint, PATIENT)
            stream = engine.open_stream(8_000)
            stream.feed(audio(900))
            if refused:
                with pytest.raises(errors.KeyRefused):
                    await stream.final()
            else:
                assert (await stream.final()).text == "запишите меня на"
            stream.close()
            await engine.close()


async def test_an_unknown_model_is_named_as_a_setting() -> None:
    async with SpeechKitStt(KEY) as vendor:
        options = YandexSttOptions(model="generall")
        engine = YandexRecognizer(KEY, Gate("RU"), options, vendor.endpoint, PATIENT)
        stream = engine.open_stream(8_000)
        stream.feed(audio(900))
        with pytest.raises(errors.RequestRefused, match="модель"):
            await stream.final()
        stream.close()
        await engine.close()


# --- the simulators are strict -------------------------------------------------------------------------------------


async def asked(vendor: SpeechKitStt, *messages: bytes | Any) -> str:
    """The status that the simulator answers raw messages with."""
    async with grpc.aio.insecure_channel(vendor.endpoint.address) as channel:
        method = channel.stream_stream(
            "/speechkit.stt.v3.Recognizer/RecognizeStreaming",
            request_serializer=lambda made: made if isinstance(made, bytes) else made.SerializeToString(),
            response_deserializer=vendor.make.StreamingResponse.FromString,
        )
        call = method(iter(messages), metadata=(("authorization", f"Api-Key {KEY}"),))
        try:
            async for _ in call:
                pass
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name}: {error.details()}"
        return "OK"


def good_options(vendor: SpeechKitStt, rate_hz: int = 8_000) -> Any:
    raw = {"audio_encoding": 1, "sample_rate_hertz": rate_hz, "audio_channel_count": 1}
    model = {"model": "general", "audio_format": {"raw_audio": raw}}
    return vendor.make.StreamingRequest(session_options={"recognition_model": model})


async def test_the_simulated_vendor_refuses_what_the_vendor_refuses() -> None:
    async with SpeechKitStt(KEY) as vendor:
        good = good_options(vendor)
        chunk = vendor.make.StreamingRequest(chunk={"data": bytes(3200)})
        eou = vendor.make.StreamingRequest(eou={})
        assert await asked(vendor, good, chunk) == "OK"
        assert "first message" in await asked(vendor, chunk, good)
        assert "once" in await asked(vendor, good, good)
        assert "sample_rate_hertz" in await asked(vendor, good_options(vendor, 11_025), chunk)
        assert "external classifier" in await asked(vendor, good, chunk, eou)
        assert "empty" in await asked(vendor, good, vendor.make.StreamingRequest(chunk={}))
        unknown_field = good.SerializeToString() + b"\xa2\x06\x01x"  # field 100, length 1
        assert "unknown fields: ['#100']" in await asked(vendor, unknown_field, chunk)
