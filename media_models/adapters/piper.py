"""Synthesiser: a Piper voice file, the natural voice that one command installs."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import ConfigurationError
from media_models.pronunciation import Lexicon
from media_models.speech_worker.wire import WorkerOptions
from media_models.worker_pool import WorkerPool

SILENCE_DEADLINE_S = 12.0
"""A clause of 140 letters takes 1 to 3 s on one slow core."""


@dataclass(frozen=True, slots=True)
class PiperOptions:
    rate_hz: int = 8_000
    """Of what synthesize() yields."""
    length_scale: float | None = None
    """More than 1 is slower; None: as the voice was trained."""
    speaker_id: int | None = None
    """For a voice file with several speakers."""
    workers: int = 1
    """Each holds the voice in memory (about 150 MB) and uses a core while it speaks."""


class PiperSynthesizer:
    """Implements Synthesizer. A voice speaks one language: give texts of others to another engine."""

    def __init__(
        self, model: Path, options: PiperOptions | None = None, lexicons: Mapping[str, Lexicon] | None = None
    ) -> None:
        """model: the .onnx file; its .onnx.json lies beside it."""
        options = options or PiperOptions()
        for path in (model, model.with_name(model.name + ".json")):
            if not path.is_file():
                raise ConfigurationError(f"the Piper voice needs {path}. Get it with: ai-admin models get <voice>")
        settings = {
            "model": str(model),
            "length_scale": options.length_scale,
            "speaker_id": options.speaker_id,
        }
        self.rate_hz = options.rate_hz
        self.name = f"piper {model.stem}"
        self._lexicons = dict(lexicons) if lexicons is not None else {"ru": Lexicon.shipped("ru")}
        said = sorted(self._lexicons.items())
        self.fingerprint = f"piper {model.stem} {model.stat().st_size} {settings} {options.rate_hz} {said}"
        """All that decides how a text sounds: for caches."""
        self._pool = WorkerPool(
            WorkerOptions("piper", options.rate_hz, settings), options.workers, silence_deadline_s=SILENCE_DEADLINE_S
        )

    def synthesize(self, text: str, language: str = "ru") -> AsyncIterator[bytes]:
        lexicon = self._lexicons.get(language) or Lexicon({})
        return self._pool.speak(lexicon.for_piper(text), language)

    async def warm_up(self) -> None:
        await self._pool.warm_up()

    async def close(self) -> None:
        await self._pool.close()
