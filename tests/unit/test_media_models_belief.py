"""Which answers of a recogniser are speech and which are guesses about noise."""

import pytest

from media_models.belief import Decoded, believed, confidence_of, text_of


def judge(text: str, audio_s: float = 5.0, *, mean: float = -0.2, no_speech: float = 0.01) -> Decoded:
    return believed(text, 4, mean, no_speech, audio_s, 0.3)


def test_clear_speech_is_believed_with_single_spaces() -> None:
    decoded = judge(" к  анне ")
    assert decoded.text == "к анне"
    assert decoded.tokens == 4
    assert decoded.log_probability == pytest.approx(-0.8)


def test_windows_join_and_their_tokens_share_the_confidence() -> None:
    parts = [judge("на завтра", mean=-0.1), Decoded(), judge("к анне", mean=-0.3)]
    assert text_of(parts) == "на завтра к анне"
    assert confidence_of(parts) == pytest.approx(2.718281828**-0.2)
    assert confidence_of([Decoded()]) == 0.0


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("продолжение", {"no_speech": 0.9}),
        ("да " * 40, {}),
        ("журбу тут", {"mean": -1.5}),
        ("Продолжение следует...", {}),
        ("Субтитры сделал DimaTorzok", {}),
        ("...", {}),
        ("", {}),
    ],
)
def test_guesses_are_dropped(text: str, evidence: dict[str, float]) -> None:
    assert judge(text, 60.0, **evidence).text == ""


def test_nobody_speaks_that_fast() -> None:
    long = "алло здравствуйте так что есть свободного в эту субботу без двадцати два спасибо"
    assert judge(long, 1.0).text == ""
    assert judge(long, 5.0).text == long
