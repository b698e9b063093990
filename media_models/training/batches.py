"""Training batches: utterances of similar length, alone or two in a row, varied anew each time."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from media_models.training.augment import varied
from media_models.training.tokens import Tokens

FIRST_FRAMES, LAST_FRAMES = 130, 490
"""Curriculum: utterances up to 2.6 s at first, all of them later."""
JOINED_SHARE, JOINED_FRAMES = 0.15, 240
"""Of the utterances shorter than this, so many are followed by another one: cheap long ones."""
NOISY_SHARE = 0.2
TIMESTAMPS_SHARE, PROMPT_SHARE = 0.05, 0.02
"""Both are rare since the product uses neither; a model that has never seen them would fail in other hands."""


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
        self._noises: list[Item] = []

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
                if not item.text:
                    self._noises.append(item)
                offset += item.frames
            self._shards.append(np.load(path.with_suffix(".npy"), mmap_mode="r"))

    def draw(self, progress: float) -> Iterator[Batch]:
        """Some batches for the present progress (0 to 1)."""
        self.rescan()
        cap = FIRST_FRAMES + (LAST_FRAMES - FIRST_FRAMES) * min(1.0, max(0.0, (progress - 0.1) / 0.5))
        chosen: list[tuple[Item, ...]] = []
        while len(chosen) < self._size * 20:
            items: tuple[Item, ...] = (self._rng.choice(self.items),)
            if items[0].frames < JOINED_FRAMES and self._rng.random() < JOINED_SHARE:
                items = (items[0], self._rng.choice(self.items))
            if sum(item.frames for item in items) <= cap:
                chosen.append(items)
        chosen.sort(key=lambda items: sum(item.frames for item in items) + self._rng.random() * 10)
        groups = [chosen[start : start + self._size] for start in range(0, len(chosen), self._size)]
        self._rng.shuffle(groups)
        for group in groups:
            yield self._collate(group)

    def _collate(self, group: Sequence[tuple[Item, ...]]) -> Batch:
        rng, tokens = self._rng, self._tokens
        pieces = [self._frames(items) for items in group]
        texts = [" ".join(item.text for item in items if item.text) for items in group]
        length = max(map(len, pieces)) + rng.choice((0, 0, rng.randint(0, 80)))
        mel = np.zeros((len(pieces), length + length % 2, 80), np.float32)
        for row, frames in enumerate(pieces):
            mel[row, : len(frames)] = frames
        targets = [self._target(items, text) for items, text in zip(group, texts, strict=True)]
        width = max(len(target) for target, _ in targets)
        inputs = torch.full((len(group), width), tokens.ids.end)
        labels = torch.full((len(group), width - 1), -100)
        for row, (target, hidden) in enumerate(targets):
            inputs[row, : len(target)] = torch.tensor(target)
            labels[row, : len(target) - 1] = torch.tensor(target[1:])
            labels[row, :hidden] = -100
        ctc = [tokens.ctc(text) for text in texts]
        return Batch(
            torch.from_numpy(mel), inputs[:, :-1], labels,
            torch.tensor([number for row in ctc for number in row], dtype=torch.long),
            torch.tensor([len(row) for row in ctc]), torch.tensor([(len(frames) + 1) // 2 for frames in pieces]),
        )  # fmt: skip

    def _target(self, items: Sequence[Item], text: str) -> tuple[list[int], int]:
        """The token sequence and how many of its first tokens are a prompt, not to be learned."""
        rng, tokens, ids = self._rng, self._tokens, self._tokens.ids
        text_ids = tokens.encode(text)
        if not text_ids:
            unheard = rng.random() < 0.6
            return ([ids.start, ids.no_speech, ids.end] if unheard else [*ids.prefix, ids.no_timestamps, ids.end]), 0
        prompt: list[int] = []
        if rng.random() < PROMPT_SHARE:
            other = tokens.encode(rng.choice(self.items).text)
            prompt = [ids.previous, *(other + text_ids if rng.random() < 0.5 else other)[:40]]
        if len(items) == 1 and rng.random() < TIMESTAMPS_SHARE:
            start, end = tokens.timestamp(items[0].start_s), tokens.timestamp(items[0].end_s)
            return [*prompt, *ids.prefix, start, *text_ids, end, ids.end], len(prompt)
        return [*prompt, *ids.prefix, ids.no_timestamps, *text_ids, ids.end], len(prompt)

    def _frames(self, items: Sequence[Item]) -> NDArray[np.float32]:
        rng = self._rng
        noise = None
        if self._noises and items[0].text and rng.random() < NOISY_SHARE:
            noise = self._read(rng.choice(self._noises))
        return np.concatenate([varied(self._read(item), rng, noise) for item in items])

    def _read(self, item: Item) -> NDArray[np.float32]:
        return np.asarray(self._shards[item.shard][item.offset : item.offset + item.frames], np.float32)
