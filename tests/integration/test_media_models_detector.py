"""The speech detector against speech in noise, and against sounds that are not speech."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigurationError, InvalidInput
from media_models.adapters.detector import GatedSileroDetector
from media_models.ports import Detection

from .test_media_models_recognizer import from_mulaw

DATA = Path(__file__).parents[1] / "data" / "speech"
RATE = 8000
FRAME = 160


@pytest.fixture(scope="module")
def detector() -> GatedSileroDetector:
    return GatedSileroDetector()


def utterances() -> list[np.ndarray]:
    """The stored clips cut to their voiced part (first to last 10 ms within 30 dB of the loudest), at -20 dBFS."""
    found = []
    for fact in json.loads((DATA / "clips.json").read_text("utf-8"))[:24]:
        samples = np.frombuffer(from_mulaw((DATA / "clips" / fact["file"]).read_bytes()), "<i2") / 32768
        levels = np.sqrt((samples[: len(samples) // 80 * 80].reshape(-1, 80) ** 2).mean(axis=1))
        loud = np.flatnonzero(levels > levels.max() * 10 ** (-25 / 20))
        voiced = samples[loud[0] * 80 : (loud[-1] + 1) * 80]
        found.append(voiced / voiced.std() * 0.1)
    return found


def noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """Steady noise that falls with frequency, RMS 1."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    coloured = np.fft.irfft(spectrum / np.sqrt(np.maximum(1, np.arange(len(spectrum)))), count)
    return coloured / coloured.std()


