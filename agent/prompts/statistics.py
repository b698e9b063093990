"""How versions did, and whether a difference between two of them is more than chance. Pure.

Two shares are compared by the two-proportion z test with pooled variance, or by Fisher's exact test (two-sided, sum of
the tables that are no likelier than the seen one) where an expected count is below 5. The interval of the difference is
Newcombe's, from two Wilson intervals (Newcombe 1998, Statistics in Medicine 17:873-890, method 10).

The figures hold for one look. Who looks every day and stops at the first p below 0.05 finds "differences" several times
more often than 5 % of the time; and clients who write twice count twice. Nothing switches by itself.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

LEVEL = 0.05
Z_LEVEL = 1.959963984540054
"""Two-sided 5 %."""
Z_POWER = 0.8416212335729143
"""Power of 80 %."""
LEAST_CONVERSATIONS = 30
"""Fewer on either side: nothing is said, whatever the figure."""
LEAST_EXPECTED = 5.0
"""Cochran's rule: below it the normal curve is not to be trusted."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What happened to the ended conversations that one version served."""

    version: int
    conversations: int = 0
    """Ended ones: the shares are of these."""
    running: int = 0
    booked: int = 0
    handed_over: int = 0
    failures: int = 0
    """Ended by a fault of ours."""
    turns: int = 0
    """Of the callers, over all ended conversations."""
    unanswered: int = 0
    """Turns in which the model failed and the rules answered."""

    @property
    def mean_turns(self) -> float | None:
        return self.turns / self.conversations if self.conversations else None


class Verdict(StrEnum):
    TOO_FEW = "too_few"
    """Too few conversations to say anything."""
    NOT_SHOWN = "not_shown"
    """Could well be chance. Not the same as "equal": see the interval."""
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Shares of one kind among the conversations of the candidate and of the published version."""

    what: str
    candidate: float
    published: float
    difference: float
    """candidate - published."""
    low: float
    high: float
    """95 % interval of the difference."""
    p: float
    """Chance of a difference at least this large between equal versions."""
    test: str
    """z or fisher"""
    verdict: Verdict
    needed: int | None
    """Conversations on each side to see such a difference with 80 % power; None when there is no difference."""


MEASURES = ("booked", "handed_over", "failures")


def compare(candidate: Tally, published: Tally) -> tuple[Comparison, ...]:
    """One line a measure; empty when one of the two has no ended conversation."""
    if not candidate.conversations or not published.conversations:
        return ()
    return tuple(
        compare_shares(
            what,
            getattr(candidate, what),
            candidate.conversations,
            getattr(published, what),
            published.conversations,
        )
        for what in MEASURES
    )


def compare_shares(what: str, hits_a: int, total_a: int, hits_b: int, total_b: int) -> Comparison:
    """a: candidate, b: published. Raises ValueError for counts that cannot be."""
    if not (0 <= hits_a <= total_a and 0 <= hits_b <= total_b and total_a and total_b):
        raise ValueError("hits must lie between 0 and the total, and totals above 0")
    share_a, share_b = hits_a / total_a, hits_b / total_b
    pooled = (hits_a + hits_b) / (total_a + total_b)
    expected = min(total_a, total_b) * min(pooled, 1 - pooled)
    exact = expected < LEAST_EXPECTED
    p = fisher_p(hits_a, total_a, hits_b, total_b) if exact else z_test_p(hits_a, total_a, hits_b, total_b)
    low, high = difference_interval(hits_a, total_a, hits_b, total_b)
    if min(total_a, total_b) < LEAST_CONVERSATIONS:
        verdict = Verdict.TOO_FEW
    else:
        verdict = Verdict.DIFFERENT if p < LEVEL else Verdict.NOT_SHOWN
    return Comparison(
        what, share_a, share_b, share_a - share_b, low, high, p, "fisher" if exact else "z", verdict,
        conversations_needed(share_a, share_b),
    )  # fmt: skip


def z_test_p(hits_a: int, total_a: int, hits_b: int, total_b: int) -> float:
    """Two-sided p of the pooled two-proportion z test."""
    pooled = (hits_a + hits_b) / (total_a + total_b)
    variance = pooled * (1 - pooled) * (1 / total_a + 1 / total_b)
    if variance == 0:
        return 1.0
    z = (hits_a / total_a - hits_b / total_b) / math.sqrt(variance)
    return math.erfc(abs(z) / math.sqrt(2))


def fisher_p(hits_a: int, total_a: int, hits_b: int, total_b: int) -> float:
    """Two-sided p of Fisher's exact test."""
    hits = hits_a + hits_b
    first, last = max(0, hits - total_b), min(hits, total_a)
    logs = [_log_choose(total_a, k) + _log_choose(total_b, hits - k) for k in range(first, last + 1)]
    top = max(logs)
    weights = [math.exp(value - top) for value in logs]
    seen = weights[hits_a - first]
    # a table as likely as the seen one belongs to it; rounding must not decide that
    extreme = sum(weight for weight in weights if weight <= seen * (1 + 1e-9))
    return min(1.0, extreme / sum(weights))


def wilson(hits: int, total: int) -> tuple[float, float]:
    """95 % interval of one share (Wilson 1927)."""
    share, square = hits / total, Z_LEVEL**2
    middle = share + square / (2 * total)
    reach = Z_LEVEL * math.sqrt(share * (1 - share) / total + square / (4 * total**2))
    scale = 1 + square / total
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def difference_interval(hits_a: int, total_a: int, hits_b: int, total_b: int) -> tuple[float, float]:
    share_a, share_b = hits_a / total_a, hits_b / total_b
    low_a, high_a = wilson(hits_a, total_a)
    low_b, high_b = wilson(hits_b, total_b)
    difference = share_a - share_b
    low = difference - math.hypot(share_a - low_a, high_b - share_b)
    high = difference + math.hypot(high_a - share_a, share_b - low_b)
    return max(-1.0, low), min(1.0, high)


def conversations_needed(share_a: float, share_b: float) -> int | None:
    """On each side, by the normal approximation."""
    difference = abs(share_a - share_b)
    if difference == 0:
        return None
    variance = share_a * (1 - share_a) + share_b * (1 - share_b)
    return max(LEAST_CONVERSATIONS, math.ceil((Z_LEVEL + Z_POWER) ** 2 * variance / difference**2))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
