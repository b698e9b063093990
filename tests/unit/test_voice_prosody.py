"""Pitch and the end of an utterance, on voices made of harmonics without their fundamental, as a telephone passes."""

import numpy as np
import pytest

from voice.end_of_turn.prosody import Prosody, ProsodyTracker, measure, pitches_hz

RATE = 8000


def voice(pitch_hz: np.ndarray, rate_hz: int = RATE, level: float = 3000.0) -> np.ndarray:
    """Harmonics between 300 and 3400 Hz of a pitch given for each sample."""
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate_hz
    partials = range(1, 30)
    return (
        level
        / 8
        * sum(
            np.where((number * pitch_hz > 300) & (number * pitch_hz < 3400), np.sin(number * phase), 0)
            for number in partials
        )
    )


def glide(from_hz: float, to_hz: float, ms: int, rate_hz: int = RATE) -> np.ndarray:
    return voice(np.linspace(from_hz, to_hz, ms * rate_hz // 1000), rate_hz)


def heard(samples: np.ndarray, rate_hz: int = RATE, silence_ms: int = 120) -> Prosody:
    """What the tracker says after the samples and the silence of a hush, with the idle noise of a line."""
    noise = np.random.default_rng(3).standard_normal(len(samples) + silence_ms * rate_hz // 1000) * 8
    noise[: len(samples)] += samples
    tracker, frame = ProsodyTracker(rate_hz), rate_hz // 50
    for start in range(0, len(noise) - frame + 1, frame):
        tracker.feed(noise[start : start + frame].astype("<i2").tobytes())
    return tracker.read()


@pytest.mark.parametrize("pitch_hz", [85.0, 120.0, 210.0, 330.0])
def test_the_pitch_is_found_without_its_fundamental(pitch_hz: float) -> None:
    found = pitches_hz(glide(pitch_hz, pitch_hz, 600).astype(np.float32))
    assert (found > 0).mean() > 0.9
    assert abs(float(np.median(found)) / pitch_hz - 1) < 0.01


def test_noise_and_silence_have_no_pitch() -> None:
    rng = np.random.default_rng(1)
    assert (pitches_hz((rng.standard_normal(RATE) * 2000).astype(np.float32)) > 0).mean() < 0.1
    assert not pitches_hz(np.zeros(RATE, np.float32)).any()


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize(("from_hz", "to_hz", "sign"), [(220, 140, -1), (140, 220, 1)])
def test_a_fall_and_a_rise_are_told_apart(rate_hz: int, from_hz: float, to_hz: float, sign: int) -> None:
    level, end = glide(from_hz, from_hz, 500, rate_hz), glide(from_hz, to_hz, 250, rate_hz)
    prosody = heard(np.concatenate([level, end]), rate_hz)
    assert prosody.pitch_known
    assert prosody.slope_st * sign > 1.0
    assert prosody.end_pitch_st * sign > 2.0


def test_a_drawn_out_vowel_is_steady_and_long() -> None:
    syllables = [np.concatenate([glide(hz, hz * 0.9, 120), np.zeros(400)]) for hz in (180, 160, 190)]
    drawn, plain = heard(np.concatenate([*syllables, glide(150, 150, 400)])), heard(np.concatenate(syllables))
    assert drawn.steady_ms >= 300
    assert drawn.last_run_ms >= 300
    assert plain.last_run_ms <= 160


def test_a_held_sound_moves_little_and_its_syllable_is_long() -> None:
    syllables = [
        np.concatenate([glide(hz, hz * 0.8, 60), glide(hz * 2, hz, 60), np.zeros(500)]) for hz in (180, 110, 190, 130)
    ]
    held, lively = heard(np.concatenate([*syllables, glide(150, 150, 400)])), heard(np.concatenate(syllables))
    assert held.movement_db < lively.movement_db
    assert held.movement_db < held.usual_movement_db
    assert held.syllable_ms > lively.syllable_ms + 150


def test_the_end_is_compared_with_what_came_before_it() -> None:
    low = heard(np.concatenate([glide(220, 220, 700), glide(150, 150, 200)]))
    high = heard(np.concatenate([glide(150, 150, 700), glide(220, 220, 200)]))
    assert low.step_st < -4 < 4 < high.step_st
    assert low.height < 0.2 < 0.8 < high.height


def test_a_voice_that_fades_is_told_from_one_that_stops() -> None:
    sound = glide(150, 150, 600)
    fading = sound * np.linspace(1, 0.1, len(sound)) ** 1.5
    assert heard(fading).level_drop_db > heard(sound).level_drop_db + 5


def test_too_little_to_measure_is_no_error() -> None:
    assert not ProsodyTracker(RATE).read().pitch_known
    assert measure(np.zeros(100, np.float32)) == Prosody()
    assert not measure(np.zeros(RATE, np.float32)).pitch_known
    assert not heard(np.zeros(0)).pitch_known


def test_only_the_newest_second_counts() -> None:
    """What was said before does not change the answer: the cost of a decision is bounded."""
    end = glide(200, 150, 1200)
    assert heard(np.concatenate([glide(300, 320, 2000), end])).slope_st == pytest.approx(heard(end).slope_st, abs=0.5)
