"""What every outside CRM must do for us, method by method: each adapter against the strict simulator of its vendor.

An adapter that cannot do something says so in its capabilities; then the test asks for the honest refusal instead.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta

import pytest

from core.errors import AppError, InvalidInput, Unavailable
from core.outside_http import AccessDenied, Timings
from core.phone import Phone
from crm.model import (
    ACTIVE_STATUSES,
    BookingId,
    BookingStatus,
    ClientId,
    RefusalReason,
    Refused,
    ServiceId,
    SlotQuery,
    StaffId,
    Unknown,
    VisitDraft,
    VisitPart,
    Written,
)
from crm.vendor.adapter import ProbeState
from tests.contract.arrangements import Arranged, arrange, arranged_vendors, new_marker
from tests.simulators.vendor.crm import Held
from tests.simulators.vendor.faults import Mode

WEDNESDAY = date(2026, 12, 9)
"""Nothing is booked there in the fixture."""

VENDORS = arranged_vendors()


@pytest.fixture(params=VENDORS)
async def salon(request: pytest.FixtureRequest) -> AsyncIterator[Arranged]:
    async with arrange(request.param) as arranged:
        yield arranged


async def can_book(salon: Arranged) -> bool:
    return (await salon.crm.capabilities(salon.scope)).book


async def needs_booking(salon: Arranged) -> None:
    if not await can_book(salon):
        pytest.skip("read only by nature; its own tests show the link and the honest refusal")


def carries(salon: Arranged, held: Held, words: str) -> bool:
    """Whether the vendor's record holds these words; where it has no room for any, whether it is our test client's."""
    return words in held.text if getattr(salon.sim, "keeps_text", True) else held.phone == "+79000000301"


# --- 1. authentication and tokens -----------------------------------------------------------------------------------


async def test_a_working_key_is_probed_method_by_method(salon: Arranged) -> None:
    before = salon.sim.bookings()
    probe = await salon.crm.probe(salon.scope)
    assert probe.usable, probe.items
    assert {"auth", "services", "staff"} <= {item.what for item in probe.items}
    assert not [fault for fault in probe.items if fault.state is ProbeState.FAILED]
    assert salon.sim.bookings() == before, "a probe writes nothing"


async def test_a_revoked_key_is_named_with_what_to_do(salon: Arranged) -> None:
    if not salon.vendor.fields or not any(item.secret for item in salon.vendor.fields):
        pytest.skip("this system has no key")
    salon.sim.revoke()
    with pytest.raises(AccessDenied) as refused:
        await salon.crm.find_clients(salon.scope, Phone("+79000000101"))
    assert any("а" <= letter <= "я" for letter in refused.value.remedy), "the remedy speaks Russian"
    probe = await salon.crm.probe(salon.scope)
    assert not probe.usable
    denied = [item for item in probe.items if item.state is ProbeState.DENIED]
    assert denied
    assert all(item.remedy_ru for item in denied)


async def test_an_ended_token_is_renewed_once_however_many_ask(salon: Arranged) -> None:
    await salon.crm.staff(salon.scope)
    if not salon.sim.expire_tokens():
        pytest.skip("this vendor's keys do not end")
    before = salon.sim.renewals()
    await asyncio.gather(*(salon.crm.find_clients(salon.scope, Phone("+79000000101")) for _ in range(8)))
    assert salon.sim.renewals() == before + 1
    other = salon.another()
    await other.find_clients(salon.scope, Phone("+79000000101"))
    assert salon.sim.renewals() == before + 1, "the stored tokens serve the next process too"


# --- 2, 3. services and staff ---------------------------------------------------------------------------------------


async def test_services_with_masters_prices_and_lengths(salon: Arranged) -> None:
    services = {service.id: service for service in await salon.crm.services(salon.scope)}
    assert {salon.sim.service_id(service.id) for service in salon.file.services} <= set(services)
    for wanted in salon.file.services:
        found = services[ServiceId(salon.sim.service_id(wanted.id))]
        assert found.name == wanted.name
        assert {offer.staff_id for offer in found.offers} == {salon.sim.staff_id(o.staff_id) for o in wanted.offers}
        for offer in wanted.offers:
            mine = found.offer_by(StaffId(salon.sim.staff_id(offer.staff_id)))
            assert mine is not None
            assert mine.duration == offer.duration, wanted.name
            assert mine.price.amount == offer.price.amount, wanted.name


async def test_staff(salon: Arranged) -> None:
    staff = {member.id: member for member in await salon.crm.staff(salon.scope)}
    for wanted in salon.file.staff:
        assert staff[StaffId(salon.sim.staff_id(wanted.id))].name == wanted.name


# --- 4. free time ---------------------------------------------------------------------------------------------------


async def test_free_time_is_of_those_who_do_it_within_their_hours(salon: Arranged) -> None:
    await needs_booking(salon)
    plans = await salon.plans("S01", day=WEDNESDAY)
    assert {plan.parts[0].staff_id for plan in plans} == {salon.sim.staff_id("anna"), salon.sim.staff_id("maria")}
    assert [plan.start for plan in plans] == sorted(plan.start for plan in plans)
    for plan in plans:
        assert plan.start.tzinfo is not None
        assert plan.end - plan.start == timedelta(hours=1)
        assert salon.at(WEDNESDAY, 10) <= plan.start
        assert plan.end <= salon.at(WEDNESDAY, 20)
    anna = [plan.start for plan in plans if plan.parts[0].staff_id == salon.sim.staff_id("anna")]
    assert salon.at(WEDNESDAY, 13) in anna
    assert salon.at(WEDNESDAY, 14) not in anna, "her break"
    assert await salon.plans("S01", "igor", day=WEDNESDAY) == []


async def test_free_time_leaves_out_what_is_taken(salon: Arranged) -> None:
    await needs_booking(salon)
    start = salon.at(WEDNESDAY, 12)
    assert await salon.plan_at("S01", "maria", start)
    salon.sim.book_elsewhere("maria", "S01", start)
    plans = await salon.plans("S01", "maria", day=WEDNESDAY)
    assert plans
    taken = (start, start + timedelta(hours=1))
    assert not [plan for plan in plans if plan.start < taken[1] and taken[0] < plan.end]


async def test_a_wrong_question_is_an_error_not_an_empty_list(salon: Arranged) -> None:
    await needs_booking(salon)
    wrong = VisitPart((ServiceId("no-such-service"),))
    with pytest.raises(InvalidInput):
        await salon.crm.slots(salon.scope, SlotQuery((wrong,), WEDNESDAY, WEDNESDAY))
    right = VisitPart((ServiceId(salon.sim.service_id("S01")),))
    with pytest.raises(InvalidInput):
        await salon.crm.slots(salon.scope, SlotQuery((right,), WEDNESDAY, WEDNESDAY - timedelta(1)))


# --- 5. clients -----------------------------------------------------------------------------------------------------


async def test_a_client_is_found_by_phone_exactly(salon: Arranged) -> None:
    await needs_booking(salon)
    found = await salon.crm.find_clients(salon.scope, Phone("+79000000114"))
    assert [(client.name, client.phone) for client in found] == [("Александра Ковалёва", Phone("+79000000114"))]
    assert await salon.crm.find_clients(salon.scope, Phone("+79000000999")) == []
    again = await salon.crm.client(salon.scope, found[0].id)
    assert again is not None
    assert (again.name, again.phone) == (found[0].name, found[0].phone)


async def test_a_client_is_made_when_nobody_has_the_phone(salon: Arranged) -> None:
    await needs_booking(salon)
    known = await salon.crm.find_or_create_client(salon.scope, "Ирина", Phone("+79000000101"))
    assert known.name == "Ирина Павлова"
    made = await salon.someone()
    assert made.phone == Phone("+79000000301")
    assert (await salon.someone()).id == made.id


async def test_clients_are_found_beyond_the_first_page(salon: Arranged) -> None:
    await needs_booking(salon)
    salon.sim.add_clients(1000)
    assert len(await salon.crm.find_clients(salon.scope, Phone("+79000000115"))) == 1
    last = await salon.crm.find_clients(salon.scope, Phone("+79010000999"))
    assert [client.phone for client in last] == [Phone("+79010000999")]


# --- 6. booking -----------------------------------------------------------------------------------------------------


async def test_a_visit_is_written_as_planned_and_read_back(salon: Arranged) -> None:
    await needs_booking(salon)
    start, label = salon.at(WEDNESDAY, 12), new_marker()
    draft = await salon.draft("S01", "maria", start, comment="у окна")
    assert await salon.crm.check(salon.scope, draft) is None
    result = await salon.crm.book(salon.scope, draft, label)
    assert isinstance(result, Written), result
    (booking,) = result.bookings
    assert (booking.staff_id, booking.service_ids) == (salon.sim.staff_id("maria"), (salon.sim.service_id("S01"),))
    assert (booking.start, booking.end) == (start, start + timedelta(hours=1))
    assert booking.status in ACTIVE_STATUSES
    (held,) = [held for held in salon.sim.bookings() if held.id == booking.id]
    assert (held.staff, held.services, held.start) == ("maria", ("S01",), start)
    assert held.phone == "+79000000301"
    assert carries(salon, held, label)
    assert carries(salon, held, "у окна")
    read = await salon.crm.get(salon.scope, booking.id)
    assert read is not None
    assert (read.start, read.staff_id, read.service_ids) == (booking.start, booking.staff_id, booking.service_ids)
    assert booking.id in {b.id for b in await salon.crm.bookings_of(salon.scope, draft.client_id)}
    assert all(plan.start != start for plan in await salon.plans("S01", "maria", day=WEDNESDAY))


async def test_a_visit_that_is_over_is_history_or_the_adapter_says_that_it_keeps_none(salon: Arranged) -> None:
    await needs_booking(salon)
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    client_id, since = booking.client_id or ClientId(""), salon.clock.now() - timedelta(days=300)
    if not (await salon.crm.capabilities(salon.scope)).knows_history:
        with pytest.raises(InvalidInput):
            await salon.crm.visits_of(salon.scope, client_id, since=since, limit=9)
        return
    assert await salon.crm.visits_of(salon.scope, client_id, since=since, limit=9) == []
    salon.clock.advance(10 * 24 * 3600)
    found = await salon.another().visits_of(salon.scope, client_id, since=since, limit=9)
    assert [(b.start, b.staff_id, b.service_ids) for b in found] == [
        (booking.start, booking.staff_id, booking.service_ids)
    ]
    assert booking.id not in {b.id for b in await salon.crm.bookings_of(salon.scope, client_id)}


async def test_several_services_at_one_master_are_one_booking(salon: Arranged) -> None:
    await needs_booking(salon)
    start = salon.at(WEDNESDAY, 16)
    booking = await salon.booked("S01+S06", "maria", start)
    assert booking.end - booking.start == timedelta(minutes=105)
    assert sorted(booking.service_ids) == sorted(salon.sim.service_id(s) for s in ("S01", "S06"))


async def test_the_marker_finds_the_record(salon: Arranged) -> None:
    await needs_booking(salon)
    label = new_marker()
    booking = await salon.booked("S03", "igor", salon.at(WEDNESDAY, 12), label)
    found = await salon.crm.find_by_marker(salon.scope, label)
    assert [b.id for b in found] == [booking.id]
    assert await salon.crm.find_by_marker(salon.scope, new_marker()) == []
    other = salon.another()
    assert [b.id for b in await other.find_by_marker(salon.scope, label)] == [booking.id], "by another process too"


async def test_the_same_marker_never_writes_twice(salon: Arranged) -> None:
    await needs_booking(salon)
    draft, label = await salon.draft("S03", "igor", salon.at(WEDNESDAY, 12)), new_marker()
    first = await salon.crm.book(salon.scope, draft, label)
    again = await salon.crm.book(salon.scope, draft, label)
    assert isinstance(first, Written)
    assert isinstance(again, Written)
    assert [b.id for b in again.bookings] == [b.id for b in first.bookings]
    assert sum(carries(salon, held, label) for held in salon.sim.bookings()) == 1


async def test_a_slot_taken_between_listing_and_booking_is_refused(salon: Arranged) -> None:
    await needs_booking(salon)
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    salon.sim.book_elsewhere("maria", "S03", salon.at(WEDNESDAY, 12, 30))
    before = len(salon.sim.bookings())
    assert await salon.crm.book(salon.scope, draft, new_marker()) == Refused(RefusalReason.SLOT_TAKEN)
    assert len([held for held in salon.sim.bookings() if not held.cancelled]) == before


async def test_a_visit_at_two_masters_is_whole_or_not_at_all(salon: Arranged) -> None:
    await needs_booking(salon)
    if not (await salon.crm.capabilities(salon.scope)).several_masters:
        pytest.skip("this system takes one master a visit, and says so")
    parts = (
        VisitPart((ServiceId(salon.sim.service_id("S11")),), (StaffId(salon.sim.staff_id("svetlana")),)),
        VisitPart((ServiceId(salon.sim.service_id("S01")),), (StaffId(salon.sim.staff_id("maria")),)),
    )
    query = SlotQuery(parts, WEDNESDAY, WEDNESDAY, limit=500, any_order=False)
    plan = next(iter(await salon.crm.slots(salon.scope, query)))
    client = await salon.someone()
    result = await salon.crm.book(salon.scope, VisitDraft(client.id, plan, staff_locked=True), new_marker())
    assert isinstance(result, Written), result
    assert len(result.bookings) == 2
    second = replace(query, first_day=WEDNESDAY + timedelta(7), last_day=WEDNESDAY + timedelta(7))
    plan = next(iter(await salon.crm.slots(salon.scope, second)))
    salon.sim.book_elsewhere("maria", "S03", plan.parts[1].start)
    before = {held.id for held in salon.sim.bookings() if not held.cancelled}
    result = await salon.crm.book(salon.scope, VisitDraft(client.id, plan, staff_locked=True), new_marker())
    assert result == Refused(RefusalReason.SLOT_TAKEN)
    assert {held.id for held in salon.sim.bookings() if not held.cancelled} == before, "no half of a visit is left"


# --- moving and cancelling ------------------------------------------------------------------------------------------


async def test_a_booking_is_moved(salon: Arranged) -> None:
    await needs_booking(salon)
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    plan = await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 17))
    result = await salon.crm.reschedule(salon.scope, booking.id, plan, new_marker())
    if not (await salon.crm.capabilities(salon.scope)).reschedule:
        assert result == Refused(RefusalReason.NOT_SUPPORTED)
        return
    assert isinstance(result, Written), result
    (moved,) = result.bookings
    assert (moved.start, moved.staff_id, moved.service_ids) == (plan.start, booking.staff_id, booking.service_ids)
    mine = [h for h in salon.sim.bookings() if h.phone == "+79000000301" and not h.cancelled]
    assert [held.start for held in mine] == [plan.start]
    assert await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 12))


async def test_a_move_to_a_taken_time_keeps_the_old_one(salon: Arranged) -> None:
    await needs_booking(salon)
    if not (await salon.crm.capabilities(salon.scope)).reschedule:
        pytest.skip("cannot move, and says so")
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    plan = await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 17))
    salon.sim.book_elsewhere("maria", "S01", salon.at(WEDNESDAY, 17, 15))
    assert await salon.crm.reschedule(salon.scope, booking.id, plan, new_marker()) == Refused(RefusalReason.SLOT_TAKEN)
    mine = [h for h in salon.sim.bookings() if h.phone == "+79000000301" and not h.cancelled]
    assert [held.start for held in mine] == [booking.start]


async def test_a_booking_is_cancelled_and_cancelling_again_changes_nothing(salon: Arranged) -> None:
    await needs_booking(salon)
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    for _ in range(2):
        result = await salon.crm.cancel(salon.scope, booking.id, late=False, reason="передумала")
        assert isinstance(result, Written), result
        assert all(b.status is BookingStatus.CANCELLED for b in result.bookings)
    assert not [h for h in salon.sim.bookings() if h.id == booking.id and not h.cancelled]
    assert await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 12))
    assert booking.id not in {b.id for b in await salon.crm.bookings_of(salon.scope, booking.client_id or ClientId(""))}


# --- 7. limits and errors -------------------------------------------------------------------------------------------

READ_FAULTS = [Mode.ERROR_500, Mode.HANG, Mode.DRIP, Mode.GARBAGE, Mode.HTML, Mode.HUGE, Mode.TOO_MANY_BARE]


@pytest.mark.parametrize("mode", READ_FAULTS)
async def test_a_failing_crm_is_an_error_within_the_deadline(salon: Arranged, mode: Mode) -> None:
    await needs_booking(salon)
    quick = salon.vendor.build(salon.connection, replace(salon.tools, timings=Timings(1.0, 1.5, 0.05)))
    await quick.find_clients(salon.scope, Phone("+79000000101"))  # tokens are there
    salon.sim.faults.add(mode, times=200, seconds=8)
    with pytest.raises(AppError) as failed:
        async with asyncio.timeout(12):
            await quick.find_clients(salon.scope, Phone("+79000000101"))
    assert isinstance(failed.value, Unavailable), failed.value
    salon.sim.faults.clear()


async def test_a_short_failure_of_a_read_is_not_noticed(salon: Arranged) -> None:
    await needs_booking(salon)
    await salon.crm.find_clients(salon.scope, Phone("+79000000101"))  # tokens are there
    salon.sim.faults.add(Mode.ERROR_500)
    assert await salon.crm.find_clients(salon.scope, Phone("+79000000101"))
    salon.sim.faults.add(Mode.TOO_MANY, seconds=1)
    assert await salon.crm.find_clients(salon.scope, Phone("+79000000101"))


@pytest.mark.parametrize("mode", [Mode.COMMIT_THEN_HANG, Mode.COMMIT_THEN_500, Mode.GARBAGE])
async def test_a_lost_answer_is_unknown_and_found_again(salon: Arranged, mode: Mode) -> None:
    await needs_booking(salon)
    quick = salon.vendor.build(salon.connection, replace(salon.tools, timings=Timings(3.0, 1.5, 0.05)))
    draft, label = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12)), new_marker()
    before = len(salon.sim.bookings())
    salon.sim.faults.add(mode, salon.sim.booking_write, seconds=4)
    try:
        result = await quick.book(salon.scope, draft, label)
    except Unavailable as error:
        result = Unknown("raised") if error.facts.get("sent") is not False else Refused(RefusalReason.NOT_FOUND)
    assert result != Refused(RefusalReason.NOT_FOUND), "it was sent, and nobody may say otherwise"
    salon.sim.faults.clear()
    await salon.sim.faults.settled()
    written = [held for held in salon.sim.bookings() if carries(salon, held, label) and not held.cancelled]
    assert len(salon.sim.bookings()) - before <= 1
    assert len(written) <= 1
    if isinstance(result, Unknown) and written:
        found = await salon.crm.find_by_marker(salon.scope, label)
        assert [b.id for b in found] == [written[0].id]
    if isinstance(result, Written):
        assert [b.id for b in result.bookings] == [held.id for held in written]


# --- 8. webhooks and changes ----------------------------------------------------------------------------------------


async def test_changes_are_told(salon: Arranged) -> None:
    await needs_booking(salon)
    subscribed = await salon.crm.subscribe(salon.scope, f"{salon.url}/_sim/hook/secret-of-this-test")
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    if not subscribed and not salon.sim.deliveries:
        pytest.skip("this system calls nobody; changes are polled")
    assert salon.sim.deliveries, "the vendor called"
    hints = []
    for delivery in salon.sim.deliveries:
        hints += salon.crm.read_webhook(delivery.body, delivery.headers, delivery.query)
    assert booking.id in {hint.id for hint in hints if hint.kind == "booking"}
    for rubbish in (b"", b"{", b"[]", b"\x00\xff", b'{"a": 1}', b"a=1&b=2"):
        with contextlib.suppress(AppError):
            assert not [h for h in salon.crm.read_webhook(rubbish, {}, {}) if h.id == booking.id]


async def test_changes_are_polled_from_a_cursor(salon: Arranged) -> None:
    await needs_booking(salon)
    if not (await salon.crm.capabilities(salon.scope)).changes:
        pytest.skip("cannot tell what changed, and says so")
    start = await salon.crm.changes_since(salon.scope, "")
    cursor = start.cursor
    while start.more:
        start = await salon.crm.changes_since(salon.scope, cursor)
        cursor = start.cursor
    salon.clock.advance(61)
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    salon.clock.advance(61)
    seen = {b.id for b in (await salon.crm.changes_since(salon.scope, cursor)).bookings}
    assert booking.id in seen


# --- zones ----------------------------------------------------------------------------------------------------------


async def test_the_salons_wall_clock_rules(salon: Arranged) -> None:
    """A booking made elsewhere at 12:00 by the salon's clock is read as 12:00 there, whatever zone this machine has."""
    await needs_booking(salon)
    start = salon.at(WEDNESDAY, 12)
    identifier = salon.sim.book_elsewhere("maria", "S01", start)
    booking = await salon.crm.get(salon.scope, BookingId(identifier))
    assert booking is not None
    assert booking.start == start
    assert booking.start.astimezone(salon.zone).hour == 12
