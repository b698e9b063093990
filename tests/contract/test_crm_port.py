"""What every CRM adapter must do, method by method. One suite; a new adapter adds a line to ADAPTERS.

An adapter's arrangement loads the demo salon into its CRM (or its simulator) and freezes its clock.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from app.embedded import EmbeddedStack
from core.clock import FrozenClock
from core.database import Database, migrate
from core.errors import InvalidInput
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.company_file import load_company
from crm.journal.service import Journal
from crm.model import (
    Booking,
    BookingId,
    BookingStatus,
    ClientId,
    Plan,
    PlannedPart,
    Price,
    RefusalReason,
    Refused,
    ServiceId,
    SlotQuery,
    StaffId,
    VariantKind,
    VisitDraft,
    VisitPart,
    Written,
)
from crm.ports import Crm

FIXTURE = Path(__file__).parents[2] / "app" / "demo" / "myata.yaml"
WEDNESDAY = date(2026, 12, 9)


@dataclass
class Arranged:
    crm: Crm
    scope: CompanyScope
    clock: FrozenClock

    async def plans(self, *parts: tuple[str, str], day: date = WEDNESDAY, **more: object) -> list[Plan]:
        made = tuple(
            VisitPart(tuple(ServiceId(s) for s in services.split("+")), (StaffId(staff),) if staff else ())
            for services, staff in parts
        )
        return list(await self.crm.slots(self.scope, SlotQuery(made, day, day, limit=500, **more)))  # type: ignore[arg-type]

    async def draft(self, service: str = "S01", staff: str = "maria", hour: int = 12, **more: object) -> VisitDraft:
        plans = await self.plans((service, staff))
        plan = next(plan for plan in plans if (plan.start.hour, plan.start.minute) == (hour, 0))
        return VisitDraft(ClientId("C01"), plan, staff_locked=True, **more)  # type: ignore[arg-type]

    async def book(self, draft: VisitDraft) -> Booking:
        result = await self.crm.book(self.scope, draft, marker())
        assert isinstance(result, Written)
        return result.bookings[0]


def marker() -> str:
    return uuid4().hex[:10]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="ai-admin-test-"))
    try:
        with EmbeddedStack(folder, durable=False) as stack:
            asyncio.run(migrate(stack.database_url))
            yield stack.database_url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def journal(server: str) -> AsyncIterator[Arranged]:
    async with await Database.open(server) as database:
        loaded = await load_company(database, FIXTURE, slug=f"contract-{uuid4().hex[:8]}")
        assert loaded.now is not None
        clock = FrozenClock(loaded.now)
        yield Arranged(Journal(database, clock), loaded.scope, clock)


ADAPTERS: dict[str, Callable[[str], AbstractAsyncContextManager[Arranged]]] = {"journal": journal}


@pytest.fixture(params=ADAPTERS)
async def salon(request: pytest.FixtureRequest, server: str) -> AsyncIterator[Arranged]:
    async with ADAPTERS[request.param](server) as arranged:
        yield arranged


# --- reading --------------------------------------------------------------------------------------------------------


async def test_services(salon: Arranged) -> None:
    services = {service.id: service for service in await salon.crm.services(salon.scope)}
    assert len(services) == 17
    cut = services[ServiceId("S01")]
    offer = cut.offer_by(StaffId("anna"))
    assert offer is not None
    assert (offer.price.amount.minor, offer.price.starting_at, offer.duration) == (350_000, False, timedelta(hours=1))
    assert cut.offer_by(StaffId("igor")) is None
    long_hair = services[ServiceId("S02")]
    assert (long_hair.variant_of, long_hair.variant_kind) == ("S01", VariantKind.HAIR_LENGTH)
    colour = services[ServiceId("S08")]
    assert colour.consultation_first
    assert all(offer.price.starting_at for offer in colour.offers)


async def test_staff_and_who_is_on_duty(salon: Arranged) -> None:
    staff = {member.id: member for member in await salon.crm.staff(salon.scope)}
    assert len(staff) == 6
    assert staff[StaffId("igor")].child_from_age == 5
    saturday = await salon.crm.on_duty(salon.scope, date(2026, 12, 5))
    assert {shift.staff_id for shift in saturday} == {"anna", "igor", "olga", "vera"}
    assert all(shift.start.tzinfo and shift.start < shift.end for shift in saturday)


async def test_slots_are_free_times_of_those_who_do_it(salon: Arranged) -> None:
    plans = await salon.plans(("S01", ""))
    assert {plan.parts[0].staff_id for plan in plans} == {"anna", "maria"}
    assert [plan.start for plan in plans] == sorted(plan.start for plan in plans)
    assert await salon.plans(("S01", "igor")) == []
    chain = await salon.plans(("S11", "svetlana"), ("S01", "maria"), day=date(2026, 12, 7))
    assert chain
    assert all(len(plan.parts) == 2 and plan.price.amount.minor == 480_000 for plan in chain)


async def test_a_wrong_question_is_an_error_not_an_empty_list(salon: Arranged) -> None:
    with pytest.raises(InvalidInput):
        await salon.plans(("no-such-service", ""))
    query = SlotQuery((VisitPart((ServiceId("S01"),)),), date(2026, 12, 9), date(2026, 12, 8))
    with pytest.raises(InvalidInput):
        await salon.crm.slots(salon.scope, query)


async def test_clients(salon: Arranged) -> None:
    phone = Phone("+79000000114")
    found = await salon.crm.find_clients(salon.scope, phone)
    assert [client.id for client in found] == ["C14"]
    assert found[0].service_pass is not None
    assert found[0].service_pass.left == 2
    assert await salon.crm.find_clients(salon.scope, Phone("+79000000999")) == []
    assert await salon.crm.client(salon.scope, ClientId("C14")) == found[0]
    assert await salon.crm.client(salon.scope, ClientId("C99")) is None


async def test_a_client_is_made_once_for_a_phone(salon: Arranged) -> None:
    phone = Phone("+79000000201")
    made = await asyncio.gather(*(salon.crm.find_or_create_client(salon.scope, "Вероника", phone) for _ in range(5)))
    assert len({client.id for client in made}) == 1
    assert (made[0].name, made[0].phone) == ("Вероника", phone)
    known = await salon.crm.find_or_create_client(salon.scope, "Ирина", Phone("+79000000101"))
    assert known.id == "C01"
    first = await salon.crm.find_or_create_client(salon.scope, "Без телефона", None)
    second = await salon.crm.find_or_create_client(salon.scope, "Без телефона", None)
    assert first.id != second.id, "names do not identify"


# --- writing --------------------------------------------------------------------------------------------------------


async def test_a_visit_is_written_as_planned_and_read_back(salon: Arranged) -> None:
    draft = await salon.draft(for_whom="Миша, 4 года", certificate="G-1001", comment="у окна")
    label = marker()
    result = await salon.crm.book(salon.scope, draft, label)
    assert isinstance(result, Written)
    (booking,) = result.bookings
    assert (booking.client_id, booking.staff_id, booking.service_ids) == ("C01", "maria", ("S01",))
    assert (booking.start, booking.end) == (draft.plan.start, draft.plan.end)
    assert (booking.status, booking.staff_locked, booking.marker) == (BookingStatus.BOOKED, True, label)
    assert (booking.for_whom, booking.certificate, booking.comment) == ("Миша, 4 года", "G-1001", "у окна")
    assert booking.price.amount.minor == 250_000
    assert await salon.crm.get(salon.scope, booking.id) == booking
    assert list(await salon.crm.find_by_marker(salon.scope, label)) == [booking]
    assert booking in await salon.crm.bookings_of(salon.scope, ClientId("C01"))
    assert all(plan.start != draft.plan.start for plan in await salon.plans(("S01", "maria")))


async def test_the_same_marker_never_writes_twice(salon: Arranged) -> None:
    draft, label = await salon.draft(), marker()
    results = await asyncio.gather(*(salon.crm.book(salon.scope, draft, label) for _ in range(4)))
    assert len({result.bookings[0].id for result in results if isinstance(result, Written)}) == 1
    assert all(isinstance(result, Written) for result in results)


async def test_a_visit_of_two_masters_is_written_whole_or_not_at_all(salon: Arranged) -> None:
    day = date(2026, 12, 7)
    plan = (await salon.plans(("S11", "svetlana"), ("S01", "maria"), day=day))[0]
    draft = VisitDraft(ClientId("C08"), plan, staff_locked=False)
    result = await salon.crm.book(salon.scope, draft, marker())
    assert isinstance(result, Written)
    assert len(result.bookings) == 2
    assert len({booking.visit_id for booking in result.bookings}) == 1
    assert result.bookings[0].visit_id
    shifted = (await salon.plans(("S11", "svetlana"), ("S06", "maria"), day=day))[-1]
    clash = Plan((shifted.parts[0], replace(result_part(result.bookings[1]), service_ids=(ServiceId("S01"),))))
    if clash.parts[1].start < clash.parts[0].end:
        clash = Plan((clash.parts[1], clash.parts[0]))
    label = marker()
    assert await salon.crm.book(salon.scope, replace(draft, plan=clash), label) == Refused(RefusalReason.SLOT_TAKEN)
    assert list(await salon.crm.find_by_marker(salon.scope, label)) == []


def result_part(booking: Booking) -> PlannedPart:
    return PlannedPart(booking.staff_id, booking.service_ids, booking.start, booking.end, booking.price)


def moved(draft: VisitDraft, to: datetime) -> VisitDraft:
    part = draft.plan.parts[0]
    length = part.end - part.start
    return replace(draft, plan=Plan((replace(part, start=to, end=to + length),)))


async def test_refusals_are_values_and_check_foretells_them(salon: Arranged) -> None:
    good = await salon.draft()
    part = good.plan.parts[0]
    now = salon.clock.now()
    cases = {
        RefusalReason.SLOT_TAKEN: moved(good, datetime(2026, 12, 4, 12, tzinfo=part.start.tzinfo)),
        RefusalReason.OUTSIDE_SCHEDULE: moved(good, datetime(2026, 12, 9, 13, 30, tzinfo=part.start.tzinfo)),
        RefusalReason.TOO_SOON: moved(good, now + timedelta(minutes=5)),
        RefusalReason.TOO_FAR: moved(good, part.start + timedelta(weeks=20)),
        RefusalReason.NOT_FOUND: replace(good, client_id=ClientId("C99")),
        RefusalReason.NOT_OFFERED: replace(good, plan=Plan((replace(part, staff_id=StaffId("igor")),))),
    }
    for reason, draft in cases.items():
        assert await salon.crm.check(salon.scope, draft) == reason
        assert await salon.crm.book(salon.scope, draft, marker()) == Refused(reason)
    assert await salon.crm.check(salon.scope, good) is None


async def test_what_needs_a_consultation_is_not_booked_but_may_be_moved(salon: Arranged) -> None:
    plans = await salon.plans(("S08", "anna"), day=date(2026, 12, 10))
    draft = VisitDraft(ClientId("C01"), plans[0], staff_locked=True)
    assert await salon.crm.book(salon.scope, draft, marker()) == Refused(RefusalReason.NOT_OFFERED)
    result = await salon.crm.reschedule(salon.scope, BookingId("B003"), plans[0], marker())
    assert isinstance(result, Written)


async def test_the_price_is_the_price_lists_whatever_the_plan_says(salon: Arranged) -> None:
    draft = await salon.draft()
    part = draft.plan.parts[0]
    cheap = replace(draft, plan=Plan((replace(part, price=Price(replace(part.price.amount, minor=100))),)))
    booking = await salon.book(cheap)
    assert booking.price.amount.minor == 250_000


async def test_moving_keeps_the_booking_and_frees_the_old_time(salon: Arranged) -> None:
    booking = await salon.book(await salon.draft())
    target = next(p for p in await salon.plans(("S01", "anna")) if p.start.hour == 16)
    label = marker()
    result = await salon.crm.reschedule(salon.scope, booking.id, target, label)
    assert isinstance(result, Written)
    (after,) = result.bookings
    assert (after.start, after.staff_id, after.status) == (target.start, "anna", BookingStatus.BOOKED)
    assert after.price.amount.minor == 350_000, "another master has another price"
    assert [b.id for b in await salon.crm.find_by_marker(salon.scope, label)] == [after.id]
    assert any(plan.start == booking.start for plan in await salon.plans(("S01", "maria")))
    assert await salon.crm.reschedule(salon.scope, booking.id, target, label) == result, "same marker, same answer"
    nothing = await salon.crm.reschedule(salon.scope, BookingId("B999"), target, marker())
    assert nothing == Refused(RefusalReason.NOT_FOUND)
    begun = await salon.crm.reschedule(salon.scope, BookingId("B001"), target, marker())
    assert begun == Refused(RefusalReason.ALREADY_STARTED)


async def test_moving_a_little_may_overlap_the_bookings_own_place(salon: Arranged) -> None:
    booking = await salon.book(await salon.draft())
    plans = await salon.plans(("S01", "maria"), ignore_bookings=(booking.id,))
    target = next(plan for plan in plans if plan.start == booking.start + timedelta(minutes=15))
    assert isinstance(await salon.crm.reschedule(salon.scope, booking.id, target, marker()), Written)


async def test_cancelling(salon: Arranged) -> None:
    booking = await salon.book(await salon.draft())
    result = await salon.crm.cancel(salon.scope, booking.id, late=True, reason="заболел ребёнок")
    assert isinstance(result, Written)
    stored = await salon.crm.get(salon.scope, booking.id)
    assert stored is None or (stored.status, stored.late_cancel) == (BookingStatus.CANCELLED, True)
    assert isinstance(await salon.crm.cancel(salon.scope, booking.id, late=False, reason=""), Written)
    assert booking.id not in {b.id for b in await salon.crm.bookings_of(salon.scope, ClientId("C01"))}
    assert any(plan.start == booking.start for plan in await salon.plans(("S01", "maria"))), "the time is free again"
    assert await salon.crm.cancel(salon.scope, BookingId("B999"), late=False, reason="") == Refused(
        RefusalReason.NOT_FOUND
    )


async def test_status_and_note(salon: Arranged) -> None:
    result = await salon.crm.set_status(salon.scope, BookingId("B046"), BookingStatus.CONFIRMED)
    assert isinstance(result, Written)
    assert result.bookings[0].status is BookingStatus.CONFIRMED
    await salon.crm.add_note(salon.scope, BookingId("B046"), "опоздает")
    noted = await salon.crm.add_note(salon.scope, BookingId("B046"), "на 10 минут")
    assert isinstance(noted, Written)
    assert noted.bookings[0].comment == "опоздает\nна 10 минут"
    assert await salon.crm.add_note(salon.scope, BookingId("B999"), "x") == Refused(RefusalReason.NOT_FOUND)


async def test_bookings_of_a_client_are_those_still_to_come(salon: Arranged) -> None:
    mine = await salon.crm.bookings_of(salon.scope, ClientId("C06"))
    assert [booking.id for booking in mine] == ["B003", "B040"]
    salon.clock.advance(36 * 3600)
    assert [b.id for b in await salon.crm.bookings_of(salon.scope, ClientId("C06"))] == ["B040"]


async def test_visits_that_are_over_are_told_newest_first(salon: Arranged) -> None:
    if not (await salon.crm.capabilities(salon.scope)).knows_history:
        pytest.skip("this CRM keeps no history")
    started = salon.clock.now()
    since = started - timedelta(days=365)
    assert await salon.crm.visits_of(salon.scope, ClientId("C06"), since=since, limit=9) == []
    await salon.crm.set_status(salon.scope, BookingId("B003"), BookingStatus.NO_SHOW)
    salon.clock.advance(10 * 24 * 3600)
    mine = await salon.crm.visits_of(salon.scope, ClientId("C06"), since=since, limit=9)
    assert [(b.id, b.status) for b in mine] == [("B040", BookingStatus.BOOKED), ("B003", BookingStatus.NO_SHOW)]
    latest = await salon.crm.visits_of(salon.scope, ClientId("C06"), since=since, limit=1)
    assert [b.id for b in latest] == ["B040"]
    later = await salon.crm.visits_of(salon.scope, ClientId("C06"), since=started + timedelta(days=1), limit=9)
    assert [b.id for b in later] == ["B040"]
    assert await salon.crm.bookings_of(salon.scope, ClientId("C06")) == []


async def test_a_cancelled_visit_is_no_history(salon: Arranged) -> None:
    if not (await salon.crm.capabilities(salon.scope)).knows_history:
        pytest.skip("this CRM keeps no history")
    since = salon.clock.now() - timedelta(days=365)
    await salon.crm.cancel(salon.scope, BookingId("B040"), late=False, reason="")
    salon.clock.advance(10 * 24 * 3600)
    assert [b.id for b in await salon.crm.visits_of(salon.scope, ClientId("C06"), since=since, limit=9)] == ["B003"]


async def test_changes_are_told_once_each_from_the_cursor(salon: Arranged) -> None:
    if not (await salon.crm.capabilities(salon.scope)).changes:
        pytest.skip("this CRM has no feed of changes")

    async def read(cursor: str) -> tuple[list[Booking], str]:
        found: list[Booking] = []
        while True:
            page = await salon.crm.changes_since(salon.scope, cursor)
            found, cursor = [*found, *page.bookings], page.cursor
            if not page.more:
                return found, cursor

    everything, cursor = await read("")
    assert len(everything) == 85
    assert (await read(cursor))[0] == []
    booking = await salon.book(await salon.draft())
    await salon.crm.add_note(salon.scope, BookingId("B046"), "х")
    changed, cursor = await read(cursor)
    assert {item.id for item in changed} == {booking.id, "B046"}
    assert (await read(cursor))[0] == []


async def test_companies_do_not_see_each_other(salon: Arranged, server: str) -> None:
    async with journal(server) as other:
        booking = await salon.book(await salon.draft())
        assert await other.crm.get(other.scope, booking.id) is None
        assert isinstance(await other.crm.book(other.scope, await other.draft(), marker()), Written), "own time is free"


async def test_times_are_aware(salon: Arranged) -> None:
    booking = await salon.crm.get(salon.scope, BookingId("B027"))
    assert booking is not None
    assert booking.start.astimezone(UTC) == datetime(2026, 12, 2, 15, tzinfo=UTC)
    assert f"{booking.start:%H:%M}" == "18:00", "in the salon's own zone"
