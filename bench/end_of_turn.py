"""Ends of turns: `python -m bench.end_of_turn`. Dead air after the caller's end against answers into pauses.

Turns of bench/end_of_turn_turns.yaml and a fifth of the natural lines, spoken at run time by voices that the
end-of-turn model has never heard (eight espeak-ng variants; with festival installed also its Russian voice and a
Czech one), over a telephone line with noise. Texts come from the embedded recogniser at the moment of each pause.
"""

import argparse
import json
import os
import pickle
import platform
import random
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from agent.language.understander import RuleUnderstander
from agent.understanding import Lexicon
from core.clock import SystemClock
from media_models.adapters.detector import GatedSileroDetector
from media_models.engines import embedded_recognizer_folder
from voice import timings
from voice.completeness import UnderstoodCompleteness, timed_wait_ms
from voice.end_of_turn.model import EndOfTurnModel
from voice.end_of_turn.network import Network, Numbers
from voice.end_of_turn.prosody import ProsodyTracker
from voice.end_of_turn.training.corpus import VoicePool, heard_turns
from voice.end_of_turn.training.record import Heard, Scribe, Silence
from voice.end_of_turn.training.score import Score, is_cut, score
from voice.end_of_turn.training.turns import Script, book_scripts, is_test_phrase, natural_lines, natural_scripts
from voice.end_of_turn.wording import Wording
from voice.ports import Said

HERE = Path(__file__).parent
TURNS = HERE / "end_of_turn_turns.yaml"
LINES = HERE.parent / "tests" / "data" / "utterances"
ABLATIONS = HERE.parent / "voice" / "end_of_turn" / "training" / "ablations.json"
TIMERS_MS = (300, 500, 700, 1000)
BUDGETS = (0.01, 0.03, 0.05, 0.10)
BAR_CUTS, BAR_MEAN_MS = 0.03, 500.0
SHIFTS_MS = range(-600, 1501, 20)
"""Added to every wait of a method without a model to trace its curve."""
PRICES_MS = [100 * 1.08**step for step in range(76)]
"""Swept for a method with a model: the price of a cut-off (voice.timings)."""

LIVE, TRUE_WORDS = "all (live)", "all, true words"

Method = Callable[[Silence], float]


def test_scripts(renderings: int, natural: int, rng: random.Random) -> list[Script]:
    scripts = book_scripts(TURNS) * renderings + natural_scripts(natural_lines(LINES), is_test_phrase, natural, rng)
    rng.shuffle(scripts)
    return scripts


class Methods:
    """Each way to choose a wait, on the same silences."""

    def __init__(self) -> None:
        lexicon = Lexicon((), ())
        self._reader = UnderstoodCompleteness(RuleUnderstander(), lexicon, "Europe/Moscow", SystemClock())
        self.model = EndOfTurnModel.load()
        self._live = UnderstoodCompleteness(RuleUnderstander(), lexicon, "Europe/Moscow", SystemClock(), self.model)
        self.models = {}
        for name, networks in json.loads(ABLATIONS.read_text("utf-8")).items():
            self.models[name] = replace(self.model, networks=[Network.from_json(one) for one in networks])
        self.models |= {LIVE: self.model, TRUE_WORDS: self.model}

    def all(self) -> dict[str, Method]:
        methods: dict[str, Method] = {"timers and rules for words": self._rules}
        methods |= {name: memoized(self.priced(name)(timings.CUT_OFF_PRICE_MS)) for name in self.models}
        # The very object that a call asks.
        methods[LIVE] = lambda silence: self._live.wait_ms(silence.said)
        return methods

    def priced(self, name: str) -> Callable[[float], Method]:
        """A method with a model, for any price of a cut-off."""
        model, known = self.models[name], dict[int, tuple[Numbers, Said, Wording]]()

        def waits(price_ms: float) -> Method:
            def wait_ms(silence: Silence) -> float:
                if id(silence) not in known:
                    said = silence.said
                    if name == TRUE_WORDS:
                        said = replace(said, text=silence.true_text, confidence=1.0)
                    wording = self._reader.wording(said.text, said.expect)
                    known[id(silence)] = model.chances(said, wording), said, wording
                chances, said, wording = known[id(silence)]
                if not said.text:
                    return timings.END_OF_TURN_MS[said.expect]
                return model.wait_for(chances, said, wording, price_ms)

            return wait_ms

        return waits

    def _rules(self, silence: Silence) -> float:
        said = silence.said
        if not said.text:
            return timings.END_OF_TURN_MS[said.expect]
        wording = self._reader.wording(said.text, said.expect)
        return timed_wait_ms(said, wording.complete, wording.definite)


