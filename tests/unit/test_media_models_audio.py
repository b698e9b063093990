"""Levels, pieces, resampling, splitting: the arithmetic under the engines."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_models.loudness import TARGET_DBFS, active_dbfs, gain_to_target, limited, to_pcm
from media_models.noise_floor import NoiseFloor
from media_models.pieces import Pieces
from media_models.segments import frame_levels_dbfs, split_point
from media_models.upsample import Doubler


def tone(hz: float, seconds: float, rate_hz: int, dbfs: float = -20.0) -> np.ndarray:
    amplitude = np.sqrt(2) * 10 ** (dbfs / 20)
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def test_the_level_of_speech_leaves_out_pauses() -> None:
    speech = np.concatenate([tone(300, 1, 8000, -26), np.zeros(16000, np.float32)])
    assert active_dbfs(speech, 8000) == pytest.approx(-26, abs=0.2)
    assert active_dbfs(speech * gain_to_target(speech, 8000), 8000) == pytest.approx(TARGET_DBFS, abs=0.2)


def test_silence_has_a_level_and_no_infinite_gain() -> None:
    assert active_dbfs(np.zeros(8000, np.float32), 8000) == -90
    assert gain_to_target(np.zeros(8000, np.float32), 8000) <= 8


def test_the_limiter_leaves_normal_levels_alone_and_holds_full_scale() -> None:
    quiet = tone(300, 0.1, 8000, -20)
    assert np.array_equal(limited(quiet), quiet)
    loud = limited(tone(300, 0.1, 8000, 0) * 4)
    assert float(np.abs(loud).max()) <= 1.0
    assert float(np.abs(loud).max()) > 0.9
    assert max(abs(sample) for sample in np.frombuffer(to_pcm(loud), "<i2").astype(int)) <= 32767


@given(st.lists(st.binary(max_size=900), max_size=12))
@settings(max_examples=80, deadline=None)
def test_pieces_are_whole_and_lose_nothing(chunks: list[bytes]) -> None:
    pieces = Pieces(8000)
    out = [piece for chunk in chunks for piece in pieces.add(chunk)]
    out += pieces.finish()
    assert all(len(piece) == 320 for piece in out)
    sent, joined = b"".join(chunks), b"".join(out)
    assert joined[: len(sent)] == sent
    assert not any(joined[len(sent) :])
    assert len(joined) - len(sent) < 320
    assert pieces.delivered_bytes == len(joined)


def test_forgotten_audio_is_not_counted_as_delivered() -> None:
    pieces = Pieces(8000)
    assert list(pieces.add(b"x" * 500)) == [b"x" * 320]
    pieces.forget_rest()
    assert pieces.delivered_bytes == 320
    assert list(pieces.finish()) == []


@pytest.mark.parametrize("hz", [200, 1000, 3000])
def test_doubling_keeps_a_tone_and_adds_no_image(hz: int) -> None:
    source = tone(hz, 1, 8000)
    doubler = Doubler()
    out = np.concatenate([doubler.feed(source[start : start + 160]) for start in range(0, 8000, 160)])
    assert len(out) == 16000
    spectrum = np.abs(np.fft.rfft(out[2000:14000] * np.hanning(12000)))
    frequency = np.fft.rfftfreq(12000, 1 / 16000)
    assert frequency[spectrum.argmax()] == pytest.approx(hz, abs=2)
    image = spectrum[np.abs(frequency - (8000 - hz)) < 10].max()
    assert 20 * np.log10(image / spectrum.max()) < -38


def test_doubling_does_not_depend_on_the_chunking() -> None:
    source = np.random.default_rng(1).standard_normal(800).astype(np.float32)
    one, many = Doubler(), Doubler()
    whole = one.feed(source)
    parts = np.concatenate([many.feed(source[start : start + 160]) for start in range(0, 800, 160)])
    np.testing.assert_allclose(whole, parts, atol=1e-6)


def test_a_long_turn_is_cut_in_its_pause() -> None:
    rng = np.random.default_rng(2)
    speech = (rng.standard_normal(8000 * 8) * 2000).astype(np.int16)
    speech[8000 * 3 : 8000 * 3 + 4000] //= 100
    cut = split_point(speech, 8000, window_s=4.6)
    assert cut is not None
    assert 3.1 <= cut / 8000 <= 3.4


def test_a_turn_that_fits_is_not_cut() -> None:
    assert split_point(np.zeros(8000 * 4, np.int16), 8000, window_s=4.6) is None


@given(st.integers(5, 30))
@settings(max_examples=20, deadline=None)
def test_cutting_ends_and_every_part_fits(seconds: int) -> None:
    samples = (np.random.default_rng(seconds).standard_normal(8000 * seconds) * 1000).astype(np.int16)
    parts = 0
    while (cut := split_point(samples, 8000, 4.6)) is not None:
        assert 0 < cut <= 4.6 * 8000
        samples = samples[cut:]
        parts += 1
    assert parts <= seconds


def test_levels_of_frames() -> None:
    samples = (tone(400, 0.1, 8000, -30) * 32768).astype(np.int16)
    assert frame_levels_dbfs(samples, 8000) == pytest.approx([-30] * 5, abs=0.3)
    assert frame_levels_dbfs(np.zeros(160, np.int16), 8000) == pytest.approx([-96], abs=0.1)


def test_the_floor_learns_a_new_background_within_half_a_second() -> None:
    floor = NoiseFloor()
    for _ in range(100):
        floor.update(-65, maybe_speech=False)
    for _ in range(25):
        level = floor.update(-40, maybe_speech=False)
    assert level > -46


def test_speech_does_not_lift_the_floor_and_steady_noise_called_speech_does() -> None:
    floor = NoiseFloor()
    for _ in range(100):
        floor.update(-60, maybe_speech=False)
    for frame in range(70):
        level = floor.update(-20 if frame % 10 else -58, maybe_speech=True)
    assert level < -55
    for _ in range(90):
        level = floor.update(-30, maybe_speech=True)
    assert level == pytest.approx(-30)
