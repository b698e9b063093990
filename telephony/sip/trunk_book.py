"""The trunks of one user agent at run time: addresses resolved and let in, registrations kept."""

import asyncio
import ipaddress

import structlog

from core.errors import AppError, NotFound
from telephony.sip.call import CallHost
from telephony.sip.dialog import host_and_port
from telephony.sip.register import Registration
from telephony.sip.trunk import DialledFrom, Network, Trunk
from telephony.sip.uac import CallTarget

RESOLVE_EVERY_S = 300.0
RESOLVE_RETRY_S = 15.0

_log = structlog.get_logger(__name__)


class TrunkBook:
    def __init__(self, host: CallHost, trunks: tuple[Trunk, ...]) -> None:
        self._host = host
        self._trunks = {trunk.name: trunk for trunk in trunks}
        self._networks: dict[str, set[Network]] = {trunk.name: set(trunk.networks) for trunk in trunks}
        self._registrations: dict[str, Registration] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Inside the running loop, after the socket is bound."""
        for trunk in self._trunks.values():
            self._host.transport.policy.allow(trunk.networks)
            self._tasks.append(self._host.spawn(self._keep_resolved(trunk), f"sip-resolve-{trunk.name}"))
            if trunk.register:
                registration = self._registrations[trunk.name] = Registration(self._host, trunk)
                self._tasks.append(self._host.spawn(registration.run(), f"sip-register-{trunk.name}"))

    async def stop(self, timeout_s: float) -> None:
        """Takes the registrations back, within timeout_s."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        self._tasks.clear()
        removals = [registration.remove() for registration in self._registrations.values() if registration.registered]
        if removals:
            try:
                async with asyncio.timeout(timeout_s):
                    await asyncio.gather(*removals)
            except TimeoutError:
                _log.info("sip_unregister_unanswered")

    @property
    def registered(self) -> dict[str, bool]:
        return {name: registration.registered for name, registration in self._registrations.items()}

    def dialled_from(self, source_host: str) -> DialledFrom:
        try:
            address = ipaddress.ip_address(source_host)
        except ValueError:
            return DialledFrom.REQUEST_URI
        for trunk in self._trunks.values():
            if any(address in network for network in self._networks[trunk.name]):
                return trunk.dialled_from
        return DialledFrom.REQUEST_URI

    def target(self, name: str, number: str) -> CallTarget:
        trunk = self._trunks.get(name)
        if trunk is None:
            known = ", ".join(self._trunks) or "none"
            raise NotFound(f"no trunk is called {name!r}; known: {known}")
        return CallTarget(
            f"sip:{number}@{trunk.from_domain}",
            trunk.user or "anonymous",
            trunk.from_domain if trunk.user else "",
            trunk.credentials,
            proxy=host_and_port(trunk.host, trunk.port),
        )

    async def _keep_resolved(self, trunk: Trunk) -> None:
        """A provider may move; calls come from wherever its name points to."""
        while True:
            delay_s = RESOLVE_EVERY_S
            try:
                host, _ = await self._host.transport.resolve(host_and_port(trunk.host, trunk.port))
            except AppError:
                _log.warning("sip_trunk_unresolved", trunk=trunk.name)
                delay_s = RESOLVE_RETRY_S
            else:
                network = ipaddress.ip_network(host)
                if network not in self._networks[trunk.name]:
                    self._networks[trunk.name].add(network)
                    self._host.transport.policy.allow((network,))
            await asyncio.sleep(delay_s)