def _timer(wait_ms: float) -> Method:
    return lambda _: wait_ms


def memoized(method: Method) -> Method:
    known: dict[int, float] = {}

    def wait_ms(silence: Silence) -> float:
        if id(silence) not in known:
            known[id(silence)] = method(silence)
        return known[id(silence)]

    return wait_ms


def curve(turns: Sequence[Heard], method: Method, shifts: Sequence[int] = SHIFTS_MS) -> list[Score]:
    def shifted(by_ms: int) -> Method:
        return lambda silence: min(
            float(timings.MAX_SILENCE_IN_TURN_MS), max(float(timings.HUSH_MS), method(silence) + by_ms)
        )

    return [score(turns, shifted(by_ms)) for by_ms in shifts]


def within(scores: Sequence[Score], budget: float) -> Score | None:
    """The least dead air with at most this share of cut-offs."""
    fitting = [found for found in scores if found.cut_share <= budget]
    return min(fitting, key=lambda found: found.mean_ms) if fitting else None


def row(name: str, found: Score) -> str:
    return (
        f"{name:28} {found.mean_ms:6.0f} {found.quantile_ms(0.5):7.0f} {found.quantile_ms(0.95):6.0f}"
        f" {100 * found.cut_share:8.1f} {100 * found.cut_turns / max(1, found.turns):8.1f}"
        f" {100 * found.unrepaired / max(1, found.pauses):10.1f}"
    )


HEAD = f"{'':28} {'mean':>6} {'median':>7} {'p95':>6} {'% pauses':>8} {'% turns':>8} {'unrepaired':>10}"


def print_curves(turns: Sequence[Heard], methods: Mapping[str, Method], made: "Methods") -> Score | None:
    """Returns the point of the live method within the bar's budget, if there is one."""
    print("\nMean wait after the caller's end in ms, at a share of pauses answered too early")
    print(f"{'':28} " + " ".join(f"{'<= ' + format(budget, '.0%'):>9}" for budget in BUDGETS))
    reached = None
    for name, method in {"silence only": lambda _: 500.0, **methods}.items():
        if name in made.models:
            scores = [score(turns, waits) for waits in map(made.priced(name), PRICES_MS)]
        else:
            scores = curve(turns, method)
        points = [within(scores, budget) for budget in BUDGETS]
        print(f"{name:28} " + " ".join(f"{point.mean_ms:9.0f}" if point else f"{'-':>9}" for point in points))
        if name == LIVE:
            reached = within(scores, BAR_CUTS)
    return reached


def print_categories(turns: Sequence[Heard], method: Method) -> None:
    print("\nThe live method by kind of turn (waits in ms; cut-offs of that kind's pauses)\n" + HEAD)
    for category in sorted({heard.turn.plan.script.category for heard in turns}):
        some = [heard for heard in turns if heard.turn.plan.script.category == category]
        print(row(f"{category} ({len(some)})", score(some, method)))
    print("\nby voice\n" + HEAD)
    for family in sorted({heard.turn.voice.split()[0] for heard in turns}):
        some = [heard for heard in turns if heard.turn.voice.split()[0] == family]
        print(row(f"{family} ({len(some)})", score(some, method)))
    print("\nby kind of pause")
    silences = [silence for heard in turns if not heard.missed for silence in heard.silences if not silence.final]
    for kind in sorted({silence.kind for silence in silences if silence.kind}):
        some_silences = [silence for silence in silences if silence.kind is kind]
        cut = sum(is_cut(silence, method(silence)) for silence in some_silences)
        print(f"{kind.value:28} {cut:4} of {len(some_silences):4} answered")
    others = [silence for silence in silences if silence.kind is None]
    print(
        f"{'gaps of fluent speech':28} {sum(is_cut(one, method(one)) for one in others):4} of {len(others):4} answered"
    )


