"""Trains the intent classifier: `python -m agent.language.train_intents tests/data/utterances`.

Reads labelled lines (JSON: text, written, intent), takes the 70 % whose text hashes into the training part, and writes
agent/language/ru/data/intents.npz. Deterministic: the same lines give the same file. Takes about ten seconds.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from agent.language.ru.cues import load_cues
from agent.language.ru.features import BUCKETS, FeatureMaker
from agent.language.ru.intent_rules import load_rules
from agent.language.ru.morph import Morphology
from agent.language.ru.reader import RussianReader
from agent.language.text import clean, tokenize
from agent.model import Expect
from agent.understanding import Context, Intent, Lexicon

EPOCHS = 8
DECAY = 1e-3
RATE = 0.5
_WEIGHTS = Path(__file__).parent / "ru" / "data" / "intents.npz"
_AT = datetime(2026, 12, 1, 11, tzinfo=ZoneInfo("Europe/Moscow"))


def in_training(text: str) -> bool:
    """The 70 % of lines to learn from; the others are held out for measuring."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 10 < 7


def read_lines(folder: Path, name: str = "*.jsonl") -> Iterator[dict[str, object]]:
    """All labelled lines of the folder, files in order of name."""
    for path in sorted(folder.glob(name)):
        for line in path.read_text("utf-8").splitlines():
            yield json.loads(line)


def text_of(line: dict[str, object]) -> str:
    """The spoken form, or the typed one where nothing was spoken."""
    return str(line["text"] or line["written"])


def fit(rows: Sequence[NDArray[np.int64]], labels: Sequence[int], classes: int) -> NDArray[np.float32]:
    """Logistic regression by AdaGrad over sparse binary rows; weights of shape (BUCKETS, classes)."""
    weights = np.zeros((BUCKETS, classes), np.float32)
    squares = np.full((BUCKETS, classes), 1e-8, np.float32)
    order = np.random.default_rng(0)
    for _ in range(EPOCHS):
        for index in order.permutation(len(rows)):
            row = rows[index]
            scale = 1 / np.sqrt(len(row))
            scores = weights[row].sum(axis=0) * scale
            error = np.exp(scores - scores.max())
            error /= error.sum()
            error[labels[index]] -= 1
            gradient = error[None, :] * scale + DECAY * weights[row]
            squares[row] += gradient * gradient
            weights[row] -= RATE * gradient / np.sqrt(squares[row])
    return weights


def main(folder: Path) -> None:
    morphology = Morphology()
    maker = FeatureMaker(morphology, load_rules(), load_cues())
    reader = RussianReader(morphology, intents=False)
    salon = reader.prepare(Lexicon((), ()))
    context = Context(Expect.FREE, "Europe/Moscow")
    lines = [line for line in read_lines(folder) if in_training(text_of(line))]
    names = sorted({str(line["intent"]) for line in lines})
    rows: list[NDArray[np.int64]] = []
    for line in lines:
        raw = clean(text_of(line))
        tokens = tokenize(raw)
        _, slots = reader.facts(tokens, raw, salon, context, _AT)
        rows.append(np.array(maker.columns(tokens, slots, raw)))
    weights = fit(rows, [names.index(str(line["intent"])) for line in lines], len(names))
    scale = float(np.abs(weights).max()) / 127
    labels = np.array([Intent(name).value for name in names])
    np.savez_compressed(
        _WEIGHTS, weights=np.round(weights / scale).astype(np.int8), scale=np.float32(scale), labels=labels
    )
    sys.stdout.write(f"{len(lines)} lines, {len(names)} intents, {_WEIGHTS.stat().st_size} bytes in {_WEIGHTS}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
