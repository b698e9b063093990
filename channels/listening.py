"""Voice notes: fetched, decoded and given to the recogniser; the words stand in the history from then on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from channels.adapters_open import OpenAccount
from channels.burst import Heard, Item
from channels.model import Kind, Media
from channels.timings import Timings
from core.database import Database
from core.errors import AppError
from core.tenancy import CompanyScope

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Transcribed:
    text: str
    """Empty: nothing was understood."""
    confidence: float = 1.0
    seconds: float = 0.0
    """Of audio."""


class Transcriber(Protocol):
    async def transcribe(self, scope: CompanyScope, audio: bytes, mime_type: str) -> Transcribed:
        """Raises InvalidInput for what is no audio or too long, Unavailable when the recogniser fails."""
        ...


class Listening:
    def __init__(self, database: Database, transcriber: Transcriber | None, timings: Timings) -> None:
        """Without a transcriber every voice note is unclear."""
        self._database = database
        self._transcriber = transcriber
        self._timings = timings

    async def heard(self, opened: OpenAccount, item: Item, text: str, extra: Mapping[str, Any]) -> Heard:
        """Raises what passes by itself (the vendor or the recogniser is away): the burst is tried again."""
        voice = next((m for m in item.event.media if m.kind is Kind.VOICE), None)
        if voice is None:
            return Heard(item, text)
        if "transcribed" in extra:
            return Heard(item, text, unclear=not text)
        words = await self._words(opened, voice)
        text = "\n".join(part for part in (text, words.text) if part)
        async with self._database.company(opened.scope) as conn:
            await conn.execute(
                """update messages set text = $4, extra = extra || $5
                   where company_id = $1 and id = $2 and at = $3""",
                opened.scope.company_id,
                item.message_id,
                item.waiting.at,
                text,
                {"transcribed": {"confidence": round(words.confidence, 3), "seconds": round(words.seconds, 2)}},
            )
        return Heard(item, text, unclear=not text)

    async def _words(self, opened: OpenAccount, voice: Media) -> Transcribed:
        if self._transcriber is None or (voice.duration_s or 0) > self._timings.voice_note_s:
            return Transcribed("", 0.0)
        try:
            audio = await opened.adapter.fetch(voice, self._timings.media_bytes)
            return await self._transcriber.transcribe(opened.scope, audio, voice.mime_type)
        except AppError as error:
            if error.retryable:
                raise
            log.warning("voice_note_not_heard", code=error.code, channel=opened.channel.value)
            return Transcribed("", 0.0)
