"""The demo salon's file goes into a real database and comes out as its whole state."""

import json
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from core.clock import FrozenClock
from core.database import Database
from core.errors import InvalidInput
from core.ids import ConversationId
from core.outbox import Outbox
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.company_file import dump_company, load_company, read_company_file
from crm.company_yaml import parse_company
from crm.journal.service import Journal
from crm.model import (
    ClientId,
    Message,
    MessageKind,
    ServiceId,
    SlotQuery,
    StaffId,
    Task,
    TaskKind,
    VisitPart,
    WaitlistWish,
)
from crm.salon_book import DatabaseSalonBook

FIXTURE = Path(__file__).parents[2] / "app" / "demo" / "myata.yaml"


async def test_the_demo_salon_loads_and_dumps_as_written(database: Database) -> None:
    loaded = await load_company(database, FIXTURE, slug="as-written", replace=True)
    state = await dump_company(database, loaded.scope)
    assert loaded.now == datetime.fromisoformat("2026-12-01T11:00+03:00")
    assert len(state["bookings"]) == 85
    assert state["bookings"]["B027"] == {
        "client": "C03", "staff": "igor", "services": ["S03", "S05"], "start": "2026-12-02T18:00",
        "end": "2026-12-02T19:15", "status": "booked", "price": 2800, "starting_at": False, "staff_locked": False,
        "for": "", "certificate": "", "comment": "", "visit": "", "late_cancel": None, "cancel_reason": "",
    }  # fmt: skip
    assert state["bookings"]["B060"]["client"] is None
    assert state["bookings"]["B060"]["starting_at"] is True
    assert state["services"]["S02"]["variant_of"] == "S01"
    assert state["services"]["S02"]["variant_kind"] == "hair_length"
    assert state["services"]["S04"]["max_age"] == 10
    assert state["services"]["S08"]["deposit"] == 2000
    assert state["clients"]["C14"]["passes"] == {"S17": 2}
    assert state["clients"]["C13"]["phone"] == "+79000000113"
    assert state["certificates"]["G-1003"] == {"until": "2026-12-20", "sum": None, "service": "S15", "used": 0}
    assert state["staff"]["anna"]["week"]["2"] == {"hours": ["10:00-19:00"], "breaks": ["14:00-15:00"]}
    assert state["salon"]["rules"]["free_cancel_hours"] == 4
    assert json.loads(json.dumps(state)) == state


async def test_slots_of_the_demo_salon(database: Database) -> None:
    loaded = await load_company(database, FIXTURE, slug="with-slots", replace=True)
    assert loaded.now is not None
    journal = Journal(database, FrozenClock(loaded.now))

    async def starts(service: str, staff: str, day: str) -> list[str]:
        part = VisitPart((ServiceId(service),), (StaffId(staff),))
        on = date.fromisoformat(day)
        plans = await journal.slots(loaded.scope, SlotQuery((part,), on, on))
        return [f"{plan.start:%H:%M}" for plan in plans]

    assert await starts("S01", "anna", "2026-12-04") == [], "Friday of Anna is full"
    assert await starts("S11", "olga", "2026-12-04") == ["13:30", "13:45", "14:00", "14:15", "14:30"]
    assert await starts("S11", "olga", "2026-12-05") == [], "Saturday is full"
    assert await starts("S11", "svetlana", "2026-12-05") == [], "Svetlana is off on Saturdays"
    assert "15:30" in await starts("S03", "igor", "2026-12-04")
    duty = await journal.on_duty(loaded.scope, date(2026, 12, 5))
    assert [shift.staff_id for shift in duty] == ["anna", "igor", "olga", "vera"]
    assert f"{duty[0].start:%H:%M}-{duty[0].end:%H:%M}" == "10:00-19:00"


async def test_shifting_moves_everything_by_whole_weeks(database: Database) -> None:
    original = await read_company_file(FIXTURE)
    assert original.now is not None
    loaded = await load_company(database, FIXTURE, slug="moved", shift_to=date(2027, 3, 3), replace=True)
    state = await dump_company(database, loaded.scope)
    assert loaded.now == datetime.fromisoformat("2027-03-02T11:00+03:00")
    assert state["bookings"]["B001"]["start"] == "2027-03-02T10:00"
    assert state["certificates"]["G-1001"]["until"] == (date(2027, 3, 1) + timedelta(weeks=13)).isoformat()


async def test_loading_twice_keeps_or_replaces(database: Database) -> None:
    first = await load_company(database, FIXTURE, slug="twice")
    assert first.created
    journal = Journal(database, FrozenClock(first.now or datetime.now().astimezone()))
    await journal.find_or_create_client(first.scope, "Вероника", Phone("+79000000201"))
    kept = await load_company(database, FIXTURE, slug="twice")
    assert (kept.scope, kept.created) == (first.scope, False)
    assert len((await dump_company(database, first.scope))["clients"]) == 13
    await load_company(database, FIXTURE, slug="twice", replace=True)
    assert len((await dump_company(database, first.scope))["clients"]) == 12


async def test_a_broken_file_changes_nothing(database: Database) -> None:
    loaded = await load_company(database, FIXTURE, slug="unharmed", replace=True)
    before = await dump_company(database, loaded.scope)
    text = FIXTURE.read_text().replace(
        'B002: [C05, anna, [S01], "2026-12-01T13:00"]', 'B002: [C05, anna, [S01], "2026-12-01T11:30"]'
    )
    with pytest.raises(InvalidInput, match=r"bookings\.B002: overlaps B001"):
        await load_company(database, parse_company(text), slug="unharmed", replace=True)
    assert await dump_company(database, loaded.scope) == before


async def test_what_the_receptionist_writes_down(
    database: Database, make_company: Callable[[], Awaitable[CompanyScope]]
) -> None:
    del make_company
    loaded = await load_company(database, FIXTURE, slug="paperwork", replace=True)
    assert loaded.now is not None
    outbox = Outbox(database)
    book = DatabaseSalonBook(database, FrozenClock(loaded.now), outbox)
    scope, talk = loaded.scope, ConversationId(uuid4())
    certificate = await book.certificate(scope, "g 1001")
    assert certificate is not None
    assert certificate.number == "G-1001"
    assert await book.certificate(scope, "G-9999") is None
    wish = WaitlistWish(ClientId("C01"), (ServiceId("S11"),), date(2026, 12, 5), (StaffId("olga"),))
    message = Message(MessageKind.ADDRESS, Phone("+79000000101"), "Садовая, 14")
    for _ in range(2):
        await book.add_to_waitlist(scope, talk, wish)
        await book.add_task(scope, talk, Task(TaskKind.COMPLAINT, "Жалоба на окрашивание", due=loaded.now))
        await book.add_message(scope, talk, message)
    state = await dump_company(database, scope)
    assert [entry["date"] for entry in state["waitlist"].values()] == ["2026-12-05"]
    assert [entry["due"] for entry in state["tasks"].values()] == ["2026-12-01T11:00"]
    assert [entry["kind"] for entry in state["messages"].values()] == ["address"]
    assert await outbox.open_items(scope) == 1
    assert (await book.profile(scope)).name == "Мята"
