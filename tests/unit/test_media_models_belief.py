"""Which answers of a recogniser are speech and which are guesses about noise."""

from types import SimpleNamespace
from typing import Any

import pytest

from media_models.adapters.faster_whisper import _believed


def segment(text: str, **evidence: Any) -> SimpleNamespace:
    facts = {"no_speech_prob": 0.01, "compression_ratio": 1.0, "avg_logprob": -0.2, "tokens": [1, 2, 3]}
    return SimpleNamespace(text=text, **{**facts, **evidence})


def test_clear_speech_is_believed_and_joined() -> None:
    decoded = _believed([segment(" на завтра "), segment(" к  анне")], 2.0, 0.3)
    assert decoded.text == "на завтра к анне"
    assert decoded.tokens == 8
    assert decoded.log_probability == pytest.approx(-1.6)


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("продолжение", {"no_speech_prob": 0.9}),
        ("да да да да да да", {"compression_ratio": 3.0}),
        ("журбу тут", {"avg_logprob": -1.5}),
        ("Продолжение следует...", {}),
        ("Субтитры сделал DimaTorzok", {}),
        ("...", {}),
        ("", {}),
    ],
)
def test_guesses_are_dropped(text: str, evidence: dict[str, float]) -> None:
    assert _believed([segment(text, **evidence)], 5.0, 0.3).text == ""


def test_nobody_speaks_that_fast() -> None:
    long = "алло здравствуйте так что есть свободного в эту субботу без двадцати два спасибо"
    assert _believed([segment(long)], 1.0, 0.3).text == ""
    assert _believed([segment(long)], 5.0, 0.3).text == long
