"""The mixture of texts that the recogniser learns from, and which of them are kept for tests."""

import random
import zlib
from collections.abc import Sequence
from pathlib import Path

from media_models.training.natural import NaturalText, read_lines, spoken_date, spoken_phone, spoken_time
from media_models.training.vocabulary import label, random_string, word_forms, word_lists

TEST_SHARE = 20
"""Every n-th text by hash is never trained on."""


def is_test_text(text: str) -> bool:
    return zlib.crc32(label(text).encode()) % TEST_SHARE == 0


class TextMixture:
    """Draws texts: natural lines varied, salon requests, short answers, phones, the agent's phrases, word strings."""

    def __init__(self, lines_folder: Path, agent_lines: Sequence[str]) -> None:
        self._words = words = word_lists()
        lines = read_lines(lines_folder)
        self.held_out = [line.text for line in lines if is_test_text(line.text)]
        kept = [line for line in lines if not is_test_text(line.text)]
        self._natural = NaturalText(kept)
        self._agent = [text for text in (label(line) for line in agent_lines) if text and not is_test_text(text)]
        running = [line.text for line in kept]
        self._frequent = [word for text in running + self._agent for word in text.split()]
        self._forms = word_forms(running + self._agent + [words["names"], words["surnames"]])
        self._names, self._surnames = words["names"].split(), words["surnames"].split()

    def sample(self, rng: random.Random) -> str:
        kind = rng.random()
        if kind < 0.48:
            return self._natural.sample(rng)
        if kind < 0.64:
            return self._request(rng)
        if kind < 0.70:
            return rng.choice(self._words["short"])
        if kind < 0.75:
            return rng.choice(("", "мой номер ", "телефон ", "запишите ")) + spoken_phone(rng)
        if kind < 0.79:
            name = rng.choice(self._names)
            return rng.choice((name, f"меня зовут {name}", f"{name} {rng.choice(self._surnames)}", f"это {name}"))
        if kind < 0.88 and self._agent:
            return rng.choice(self._agent)
        return random_string(rng, self._forms, self._frequent)

    def _request(self, rng: random.Random) -> str:
        facts = [rng.choice(self._words["services"])]
        if rng.random() < 0.5:
            facts.append(rng.choice(self._words["staff"]))
        if rng.random() < 0.75:
            facts.append(spoken_date(rng))
        if rng.random() < 0.65:
            facts.append(spoken_time(rng))
        rng.shuffle(facts)
        ask = rng.choice(self._words["asks"]) + " " if rng.random() < 0.75 else ""
        words = (rng.choice(self._words["openers"]) + ask + " ".join(facts)).split()
        if rng.random() < 0.15 and len(words) > 3:
            words = words[: rng.randint(2, len(words) - 1)]
        return " ".join(words)
