"""The benchmark's own arithmetic: word errors, the telephone, recordings, and what is measured of an engine."""

import wave
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from core.errors import InvalidInput
from media_models.benchmark.clips import (
    RATE_HZ,
    Clip,
    in_band,
    over_telephone,
    read_clips,
    recordings,
    through_codec,
    write_clips,
)
from media_models.benchmark.measure import measure_recognizer, measure_voice, phrase
from media_models.benchmark.words import plain_words, word_errors
from media_models.ports import Transcript

TONE = (np.sin(np.arange(RATE_HZ) * 2 * np.pi * 700 / RATE_HZ) * 6000).astype(np.int16)


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("запишите меня", "Запишите, меня!", 0),
        ("ребёнку", "ребенку", 0),
        ("на двенадцать", "на 12", 0),
        ("запишите меня на завтра", "запишите на завтра", 1),
        ("запишите меня", "запишите меня да да", 2),
        ("на маникюр", "", 2),
        ("на маникюр", "на педикюр", 1),
    ],
)
def test_only_other_words_are_errors(said: str, heard: str, errors: int) -> None:
    assert word_errors(said, heard) == (errors, len(plain_words(said)))


def test_numbers_are_spelled_in_their_language() -> None:
    assert plain_words("25 tips", "en") == ["twenty", "five", "tips"]
    assert plain_words("25-го") == ["двадцать", "пять", "го"]


def test_the_telephone_lets_its_band_through_and_nothing_else() -> None:
    low = np.sin(np.arange(RATE_HZ) * 2 * np.pi * 100 / RATE_HZ) * 6000
    assert np.abs(in_band(low)).max() < 1
    assert np.abs(in_band(TONE.astype(float)) - TONE).max() < 2


def test_the_codec_costs_what_mu_law_costs() -> None:
    back = through_codec(TONE.astype(float)).astype(float)
    noise_db = 10 * np.log10(np.mean((back - TONE) ** 2) / np.mean(TONE.astype(float) ** 2))
    assert -45 < noise_db < -32  # G.711 has 35 to 38 dB for a loud tone


@pytest.mark.parametrize("snr_db", [30.0, 10.0])
def test_the_background_has_the_level_that_was_asked_for(snr_db: float) -> None:
    line = over_telephone(TONE, snr_db, np.random.default_rng(1)).astype(float)
    quiet = line[: int(0.25 * RATE_HZ)]
    found = 10 * np.log10(np.mean(TONE.astype(float) ** 2) / np.mean(quiet**2))
    assert found == pytest.approx(snr_db, abs=2)


def test_clips_travel_to_the_measuring_process(tmp_path: Path) -> None:
    clips = [Clip("да", TONE), Clip("", TONE[:100], noisy=True)]
    write_clips(clips, tmp_path)
    back = read_clips(tmp_path)
    assert [(clip.text, clip.noisy, len(clip.samples)) for clip in back] == [("да", False, 8000), ("", True, 100)]
    assert (back[0].samples == TONE).all()


