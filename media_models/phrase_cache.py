"""Phrases that are spoken again and again start at once: from memory, else from disk, else from the engine.

Memory keeps what was spoken lately. Disk keeps only phrases that were announced as fixed (prepare) or spoken at least
three times: a sentence with somebody's name or number is said once or twice and never reaches the disk.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import structlog

from media_models.phrase_store import PhraseStore
from media_models.pieces import Pieces
from media_models.ports import Synthesizer

USES_BEFORE_DISK = 3
LONGEST_PHRASE_S = 20.0
"""Longer texts are passed through: they are not phrases."""
COUNTED_PHRASES = 5_000
"""How many different phrases are counted at once; the least recent ones are forgotten."""

log = structlog.get_logger(__name__)


class CachedSynthesizer:
    """Implements Synthesizer around another one."""

    def __init__(
        self,
        inner: Synthesizer,
        folder: Path,
        disk_bytes: int = 200_000_000,
        memory_bytes: int = 20_000_000,
        fingerprint: str | None = None,
    ) -> None:
        """fingerprint: all that decides how a text sounds; two engines with one fingerprint share phrases."""
        self._inner = inner
        self.name = inner.name
        self.rate_hz = inner.rate_hz
        self._fingerprint = fingerprint or str(getattr(inner, "fingerprint", inner.name))
        self._store = PhraseStore(folder, inner.rate_hz, disk_bytes)
        self._memory_bytes = memory_bytes
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        self._memory_used = 0
        self._uses: OrderedDict[str, int] = OrderedDict()
        self._fixed: set[str] = set()
        self.hits = 0
        self.misses = 0

    async def prepare(self, phrases: Iterable[str], language: str = "ru") -> None:
        """Renders fixed phrases (greetings, fillers, goodbyes) ahead, and keeps them on disk."""
        for phrase in phrases:
            key = self._key(phrase, language)
            self._fixed.add(key)
            if await self._lookup(key) is None:
                async for _ in self._render(key, phrase, language):
                    pass

    async def synthesize(self, text: str, language: str = "ru") -> AsyncIterator[bytes]:
        key = self._key(text, language)
        self._count(key)
        pcm = await self._lookup(key)
        if pcm is not None:
            self.hits += 1
            if self._uses[key] == USES_BEFORE_DISK:
                await self._keep_on_disk(key, pcm)
            pieces = Pieces(self.rate_hz)
            for piece in pieces.add(pcm):
                yield piece
            for piece in pieces.finish():
                yield piece
            return
        self.misses += 1
        rendering = self._render(key, text, language)
        try:
            async for piece in rendering:
                yield piece
        finally:
            await rendering.aclose()  # type: ignore[attr-defined]  # an async generator: passes the abort on

    async def warm_up(self) -> None:
        await self._inner.warm_up()

    async def close(self) -> None:
        await self._inner.close()

    async def _lookup(self, key: str) -> bytes | None:
        if (pcm := self._memory.get(key)) is not None:
            self._memory.move_to_end(key)
            return pcm
        pcm = await asyncio.to_thread(self._store.read, key)
        if pcm is not None:
            self._remember(key, pcm)
        return pcm

    async def _render(self, key: str, text: str, language: str) -> AsyncIterator[bytes]:
        """Passes on what the engine makes, and keeps it once it is whole."""
        made: list[bytes] | None = []
        size = 0
        source = self._inner.synthesize(text, language)
        try:
            async for piece in source:
                if made is not None:
                    made.append(piece)
                    size += len(piece)
                    if size > LONGEST_PHRASE_S * self.rate_hz * 2:
                        made = None
                yield piece
        finally:
            await source.aclose()  # type: ignore[attr-defined]
        if made:
            pcm = b"".join(made)
            self._remember(key, pcm)
            if key in self._fixed or self._uses.get(key, 0) >= USES_BEFORE_DISK:
                await self._keep_on_disk(key, pcm)

    async def _keep_on_disk(self, key: str, pcm: bytes) -> None:
        try:
            await asyncio.to_thread(self._store.write, key, pcm)
        except OSError as error:
            log.warning("phrase_not_stored", reason=error.strerror)

    def _remember(self, key: str, pcm: bytes) -> None:
        self._memory_used += len(pcm) - len(self._memory.pop(key, b""))
        self._memory[key] = pcm
        while self._memory_used > self._memory_bytes and self._memory:
            _, dropped = self._memory.popitem(last=False)
            self._memory_used -= len(dropped)

    def _count(self, key: str) -> None:
        self._uses[key] = self._uses.pop(key, 0) + 1
        if len(self._uses) > COUNTED_PHRASES:
            self._uses.popitem(last=False)

    def _key(self, text: str, language: str) -> str:
        """The file name tells nothing of the text."""
        said = f"{self._fingerprint}\0{self.rate_hz}\0{language}\0{text}"
        return hashlib.sha256(said.encode()).hexdigest()[:40]
