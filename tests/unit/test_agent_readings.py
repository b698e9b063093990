"""Small readings of the caller's words, and days read in the light of the talk: data in, data out."""

from datetime import date, time, timedelta

import pytest

from agent.policy import earlier, hints
from agent.policy.context import in_context
from agent.policy.shift import shifted
from agent.salon import Salon
from agent.state import DialogueState, Question, VisitWish
from agent.understanding import DayWish, Intent, TimeWish, Understood

WEDNESDAY = DayWish(date(2026, 12, 2), date(2026, 12, 2), "среду")
NEXT_WEEK = DayWish(date(2026, 12, 7), date(2026, 12, 13), "следующей неделе")


@pytest.mark.parametrize(
    ("reading", "yes", "no"),
    [
        (hints.leaves_as_is, "ладно оставьте как есть", "как есть время завтра"),
        (hints.leaves_as_is, "нет тогда не надо", "не надо утром лучше вечером"),
        (hints.asks_about, "а в воскресенье", "давайте в воскресенье"),
        (hints.declines_offers, "ни то ни другое", "давайте первое"),
        (hints.other_day, "а в другой день", "в другие дни никак"),
        (hints.is_past, "вчера", "32 декабря"),
        (hints.is_past, "двадцатое ноября", "тридцатое февраля"),
        (hints.not_that_one, "нет не первое", "не первое а второе"),
        (hints.tells_of_past, "вчера у вас стриглась", "на вчера можно или нет"),
        (hints.undecided, "даже не знаю когда", "знаю что хочу"),
        (hints.asks_own_booking, "а на когда я записан", "запишите меня"),
        (hints.asks_own_booking, "во сколько у меня запись", "во сколько вы открываетесь"),
        (hints.asks_time_again, "еще раз во сколько", "во сколько вы закрываетесь"),
        (hints.buys_certificate, "хочу подарить жене сертификат", "у меня подарочный сертификат"),
        (hints.puts_right, "то есть на", "и еще"),
        (hints.other_master, "а можно к другому мастеру", "к мастеру марии"),
        (hints.nothing_more, "нет это все спасибо", "все мастера работают"),
        (earlier.as_before, "мне как в прошлый раз", "в прошлый раз мне не понравилось"),
        (hints.goes_ahead, "ну ладно давайте", "дорого"),
    ],
)
def test_a_reading_knows_its_words_and_no_others(reading, yes, no):
    assert reading(yes)
    assert not reading(no)


def test_an_hour_later_counts_from_the_time_that_stands():
    assert shifted(time(17), TimeWish(later=True), timedelta(hours=1)).at == time(18)
    assert shifted(time(17), TimeWish(earlier=True), timedelta(minutes=30)).at == time(16, 30)


def read(day: DayWish, state: DialogueState, words: str = "в среду") -> Understood:
    salon = Salon.__new__(Salon)  # no offers stand, so the salon's clock is not asked
    return in_context(Understood(words, "ru", day=day), words, state, salon)


def test_a_weekday_means_the_week_that_is_talked_about():
    state = DialogueState(question=Question.OFFER, wish=VisitWish(day=NEXT_WEEK))
    assert read(WEDNESDAY, state).day == DayWish(date(2026, 12, 9), date(2026, 12, 9), "среду")


def test_a_date_with_its_number_stays_where_it_is():
    day = DayWish(date(2026, 12, 2), date(2026, 12, 2), "второго декабря")
    state = DialogueState(question=Question.OFFER, wish=VisitWish(day=NEXT_WEEK))
    assert read(day, state).day == day


def test_a_weekday_at_the_beginning_of_a_talk_is_the_next_one():
    assert read(WEDNESDAY, DialogueState(wish=VisitWish(day=NEXT_WEEK))).day == WEDNESDAY


def test_a_sign_of_consent_is_a_yes():
    salon = Salon.__new__(Salon)
    assert in_context(Understood("", "ru"), "+", DialogueState(), salon).intents == (Intent.AFFIRM,)
