"""Vosk: the adapter against a strict stand-in of the package, and against the package where no model is needed."""

import asyncio
import inspect
import sys
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigurationError, Unavailable
from media_models.adapters import vosk as adapter
from media_models.adapters.vosk import VoskRecognizer, import_vosk, model_rate_hz
from tests.simulators import vosk_module
from tests.simulators.vosk_module import spoken, write_model

LINE = ("запишите", "меня", None, "на", "маникюр")


def recognizer_of(folder: Path, rate_hz: int | None = 8_000) -> VoskRecognizer:
    return VoskRecognizer(write_model(folder / "model", rate_hz), "vosk-test", vosk_module)  # type: ignore[arg-type]


async def test_a_turn_is_heard_piece_by_piece(tmp_path: Path) -> None:
    recognizer = recognizer_of(tmp_path)
    stream = recognizer.open_stream(8_000)
    pcm, partials = spoken(*LINE), []
    for start in range(0, len(pcm), 3_200):
        stream.feed(pcm[start : start + 3_200])
        partials.append(await stream.partial())
    assert [partial.text for partial in partials] == [
        "запишите",
        "запишите меня",
        "запишите меня",
        "запишите меня на",
        "запишите меня на маникюр",
    ]
    assert [partial.stable_chars for partial in partials] == [0, 8, 13, 13, 16]
    final = await stream.final()
    assert final.text == "запишите меня на маникюр"
    assert final.stable_chars == len(final.text)
    assert final.confidence == pytest.approx(vosk_module.CONFIDENCE)
    await recognizer.close()


async def test_an_utterance_that_the_engine_ends_is_kept_and_stable(tmp_path: Path) -> None:
    recognizer = recognizer_of(tmp_path)
    stream = recognizer.open_stream(8_000)
    stream.feed(spoken("запишите", "меня", None, None))
    await stream.partial()
    stream.feed(spoken("завтра"))
    partial = await stream.partial()
    assert (partial.text, partial.stable_chars) == ("запишите меня завтра", len("запишите меня"))
    assert (await stream.final()).text == "запишите меня завтра"
    await recognizer.close()


async def test_a_turn_goes_on_after_a_final_result(tmp_path: Path) -> None:
    recognizer = recognizer_of(tmp_path)
    stream = recognizer.open_stream(8_000)
    stream.feed(spoken("на", "маникюр"))
    assert (await stream.final()).text == "на маникюр"
    assert (await stream.final()).text == "на маникюр"
    stream.feed(spoken(None, "завтра"))
    assert (await stream.partial()).text == "на маникюр завтра"
    assert (await stream.final()).text == "на маникюр завтра"
    await recognizer.close()


async def test_audio_goes_in_at_the_rate_of_the_model(tmp_path: Path) -> None:
    recognizer = recognizer_of(tmp_path, 16_000)
    stream = recognizer.open_stream(8_000)
    # The simulator takes 3200 samples for a word: telephone audio must come to it at 16 kHz. The resampler keeps its
    # newest samples back, so the line ends in a pause, as turns do.
    stream.feed(spoken(*LINE, None))
    assert (await stream.final()).text == "запишите меня на маникюр"
    await recognizer.close()


async def test_words_outside_the_vocabulary_and_silence_are_no_text(tmp_path: Path) -> None:
    recognizer = recognizer_of(tmp_path)
    await recognizer.warm_up()
    stream = recognizer.open_stream(8_000, "ru", ["балаяж"])
    assert (await stream.final()).text == ""
    stream.feed(spoken("абракадабра"))
    assert (await stream.partial()).text == ""
    assert (await stream.final()).text == ""
    await recognizer.close()


async def test_calls_do_not_mix(tmp_path: Path) -> None:
    recognizer = recognizer_of(tmp_path)
    first, second = recognizer.open_stream(8_000), recognizer.open_stream(8_000)
    for word, other in zip(("на", "маникюр"), ("завтра", "вечером"), strict=True):
        first.feed(spoken(word))
        second.feed(spoken(other))
        await asyncio.gather(first.partial(), second.partial())
    finals = await asyncio.gather(first.final(), second.final())
    assert [final.text for final in finals] == ["на маникюр", "завтра вечером"]
    await recognizer.close()


@pytest.mark.parametrize(("rate_hz", "expected"), [(8_000, 8_000), (16_000, 16_000), (None, 16_000)])
def test_the_rate_is_read_from_the_model(tmp_path: Path, rate_hz: int | None, expected: int) -> None:
    assert model_rate_hz(write_model(tmp_path / "model", rate_hz) / "conf") == expected


async def test_a_model_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    recognizer = recognizer_of(tmp_path)
    (tmp_path / "model" / "am" / "final.mdl").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="Failed to create a model"):
        await recognizer.warm_up()
    (tmp_path / "model" / "am" / "final.mdl").write_bytes(b"weights")
    await recognizer.warm_up()  # the decode thread lives on
    await recognizer.close()


async def test_a_failure_of_the_engine_reaches_the_caller_of_the_decode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> int:
        raise Exception("Failed to process waveform")  # noqa: TRY002

    recognizer = recognizer_of(tmp_path)
    stream = recognizer.open_stream(8_000)
    stream.feed(spoken("на"))
    monkeypatch.setattr(vosk_module.KaldiRecognizer, "AcceptWaveform", failing)
    with pytest.raises(Unavailable, match="process audio"):
        await stream.final()
    await recognizer.close()


def test_a_folder_without_a_model_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="models get vosk-small-ru"):
        VoskRecognizer(tmp_path)


def test_without_the_package_the_message_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "missing_package", lambda _: "vosk")
    with pytest.raises(ConfigurationError) as caught:
        VoskRecognizer(write_model(tmp_path / "model"))
    assert f"{sys.executable} -m pip install vosk" in caught.value.message
    assert "нужен пакет" in caught.value.message


def test_the_stand_in_has_the_names_and_parameters_of_the_package() -> None:
    package = import_vosk()
    for name in ("SetWords", "AcceptWaveform", "Result", "PartialResult", "FinalResult"):
        real = inspect.signature(getattr(package.KaldiRecognizer, name))
        stand_in = inspect.signature(getattr(vosk_module.KaldiRecognizer, name))
        assert list(real.parameters) == list(stand_in.parameters), name
    assert list(inspect.signature(package.Model.__init__).parameters) == list(
        inspect.signature(vosk_module.Model.__init__).parameters
    )


async def test_the_real_library_refuses_a_model_that_is_none(tmp_path: Path) -> None:
    recognizer = VoskRecognizer(write_model(tmp_path / "model"))  # weights that are no Kaldi model
    with pytest.raises(ConfigurationError, match="cannot be loaded"):
        await recognizer.warm_up()
    await recognizer.close()
