"""What an adapter keeps with us about a company's connection: tokens, facts about bookings that the CRM cannot hold.

Protocols; `crm.vendor.repository` keeps them in PostgreSQL, `Memory…` in a dict (checks without a company, tests).
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class TokenStore(Protocol):
    """The OAuth tokens of one connection, as a small JSON object."""

    async def read(self) -> Mapping[str, Any]:
        """Empty: none yet."""
        ...

    def exclusive(self) -> AbstractAsyncContextManager["TokenWriter"]:
        """One holder over all processes. Read again inside: another may have renewed the tokens meanwhile."""
        ...


class TokenWriter(Protocol):
    async def read(self) -> Mapping[str, Any]: ...

    async def write(self, tokens: Mapping[str, Any]) -> None:
        """Durable when it returns, even if the process dies in the next instant."""
        ...


class LinkStore(Protocol):
    """Facts beside the CRM's own records, by kind and key: which master a booking has where the CRM does not say."""

    async def get(self, kind: str, key: str) -> Mapping[str, Any] | None: ...

    async def put(self, kind: str, key: str, data: Mapping[str, Any]) -> None: ...

    async def delete(self, kind: str, key: str) -> None: ...

    async def find(self, kind: str, field: str, value: str) -> Mapping[str, Mapping[str, Any]]:
        """Key to data of the links whose data has this text in this field."""
        ...


class MemoryTokens:
    """For one process: checks before a connection is stored, and tests."""

    def __init__(self, tokens: Mapping[str, Any] | None = None) -> None:
        self.tokens: dict[str, Any] = dict(tokens or {})
        self._lock = asyncio.Lock()

    async def read(self) -> Mapping[str, Any]:
        return dict(self.tokens)

    @contextlib.asynccontextmanager
    async def exclusive(self) -> AsyncIterator["MemoryTokens"]:
        async with self._lock:
            yield self

    async def write(self, tokens: Mapping[str, Any]) -> None:
        self.tokens = dict(tokens)


class MemoryLinks:
    def __init__(self) -> None:
        self.rows: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)

    async def get(self, kind: str, key: str) -> Mapping[str, Any] | None:
        return self.rows[kind].get(key)

    async def put(self, kind: str, key: str, data: Mapping[str, Any]) -> None:
        self.rows[kind][key] = dict(data)

    async def delete(self, kind: str, key: str) -> None:
        self.rows[kind].pop(key, None)

    async def find(self, kind: str, field: str, value: str) -> Mapping[str, Mapping[str, Any]]:
        return {key: data for key, data in self.rows[kind].items() if data.get(field) == value}
