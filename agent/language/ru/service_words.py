"""Concepts of beauty services and the words for them, loaded from data/services.yaml."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import yaml

from agent.language.text import Token

KINDS = ("procedure", "subject", "modifier")


@dataclass(frozen=True, slots=True)
class Concept:
    tag: str
    kind: str
    implies: Mapping[str, str] = field(default_factory=dict)
    """kind -> tag taken along when the mention has none of that kind."""


@dataclass(frozen=True, slots=True)
class Hit:
    """tokens[start:end] say the concept."""

    start: int
    end: int
    concept: Concept


class ServiceWords:
    """Finds concepts in tokens. Immutable after construction; about 3 ms to build."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.concepts: dict[str, Concept] = {}
        self._whole: dict[str, list[Concept]] = {}
        self._stems: dict[str, list[tuple[str, Concept]]] = {}
        self._pairs: dict[str, list[tuple[tuple[str, ...], Concept]]] = {}
        for kind in KINDS:
            for tag, entry in data[kind].items():
                concept = Concept(tag, kind, dict(entry.get("implies", {})))
                self.concepts[tag] = concept
                for stem in entry["stems"]:
                    self._add(str(stem).lower().replace("ё", "е"), concept)
        self.conflicts: tuple[frozenset[str], ...] = tuple(frozenset(group) for group in data["conflicts"])
        self._never = tuple(str(stem) for stem in data["never"])
        self.exclusive: frozenset[str] = frozenset(data["exclusive"])
        self.ignored: frozenset[str] = frozenset(data["ignore"])

    def _add(self, stem: str, concept: Concept) -> None:
        if stem.startswith("=") and " " not in stem:
            self._whole.setdefault(stem[1:], []).append(concept)
        elif " " in stem:
            words = tuple(stem.lstrip("=").split())
            self._pairs.setdefault(words[0][:3], []).append((words, concept))
        else:
            self._stems.setdefault(stem[:3], []).append((stem, concept))

    def hits(self, tokens: Sequence[Token]) -> list[Hit]:
        """All concepts, left to right; a token may carry several («гигиенический маникюр» one each)."""
        found: list[Hit] = []
        for index, token in enumerate(tokens):
            if token.text.startswith(self._never):
                continue
            pair = self._pair(tokens, index)
            found.extend(pair)
            found.extend(Hit(index, index + 1, concept) for concept in self._whole.get(token.text, ()))
            best: tuple[str, Concept] | None = None
            for part in token.text.split("-") if "-" in token.text else (token.text,):
                for stem, concept in self._stems.get(part[:3], ()):
                    if part.startswith(stem) and (best is None or len(stem) > len(best[0])):
                        best = (stem, concept)
                if best is not None and not any(hit.start == index and hit.concept is best[1] for hit in found):
                    found.append(Hit(index, index + 1, best[1]))
                best = None
        covered = {
            index for hit in found if hit.end - hit.start > 1 for index in range(hit.start, hit.end)
        }  # a pair outranks what its words say alone
        return [hit for hit in found if hit.end - hit.start > 1 or hit.start not in covered]

    def _pair(self, tokens: Sequence[Token], index: int) -> list[Hit]:
        found = []
        for words, concept in self._pairs.get(tokens[index].text[:3], ()):
            window = tokens[index : index + len(words)]
            if len(window) == len(words) and all(
                token.text.startswith(stem) for token, stem in zip(window, words, strict=True)
            ):
                found.append(Hit(index, index + len(words), concept))
        return found


def load_service_words() -> ServiceWords:
    """Reads the data file that ships with the package."""
    text = resources.files("agent.language.ru").joinpath("data/services.yaml").read_text("utf-8")
    return ServiceWords(yaml.safe_load(text))
