"""The text that the embedded recogniser learns from: its words, its forms, what is kept for tests."""

import json
import random
import re

import pymorphy3  # type: ignore[import-untyped]
import pytest

from media_models.training.natural import spoken_phone
from media_models.training.phrases import inflected
from media_models.training.texts import MOST_WORDS, TextMixture, is_test_text
from media_models.training.vocabulary import label

LINES: tuple[tuple[str, dict[str, list[str]]], ...] = (
    ("хочу записаться на маникюр завтра к ольге", {"service": ["маникюр", "маникюр"], "date": ["завтра", "tomorrow"]}),
    ("а можно в четверг часика в три на стрижку", {"date": ["в четверг", "thursday"]}),
    ("соседка меня к вам отправила говорит руки золотые", {}),
    ("позвоните мне вечером пожалуйста", {}),
)
NEVER = "ребёнок боится машинки, ножницами пострижёте?"


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> TextMixture:
    folder = tmp_path_factory.mktemp("lines")
    rows = [{"text": text, "slots": slots, "style": "plain"} for text, slots in LINES]
    rows += [{"text": NEVER, "slots": {}, "style": "plain"}, {"text": "кос тюм", "slots": {}, "style": "noisy"}]
    (folder / "lines.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return TextMixture([folder], ["на какой день вас записать"], [NEVER])


def drawn(texts: TextMixture, count: int) -> list[str]:
    rng = random.Random(4)
    return [texts.sample(rng) for _ in range(count)]


def test_the_vocabulary_is_wide(texts: TextMixture) -> None:
    assert len(texts.forms) > 20_000
    assert len({word for text in drawn(texts, 2000) for word in text.split()}) > 1500


def test_texts_are_labels_and_of_bounded_length(texts: TextMixture) -> None:
    for text in drawn(texts, 1500):
        assert re.fullmatch(r"[а-я]+( [а-я]+)*", text), text
        assert len(text.split()) <= MOST_WORDS


def test_texts_hardly_repeat(texts: TextMixture) -> None:
    assert len(set(drawn(texts, 1000))) > 600


def test_kept_phrases_are_kept_by_name_and_by_hash(texts: TextMixture) -> None:
    assert texts.is_kept_for_tests(NEVER)
    assert label(NEVER) in texts.held_out
    by_hash = [text for text in drawn(texts, 1500) if texts.is_kept_for_tests(text)]
    assert 30 < len(by_hash) < 150
    assert all(is_test_text(text) or text == label(NEVER) for text in by_hash)


def test_lines_that_imitate_a_bad_recogniser_are_left_out(texts: TextMixture) -> None:
    assert not any("кос тюм" in text for text in drawn(texts, 2000))


@pytest.mark.parametrize(
    ("phrase", "case", "expected"),
    [
        ("мужская стрижка", "accs", "мужскую стрижку"),
        ("маникюр с гель лаком", "gent", "маникюра с гель лаком"),
        ("массаж шейно воротниковой зоны", "datv", "массажу шейно воротниковой зоны"),
        ("аппаратный педикюр", "accs", "аппаратный педикюр"),
        ("ольга", "datv", "ольге"),
        ("сергей", "ablt", "сергеем"),
    ],
)
def test_services_and_names_are_put_into_their_case(phrase: str, case: str, expected: str) -> None:
    assert inflected(pymorphy3.MorphAnalyzer(), phrase, case) == expected


def test_requests_hold_inflected_services_and_names(texts: TextMixture) -> None:
    rng = random.Random(5)
    requests = " ".join(texts.phrases.request(rng) for _ in range(2000))
    for form in ("мужскую стрижку", "мужской стрижки", "мужская стрижка"):
        assert form in requests
    for form in (" к [а-я]+е ", " у [а-я]+ы ", " с [а-я]+ой "):
        assert re.search(form, requests)


def test_phones_are_ten_digits_and_perhaps_a_country() -> None:
    rng = random.Random(6)
    for _ in range(200):
        assert 5 <= len(spoken_phone(rng).split()) <= 25


def test_altered_lines_keep_their_grammar(texts: TextMixture) -> None:
    rng, analyser = random.Random(7), pymorphy3.MorphAnalyzer()
    line = label("соседка меня к вам отправила говорит руки золотые")
    changed = [texts.running.altered(line, rng, 1.0) for _ in range(50)]
    assert len(set(changed)) > 40
    for text in changed:
        assert len(text.split()) == len(line.split())
        assert "VERB" in analyser.parse(text.split()[4])[0].tag