def print_cuts(turns: Sequence[Heard], method: Method) -> None:
    print("\nAnswered too early: silence, wait, asked, heard, script")
    for heard in turns:
        for silence in heard.silences:
            wait_ms = method(silence)
            if not heard.missed and is_cut(silence, wait_ms):
                length = (silence.voice_back_ms or 0) - silence.from_ms
                script = heard.turn.plan.script
                print(f"{length:5} {wait_ms:5.0f} {script.expect.value:9} «{silence.said.text}» | {script.text}")


def cost_ms(model: EndOfTurnModel, turns: Sequence[Heard], methods: Methods) -> tuple[float, float]:
    """CPU of one decision: the sound and the model; and the understanding of the words before it."""
    tracker = ProsodyTracker(8000)
    noise = np.random.default_rng(0).standard_normal(160 * 64) * 1000
    for frame in noise.astype("<i2").reshape(-1, 160):
        tracker.feed(frame.tobytes())
    saids = [silence.said for heard in turns for silence in heard.silences if silence.said.text][:300]
    reader = methods._reader  # noqa: SLF001
    started = time.process_time()
    wordings = [reader.wording(said.text, said.expect) for said in saids]
    words = time.process_time() - started
    started = time.process_time()
    for said, wording in zip(saids, wordings, strict=True):
        tracker.read()
        model.wait_ms(said, wording)
    sound = time.process_time() - started
    return sound / max(1, len(saids)) * 1000, words / max(1, len(saids)) * 1000


def hear_all(options: argparse.Namespace) -> list[Heard]:
    rng = random.Random(options.seed)
    scripts = test_scripts(options.renderings, options.natural, rng)
    share = options.festival_share if shutil.which("festival") else 0.0
    pool = VoicePool(test=True, festival_share=share)
    return list(heard_turns(pool.spoken(scripts, rng), GatedSileroDetector(), Scribe(embedded_recognizer_folder())))


def _heard(options: argparse.Namespace) -> list[Heard]:
    if options.keep is not None and options.keep.exists():
        return list(pickle.loads(options.keep.read_bytes()))  # noqa: S301 (written by this very bench)
    turns = hear_all(options)
    if options.keep is not None:
        options.keep.write_bytes(pickle.dumps(turns))
    return turns


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.end_of_turn", description=__doc__)
    parser.add_argument("--renderings", type=int, default=2, help="of each hand-written turn, each by another voice")
    parser.add_argument("--natural", type=int, default=60, help="natural lines beside them")
    parser.add_argument("--festival-share", type=float, default=0.25, help="of turns; 0 without festival")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep", type=Path, help="file for the heard turns: read if it exists, else written")
    parser.add_argument("--show-cuts", action="store_true", help="list every answer that came too early")
    options = parser.parse_args()
    started = time.monotonic()
    turns = _heard(options)
    methods = Methods()
    named = {name: memoized(method) for name, method in methods.all().items()}
    live = named[LIVE]
    pauses = score(turns, live).pauses
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python "
        f"{platform.python_version()}, faster-whisper {version('faster-whisper')}, espeakng-loader "
        f"{version('espeakng-loader')}; {time.monotonic() - started:.0f} s, seed {options.seed}"
    )
    missed = sum(heard.missed for heard in turns)
    print(f"{len(turns)} turns, {pauses} pauses of 0.3 s and more inside them; the detector missed {missed} turns\n")
    print("Time from the caller's last sample to the decision in ms; pauses answered too early, turns with one, and\n"
          "those of them after which the answer is not taken back\n" + HEAD)  # fmt: skip
    for timer_ms in TIMERS_MS:
        print(row(f"silence of {timer_ms} ms", score(turns, _timer(timer_ms))))
    for name, method in named.items():
        print(row(name, score(turns, method)))
    reached = print_curves(turns, named, methods)
    print_categories(turns, live)
    if options.show_cuts:
        print_cuts(turns, live)
    sound_ms, words_ms = cost_ms(methods.model, turns, methods)
    print(f"\nCPU of a decision: sound and model {sound_ms:.2f} ms, understanding of the words {words_ms:.2f} ms")
    met = reached is not None and reached.mean_ms <= BAR_MEAN_MS
    print(f"bar: mean wait at {BAR_CUTS:.0%} cut-offs at most {BAR_MEAN_MS:.0f} ms: {'met' if met else 'missed'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
