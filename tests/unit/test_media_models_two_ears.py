"""A second opinion on what must not be misheard."""

import asyncio
from collections.abc import Sequence

import pytest

from media_models.biasing import RussianWords
from media_models.critical_ru import critical_of
from media_models.ports import RecognizerStream, Transcript
from media_models.two_ears import DOUBT, TwoEars

WORDS = RussianWords()


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("девятьсот шестнадцать двести тридцать четыре пятьдесят шесть семьдесят восемь", "9162345678"),
        ("916 234-56-78", "9162345678"),
        ("девять один шесть два три четыре", "916234"),
        ("двадцать ноль пять", "2005"),
        ("двадцать тридцать", "2030"),
        ("к двум часам", "2"),
        ("сто двадцать", "120"),
        ("сто пять тридцать", "10530"),
        ("на двадцать пятое в пятнадцать часов", "2515"),
        ("сорок первого", "41"),
        ("трёх", "3"),
        ("ноль ноль", "00"),
        ("завтра", ""),
    ],
)
def test_numbers_are_one_row_of_digits(text: str, digits: str) -> None:
    assert critical_of(text, WORDS.read).digits == digits


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("запишите на среду к анне", "Запишите меня в среду, к Анне."),
        ("на восьмое марта в три", "8 марта, в 3"),
        ("да давайте", "Ага, давайте!"),
        ("к алене", "к Алёне"),
        ("юлия мороз", "юлии мороз"),
        ("к анне беловой", "анна белова"),
        ("на воскресение", "на воскресенье"),
        ("хочу маникюр", "хотел бы педикюр"),
    ],
)
def test_ways_to_write_the_same_do_not_differ(one: str, other: str) -> None:
    assert critical_of(one, WORDS.read).differs_from(critical_of(other, WORDS.read)) == ()


@pytest.mark.parametrize(
    ("one", "other", "fields"),
    [
        ("в пять", "в шесть", ("digits",)),
        ("на среду", "на субботу", ("days",)),
        ("к анне", "к инне", ("names",)),
        ("да", "нет", ("answers",)),
        ("нет в пять", "да в пятницу", ("digits", "days", "answers")),
    ],
)
def test_what_differs_is_named(one: str, other: str, fields: tuple[str, ...]) -> None:
    assert critical_of(one, WORDS.read).differs_from(critical_of(other, WORDS.read)) == fields


class Ear:
    """Says one thing after a while, or fails."""

    def __init__(self, text: str | Exception, after_s: float = 0.0) -> None:
        self.name = "ear"
        self.fed = b""
        self.closed = False
        self._text = text
        self._after_s = after_s

    def open_stream(self, rate_hz: int, language: str = "ru", hints: Sequence[str] = ()) -> RecognizerStream:
        return self  # type: ignore[return-value]

    def feed(self, pcm: bytes) -> None:
        self.fed += pcm

    async def partial(self) -> Transcript:
        return Transcript(f"{self._text} partial")

    async def final(self) -> Transcript:
        await asyncio.sleep(self._after_s)
        if isinstance(self._text, Exception):
            raise self._text
        return Transcript(self._text, len(self._text), 0.9)

    def close(self) -> None:
        self.closed = True


def both(first: Ear, second: Ear, language: str = "ru", wait_s: float = 20.0) -> RecognizerStream:
    return TwoEars(first, second, wait_s).open_stream(8000, language)  # type: ignore[arg-type]


async def test_the_first_ears_words_stand_and_doubts_lower_the_confidence() -> None:
    first, second = Ear("на пять"), Ear("на шесть", 0.01)
    stream = both(first, second)
    stream.feed(b"12")
    assert await stream.final() == Transcript("на пять", 7, DOUBT, doubts=("digits",))
    assert (await stream.partial()).text == "на пять partial"
    stream.close()
    assert (first.fed, second.fed) == (b"12", b"12")
    assert first.closed
    assert second.closed


async def test_agreement_changes_nothing() -> None:
    assert await both(Ear("на пять"), Ear("На 5!")).final() == Transcript("на пять", 7, 0.9)


@pytest.mark.parametrize("second", [Ear(RuntimeError("dead")), Ear("шесть", 30.0), Ear("")])
async def test_a_second_ear_that_is_dead_slow_or_deaf_costs_only_its_opinion(second: Ear) -> None:
    answer = await asyncio.wait_for(both(Ear("на пять"), second, wait_s=0.05).final(), 10)
    assert answer == Transcript("на пять", 7, 0.9)


async def test_a_failure_of_the_first_ear_is_its_own() -> None:
    with pytest.raises(RuntimeError, match="dead"):
        await both(Ear(RuntimeError("dead")), Ear("пять")).final()


async def test_other_languages_have_one_ear() -> None:
    first = Ear("five")
    assert both(first, Ear("six"), "en") is first
