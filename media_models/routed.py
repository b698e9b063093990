"""One synthesizer for several languages: each text goes to the engine of its language."""

from collections.abc import AsyncIterator, Mapping

from core.errors import ConfigurationError
from media_models.ports import Synthesizer


class RoutedSynthesizer:
    """Implements Synthesizer. All engines have one rate."""

    def __init__(self, by_language: Mapping[str, Synthesizer], fallback: Synthesizer) -> None:
        rates = {engine.rate_hz for engine in (*by_language.values(), fallback)}
        if len(rates) > 1:
            raise ConfigurationError(f"the voices have different rates: {sorted(rates)}")
        self._by_language = dict(by_language)
        self._fallback = fallback
        self.rate_hz = fallback.rate_hz
        named = [f"{language}: {engine.name}" for language, engine in self._by_language.items()]
        self.name = ", ".join([*named, f"else: {fallback.name}"]) if named else fallback.name
        self.fingerprint = "|".join(
            f"{language}={getattr(engine, 'fingerprint', engine.name)}"
            for language, engine in [*self._by_language.items(), ("else", fallback)]
        )

    def synthesize(self, text: str, language: str = "ru") -> AsyncIterator[bytes]:
        return self._by_language.get(language, self._fallback).synthesize(text, language)

    async def warm_up(self) -> None:
        for engine in self._engines():
            await engine.warm_up()

    async def close(self) -> None:
        for engine in self._engines():
            await engine.close()

    def _engines(self) -> list[Synthesizer]:
        """Each engine once, though it may serve several languages."""
        unique: list[Synthesizer] = []
        for engine in (*self._by_language.values(), self._fallback):
            if all(engine is not known for known in unique):
                unique.append(engine)
        return unique
