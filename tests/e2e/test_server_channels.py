"""Web and jobs processes are killed in the middle of a talk by Telegram: nothing is lost, nobody is answered twice."""

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from app.cli.serve import settings_with
from app.stack import prepared_servers
from core.clock import SystemClock
from core.companies import Companies
from core.database import Database
from core.settings import LogLevel
from tests.e2e.server import RunningServer, run_cli, running_server
from tests.simulators.channel.courier import Courier
from tests.simulators.channel.protocol import ANNA, BORIS
from tests.simulators.telegram.server import TelegramSimulator
from tests.simulators.vendor.serving import served

pytestmark = pytest.mark.timeout(300)

LINES = ("Сколько стоит мужская стрижка?", "До скольки вы работаете?", "Где вы находитесь?", "А маникюр сколько стоит?")
KILLS = ("jobs", "web", "jobs")
PATIENT = (0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 5.0, 5.0, 10.0, 10.0, 10.0)


@contextlib.asynccontextmanager
async def connected(server: RunningServer) -> AsyncIterator[TelegramSimulator]:
    """A bot of the demo salon at the simulated Telegram, connected by the command line as a salon does it."""
    sim = TelegramSimulator(SystemClock().now)
    courier = Courier(sim, PATIENT)
    async with served(sim.app) as url:
        _, keys = sim.settings(url)
        command = (
            "channels",
            "connect",
            "telegram",
            "--setting",
            f"base_url={url}",
            "--public-url",
            server.ready["http"],
        )
        status, out, err = await asyncio.to_thread(
            run_cli, *command, "--data-dir", str(server.folder), AI_ADMIN_CHANNEL_TOKEN=keys["token"],
            AI_ADMIN_OUTBOUND_PRIVATE_HOSTS="127.0.0.1",
        )  # fmt: skip
        assert status == 0, out + err
        carrying = asyncio.create_task(courier.run())
        try:
            yield sim
        finally:
            carrying.cancel()
            await asyncio.gather(carrying, return_exceptions=True)
            assert not courier.given_up, "a webhook was refused for good"


@contextlib.asynccontextmanager
async def database_of(server: RunningServer) -> AsyncIterator[Database]:
    settings = settings_with({"data_dir": server.folder, "log_level": LogLevel.ERROR})
    async with prepared_servers(settings) as prepared, await Database.open(prepared.database_url) as database:
        yield database


async def test_killed_processes_lose_nothing_and_answer_once() -> None:
    seed = random.Random(11)
    with running_server("--engines", "stub", AI_ADMIN_OUTBOUND_PRIVATE_HOSTS="127.0.0.1") as server:
        async with connected(server) as sim, database_of(server) as database:
            scope = (await Companies(database).all())[0].scope
            sent = 0
            for round_, victim in enumerate((*KILLS, "")):
                for client in (ANNA, BORIS):
                    sim.says(f"{LINES[(round_ + sent) % len(LINES)]}", client)
                    sent += 1
                await asyncio.sleep(seed.uniform(0.2, 3.5))  # somewhere between the webhook and the sent answer
                if victim:
                    os.kill(await asyncio.to_thread(server.pid_of, victim), signal.SIGKILL)
                    sim.says("Алло, вы здесь?", ANNA)
                    sent += 1
            await _until_settled(database, scope, sent)
            async with database.company(scope) as conn:
                said = await conn.fetch(
                    "select id, text, turn, conversation_id, thread_id from messages where direction = 'in'"
                )
                out = await conn.fetch(
                    "select id, text, turn, thread_id, delivery from messages where direction = 'out'"
                )
                unsure = await conn.fetchval("select coalesce(sum(unsure), 0) from channel_parts")
            assert len(said) == sent, "every message is in the history, once"
            assert all(row["turn"] is not None for row in said), "every message was taken into a turn"
            turns = Counter((row["thread_id"], row["turn"]) for row in out)
            assert max(turns.values()) == 1, "a turn is answered once"
            assert set(turns) == {(row["thread_id"], row["turn"]) for row in said}
            assert {row["delivery"] for row in out} == {"sent"}
            arrived = sum(len(sim.received(client)) for client in (ANNA, BORIS))
            # Telegram knows no idempotency key: what was on its way when its sender died is repeated, and only that
            assert len(out) <= arrived <= len(out) + unsure


async def _until_settled(database: Database, scope: object, sent: int) -> None:
    async with asyncio.timeout(150):
        while True:
            async with database.company(scope) as conn:  # type: ignore[arg-type]
                done = await conn.fetchval("select count(*) from channel_inbox where state = 'done'")
                unsent = await conn.fetchval(
                    "select count(*) from channel_parts where state in ('waiting', 'sending', 'unsure')"
                )
            if done >= sent and not unsent:
                return
            await asyncio.sleep(0.3)
