"""Training batches: items of similar length, light SpecAugment, targets with and without timestamps and prompts."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from media_models.training.tokens import Tokens

FIRST_FRAMES, LAST_FRAMES = 130, 520
"""Curriculum: utterances up to 2.6 s at first, all of them later."""


@dataclass(frozen=True, slots=True)
class Item:
    shard: int
    offset: int
    frames: int
    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Batch:
    mel: Tensor
    tokens: Tensor
    labels: Tensor
    """-100 where the prompt is not to be learned."""
    ctc: Tensor
    ctc_lengths: Tensor
    encoded_lengths: Tensor


class Batches:
    def __init__(self, folder: Path, tokens: Tokens, size: int, rng: random.Random) -> None:
        self._folder, self._tokens, self._size, self._rng = folder, tokens, size, rng
        self._shards: list[NDArray[np.float16]] = []
        self._known: set[str] = set()
        self.items: list[Item] = []

    def rescan(self) -> None:
        """Takes in the shards that appeared since."""
        for path in sorted(self._folder.glob("*.json")):
            if path.name in self._known:
                continue
            self._known.add(path.name)
            offset = 0
            for row in json.loads(path.read_text(encoding="utf-8")):
                item = Item(len(self._shards), offset, row["frames"], row["text"], row["start_s"], row["end_s"])
                self.items.append(item)
                offset += item.frames
            self._shards.append(np.load(path.with_suffix(".npy"), mmap_mode="r"))

    def draw(self, progress: float) -> Iterator[Batch]:
        """Some batches for the present progress (0 to 1)."""
        self.rescan()
        cap = FIRST_FRAMES + (LAST_FRAMES - FIRST_FRAMES) * min(1.0, max(0.0, (progress - 0.1) / 0.5))
        chosen: list[Item] = []
        while len(chosen) < self._size * 20:
            item = self._rng.choice(self.items)
            if item.frames <= cap:
                chosen.append(item)
        chosen.sort(key=lambda item: item.frames + self._rng.random() * 10)
        groups = [chosen[start : start + self._size] for start in range(0, len(chosen), self._size)]
        self._rng.shuffle(groups)
        for group in groups:
            yield self._collate(group)

    def _collate(self, items: list[Item]) -> Batch:
        rng, tokens, ids = self._rng, self._tokens, self._tokens.ids
        length = max(item.frames for item in items) + rng.choice((0, 0, rng.randint(0, 80)))
        mel = np.zeros((len(items), length + length % 2, 80), np.float32)
        targets, hidden = [], []
        for row, item in enumerate(items):
            mel[row, : item.frames] = self._masked(item)
            text_ids = tokens.encode(item.text)
            prompt: list[int] = []
            if text_ids and rng.random() < 0.1:
                other = tokens.encode(rng.choice(self.items).text)
                prompt = [ids.previous, *(other + text_ids if rng.random() < 0.5 else other)[:40]]
            if not text_ids:
                target = (
                    [ids.start, ids.no_speech, ids.end]
                    if rng.random() < 0.6
                    else [*ids.prefix, ids.no_timestamps, ids.end]
                )
            elif rng.random() < 0.25:
                target = [*ids.prefix, tokens.timestamp(item.start_s), *text_ids, tokens.timestamp(item.end_s), ids.end]
            else:
                target = [*ids.prefix, ids.no_timestamps, *text_ids, ids.end]
            targets.append(prompt + target)
            hidden.append(len(prompt))
        width = max(map(len, targets))
        inputs = torch.full((len(items), width), ids.end)
        labels = torch.full((len(items), width - 1), -100)
        for row, target in enumerate(targets):
            inputs[row, : len(target)] = torch.tensor(target)
            labels[row, : len(target) - 1] = torch.tensor(target[1:])
            labels[row, : hidden[row]] = -100
        ctc = [tokens.ctc(item.text) for item in items]
        return Batch(
            torch.from_numpy(mel), inputs[:, :-1], labels,
            torch.tensor([number for row in ctc for number in row], dtype=torch.long),
            torch.tensor([len(row) for row in ctc]), torch.tensor([(item.frames + 1) // 2 for item in items]),
        )  # fmt: skip

    def _masked(self, item: Item) -> NDArray[np.float32]:
        rng = self._rng
        mel = self._shards[item.shard][item.offset : item.offset + item.frames].astype(np.float32)
        for _ in range(rng.randint(0, 2)):
            width = rng.randint(1, 10)
            start = rng.randrange(80 - width)
            mel[:, start : start + width] = mel.mean()
        for _ in range(rng.randint(0, 2)):
            width = rng.randint(1, 8)
            start = rng.randrange(max(1, item.frames - width))
            mel[start : start + width] = mel.mean()
        return mel + rng.uniform(-0.15, 0.15) if rng.random() < 0.5 else mel
