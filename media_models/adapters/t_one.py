"""Recogniser: T-one, a streaming acoustic model for Russian telephone speech (CTC, 8 kHz, 71 million parameters).

The ONNX graph is run directly: T-one's own package wants kenlm and pyctcdecode, which only its beam search needs (and
that a 5.5 GB language model). What the graph takes and gives is read from the model's repository,
github.com/voicekit-team/T-one: `tone/onnx_wrapper.py`, `tone/decoder.py`, `tone/pipeline.py` and
`configs/streaming_acoustic/config.pbtxt`:

- `signal` int32 [batch, 2400, 1]: 300 ms at 8 kHz, samples in -32768..32767, not scaled;
- `state` float16 [batch, 219729]: zeros at the start of a turn, then `state_next` of the chunk before;
- `logprobs` float32 [batch, 10, 35]: one row for 30 ms, over LABELS and, last, the blank;
- the text of a frame comes out 0.33 s late, and the model was trained with 300 ms of silence on both sides.

Greedy decoding: the likeliest symbol of each frame, repeats merged, blanks dropped. Its text only ever grows, so all
complete words of a partial result are stable.
"""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray

from core.errors import ConfigurationError
from media_models.incremental import Hypothesis, IncrementalRecognizer
from media_models.segments import frame_levels_dbfs

RATE_HZ = 8_000
CHUNK_SAMPLES = 2_400
LABELS = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя "
"""Symbols 0 to 33; symbol 34 is the blank."""
BLANK = len(LABELS)
LATE_SAMPLES = 2_640
"""0.33 s: how long after a sound its letter comes out (MEAN_TIME_BIAS of tone/onnx_wrapper.py)."""
QUIET_DBFS = -50.0
"""20 ms below this hold no letter: after enough of them nothing more is to come out."""
QUIET_PEAK = 104
"""The same as a magnitude of one sample."""
MOST_THREADS = 4
"""T-one's makers recommend four cores; a chunk does not get faster with more."""

State = NDArray[np.float16]
LogProbabilities = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class GreedyText:
    """CTC text that grows by frames. Immutable: a turn that may go on keeps the old one."""

    letters: str = ""
    previous: int = BLANK
    """Symbol of the last frame: the same again is no new letter."""
    log_probability: float = 0.0
    """Summed over the letters."""

    def with_frames(self, logprobs: LogProbabilities) -> "GreedyText":
        """logprobs: [frames, 35], natural logarithms."""
        letters, previous, total = [self.letters], self.previous, self.log_probability
        for frame, symbol in enumerate(logprobs.argmax(axis=1).tolist()):
            if symbol not in (previous, BLANK):
                letters.append(LABELS[symbol])
                total += float(logprobs[frame, symbol])
            previous = symbol
        return GreedyText("".join(letters), previous, total)

    def hypothesis(self) -> Hypothesis:
        text = " ".join(self.letters.split())
        if not text:
            return Hypothesis()
        whole = text if self.letters.endswith(" ") else text.rpartition(" ")[0]
        return Hypothesis(text, len(whole), min(1.0, math.exp(self.log_probability / len(self.letters))))


class TOneModel:
    """The ONNX graph. Blocking; one thread uses it."""

    def __init__(self, path: Path, device: str = "cpu", threads: int | None = None) -> None:
        """threads: None takes the cores there are, at most four. ConfigurationError: no such file, not this model, or
        no such device."""
        if not path.is_file():
            raise ConfigurationError(f"no speech model at {path}. Install it with: ai-admin models get t-one")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or max(1, min(MOST_THREADS, os.cpu_count() or 1))
        options.inter_op_num_threads = 1
        # A pool that spins between chunks burns the cores that the calls need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = _providers(device)
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # onnxruntime's errors have no common base but Exception
            raise ConfigurationError(
                f"the speech model {path} cannot be loaded on {device}: {type(error).__name__}. "
                "Get it again: ai-admin models remove t-one && ai-admin models get t-one"
            ) from error
        self.state_size = _check_interface(path, self._session)
        silence = np.zeros(CHUNK_SAMPLES, np.int16)
        self.primed, _ = self.run(silence, np.zeros((1, self.state_size), np.float16))
        """State after the 300 ms of silence that every turn begins with: computed once for all."""

    def run(self, samples: NDArray[np.int16], state: State) -> tuple[State, LogProbabilities]:
        """One chunk of 2400 samples. Returns the next state [1, N] and log probabilities [frames, 35]."""
        signal = samples.astype(np.int32).reshape(1, CHUNK_SAMPLES, 1)
        logprobs, state_next = self._session.run(["logprobs", "state_next"], {"signal": signal, "state": state})
        return state_next, logprobs[0]


