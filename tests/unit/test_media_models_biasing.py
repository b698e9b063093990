"""Names and services put right by sound: what is corrected, and what must never be."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_models.biased import BiasedRecognizer, BiasedStream
from media_models.biasing import RussianWords, Vocabulary, corrected
from media_models.phonetics_ru import distance
from media_models.ports import RecognizerStream, Transcript

HINTS = (
    "Мужская стрижка", "Стрижка бороды", "Окрашивание корней", "Маникюр с гель-лаком", "Педикюр с гель-лаком", "Пилинг",
    "Чистка лица", "Массаж лица", "Снятие чужого покрытия", "Анна Белова", "Мария Крылова", "Игорь Сафин", "Ольга Ким",
    "Светлана Юрина", "Вера Дан", "Тимур Ахметов", "Алёна Фёдорова", "Алина Жукова",
)  # fmt: skip


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return RussianWords().vocabulary(HINTS)


def put_right(vocabulary: Vocabulary, text: str) -> str:
    return corrected(text, vocabulary.corrections(text.split()))


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("запишите на мани кюр", "запишите на маникюр"),
        ("мушская стришка завтра", "мужская стрижка завтра"),
        ("на пидикюр с гель лаком", "на педикюр с гель лаком"),
        ("окрашывание карней", "окрашивание корней"),
        ("стришка барады", "стрижка бороды"),
        ("чиска лица", "чистка лица"),
        ("снятие покрытя", "снятие покрытия"),
        ("на пиллинг", "на пилинг"),
        ("кольге на завтра", "к ольге на завтра"),
        ("к светланей реной завтра", "к светлане юриной завтра"),
        ("тиму рахметов", "тимур ахметов"),
        ("к игорю с афину", "к игорю сафину"),
        ("кигорю с афину", "к игорю сафину"),
        ("к анне беловай", "к анне беловой"),
        ("к алене федаровой", "к алене федоровой"),
    ],
)
def test_what_a_recogniser_spoils_is_put_right(vocabulary: Vocabulary, heard: str, meant: str) -> None:
    assert put_right(vocabulary, heard) == meant


@pytest.mark.parametrize(
    "heard",
    [
        "к анне или к ольге",
        "к алле на завтра",
        "к инне",
        "можно к олегу",
        "к алине",
        "к алене",
        "вера и надежда",
        "в среду после шести",
        "меня зовут светлана крылова",
        "на маникюр с гель лаком к марии крыловой",
        "здравствуйте а есть время сегодня вечером",
        "к анне на белый цвет",
        "",
        "да",
    ],
)
def test_what_makes_sense_stays(vocabulary: Vocabulary, heard: str) -> None:
    assert put_right(vocabulary, heard) == heard


def test_between_two_alike_names_nothing_is_chosen(vocabulary: Vocabulary) -> None:
    assert put_right(RussianWords().vocabulary(("Алёна",)), "с алэной") == "с аленой"
    assert put_right(vocabulary, "с алэной") == "с алэной"  # Алина would be nearly as good


def test_one_masters_name_never_becomes_anothers() -> None:
    names = ["Анна", "Инна", "Алла", "Яна", "Жанна", "Нина", "Алина", "Алёна", "Елена", "Марина", "Карина", "Ирина",
             "Оля", "Юля", "Поля", "Даша", "Маша", "Саша", "Паша", "Катя", "Настя"]  # fmt: skip
    words = RussianWords()
    vocabulary = words.vocabulary(names)
    for name in names:
        for form in words._forms_of(name.lower()):
            text = f"запишите к {form.replace('ё', 'е')} пожалуйста"
            assert put_right(vocabulary, text) == text


@given(st.lists(st.text(alphabet="абвгдеийклмнопрстуя", min_size=1, max_size=9), max_size=6))
@settings(max_examples=100, deadline=None)
def test_a_correction_is_made_of_the_companys_words_and_is_final(vocabulary: Vocabulary, words: list[str]) -> None:
    first = vocabulary.corrections(words)
    allowed = set(" ".join(form.text for form in vocabulary._forms.values()).split())
    for correction in first:
        said = correction.meant.split()
        assert set(said[1:]) <= allowed
        assert said[0] in allowed or len(said[0]) <= 3
    text = corrected(" ".join(words), first)
    assert len(vocabulary.corrections(text.split())) <= len(first)


@given(st.text(alphabet="абвгдежзийклмнопрстухцчшщьэюя", max_size=10),
       st.text(alphabet="абвгдежзийклмнопрстухцчшщьэюя", max_size=10))  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_distance_is_symmetric_and_nought_for_the_same(one: str, other: str) -> None:
    assert distance(one, other) == pytest.approx(distance(other, one))
    assert distance(one, one) == 0.0
    assert distance(one, other) >= 0.0


@pytest.mark.parametrize(
    ("near", "far"),
    [
        (("окрашивание", "акрашывание"), ("окрашивание", "одалживание")),
        (("мороз", "марос"), ("мороз", "мираж")),
        (("фёдоров", "федоров"), ("фёдоров", "сидоров")),
        (("анна", "ана"), ("анна", "алла")),
        (("стрижется", "стрижеца"), ("стрижется", "стрелка")),
    ],
)
def test_what_sounds_alike_is_near(near: tuple[str, str], far: tuple[str, str]) -> None:
    assert distance(*near) < 0.6 < distance(*far)


class Saying:
    """A recogniser that says what it is told."""

    name = "saying"

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript

    def open_stream(self, rate_hz: int, language: str = "ru", hints: Sequence[str] = ()) -> RecognizerStream:
        return self

    def feed(self, pcm: bytes) -> None:
        return None

    async def partial(self) -> Transcript:
        return self._transcript

    async def final(self) -> Transcript:
        return self._transcript

    async def warm_up(self) -> None:
        return None

    def close(self) -> None:  # type: ignore[override]
        return None


async def heard(transcript: Transcript, language: str = "ru", hints: Sequence[str] = HINTS) -> Transcript:
    stream = BiasedRecognizer(Saying(transcript)).open_stream(8000, language, hints)  # type: ignore[arg-type]
    if isinstance(stream, BiasedStream):
        await asyncio.wait_for(asyncio.shield(stream.vocabulary), 30)
    return await stream.partial()


@pytest.mark.parametrize(
    ("text", "stable", "expected", "expected_stable"),
    [
        ("на мани кюр завтра", "", "на маникюр завтра", ""),
        ("на мани кюр завтра", "на мани", "на маникюр завтра", "на"),
        ("на мани кюр завтра", "на мани кюр", "на маникюр завтра", "на маникюр"),
        ("на мани кюр завтра", "на мани кюр завтра", "на маникюр завтра", "на маникюр завтра"),
        ("на завтра", "на", "на завтра", "на"),
    ],
)
async def test_what_is_stable_stays_a_beginning_of_the_text(
    text: str, stable: str, expected: str, expected_stable: str
) -> None:
    answer = await heard(Transcript(text, len(stable), 0.8, 5.0, 1600))
    assert answer == Transcript(expected, len(expected_stable), 0.8, 5.0, 1600)
    assert expected.startswith(expected_stable)


async def test_other_languages_and_companies_without_words_pass() -> None:
    said = Transcript("на мани кюр", 2)
    assert await heard(said, "en") == said
    assert await heard(said, "ru", ()) == said


async def test_a_vocabulary_that_is_not_there_yet_or_never_holds_nothing_up() -> None:
    said = Transcript("на мани кюр", 11)
    saying: RecognizerStream = Saying(said)  # type: ignore[assignment]
    missing: asyncio.Future[Vocabulary] = asyncio.get_running_loop().create_future()
    assert await BiasedStream(saying, missing).final() == said
    missing.set_exception(RuntimeError("no dictionary"))
    assert await BiasedStream(saying, missing).final() == said
