"""What counts as a claim, in both languages, and what does not."""

import pytest

from agent.claims import Claim, claims_in, unproven

CLAIMS = [
    ("Готово, вы записаны на завтра, 2 декабря, в 12:45.", Claim.BOOKED),
    ("Записала вас к Игорю.", Claim.BOOKED),
    ("Забронировал вам время.", Claim.BOOKED),
    ("Ваша запись подтверждена.", Claim.BOOKED),
    ("Запись перенесена на пятницу.", Claim.MOVED),
    ("Перенёс вас на 14:00.", Claim.MOVED),
    ("Запись изменена.", Claim.MOVED),
    ("Запись отменена.", Claim.CANCELLED),
    ("Отменила, всего доброго.", Claim.CANCELLED),
    ("Done, you are booked for Sunday.", Claim.BOOKED),
    ("Your appointment is confirmed.", Claim.BOOKED),
    ("I have moved your visit.", Claim.MOVED),
    ("Your visit has been cancelled.", Claim.CANCELLED),
]
NO_CLAIMS = [
    "Записать вас на завтра?",
    "Записываю: завтра, мужская стрижка у Игоря в 12:45. Всё верно?",
    "Вы записаны на завтра?",
    "Заявка записана, подтверждение пришлю сообщением.",
    "Когда запись будет отменена, придёт сообщение.",
    "Если вы записаны, назовите день.",
    "Отменить или перенести на другой день?",
    "Разговор записывается.",
    "Пока вы не записаны.",
    "Shall I book it?",
    "You are not booked yet.",
    "Once it is cancelled, you will get a message.",
]


@pytest.mark.parametrize(("text", "claim"), CLAIMS)
def test_statements_of_a_finished_deed_are_claims(text, claim):
    assert claims_in(text) - {Claim.DEED} == {claim}


@pytest.mark.parametrize("text", ["Записала вас к Игорю.", "Оформила вам запись.", "I have booked you for two."])
def test_a_deed_of_this_talk_is_more_than_an_old_booking(text):
    assert claims_in(text) == {Claim.BOOKED, Claim.DEED}
    assert unproven(text, {Claim.BOOKED}) == {Claim.DEED}
    assert claims_in("Вы записаны на завтра.") == {Claim.BOOKED}


@pytest.mark.parametrize("text", NO_CLAIMS)
def test_offers_questions_and_conditions_are_not(text):
    assert claims_in(text) == frozenset()


def test_a_proven_claim_may_be_said():
    assert unproven("Вы записаны. Запись отменена.", {Claim.BOOKED}) == {Claim.CANCELLED}
