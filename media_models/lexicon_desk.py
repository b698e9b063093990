"""Editing a company's pronunciation lexicon and hearing it: what the command line and the admin API do."""

import asyncio
import io
import wave
from collections.abc import Callable, Sequence
from contextlib import aclosing

from core.errors import DeadlineExceeded, InvalidInput
from core.tenancy import CompanyScope
from media_models.adapters.espeak import EspeakOptions, EspeakSynthesizer
from media_models.lexicon import CompanyLexicon, Pronunciation, SpokenForm, pronunciation
from media_models.lexicon_store import LexiconStore
from media_models.ports import Synthesizer

LONGEST_TEXT = 300
SAY_DEADLINE_S = 20.0
"""For a whole sentence; a cold Piper voice needs 2 s to start."""
AT_ONCE = 2
"""Sentences that are made at the same time: calls come first."""


class LexiconDesk:
    """Its engines start with the first use and end with close(). One event loop."""

    def __init__(self, store: LexiconStore, spoken_form: SpokenForm, build_voice: Callable[[], Synthesizer]) -> None:
        """build_voice: the voice that callers hear."""
        self._store = store
        self._spoken_form = spoken_form
        self._build_voice = build_voice
        self._phonemizer = EspeakSynthesizer(EspeakOptions(workers=1))
        self._voice: Synthesizer | None = None
        self._building = asyncio.Lock()
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def list(self, scope: CompanyScope) -> Sequence[Pronunciation]:
        return await self._store.list(scope)

    async def set(self, scope: CompanyScope, word: str, said: str, language: str = "ru") -> tuple[Pronunciation, bool]:
        """The entry as it is kept now, and whether it is new. InvalidInput names the field and the remedy."""
        entry = await self._checked(word, said, language)
        return entry, await self._store.set(scope, entry)

    async def remove(self, scope: CompanyScope, word: str, language: str = "ru") -> Pronunciation:
        return await self._store.remove(scope, word, language)

    async def say(self, scope: CompanyScope, text: str, language: str = "ru", said: str = "") -> bytes:
        """A WAV file of the text as this company's callers hear it: 16 bit, mono, telephone rate.

        said: tries this saying of the text without keeping it.
        """
        text = text.strip()
        if not 1 <= len(text) <= LONGEST_TEXT:
            raise InvalidInput(f"text: give 1 to {LONGEST_TEXT} characters to say")
        if said:
            entry = await self._checked(text, said, language)
            lexicon, spoken = CompanyLexicon([entry]), entry.spoken
        else:
            lexicon, spoken = await self._store.lexicon(scope), self._spoken_form(text, language)
        async with self._turn:
            return await self._render(lexicon.mark(spoken, language), language)

    async def phonemes(self, word: str, language: str = "ru") -> str:
        """espeak-ng's mnemonics of a word without any lexicon: where a correction begins."""
        said = await self._phonemizer.phonemes(self._spoken_form(word, language), language)
        return " ".join(said["mnemonics"])

    async def close(self) -> None:
        await self._phonemizer.close()
        if self._voice is not None:
            await self._voice.close()

    async def _checked(self, word: str, said: str, language: str) -> Pronunciation:
        return await pronunciation(language, word, said, self._phonemizer, self._spoken_form)

    async def _render(self, marked: str, language: str) -> bytes:
        async with self._building:
            if self._voice is None:
                self._voice = await asyncio.to_thread(self._build_voice)
            voice = self._voice
        pcm = bytearray()
        try:
            async with (
                asyncio.timeout(SAY_DEADLINE_S),
                aclosing(voice.synthesize(marked, language)) as pieces,  # type: ignore[type-var]
            ):
                async for piece in pieces:
                    pcm += piece
        except TimeoutError:
            raise DeadlineExceeded("the voice did not finish in time", timeout_s=SAY_DEADLINE_S) from None
        file = io.BytesIO()
        with wave.open(file, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(voice.rate_hz)
            sound.writeframes(bytes(pcm))
        return file.getvalue()
