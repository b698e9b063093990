"""OAuth 2.0 tokens (RFC 6749) of one connection: renewed once however many ask, and stored before they are used.

Several vendors give a refresh token that dies with its first use: two processes that renew at once, or one that dies
between the answer and the disk, lose the account. So the renewal has one holder over all processes, looks first
whether another has renewed meanwhile, and writes before it returns.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.clock import Clock
from core.outside_http import AccessDenied
from crm.vendor.storage import TokenStore

EARLY = timedelta(seconds=60)
"""A token that ends so soon is renewed before it is used."""


@dataclass(frozen=True, slots=True)
class Tokens:
    access: str
    refresh: str = ""
    expires_at: datetime | None = None
    """None: it does not end, or the vendor does not say."""
    extra: Mapping[str, Any] | None = None
    """What else came with the tokens and is needed later (Bitrix24: client_endpoint)."""

    def to_json(self) -> dict[str, Any]:
        return {
            "access": self.access,
            "refresh": self.refresh,
            "expires_at": self.expires_at.isoformat() if self.expires_at else None,
            "extra": dict(self.extra or {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Tokens | None":
        if not data.get("access") and not data.get("refresh"):
            return None
        ends = data.get("expires_at")
        return cls(
            str(data.get("access") or ""),
            str(data.get("refresh") or ""),
            datetime.fromisoformat(ends) if ends else None,
            data.get("extra") or {},
        )


Renew = Callable[[Tokens | None], Awaitable[Tokens]]
"""Gets new tokens from the vendor. None: there were none yet (password or code grant). Raises AccessDenied when the
vendor refuses for good, Unavailable when it may work later."""


class TokenKeeper:
    def __init__(self, store: TokenStore, renew: Renew, clock: Clock, remedy_ru: str) -> None:
        self._store = store
        self._renew = renew
        self._clock = clock
        self._remedy = remedy_ru

    async def current(self) -> Tokens:
        """Tokens that are good for the next minute."""
        tokens = Tokens.from_json(await self._store.read())
        if tokens is not None and tokens.access and not self._ends_soon(tokens):
            return tokens
        return await self._renewed(tokens)

    async def after_refusal(self, refused: Tokens) -> Tokens:
        """The vendor answered 401 to these tokens: those that replaced them, or new ones."""
        return await self._renewed(refused)

    async def _renewed(self, old: Tokens | None) -> Tokens:
        async with self._store.exclusive() as writer:
            stored = Tokens.from_json(await writer.read())
            renewed = stored is not None and stored.access and (old is None or stored.access != old.access)
            if stored is not None and renewed and not self._ends_soon(stored):
                return stored  # another has renewed them while we waited
            fresh = await self._renew(stored)
            if not fresh.access:
                raise AccessDenied("the CRM gave no access token", self._remedy)
            await writer.write(fresh.to_json())
            return fresh

    def _ends_soon(self, tokens: Tokens) -> bool:
        return tokens.expires_at is not None and tokens.expires_at - EARLY <= self._clock.now()
