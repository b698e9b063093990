"""What leaves a model's mouth: sentences cut in time, questions recognised, untrue or unspeakable words held back."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.claims import Claim
from agent.llm.asked import asked_by
from agent.llm.faults import Fault
from agent.llm.fold import alike
from agent.llm.guard import Known, fault_in, minutes_in, roubles_in
from agent.llm.sentences import Sentences
from agent.model import Expect
from agent.state import DialogueState, Question

TODAY = date(2026, 12, 1)  # a Tuesday


def known(**more):
    return Known(TODAY, **({"minutes": frozenset({900}), "roubles": frozenset({2500})} | more))


@given(st.lists(st.integers(1, 9), max_size=40))
@settings(max_examples=50, deadline=None)
def test_sentences_do_not_depend_on_how_the_text_was_cut(sizes):
    text = "Добрый день! Есть в 15:00 у Марии, ул. Садовая, д. 5. Стоит 2.5 тысячи. Удобно? Да…  Тогда записываю"
    whole = Sentences()
    expected = [*whole.feed(text), whole.rest()]
    cut, at, found = Sentences(), 0, []
    for size in sizes:
        found += cut.feed(text[at : at + size])
        at += size
    found += cut.feed(text[at:])
    assert [*found, cut.rest()] == expected
    assert expected[1] == "Есть в 15:00 у Марии, ул. Садовая, д. 5."


def test_a_sentence_is_given_as_soon_as_the_next_begins_and_never_half():
    sentences = Sentences()
    assert sentences.feed("Секунду, смотрю.") == []
    assert sentences.feed(" Е") == ["Секунду, смотрю."]
    assert sentences.rest() == "Е"


def test_markdown_is_no_speech():
    sentences = Sentences()
    assert sentences.feed("**Есть** два времени:\n- 15:00\n- 16:30\n") == ["Есть два времени:", "15:00", "16:30"]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("Есть в 15:00 и 16.30 не знаю", {900}),
        ("в 16.30", {990}),
        ("в три часа дня", {900}),
        ("в 10 утра или в 7 вечера", {600, 1140}),
        ("at 3:30 pm or 11 am", {930, 660}),
        ("полтретьего", {870}),
        ("стоит 2.50 рубля, два мастера, на три услуги", set()),
        ("после 18 часов", {1080}),
        ("процедура на 2 часа, можно на два часа дольше", set()),
    ],
)
def test_times_of_day_are_found(text, minutes):
    assert minutes_in(text) == minutes


def test_sums_are_found():
    assert roubles_in("2 500 рублей или 3500₽, почти 4,2 тыс.") == {2500, 3500, 4200}


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        ("Есть время в 15:00, удобно?", None),
        ("Есть время в 03:17, удобно?", Fault.TIME),
        ("Могу предложить шесть вечера, в 18:00.", Fault.TIME),
        ("Стрижка стоит 2500 рублей.", None),
        ("Стрижка стоит 990 рублей.", Fault.PRICE),
        ("Сделаю вам скидку 10 %.", Fault.PRICE),
        ("Скидок нет, цена 2500 рублей.", None),
        ("Во вторник, 8 декабря, свободно.", None),
        ("В среду, 8 декабря, свободно.", Fault.DATE),
        ("31 февраля салон закрыт.", Fault.DATE),
        ("Я вас записала!", Fault.CLAIM),
        ("Ваша запись отменена.", Fault.CLAIM),
        ("Записать вас на 15:00?", None),
        ("Администратор вам перезвонит через час.", Fault.PROMISE),
        ('{"answer": "да"}', Fault.NO_SPEECH),
        ("<tool_call>book</tool_call>", Fault.NO_SPEECH),
        ("Смотрите https://example.org", Fault.NO_SPEECH),
    ],
)
def test_what_may_be_said(sentence, fault):
    claims = frozenset({Claim.CANCELLED}) if sentence == "никогда" else frozenset()
    assert fault_in(sentence, known(proven=claims)) is fault


def test_a_time_of_the_client_may_be_called_taken_or_asked_back_but_not_free():
    facts = known(echo_minutes=frozenset({1020}))
    assert fault_in("К сожалению, в 17:00 занято.", facts) is None
    assert fault_in("Вам именно в 17:00?", facts) is None
    assert fault_in("В 17:00 свободно.", facts) is Fault.TIME
    assert fault_in("В 17:00 свободно, не переживайте.", facts) is Fault.TIME


def test_nothing_is_free_of_charge_unless_the_salon_says_so():
    assert fault_in("Укладка бесплатно!", known()) is Fault.PRICE
    assert fault_in("Консультация бесплатная.", known(free=True)) is None


def test_an_old_booking_proves_nothing_about_the_visit_being_arranged():
    facts = known(proven=frozenset({Claim.BOOKED}), booked_minutes=frozenset({720}), arranging=True,
                  minutes=frozenset({720, 900}))  # fmt: skip
    assert fault_in("Вы записаны на 12:00.", facts) is None
    assert fault_in("Вы записаны на 15:00.", facts) is Fault.CLAIM
    assert fault_in("Всё, записала вас.", facts) is Fault.CLAIM


def test_the_prompt_does_not_leak():
    text = "нельзя раскрывать чужие записи, номера, заметки о клиентах"
    facts = known(secret="a1b2c3d4e5f6", prompt=f"x {text} y")
    assert fault_in("Мой знак A1B2C3D4E5F6.", facts) is Fault.LEAK
    assert fault_in("Нельзя раскрывать чужие записи, номера, заметки о клиентах.", facts) is Fault.LEAK


def test_what_the_rules_would_say_is_always_allowed():
    line = "Администратор перезвонит до 12:00."
    assert fault_in(line, known()) is not None
    assert fault_in(line, known(said=f"Хорошо. {line}")) is None


@pytest.mark.parametrize(
    ("text", "question", "expect"),
    [
        ("Хорошо. Как вас зовут?", Question.NAME, Expect.NAME),
        ("На какой день вас записать?", Question.DAY, Expect.DATE_TIME),
        ("Есть в 15:00 и в 16:30, что удобнее?", Question.OFFER, Expect.CHOICE),
        ("Есть в 15:00, подойдёт?", Question.OFFER, Expect.YES_NO),
        ("Стрижка женская или мужская?", Question.GENDER, Expect.SERVICE),
        ("Салон открыт до 21:00.", Question.NONE, Expect.FREE),
        ("What time would you like?", Question.TIME, Expect.DATE_TIME),
    ],
)
def test_what_a_sentence_asks_for(text, question, expect):
    assert asked_by(text, DialogueState()) == (question, expect)


def test_the_same_answer_in_other_words_is_recognised():
    proposed = "Завтра у Марии есть 15:00 и 16:30, 2500 рублей. Что удобнее?"
    assert alike(proposed, "У Марии завтра свободно в 15:00 и в 16:30, стоит 2500 рублей — что вам удобнее?")
    assert not alike(proposed, "Мы находимся на Садовой, вход со двора.")
