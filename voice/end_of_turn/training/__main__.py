"""Makes russian.json anew: synthetic turns, heard by the embedded engines, and a fit. About 20 minutes of one core.

    python -m voice.end_of_turn.training --work FOLDER

FOLDER keeps the heard turns, so that a second fit takes seconds; remove it when the recogniser or the detector changes.
"""

import argparse
import itertools
import json
import pickle
import random
from collections.abc import Iterator
from pathlib import Path

import yaml

from agent.language.understander import RuleUnderstander
from agent.model import Expect
from agent.understanding import Lexicon
from core.clock import SystemClock
from media_models.adapters.detector import GatedSileroDetector
from media_models.engines import embedded_recognizer_folder
from voice.completeness import UnderstoodCompleteness
from voice.end_of_turn.model import ASKED_PREFIX, SHIPPED, VOICE_PREFIX, features_of
from voice.end_of_turn.training.corpus import VoicePool, heard_turns
from voice.end_of_turn.training.fit import fit
from voice.end_of_turn.training.record import Heard, Scribe, Silence
from voice.end_of_turn.training.score import Score, score
from voice.end_of_turn.training.turns import Script, natural_lines, training_scripts
from voice.end_of_turn.wording import WordEnds
from voice.timings import WAIT_LONGEST_MS, WAIT_SHORTEST_MS

ROOT = Path(__file__).parents[3]
ABLATIONS = Path(__file__).parent / "ablations.json"
FOLDS = 4
LEAST_WORDS, LEAST_PAIRS = 6, 8
TEMPLATE_LINES = 6000
BUDGETS = (0.02, 0.03, 0.05)


def test_texts(book: Path) -> frozenset[str]:
    """Texts of the bench: never trained on."""
    turns = [text for entry in yaml.safe_load(book.read_text("utf-8")).values() for text in entry["turns"]]
    return frozenset(Script("", Expect.FREE, text.replace("ё", "е")).words for text in turns)


def count_word_ends(rng: random.Random, forbidden: frozenset[str]) -> WordEnds:
    """From lines of the intent classifier and from templates."""
    lines = [text.split() for text, _ in natural_lines(ROOT / "agent" / "language" / "training_lines")]
    scripts = training_scripts(rng, natural_lines(ROOT / "tests" / "data" / "utterances"), forbidden)
    lines += [
        script.words.split() for script in itertools.islice(scripts, TEMPLATE_LINES) if script.category != "natural"
    ]
    return WordEnds.counted(lines, LEAST_WORDS, LEAST_PAIRS)


def make_corpus(path: Path, turns: int, festival_share: float, seed: int, forbidden: frozenset[str]) -> None:
    rng = random.Random(seed)
    lines = natural_lines(ROOT / "tests" / "data" / "utterances")
    scripts = itertools.islice(training_scripts(rng, lines, forbidden), turns)
    spoken = VoicePool(test=False, festival_share=festival_share).spoken(scripts, rng)
    detector, scribe = GatedSileroDetector(), Scribe(embedded_recognizer_folder())
    with path.open("wb") as file:
        for count, heard in enumerate(heard_turns(spoken, detector, scribe), 1):
            pickle.dump(heard, file)
            if count % 100 == 0:
                print(f"{count} turns heard", flush=True)


def read_corpus(path: Path) -> Iterator[Heard]:
    with path.open("rb") as file:
        while True:
            try:
                yield pickle.load(file)  # noqa: S301 (written by this very command)
            except EOFError:
                return


