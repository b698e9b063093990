"""Scripts to heard turns: which voice speaks which script, and what the listening chain made of it."""

import random
from collections.abc import Iterable, Iterator

from media_models.ports import SpeechDetector
from voice.end_of_turn.training.record import Heard, Scribe, hear
from voice.end_of_turn.training.scene import SpokenTurn, plan_turn, speak
from voice.end_of_turn.training.turns import Script
from voice.end_of_turn.training.voices import (
    ESPEAK_TEST,
    FESTIVAL_TEST,
    FESTIVAL_TRAIN,
    EspeakSegments,
    festival_segments,
)

_FESTIVAL_BATCH = 40
"""Turns read in one run of festival, which takes a second to start."""


class VoicePool:
    """The voices of one side of the split."""

    def __init__(self, *, test: bool, festival_share: float) -> None:
        """festival_share: of the turns; its voices are left out where festival is not installed."""
        self._espeak = EspeakSegments()
        self._variants = list(ESPEAK_TEST) if test else EspeakSegments.variants()
        self._festival = list(FESTIVAL_TEST if test else FESTIVAL_TRAIN)
        self._festival_share = festival_share

    def spoken(self, scripts: Iterable[Script], rng: random.Random) -> Iterator[SpokenTurn]:
        """Order is not kept: festival reads in batches."""
        waiting: dict[str, list[Script]] = {voice: [] for voice in self._festival}
        for script in scripts:
            if rng.random() < self._festival_share:
                voice = rng.choice(self._festival)
                waiting[voice].append(script)
                if len(waiting[voice]) == _FESTIVAL_BATCH:
                    yield from self._by_festival(voice, waiting[voice], rng)
                    waiting[voice] = []
            else:
                voice = rng.choice(self._variants)
                self._espeak.choose(voice, rng)
                yield speak(plan_turn(script, rng), f"espeak {voice}", self._espeak.speak, rng)
        for voice, scripts_left in waiting.items():
            if scripts_left:
                yield from self._by_festival(voice, scripts_left, rng)

    @staticmethod
    def _by_festival(voice: str, scripts: list[Script], rng: random.Random) -> Iterator[SpokenTurn]:
        plans = [plan_turn(script, rng) for script in scripts]
        waves = festival_segments(list(dict.fromkeys(part for plan in plans for part in plan.spoken)), voice)
        for plan in plans:
            if all(part in waves for part in plan.spoken):
                yield speak(plan, f"festival {voice}", waves.__getitem__, rng)


def heard_turns(spoken: Iterable[SpokenTurn], detector: SpeechDetector, scribe: Scribe) -> Iterator[Heard]:
    for turn in spoken:
        yield hear(turn, detector, scribe).without_sound()
