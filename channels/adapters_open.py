"""The accounts' adapters of one process, built on demand and kept for some seconds: webhooks come in crowds."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agent.model import Channel
from channels.accounts import ChannelAccounts, StoredAccount, hook_hash
from channels.model import Account, AccountId
from channels.ports import ChannelAdapter
from core.clock import Clock
from core.tenancy import CompanyScope

Build = Callable[[Account], ChannelAdapter]


@dataclass(frozen=True, slots=True)
class OpenAccount:
    stored: StoredAccount
    adapter: ChannelAdapter

    @property
    def scope(self) -> CompanyScope:
        return self.stored.scope

    @property
    def id(self) -> AccountId:
        return self.stored.account.id

    @property
    def channel(self) -> Channel:
        return self.stored.account.channel


class OpenAccounts:
    def __init__(self, accounts: ChannelAccounts, build: Build, clock: Clock, kept_s: float = 10.0) -> None:
        self._accounts = accounts
        self._build = build
        self._clock = clock
        self._kept_s = kept_s
        self._known: dict[object, tuple[float, OpenAccount | None]] = {}

    async def by_hook(self, hook: str) -> OpenAccount | None:
        """None: the address is nobody's, or the account is switched off."""
        return await self._of(("hook", hook_hash(hook)), lambda: self._accounts.by_hook(hook))

    async def by_address(self, channel: Channel, address: str) -> OpenAccount | None:
        return await self._of(("address", channel, address), lambda: self._accounts.by_address(channel, address))

    async def of(self, scope: CompanyScope, account_id: AccountId) -> OpenAccount:
        """Raises NotFound, ConfigurationError when its settings cannot work."""
        found = await self._of((scope, account_id), lambda: self._accounts.get(scope, account_id))
        assert found is not None
        return found

    def build(self, account: Account) -> ChannelAdapter:
        """Of an account that is not stored yet, or was changed just now."""
        return self._build(account)

    def forget(self) -> None:
        """After a change that must be seen at once."""
        self._known.clear()

    async def _of(self, key: object, load: Callable[[], Awaitable[StoredAccount | None]]) -> OpenAccount | None:
        now_s = self._clock.monotonic_s()
        known = self._known.get(key)
        if known is not None and known[0] > now_s:
            return known[1]
        stored = await load()
        opened = None if stored is None else OpenAccount(stored, self._build(stored.account))
        if len(self._known) > 5_000:
            self._known = {k: v for k, v in self._known.items() if v[0] > now_s}
        if opened is not None or key not in self._known:
            self._known[key] = (now_s + self._kept_s, opened)
        return opened
