"""Long messages are cut where people would pause, and nothing of them is lost."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.splitting import shorten, split_text, utf8, utf16

WORDS = st.lists(
    st.sampled_from(
        ["Записала вас", "к Анне.", "завтра в 14:00!", "\n\n", "https://salon.ru/a_b?c=1", "*Маникюр*", "👩‍🦰", "🇷🇺",
         "é" + "\u0301", "A" * 40, "«Да.»", "2 500 ₽", "…", "\n"]
    ),
    max_size=80,
).map(" ".join)  # fmt: skip


@pytest.mark.parametrize("measure", [utf16, utf8, len])
@settings(max_examples=60, deadline=None)
@given(text=WORDS, most=st.integers(12, 120))
def test_pieces_fit_and_nothing_but_blanks_is_lost(measure, text, most):
    pieces = split_text(text, most, measure)
    assert all(measure(piece) <= most for piece in pieces)
    assert all(piece == piece.strip() and piece for piece in pieces)
    assert re.sub(r"\s", "", "".join(pieces)) == re.sub(r"\s", "", text)


def test_cuts_at_the_end_of_a_sentence_before_a_word():
    text = "Первое предложение о записи. Второе предложение длиннее и не помещается целиком."
    assert split_text(text, 50)[0] == "Первое предложение о записи."


def test_paragraphs_come_before_sentences():
    text = "Одно. Два слова тут.\n\nТретье. Четвёртое предложение."
    assert split_text(text, 40)[0] == "Одно. Два слова тут."


def test_a_link_and_bold_words_stay_whole_while_they_fit():
    text = "Посмотрите наш прайс на сайте https://salon.example/price?x=1 и *полный список услуг* там же."
    pieces = split_text(text, 45)
    assert any("https://salon.example/price?x=1" in piece for piece in pieces)
    assert any("*полный список услуг*" in piece for piece in pieces)


def test_signs_of_several_code_points_are_not_torn():
    family = "👨\u200d👩\u200d👧"
    pieces = split_text(f"{'а' * 9} {family}{family}", 14)
    assert all(not piece.startswith("\u200d") and not piece.endswith("\u200d") for piece in pieces)


def test_units_of_utf16_count_twice_outside_the_basic_plane():
    assert utf16("а😀") == 3
    assert shorten("😀" * 10, 7) == "😀😀😀…"
    assert shorten("коротко", 7) == "коротко"
