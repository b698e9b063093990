"""A caller's lines as the agent hears them on the phone: spoken by the embedded voice, recognised by its ears."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from agent.language.speech import to_speech
from media_models.engines import Engines, EngineSettings, build_engines

RATE_HZ = 8_000
_SILENCE = b"\0\0" * (RATE_HZ // 5)


@contextlib.asynccontextmanager
async def spoken_lines() -> AsyncIterator[Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]]:
    """Makes of a scenario the same one with its Russian lines and answers as recognised. Equal lines are heard once."""
    known: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="ai-admin-ears-") as folder:
        engines = build_engines(EngineSettings(Path(folder), Path(folder), rate_hz=RATE_HZ, cache_bytes=0))
        await engines.warm_up()

        async def heard(text: str) -> str:
            if text not in known:
                known[text] = await _recognised(engines, text)
            return known[text]

        async def through_speech(scenario: dict[str, Any]) -> dict[str, Any]:
            if scenario.get("channel") != "phone" or scenario.get("language", "ru") != "ru":
                return scenario
            lines = [await heard(line) if isinstance(line, str) else line for line in scenario.get("lines", [])]
            answers = {
                key: await heard(value) if isinstance(value, str) else value
                for key, value in (scenario.get("answers") or {}).items()
            }
            return {**scenario, "lines": lines, "answers": answers}

        try:
            yield through_speech
        finally:
            await engines.close()


async def _recognised(engines: Engines, text: str) -> str:
    stream = engines.recognizer.open_stream(RATE_HZ)
    try:
        stream.feed(_SILENCE)
        async for piece in engines.synthesizer.synthesize(to_speech(text)):
            stream.feed(piece)
        stream.feed(_SILENCE)
        return (await stream.final()).text or text
    finally:
        stream.close()
