"""Intents that a fixed turn of phrase gives away. What no rule knows is left to the trained classifier."""

import re
from collections.abc import Mapping, Sequence
from importlib import resources

import yaml

from agent.understanding import Intent


class IntentRules:
    """The rules of data/rules.yaml, compiled (0.3 s): build once and share."""

    def __init__(self, data: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        self._sure = _compiled(data["sure"])
        self._hints = _compiled(data["hints"])

    def sure(self, text: str) -> list[Intent]:
        """Intents given away for certain by the normalised text, strongest first."""
        return [intent for intent, pattern in self._sure if pattern.search(text)]

    def hints(self, text: str) -> list[Intent]:
        """Intents the text hints at."""
        return [intent for intent, pattern in self._hints if pattern.search(text)]


def _compiled(rules: Mapping[str, Sequence[str]]) -> tuple[tuple[Intent, re.Pattern[str]], ...]:
    return tuple(
        (Intent(name), re.compile("|".join(f"(?:{pattern})" for pattern in patterns)))
        for name, patterns in rules.items()
    )


def load_rules() -> IntentRules:
    """Reads the data file that ships with the package."""
    text = resources.files("agent.language.ru").joinpath("data/rules.yaml").read_text("utf-8")
    return IntentRules(yaml.safe_load(text))
