"""Trains the intent classifier: `python -m agent.language.train_intents tests/data/utterances`.

Reads labelled lines (JSON: text, written, intent): of the collection the 70 % whose text hashes into the training part,
and all of agent/language/training_lines that the collection does not hold out. Writes the 2 MB of ru/data/intents.npz.
Deterministic: the same lines give the same file. Takes about half a minute.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from agent.language.ru.cues import load_cues
from agent.language.ru.features import BUCKETS, FeatureMaker
from agent.language.ru.intent_rules import load_rules
from agent.language.ru.morph import Morphology
from agent.language.ru.reader import RussianReader
from agent.language.script import repair
from agent.language.text import clean, tokenize
from agent.model import Expect
from agent.understanding import Context, Intent, Lexicon
from crm.model import Service, ServiceId, Staff, StaffId

EPOCHS = 5
DECAY = 1e-3
RATE = 0.5
SERVICES = ("Женская стрижка", "Мужская стрижка", "Детская стрижка", "Стрижка бороды", "Укладка", "Окрашивание "
"корней", "Сложное окрашивание",
            "Маникюр без покрытия", "Маникюр с гель-лаком", "Педикюр с гель-лаком", "Коррекция и окрашивание "
            "бровей", "Чистка лица",
            "Пилинг", "Массаж лица")  # fmt: skip
_WEIGHTS = Path(__file__).parent / "ru" / "data" / "intents.npz"
COLLECTED = 1.5
"""Weight of a line of the collection beside one of the training lines."""
_LINES = Path(__file__).parent / "training_lines"
_AT = datetime(2026, 12, 1, 11, tzinfo=ZoneInfo("Europe/Moscow"))


def in_training(text: str) -> bool:
    """The 70 % of lines to learn from; the others are held out for measuring."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 10 < 7


def read_lines(folder: Path, name: str = "*.jsonl") -> Iterator[dict[str, Any]]:
    """All labelled lines of the folder, files in order of name."""
    for path in sorted(folder.glob(name)):
        for line in path.read_text("utf-8").splitlines():
            yield json.loads(line)


def text_of(line: dict[str, Any]) -> str:
    """The spoken form, or the typed one where nothing was spoken."""
    return str(line["text"] or line["written"])


def fit(
    rows: Sequence[NDArray[np.int64]], labels: Sequence[int], weight: Sequence[float], classes: int
) -> NDArray[np.float32]:
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
            error *= weight[index]
            gradient = error[None, :] * scale + DECAY * weights[row]
            squares[row] += gradient * gradient
            weights[row] -= RATE * gradient / np.sqrt(squares[row])
    return weights


def salon(lines: Iterable[dict[str, Any]]) -> Lexicon:
    """One large salon where every master named in the labels works."""
    names = {
        canon.title()
        for line in lines
        for _, canon in (pairs(line["slots"]["staff"]) if "staff" in line["slots"] else [])
        if re.fullmatch(r"[А-Яа-яЁё -]+", canon)
    }
    staff = tuple(Staff(StaffId(name), name) for name in sorted(names))
    services = tuple(Service(ServiceId(name), name, timedelta(hours=1), ()) for name in SERVICES)
    return Lexicon(services, staff)


def pairs(value: Any) -> list[tuple[str, str]]:
    """A label is [surface, value] or [[surface, value], …]."""
    items = value if value and isinstance(value[0], list) else [value]
    return [(str(item[0]), str(item[1])) for item in items]


def learnt_lines(folder: Path) -> tuple[list[dict[str, Any]], list[float]]:
    """Lines to learn from and their weights; none whose text is held out."""
    collected = list(read_lines(folder))
    held_out = {text_of(line) for line in collected if not in_training(text_of(line))}
    ours = [line for line in collected if in_training(text_of(line))]
    written = [line for line in read_lines(_LINES) if text_of(line) not in held_out]
    return [*ours, *written], [COLLECTED] * len(ours) + [1.0] * len(written)


def main(folder: Path) -> None:
    morphology = Morphology()
    maker = FeatureMaker(morphology, load_rules(), load_cues())
    reader = RussianReader(morphology, intents=False)
    lines, weight = learnt_lines(folder)
    words = reader.prepare(salon(lines))
    context = Context(Expect.FREE, "Europe/Moscow")
    names = sorted({str(line["intent"]) for line in lines})
    by_word: list[NDArray[np.int64]] = []
    by_letter: list[NDArray[np.int64]] = []
    for line in lines:
        raw = repair(clean(text_of(line)), morphology.known)
        tokens = reader.repaired(tokenize(raw))
        _, slots = reader.facts(tokens, raw, words, context, _AT)
        by_word.append(np.array(maker.columns(tokens, slots, raw)))
        by_letter.append(np.array(maker.letter_columns(tokens, slots)))
    labels = [names.index(str(line["intent"])) for line in lines]
    stored: dict[str, NDArray[Any]] = {"labels": np.array([Intent(name).value for name in names])}
    for table, rows in (("words", by_word), ("letters", by_letter)):
        weights = fit(rows, labels, weight, len(names))
        scale = float(np.abs(weights).max()) / 127
        stored[table] = np.round(weights / scale).astype(np.int8)
        stored[f"{table}_scale"] = np.array(scale, np.float32)
    np.savez_compressed(_WEIGHTS, allow_pickle=False, **stored)
    sys.stdout.write(f"{len(lines)} lines, {len(names)} intents, {_WEIGHTS.stat().st_size} bytes in {_WEIGHTS}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
