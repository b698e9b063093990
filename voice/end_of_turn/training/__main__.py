"""Makes russian.json anew: synthetic turns, heard by the embedded engines, and a fit.

    python -m voice.end_of_turn.training --work FOLDER

FOLDER keeps the turns behind the detector (two hours of sound, half an hour of one core) and, for each recogniser, what
it wrote (five minutes): a new recogniser hears the same turns, a second fit takes a minute. Remove FOLDER when the
detector or the scenes change. The price of a cut-off (voice.timings) is chosen from the table of development turns
that this prints.
"""

import argparse
import hashlib
import itertools
import json
import pickle
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from agent.model import Expect
from media_models.adapters.detector import GatedSileroDetector
from media_models.engines import embedded_recognizer_folder
from voice.end_of_turn.model import ASKED_PREFIX, SHIPPED, VOICE_PREFIX
from voice.end_of_turn.training.corpus import VoicePool
from voice.end_of_turn.training.record import Heard, Met, Scribe, listen, write_down
from voice.end_of_turn.training.rows import Rows
from voice.end_of_turn.training.score import score
from voice.end_of_turn.training.turns import (
    Script,
    book_scripts,
    is_dev_phrase,
    is_test_phrase,
    natural_lines,
    natural_scripts,
    training_scripts,
)
from voice.end_of_turn.wording import WordEnds

ROOT = Path(__file__).parents[3]
LINES = ROOT / "tests" / "data" / "utterances"
DEV_TURNS = Path(__file__).parent / "dev_turns.yaml"
ABLATIONS = Path(__file__).parent / "ablations.json"
LEAST_WORDS, LEAST_PAIRS = 3, 3
DEV_RENDERINGS, DEV_NATURAL = 3, 120
PRICES_MS = (500, 1000, 1500, 2000, 2500, 3000, 4000, 5000, 7000, 10_000, 14_000, 20_000)


def unseen_texts(book: Path) -> frozenset[str]:
    """Texts of the bench: never trained on. One word («да», «завтра») is vocabulary, which nobody can unlearn."""
    turns = [text for entry in yaml.safe_load(book.read_text("utf-8")).values() for text in entry["turns"]]
    texts = {Script("", Expect.FREE, text.replace("ё", "е")).words for text in turns}
    return frozenset(text for text in texts if " " in text)


def count_word_ends(untold: frozenset[str]) -> WordEnds:
    """From lines of the intent classifier alone: counted on the turns that the networks learn from, every word would be
    known there and many a word is not in a call. untold: texts of test and development turns."""
    told = natural_lines(ROOT / "agent" / "language" / "training_lines")
    texts = dict.fromkeys(text for text, _ in told if not is_test_phrase(text) and not is_dev_phrase(text))
    lines = [text.replace("-", " ").split() for text in texts if text not in untold]
    return WordEnds.counted(lines, LEAST_WORDS, LEAST_PAIRS, untold)


class Corpus:
    """Turns kept in a folder: behind the detector, and as the present recogniser has written them."""

    def __init__(self, folder: Path, festival_share: float) -> None:
        self._folder = folder
        self._festival_share = festival_share
        recognizer = embedded_recognizer_folder()
        parts = (path.read_bytes() for path in sorted(recognizer.iterdir()) if path.suffix != ".md")
        self._recognizer = hashlib.sha256(b"".join(parts)).hexdigest()[:12]
        folder.mkdir(parents=True, exist_ok=True)

    def heard(self, name: str, scripts: Callable[[random.Random], Iterable[Script]], seed: int) -> list[Heard]:
        met, heard = self._folder / f"{name}.met", self._folder / f"{name}-{self._recognizer}.heard"
        if not met.exists():
            rng = random.Random(seed)
            pool = VoicePool(test=False, festival_share=self._festival_share)
            detector = GatedSileroDetector()
            _write(met, (listen(turn, detector) for turn in pool.spoken(scripts(rng), rng)), f"{name}: listened to")
        if not heard.exists():
            scribe = Scribe(embedded_recognizer_folder())
            turns: Iterator[Met] = _read(met)
            _write(heard, (write_down(turn, scribe).without_sound() for turn in turns), f"{name}: written down")
        return list(_read(heard))


def _write(path: Path, items: Iterable[object], what: str) -> None:
    """Under another name until it is whole."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        for count, item in enumerate(items, 1):
            pickle.dump(item, file)
            if count % 100 == 0:
                print(f"{what}: {count} turns", flush=True)
    unfinished.rename(path)


def _read(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        while True:
            try:
                yield pickle.load(file)  # noqa: S301 (written by this very command)
            except EOFError:
                return


def dev_scripts(rng: random.Random) -> list[Script]:
    scripts = book_scripts(DEV_TURNS) * DEV_RENDERINGS
    scripts += natural_scripts(natural_lines(LINES), is_dev_phrase, DEV_NATURAL, rng)
    rng.shuffle(scripts)
    return scripts


def main() -> None:
    parser = argparse.ArgumentParser(prog="voice.end_of_turn.training", description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for the turns")
    parser.add_argument("--turns", type=int, default=4200)
    parser.add_argument("--festival-share", type=float, default=0.22, help="of turns; 0 without festival")
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--out", type=Path, help="folder for the weights; default: where the product reads them")
    options = parser.parse_args()
    forbidden = unseen_texts(ROOT / "bench" / "end_of_turn_turns.yaml")
    corpus = Corpus(options.work, options.festival_share)

    def scripts(rng: random.Random) -> Iterator[Script]:
        return itertools.islice(training_scripts(rng, natural_lines(LINES), forbidden), options.turns)

    ends = count_word_ends(forbidden | unseen_texts(DEV_TURNS))
    train = Rows(corpus.heard("train", scripts, options.seed), ends, forbidden)
    dev = Rows(corpus.heard("dev", dev_scripts, options.seed + 1), ends)
    print(f"{len(train.turns)} turns, {len(train.rows)} silences, {len(ends.words)} words, {len(ends.pairs)} pairs")
    made = {"text": (VOICE_PREFIX, ASKED_PREFIX), "text and voice": (ASKED_PREFIX,), "all": ()}
    models = {name: train.model(without) for name, without in made.items()}
    for name, model in models.items():
        print(f"{name}: price of a cut-off, mean wait and cut-offs of {len(dev.turns)} development turns")
        for price_ms, waits in zip(PRICES_MS, dev.waits_ms(model, PRICES_MS), strict=True):
            reached = score(dev.turns, lambda silence, waits=waits: waits[id(silence)])  # type: ignore[misc]
            print(f"  {price_ms:6} ms {reached.mean_ms:6.0f} ms {100 * reached.cut_share:6.1f} %")
    ablations = {name: model.to_json()["networks"] for name, model in models.items() if name != "all"}
    _write_json(options.out / ABLATIONS.name if options.out else ABLATIONS, ablations)
    _write_json(options.out / SHIPPED.name if options.out else SHIPPED, models["all"].to_json())


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    main()
