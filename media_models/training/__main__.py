"""The one command: corpus writers beside the trainer, then conversion and a table of word error rates."""

import argparse
import multiprocessing
import os
import pickle
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from media_models.training.corpus import CorpusWriter
from media_models.training.texts import TextMixture

if TYPE_CHECKING:
    from media_models.training.evaluate import TestSets

HERE = Path(__file__).parent
SHARDS_A_ROUND = 6
SHIPPED = HERE.parent / "embedded" / "recognizer_ru"


def write_corpus(folder: Path, texts: TextMixture, seed: int, shards: int) -> None:
    """Rounds of six shards, each in a process of its own: espeak-ng crashes now and then after many voices."""
    os.nice(5)
    for number in range(shards // SHARDS_A_ROUND):
        round_ = multiprocessing.Process(target=_write_round, args=(folder, texts, seed + 1000 * number))
        round_.start()
        round_.join()
        print(f"corpus: {len(list(folder.glob('*.json')))} shards", flush=True)


def _write_round(folder: Path, texts: TextMixture, seed: int) -> None:
    writer = CorpusWriter(folder, texts, seed)
    writer.noise_shard(70)
    writer.espeak_shards(3, 400)
    writer.festival_shards(2, 450)


def main() -> None:
    parser = argparse.ArgumentParser(prog="media_models.training", description=__doc__)
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the corpus and checkpoints; kept, so that a run can go on"
    )
    parser.add_argument(
        "--lines", type=Path, nargs="+", required=True, help="folders of JSON lines files with labelled spoken lines"
    )
    parser.add_argument("--agent-lines", type=Path, help="text file with sentences of the agent, one a line")
    parser.add_argument("--free-phrases", type=Path, help="text file with phrases kept for tests, one a line")
    parser.add_argument("--test-size", type=int, default=150, help="phrases in each test set")
    parser.add_argument("--minutes", type=float, default=180.0)
    parser.add_argument("--shards", type=int, default=160, help="of about 400 items; made beside the training")
    parser.add_argument("--writers", type=int, default=1, help="processes that make the corpus")
    parser.add_argument("--workers", type=int, default=2, help="training processes of one thread each (CPU)")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--tokenizer", type=Path, default=SHIPPED / "tokenizer.json")
    parser.add_argument(
        "--grow", type=int, nargs=2, metavar=("ENCODER", "DECODER"), help="first give the checkpoint so many layers"
    )
    parser.add_argument("--out", type=Path, help="folder of the converted model; default: WORK/model")
    parser.add_argument(
        "--first-look-alone",
        action="store_true",
        help="evaluate without the second look, beam 5: what the network does",
    )
    parser.add_argument("--only", choices=("corpus", "train", "words", "convert", "evaluate"), help="one step alone")
    options = parser.parse_args()

    corpus, checkpoint = options.work / "corpus", options.work / "checkpoint.pt"
    free_phrases = _lines_of(options.free_phrases)
    options.work.mkdir(parents=True, exist_ok=True)
    writers: list[multiprocessing.Process] = []
    if options.only in (None, "corpus"):
        texts = TextMixture(options.lines, _lines_of(options.agent_lines), free_phrases)
        first = 1 + len(list(corpus.glob("*.json")))
        for number in range(options.writers):
            arguments = (corpus, texts, first * 7 + number, options.shards // options.writers)
            writers.append(multiprocessing.Process(target=write_corpus, args=arguments))
            writers[-1].start()
    if options.only == "corpus":
        for writer in writers:
            writer.join()
    if options.only in (None, "train"):
        _train(options, corpus, checkpoint)
    for writer in writers:
        if writer.is_alive():
            writer.terminate()
        writer.join()
    model = options.out or options.work / "model"
    if options.only in (None, "convert"):
        from media_models.training.convert import convert

        convert(checkpoint, options.tokenizer, model)
    if options.only in (None, "words"):
        from media_models.training.word_model import write_word_model

        model.mkdir(parents=True, exist_ok=True)
        write_word_model(TextMixture(options.lines, _lines_of(options.agent_lines), free_phrases), model)
    if options.only in (None, "evaluate"):
        from media_models.training.evaluate import report

        overrides = {"second_look": False, "final_beam": 5} if options.first_look_alone else {}
        for name, figure in report(model, _test_sets(options), overrides):
            print(f"{name:52} {figure}", flush=True)


def _test_sets(options: argparse.Namespace) -> "TestSets":
    """The test clips, kept in the work folder: models are compared on the very same ones."""
    from media_models.training.evaluate import make_sets

    path: Path = options.work / f"tests-{options.test_size}.pickle"
    if not path.exists():
        texts = TextMixture(options.lines, _lines_of(options.agent_lines), _lines_of(options.free_phrases))
        path.write_bytes(pickle.dumps(make_sets(texts, _lines_of(options.free_phrases), options.test_size)))
    sets: TestSets = pickle.loads(path.read_bytes())  # noqa: S301 (written by ourselves)
    return sets


def _lines_of(path: Path | None) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path else []


def _train(options: argparse.Namespace, corpus: Path, checkpoint: Path) -> None:
    import time

    from media_models.training.train import Plan, train

    start = HERE / "checkpoint.pt"
    continued = checkpoint.exists() or start.exists()
    if start.exists() and not checkpoint.exists():
        shutil.copy(start, checkpoint)
    if options.grow and checkpoint.exists():
        from media_models.training.grow import grow_checkpoint

        grow_checkpoint(checkpoint, *options.grow)
    while len(list(corpus.glob("*.json"))) < 3:
        print("waiting for the first items of the corpus …", flush=True)
        time.sleep(10)
    plan = Plan(options.minutes, options.learning_rate, workers=options.workers, curriculum=not continued)
    train(checkpoint, corpus, options.tokenizer, plan)


if __name__ == "__main__":
    main()
