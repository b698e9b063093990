"""Trains the intent classifier: `python -m agent.language.train_intents tests/data/utterances`.

Reads labelled lines (JSON: text, written, intent): of the collection the 70 % whose text hashes into the training part,
and all of agent/language/training_lines that the collection does not hold out. Writes the 2 MB of ru/data/intents.npz.
Deterministic: the same lines give the same file. Takes about a minute.
"""

import hashlib
import json
import random
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from agent.language.ru.classifier import softmax
from agent.language.ru.concepts import load_concepts
from agent.language.ru.cues import load_cues
from agent.language.ru.features import BUCKETS, FeatureMaker, Row
from agent.language.ru.intent_rules import load_rules
from agent.language.ru.morph import Morphology
from agent.language.ru.reader import RussianReader
from agent.language.script import repair
from agent.language.text import clean, tokenize
from agent.model import Expect
from agent.understanding import Context, Intent, Lexicon
from crm.model import Service, ServiceId, Staff, StaffId

EPOCHS = 16
RATE = 0.05
"""Chosen among a few by accuracy on lines that were kept from training."""
ASIDES = 0.25
"""So many of the written lines are learnt once more with a remark that has nothing to do with the matter."""
SERVICES = ("Женская стрижка", "Мужская стрижка", "Детская стрижка", "Стрижка бороды", "Укладка", "Окрашивание "
"корней", "Сложное окрашивание",
            "Маникюр без покрытия", "Маникюр с гель-лаком", "Педикюр с гель-лаком", "Коррекция и окрашивание "
            "бровей", "Чистка лица",
            "Пилинг", "Массаж лица")  # fmt: skip
_WEIGHTS = Path(__file__).parent / "ru" / "data" / "intents.npz"
COLLECTED = 1.5
"""Weight of a line of the collection beside one of the training lines."""
_LINES = Path(__file__).parent / "training_lines"
_WHOLE = frozenset(
    [
        "unfinished",
        "greet",
        "bye",
        "thanks",
        "wait",
        "repeat",
        "smalltalk",
        "spam",
        "wrong_number",
        "other_language",
        "affirm",
        "deny",
        "choose",
    ]
)
"""Intents that a remark beside the matter could change."""
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
    rows: Sequence[Row], labels: Sequence[int], weight: Sequence[float], classes: int, epochs: int = EPOCHS
) -> NDArray[np.float32]:
    """One linear score a label by squared hinge loss and AdaGrad; weights of shape (BUCKETS, classes)."""
    weights = np.zeros((BUCKETS, classes), np.float32)
    squares = np.full((BUCKETS, classes), 1e-6, np.float32)
    order = np.random.default_rng(0)
    for epoch in range(epochs):
        rate = RATE * (1 - epoch / epochs)
        for index in order.permutation(len(rows)):
            columns, values = rows[index].columns, rows[index].values
            block = weights[columns]
            signs = np.full(classes, -1, np.float32)
            signs[labels[index]] = 1
            missing = np.maximum(0, 1 - signs * (values @ block)) * signs * weight[index]
            gradient = -values[:, None] * missing[None, :]
            sums = squares[columns] + gradient * gradient
            squares[columns] = sums
            weights[columns] = block - rate * gradient / np.sqrt(sums)
    return weights


def temperature(scores: NDArray[np.float32], labels: Sequence[int]) -> float:
    """What scores are multiplied with so that softmax gives honest probabilities: the likeliest on these lines."""
    best, chosen = -np.inf, 1.0
    for candidate in np.arange(0.5, 8, 0.25):
        chances = softmax(scores * np.float32(candidate))
        likelihood = float(np.log(chances[np.arange(len(labels)), labels] + 1e-9).mean())
        if likelihood > best:
            best, chosen = likelihood, float(candidate)
    return chosen


def scored(rows: Sequence[Row], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores of shape (rows, classes)."""
    return np.array([row.values @ weights[row.columns] for row in rows], np.float32)


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
    """Lines to learn from and their weights; none whose letters are those of a line held out."""
    collected = list(read_lines(folder))
    held_out = {_letters(text_of(line)) for line in collected if not in_training(text_of(line))}
    ours = [line for line in collected if in_training(text_of(line)) and _letters(text_of(line)) not in held_out]
    written = [line for line in read_lines(_LINES) if _letters(text_of(line)) not in held_out]
    aside = list(_with_asides(written))
    return [*ours, *written, *aside], [COLLECTED] * len(ours) + [1.0] * len(written) + [0.5] * len(aside)


def _letters(text: str) -> str:
    return re.sub(r"[^\w]", "", text.lower().replace("ё", "е"))


def _with_asides(lines: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Some lines with a remark before or after: what is said beside the matter must not decide."""
    asides = (_LINES / "asides.txt").read_text("utf-8").split("\n")[:-1]
    chance = random.Random(0)  # noqa: S311 - the same remarks in every training, nothing secret
    for line in lines:
        text = text_of(line)
        if line["intent"] in _WHOLE or len(text.split()) < 3 or chance.random() >= ASIDES:
            continue
        aside = chance.choice(asides)
        yield {**line, "text": f"{aside} {text}" if chance.random() < 0.6 else f"{text} {aside}"}


class RowMaker:
    """Labelled lines as rows of features, read as the product reads them."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._morphology = Morphology()
        self._maker = FeatureMaker(self._morphology, load_rules(), load_cues(), load_concepts())
        self._reader = RussianReader(self._morphology, intents=False)
        self._words = self._reader.prepare(lexicon)
        self._context = Context(Expect.FREE, "Europe/Moscow")

    def row(self, text: str) -> Row:
        raw = repair(clean(text), self._morphology.known)
        tokens = self._reader.repaired(tokenize(raw))
        _, slots = self._reader.facts(tokens, raw, self._words, self._context, _AT)
        return self._maker.row(tokens, slots, raw)


def main(folder: Path) -> None:
    lines, weight = learnt_lines(folder)
    maker = RowMaker(salon(read_lines(folder)))
    names = sorted({str(line["intent"]) for line in lines})
    rows = [maker.row(text_of(line)) for line in lines]
    labels = [names.index(str(line["intent"])) for line in lines]
    kept = [index for index in range(len(rows)) if index % 8]
    left = [index for index in range(len(rows)) if not index % 8]
    trial = fit([rows[i] for i in kept], [labels[i] for i in kept], [weight[i] for i in kept], len(names), epochs=3)
    heat = temperature(scored([rows[i] for i in left], trial), [labels[i] for i in left])
    weights = fit(rows, labels, weight, len(names))
    scale = float(np.abs(weights).max()) / 127
    np.savez_compressed(
        _WEIGHTS,
        allow_pickle=False,
        labels=np.array([Intent(name).value for name in names]),
        weights=np.round(weights / scale).astype(np.int8),
        scale=np.array(scale, np.float32),
        temperature=np.array(heat, np.float32),
    )
    sys.stdout.write(
        f"{len(lines)} lines, {len(names)} intents, temperature {heat}, {_WEIGHTS.stat().st_size} bytes in {_WEIGHTS}\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
