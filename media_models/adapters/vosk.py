"""Recogniser: a Vosk (Kaldi) model, through the package `vosk`, which is optional and imported only here.

KaldiRecognizer (github.com/alphacep/vosk-api, python/vosk/__init__.py and src/vosk_api.h) takes 16-bit mono PCM and
says 1 when it noticed a pause: then Result() holds the utterance, and the next one begins. PartialResult() is the text
of the utterance under way, FinalResult() ends it. All calls go through one decode thread; libvosk runs without the GIL.

The grammar argument of KaldiRecognizer is not used for vocabulary hints. It replaces the language model: the
recogniser then hears nothing but the given phrases and bends everything else to them or to [unk]. That suits a voice
menu, not a caller who says what she likes; and models with a static graph (the big Russian one) do not support it.
"""

import importlib
import itertools
import json
import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigurationError, Unavailable
from media_models.catalogue import EngineKind
from media_models.incremental import Hypothesis, IncrementalRecognizer
from media_models.optional import missing_package, package_needed

DEFAULT_RATE_HZ = 16_000
"""Kaldi's own, where the features' settings name none."""
LEAST_CONFIDENCE = 1e-4
PARTIAL_LATE_S = 0.4
"""How far a partial result lags behind the audio: the 0.2 s steps in which vosk's recognizer.cc hands audio to the
decoder, and the audio to the right that a Kaldi network wants to see. An estimate on the safe side."""


class KaldiRecognizer(Protocol):
    """What this adapter uses of vosk.KaldiRecognizer."""

    def SetWords(self, enable_words: bool) -> None: ...  # noqa: N802
    def AcceptWaveform(self, data: bytes) -> int: ...  # noqa: N802
    def Result(self) -> str: ...  # noqa: N802
    def PartialResult(self) -> str: ...  # noqa: N802
    def FinalResult(self) -> str: ...  # noqa: N802


class VoskModule(Protocol):
    """What this adapter uses of the module vosk."""

    def SetLogLevel(self, level: int) -> None: ...  # noqa: N802
    def Model(self, model_path: str) -> Any: ...  # noqa: N802
    def KaldiRecognizer(self, model: Any, rate_hz: float) -> KaldiRecognizer: ...  # noqa: N802


def import_vosk() -> VoskModule:
    """ConfigurationError: the package is not installed (the message names the command), or its library does not load
    on this machine."""
    missing = missing_package(EngineKind.VOSK)
    if missing is not None:
        raise package_needed(EngineKind.VOSK, missing)
    try:
        return cast("VoskModule", importlib.import_module("vosk"))
    except (ImportError, OSError, TypeError) as error:  # TypeError: vosk's own word for an unknown platform
        raise ConfigurationError(f"the package vosk does not load on this machine: {error}") from error


