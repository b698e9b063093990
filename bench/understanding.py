"""Measures understanding on the labelled lines: `python -m bench.understanding [tests/data/utterances] [--folds 5]`.

Intent, right: the strongest one is among the line's labels; author: it is among those that the collection's author
gave, before any label was mended; first: it is the label written first; among: any label is among all intents given;
called: right when the question just asked is known, as it is in a call (only for lines that are answers).
Slots are read with that question too: precision, recall, F1; services and masters by the words they were
found in, a day or time by its value. The main tables hold only lines kept from training. With --folds the classifier is
trained anew for each fold and tried on lines whose words no line of the other folds shares as a whole.
"""

import argparse
import csv
import hashlib
import platform
import re
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from agent.language.train_intents import RowMaker, fit, in_training, learnt_lines, read_lines, salon, scored, text_of
from agent.language.understander import RuleUnderstander
from agent.model import Turn, TurnKind
from agent.understanding import Intent, Lexicon, Understood
from bench.understanding_scores import AT, FREE, Score, first_right, in_call, intents_of, labels_of, score_slots

LINES = Path("tests/data/utterances")
SLOTS = ("day", "time", "phone", "name", "staff", "service")


def measure(
    lines: list[dict[str, Any]],
    understander: RuleUnderstander,
    lexicon: Lexicon,
    twins: frozenset[str] | None = None,
) -> None:
    """Prints the tables of these lines; one row leaves out the `twins`, which resemble a line learnt."""
    groups: dict[str, list[tuple[bool, bool, bool, bool, bool]]] = defaultdict(list)
    scores: dict[str, dict[str, Score]] = defaultdict(lambda: defaultdict(Score))
    confused: Counter[tuple[str, str]] = Counter()
    took: list[float] = []

    def heard_in(line: dict[str, Any], *, asked: bool) -> Understood:
        turn = Turn(TurnKind.WORDS, AT, text_of(line))
        return understander.understand(turn, lexicon, in_call(line) if asked else FREE)

    for line in lines:
        started = time.process_time()
        heard = heard_in(line, asked=False)
        took.append(time.process_time() - started)
        in_a_call = heard_in(line, asked=True)
        given = intents_of(heard)
        right = first_right(line, heard)
        result = (
            right, first_right(by_author(line), heard), given[:1] == [line["intent"]],
            bool(labels_of(line) & set(given)), first_right(line, in_a_call),
        )  # fmt: skip
        twin = ["without twins"] if twins is not None and text_of(line) not in twins else []
        for group in ("all", *twin, f"file {line['file']}", f"style {line['style']}"):
            groups[group].append(result)
        if not right:
            confused[str(line["intent"]), given[0] if given else "nothing"] += 1
        for group in ("all", str(line["file"])):
            score_slots(line, in_a_call, scores[group])
    print(f"{'lines':28s} {'count':>6s} {'right':>7s} {'author':>7s} {'first':>7s} {'among':>7s} {'called':>7s}")
    for group in sorted(groups, key=lambda name: (name != "all", name)):
        shares = np.mean(groups[group], axis=0)
        print(f"{group:28s} {len(groups[group]):6d} " + " ".join(f"{share:7.3f}" for share in shares))
    print(f"\n{'slot':9s} {'lines':>6s} {'precision':>10s} {'recall':>8s} {'F1':>6s}")
    for slot in SLOTS:
        print(f"{slot:9s} {scores['all'][slot].row()}")
    for group, by_slot in scores.items():
        print(f"{group:9.9s} {Score.sum(by_slot.values()).row()}")
    took.sort()
    print(
        f"\nturn, CPU time: median {took[len(took) // 2] * 1e3:.2f} ms, p95 {took[int(len(took) * 0.95)] * 1e3:.2f} ms"
    )
    print("most confused:", ", ".join(f"{a} as {b} {n}" for (a, b), n in confused.most_common(12)))


def by_author(line: dict[str, Any]) -> dict[str, Any]:
    """The line with the labels it had before any was mended."""
    intent, *also = line["author"]
    return {**line, "intent": intent, "also": also}


