"""What Megaplan alone is: a search that may not search, filters and sorting that may not be heeded, answers that are
behind, keys that rotate, months that begin nobody knows where."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, cast

import pytest

from core.errors import AppError, Forbidden
from core.outside_http import AccessDenied
from core.phone import Phone
from crm.model import BookingStatus, ServiceId, SlotQuery, StaffId, VisitPart, Written
from crm.vendor.adapter import VendorCrm
from tests.contract.arrangements import Arranged, arrange, new_marker
from tests.simulators.megaplan.server import MegaplanSimulator

WEDNESDAY = date(2026, 12, 9)
TODOS = r"^GET /api/v3/todo\?"


@pytest.fixture
async def salon() -> AsyncIterator[Arranged]:
    async with arrange("megaplan") as arranged:
        yield arranged


def sim_of(salon: Arranged) -> MegaplanSimulator:
    return cast("MegaplanSimulator", salon.sim)


def with_settings(salon: Arranged, **settings: Any) -> VendorCrm:
    kept = {**salon.connection.settings, **settings}
    return salon.vendor.build(replace(salon.connection, settings=kept), salon.tools)


# --- clients


@pytest.mark.parametrize("search", ["works", "ignored", "empty"])
async def test_clients_are_found_whatever_the_search_does(salon: Arranged, search: str) -> None:
    salon.sim.add_clients(350)
    sim_of(salon).search = search
    for number in ("+79000000101", "+79010000349"):
        found = await salon.crm.find_clients(salon.scope, Phone(number))
        assert [client.phone for client in found] == [Phone(number)]
    assert await salon.crm.find_clients(salon.scope, Phone("+79990000000")) == []


async def test_a_search_that_has_proved_itself_is_believed(salon: Arranged) -> None:
    salon.sim.add_clients(350)
    assert await salon.crm.find_clients(salon.scope, Phone("+79990000000")) == []
    before = sim_of(salon).faults.count("contractorHuman")
    assert await salon.crm.find_clients(salon.scope, Phone("+79990000001")) == []
    assert sim_of(salon).faults.count("contractorHuman") == before, "the list was not read again"


async def test_a_client_of_ours_is_found_before_the_index_has_her(salon: Arranged) -> None:
    salon.sim.add_clients(150)
    made = await salon.someone()
    sim_of(salon).search = "empty"
    before = sim_of(salon).faults.count("contractorHuman")
    assert [c.id for c in await salon.another().find_clients(salon.scope, Phone("+79000000301"))] == [made.id]
    assert sim_of(salon).faults.count("contractorHuman") == before + 1, "read by its number, not from the list"


@pytest.mark.parametrize("variant", ["no_pages", "no_list"])
async def test_accounts_that_list_people_otherwise(salon: Arranged, variant: str) -> None:
    sim = sim_of(salon)
    salon.sim.add_clients(250)
    sim.search = "ignored"
    sim.people_have_pages, sim.people_have_list = variant != "no_pages", variant != "no_list"
    found = await salon.crm.find_clients(salon.scope, Phone("+79010000249"))
    assert [client.phone for client in found] == [Phone("+79010000249")]


# --- todos


@pytest.mark.parametrize(("keeps_order", "can_sort"), [(True, True), (False, True), (True, False)])
async def test_no_booking_is_overlooked_however_todos_are_listed(
    salon: Arranged, keeps_order: bool, can_sort: bool
) -> None:
    sim = sim_of(salon)
    sim.keeps_order, sim.can_sort = keeps_order, can_sort
    taken = salon.at(WEDNESDAY, 12)
    salon.sim.book_elsewhere("maria", "S01", taken)
    for number in range(230):
        salon.sim.book_elsewhere("olga", "S13", salon.at(WEDNESDAY, 10) + timedelta(minutes=number % 3))
    assert all(plan.start != taken for plan in await salon.plans("S01", "maria", day=WEDNESDAY))


async def test_old_todos_are_not_read_where_the_order_is_kept(salon: Arranged) -> None:
    sim = sim_of(salon)
    for _ in range(400):
        key = int(salon.sim.book_elsewhere("olga", "S13", salon.at(WEDNESDAY, 10) - timedelta(days=400)))
        sim.todos[key]["created"] = salon.clock.now() - timedelta(days=420)
    await salon.plans("S01", "maria", day=WEDNESDAY)
    assert sim.faults.count(TODOS) <= 3
    taken = salon.at(WEDNESDAY, 12)
    salon.sim.book_elsewhere("maria", "S01", taken)
    sim.keeps_order = False  # the rows lie in order by chance, the newest one last
    crm = salon.another()
    plans = await crm.slots(salon.scope, _query(WEDNESDAY))
    assert plans
    assert all(plan.start != taken for plan in plans), "an unheeded sort means reading everything"


async def test_answers_that_are_behind_the_writes(salon: Arranged) -> None:
    sim_of(salon).behind_reads = 3
    label = new_marker()
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12), label)
    plan = await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 17))
    moved = await salon.crm.reschedule(salon.scope, booking.id, plan, new_marker())
    assert isinstance(moved, Written), moved
    assert moved.bookings[0].start == plan.start
    gone = await salon.crm.cancel(salon.scope, booking.id, late=False, reason="передумала")
    assert isinstance(gone, Written)
    assert await salon.crm.get(salon.scope, booking.id) is None
    assert await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 17))


@pytest.mark.parametrize("spelling", ["iso", "wall"])
async def test_the_time_of_a_todo_is_written_as_the_account_takes_it(salon: Arranged, spelling: str) -> None:
    sim_of(salon).takes_time = spelling
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    assert booking.start == salon.at(WEDNESDAY, 12)
    assert len(salon.sim.bookings()) == len(salon.file.bookings) + 1
    before = sim_of(salon).faults.count(r"^POST /api/v3/todo\?")
    await salon.booked("S03", "igor", salon.at(WEDNESDAY, 12))
    assert sim_of(salon).faults.count(r"^POST /api/v3/todo\?") == before + 1, "it has learnt the spelling"


async def test_an_account_that_takes_no_time_at_all_is_told_what_to_do(salon: Arranged) -> None:
    sim_of(salon).takes_time = "none"
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    with pytest.raises(AccessDenied) as denied:
        await salon.crm.book(salon.scope, draft, new_marker())
    assert "when" in denied.value.remedy
    assert len(salon.sim.bookings()) == len(salon.file.bookings)


@pytest.mark.parametrize("base", [0, 1])
async def test_a_whole_day_off_is_kept_free_of_bookings(salon: Arranged, base: int) -> None:
    sim_of(salon).month_base = base
    day = WEDNESDAY  # month 11 or 12 on the wire
    sim_of(salon).take_whole_day("maria", day)
    assert await salon.plans("S01", "maria", day=day) == [], "whichever it means, the day is not offered"
    assert await salon.plans("S03", "igor", day=day)
    sure = with_settings(salon, month_base=str(base))
    assert await sure.slots(salon.scope, _query(day)) == []
    free = with_settings(salon, whole_days="free", month_base=str(base))
    assert await free.slots(salon.scope, _query(day))


def _query(day: date) -> SlotQuery:
    return SlotQuery((VisitPart((ServiceId("S01"),), (StaffId("maria"),)),), day, day)


async def test_refusals_inside_a_success_are_refusals(salon: Arranged) -> None:
    sim_of(salon).status_in_envelope = True
    assert await salon.crm.client(salon.scope, cast("Any", "999")) is None
    salon.sim.revoke()
    with pytest.raises(AccessDenied):
        await salon.crm.find_clients(salon.scope, Phone("+79000000101"))


async def test_status_and_note_stay_with_the_todo(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    await salon.crm.set_status(salon.scope, booking.id, BookingStatus.CONFIRMED)
    result = await salon.crm.add_note(salon.scope, booking.id, "опоздает")
    assert isinstance(result, Written)
    (read,) = result.bookings
    assert (read.status, read.marker) == (BookingStatus.CONFIRMED, booking.marker)
    assert read.comment.split("\n") == ["опоздает", "Клиент выбрал этого мастера"]
    assert (read.service_ids, read.client_id) == (booking.service_ids, booking.client_id)
    assert len(salon.sim.bookings()) == len(salon.file.bookings) + 1, "changed, not made anew"


# --- keys, changes, events


async def test_the_rotated_refresh_token_is_kept_and_a_spent_one_is_replaced_by_the_password(salon: Arranged) -> None:
    sim = sim_of(salon)
    await salon.crm.find_clients(salon.scope, Phone("+79000000101"))
    first = (await salon.tools.tokens.read())["refresh"]
    sim.expire_tokens()
    await salon.crm.find_clients(salon.scope, Phone("+79000000101"))
    second = (await salon.tools.tokens.read())["refresh"]
    assert second != first
    sim.expire_tokens()
    sim._refresh = "spent elsewhere"
    await salon.crm.find_clients(salon.scope, Phone("+79000000101"))
    assert sim.grants == ["password", "refresh_token", "refresh_token", "password"]
    assert sim.renewals() == 3
    salon.clock.advance(172_800)
    await asyncio.gather(*(salon.crm.find_clients(salon.scope, Phone("+79000000101")) for _ in range(4)))
    assert sim.renewals() == 4, "renewed before its end, once"


async def test_a_wrong_password_is_named(salon: Arranged) -> None:
    with pytest.raises(AccessDenied) as denied:
        await salon.another(password="other").find_clients(salon.scope, Phone("+79000000101"))
    assert "пароль" in denied.value.remedy


async def test_changes_that_the_vendor_does_not_tell(salon: Arranged) -> None:
    sim = sim_of(salon)
    key = salon.sim.book_elsewhere("maria", "S01", salon.at(WEDNESDAY, 12))
    other = salon.sim.book_elsewhere("igor", "S03", salon.at(WEDNESDAY, 12))
    start = await salon.crm.changes_since(salon.scope, "")
    same = await salon.crm.changes_since(salon.scope, start.cursor)
    assert same.bookings == ()
    first, last = sim.todos[int(key)]["when"]
    sim.todos[int(key)]["when"] = (first + timedelta(hours=1), last + timedelta(hours=1))
    del sim.todos[int(other)]
    found = {b.id: b for b in (await salon.crm.changes_since(salon.scope, start.cursor)).bookings}
    assert set(found) == {key, other}
    assert found[key].start == salon.at(WEDNESDAY, 13)  # type: ignore[index]
    assert found[other].status is BookingStatus.CANCELLED  # type: ignore[index]


async def test_an_unexpectedly_empty_list_is_not_all_deleted(salon: Arranged) -> None:
    start = await salon.crm.changes_since(salon.scope, "")
    sim_of(salon).todos.clear()
    empty = await salon.crm.changes_since(salon.scope, start.cursor)
    assert (empty.bookings, empty.cursor) == ((), start.cursor)
    with pytest.raises(AppError):
        await salon.crm.changes_since(salon.scope, "1700000000")


async def test_events_of_another_application_are_refused(salon: Arranged) -> None:
    await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    delivery = salon.sim.deliveries[-1]
    (hint,) = salon.crm.read_webhook(delivery.body, delivery.headers, {})
    assert (hint.kind, hint.action) == ("booking", "create")
    assert hint.event_id
    with pytest.raises(Forbidden):
        with_settings(salon, integration_uuid="another").read_webhook(delivery.body, delivery.headers, {})
