"""Reminders of visits: who is reminded, when, once, and what becomes of visits that moved meanwhile."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from app.bootstrap import Runtime, open_runtime
from app.reminders import Reminders, rules_of
from app.salons import DEMO_SALON
from core.clock import FrozenClock
from core.errors import InvalidInput
from core.phone import Phone
from core.settings import Settings
from core.tenancy import CompanyScope
from crm.company_file import load_company
from crm.journal.service import Journal
from crm.model import BookingStatus, ServiceId, SlotQuery, VisitDraft, VisitPart
from crm.salon_book import DatabaseSalonBook

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
"""Noon in Moscow, a Tuesday."""
PHONE = Phone("+79165550011")


@dataclass
class Desk:
    runtime: Runtime
    clock: FrozenClock
    scope: CompanyScope
    crm: Journal
    reminders: Reminders
    owner: Any

    async def visit(self, *, ahead: timedelta, phone: Phone = PHONE) -> Any:
        """A booking that starts about so long from now."""
        at = (self.clock.now() + ahead).date()
        plans = await self.crm.slots(self.scope, SlotQuery((VisitPart((ServiceId("S01"),)),), at, at, limit=200))
        plan = min(plans, key=lambda p: abs(p.start - self.clock.now() - ahead))
        client = await self.crm.find_or_create_client(self.scope, "Ольга", phone)
        written = await self.crm.book(self.scope, VisitDraft(client.id, plan, False), uuid4().hex)
        return written.bookings[0]  # type: ignore[union-attr]

    async def at(self, moment: datetime) -> int:
        """The clock goes there with a look each hour, as the jobs process looks each minute."""
        count = await self.reminders.once()
        while self.clock.now() < moment:
            self.clock.advance(min(3600.0, (moment - self.clock.now()).total_seconds()))
            count += await self.reminders.once()
        return count

    async def messages(self) -> list[Any]:
        return await self.owner.fetch("select * from client_messages order by created_at")


@pytest.fixture
async def desk(database_url: str, redis_url: str, redis: Any, tmp_path: Path, owner: Any) -> AsyncIterator[Desk]:
    settings = Settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path)
    for table in ("companies",):
        await owner.execute(f"delete from {table}")
    async with open_runtime(settings, "test") as runtime:
        loaded = await load_company(runtime.database, DEMO_SALON, shift_to=NOW.date())
        company = await runtime.companies.by_slug(loaded.slug)
        assert company is not None
        await owner.execute("delete from journal_bookings")
        clock = FrozenClock(NOW)
        crm, book = Journal(runtime.database, clock), DatabaseSalonBook(runtime.database, clock, runtime.outbox)
        account = uuid4()
        await owner.execute(
            "insert into channel_accounts (company_id, id, channel, hook_hash) values ($1, $2, 'telegram', $3)",
            company.id, account, account.hex,
        )  # fmt: skip
        await owner.execute(
            "insert into channel_threads (company_id, account_id, thread, phone) values ($1, $2, 't1', $3)",
            company.id, account, PHONE.e164,
        )  # fmt: skip
        reminders = Reminders(runtime.database, runtime.companies, crm, book, clock)
        yield Desk(runtime, clock, company.scope, crm, reminders, owner)


async def test_a_day_before_once_with_buttons(desk: Desk) -> None:
    booking = await desk.visit(ahead=timedelta(hours=50))
    assert await desk.at(booking.start - timedelta(hours=25)) == 0
    assert await desk.at(booking.start - timedelta(hours=3)) == 1
    (message,) = await desk.messages()
    assert (message["kind"], message["phone"]) == ("reminder", PHONE.e164)
    assert message["choices"] == ["Подтверждаю запись", "Перенести запись", "Отменить запись"]
    local = booking.start.astimezone(ZoneInfo("Europe/Moscow"))
    assert f"{local.day} декабря" in message["text"]
    assert f"в {local:%H:%M}" in message["text"]
    assert message["parameters"][0] in message["text"]
    assert message["not_before"] is None


async def test_nobody_is_written_to_at_night(desk: Desk) -> None:
    booking = await desk.visit(ahead=timedelta(hours=50))
    desk.clock.advance((booking.start - timedelta(hours=24) - desk.clock.now()).total_seconds())
    seen: list[int] = []
    for _ in range(20):
        before = len(await desk.messages())
        await desk.reminders.once()
        if len(await desk.messages()) > before:
            seen.append((desk.clock.now() + timedelta(hours=3)).hour)
        desk.clock.advance(3600)
    assert len(seen) == 1
    assert 9 <= seen[0] < 21


async def test_a_moved_visit_is_reminded_of_at_its_new_time_and_a_cancelled_one_never(desk: Desk) -> None:
    first = await desk.visit(ahead=timedelta(hours=50))
    assert await desk.at(first.start - timedelta(hours=20)) == 1
    later = await desk.crm.slots(
        desk.scope,
        SlotQuery((VisitPart(first.service_ids, (first.staff_id,)),), first.start.date() + timedelta(days=2),
                  first.start.date() + timedelta(days=7), ignore_bookings=(first.id,)),
    )  # fmt: skip
    moved = (await desk.crm.reschedule(desk.scope, first.id, later[0], uuid4().hex)).bookings[0]  # type: ignore[union-attr]
    assert await desk.at(moved.start - timedelta(hours=20)) == 1
    cancelled = await desk.visit(ahead=timedelta(hours=60))
    await desk.reminders.once()
    await desk.crm.cancel(desk.scope, cancelled.id, late=False, reason="")
    assert await desk.at(cancelled.start) == 0
    texts = [message["text"] for message in await desk.messages()]
    assert len(texts) == len(set(texts)) == 2


@pytest.mark.parametrize("case", ["stranger", "confirmed", "just booked", "switched off", "no messenger"])
async def test_who_needs_no_reminder_gets_none(desk: Desk, case: str) -> None:
    phone = Phone("+79165557777") if case == "stranger" else PHONE
    booking = await desk.visit(ahead=timedelta(hours=4 if case == "just booked" else 50), phone=phone)
    if case == "confirmed":
        await desk.crm.set_status(desk.scope, booking.id, BookingStatus.CONFIRMED)
    if case == "switched off":
        await desk.owner.execute("""update companies set settings = '{"reminders": {"on": false}}'""")
    if case == "no messenger":
        await desk.owner.execute("update channel_accounts set state = 'off'")
    assert await desk.at(booking.start - timedelta(minutes=5)) == 0
    assert await desk.messages() == []


def test_wrong_rules_are_named() -> None:
    with pytest.raises(InvalidInput, match="hours_before"):
        rules_of({"reminders": {"hours_before": 500}})
