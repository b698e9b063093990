"""The tokenizer in Whisper's layout: a small Russian BPE, the special tokens, timestamps of 20 ms.

Ids of text pieces come before <|endoftext|>; timestamps are the last ids: faster-whisper relies on both. Every
letter has a piece that begins a word, since faster-whisper suppresses the lone word mark.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

LETTERS = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
CTC_CHARACTERS = " " + LETTERS
_SPECIAL = ("endoftext", "startoftranscript", "en", "ru", "translate", "transcribe", "startoflm", "startofprev",
            "nospeech", "notimestamps")  # fmt: skip
TIMESTAMPS = 501
_UNKNOWN = "<unk>"


def build(lines: Iterable[str], pieces: int = 420) -> Tokenizer:
    trained = Tokenizer(models.BPE(unk_token=_UNKNOWN))
    trained.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    trainer = trainers.BpeTrainer(
        vocab_size=pieces, special_tokens=["<unk>"], initial_alphabet=[*LETTERS, "▁", "-", "'"], max_token_length=6,
        show_progress=False,
    )  # fmt: skip
    trained.train_from_iterator(lines, trainer)
    learned = json.loads(trained.to_str())["model"]
    vocabulary, merges = learned["vocab"], [tuple(pair) for pair in learned["merges"]]
    for letter in [*LETTERS, "-", "'"]:
        if "▁" + letter not in vocabulary:
            vocabulary["▁" + letter] = len(vocabulary)
            merges.append(("▁", letter))
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token=_UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace("ё", "е")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    stamps = [f"{number * 0.02:.2f}" for number in range(TIMESTAMPS)]
    tokenizer.add_special_tokens(
        [AddedToken(f"<|{name}|>", special=True, normalized=False) for name in (*_SPECIAL, *stamps)]
    )
    return tokenizer


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids of the special tokens."""

    end: int
    start: int
    russian: int
    transcribe: int
    previous: int
    no_speech: int
    no_timestamps: int

    @property
    def prefix(self) -> list[int]:
        return [self.start, self.russian, self.transcribe]


class Tokens:
    def __init__(self, path: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(path))
        self.ids = Ids(*(self._id(name) for name in ("endoftext", "startoftranscript", "ru", "transcribe",
                                                     "startofprev", "nospeech", "notimestamps")))  # fmt: skip
        self._ctc = {character: number + 1 for number, character in enumerate(CTC_CHARACTERS)}

    @property
    def size(self) -> int:
        return int(self.tokenizer.get_vocab_size())

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(" " + text, add_special_tokens=False).ids) if text else []

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode([number for number in ids if number < self.ids.end])).strip()

    def ctc(self, text: str) -> list[int]:
        return [self._ctc[character] for character in text]

    def timestamp(self, seconds: float) -> int:
        return self._id(f"{min(10.0, round(seconds, 1)):.2f}")

    def _id(self, name: str) -> int:
        number = self.tokenizer.token_to_id(f"<|{name}|>")
        assert number is not None, f"the tokenizer lacks <|{name}|>"
        return int(number)
