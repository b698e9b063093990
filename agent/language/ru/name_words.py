"""First names with their diminutives, loaded from data/names.yaml."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources

import yaml

from agent.language.text import lower


class NameWords:
    def __init__(self, data: Mapping[str, Sequence[str]]) -> None:
        self._short: dict[str, tuple[str, ...]] = {
            lower(name): tuple(lower(s) for s in short) for name, short in data.items()
        }
        self._full: dict[str, list[str]] = {}
        for name, short in data.items():
            for form in short:
                self._full.setdefault(lower(form), []).append(name)

    def diminutives(self, name: str) -> tuple[str, ...]:
        """«Анна» -> («аня», «анечка», …), lower case with ё as е."""
        return self._short.get(lower(name), ())

    def full_names(self, diminutive: str) -> tuple[str, ...]:
        """«саша» -> («Александра», «Александр»)."""
        return tuple(self._full.get(lower(diminutive), ()))

    def full(self) -> tuple[str, ...]:
        """Every full name, lower case with ё as е."""
        return tuple(self._short)

    def known(self, name: str) -> bool:
        return lower(name) in self._short or lower(name) in self._full


def load_name_words() -> NameWords:
    """Reads the data file that ships with the package."""
    text = resources.files("agent.language.ru").joinpath("data/names.yaml").read_text("utf-8")
    return NameWords(yaml.safe_load(text))


@lru_cache(maxsize=1)
def name_words() -> NameWords:
    """The same, read once."""
    return load_name_words()
