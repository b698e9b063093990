"""Which words were heard, how sentences are cut, and what is an echo."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.codecs import pcmu
from voice.echo import EchoGate, Side
from voice.heard import SpokenSentence, says_the_same, tokens, word_ends
from voice.sentences import split_sentences

RATE = 8000


def tone(ms: int, level: float = 3000.0) -> bytes:
    t = np.arange(ms * RATE // 1000) / RATE
    return (level * np.sin(2 * np.pi * 300 * t)).astype("<i2").tobytes()


def sentence(written: str, spoken: str, parts: list[tuple[str, int]]) -> SpokenSentence:
    made = SpokenSentence(written, spoken, RATE)
    for kind, ms in parts:
        made.audio += tone(ms) if kind == "voice" else bytes(ms * 16)
    made.complete = True
    return made


def test_half_of_the_voice_is_half_of_the_letters() -> None:
    made = sentence("один двое трое пять", "один двое трое пять", [("voice", 2000)])
    assert made.heard(0) == ("", False)
    assert made.heard(1000) == ("один двое", False)
    assert made.heard(2000) == ("один двое трое пять", True)


def test_a_pause_inside_the_audio_shifts_no_word() -> None:
    parts = [("quiet", 200), ("voice", 1000), ("quiet", 800), ("voice", 1000), ("quiet", 300)]
    made = sentence("один двое трое пять", "один двое трое пять", parts)
    assert made.heard(1200)[0] == "один двое"
    assert made.heard(1980)[0] == "один двое"
    assert made.heard(2600)[0] == "один двое трое"


def test_written_numbers_share_the_time_of_their_spoken_words() -> None:
    written = "Записала на 12:30 к Анне"
    spoken = "Записала на двенадцать часов тридцать минут к Анне"
    ends = word_ends(written, spoken)
    assert len(ends) == len(tokens(written))
    assert ends[-1] == pytest.approx(1.0)
    assert ends[2] - ends[1] > 0.4, "the time takes most of the sentence"
    assert ends[1] < 0.35


def test_after_a_pause_it_goes_on_at_the_beginning_of_the_cut_word() -> None:
    made = sentence("один двое трое пять", "один двое трое пять", [("voice", 2000)])
    assert made.word_boundary_ms(1180) in (980, 1000)
    assert made.word_boundary_ms(0) == 0


WORDS = st.lists(st.text(alphabet="абвгдежз", min_size=1, max_size=12), min_size=1, max_size=15)


@settings(max_examples=100, deadline=None)
@given(words=WORDS, voice_ms=st.integers(200, 6000), step_ms=st.integers(20, 400))
def test_heard_text_only_grows_and_is_a_beginning(words: list[str], voice_ms: int, step_ms: int) -> None:
    text = " ".join(words)
    made = sentence(text, text, [("quiet", 60), ("voice", voice_ms // 20 * 20), ("quiet", 100)])
    before = 0
    for played in range(0, made.duration_ms + step_ms, step_ms):
        heard, whole = made.heard(played)
        count = len(heard.split())
        assert heard.split() == words[:count]
        assert count >= before
        before = count
        assert made.word_boundary_ms(played) <= played
    assert whole
    assert before == len(words)


@settings(max_examples=100, deadline=None)
@given(written=WORDS, spoken=WORDS)
def test_word_ends_rise_to_one_for_any_spoken_form(written: list[str], spoken: list[str]) -> None:
    ends = word_ends(" ".join(written), " ".join(spoken))
    assert len(ends) == len(written)
    assert all(a <= b + 1e-9 for a, b in pairwise(ends))
    assert all(0 <= end <= 1 + 1e-9 for end in ends)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Да.", ["Да."]),
        ("", []),
        ("Здравствуйте! Салон «Мята». Чем помочь?", ["Здравствуйте! Салон «Мята».", "Чем помочь?"]),
        ("Мы на ул. Ленина, д. 5. Вход со двора.", ["Мы на ул. Ленина, д. 5.", "Вход со двора."]),
        ("Стрижка стоит 1 500 руб. Записать вас?", ["Стрижка стоит 1 500 руб. Записать вас?"]),
        ("Хорошо, минуту… Нашла вас в базе. Продолжим", ["Хорошо, минуту…", "Нашла вас в базе.", "Продолжим"]),
        ("Свободно в 10.30 и в 12.00 завтра", ["Свободно в 10.30 и в 12.00 завтра"]),
    ],
)
def test_sentences(text: str, pieces: list[str]) -> None:
    assert split_sentences(text) == pieces


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet="аБв .!?…«»5\n", max_size=120))
def test_no_letter_is_lost_in_cutting(text: str) -> None:
    pieces = split_sentences(text)
    assert "".join("".join(pieces).split()).replace("»", "") == "".join(text.split()).replace("»", "")
    assert all(piece.strip() for piece in pieces)


def speech(seed: int, ms: int, level: float) -> np.ndarray:
    """Noise shaped like a voice: low-pass with syllables."""
    rng = np.random.default_rng(seed)
    size = ms * RATE // 1000
    noise = np.convolve(rng.normal(size=size + 8), np.hanning(9), "valid")[:size]
    syllables = 0.3 + 0.7 * np.abs(np.sin(2 * np.pi * 3.1 * np.arange(size) / RATE + seed))
    out = noise * syllables
    return out / np.sqrt(np.mean(out**2)) * level


def real_speech(clip: int) -> np.ndarray:
    """From the first loud sample on."""
    path = Path(__file__).parents[1] / "data" / "speech" / "clips" / f"{clip:02d}.ulaw"
    pcm = np.frombuffer(pcmu().decode(path.read_bytes()), np.int16).astype(np.float64)
    return pcm[int(np.flatnonzero(np.abs(pcm) > 1000)[0]) :]


def verdicts(mic: np.ndarray, played: np.ndarray) -> list[bool]:
    gate = EchoGate(RATE)
    found = []
    for start in range(0, len(mic) - 159, 160):
        frame = mic[start : start + 160]
        gate.feed(frame.astype("<i2").tobytes(), played[start : start + 160].astype("<i2").tobytes())
        level = 10 * np.log10(np.mean((frame / 32768) ** 2) + 1e-12)
        if start >= 8000:
            found.append(gate.judge(8, float(level)) is Side.ECHO)
    return found


@pytest.mark.parametrize("delay_ms", [120, 200, 300, 500])
@pytest.mark.parametrize("seed", range(5))
def test_an_echo_at_minus_20_db_is_known_as_one(delay_ms: int, seed: int) -> None:
    played = speech(seed, 4000, 3000)
    shift = delay_ms * 8
    mic = np.concatenate([np.zeros(shift), played[:-shift]]) * 0.1 + np.random.default_rng(9).normal(0, 8, len(played))
    found = verdicts(mic, played)
    assert np.mean(found) > 0.97


@pytest.mark.parametrize("level", [650, 1000, 3000])
@pytest.mark.parametrize("seed", range(5))
def test_a_caller_over_the_agent_and_its_echo_is_no_echo(level: float, seed: int) -> None:
    """650 is 13 dB below the agent. A caller as faint as the echo itself (20 dB below) cannot be told from it."""
    played = speech(seed, 4000, 3000)
    shift = 200 * 8
    mic = np.concatenate([np.zeros(shift), played[:-shift]]) * 0.1 + speech(seed + 100, 4000, level)
    found = verdicts(mic, played)
    assert np.mean(found) < 0.2


@pytest.mark.parametrize("seed", range(5))
def test_a_faint_caller_on_a_line_without_echo_is_heard(seed: int) -> None:
    found = verdicts(speech(seed + 100, 4000, 420), speech(seed, 4000, 3000))
    assert np.mean(found) < 0.5


def test_it_is_open_whose_voice_it_is_until_80_ms_have_been_heard() -> None:
    played, caller = speech(1, 4000, 3000), speech(101, 4000, 3000)
    gate = EchoGate(RATE)
    sides = []
    for frame in range(60):
        window = slice(frame * 160, frame * 160 + 160)
        gate.feed(caller[window].astype("<i2").tobytes(), played[window].astype("<i2").tobytes())
        if frame >= 50:
            sides.append(gate.judge(frame - 49, -25.0))
    assert sides[:3] == [Side.OPEN] * 3
    assert sides[3:8] == [Side.CALLER] * 5


@pytest.mark.parametrize("clip", range(12))
def test_a_real_caller_over_a_real_voice_is_heard_at_once(clip: int) -> None:
    """Telephone-band clips of two people: 8 frames after the onset the caller is known in almost every case."""
    other, own = np.tile(real_speech((clip + 7) % 30) * 2.0, 3), real_speech(clip)
    gate = EchoGate(RATE)
    sides = []
    for start in range(0, 6400, 160):
        gate.feed(bytes(320), other[start : start + 160].astype("<i2").tobytes())
    for start in range(0, 1280, 160):
        frame = own[start : start + 160]
        level = 10 * np.log10(np.mean((frame / 32768) ** 2) + 1e-12)
        gate.feed(frame.astype("<i2").tobytes(), other[6400 + start : 6560 + start].astype("<i2").tobytes())
        sides.append(gate.judge(start // 160 + 1, float(level)))
    assert sides[-1] is Side.CALLER


def test_without_anything_played_nothing_is_an_echo() -> None:
    assert not any(verdicts(speech(1, 3000, 200), np.zeros(24000)))


def test_the_agents_own_words_are_known_again_although_misheard() -> None:
    said = "Ближайшее время завтра в двенадцать у Инны Лебедевой."
    assert says_the_same("завтра в двенадцать", said)
    assert says_the_same("время завтро в двенацать", said)
    assert not says_the_same("подождите пожалуйста", said)
    assert not says_the_same("", said)
