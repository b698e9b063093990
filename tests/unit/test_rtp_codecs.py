"""G.711 tables against the standard's own properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.codecs import FRAME_BYTES, G711, pcma, pcmu


@pytest.fixture(params=[pcma, pcmu], ids=["PCMA", "PCMU"])
def codec(request: pytest.FixtureRequest) -> G711:
    return request.param()


def test_every_code_word_survives_a_round_trip(codec: G711) -> None:
    words = bytes(range(256))
    again = codec.encode(codec.decode(words))
    # mu-law has two code words for zero; all others are their own.
    assert codec.decode(again) == codec.decode(words)
    assert sum(a != b for a, b in zip(again, words, strict=True)) <= 1


def test_known_code_words() -> None:
    samples = np.frombuffer(pcma().decode(bytes([0xD5, 0x55, 0xAA, 0x2A])), "<i2")
    assert samples.tolist() == [8, -8, 32256, -32256]
    samples = np.frombuffer(pcmu().decode(bytes([0xFF, 0x80, 0x00])), "<i2")
    assert samples.tolist() == [0, 32124, -32124]


def test_silence_is_the_code_word_of_the_standard() -> None:
    assert set(pcma().silence) == {0xD5}
    assert set(pcmu().silence) <= {0xFF, 0x7F}
    assert len(pcma().silence) == 160


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=320))
def test_a_sample_comes_back_within_its_quantisation_step(values: list[int]) -> None:
    pcm = np.array(values, "<i2")
    for codec in (pcma(), pcmu()):
        back = np.frombuffer(codec.decode(codec.encode(pcm.tobytes())), "<i2").astype(int)
        error = np.abs(back - pcm.astype(int))
        assert (error <= np.maximum(16, np.abs(pcm.astype(int)) / 16 + 16)).all()


def test_speech_level_keeps_the_signal_to_noise_ratio_of_g711(codec: G711) -> None:
    tone = (8000 * np.sin(2 * np.pi * 1020 * np.arange(8000) / 8000)).astype("<i2")
    back = np.frombuffer(codec.decode(codec.encode(tone.tobytes())), "<i2").astype(float)
    ratio_db = 10 * np.log10((tone.astype(float) ** 2).mean() / ((back - tone) ** 2).mean())
    assert ratio_db > 36


def test_half_a_sample_is_refused(codec: G711) -> None:
    with pytest.raises(ValueError, match="buffer size"):
        codec.encode(bytes(FRAME_BYTES - 1))
