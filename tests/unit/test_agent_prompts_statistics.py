"""The figures of a split against independent ways to get them: enumeration, simulation, published examples."""

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.prompts.statistics import (
    LEAST_CONVERSATIONS,
    Tally,
    Verdict,
    compare,
    compare_shares,
    conversations_needed,
    difference_interval,
    fisher_p,
    wilson,
    z_test_p,
)


def exact_fisher(hits_a: int, total_a: int, hits_b: int, total_b: int) -> float:
    """In whole numbers."""
    hits, total = hits_a + hits_b, total_a + total_b

    def chance(k: int) -> Fraction:
        return Fraction(math.comb(total_a, k) * math.comb(total_b, hits - k), math.comb(total, hits))

    seen = chance(hits_a)
    tables = range(max(0, hits - total_b), min(hits, total_a) + 1)
    return float(sum(chance(k) for k in tables if chance(k) <= seen))


@given(st.integers(1, 40), st.integers(1, 40), st.data())
@settings(max_examples=150, deadline=None)
def test_fisher_equals_the_enumeration(total_a, total_b, data):
    hits_a, hits_b = data.draw(st.integers(0, total_a)), data.draw(st.integers(0, total_b))
    p = fisher_p(hits_a, total_a, hits_b, total_b)
    assert p == pytest.approx(exact_fisher(hits_a, total_a, hits_b, total_b), rel=1e-6)
    assert p == pytest.approx(fisher_p(hits_b, total_b, hits_a, total_a), rel=1e-6), "sides must not matter"


def test_fisher_of_the_lady_tasting_tea():
    assert fisher_p(3, 4, 1, 4) == pytest.approx(34 / 70)
    assert fisher_p(4, 4, 0, 4) == pytest.approx(2 / 70)


def test_z_test_of_a_worked_example():
    # 60/200 against 40/200: pooled 0.25, standard error 0.0433013, z = 2.3094
    assert z_test_p(60, 200, 40, 200) == pytest.approx(0.020921, abs=1e-6)
    assert z_test_p(0, 50, 0, 50) == 1.0
    assert z_test_p(50, 50, 50, 50) == 1.0


def test_intervals_of_the_published_examples():
    # Newcombe 1998, table II, method 10: 56/70 against 48/80 and 9/10 against 3/10
    low, high = difference_interval(56, 70, 48, 80)
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)
    low, high = difference_interval(9, 10, 3, 10)
    assert (round(low, 4), round(high, 4)) == (0.1705, 0.8090)
    assert wilson(0, 20)[0] == 0.0
    assert wilson(20, 20)[1] == 1.0


def test_equal_versions_differ_in_about_one_of_twenty_looks():
    dice = random.Random(5)

    def hits(total: int) -> int:
        return sum(dice.random() < 0.3 for _ in range(total))

    found = sum(
        compare_shares("booked", hits(150), 150, hits(60), 60).verdict is Verdict.DIFFERENT for _ in range(2000)
    )
    assert 0.03 < found / 2000 < 0.07


def test_a_real_difference_is_found_with_the_promised_power():
    dice = random.Random(6)
    needed = conversations_needed(0.45, 0.3)
    assert needed is not None

    def hits(share: float) -> int:
        return sum(dice.random() < share for _ in range(needed))

    found = sum(
        compare_shares("booked", hits(0.45), needed, hits(0.3), needed).verdict is Verdict.DIFFERENT for _ in range(800)
    )
    assert 0.74 < found / 800 < 0.87


def test_too_few_is_said_whatever_the_figure():
    least = LEAST_CONVERSATIONS
    line = compare_shares("booked", least - 1, least - 1, 0, 400)
    assert line.p < 1e-6
    assert line.verdict is Verdict.TOO_FEW
    assert compare_shares("booked", least, least, 0, 400).verdict is Verdict.DIFFERENT


def test_small_counts_go_to_the_exact_test():
    assert compare_shares("failures", 3, 100, 1, 100).test == "fisher"
    assert compare_shares("failures", 8, 100, 4, 100).test == "z"
    assert compare_shares("booked", 98, 100, 99, 100).test == "fisher", "almost all is as rare as almost none"


def test_a_comparison_needs_conversations_on_both_sides():
    assert compare(Tally(2), Tally(1, conversations=100, booked=10)) == ()
    lines = compare(Tally(2, conversations=100, booked=30), Tally(1, conversations=100, booked=30))
    assert [line.what for line in lines] == ["booked", "handed_over", "failures"]
    assert lines[0].verdict is Verdict.NOT_SHOWN
    assert lines[0].needed is None
    assert lines[0].low < 0 < lines[0].high
    with pytest.raises(ValueError, match="hits"):
        compare_shares("booked", 3, 2, 0, 5)
    assert Tally(1).mean_turns is None
    assert Tally(1, conversations=4, turns=10).mean_turns == 2.5
