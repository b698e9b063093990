"""How a recognition model wants to be used: engine.json in its folder, else a table by the size of Whisper.

Where the numbers of the table come from: docs/decisions/0009. Cost is for one window of 30 s, which real Whisper always
decodes whatever the caller has said, so the distance of partials grows with it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import ConfigurationError
from media_models.agreement import StabilityRule

_CPU: dict[str, dict[str, Any]] = {
    "tiny": {"partial_every_ms": 1200},
    "base": {"partial_every_ms": 2500},
    "small": {"partial_every_ms": 0},
    "distil": {"partial_every_ms": 0, "final_beam": 2, "decode_deadline_s": 60.0},
    "medium": {"partial_every_ms": 0, "final_beam": 2, "decode_deadline_s": 60.0},
    "turbo": {"partial_every_ms": 0, "final_beam": 2, "decode_deadline_s": 90.0},
    "large": {"partial_every_ms": 0, "final_beam": 1, "decode_deadline_s": 120.0},
}
"""On a CPU a window of `small` costs 3.3 CPU seconds (measured), the others in proportion to their encoders. Partials
take at most a third of a core of a speaking call, or there are none. Batches gain nothing (measured): 1."""
_GPU: dict[str, dict[str, Any]] = {
    "tiny": {"partial_every_ms": 300, "partial_beam": 5, "batch": 16},
    "base": {"partial_every_ms": 300, "partial_beam": 5, "batch": 16},
    "small": {"partial_every_ms": 400, "partial_beam": 5, "batch": 8},
    "distil": {"partial_every_ms": 500, "partial_beam": 5, "batch": 8},
    "medium": {"partial_every_ms": 700, "batch": 8},
    "turbo": {"partial_every_ms": 600, "partial_beam": 5, "batch": 8},
    "large": {"partial_every_ms": 1000, "batch": 8},
}
"""Derived from published speeds, not measured here. A GPU that cannot keep up stretches the distance by itself."""


def policy_for(name: str, device: str = "cpu") -> dict[str, Any]:
    """The row of the table for a Whisper by its name («whisper-large-v3-turbo»); empty for a name of no known size."""
    table = _CPU if device == "cpu" else _GPU
    # "large-v3-turbo" and "distil-large-v3" are large by name and small by decoder: they are looked for first.
    for size in ("turbo", "distil", "tiny", "base", "small", "medium", "large"):
        if size in name.lower():
            return dict(table[size])
    return {}


@dataclass(frozen=True, slots=True)
class EngineProfile:
    """The content of engine.json; what is left out comes from the table. The defaults suit OpenAI's Whisper."""

    name: str = "whisper"
    stand_in: bool = False
    """True: not meant for real callers; said at start."""
    languages: tuple[str, ...] = ()
    """Languages it knows; another one is decoded as the first of them. Empty: all of Whisper's."""
    window_s: float = 28.0
    """Longest stretch decoded at once. A longer turn is cut at pauses."""
    trim_padding_frames: int = 0
    """More than 0: the model was trained on short windows; only this many zero frames follow the speech. 0: the window
    is padded to Whisper's 3000 frames."""
    partial_padding_frames: int = 0
    """The same for partials, where less will do for less CPU; 0: as trim_padding_frames."""
    least_probability: float = 0.25
    """Mean token probability below which a text counts as a guess about noise."""
    use_hints: bool = True
    """Give the words of the company to the decoder."""
    second_look: bool = False
    """The folder brings words.npz and characters.npz: final texts are chosen by media_models.second_look."""
    cpu_threads: int = 0
    """0: the library's choice."""
    partial_every_ms: int = 800
    """Least distance of two partial decodes of one call; 0: no partials, final texts only."""
    partial_beam: int = 1
    final_beam: int = 5
    batch: int = 1
    """Most windows decoded together."""
    agreement: int = 2
    """Successive partial decodes that must agree before a word counts as stable."""
    hold_back_words: int = 1
    """Newest words of a partial that never count as stable."""
    stable_confidence: float = 0.5
    """Mean token probability that a partial needs before further words of it count as stable."""
    rival_share: float = 0.9
    """Share of the probability of all readings of the beam that must begin with the stable words (partial_beam > 1)."""
    decode_deadline_s: float = 20.0
    """A worker that owes an answer for longer is replaced."""

    @classmethod
    def read(cls, folder: Path, device: str = "cpu") -> "EngineProfile":
        """engine.json of a model folder over the table's row for its name and device."""
        path = folder / "engine.json"
        if not path.exists():
            return cls(**{"name": folder.name, **policy_for(folder.name, device)})
        try:
            content = json.loads(path.read_text("utf-8"))
            content["languages"] = tuple(content.get("languages", ()))
            profile = cls(**{**policy_for(content.get("name", folder.name), device), **content})
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"{path} is not readable: {error}. Get the model again or remove the file."
            ) from error
        profile.check(path)
        return profile

    @property
    def stability(self) -> StabilityRule:
        return StabilityRule(self.agreement, self.hold_back_words, self.stable_confidence, self.rival_share)

    def check(self, path: Path) -> None:
        """ConfigurationError: a number that cannot be worked with, named."""
        least = {
            **dict.fromkeys(("window_s", "decode_deadline_s", "batch", "partial_beam", "final_beam", "agreement"), 1),
            **dict.fromkeys(("hold_back_words", "partial_every_ms", "stable_confidence", "rival_share"), 0),
            **dict.fromkeys(("trim_padding_frames", "partial_padding_frames"), 0),
        }
        for name, bound in least.items():
            value = getattr(self, name)
            if not isinstance(value, int | float) or value < bound:
                raise ConfigurationError(f"{path}: {name} is {value!r}, it must be {bound} or more")
