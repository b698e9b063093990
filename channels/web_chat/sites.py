"""Which salon's chat a page asks for. Answers are kept for seconds: every request asks, and few salons change."""

from collections import OrderedDict

import structlog

from agent.model import Channel
from channels.accounts import ChannelAccounts
from channels.web_chat.model import Site, origins
from core.clock import Clock
from core.errors import ConfigurationError

log = structlog.get_logger(__name__)

KEPT_S = 5.0
_MOST = 2000
"""Kept answers; invented tokens push out old ones."""


class AccountSites:
    """The accounts of the channel `web`. Their address at the channel is the public token."""

    def __init__(self, accounts: ChannelAccounts, clock: Clock, own_origins: frozenset[str] = frozenset()) -> None:
        """`own_origins`: of the product itself, on which a chat can be tried; always allowed."""
        self._accounts = accounts
        self._clock = clock
        self._own = own_origins
        self._kept: OrderedDict[str, tuple[float, Site | None]] = OrderedDict()

    async def find(self, token: str) -> Site | None:
        now = self._clock.monotonic_s()
        kept = self._kept.get(token)
        if kept is not None and kept[0] > now:
            return kept[1]
        site = await self._look_up(token)
        self._kept[token] = (now + KEPT_S, site)
        self._kept.move_to_end(token)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return site

    async def _look_up(self, token: str) -> Site | None:
        if not token.isascii() or not token.isalnum() or len(token) > 64:
            return None
        found = await self._accounts.by_address(Channel.WEB, token)
        if found is None:
            return None
        try:
            allowed = origins(str(found.account.settings.get("origins") or ""))
        except ConfigurationError:
            log.warning("web_chat_origins_unreadable", account=str(found.account.id))
            allowed = frozenset()
        return Site(found.scope, found.account, allowed | self._own)
