"""Variety for training: changed frames stay frames of the same utterance, noises have the power that they claim."""

import random

import numpy as np
import pytest

from media_models.training import augment, noises
from media_models.training.voices import Spoken

LENGTH = 120


@pytest.fixture
def mel() -> augment.Frames:
    """A band that rises over time above a floor, in Whisper's scale."""
    frames = np.full((LENGTH, augment.BANDS), -0.4, np.float32)
    for number in range(LENGTH):
        frames[number, 10 + number // 3] = 1.0
    return frames


def powers(frames: augment.Frames) -> augment.Frames:
    return np.asarray(10 ** (4 * frames - 4), np.float32)


def test_the_middle_warp_changes_nothing_and_the_others_move_the_band(mel: augment.Frames) -> None:
    middle = augment._WARPS // 2
    assert np.allclose(mel @ augment._warp(middle), mel, atol=1e-4)
    peak = int(np.argmax(mel[100]))
    lower, higher = (int(np.argmax((mel @ augment._warp(number))[100])) for number in (augment._WARPS - 1, 0))
    assert lower < peak < higher
    assert higher - lower <= 8


def test_tempo_changes_the_length_and_keeps_the_ends(mel: augment.Frames) -> None:
    fast, slow = augment._at_tempo(mel, 1.14), augment._at_tempo(mel, 0.88)
    assert len(fast) == int(LENGTH / 1.14)
    assert len(slow) == int(LENGTH / 0.88)
    assert np.array_equal(fast[0], mel[0])
    assert abs(int(np.argmax(slow[-1])) - int(np.argmax(mel[-1]))) <= 1


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0])
def test_noise_is_added_at_the_ratio(mel: augment.Frames, snr_db: float) -> None:
    noise = np.full((17, augment.BANDS), 0.2, np.float32)
    added = powers(augment.with_noise(mel, noise, snr_db)).mean() - powers(mel).mean()
    assert 10 * np.log10(powers(mel).mean() / added) == pytest.approx(snr_db, abs=0.3)


def test_masks_leave_most_of_the_utterance(mel: augment.Frames) -> None:
    rng = random.Random(1)
    for _ in range(50):
        masked = augment.masked(mel, rng)
        assert masked.shape == mel.shape
        assert (masked == mel).mean() > 0.6
    assert mel[0, 10] == 1.0  # the shard itself is not written to


def test_every_presentation_differs(mel: augment.Frames) -> None:
    rng = random.Random(2)
    made = [augment.varied(mel, rng, None) for _ in range(20)]
    assert len({frames.tobytes() for frames in made}) >= 19
    assert all(LENGTH / 1.15 < len(frames) < LENGTH / 0.87 for frames in made)


def test_noises_have_unit_power_and_differ() -> None:
    rng, nrng = random.Random(3), np.random.default_rng(3)
    babble = [np.asarray(nrng.integers(-9000, 9000, 20_000), np.int16)]
    made = [noises.noise(rng, nrng, 8_001, babble) for _ in range(40)]
    assert all(len(wave) == 8_001 and wave.std() == pytest.approx(1, abs=0.01) for wave in made)
    made_again = noises.music(rng, nrng, 16_000)
    assert np.isfinite(made_again).all()
    assert made_again.std() == pytest.approx(1, abs=0.01)


def test_a_line_without_a_voice_may_be_of_any_length() -> None:
    rng, nrng = random.Random(4), np.random.default_rng(4)
    for _ in range(60):
        length = rng.randint(1_600, 20_000)
        assert len(noises.nobody_speaks(rng, nrng, length)) == length


def test_a_cut_voice_keeps_the_words_before_the_cut() -> None:
    spoken = Spoken("можно завтра в три", np.arange(16_000, dtype=np.int16), 16_000, (0, 4_000, 9_000, 10_000))
    cut = spoken.cut_after(2, random.Random(5))
    assert cut.text == "можно завтра"
    assert 9_000 <= len(cut.pcm) <= 9_000 + 0.08 * 16_000