def read_collection(folder: Path) -> list[dict[str, Any]]:
    """All labelled lines with the name of their `file` and the labels that the `author` gave, from mends.tsv."""
    with (folder / "mends.tsv").open(encoding="utf-8", newline="") as file:
        mends = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        was = {(mend["file"], int(mend["line"])): mend["was"].split("+") for mend in mends if mend["why"] != "slot"}
    return [
        {**line, "file": path.stem, "author": was.get((path.stem, number), [line["intent"], *line["also"]])}
        for path in sorted(folder.glob("*.jsonl"))
        for number, line in enumerate(read_lines(folder, path.name), 1)
    ]


def near_twins(lines: list[dict[str, Any]], learnt: list[dict[str, Any]]) -> frozenset[str]:
    """Texts of the lines that share 60 % of their words, by beginnings, with a line learnt; three words at least."""
    known = [_beginnings(text_of(line)) for line in learnt]
    holding: dict[str, list[int]] = defaultdict(list)
    for index, words in enumerate(known):
        for word in words:
            holding[word].append(index)
    twins: set[str] = set()
    for line in lines:
        words = _beginnings(text_of(line))
        shared = Counter(index for word in words for index in holding[word])
        if len(words) >= 3 and any(
            len(known[index]) >= 3 and count / len(known[index] | words) >= 0.6 for index, count in shared.items()
        ):
            twins.add(text_of(line))
    return frozenset(twins)


def _beginnings(text: str) -> frozenset[str]:
    return frozenset(word[:5] for word in re.findall(r"[а-я]+", text.lower().replace("ё", "е")) if len(word) > 2)


def fold_of(text: str, folds: int) -> int:
    """Lines of the same words in any order share a fold."""
    words = " ".join(sorted(set(text.lower().replace("ё", "е").split())))
    return int(hashlib.sha256(words.encode()).hexdigest(), 16) % folds


def cross_validate(folder: Path, folds: int) -> None:
    """The classifier alone, trained anew for every fold, on the lines kept from the written ones as well."""
    lines, weight = learnt_lines(folder)
    collected = [line for line in read_lines(folder) if not in_training(text_of(line))]
    maker = RowMaker(salon(read_lines(folder)))
    everything = [*lines, *collected]
    weights = [*weight, *[1.5] * len(collected)]
    names = sorted({str(line["intent"]) for line in everything})
    rows = [maker.row(text_of(line)) for line in everything]
    labels = [names.index(str(line["intent"])) for line in everything]
    right: list[bool] = []
    for fold in range(folds):
        kept = [i for i in range(len(rows)) if i < len(lines) or fold_of(text_of(everything[i]), folds) != fold]
        tried = [i for i in range(len(lines), len(rows)) if fold_of(text_of(everything[i]), folds) == fold]
        trained = fit([rows[i] for i in kept], [labels[i] for i in kept], [weights[i] for i in kept], len(names))
        best = scored([rows[i] for i in tried], trained).argmax(axis=1)
        hits = [names[guess] in labels_of(everything[i]) for guess, i in zip(best, tried, strict=True)]
        right.extend(hits)
        print(f"fold {fold}: {len(hits)} lines, right {np.mean(hits):.3f}", flush=True)
    spread = np.std([np.mean(part) for part in np.array_split(np.array(right), folds)])
    print(f"{folds} folds: {len(right)} lines, right {np.mean(right):.3f}, between folds ± {spread:.3f}")


def main(folder: Path, folds: int = 0) -> None:
    """Prints everything; with folds also the cross-validation (half a minute a fold)."""
    lines = read_collection(folder)
    understander, lexicon = RuleUnderstander(), salon(lines)
    print(f"Python {platform.python_version()}, {platform.machine()}, {len(Intent)} intents, {len(lines)} lines\n")
    print("Held out (30 % of the lines, by hash)")
    held_out = [line for line in lines if not in_training(text_of(line))]
    measure(held_out, understander, lexicon, near_twins(held_out, learnt_lines(folder)[0]))
    print("\nTraining part")
    measure([line for line in lines if in_training(text_of(line))], understander, lexicon)
    if folds:
        print("\nCross-validation of the classifier on the lines held out, the other held-out folds learnt too")
        cross_validate(folder, folds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path, default=LINES)
    parser.add_argument("--folds", type=int, default=0)
    arguments = parser.parse_args()
    main(arguments.folder, arguments.folds)