def detect(detector: GatedSileroDetector, samples: np.ndarray, rate_hz: int = RATE) -> list[Detection]:
    stream = detector.open_stream(rate_hz)
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2")
    frame = rate_hz // 50
    return [stream.feed(pcm[start : start + frame].tobytes()) for start in range(0, len(pcm) // frame * frame, frame)]


@pytest.mark.parametrize(
    ("snr_db", "least_hits", "median_onset_ms", "worst_onset_ms", "median_offset_ms"),
    [(40, 0.80, 80, 300, 80), (20, 0.75, 80, 300, 100), (10, 0.75, 120, 320, 160), (5, 0.72, 140, 400, 220)],
)
def test_speech_in_noise(
    detector: GatedSileroDetector,
    snr_db: float,
    least_hits: float,
    median_onset_ms: float,
    worst_onset_ms: float,
    median_offset_ms: float,
) -> None:
    rng = np.random.default_rng(7)
    hits, alarms, onsets, offsets = [], [], [], []
    for voiced in utterances():
        scene = np.concatenate([np.zeros(RATE), voiced, np.zeros(RATE)])
        scene += noise(len(scene), rng) * 0.1 * 10 ** (-snr_db / 20)
        speech = np.array([detection.speech for detection in detect(detector, scene)])
        ends = (np.arange(len(speech)) + 1) * 0.02
        stop = 1 + len(voiced) / RATE
        inside = (ends > 1) & (ends < stop)
        hits.append(speech[inside].mean())
        alarms.append(speech[(ends <= 1) | (ends > stop + 0.3)].mean())
        heard = np.flatnonzero(speech & (ends > 1))
        assert len(heard), "an utterance was missed as a whole"
        onsets.append((ends[heard[0]] - 1) * 1000)
        offsets.append((ends[heard[-1]] + 0.02 - stop) * 1000)
    assert np.mean(hits) >= least_hits
    assert np.mean(alarms) <= 0.01
    assert np.median(onsets) <= median_onset_ms
    assert max(onsets) <= worst_onset_ms
    assert np.median(offsets) <= median_offset_ms


def sound(kind: str, rng: np.random.Generator) -> np.ndarray:
    if kind == "cough":
        count = 2400
        spectrum = np.fft.rfft(rng.standard_normal(count))
        hz = np.fft.rfftfreq(count, 1 / RATE)
        shaped = np.fft.irfft(spectrum / (1 + ((hz - 700) / 500) ** 2), count)
        made = shaped * np.minimum(np.arange(count) / 80, 1) * np.exp(-np.arange(count) / 800)
    elif kind == "knock":
        made = np.sin(2 * np.pi * 180 * np.arange(1200) / RATE) * np.exp(-np.arange(1200) / 200)
    elif kind == "clap":
        made = rng.standard_normal(400) * np.exp(-np.arange(400) / 100)
    else:  # a hair dryer
        made = rng.standard_normal(16000) * np.minimum(np.arange(16000) / 4000, 1)
    return made / made.std() * 0.1


@pytest.mark.parametrize("kind", ["cough", "knock", "clap", "dryer"])
def test_sounds_that_are_not_speech_are_never_taken_for_a_word(detector: GatedSileroDetector, kind: str) -> None:
    rng = np.random.default_rng(8)
    longest, heard = 0, 0
    for _ in range(8):
        scene = np.concatenate([np.zeros(RATE), sound(kind, rng), np.zeros(4000)])
        scene += noise(len(scene), rng) * 0.001
        run = 0
        for detection in detect(detector, scene):
            run = run + 1 if detection.speech else 0
            longest = max(longest, run)
        heard += any(detection.speech for detection in detect(detector, scene))
    assert longest * 20 <= 120
    assert heard <= 1


def test_resting_in_silence_costs_no_onset(detector: GatedSileroDetector) -> None:
    """After a long quiet stretch, in which the network rests, speech is heard as soon as after a short one."""
    rng = np.random.default_rng(9)
    for voiced in utterances()[:8]:
        onsets = []
        for quiet_s in (0.3, 8.0):
            lead = int(quiet_s * RATE)
            scene = np.concatenate([np.zeros(lead), voiced])
            scene += noise(len(scene), rng) * 0.0003
            speech = [detection.speech for detection in detect(detector, scene)]
            onsets.append(speech.index(True) * 20 - quiet_s * 1000)
        assert onsets[1] <= onsets[0] + 60


def test_digital_silence_is_quiet_and_cheap(detector: GatedSileroDetector) -> None:
    found = detect(detector, np.zeros(RATE * 2))
    assert not any(detection.speech for detection in found)
    assert found[-1].level_dbfs <= -80
    assert found[-1].noise_dbfs <= -70


def test_wideband_streams_are_served(detector: GatedSileroDetector) -> None:
    rng = np.random.default_rng(10)
    voiced = np.repeat(utterances()[0], 2)
    smooth = np.convolve(voiced, [0.25, 0.5, 0.25], "same")
    scene = np.concatenate([np.zeros(16000), smooth, np.zeros(16000)])
    scene += noise(len(scene), rng) * 0.001
    speech = [detection.speech for detection in detect(detector, scene, 16000)]
    assert sum(speech[50 : 50 + len(voiced) // 320]) > 0.6 * len(voiced) / 320
    assert not any(speech[:45])


def test_a_long_call_does_not_make_it_deaf(detector: GatedSileroDetector) -> None:
    """Ten minutes of talk, noise that comes and goes, and digital silence; then one more utterance."""
    rng = np.random.default_rng(13)
    talk = np.concatenate([np.concatenate([voiced, np.zeros(6000)]) for voiced in utterances()[:10]])
    minute = np.resize(talk, 60 * RATE)
    stream = detector.open_stream(RATE)
    for number in range(10):
        scene = minute + noise(len(minute), rng) * 0.1 * 10 ** (-rng.uniform(5, 45) / 20)
        if number % 3 == 2:
            scene[20 * RATE :] = 0
        pcm = (np.clip(scene, -1, 1) * 32767).astype("<i2")
        for start in range(0, len(pcm), FRAME):
            stream.feed(pcm[start : start + FRAME].tobytes())
    last = np.concatenate([np.zeros(RATE), utterances()[2], np.zeros(RATE)])
    last += noise(len(last), rng) * 0.002
    pcm = (last * 32767).astype("<i2")
    speech = [stream.feed(pcm[start : start + FRAME].tobytes()).speech for start in range(0, len(pcm) - FRAME, FRAME)]
    inside = speech[50 : 50 + len(utterances()[2]) // FRAME]
    assert sum(inside) / len(inside) > 0.7
    assert not any(speech[:48])
    assert not any(speech[-30:])


def test_talk_over_steady_noise_is_heard_to_its_end(detector: GatedSileroDetector) -> None:
    """Noise that never lets the detector rest: a minute later it hears as well as at first."""
    rng = np.random.default_rng(14)
    talk = np.concatenate([np.concatenate([voiced, np.zeros(4000)]) for voiced in utterances()[:4]])
    minutes = np.tile(talk, 60 * RATE // len(talk) + 1)
    scene = minutes + rng.standard_normal(len(minutes)) * 0.1 * 10 ** (-12 / 20)
    speech = np.array([detection.speech for detection in detect(detector, scene)])
    round_frames = len(talk) // FRAME
    first, last = speech[:round_frames].mean(), speech[-round_frames:].mean()
    assert first > 0.4
    assert last > 0.85 * first


def test_streams_do_not_share_state(detector: GatedSileroDetector) -> None:
    rng = np.random.default_rng(11)
    voiced = np.concatenate([np.zeros(4000), utterances()[1]]) + noise(4000 + len(utterances()[1]), rng) * 0.001
    alone = [detection.speech for detection in detect(detector, voiced)]
    pcm = (voiced * 32767).astype("<i2")
    mine, other = detector.open_stream(RATE), detector.open_stream(RATE)
    together = []
    for start in range(0, len(pcm) // FRAME * FRAME, FRAME):
        together.append(mine.feed(pcm[start : start + FRAME].tobytes()).speech)
        other.feed(bytes(2 * FRAME))
    assert together == alone


def test_a_frame_costs_less_than_half_a_millisecond(detector: GatedSileroDetector) -> None:
    rng = np.random.default_rng(12)
    scene = np.concatenate(utterances()[:6])
    scene = scene + noise(len(scene), rng) * 0.005
    begun = time.process_time()
    found = detect(detector, scene)
    assert (time.process_time() - begun) / len(found) < 0.0005


@pytest.mark.parametrize("frame", [b"", bytes(318), bytes(322), bytes(640)])
def test_a_frame_of_wrong_length_is_refused(detector: GatedSileroDetector, frame: bytes) -> None:
    with pytest.raises(InvalidInput, match="320 bytes"):
        detector.open_stream(RATE).feed(frame)


def test_a_rate_that_is_not_served_is_refused(detector: GatedSileroDetector) -> None:
    with pytest.raises(ConfigurationError, match="8000 or 16000"):
        detector.open_stream(44100)
