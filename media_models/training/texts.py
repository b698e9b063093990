"""The mixture of texts that the recogniser learns from, and which of them are kept for tests."""

import random
import zlib
from collections.abc import Sequence
from pathlib import Path

from media_models.training.natural import Line, NaturalText, read_lines, spoken_date, spoken_time
from media_models.training.phrases import Phrases
from media_models.training.running import RunningText
from media_models.training.vocabulary import label, random_string, word_forms, word_lists

TEST_SHARE = 20
"""Every n-th text by hash is never trained on."""
MOST_WORDS = 22


def is_test_text(text: str) -> bool:
    return zlib.crc32(label(text).encode()) % TEST_SHARE == 0


class TextMixture:
    """Draws texts: lines of callers as they are, varied and broken up, requests, answers, numbers, word strings.

    lines_folders: folders of JSON lines with labelled lines; those with slots get others put into them.
    never: texts that are kept for tests by name.
    """

    def __init__(self, lines_folders: Sequence[Path], agent_lines: Sequence[str], never: Sequence[str] = ()) -> None:
        self._words = words = word_lists()
        self._never = frozenset(map(label, never))
        lines = [line for folder in lines_folders for line in read_lines(folder)]
        self.held_out = sorted({line.text for line in lines if self.is_kept_for_tests(line.text)})
        kept: list[Line] = [line for line in lines if not self.is_kept_for_tests(line.text)]
        self._natural = NaturalText([line for line in kept if line.slots])
        self._agent = [text for text in map(label, agent_lines) if text and not self.is_kept_for_tests(text)]
        self.phrases = Phrases(words)
        self.lines = running = sorted({line.text for line in kept})
        """What callers say, as it stands."""
        self._frequent = [word for text in running + self._agent for word in text.split()]
        self.forms = word_forms([*running, *self._agent, *self.phrases.words()])
        self.running = RunningText(running, self.forms)

    def is_kept_for_tests(self, text: str) -> bool:
        return is_test_text(text) or label(text) in self._never

    def sample(self, rng: random.Random) -> str:
        """A text that may be trained on or tested with, by is_kept_for_tests."""
        text = self._plain(rng)
        change = rng.random()
        if change < 0.10:
            text = self.phrases.filled(text, rng)
        elif change < 0.17:
            text = f"{text} {self._plain(rng)}"
        words = text.split()
        if len(words) > MOST_WORDS:
            start = rng.randrange(len(words) - MOST_WORDS + 1)
            words = words[start : start + MOST_WORDS]
        elif 0.17 < change < 0.25 and len(words) > 2:
            words = words[: rng.randint(1, len(words) - 1)]
        return " ".join(label(" ".join(words)).split())

    def request(self, rng: random.Random) -> str:
        """A plain request or answer of the salon's grammar: what the bars call an unseen phrase."""
        draw = rng.random()
        if draw < 0.7:
            return label(self.phrases.request(rng))
        if draw < 0.8:
            return label(self.phrases.introduction(rng))
        return label(rng.choice((spoken_date, spoken_time))(rng))

    def plain_request(self, rng: random.Random) -> str:
        """A request for one of the commonest services with the facts that it needs, nothing around it."""
        words = self._words
        facts = [rng.choice(words["services"])]
        if rng.random() < 0.5:
            facts.append(rng.choice(words["staff"]))
        if rng.random() < 0.75:
            facts.append(spoken_date(rng))
        if rng.random() < 0.65:
            facts.append(spoken_time(rng))
        rng.shuffle(facts)
        ask = rng.choice(words["asks"]) if rng.random() < 0.75 else ""
        return label(" ".join([rng.choice(words["openers"]), ask, *facts]))

    def phones(self, rng: random.Random) -> str:
        """A phone number, perhaps with a word before or after it."""
        return label(self.phrases.phone(rng))

    def sensible(self, rng: random.Random) -> str:
        """A generated text that somebody might say: no strings of words, no words replaced."""
        kind = rng.random()
        phrases = self.phrases
        if kind < 0.3:
            text = self._natural.sample(rng)
        elif kind < 0.65:
            text = phrases.request(rng)
        elif kind < 0.7:
            text = self.plain_request(rng)
        elif kind < 0.72:
            text = str(rng.choice(self._words["short"]))
        elif kind < 0.84:
            text = phrases.phone(rng)
        elif kind < 0.9:
            text = phrases.introduction(rng)
        elif kind < 0.95:
            text = rng.choice((phrases.place, phrases.brand, phrases.sums))(rng)
        else:
            text = rng.choice((spoken_date, spoken_time))(rng)
        return label(phrases.filled(text, rng) if rng.random() < 0.1 else text)

    def _plain(self, rng: random.Random) -> str:
        kind = rng.random()
        phrases = self.phrases
        if kind < 0.12:
            return self._natural.sample(rng)
        if kind < 0.25:
            return self.running.line(rng)
        if kind < 0.42:
            return self.running.altered(self.running.line(rng), rng, rng.choice((0.2, 0.4, 0.7)))
        if kind < 0.52:
            return self.running.walk(rng)
        if kind < 0.65:
            return phrases.request(rng)
        if kind < 0.68:
            return self.plain_request(rng)
        if kind < 0.71:
            return str(rng.choice(self._words["short"]))
        if kind < 0.77:
            return phrases.phone(rng)
        if kind < 0.81:
            return phrases.introduction(rng)
        if kind < 0.84:
            return rng.choice((phrases.place, phrases.brand, phrases.sums))(rng)
        if kind < 0.87:
            return rng.choice((spoken_date, spoken_time))(rng)
        if kind < 0.90 and self._agent:
            return rng.choice(self._agent)
        return random_string(rng, self.forms, self._frequent)
