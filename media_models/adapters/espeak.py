"""Synthesiser: espeak-ng, the voice that comes with the product. Clear, quick (first audio in 2 ms), robotic."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from media_models.pronunciation import Lexicon
from media_models.speech_worker.wire import WorkerOptions
from media_models.worker_pool import WorkerPool

SILENCE_DEADLINE_S = 3.0


@dataclass(frozen=True, slots=True)
class EspeakOptions:
    """The defaults are the female voice that the embedded recogniser understands best over a telephone band."""

    rate_hz: int = 8_000
    """Of what synthesize() yields: 8000 for the telephone, 16000 or 24000 elsewhere."""
    voices: Mapping[str, str] = field(default_factory=lambda: {"ru": "ru+f1", "en": "en-us+f1"})
    """Language to espeak voice with an optional variant."""
    words_per_minute: int = 145
    pitch: int = 50
    """0 to 100, relative to the variant's own."""
    pitch_range: int = 50
    """0 to 100: how lively."""
    workers: int = 2


class EspeakSynthesizer:
    """Implements Synthesizer."""

    def __init__(self, options: EspeakOptions | None = None, lexicons: Mapping[str, Lexicon] | None = None) -> None:
        options = options or EspeakOptions()
        settings = {
            "voices": dict(options.voices),
            "words_per_minute": options.words_per_minute,
            "pitch": options.pitch,
            "pitch_range": options.pitch_range,
        }
        self.rate_hz = options.rate_hz
        self.name = f"espeak-ng {options.voices.get('ru', 'ru')}"
        self._lexicons = dict(lexicons) if lexicons is not None else {"ru": Lexicon.shipped("ru")}
        self.fingerprint = f"espeak {settings} {options.rate_hz} {sorted(self._lexicons.items())}"
        """All that decides how a text sounds: for caches."""
        self._pool = WorkerPool(
            WorkerOptions("espeak", options.rate_hz, settings), options.workers, silence_deadline_s=SILENCE_DEADLINE_S
        )

    def synthesize(self, text: str, language: str = "ru") -> AsyncIterator[bytes]:
        lexicon = self._lexicons.get(language) or Lexicon({})
        return self._pool.speak(lexicon.for_espeak(text), language)

    async def phonemes(self, text: str, language: str) -> dict[str, list[str]]:
        """ "mnemonics" and "ipa" of a text, a word each; stress marks (U+0301) are obeyed, [[mnemonics]] checked.
        InvalidInput: what is wrong with the text."""
        return await self._pool.phonemes(text, language)

    async def warm_up(self) -> None:
        await self._pool.warm_up()

    async def close(self) -> None:
        await self._pool.close()