def write_wav(path: Path, *, rate_hz: int = 8_000, width: int = 2, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(bytes(width * channels * rate_hz))


def test_recordings_of_ones_own_are_read_at_the_telephone_rate(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", rate_hz=16_000)
    (tmp_path / "a.txt").write_text("запишите меня\n", "utf-8")
    (clip,) = recordings(tmp_path)
    assert (clip.text, len(clip.samples)) == ("запишите меня", 8_000)


def test_what_is_wrong_with_a_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no \.wav"):
        recordings(tmp_path)
    write_wav(tmp_path / "call.wav")
    with pytest.raises(InvalidInput, match=r"call\.txt"):
        recordings(tmp_path)
    (tmp_path / "call.txt").write_bytes("да".encode("cp1251"))
    with pytest.raises(InvalidInput, match="UTF-8"):
        recordings(tmp_path)
    (tmp_path / "call.txt").write_text("да", "utf-8")
    for wrong in ({"channels": 2}, {"width": 1}, {"rate_hz": 4_000}):
        write_wav(tmp_path / "call.wav", **wrong)
        with pytest.raises(InvalidInput, match="16 bits, mono"):
            recordings(tmp_path)
    (tmp_path / "call.wav").write_bytes(b"RIFF nothing")
    with pytest.raises(InvalidInput, match=r"call\.wav is no WAV"):
        recordings(tmp_path)


class _Stream:
    def __init__(self, engine: "_Ears") -> None:
        self._engine = engine
        self._fed = 0

    def feed(self, pcm: bytes) -> None:
        self._fed += len(pcm)

    async def partial(self) -> Transcript:
        self._engine.partials.append(self._fed)
        return Transcript("")

    async def final(self) -> Transcript:
        self._engine.finals.append(self._fed)
        return Transcript(self._engine.answers.get(self._fed // 2, ""))

    def close(self) -> None:
        self._engine.closed += 1


class _Ears:
    """Knows clips by their length."""

    name = "known"

    def __init__(self, answers: dict[int, str]) -> None:
        self.answers = answers
        self.partials: list[int] = []
        self.finals: list[int] = []
        self.closed = 0

    def open_stream(self, rate_hz: int, language: str = "ru", hints: Sequence[str] = ()) -> _Stream:
        assert (rate_hz, language) == (RATE_HZ, "ru")
        return _Stream(self)

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...


def clip_of(samples: int, text: str, *, noisy: bool = False) -> Clip:
    return Clip(text, np.ones(samples, np.int16), noisy)


async def test_a_recogniser_is_judged_by_its_words_clear_noisy_and_where_there_are_none() -> None:
    clips = [
        clip_of(8_000, "запишите меня на завтра"),
        clip_of(9_000, "запишите меня на завтра", noisy=True),
        clip_of(10_000, "", noisy=True),
        clip_of(11_000, "", noisy=True),
    ]
    ears = _Ears({8_000: "Запишите меня на завтра.", 9_000: "запишите на завтра", 11_000: "спасибо"})
    figures = await measure_recognizer(ears, clips, "ru", limit_s=60)
    assert (figures.wer, figures.wer_noisy) == (0.0, 0.25)
    assert (figures.clips, figures.invented, figures.noise_clips) == (2, 1, 2)
    assert figures.memory_bytes > 10_000_000
    rounds = len(ears.partials) // 2
    assert ears.finals[:rounds] == [2 * 3 * RATE_HZ] * rounds, "the final result is of three seconds"
    before = 2 * 3 * RATE_HZ - 3840
    assert ears.partials == [before - 3840, before] * rounds, "and the partials of what came before its last 240 ms"
    assert ears.closed == len(ears.finals)


async def test_recordings_without_speech_leave_no_rates() -> None:
    figures = await measure_recognizer(_Ears({}), [clip_of(10_000, ""), clip_of(0, "")], "ru", limit_s=60)
    assert (figures.wer, figures.wer_noisy, figures.realtime_factor) == (None, None, None)
    assert (figures.clips, figures.invented, figures.noise_clips) == (0, 0, 2)


async def test_an_engine_that_is_too_slow_is_measured_on_less() -> None:
    clips = [clip_of(8_000, "да"), *(clip_of(9_000 + number, "нет") for number in range(30))]
    figures = await measure_recognizer(_Ears({8_000: "да"}), clips, "ru", limit_s=0.0)
    assert (figures.clips, figures.wer) == (1, 0.0)


def test_the_phrase_is_of_clear_speech_without_end_silence() -> None:
    clips = [clip_of(8_000, "да"), Clip("нет", np.full(8_000, 7, np.int16), noisy=True), clip_of(100, "")]
    assert len(phrase(clips)) == 3 * RATE_HZ
    assert set(phrase(clips).tolist()) == {1}


class _Voice:
    name = "beep"
    rate_hz = 8_000

    async def synthesize(self, text: str, language: str = "ru") -> AsyncIterator[bytes]:
        assert language == "en"
        assert text.isascii(), "an English voice speaks English lines"
        for _ in range(50):
            yield bytes(320)

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...


async def test_a_voice_is_judged_by_its_first_sound_and_its_speed() -> None:
    figures = await measure_voice(_Voice(), "en", limit_s=60)
    assert 0 < figures.first_sound_ms <= figures.first_sound_p95_ms
    assert figures.realtime_factor is not None
    assert 0 < figures.realtime_factor < 1
