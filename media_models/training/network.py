"""The Whisper network in torch, block for block what CTranslate2's WhisperSpec computes, with a CTC head for training.

No mask in the encoder: CTranslate2 has none, so training batches are padded with zeros as the network will see them.
"""

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Shape:
    vocabulary: int
    characters: int
    width: int = 192
    heads: int = 6
    encoder_layers: int = 5
    decoder_layers: int = 4
    mels: int = 80
    positions: int = 1500
    text_positions: int = 448

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def sinusoids(length: int, width: int) -> Tensor:
    step = math.log(10_000) / (width // 2 - 1)
    angles = torch.arange(length)[:, None] * torch.exp(-step * torch.arange(width // 2))[None]
    return torch.cat([angles.sin(), angles.cos()], 1)


def _attend(q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> Tensor:
    """On a CPU by two products: the fused attention of torch 2.13 takes three times as long to go backward there."""
    if q.is_cuda:
        return functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-1, -2)
    if causal:
        ahead = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(ahead, -torch.inf)
    return scores.softmax(-1).to(v.dtype) @ v


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, source: Tensor | None = None, *, causal: bool = False) -> Tensor:
        batch, length, width = x.shape
        source = x if source is None else source

        def split(y: Tensor) -> Tensor:
            return y.view(batch, -1, self.heads, width // self.heads).transpose(1, 2)

        q, k, v = split(self.query(x)), split(self.key(source)), split(self.value(source))
        y = _attend(q, k, v, causal=causal)
        return self.out(y.transpose(1, 2).reshape(batch, length, width))  # type: ignore[no-any-return]


class Block(nn.Module):
    def __init__(self, width: int, heads: int, *, cross: bool, dropout: float) -> None:
        super().__init__()
        self.attention, self.attention_norm = Attention(width, heads), nn.LayerNorm(width)
        self.cross = Attention(width, heads) if cross else None
        self.cross_norm = nn.LayerNorm(width) if cross else None
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.dropout = dropout

    def forward(self, x: Tensor, encoded: Tensor | None = None) -> Tensor:
        def drop(y: Tensor) -> Tensor:
            if not self.dropout:
                return y
            return functional.dropout(y, self.dropout, self.training)

        x = x + drop(self.attention(self.attention_norm(x), causal=encoded is not None))
        if self.cross is not None and self.cross_norm is not None:
            x = x + drop(self.cross(self.cross_norm(x), encoded))
        return x + drop(self.narrow(functional.gelu(self.widen(self.feed_norm(x)))))


class WhisperNetwork(nn.Module):
    def __init__(self, shape: Shape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        width, heads = shape.width, shape.heads
        self.conv1 = nn.Conv1d(shape.mels, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.register_buffer("positions", sinusoids(shape.positions, width))
        self.encoder = nn.ModuleList(
            Block(width, heads, cross=False, dropout=dropout) for _ in range(shape.encoder_layers)
        )
        self.encoder_norm = nn.LayerNorm(width)
        self.embedding = nn.Embedding(shape.vocabulary, width)
        self.text_positions = nn.Parameter(torch.randn(shape.text_positions, width) * 0.01)
        self.decoder = nn.ModuleList(
            Block(width, heads, cross=True, dropout=dropout) for _ in range(shape.decoder_layers)
        )
        self.decoder_norm = nn.LayerNorm(width)
        self.ctc = nn.Linear(width, shape.characters)
        nn.init.normal_(self.embedding.weight, std=0.02)

    def encode(self, mel: Tensor) -> Tensor:
        """[batch, frames, mels] -> [batch, frames / 2, width]"""
        x = functional.gelu(self.conv1(mel.transpose(1, 2)))
        x = functional.gelu(self.conv2(x)).transpose(1, 2)
        x = x + self.positions[: x.shape[1]].to(x.dtype)  # type: ignore[index]
        for block in self.encoder:
            x = block(x)
        return self.encoder_norm(x)  # type: ignore[no-any-return]

    def decode(self, encoded: Tensor, tokens: Tensor) -> Tensor:
        """[batch, tokens] -> logits [batch, tokens, vocabulary]"""
        x = self.embedding(tokens) + self.text_positions[: tokens.shape[1]]
        for block in self.decoder:
            x = block(x, encoded)
        return functional.linear(self.decoder_norm(x), self.embedding.weight)
