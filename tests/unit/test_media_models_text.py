"""Clauses and pronunciation: what engines are given to speak."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigurationError
from media_models.clauses import FINAL_PAUSE_MS, SENTENCE_PAUSE_MS, split_clauses
from media_models.pronunciation import STRESS_MARK, Lexicon, without_stress_marks


def texts(text: str, **options: int) -> list[str]:
    return [clause.text for clause in split_clauses(text, **options)]


def test_a_text_is_cut_at_its_punctuation() -> None:
    said = "Здравствуйте! Это салон красоты, чем могу помочь? Слушаю."
    assert texts(said) == ["Здравствуйте!", "Это салон красоты,", "чем могу помочь?", "Слушаю."]


def test_a_dash_between_spaces_cuts_and_a_hyphen_does_not() -> None:
    assert texts("стрижка — тысяча рублей, гель-лак") == ["стрижка", "тысяча рублей,", "гель-лак"]


def test_a_point_inside_a_number_does_not_cut() -> None:
    assert texts("в 10.30, то есть утром.") == ["в 10.30,", "то есть утром."]


def test_pauses_follow_the_punctuation() -> None:
    pauses = [clause.pause_ms for clause in split_clauses("Да, есть. Записываю? Да.")]
    assert pauses[0] < pauses[1] == pauses[2] == SENTENCE_PAUSE_MS
    assert pauses[3] == FINAL_PAUSE_MS


def test_text_without_a_word_is_nothing_to_say() -> None:
    assert split_clauses(" … ! —") == []
    assert split_clauses("") == []


def test_short_clauses_join_but_the_first_stays_short() -> None:
    said = "Да, есть в десять, в двенадцать, в три, и вечером."
    assert texts(said, least_chars=20) == ["Да,", "есть в десять, в двенадцать,", "в три, и вечером."]


@given(st.text(alphabet="абв гд,.!?—- ", max_size=400), st.integers(10, 60))
@settings(max_examples=150, deadline=None)
def test_clauses_keep_every_letter_in_order_and_respect_the_bound(text: str, most: int) -> None:
    clauses = texts(text, most_chars=most)
    assert all(len(clause) <= most for clause in clauses)
    assert "".join(filter(str.isalnum, "".join(clauses))) == "".join(filter(str.isalnum, text))


def test_the_lexicon_gives_phonemes_and_drops_other_stress_marks() -> None:
    lexicon = Lexicon.parse("балаяж\tbVlVj'AS\n", "test")
    assert lexicon.for_espeak("Балаяж и за́мок") == "[[bVlVj'AS]] и замок"


def test_a_marked_word_is_told_from_its_twin() -> None:
    lexicon = Lexicon.parse("за́мок\tz'AmVk\n", "test")
    assert lexicon.for_espeak("за́мок, замок") == "[[z'AmVk]], замок"


def test_phonemes_cannot_be_smuggled_in_by_a_text() -> None:
    assert "[[" not in Lexicon({}).for_espeak("имя [[_^_en]] тут")


def test_a_lexicon_line_without_phonemes_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"words\.tsv line 2"):
        Lexicon.parse("# comment\nбалаяж\n", "words.tsv")


def test_the_shipped_lexicon_is_readable_and_knows_the_salon() -> None:
    known = Lexicon.shipped("ru").phonemes
    assert {"балаяж", "волос", "красоты", "сорок", "стоит", "часа", "утра"} <= set(known)
    assert Lexicon.shipped("xx").phonemes == {}


def test_stress_marks_go() -> None:
    assert without_stress_marks(f"за{STRESS_MARK}мок") == "замок"
