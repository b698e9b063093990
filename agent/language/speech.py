"""The spoken form of what the agent says, by language."""

from agent.language.en.spoken import to_speech as _english
from agent.language.ru.spoken import StressHook
from agent.language.ru.spoken import to_speech as _russian


def to_speech(text: str, language: str = "ru", stress: StressHook | None = None) -> str:
    """Words for a synthesiser of the language ("ru" or "en"); `stress` adds an engine's own marks, Russian only."""
    return _english(text) if language == "en" else _russian(text, stress)
