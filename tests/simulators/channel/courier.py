"""Carries webhooks to the product as a vendor does: in order, each again until it is accepted."""

import asyncio
from dataclasses import dataclass, field

import httpx

from tests.simulators.channel.base import ChannelSimulatorBase
from tests.simulators.channel.protocol import Webhook

PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Between repeats: as the vendors', only shorter."""


@dataclass(frozen=True, slots=True)
class Attempt:
    webhook: Webhook
    status: int
    """0: no answer."""
    seconds: float
    accepted: bool


@dataclass
class Courier:
    """`run` in a task of its own; cancelling it ends it."""

    sim: ChannelSimulatorBase
    pauses_s: tuple[float, ...] = PAUSES_S
    attempts: list[Attempt] = field(default_factory=list)
    given_up: list[Webhook] = field(default_factory=list)
    times: int = 1
    """How often each is delivered although the first was accepted: vendors do that."""

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=10.0, trust_env=False) as http:
            while True:
                self.sim.changed.clear()
                while self.sim.hook and self.sim.pending:
                    await self._deliver(http, self.sim.pending.popleft())
                await self.sim.changed.wait()

    async def _deliver(self, http: httpx.AsyncClient, webhook: Webhook) -> None:
        for pause_s in (*self.pauses_s, None):
            if await self._post(http, webhook):
                for _ in range(self.times - 1):
                    await self._post(http, webhook)
                return
            if pause_s is not None:
                await asyncio.sleep(pause_s)
        self.given_up.append(webhook)

    async def _post(self, http: httpx.AsyncClient, webhook: Webhook) -> bool:
        started = asyncio.get_running_loop().time()
        status, accepted = 0, False
        try:
            answer = await http.request(
                webhook.method,
                self.sim.hook,
                params=dict(webhook.query) or None,
                content=webhook.body,
                headers=dict(webhook.headers),
            )
            status, accepted = answer.status_code, self.sim.accepts(answer.status_code, answer.content)
        except httpx.HTTPError:
            pass
        self.attempts.append(Attempt(webhook, status, asyncio.get_running_loop().time() - started, accepted))
        return accepted
