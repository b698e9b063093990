"""All intents of a turn, strongest first: fixed phrases by rule, facts that were read, the rest by the classifier."""

from dataclasses import dataclass

from agent.language.ru.intent_rules import rule_intents
from agent.model import Expect
from agent.understanding import Intent


@dataclass(frozen=True, slots=True)
class Scene:
    """What was read before the intents are decided."""

    expect: Expect
    service: bool
    staff: bool
    day: bool
    time: bool
    name: bool
    phone: bool
    choice: bool


class IntentReader:
    def read(self, text: str, scene: Scene) -> tuple[Intent, ...]:
        found = rule_intents(text)
        first = text.split(" ", 1)[0] if text else ""
        if first in (
            "да",
            "ага",
            "угу",
            "конечно",
            "хорошо",
            "подходит",
            "верно",
            "ок",
            "давайте",
            "подойдет",
            "согласна",
            "согласен",
        ):
            found.insert(0, Intent.AFFIRM)
        if first in ("нет", "не", "неа"):
            found.insert(0, Intent.DENY)
        facts = (
            (scene.choice, Intent.CHOOSE), (scene.phone, Intent.GIVE_PHONE), (scene.name, Intent.GIVE_NAME),
            (scene.day, Intent.GIVE_DATE), (scene.time, Intent.GIVE_TIME), (scene.service, Intent.BOOK),
        )  # fmt: skip
        found.extend(intent for given, intent in facts if given)
        return tuple(dict.fromkeys(found))
