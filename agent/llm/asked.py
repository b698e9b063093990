"""What a sentence asks for: how the next answer will be listened to, and read by the rules. Pure."""

import re

from agent.model import Expect
from agent.state import DialogueState, Question

_PATTERNS: tuple[tuple[Question, Expect, re.Pattern[str]], ...] = tuple(
    (question, expect, re.compile(pattern, re.I))
    for question, expect, pattern in (
        (Question.VISITOR, Expect.NAME,
         r"зовут (?:реб[её]нка|сына|дочь|дочку)|имя реб[её]нка|child'?s name|name of the child"),
        (Question.NAME, Expect.NAME,
         r"как вас зовут|как (?:к вам )?обращаться|ваше имя|на чь[её] имя|your name|who am i speaking"),
        (Question.PHONE_RIGHT, Expect.YES_NO, r"\d{3}[ -]\d{2}[ -]\d{2}.*(?:верно|правильно|right|correct)"),
        (Question.PHONE, Expect.PHONE, r"номер (?:вашего )?телефона|ваш(?:его)? номер|phone number"),
        (Question.AGE, Expect.FREE, r"сколько (?:реб[её]нку |ему |ей )?лет|какой возраст|how old"),
        (Question.HAIR, Expect.SERVICE, r"длин[аы] волос|волосы (?:какой|длинн)|hair length|how long is your hair"),
        (Question.GENDER, Expect.SERVICE,
         r"женск\w+ или мужск\w+|мужск\w+ или женск\w+|women'?s or men'?s|men'?s or women'?s"),
        (Question.WHICH_BOOKING, Expect.CHOICE,
         r"как(?:ую|ой|ая) (?:из )?(?:запис|визит)|which (?:visit|booking|appointment)"),
        (Question.CANCEL_OR_MOVE, Expect.FREE,
         r"отмен\w+.*или.*перен|перен\w+.*или.*отмен|cancel.* or .*(?:move|another)"),
        (Question.WAITLIST, Expect.YES_NO, r"лист\w* ожидания|wait(?:ing)? ?list"),
        (Question.HUMAN, Expect.YES_NO,
         r"(?:соединить|перевести|передать)\b.*(?:администратор|человек)|put you through"),
        (Question.STAFF, Expect.FREE, r"к какому мастеру|какой мастер|к кому (?:вас )?запис|which (?:master|stylist)"),
        (Question.SERVICE, Expect.SERVICE,
         r"как(?:ая|ую|ие) (?:именно )?услуг|на что (?:вас )?записать|"
         r"что (?:будем|хотите|нужно) (?:делать|сделать)|which service|what service"),
        (Question.DAY, Expect.DATE_TIME,
         r"как(?:ой|ого|ое) (?:день|числ)|когда (?:вам )?(?:удобно|было бы)|на когда|which day|what day|"
         r"when would"),
        (Question.TIME, Expect.DATE_TIME, r"во сколько|в какое время|как(?:ое|ом) врем|what time"),
        (Question.GOAL, Expect.FREE, r"чем (?:я )?(?:могу )?помочь|что вас интересует|how can i help|how may i help"),
    )
)  # fmt: skip
_TIME = re.compile(r"\b\d{1,2}[:.]\d{2}\b")
_YES_NO = re.compile(
    r"\b(?:верно|правильно|подходит|подойд[её]т|удобно|устроит|хотите|записать|right|correct|okay|suit)\b", re.I
)


def asked_by(text: str, state: DialogueState) -> tuple[Question, Expect]:
    """Of the last question in the text. The state says whether a time in it is an offer."""
    questions = [
        part for part in re.findall(r"[^.!?]*(?:[.:]\d{2}[^.!?]*)*[.!?]+", text) if part.rstrip().endswith("?")
    ]
    if not questions:
        return Question.NONE, Expect.FREE
    last = questions[-1]
    for question, expect, pattern in _PATTERNS:
        if pattern.search(last):
            return question, expect
    if state.offers or _TIME.search(text):
        several = len(set(_TIME.findall(text))) > 1 or len(state.offers) > 1
        return Question.OFFER, Expect.CHOICE if several else Expect.YES_NO
    return Question.NONE, Expect.YES_NO if _YES_NO.search(last) else Expect.FREE
