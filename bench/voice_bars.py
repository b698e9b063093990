"""The bars of the voice bench, and which runs miss them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from agent.model import Expect
from bench.voice_capture import CallNumbers
from voice import timings

STUB_MS = 80 + 150 + 4 * 30 + 1
"""Fixed delays of the stub engines: end of speech to text, first word, four more of the first sentence, first sound."""
WAIT_MS = timings.END_OF_TURN_MS[Expect.FREE]
"""Configured silence that ends a turn: the stub agent asks open questions only."""
VOICE_TO_VOICE_P50_MS, VOICE_TO_VOICE_P95_MS = 600, 900
BARGE_IN_P95_MS = 400
GREETING_P95_MS = 400
SHARE_MS = {1: 40, 10: 40, 25: 80}
"""Concurrent calls -> framework share; between two of them the larger one's bar."""
CPU_S = 2.0
"""CPU seconds a call-minute at 10 calls."""
ANSWERED_SHARE = 0.98
"""Of all turns, however many calls: less is collapse."""
COLLAPSE_P95_MS = 1500


@dataclass(frozen=True, slots=True)
class Run:
    """One row: so many calls at a time through one door."""

    door: str
    concurrency: int
    numbers: CallNumbers
    stages: dict[str, list[float]]
    cpu_per_call_minute_s: float
    late_ticks: int
    problems: tuple[str, ...]

    @property
    def share_ms(self) -> float | None:
        """With stub engines: what the framework adds. The engines work while the turn is not decided yet, so the
        longer of the two is what nobody can go below. None when nothing was answered."""
        answers = self.numbers.voice_to_voice
        return float(np.median(answers)) - max(WAIT_MS, STUB_MS) if answers else None


def missed(runs: Sequence[Run], engines: Literal["embedded", "stub"]) -> list[str]:
    """One line for each bar that a row misses; rows measured several times count by their median."""
    found: list[str] = []
    for door, concurrency in dict.fromkeys((run.door, run.concurrency) for run in runs):
        same = [run for run in runs if (run.door, run.concurrency) == (door, concurrency)]
        row = f"{door} x{concurrency}"
        found += [f"{row}: {problem}" for run in same for problem in run.problems]
        found += _answers(row, same)
        if engines == "embedded":
            found += _above(row, "voice-to-voice p50", same, "voice_to_voice", 50, VOICE_TO_VOICE_P50_MS)
            found += _above(row, "voice-to-voice p95", same, "voice_to_voice", 95, VOICE_TO_VOICE_P95_MS)
        else:
            found += _framework(row, concurrency, same)
        if concurrency <= 10:
            found += _above(row, "barge-in p95", same, "barge_in", 95, BARGE_IN_P95_MS)
            found += _above(row, "greeting p95", same, "greeting", 95, GREETING_P95_MS)
    return found


def _above(row: str, what: str, runs: Sequence[Run], name: str, percentile: int, bar_ms: float) -> list[str]:
    values = [float(np.percentile(v, percentile)) for run in runs if (v := getattr(run.numbers, name))]
    if not values:
        return []
    value = float(np.median(values))
    return [f"{row}: {what} {value:.0f} ms, bar {bar_ms:.0f}"] if value > bar_ms else []


def _answers(row: str, runs: Sequence[Run]) -> list[str]:
    found = []
    answered = sum(len(run.numbers.voice_to_voice) for run in runs)
    silent = sum(run.numbers.unanswered for run in runs)
    if answered < ANSWERED_SHARE * (answered + silent) or not answered:
        found.append(f"{row}: {silent} of {answered + silent} turns were not answered")
    if early := sum(run.numbers.early for run in runs):
        found.append(f"{row}: the agent spoke into {early} turns")
    deaf = sum(run.numbers.not_interrupted for run in runs)
    if deaf > (1 - ANSWERED_SHARE) * (deaf + sum(len(run.numbers.barge_in) for run in runs)):
        found.append(f"{row}: {deaf} interruptions were not obeyed")
    return found


def _framework(row: str, concurrency: int, runs: Sequence[Run]) -> list[str]:
    found = []
    bar_ms = next((bar for calls, bar in SHARE_MS.items() if concurrency <= calls), None)
    shares = [run.share_ms for run in runs if run.share_ms is not None]
    if bar_ms is not None and shares and (share := float(np.median(shares))) > bar_ms:
        found.append(f"{row}: framework share {share:.0f} ms, bar {bar_ms}")
    if bar_ms is None:
        found += _above(row, "voice-to-voice p95 (collapse)", runs, "voice_to_voice", 95, COLLAPSE_P95_MS)
    cpu_s = float(np.median([run.cpu_per_call_minute_s for run in runs]))
    if concurrency == 10 and cpu_s > CPU_S:
        found.append(f"{row}: {cpu_s:.2f} CPU s a call-minute, bar {CPU_S}")
    return found
