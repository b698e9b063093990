"""Further readings of one utterance: the recogniser's best ones put together anew, and words that exist. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from media_models.second_look.spellings import Lexicon, unknown_runs

BEST_MIXED = 10
"""Readings whose differences to the best are tried alone."""
RESPELLED = 3
"""Readings whose unknown words are looked up."""
SPELLING_WEIGHT = 2.0
"""What a letter of distance by sound costs when a spelling has no reading of the decoder behind it, in log
probability."""
WIDTH = 12
"""Sentences that are kept at each word while they are put together."""


@dataclass(frozen=True, slots=True)
class Reading:
    text: str
    log_probability: float
    """By the decoder, summed over its tokens; a guess where the decoder has not been asked."""


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    words: tuple[str, ...]
    cost: float


def further_readings(
    readings: Sequence[Reading],
    lexicon: Lexicon,
    word_scores: Callable[[Sequence[str]], float],
    word_score: Callable[[str], float],
    most: int,
) -> list[Reading]:
    """New sentences, the most promising first, none of which is among the readings; those are the best one first.

    word_scores: how likely a sentence's words are. word_score: the same of one word by itself.
    """
    if not readings:
        return []
    base = readings[0]
    words = base.text.split()
    edits: dict[tuple[int, int, tuple[str, ...]], float] = {}

    def offer(start: int, end: int, other: tuple[str, ...], cost: float) -> None:
        place = (start, end, other)
        edits[place] = min(cost, edits.get(place, cost))

    for reading in readings[1:BEST_MIXED]:
        other = reading.text.split()
        blocks = _differences(words, other)
        for start, end, first, last in blocks:
            cost = max(0.0, base.log_probability - reading.log_probability) / len(blocks)
            offer(start, end, tuple(other[first:last]), cost)
    for reading in readings[:RESPELLED]:
        other = reading.text.split()
        behind = max(0.0, base.log_probability - reading.log_probability)
        for first, last in unknown_runs(other, lexicon.has):
            for spelling in lexicon.spellings("".join(other[first:last]), score=word_score):
                changed = [*other[:first], *spelling.words, *other[last:]]
                blocks = _differences(words, changed)
                if len(blocks) == 1:
                    start, end, low, high = blocks[0]
                    offer(start, end, tuple(changed[low:high]), behind + SPELLING_WEIGHT * spelling.cost)
    return _combined(base, words, [_Edit(*place, cost) for place, cost in edits.items()], word_scores, most,
                     {reading.text for reading in readings})  # fmt: skip


def _differences(words: Sequence[str], other: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Stretches of words and of other that take each other's place; those that touch are one."""
    joined: list[tuple[int, int, int, int]] = []
    for block in Levenshtein.opcodes(words, other):
        if block.tag == "equal":
            continue
        start, end, first, last = block.src_start, block.src_end, block.dest_start, block.dest_end
        if joined and joined[-1][1] == start and joined[-1][3] == first:
            start, _, first, _ = joined.pop()
        joined.append((start, end, first, last))
    return joined


def _combined(
    base: Reading, words: Sequence[str], edits: Sequence[_Edit], word_scores: Callable[[Sequence[str]], float],
    most: int, known: set[str],
) -> list[Reading]:  # fmt: skip
    at: list[dict[tuple[str, ...], float]] = [{} for _ in range(len(words) + 1)]
    at[0][()] = 0.0
    by_start: dict[int, list[_Edit]] = {}
    for edit in edits:
        by_start.setdefault(edit.start, []).append(edit)
    for place in range(len(words) + 1):
        inserted = [edit for edit in by_start.get(place, ()) if edit.end == edit.start]
        for sentence, cost in list(at[place].items()):
            for edit in inserted:
                longer = (*sentence, *edit.words)
                at[place][longer] = min(at[place].get(longer, 1e9), cost + edit.cost)
        kept = sorted(at[place].items(), key=lambda item: item[1] - word_scores(item[0]))[:WIDTH]
        at[place] = dict(kept)
        if place == len(words):
            break
        for sentence, cost in kept:
            steps = [_Edit(place, place + 1, (words[place],), 0.0)]
            steps += [edit for edit in by_start.get(place, ()) if edit.end > edit.start]
            for edit in steps:
                longer = (*sentence, *edit.words)
                at[edit.end][longer] = min(at[edit.end].get(longer, 1e9), cost + edit.cost)
    whole = sorted(at[-1].items(), key=lambda item: item[1] - word_scores(item[0]))
    made = [Reading(" ".join(sentence), base.log_probability - cost) for sentence, cost in whole]
    return [reading for reading in made if reading.text and reading.text not in known][:most]