class TOneDecoder:
    """Implements IncrementalDecoder."""

    def __init__(self, model: TOneModel) -> None:
        self._model = model
        self._state = model.primed
        self._text = GreedyText()
        self._rest = np.zeros(0, np.int16)
        """What does not fill a chunk yet."""
        self._decoded = 0
        self._accepted = 0
        self._voiced_until = 0
        """In samples since the start of the turn, as the two before."""

    def accept(self, samples: NDArray[np.int16]) -> None:
        voiced = _voiced_until(samples)
        self._voiced_until = self._accepted + voiced if voiced else self._voiced_until
        self._accepted += len(samples)
        audio = np.concatenate([self._rest, samples])
        whole = len(audio) // CHUNK_SAMPLES * CHUNK_SAMPLES
        self._state, self._text = self._run(audio[:whole], self._state, self._text)
        self._rest = audio[whole:]
        self._decoded += whole

    def covered(self) -> int:
        return max(0, self._decoded - LATE_SAMPLES)

    def partial(self) -> Hypothesis:
        return self._text.hypothesis()

    def final(self) -> Hypothesis:
        """Runs what is left of the speech, and silence until its last letter is out, on a copy of the state, so that
        the turn may go on afterwards. Speech that ended 0.33 s ago or more costs one chunk or none."""
        left = self._voiced_until + LATE_SAMPLES - self._decoded
        padded = np.zeros(max(0, -(-left // CHUNK_SAMPLES)) * CHUNK_SAMPLES, np.int16)
        kept = self._rest[: len(padded)]
        padded[: len(kept)] = kept
        return self._run(padded, self._state, self._text)[1].hypothesis()

    def _run(self, audio: NDArray[np.int16], state: State, text: GreedyText) -> tuple[State, GreedyText]:
        for start in range(0, len(audio), CHUNK_SAMPLES):
            state, logprobs = self._model.run(audio[start : start + CHUNK_SAMPLES], state)
            text = text.with_frames(logprobs)
        return state, text


class TOneRecognizer(IncrementalRecognizer):
    """Implements Recognizer. The graph is loaded at warm_up() or the first decode.

    Russian only. Vocabulary hints are not used: greedy CTC writes the letters it hears and has no lexicon to favour."""

    def __init__(self, folder: Path, device: str = "cpu", threads: int | None = None) -> None:
        """folder holds model.onnx."""
        path = folder / "model.onnx"
        if not path.is_file():
            raise ConfigurationError(f"no speech model in {folder}: model.onnx is missing. "
                                     "Install it with: ai-admin models get t-one")  # fmt: skip
        super().__init__("t-one", RATE_HZ, partial(_start, _once(partial(TOneModel, path, device, threads))))


def _voiced_until(samples: NDArray[np.int16]) -> int:
    """Where the last sound ends, in samples; 0: it is quiet throughout. What does not fill 20 ms counts as sound."""
    loud = np.flatnonzero(frame_levels_dbfs(samples, RATE_HZ) >= QUIET_DBFS)
    hop = RATE_HZ // 50
    if len(samples) % hop and np.abs(samples[len(samples) // hop * hop :].astype(np.int32)).max() >= QUIET_PEAK:
        return len(samples)
    return (int(loud[-1]) + 1) * hop if len(loud) else 0


def _start(model: Callable[[], TOneModel]) -> TOneDecoder:
    return TOneDecoder(model())


def _once(make: Callable[[], TOneModel]) -> Callable[[], TOneModel]:
    """Makes the model at the first call and keeps it. The decode thread alone calls."""
    made: list[TOneModel] = []

    def get() -> TOneModel:
        if not made:
            made.append(make())
        return made[0]

    return get


def _providers(device: str) -> list[str]:
    if device == "cpu":
        return ["CPUExecutionProvider"]
    cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cuda" and not cuda:
        raise ConfigurationError("T-one on cuda needs the package onnxruntime-gpu in place of onnxruntime")
    return ["CUDAExecutionProvider", "CPUExecutionProvider"] if cuda else ["CPUExecutionProvider"]


def _check_interface(path: Path, session: Any) -> int:
    """Compares the graph with what this adapter was written for, and returns the size of the state."""
    takes = {item.name: (item.type, list(item.shape)) for item in session.get_inputs()}
    gives = {item.name: (item.type, list(item.shape)) for item in session.get_outputs()}

    def matches(found: tuple[str, list[Any]] | None, kind: str, shape: list[int | None]) -> bool:
        """None in shape: any size, also a named or an unknown one."""
        return (
            found is not None
            and found[0] == kind
            and len(found[1]) == len(shape)
            and all(right is None or size == right or not isinstance(size, int)
                    for size, right in zip(found[1], shape, strict=True))
        )  # fmt: skip

    state_type, state_shape = takes.get("state", ("", []))
    size = state_shape[1] if len(state_shape) == 2 else None
    right = (
        set(takes) == {"signal", "state"}
        and matches(takes.get("signal"), "tensor(int32)", [None, CHUNK_SAMPLES, 1])
        and matches((state_type, state_shape), "tensor(float16)", [None, None])
        and isinstance(size, int)
        and matches(gives.get("logprobs"), "tensor(float)", [None, None, BLANK + 1])
        and matches(gives.get("state_next"), "tensor(float16)", [None, size])
    )
    if not right or not isinstance(size, int):
        raise ConfigurationError(
            f"{path} is not the T-one model this program knows: it takes {takes} and gives {gives}. "
            "Get it again: ai-admin models remove t-one && ai-admin models get t-one"
        )
    return size
