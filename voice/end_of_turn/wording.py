"""What the words so far tell about the end of a Russian turn, beside the rules of understanding."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.language.text import clean, lower, tokenize, wordlist
from agent.model import Expect
from agent.understanding import Intent, Understood

FILLERS = frozenset(wordlist("э ээ эээ эм ммм мм м ну значит вот так типа короче сейчас щас секунду минутку"))

NEVER_LAST = frozenset(
    wordlist("в во на к ко с со у о об от до для из за по под при про через перед после и но или либо что чтобы если")
)
"""Prepositions and conjunctions: no phrase ends with one."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The text side of one decision."""

    words: tuple[str, ...]
    complete: bool
    """By the rules of understanding: the words do not break off."""
    definite: bool
    """By the same rules: nothing sensible can follow."""
    answered: bool
    """What was asked for is there."""
    facts: int
    """Day, time, name, choice, digits: how many kinds were understood."""
    digits: int
    """Of a phone number."""


def wording_of(understood: Understood, text: str, expect: Expect, definite: bool) -> Wording:
    words = tuple(token.text for token in tokenize(lower(clean(text))))
    dated = understood.day is not None or understood.time is not None or understood.any_day or understood.any_time
    chosen = understood.choice is not None
    answers = {
        Expect.YES_NO: bool({Intent.AFFIRM, Intent.DENY} & set(understood.intents)),
        Expect.PHONE: understood.phone is not None,
        Expect.NAME: understood.name is not None,
        Expect.DATE_TIME: dated,
        Expect.CHOICE: chosen or dated or understood.any_staff,
    }
    facts = (
        understood.day is not None,
        understood.time is not None,
        understood.name is not None,
        chosen,
        bool(understood.phone_digits),
    )
    return Wording(
        words=words,
        complete=understood.complete,
        definite=definite,
        answered=answers.get(expect, any(facts)),
        facts=sum(facts),
        digits=len(understood.phone_digits),
    )


@dataclass(frozen=True, slots=True)
class WordEnds:
    """How often phrases end after a word, after two words, or after a word with such an ending: log odds, counted."""

    prior: float
    words: Mapping[str, float]
    pairs: Mapping[str, float]
    endings: Mapping[str, float]
    """By the last three letters: «-кую» is an adjective that waits for its noun."""

    def after(self, words: Sequence[str]) -> tuple[float, float]:
        """Log odds that a phrase ends here, by the last word and by the last two."""
        if not words:
            return self.prior, self.prior
        last = words[-1]
        by_word = self.words.get(last)
        if by_word is None:
            by_word = self.endings.get(last[-3:], self.prior)
        pair = " ".join(words[-2:]) if len(words) > 1 else f"^ {last}"
        return by_word, self.pairs.get(pair, by_word)

    @classmethod
    def counted(
        cls, lines: Iterable[Sequence[str]], least_words: int, least_pairs: int, untold: frozenset[str] = frozenset()
    ) -> "WordEnds":
        """Counts lines of words. What occurs less often than the least numbers is left to the coarser tables.

        untold: texts kept for tests, which are in no line. Where a line begins with one, its going on there counts no
        more than its ending does: else «на среду» would be known as a beginning only.
        """
        tables: tuple[dict[str, list[int]], ...] = ({}, {}, {})
        total = [0, 0]
        for words in lines:
            before = "^"
            for index, word in enumerate(words):
                last = int(index == len(words) - 1)
                keys, before = (word, f"{before} {word}", word[-3:]), word
                if " ".join(words[: index + 1]) in untold:
                    continue
                total[last] += 1
                for table, key in zip(tables, keys, strict=True):
                    table.setdefault(key, [0, 0])[last] += 1
        share = total[1] / max(1, sum(total))

        def odds(counts: list[int], strength: float = 2.0) -> float:
            ended, went_on = counts[1] + strength * share, counts[0] + strength * (1 - share)
            return round(math.log(ended / went_on), 2)

        kept = [
            {key: odds(counts) for key, counts in sorted(table.items()) if sum(counts) >= least}
            for table, least in zip(tables, (least_words, least_pairs, least_words), strict=True)
        ]
        return cls(odds(total), *kept)
