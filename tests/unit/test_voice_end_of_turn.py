"""The end-of-turn model: what it is sure of, what it waits for, and that its parts count right."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.language.understander import RuleUnderstander
from agent.model import Expect
from agent.understanding import Lexicon
from core.clock import FrozenClock
from core.errors import ConfigurationError
from tests.simulators.virtual_time import START
from voice import timings
from voice.completeness import UnderstoodCompleteness
from voice.end_of_turn.model import SHIPPED, EndOfTurnModel
from voice.end_of_turn.network import FARTHEST
from voice.end_of_turn.prosody import Prosody
from voice.end_of_turn.training.__main__ import DEV_TURNS, unseen_texts
from voice.end_of_turn.training.fit import fit
from voice.end_of_turn.training.record import Heard, Silence
from voice.end_of_turn.training.rows import Rows
from voice.end_of_turn.training.scene import PauseKind, Plan, SpokenTurn, plan_turn
from voice.end_of_turn.training.score import is_cut, score
from voice.end_of_turn.training.turns import Script, spoken_number, spoken_phone, training_scripts
from voice.end_of_turn.waiting import WAITS_MS, PauseLengths, SilenceKind
from voice.end_of_turn.wording import WordEnds
from voice.ports import Said

TURNS = Path(__file__).parents[2] / "bench" / "end_of_turn_turns.yaml"


@pytest.fixture(scope="module")
def endings() -> UnderstoodCompleteness:
    lexicon = Lexicon((), ())
    model = EndOfTurnModel.load()
    return UnderstoodCompleteness(RuleUnderstander(), lexicon, "Europe/Moscow", FrozenClock(START), model)


def said(text: str, expect: Expect, confidence: float = 0.95) -> Said:
    """With a voice that says nothing in particular."""
    voice = Prosody(True, -1.0, -0.4, 4.0, 1.0, 140.0, 60.0, 620.0, -1.2, 0.3, 5.0, 5.0, 180.0)
    return Said(text, confidence, expect, voice, voiced_ms=300 + 250 * len(text.split()))


@pytest.mark.parametrize(
    ("text", "expect"),
    [
        ("запишите меня на", Expect.FREE),
        ("ну", Expect.FREE),
        ("ну это", Expect.DATE_TIME),
        ("хочу записаться на", Expect.FREE),
        ("хочу записаться к", Expect.FREE),
        ("после", Expect.DATE_TIME),
        ("на двадцать пятое или", Expect.DATE_TIME),
        ("меня зовут", Expect.NAME),
        ("сколько стоит", Expect.FREE),
        ("восемь девятьсот двадцать шесть", Expect.PHONE),
        ("восемь девятьсот двадцать шесть сто двадцать три", Expect.PHONE),
    ],
)
def test_words_that_go_on_outlast_a_hesitation(endings: UnderstoodCompleteness, text: str, expect: Expect) -> None:
    assert endings.wait_ms(said(text, expect)) >= 700


@pytest.mark.parametrize(
    ("text", "expect", "at_most_ms"),
    [
        ("да", Expect.YES_NO, timings.DEFINITE_LONGEST_MS),
        ("нет спасибо", Expect.YES_NO, timings.DEFINITE_LONGEST_MS),
        ("на среду", Expect.DATE_TIME, 650),
        ("завтра в три часа", Expect.DATE_TIME, 500),
        ("сколько стоит мужская стрижка", Expect.FREE, 700),
        ("спасибо до свидания", Expect.FREE, timings.DEFINITE_LONGEST_MS),
        ("восемь девятьсот двадцать шесть сто двадцать три сорок пять шестьдесят семь", Expect.PHONE, 1200),
    ],
)
def test_whole_answers_are_not_waited_for_long(
    endings: UnderstoodCompleteness, text: str, expect: Expect, at_most_ms: int
) -> None:
    assert endings.wait_ms(said(text, expect)) <= at_most_ms


def test_the_same_words_are_judged_by_what_was_asked(endings: UnderstoodCompleteness) -> None:
    assert endings.wait_ms(said("да", Expect.YES_NO)) < endings.wait_ms(said("да", Expect.PHONE))
    assert endings.wait_ms(said("в три", Expect.DATE_TIME)) < endings.wait_ms(said("в три", Expect.PHONE))


def test_other_languages_and_no_words_have_timers(endings: UnderstoodCompleteness) -> None:
    assert endings.wait_ms(said("", Expect.NAME)) == timings.END_OF_TURN_MS[Expect.NAME]
    english = said("tomorrow at two please", Expect.DATE_TIME)
    assert endings.wait_ms(english) == timings.END_OF_TURN_MS[Expect.DATE_TIME]


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(max_size=60) | st.sampled_from(["да", "на", "в три", "восемь девятьсот"]),
    confidence=st.floats(0, 1),
    expect=st.sampled_from(list(Expect)),
    voice=st.none() | st.builds(
        Prosody, st.booleans(), st.floats(-12, 12), st.floats(-8, 8), st.floats(0, 18), st.floats(-40, 60),
        st.floats(0, 1300), st.floats(0, 1300), st.floats(0, 1300),
    ),
    pauses=st.integers(0, 40),
    voiced_ms=st.integers(0, 20_000),
)  # fmt: skip
def test_every_wait_is_within_its_bounds(
    endings: UnderstoodCompleteness,
    text: str,
    confidence: float,
    expect: Expect,
    voice: Prosody | None,
    pauses: int,
    voiced_ms: int,
) -> None:
    longest_ms = max(timings.WAIT_LONGEST_MS, max(timings.END_OF_TURN_MS.values()) + timings.UNFINISHED_EXTRA_MS)
    wait_ms = endings.wait_ms(Said(text, confidence, expect, voice, pauses, voiced_ms))
    assert timings.WAIT_SHORTEST_MS <= wait_ms <= longest_ms


LENGTHS = PauseLengths.counted([[400.0, 600.0, 900.0, 1400.0], [300.0, 500.0, 900.0], [400.0, 500.0], [240.0]])
"""Hesitations, pauses between digits, between thoughts, and gaps of fluent speech."""


def chances(**by_kind: float) -> np.ndarray:
    """Of the kinds named; the rest is over."""
    found = np.array([by_kind.get(kind.name.lower(), 0.0) for kind in SilenceKind])
    found[0] = 1 - found.sum()
    return found


def test_the_surer_the_shorter() -> None:
    waits = [LENGTHS.cheapest_wait_ms(chances(hesitation=share / 50), 2000) for share in range(51)]
    assert waits == sorted(waits)
    assert waits[0] == timings.WAIT_SHORTEST_MS
    assert waits[-1] == 1400, "the longest hesitation known: in its last frame nobody answers"


def test_the_dearer_a_cut_off_the_longer_the_wait() -> None:
    waits = [LENGTHS.cheapest_wait_ms(chances(hesitation=0.3), price_ms) for price_ms in range(0, 9000, 250)]
    assert waits == sorted(waits)
    assert waits[0] == timings.WAIT_SHORTEST_MS < waits[-1]


def test_nobody_waits_longer_than_the_pauses_that_are_feared() -> None:
    assert LENGTHS.cheapest_wait_ms(chances(between_thoughts=0.5), 20_000) == 500
    assert LENGTHS.cheapest_wait_ms(chances(between_digits=0.5), 20_000) == 900
    assert LENGTHS.cheapest_wait_ms(chances(gap=0.9), 20_000) == 240


@settings(max_examples=100, deadline=None)
@given(shares=st.lists(st.floats(0, 1), min_size=5, max_size=5), price_ms=st.floats(0, 50_000))
def test_no_other_wait_has_a_lower_price(shares: list[float], price_ms: float) -> None:
    given_chances = np.array(shares) / (sum(shares) or 1.0)

    def price(index: int) -> float:
        cut = float(given_chances[1:] @ LENGTHS.still_silent[:, index])
        return float(given_chances[0] * WAITS_MS[index]) + price_ms * cut

    chosen = int(np.flatnonzero(LENGTHS.cheapest_wait_ms(given_chances, price_ms) == WAITS_MS)[0])
    assert price(chosen) <= min(price(index) for index in range(len(WAITS_MS))) + 1e-6


def test_the_shipped_model_says_chances_and_comes_back_as_it_was(endings: UnderstoodCompleteness) -> None:
    model = EndOfTurnModel.load()
    asked = said("запишите меня на укладку", Expect.FREE)
    wording = endings.wording(asked.text, asked.expect)
    found = model.chances(asked, wording)
    assert found.shape == (len(SilenceKind),)
    assert float(found.sum()) == pytest.approx(1)
    again = EndOfTurnModel.from_json(json.loads(json.dumps(model.to_json())))
    assert np.allclose(again.chances(asked, wording), found)
    digits = said("восемь девятьсот двадцать шесть", Expect.PHONE)
    between = model.chances(digits, endings.wording(digits.text, digits.expect))
    assert SilenceKind.BETWEEN_DIGITS is list(SilenceKind)[int(between.argmax())]


def test_a_feature_far_out_of_training_moves_nothing_further() -> None:
    network = fit([{"sign": float(done)} for done in DONE], [int(done) for done in DONE], 2, epochs=3)
    assert np.allclose(network.chances({"sign": 1e9}), network.chances({"sign": 1e6}))
    assert abs(network.normal(np.array([[1e9]]))).max() == FARTHEST


@pytest.mark.parametrize("harm", ["shape", "nan", "classes", "waits", "none"])
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, harm: str) -> None:
    content = json.loads(SHIPPED.read_text("utf-8"))
    network = content["networks"][0]
    match harm:
        case "shape":
            network["first"].pop()
        case "nan":
            network["bias"][0] = float("nan")
        case "classes":
            network["bias"].pop()
            network["second"] = [row[:-1] for row in network["second"]]
            network["direct"] = [row[:-1] for row in network["direct"]]
        case "waits":
            content["still_silent"] = [row[:-1] for row in content["still_silent"]]
        case "none":
            content["networks"] = []
    path = tmp_path / "model.json"
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ConfigurationError, match=r"model\.json"):
        EndOfTurnModel.load(path)


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"networks": [{"names": []}], "word_ends": {}}', '{"networks": 3, "word_ends": 1}']
)
def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, content: str) -> None:
    path = tmp_path / "model.json"
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigurationError, match=r"model\.json.*voice\.end_of_turn\.training"):
        EndOfTurnModel.load(path)


def test_ends_of_phrases_are_counted_by_word_pair_and_ending() -> None:
    lines = [["на", "среду"]] * 20 + [["на", "мужскую", "стрижку"]] * 20 + [["на", "женскую", "стрижку"]] * 20
    ends = WordEnds.counted(lines, least_words=5, least_pairs=5)
    assert ends.after(["на"])[0] < -2 < 2 < ends.after(["на", "среду"])[0]
    assert ends.after(["детскую"])[0] < -1, "an adjective never seen waits like its likes"
    assert ends.after([]) == (ends.prior, ends.prior)
    assert ends.after(["неслыханно"])[0] == ends.prior


def test_the_fit_finds_what_separates() -> None:
    rng = random.Random(5)
    rows = [{"one": 1.0, "sign": rng.gauss(2.0 if done else -2.0, 1.0), "noise": rng.gauss(0, 1)} for done in DONE]
    network = fit(rows, [int(done) for done in DONE], 2)
    right = sum((network.chances(row)[1] > 0.5) == done for row, done in zip(rows, DONE, strict=True))
    assert right >= 0.95 * len(DONE)
    loud = [abs(network.chances({"one": 1.0, "sign": 0.0, "noise": at})[1] - 0.5) for at in (-1.0, 1.0)]
    assert max(loud) < 0.3, "noise alone decides little"


def test_the_fit_finds_what_only_two_features_together_tell() -> None:
    """A regression could not."""
    rng = random.Random(6)
    rows = [{"a": rng.choice((-1.0, 1.0)), "b": rng.choice((-1.0, 1.0))} for _ in range(600)]
    kinds = [int(row["a"] * row["b"] > 0) for row in rows]
    network = fit(rows, kinds, 2, epochs=60)
    assert sum((network.chances(row)[1] > 0.5) == kind for row, kind in zip(rows, kinds, strict=True)) > 590


DONE = [index % 2 == 0 for index in range(400)]


def a_turn(*silences: tuple[int, int | None, PauseKind | None], end_ms: int = 2000, words: str = "") -> Heard:
    plan = Plan(Script("free", Expect.FREE, "раз | два"), (), ())
    spoken = SpokenTurn(plan, "espeak f1", b"", end_ms, (), ())
    met = tuple(Silence(Said(words, 1.0, Expect.FREE), words, at, back, kind) for at, back, kind in silences)
    return Heard(spoken, met)


def test_the_score_counts_cut_offs_and_dead_air() -> None:
    turn = a_turn((1000, 1600, PauseKind.HESITATION), (1800, 2400, None), (2010, None, None))
    patient, hasty = score([turn], lambda _: 700), score([turn], lambda _: 500)
    assert (patient.pauses, patient.cut_pauses, patient.cut_elsewhere, patient.cut_turns) == (1, 0, 0, 0)
    assert patient.waits_ms == [710]
    assert (hasty.cut_pauses, hasty.cut_elsewhere, hasty.cut_turns, hasty.waits_ms) == (1, 1, 1, [510])
    assert hasty.unrepaired == 0, "the caller was back within the time in which an answer is taken back"
    assert score([a_turn((1000, 2600, PauseKind.HESITATION), (3000, None, None))], lambda _: 500).unrepaired == 1


def test_a_turn_does_not_end_in_the_frame_in_which_the_voice_is_back() -> None:
    silence = Silence(Said("", 1.0, Expect.FREE), "", 1000, 1500, None)
    assert not is_cut(silence, 500)
    assert is_cut(silence, 480)


def test_the_detectors_misses_do_not_count_as_patience() -> None:
    assert a_turn((1000, 1600, None)).missed
    assert score([a_turn((1000, 1600, None)), a_turn()], lambda _: 500).turns == 0


def test_no_text_of_the_bench_is_trained_on() -> None:
    book = yaml.safe_load(TURNS.read_text("utf-8"))
    texts = unseen_texts(TURNS)
    written = {
        Script("", Expect.FREE, text.replace("ё", "е")).words for entry in book.values() for text in entry["turns"]
    }
    assert texts == {text for text in written if " " in text}
    scripts = training_scripts(random.Random(1), [("да", "affirm"), ("на среду", "other")], texts)
    drawn = {next(scripts).words for _ in range(3000)}
    assert len(drawn) > 500
    assert not drawn & texts
    assert "да" in drawn, "one word is vocabulary"
    plain = training_scripts(random.Random(1), [("да", "affirm")], frozenset())
    assert {next(plain).words for _ in range(3000)} & texts, "the guard is needed"


def test_turns_for_the_choice_of_constants_are_neither_trained_on_nor_tested_with() -> None:
    chosen = unseen_texts(DEV_TURNS)
    assert len(chosen) > 100
    assert not chosen & unseen_texts(TURNS)


def test_a_pause_behind_the_words_of_a_test_turn_teaches_nothing() -> None:
    """Such a turn is never trained on: its words would only ever be seen before a pause."""
    pauses = [a_turn((1000, 1600, PauseKind.HESITATION), (2000, None, None), words=text) for text in ("на среду", "на")]
    ends = WordEnds(0.0, {}, {}, {})
    assert [len(Rows([turn], ends, frozenset({"на среду"})).rows) for turn in pauses] == [1, 2]


@pytest.mark.parametrize("seed", range(30))
def test_a_plan_keeps_the_words_and_pauses_where_people_do(seed: int) -> None:
    rng = random.Random(seed)
    script = Script("free", Expect.FREE, "запишите меня | на | мелирование / в пятницу | к | восьми утра")
    plan = plan_turn(script, rng)
    assert " ".join(segment.text for segment in plan.segments) == script.words
    assert len(plan.pauses) == len(plan.segments) - 1
    assert all(300 <= length <= 1500 for _, length, _ in plan.pauses)
    for segment, (kind, _, _) in zip(plan.segments, plan.pauses, strict=False):
        assert (kind is PauseKind.BETWEEN_THOUGHTS) is segment.text.endswith("мелирование")


def test_numbers_are_said_as_people_say_them() -> None:
    assert [spoken_number(value) for value in (0, 7, 10, 12, 40, 99, 100, 207, 915, 430)] == [
        "ноль", "семь", "десять", "двенадцать", "сорок", "девяносто девять", "сто", "двести семь",
        "девятьсот пятнадцать", "четыреста тридцать",
    ]  # fmt: skip
    groups = spoken_phone(random.Random(2)).split(" | ")
    assert len(groups) >= 4
    assert json.dumps(groups) != json.dumps(spoken_phone(random.Random(3)).split(" | "))
