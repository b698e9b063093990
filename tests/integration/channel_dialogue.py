"""A talk through one messenger from end to end: its strict simulator, the real adapter, door, pipe, agent and journal.

The vendor's webhooks travel over a real socket to the product's door, the answers over a real socket back.
"""

import asyncio
import contextlib
import importlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from admin.api.errors import install_error_handlers
from app.bootstrap import Runtime, SalonTools, build_salon, open_runtime
from app.channel_door import ChannelDoor, channel_router
from app.channel_polls import Polls
from app.channel_work import channel_jobs, sweep
from app.channels import AdapterFactory, ChannelSide, channel_side, channel_work
from app.processes.brain import engine_settings
from app.salons import DEMO_SALON
from app.voice_notes import VoiceNotes
from channels.accounts import StoredAccount
from channels.registry import channel
from core.egress import EgressGuard, guarded_client
from core.jobs import JobWorker
from core.settings import Settings
from core.tenancy import CompanyScope
from crm.company_file import load_company
from media_models.engines import build_engines
from tests.integration.channel_stage import QUICK
from tests.simulators.channel.base import ChannelSimulatorBase
from tests.simulators.channel.courier import Courier
from tests.simulators.channel.protocol import Client, Received, Webhook
from tests.simulators.vendor.serving import served

BOOKINGS = """select b.service_ids, b.starts_at, b.staff_id, b.status, b.active, c.name
    from journal_bookings b join journal_clients c using (company_id) join journal_client_phones p using (company_id)
    where c.id = b.client_id and p.client_id = c.id and p.phone = $1 and b.active order by b.starts_at"""
ANSWERS = {
    r"как вас зовут|ваше имя": "Вероника",
    r"телефон|ваш номер": "+7 916 123-45-67",
    r"верно|правильно|все так|всё так|записать вас|номер": "Да",
    r"мастер": "Мне без разницы",
    r"удобн|во сколько|какое время|выбирайте|подойд": "Первое",
}
GUEST = Client("guest", "Вероника", "+79161234567")
OTHER_GUEST = Client("other_guest", "Вероника", "+79161234568")
"""The salon knows neither yet."""


@dataclass
class Dialogue:
    sim: ChannelSimulatorBase
    courier: Courier
    runtime: Runtime
    side: ChannelSide
    scope: CompanyScope
    stored: StoredAccount
    hook: str
    client: Client
    told: list[Webhook]
    """All of the vendor's, kept so that none is taken for another."""
    heard: int = 0

    async def says(self, text: str) -> list[Received]:
        """The client writes; what the salon answered."""
        self.sim.says(text, self.client)
        return await self.answers()

    async def presses(self, label: str) -> list[Received]:
        self.sim.presses(label, self.client)
        return await self.answers()

    async def answers(self, timeout_s: float = 40.0) -> list[Received]:
        """New messages to the client, at least one, once nothing waits in the pipe any more."""
        async with asyncio.timeout(timeout_s):
            while not self.news() or self.on_the_way() or await self.open_rows():  # noqa: ASYNC110 - it lives elsewhere
                await asyncio.sleep(0.05)
        got = self.sim.received(self.client)[self.heard :]
        self.heard += len(got)
        return got

    def news(self) -> int:
        return len(self.sim.received(self.client)) - self.heard

    def on_the_way(self) -> int:
        """Webhooks that the vendor has told and the product has not accepted yet."""
        done = {id(attempt.webhook) for attempt in self.courier.attempts if attempt.accepted}
        return len(self.told) - len(done) - len(self.courier.given_up)

    async def settled(self, timeout_s: float = 40.0) -> None:
        """Every webhook is delivered and nothing waits in the pipe."""
        async with asyncio.timeout(timeout_s):
            while self.on_the_way() or await self.open_rows():  # noqa: ASYNC110 - the state lives in the database
                await asyncio.sleep(0.05)

    async def open_rows(self) -> int:
        return await self.value(
            """select (select count(*) from channel_inbox where state = 'waiting')
                    + (select count(*) from channel_parts where state in ('waiting', 'sending', 'unsure'))"""
        )

    async def value(self, sql: str, *values: Any) -> Any:
        async with self.runtime.database.company(self.scope) as conn:
            return await conn.fetchval(sql, *values)

    async def rows(self, sql: str, *values: Any) -> list[Any]:
        async with self.runtime.database.company(self.scope) as conn:
            return await conn.fetch(sql, *values)

    async def messages(self) -> list[Any]:
        """Of this talk, as the history has them, oldest first."""
        return await self.rows(
            "select * from messages where account_id = $1 order by at, position", self.stored.account.id
        )

    async def booked(self, phone: str = "") -> list[Any]:
        """The client's bookings in the journal: service, start, state."""
        return await self.rows(BOOKINGS, phone or self.client.phone)

    async def replies(self, question: Received, answers: dict[str, str]) -> tuple[str, list[Received]]:
        """Answers it, by a button where one says the words."""
        said = next((words for asked, words in answers.items() if re.search(asked, question.text, re.IGNORECASE)), None)
        if said is None:
            raise AssertionError(f"nobody knows what to answer to {question.text!r}, {question.buttons}")
        return said, await (self.presses(said) if said in question.buttons else self.says(said))

    async def books(self, wish: str, answers: dict[str, str], most_turns: int = 10) -> list[str]:
        """Talks until something is booked: `answers` by a pattern of the question. Returns the whole talk."""
        talk = [f"> {wish}"]
        got = await self.says(wish)
        for _ in range(most_turns):
            talk += [message.text for message in got]
            if await self.booked():
                return talk
            said, got = await self.replies(got[-1], answers)
            talk.append(f"> {said}")
        raise AssertionError("nothing was booked:\n" + "\n".join(talk))


