"""Hints at intents: hand-written turns of phrase from data/intents.yaml, compiled once per understander."""

import re
from collections.abc import Mapping, Sequence
from importlib import resources

import yaml


class Cues:
    def __init__(self, data: Mapping[str, Sequence[str]]) -> None:
        self._patterns: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
            (f"{intent}{index}", re.compile(_bounded(pattern)))
            for intent, patterns in data.items()
            for index, pattern in enumerate(patterns)
        )

    def found(self, text: str) -> list[str]:
        """Names of the hints («ask_price0») in normalised text."""
        return [name for name, pattern in self._patterns if pattern.search(text)]

    def words(self, text: str) -> list[str]:
        """The hints with the words that gave them («ask_price0 сколько»)."""
        return [f"{name} {match.group()[:20]}" for name, pattern in self._patterns if (match := pattern.search(text))]


def _bounded(pattern: str) -> str:
    return pattern if pattern.startswith("^") else rf"(?<![^\W\d_])(?:{pattern})"


def load_cues() -> Cues:
    """Reads the data file that ships with the package (about 60 ms to compile)."""
    text = resources.files("agent.language.ru").joinpath("data/intents.yaml").read_text("utf-8")
    return Cues(yaml.safe_load(text))