class VoskDecoder:
    """Implements IncrementalDecoder."""

    def __init__(self, recognizer: KaldiRecognizer, rate_hz: int) -> None:
        recognizer.SetWords(True)
        self._late_samples = int(PARTIAL_LATE_S * rate_hz)
        self._accepted = 0
        self._recognizer = recognizer
        self._utterances: list[str] = []
        """Finished ones: they do not change any more."""
        self._log_confidence = 0.0
        self._words = 0
        self._previous: list[str] = []
        """Words of the partial result before."""

    def accept(self, samples: NDArray[np.int16]) -> None:
        try:
            ended = self._recognizer.AcceptWaveform(samples.astype("<i2").tobytes())
        except Exception as error:  # vosk raises plain Exception
            raise Unavailable("Vosk failed to process audio", engine="vosk") from error
        self._accepted += len(samples)
        if ended:
            self._keep(json.loads(self._recognizer.Result()))

    def covered(self) -> int:
        return max(0, self._accepted - self._late_samples)

    def partial(self) -> Hypothesis:
        under_way = _clean(json.loads(self._recognizer.PartialResult()).get("partial", ""))
        kept = " ".join(self._utterances)
        text = " ".join(part for part in (kept, under_way) if part)
        stable = max(len(kept), self._agreed_chars(text.split()))
        return Hypothesis(text, stable, self._confidence() if text else 0.0)

    def final(self) -> Hypothesis:
        """Ends the utterance. Audio that follows begins a new one, whose words are added: a final result is asked for
        in a pause, where Kaldi itself would cut too."""
        self._keep(json.loads(self._recognizer.FinalResult()))
        text = " ".join(self._utterances)
        return Hypothesis(text, len(text), self._confidence() if text else 0.0)

    def _agreed_chars(self, words: list[str]) -> int:
        """How much of the text the partial result before had too: Kaldi's newest words still change."""
        pairs = zip(self._previous, words, strict=False)
        agreed = [word for word, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)]
        self._previous = words
        return len(" ".join(agreed))

    def _keep(self, result: dict[str, Any]) -> None:
        text = _clean(result.get("text", ""))
        if not text:
            return
        self._utterances.append(text)
        for word in result.get("result", ()):
            self._log_confidence += math.log(min(1.0, max(LEAST_CONFIDENCE, float(word["conf"]))))
            self._words += 1

    def _confidence(self) -> float:
        """Geometric mean over the words of finished utterances; 1.0 before the first."""
        return math.exp(self._log_confidence / self._words) if self._words else 1.0


class VoskRecognizer(IncrementalRecognizer):
    """Implements Recognizer. The model is loaded at warm_up() or the first decode."""

    def __init__(self, folder: Path, name: str = "", vosk: VoskModule | None = None) -> None:
        """folder: an unpacked Vosk model (am/, conf/, graph/ …). ConfigurationError: it is none, or the package vosk
        is not installed."""
        conf = folder / "conf"
        if not (folder / "am" / "final.mdl").is_file() or not conf.is_dir():
            raise ConfigurationError(
                f"no Vosk model in {folder}: am/final.mdl or conf/ is missing. "
                "Install one with: ai-admin models get vosk-small-ru"
            )
        module = vosk or import_vosk()
        rate_hz = model_rate_hz(conf)
        super().__init__(name or folder.name, rate_hz, partial(_start, module, _once(module, folder), rate_hz))


def model_rate_hz(conf: Path) -> int:
    """The rate that the model's features are made for. Audio goes in at this rate: Kaldi refuses a lower one
    (--allow-upsample), and what it does with a higher one is its own, coarser resampling."""
    for name in ("mfcc.conf", "fbank.conf"):
        path = conf / name
        if path.is_file():
            found = re.search(r"^\s*--sample-frequency=(\d+)", path.read_text("utf-8", errors="replace"), re.MULTILINE)
            return int(found.group(1)) if found else DEFAULT_RATE_HZ
    return DEFAULT_RATE_HZ


def _start(module: VoskModule, model: Callable[[], Any], rate_hz: int) -> VoskDecoder:
    try:
        return VoskDecoder(module.KaldiRecognizer(model(), float(rate_hz)), rate_hz)
    except ConfigurationError:
        raise
    except Exception as error:  # vosk raises plain Exception
        raise ConfigurationError(f"Vosk does not start a recogniser at {rate_hz} Hz: {error}") from error


def _once(module: VoskModule, folder: Path) -> Callable[[], Any]:
    """Loads the model at the first call and keeps it. The decode thread alone calls."""
    made: list[Any] = []

    def get() -> Any:
        if not made:
            module.SetLogLevel(-1)  # Kaldi writes every step of loading to the error output
            try:
                made.append(module.Model(str(folder)))
            except Exception as error:  # vosk raises plain Exception
                raise ConfigurationError(
                    f"the Vosk model in {folder} cannot be loaded: {error}. Get it again with ai-admin models get"
                ) from error
        return made[0]

    return get


def _clean(text: str) -> str:
    """Without the mark of a word that is not in the vocabulary."""
    return " ".join(word for word in text.split() if word not in ("[unk]", "<unk>", "<UNK>"))
