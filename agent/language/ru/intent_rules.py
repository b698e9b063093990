"""Intents that a fixed turn of phrase gives away. What no rule knows is left to the trained classifier."""

import re
from dataclasses import dataclass

from agent.understanding import Intent

I = Intent  # noqa: E741


@dataclass(frozen=True, slots=True)
class Rule:
    intent: Intent
    pattern: re.Pattern[str]


def _rules(*pairs: tuple[Intent, str]) -> tuple[Rule, ...]:
    return tuple(Rule(intent, re.compile(pattern)) for intent, pattern in pairs)


# Text is lower case, ё as е, words separated by single spaces. Order is strength: the first that matches leads.
RULES = _rules(
    (I.HUMAN, r"\b(живы\w+|нормальн\w+) (человек\w*|оператор\w*|администратор\w*|сотрудник\w*)|\b(соедини\w*|переключи\w*|переведи\w*|позови\w*|дай\w*|пригласи\w*|свяж\w+)\b.{0,30}\b(админ\w*|оператор\w*|человек\w*|директор\w*|управляющ\w*|менеджер\w*|начальн\w*|руковод\w*|хозя\w+|старш\w+)|^(оператор\w*|администратор\w*|человек\w*)$|поговорить с (человек\w*|живы\w*|админ\w*|оператор\w*|управл\w*|директор\w*)|с живым"),
    (I.ARE_YOU_ROBOT, r"\b(вы|ты|это) (что )?(робот|бот|автоответчик|нейросет\w*|человек или|машина|программа)|\bс роботом (я )?(говорю|разговариваю)|робот или"),
    (I.RESCHEDULE, r"\b(перенес\w*|перенос\w*|перезапи\w*|передвин\w*|перестав\w*|сдвин\w*|перекин\w*)"),
    (I.CANCEL, r"\b(отмен(и|я|ю|ить|ите|яй|яю|яйте|им|е)\w*|аннулир\w*|сними\w* (меня )?(с )?запис\w*|удали\w* запис\w*|не смогу прийти|не прид(у|ем)\b|не буду приходить)"),
    (I.WAITLIST, r"лист\w* ожидан|если (кто.{0,4} )?(отмен|откаж|освобод)|\bкто.{0,3} (отмен|откаж)|освободится (место|окно|время).{0,20}(звон|пиш|наб|сообщ)"),
    (I.LATE, r"\b(опазд\w*|опозда\w*|задерж(усь|ива\w*)|пробк\w*|застрял\w*)|на \w+ минут позже"),
    (I.COMPLAINT, r"\b(безобраз\w*|верните деньги|жалоб\w*|пожалов\w*|испорти\w*|ужасн\w*|недовол\w*|сожгли|отвратит\w*|претензи\w*|хамств\w*|нахами\w*)"),
    (I.ASK_PRICE, r"\b(сколько (\w+ ){0,3}(стоит|стоят|будет|возьмете|берете)|цен[аыуе]\b|прайс\w*|стоимост\w*|почем|по чем|скока|расценк\w*)"),
    (I.ASK_ADDRESS, r"\b(адрес\w*|где вы|находитесь|как (к вам )?(добраться|доехать|пройти|проехать)|парковк\w*|метро|припарк\w*)"),
    (I.ASK_HOURS, r"\b(до скольки|до какого (часа|времени)|со скольки|во сколько (вы )?(открыва|закрыва)\w*|(часы|график|режим) работы|вы (сегодня |завтра )?(работаете|открыты))"),
    (I.THANKS, r"\b(спасибо|благодар\w*|спс|пасиб\w*)"),
    (I.BYE, r"\b(до свидани\w*|пока\b|всего (доброго|хорошего)|до встречи)"),
    (I.GREET, r"^(\w+ )?(здравствуй\w*|добрый (день|вечер|утро)|доброе утро|доброй ночи|привет\w*|алл?о+|здрас\w*)"),
    (I.BOOK, r"\b(запиш\w*|записат\w*|запись|хочу|хотел\w*|мне бы|нужн\w*|надо|можно)\b"),
)  # fmt: skip


def rule_intents(text: str) -> list[Intent]:
    """Intents whose rule matches the normalised text, strongest first."""
    return [rule.intent for rule in RULES if rule.pattern.search(text)]