class Rows:
    """Features of every silence of a corpus."""

    def __init__(self, turns: list[Heard], ends: WordEnds) -> None:
        self.turns = [heard for heard in turns if not heard.missed]
        reader = UnderstoodCompleteness(RuleUnderstander(), Lexicon((), ()), "Europe/Moscow", SystemClock())
        self.silences: list[Silence] = []
        self.folds: list[int] = []
        self.features: list[dict[str, float]] = []
        for index, heard in enumerate(self.turns):
            for silence in heard.silences:
                said = silence.said
                self.silences.append(silence)
                self.folds.append(index % FOLDS)
                self.features.append(features_of(said, reader.wording(said.text, said.expect), ends))

    def weights(self, without: tuple[str, ...] = (), leave_out: int = -1) -> dict[str, float]:
        """A fit without features of these prefixes and without one fold. Gaps too short to be answered do not count."""
        rows, done = [], []
        for silence, fold, features in zip(self.silences, self.folds, self.features, strict=True):
            back = silence.voice_back_ms
            if fold != leave_out and (back is None or back - silence.from_ms >= WAIT_SHORTEST_MS):
                rows.append({name: value for name, value in features.items() if not name.startswith(without)})
                done.append(silence.final)
        return fit(rows, done)

    def unseen_logits(self, without: tuple[str, ...] = ()) -> dict[int, float]:
        """By id of the silence: log odds from a fit that has not seen its turn."""
        weights = [self.weights(without, fold) for fold in range(FOLDS)]
        return {
            id(silence): sum(weights[fold].get(name, 0.0) * value for name, value in features.items())
            for silence, fold, features in zip(self.silences, self.folds, self.features, strict=True)
        }


def best_waits(rows: Rows, logits: dict[int, float]) -> None:
    """Prints the constants of voice.timings with the least dead air for a few budgets of cut-offs."""
    found: dict[float, tuple[Score, int, int]] = {}
    for even_odds_ms, per_logit_ms in itertools.product(range(300, 1500, 50), range(40, 420, 20)):

        def wait(silence: Silence, even: int = even_odds_ms, per: int = per_logit_ms) -> float:
            return min(WAIT_LONGEST_MS, max(WAIT_SHORTEST_MS, even - per * logits[id(silence)]))

        reached = score(rows.turns, wait)
        for budget in BUDGETS:
            if reached.cut_share <= budget and (budget not in found or reached.mean_ms < found[budget][0].mean_ms):
                found[budget] = (reached, even_odds_ms, per_logit_ms)
    for budget, (reached, even, per) in found.items():
        print(f"  cut-offs <= {budget:.0%}: mean wait {reached.mean_ms:.0f} ms, even odds {even} ms, {per} ms a logit")


def main() -> None:
    parser = argparse.ArgumentParser(prog="voice.end_of_turn.training", description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for the heard turns")
    parser.add_argument("--turns", type=int, default=3000)
    parser.add_argument("--festival-share", type=float, default=0.15, help="of turns; 0 without festival")
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--out", type=Path, help="folder for the weights; default: where the product reads them")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    forbidden = test_texts(ROOT / "bench" / "end_of_turn_turns.yaml")
    if not list(options.work.glob("*.pickle")):
        path = options.work / f"{options.seed}.pickle"
        make_corpus(path, options.turns, options.festival_share, options.seed, forbidden)
    ends = count_word_ends(random.Random(options.seed), forbidden)
    heard = [turn for path in sorted(options.work.glob("*.pickle")) for turn in read_corpus(path)]
    rows = Rows(heard, ends)
    print(f"{len(heard)} turns, {len(rows.silences)} silences, {len(ends.words)} words, {len(ends.pairs)} pairs")
    variants = {"text": (VOICE_PREFIX, ASKED_PREFIX), "text and voice": (ASKED_PREFIX,), "all": ()}
    for name, without in variants.items():
        print(name)
        best_waits(rows, rows.unseen_logits(without))
    ablations = {name: rows.weights(without) for name, without in variants.items() if without}
    _write(options.out / ABLATIONS.name if options.out else ABLATIONS, ablations)
    table = {"prior": ends.prior, "words": ends.words, "pairs": ends.pairs, "endings": ends.endings}
    _write(options.out / SHIPPED.name if options.out else SHIPPED, {"weights": rows.weights(), "word_ends": table})


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