@contextlib.asynccontextmanager
async def dialogue(
    database_url: str,
    redis_url: str,
    folder: Path,
    name: str,
    client: Client = GUEST,
    *,
    mode: str = "webhook",
    ears: bool = False,
) -> AsyncIterator[Dialogue]:
    """`client`: one whom no other test of the module uses, they share the journal. `mode` poll: nobody can call us.
    `ears`: voice notes are heard by the embedded recogniser."""
    settings = Settings(
        _env_file=None, DATABASE_URL=database_url, REDIS_URL=redis_url, data_dir=folder, database_pool_size=10,
        # an address from outside must not keep an account that is asked from being asked
        public_url="https://salon.example" if mode == "poll" else "",
    )  # fmt: skip
    vendor = channel(name)
    guard = EgressGuard(["127.0.0.1"])
    async with (
        open_runtime(settings, "dialogue-test") as runtime,
        build_salon(runtime, runtime.clock) as salon,
        guarded_client(guard) as http,
    ):
        await load_company(runtime.database, DEMO_SALON, shift_to=date.today())  # noqa: DTZ011
        company = (await runtime.companies.all())[0]
        side = channel_side(runtime, AdapterFactory(runtime, http, guard).build, QUICK)
        sim = importlib.import_module(f"tests.simulators.{name}").SIMULATOR.make(runtime.clock.now)
        sim.clients[client.key] = client
        app = FastAPI()
        install_error_handlers(app)
        app.include_router(
            channel_router(ChannelDoor(runtime.database, side, runtime.clock, runtime.metrics), runtime.clock)
        )
        async with (
            served(app) as door,
            served(sim.app) as url,
            sim.open(url),
            _ears(runtime, salon, ears) as transcriber,
            channel_work(runtime, side, salon.agent, transcriber) as work,
        ):
            values, keys = sim.settings(url)
            if mode != "webhook" and any(item.name == "mode" for item in vendor.fields):
                values = {**values, "mode": mode}
            stored, hook = await side.accounts.add(company.scope, vendor, values, keys)
            address = f"{door}/channels/{name}/{hook}" if mode == "webhook" else ""
            sim.install(address, values, {**stored.account.secrets, **keys})
            courier = Courier(sim)
            told = _remembered(sim)
            worker, polls = JobWorker(runtime.database, channel_jobs(work)), Polls(runtime, side)
            tasks = [
                asyncio.create_task(courier.run(), name="courier"),
                asyncio.create_task(worker.run(), name="jobs"),
                asyncio.create_task(_sweeping(runtime, side, work), name="sweep"),
            ]
            try:
                adapter = (await side.opened.of(company.scope, stored.account.id)).adapter
                await adapter.connect(address)
                probe = await adapter.probe()
                assert probe.usable, probe.items
                await side.accounts.set_state(company.scope, stored.account.id, address=probe.address, state="on")
                if mode == "poll":
                    await polls.look()
                yield Dialogue(sim, courier, runtime, side, company.scope, stored, address, client, told)
            finally:
                await polls.close()
                worker.stop()
                tasks[0].cancel()
                tasks[2].cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await side.accounts.remove(company.scope, stored.account.id)


def _remembered(sim: ChannelSimulatorBase) -> list[Webhook]:
    told: list[Webhook] = []
    tell = sim.tell

    def remembering(webhook: Webhook) -> None:
        told.append(webhook)
        tell(webhook)

    sim.tell = remembering  # type: ignore[method-assign]
    return told


@contextlib.asynccontextmanager
async def _ears(runtime: Runtime, salon: SalonTools, wanted: bool) -> AsyncIterator[VoiceNotes | None]:
    if not wanted:
        yield None
        return
    notes = VoiceNotes(runtime, salon.crm, lambda: build_engines(engine_settings(runtime.settings)), QUICK)
    try:
        yield notes
    finally:
        await notes.close()


async def _sweeping(runtime: Runtime, side: ChannelSide, work: Any) -> None:
    while True:
        await asyncio.sleep(0.2)
        await sweep(runtime, side, work)
