"""The second look: its three witnesses, the readings that it makes, and what it must leave alone."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigurationError
from media_models.second_look.characters import IMPOSSIBLE, CharacterHead, spelled
from media_models.second_look.choose import SecondLook
from media_models.second_look.readings import Reading, further_readings
from media_models.second_look.spellings import Lexicon, unknown_runs
from media_models.second_look.words import BORDER, WordModel, build

LETTERS = " абвгдежзийклмнопрстуфхцчшщъыьэюя"
LINES = ["с роботом говорить не буду", "я не доверяю роботу", "запишите на маникюр", "запишите на стрижку",
         "первая процедура", "дождик льет", "хочу на маникюр"]  # fmt: skip


def words_of(lines: Sequence[str] = LINES, forms: Sequence[str] = ("доверяем",)) -> WordModel:
    return build([(line.split(), 2.0) for line in lines], forms)


def everything(model: WordModel, before: int, before_that: int) -> float:
    return sum(math.exp(model.log_probability(word, before, before_that)) for word in range(len(model.words) + 1))


def test_word_probabilities_after_any_two_words_sum_to_one() -> None:
    model = words_of()
    ids = range(len(model.words) + 1)
    for before_that, before in itertools.islice(itertools.product(ids, ids), 0, None, 7):
        assert everything(model, before, before_that) == pytest.approx(1, abs=0.02)


def test_a_word_that_followed_is_likelier_than_one_that_did_not() -> None:
    model = words_of()
    on, nails, haircut, first = (model.words[word] for word in ("на", "маникюр", "стрижку", "первая"))
    ask, want = model.words["запишите"], model.words["хочу"]
    assert model.log_probability(nails, on, want) > model.log_probability(haircut, on, want)
    assert model.log_probability(haircut, on, ask) > model.log_probability(first, on, ask) + 1
    assert "доверяем" in model


def test_a_word_model_is_kept_in_a_file(tmp_path: Path) -> None:
    model = words_of()
    model.save(tmp_path / "words.npz")
    again = WordModel.load(tmp_path / "words.npz")
    assert again.words == model.words
    triples = itertools.product(range(len(model.words) + 1), repeat=3)
    for word, before, before_that in itertools.islice(triples, 0, None, 11):
        assert again.log_probability(word, before, before_that) == model.log_probability(word, before, before_that)
    assert again.log_probability(3, None, None) == model.log_probability(3, None, None)
    assert again.log_probability(3, BORDER, None) == model.log_probability(3, BORDER, None)


def by_every_path(heard: np.ndarray, text: Sequence[int]) -> float:
    total = 0.0
    for path in itertools.product(range(heard.shape[1]), repeat=len(heard)):
        collapsed = [symbol for symbol, _ in itertools.groupby(path) if symbol]
        if collapsed == list(text):
            total += math.exp(sum(float(heard[at, symbol]) for at, symbol in enumerate(path)))
    return math.log(total) if total else float(IMPOSSIBLE)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.lists(st.integers(1, 2), max_size=3), st.lists(st.integers(1, 2), max_size=2),
       st.integers(0, 10_000))  # fmt: skip
def test_spelling_probability_is_the_sum_over_all_paths(
    frames: int, text: list[int], other: list[int], seed: int
) -> None:
    values = np.random.default_rng(seed).normal(size=(frames, 3))
    heard = (values - np.log(np.exp(values).sum(1, keepdims=True))).astype(np.float32)
    together = spelled(heard, [text, other])
    for found, wanted in zip(together, (by_every_path(heard, text), by_every_path(heard, other)), strict=True):
        if wanted <= IMPOSSIBLE / 2:
            assert found < IMPOSSIBLE / 2
        else:
            assert found == pytest.approx(wanted, abs=1e-3)


def head() -> CharacterHead:
    size = len(LETTERS) + 1
    return CharacterHead(LETTERS, np.eye(size, dtype=np.float32) * 12, np.zeros(size, np.float32))


def voice(text: str, *, frames_a_letter: int = 2) -> np.ndarray:
    """Encoder frames that spell the text, a blank after each letter."""
    numbers = [number for letter in text for number in (*[LETTERS.index(letter) + 1] * frames_a_letter, 0)]
    return np.eye(len(LETTERS) + 1, dtype=np.float32)[numbers]


def test_characters_hear_what_is_spelled(tmp_path: Path) -> None:
    head().save(tmp_path / "characters.npz")
    again = CharacterHead.load(tmp_path / "characters.npz")
    heard = again.heard(voice("ванна лен"))
    assert again.spelling(heard) == "ванна лен"
    right, wrong, foreign = again.log_probabilities(heard, ["ванна лен", "вана лен", "vanna"])
    assert right > -1
    assert right > wrong + 5
    assert foreign <= IMPOSSIBLE
    assert len(again.log_probabilities(heard, [])) == 0


def lexicon(words: str, dictionary: str = "") -> Lexicon:
    return Lexicon(words.split(), frozenset(dictionary.split()).__contains__)


@pytest.mark.parametrize(
    ("letters", "meant"),
    [
        ("сроботом", ("с", "роботом")),
        ("недаверяю", ("не", "доверяю")),
        ("первоя", ("первая",)),
        ("дождиклйет", ("дождик", "льет")),
        ("ужаси", ("ужасе",)),
        ("вперчатках", ("в", "перчатках")),
        ("здаю", ("сдаю",)),
        ("марсинки", ("морщинки",)),
    ],
)
def test_letters_are_read_as_words_that_exist(letters: str, meant: tuple[str, ...]) -> None:
    known = lexicon("с не в роботом доверяю первая дождик льет ужасе перчатках сдаю первый робот морщинки")
    assert known.spellings(letters)[0].words == meant


def test_letters_that_sound_like_nothing_stay_without_a_reading() -> None:
    assert lexicon("с роботом маникюр").spellings("щуплокрыг") == []
    assert lexicon("с роботом").spellings("а" * 60) == []


def test_words_of_the_dictionary_are_found_at_the_borders_alone() -> None:
    known = lexicon("с в", "перчатках")
    assert known.spellings("вперчатках")[0].words == ("в", "перчатках")
    assert known.has("перчатках")
    assert not known.said("перчатках")


def test_stretches_hold_a_word_that_does_not_exist() -> None:
    runs = unknown_runs(["я", "ниверю", "вам"], {"я", "вам"}.__contains__)
    assert runs == [(0, 2), (0, 3), (1, 2), (1, 3)]
    assert unknown_runs(["я", "вам"], {"я", "вам"}.__contains__) == []


def test_the_best_readings_are_put_together_anew() -> None:
    readings = [
        Reading("хочу к аде как на картинки", -5.0),
        Reading("хочу каре как на картинки", -5.5),
        Reading("хочу к аде как на картинке", -5.6),
    ]
    made = further_readings(readings, lexicon("хочу к аде каре как на картинке картинки"), lambda words: 0.0,
                            lambda word: 0.0, 5)  # fmt: skip
    assert Reading("хочу каре как на картинке", pytest.approx(-6.1)) in made
    assert all(reading.text not in {known.text for known in readings} for reading in made)


class Asked:
    """A decoder that knows some texts and thinks little of all others."""

    def __init__(self, known: dict[str, float]) -> None:
        self.known = known
        self.texts: list[str] = []

    def __call__(self, texts: Sequence[str]) -> list[float]:
        self.texts += texts
        return [self.known.get(text, -30.0) for text in texts]


def look(lines: Sequence[str] = LINES, dictionary: str = "снова") -> SecondLook:
    known = frozenset(dictionary.split())
    return SecondLook(words_of(lines), head(), known.__contains__, lambda word: (word, f"{word}у", f"{word}а"))


def test_a_word_that_does_not_exist_gives_way_to_one_that_does() -> None:
    said = "с роботом говорить не буду"
    asked = Asked({said: -4.0, "сроботом говорить не буду": -3.0})
    chosen = look().chosen([Reading("сроботом говорить не буду", -3.0)], voice(said), asked)
    assert chosen.text == said
    assert chosen.log_probability == -4.0
    assert chosen.a_letter > -0.5
    assert said in asked.texts


def test_what_the_decoder_and_the_sound_are_sure_of_stays_though_nobody_knows_the_word() -> None:
    said = "запишите на шугаринг"
    asked = Asked({said: -1.0})
    chosen = look().chosen([Reading(said, -1.0), Reading("запишите на маникюр", -40.0)], voice(said), asked)
    assert chosen.text == said
    assert asked.texts == []


def test_the_words_of_the_company_are_words() -> None:
    lines = [*LINES, "хочу к ольге", "хочу к мастеру"]
    readings = [Reading("хочу к айнуру", -3.0), Reading("хочу к ольге", -9.0)]
    sound = voice("хочу к айнуру", frames_a_letter=1) * 0.45
    asked = Asked({"хочу к айнуру": -3.0, "хочу к ольге": -9.0})
    second = look(lines)
    without = second.chosen(readings, sound, asked)
    with_company = second.chosen(readings, sound, asked, ("Айнур",))
    assert with_company.text == "хочу к айнуру"
    assert without.a_letter <= with_company.a_letter
    misheard = second.chosen([Reading("хочу к ойнуру", -3.0)], voice("хочу к айнуру"),
                             Asked({"хочу к ойнуру": -3.0, "хочу к айнуру": -4.0}), ("Айнур",))  # fmt: skip
    assert misheard.text == "хочу к айнуру"


def test_readings_of_the_same_text_count_together() -> None:
    first = [Reading("дождик льет", -2.0), Reading("первая процедура", -1.6), Reading("дождик льет", -2.0)]
    quiet = np.zeros((30, len(LETTERS) + 1), np.float32)
    even = look(["дождик льет", "первая процедура"])
    chosen = even.chosen(first, quiet, Asked({"дождик льет": -1.3, "первая процедура": -1.6}))
    assert chosen.text in {"дождик льет", "первая процедура"}
    sure = even.chosen([Reading("дождик льет", -2.0)], voice("дождик льет"), Asked({"дождик льет": -2.0}))
    assert sure.text == "дождик льет"


def test_an_invention_about_noise_has_no_letter_behind_it() -> None:
    noise = np.zeros((80, len(LETTERS) + 1), np.float32)
    noise[:, 0] = 1
    chosen = look().chosen([Reading("хочу на маникюр", -1.0)], noise, Asked({"хочу на маникюр": -1.0}))
    assert chosen.a_letter < -5


def test_a_folder_without_the_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="second_look"):
        SecondLook.load(tmp_path, lambda word: True, lambda word: ())
    (tmp_path / "words.npz").write_bytes(b"no archive")
    with pytest.raises(ConfigurationError, match=str(tmp_path)):
        SecondLook.load(tmp_path, lambda word: True, lambda word: ())
