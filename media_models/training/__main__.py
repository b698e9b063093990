"""The one command: corpus writers beside the trainer, then conversion and a table of word error rates."""

import argparse
import multiprocessing
import os
import shutil
from pathlib import Path

from media_models.training.corpus import CorpusWriter
from media_models.training.texts import TextMixture

HERE = Path(__file__).parent
SHIPPED = HERE.parent / "embedded" / "recognizer_ru"


def write_corpus(folder: Path, lines: Path, agent_lines: list[str], seed: int, shards: int) -> None:
    """Rounds of four shards, each in a process of its own: espeak-ng crashes now and then after many voices."""
    os.nice(19)
    for number in range(shards // 4):
        arguments = (folder, lines, agent_lines, seed + 1000 * number, number == 0)
        round_ = multiprocessing.Process(target=_write_round, args=arguments)
        round_.start()
        round_.join()
        print(f"corpus: {len(list(folder.glob('*.json')))} shards", flush=True)


def _write_round(folder: Path, lines: Path, agent_lines: list[str], seed: int, noise: bool) -> None:
    writer = CorpusWriter(folder, TextMixture(lines, agent_lines), seed)
    if noise:
        writer.noise_shard(200)
    writer.espeak_shards(3, 400)
    writer.festival_shards(1, 240)


def main() -> None:
    parser = argparse.ArgumentParser(prog="media_models.training", description=__doc__)
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the corpus and checkpoints; kept, so that a run can go on"
    )
    parser.add_argument(
        "--lines", type=Path, required=True, help="folder of JSON lines files with labelled spoken lines"
    )
    parser.add_argument("--agent-lines", type=Path, help="text file with sentences of the agent, one a line")
    parser.add_argument("--minutes", type=float, default=180.0)
    parser.add_argument("--shards", type=int, default=160, help="of about 400 items; made beside the training")
    parser.add_argument("--writers", type=int, default=1, help="processes that make the corpus")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--tokenizer", type=Path, default=SHIPPED / "tokenizer.json")
    parser.add_argument("--out", type=Path, help="folder of the converted model; default: WORK/model")
    parser.add_argument("--only", choices=("corpus", "train", "convert", "evaluate"), help="one step alone")
    options = parser.parse_args()

    corpus, checkpoint = options.work / "corpus", options.work / "checkpoint.pt"
    agent_lines = options.agent_lines.read_text(encoding="utf-8").splitlines() if options.agent_lines else []
    options.work.mkdir(parents=True, exist_ok=True)
    writers: list[multiprocessing.Process] = []
    if options.only in (None, "corpus"):
        first = 1 + len(list(corpus.glob("*.json")))
        for number in range(options.writers):
            arguments = (corpus, options.lines, agent_lines, first * 7 + number, options.shards // options.writers)
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
    if options.only in (None, "convert", "evaluate"):
        from media_models.training.evaluate import test_sets, word_error_rates

        rates = word_error_rates(model, test_sets(TextMixture(options.lines, agent_lines), 150))
        for name, rate in rates.items():
            print(f"{name:40} WER {rate:5.1f} %")


def _train(options: argparse.Namespace, corpus: Path, checkpoint: Path) -> None:
    import time

    from media_models.training.tokens import Tokens
    from media_models.training.train import Plan, train

    start = HERE / "checkpoint.pt"
    continued = checkpoint.exists() or start.exists()
    if start.exists() and not checkpoint.exists():
        shutil.copy(start, checkpoint)
    while len(list(corpus.glob("*.json"))) < 3:
        print("waiting for the first items of the corpus …", flush=True)
        time.sleep(10)
    plan = Plan(options.minutes, options.learning_rate, threads=options.threads, curriculum=not continued)
    train(checkpoint, corpus, Tokens(options.tokenizer), plan)


if __name__ == "__main__":
    main()
