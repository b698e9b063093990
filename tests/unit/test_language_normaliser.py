"""Written Russian to spoken words: a table of examples, and what holds for any text."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.language.ru.spoken import to_speech

TABLE = Path(__file__).parents[1] / "data" / "normaliser_ru.tsv"
VOWELS = frozenset("аеёиоуыэюя")
ALONE = frozenset(("в", "к", "с", "ж", "б"))


def examples() -> list[tuple[str, str]]:
    lines = TABLE.read_text("utf-8").splitlines()
    rows = [line.split("\t") for line in lines if "\t" in line]
    assert all(len(row) == 2 for row in rows)
    return [(written, spoken) for written, spoken in rows]


EXAMPLES = examples()


def test_the_table_is_large_and_has_no_double() -> None:
    assert len(EXAMPLES) >= 300
    assert len({written for written, _ in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize(("written", "spoken"), EXAMPLES)
def test_written_becomes_spoken(written: str, spoken: str) -> None:
    assert to_speech(written) == spoken


def test_what_is_spoken_already_stays() -> None:
    changed = {spoken: to_speech(spoken) for _, spoken in EXAMPLES if to_speech(spoken) != spoken}
    assert changed == {}


def test_nothing_is_left_that_a_voice_would_spell() -> None:
    """No digit, no Latin letter, no word without a vowel: an engine reads those letter by letter."""
    for written, spoken in EXAMPLES:
        assert not re.search(r"[0-9A-Za-z₽$€%№°*_#@/+=]", spoken), (written, spoken)
        for word in re.findall(r"[^\W\d_]+", spoken.lower()):
            assert set(word) & VOWELS or word in ALONE, (written, word)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([written for written, _ in EXAMPLES]), min_size=2, max_size=5), st.sampled_from(". ,;"))
def test_any_row_of_examples_becomes_words(parts: list[str], between: str) -> None:
    spoken = to_speech(f"{between} ".join(parts))
    assert not re.search(r"[0-9A-Za-z]", spoken)
    assert to_speech(spoken) == spoken


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789 .,:-–/+%₽вксодопн№XIVAБА\n*_[]()", max_size=60))
def test_rubbish_of_digits_never_fails_and_leaves_no_digit(text: str) -> None:
    assert not re.search(r"[0-9]", to_speech(text))


def test_private_characters_of_a_text_are_dropped() -> None:
    """They are the marks of pronunciations, which a text must not bring along."""
    assert to_speech("а\ue000и\ue001в\ue002о") == "а и в о"


def test_a_long_text_takes_no_time_to_speak_of() -> None:
    """Expressions that go back over the text would take minutes here."""
    assert to_speech("1 " * 5_000).count("один") + to_speech("а" * 20_000).count("а") > 5_000
    assert to_speech("5-" * 3_000)
    assert to_speech("a." * 3_000)
    assert to_speech("*" * 5_000) == ""
