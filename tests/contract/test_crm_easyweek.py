"""EasyWeek where the common suite does not reach: the unknown wire in all its variants, moves that break half-way."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from datetime import date, timedelta

import pytest

from core.errors import AppError, Unavailable
from core.outside_http import OutcomeUnknown, Timings
from core.phone import Phone
from core.rate_limits import RateLimiter
from crm.catalogue import Catalogue
from crm.model import BookingStatus, ClientId, RefusalReason, Refused, ServiceId, SlotQuery, StaffId, VisitPart, Written
from crm.vendor.adapter import ProbeState
from tests.contract.arrangements import Arranged, arrange, new_marker
from tests.simulators.easyweek.server import EVENTS, EasyweekSimulator
from tests.simulators.easyweek.state import Envelope, Intervals, Variant
from tests.simulators.vendor.faults import Mode

WEDNESDAY = date(2026, 12, 9)
VARIANTS = [
    *(Variant(intervals=form) for form in Intervals),
    *(Variant(envelope=form) for form in Envelope if form is not Envelope.PAGES),
    Variant(zone_object=False, cancel="POST set-booking-cancel"),
    Variant(newest_first=False, slash=False),
    Variant(names_staff=True, names_offers=True),
    Variant(words="reserved_on: Nope."),
    Variant(words="reserved_on: Nope.", intervals=Intervals.ISO_UTC, envelope=Envelope.DATA, newest_first=False),
]


def easyweek(salon: Arranged) -> EasyweekSimulator:
    assert isinstance(salon.sim, EasyweekSimulator)
    return salon.sim


@pytest.fixture
async def salon() -> AsyncIterator[Arranged]:
    async with arrange("easyweek") as arranged:
        yield arranged


def unusual(variant: Variant) -> str:
    usual = asdict(Variant())
    return ",".join(f"{key}={value}" for key, value in asdict(variant).items() if value != usual[key]) or "usual"


@pytest.mark.parametrize("variant", VARIANTS, ids=unusual)
async def test_the_whole_life_of_a_booking_in_every_variant_of_the_wire(variant: Variant) -> None:
    async with arrange("easyweek", make=lambda file, now: EasyweekSimulator(file, now, variant)) as salon:
        assert (await salon.crm.probe(salon.scope)).usable
        assert len(await salon.crm.services(salon.scope)) == len(salon.file.services)
        maria = await salon.plans("S01", "maria", day=WEDNESDAY)
        clocks = {f"{plan.start:%H:%M}" for plan in maria}
        assert {"10:00", "13:00", "14:30", "19:00"} <= clocks
        assert not {"13:15", "14:00", "14:15", "19:15"} & clocks
        booking = await salon.booked("S01+S06", "maria", salon.at(WEDNESDAY, 16))
        taken = await salon.plans("S01", "maria", day=WEDNESDAY)
        assert not [p for p in taken if salon.at(WEDNESDAY, 15) < p.start < salon.at(WEDNESDAY, 17, 45)]
        plan = await salon.plan_at("S01+S06", "maria", salon.at(WEDNESDAY, 10))
        moved = await salon.crm.reschedule(salon.scope, booking.id, plan, new_marker())
        assert isinstance(moved, Written), moved
        draft = await salon.draft("S03", "igor", salon.at(WEDNESDAY, 12))
        easyweek(salon).book_elsewhere("igor", "S05", salon.at(WEDNESDAY, 12, 15))
        assert await salon.crm.book(salon.scope, draft, new_marker()) == Refused(RefusalReason.SLOT_TAKEN)
        gone = await salon.crm.cancel(salon.scope, moved.bookings[0].id, late=False, reason="передумала")
        assert isinstance(gone, Written), gone
        assert not [held for held in salon.sim.bookings() if held.phone == "+79000000301" and not held.cancelled]


# --- what EasyWeek does not tell ------------------------------------------------------------------------------------


async def test_the_master_of_a_booking_that_a_person_made_or_moved(salon: Arranged) -> None:
    sim = easyweek(salon)
    made = sim.book_elsewhere("maria", "S01", salon.at(WEDNESDAY, 12))
    found = await salon.crm.get(salon.scope, made)
    assert found is not None
    assert found.staff_id == sim.staff_id("maria")
    sim.move_elsewhere(made, "anna", salon.at(WEDNESDAY, 17))
    moved = await salon.crm.get(salon.scope, made)
    assert moved is not None
    assert (moved.staff_id, moved.start) == (sim.staff_id("anna"), salon.at(WEDNESDAY, 17))
    asked = sim.faults.count(r"bookings\?staffer_uuid")
    again = await salon.another().get(salon.scope, made)
    assert again is not None
    assert again.staff_id == sim.staff_id("anna")
    assert sim.faults.count(r"bookings\?staffer_uuid") == asked, "what was found is kept for every process"


async def test_without_a_price_list_of_ours_the_free_time_says_who_does_it(salon: Arranged) -> None:
    class Nothing:
        async def catalogue(self, scope: object) -> Catalogue:
            return Catalogue(salon.file.profile, {}, {}, {})

    crm = salon.vendor.build(salon.connection, replace(salon.tools, catalogue=Nothing()))
    service = next(s for s in await crm.services(salon.scope) if s.id == salon.sim.service_id("S01"))
    assert len(service.offers) == len(salon.file.staff)
    part = VisitPart((service.id,))
    plans = await crm.slots(salon.scope, SlotQuery((part,), WEDNESDAY, WEDNESDAY, limit=500))
    assert {p.parts[0].staff_id for p in plans} == {salon.sim.staff_id("anna"), salon.sim.staff_id("maria")}
    assert {p.price.amount.minor for p in plans} == {250000}, "EasyWeek's one price"


async def test_a_price_of_ours_that_easyweek_contradicts_is_not_told(salon: Arranged) -> None:
    sim = easyweek(salon)
    key = sim.service_id("S01")
    service = sim.space.services[key]
    dearer = tuple(replace(o, price=replace(o.price, amount=o.price.amount + o.price.amount)) for o in service.offers)
    sim.space.services[key] = replace(service, offers=dearer)
    found = next(s for s in await salon.crm.services(salon.scope) if s.id == key)
    assert {offer.price.amount.minor for offer in found.offers} == {500000}


async def test_a_long_search_is_asked_in_ranges_that_easyweek_takes(salon: Arranged) -> None:
    part = VisitPart((ServiceId(salon.sim.service_id("S05")),))
    first, last = date(2026, 12, 9), date(2027, 6, 9)
    plans = await salon.crm.slots(salon.scope, SlotQuery((part,), first, last, limit=10_000))
    days = {plan.start.date() for plan in plans}
    assert min(days) == first
    assert max(days) >= last - timedelta(days=3)
    assert easyweek(salon).faults.count(r"time-slots/") == 3


# --- moving and cancelling ------------------------------------------------------------------------------------------


async def test_a_move_whose_answer_was_lost_is_ended_by_whoever_looks_it_up(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    plan = await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 17))
    label = new_marker()
    quick = salon.vendor.build(salon.connection, replace(salon.tools, timings=Timings(3.0, 1.0, 0.05)))
    salon.sim.faults.add(Mode.COMMIT_THEN_HANG, salon.sim.booking_write, seconds=2)
    with pytest.raises(Unavailable):
        await quick.reschedule(salon.scope, booking.id, plan, label)
    mine = [h for h in salon.sim.bookings() if h.phone == "+79000000301" and not h.cancelled]
    assert len(mine) == 2, "the new one was booked, the old one still stands"
    (found,) = await salon.another().find_by_marker(salon.scope, label)
    assert found.start == plan.start
    mine = [h for h in salon.sim.bookings() if h.phone == "+79000000301" and not h.cancelled]
    assert [h.id for h in mine] == [found.id]


async def test_a_move_is_not_told_while_the_old_booking_stands(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    plan = await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 17))
    label = new_marker()
    easyweek(salon).lies_about_cancelling = True
    with pytest.raises(OutcomeUnknown):
        await salon.crm.reschedule(salon.scope, booking.id, plan, label)
    with pytest.raises(OutcomeUnknown):
        await salon.crm.find_by_marker(salon.scope, label)
    easyweek(salon).lies_about_cancelling = False
    (found,) = await salon.crm.find_by_marker(salon.scope, label)
    old = await salon.crm.get(salon.scope, booking.id)
    assert old is not None
    assert (found.start, old.status) == (plan.start, BookingStatus.CANCELLED)
    again = await salon.crm.reschedule(salon.scope, booking.id, plan, label)
    assert isinstance(again, Written)
    assert [b.id for b in again.bookings] == [found.id]


async def test_an_ended_move_is_not_undone_by_a_later_look(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    plan = await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 17))
    label = new_marker()
    moved = await salon.crm.reschedule(salon.scope, booking.id, plan, label)
    assert isinstance(moved, Written)
    cancels = salon.sim.faults.count("^PUT")
    await salon.crm.find_by_marker(salon.scope, label)
    assert salon.sim.faults.count("^PUT") == cancels


async def test_cancelled_is_what_the_booking_says_not_the_answer(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    easyweek(salon).lies_about_cancelling = True
    with pytest.raises(OutcomeUnknown):
        await salon.crm.cancel(salon.scope, booking.id, late=False, reason="")


async def test_a_stale_answer_after_a_cancellation_is_asked_again(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    await salon.crm.get(salon.scope, booking.id)
    salon.sim.faults.add(Mode.STALE, rf"^GET .*/bookings/{booking.id}", times=2)
    gone = await salon.crm.cancel(salon.scope, booking.id, late=False, reason="")
    assert isinstance(gone, Written)


# --- clients, changes, connection -----------------------------------------------------------------------------------


async def test_a_client_is_made_by_her_first_booking(salon: Arranged) -> None:
    new = await salon.someone()
    assert await salon.crm.client(salon.scope, new.id) == new
    assert await salon.crm.bookings_of(salon.scope, new.id) == []
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    known = await salon.someone()
    assert known.id == booking.client_id
    assert not known.id.startswith("new:")
    assert [b.id for b in await salon.crm.bookings_of(salon.scope, new.id)] == [booking.id]
    assert [b.id for b in await salon.crm.bookings_of(salon.scope, known.id)] == [booking.id]


async def test_a_row_that_cannot_be_read_fails_the_list(salon: Arranged) -> None:
    sim = easyweek(salon)
    broken = sim.space.customers[sim.client_id("C01")]
    broken["uuid"] = ""
    with pytest.raises(AppError):
        await salon.crm.find_clients(salon.scope, Phone("+79000000101"))


async def test_five_addresses_tell_what_happened(salon: Arranged) -> None:
    sim = easyweek(salon)
    assert not await salon.crm.subscribe(salon.scope, "https://example.org/crm/easyweek/token")
    sim.register_hooks("https://127.0.0.1/_sim/hook/token")
    assert set(sim.hooks) == set(EVENTS)
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    await salon.crm.cancel(salon.scope, booking.id, late=False, reason="")
    hints = [h for d in sim.deliveries for h in salon.crm.read_webhook(d.body, d.headers, d.query)]
    assert [(h.id, h.action) for h in hints] == [(booking.id, "create"), (booking.id, "delete")]
    assert json.loads(sim.deliveries[1].body)["booking_status"] == "Отменена"


async def test_changes_by_people_are_noticed_once(salon: Arranged) -> None:
    sim = easyweek(salon)
    made = sim.book_elsewhere("maria", "S01", salon.at(WEDNESDAY, 12))
    cursor = (await salon.crm.changes_since(salon.scope, "")).cursor
    salon.clock.advance(60)
    quiet = await salon.crm.changes_since(salon.scope, cursor)
    assert quiet.bookings == ()
    sim.move_elsewhere(made, "anna", salon.at(WEDNESDAY, 17))
    salon.clock.advance(60)
    moved = await salon.another().changes_since(salon.scope, quiet.cursor)
    assert [(b.id, b.staff_id, b.start) for b in moved.bookings] == [
        (made, sim.staff_id("anna"), salon.at(WEDNESDAY, 17))
    ]
    sim.space.bookings[made].canceled = True
    salon.clock.advance(60)
    gone = await salon.crm.changes_since(salon.scope, moved.cursor)
    assert [(b.id, b.status) for b in gone.bookings] == [(made, BookingStatus.CANCELLED)]
    salon.clock.advance(60)
    assert (await salon.crm.changes_since(salon.scope, gone.cursor)).bookings == ()


@pytest.mark.parametrize("newest_first", [True, False])
async def test_a_look_for_changes_does_not_read_years_of_history(newest_first: bool) -> None:
    variant = Variant(newest_first=newest_first)
    async with arrange("easyweek", make=lambda file, now: EasyweekSimulator(file, now, variant)) as salon:
        sim = easyweek(salon)
        guest = sim.space.add_customer("Гостья", "")
        for number in range(450):
            start = salon.at(date(2024, 1, 1), 10) + timedelta(days=number)
            sim.space.write(sim.staff_id("maria"), [sim.service_id("S01")], guest, start)
        sim.book_elsewhere("maria", "S01", salon.at(WEDNESDAY, 12))
        found = await salon.crm.changes_since(salon.scope, "")
        assert salon.at(WEDNESDAY, 12) in {b.start for b in found.bookings}
        maria = sim.staff_id("maria")
        assert sim.faults.count(rf"bookings\?staffer_uuid={maria}") <= 3


async def test_who_has_free_time_counts_as_on_duty(salon: Arranged) -> None:
    shifts = {shift.staff_id: shift for shift in await salon.crm.on_duty(salon.scope, WEDNESDAY)}
    assert set(shifts) == {salon.sim.staff_id(key) for key in ("anna", "maria", "igor", "olga", "svetlana")}
    maria = shifts[StaffId(salon.sim.staff_id("maria"))]
    assert (maria.start, maria.end) == (salon.at(WEDNESDAY, 10), salon.at(WEDNESDAY, 20))


async def test_looks_for_changes_leave_the_limit_to_callers(salon: Arranged) -> None:
    cursor = (await salon.crm.changes_since(salon.scope, "")).cursor
    asked = salon.sim.faults.count()
    salon.clock.advance(20)
    again = await salon.crm.changes_since(salon.scope, cursor)
    assert (again.cursor, again.bookings) == (cursor, ())
    assert salon.sim.faults.count() == asked


async def test_a_wrong_location_is_told_with_the_choice(salon: Arranged) -> None:
    settings = {**salon.connection.settings, "location_uuid": "4821"}
    crm = salon.vendor.build(replace(salon.connection, settings=settings), salon.tools)
    probe = await crm.probe(salon.scope)
    auth = next(item for item in probe.items if item.what == "auth")
    assert auth.state is ProbeState.DENIED
    assert easyweek(salon).space.location in auth.remedy_ru


async def test_a_wrong_workspace_is_told(salon: Arranged) -> None:
    settings = {**salon.connection.settings, "workspace": "someone-else"}
    probe = await salon.vendor.build(replace(salon.connection, settings=settings), salon.tools).probe(salon.scope)
    assert not probe.usable
    assert "рабочего пространства" in probe.items[0].remedy_ru


async def test_a_ping_without_pong_is_not_trusted(salon: Arranged) -> None:
    salon.sim.faults.add(Mode.HTML, r"/ping")
    probe = await salon.crm.probe(salon.scope)
    assert probe.items[0].state is ProbeState.FAILED
    assert not probe.usable


async def test_a_long_retry_after_is_believed_for_ten_seconds(salon: Arranged) -> None:
    limiter = RateLimiter(None)
    crm = salon.vendor.build(salon.connection, replace(salon.tools, limiter=limiter, timings=Timings(1.0, 1.0, 0.05)))
    salon.sim.faults.add(Mode.TOO_MANY, seconds=3600)
    with pytest.raises(Unavailable) as refused:
        await crm.client(salon.scope, ClientId(salon.sim.client_id("C01")))
    assert refused.value.facts["sent"] is False
    assert 5 < float(refused.value.facts["wait_s"] or 0) <= 10


async def test_the_limit_a_key_is_kept_here(salon: Arranged) -> None:
    sim = easyweek(salon)
    sim.a_minute = 60
    crm = salon.vendor.build(
        salon.connection, replace(salon.tools, limiter=RateLimiter(None), timings=Timings(0.5, 0.5, 0.05))
    )
    done = refused = 0
    for _ in range(90):
        try:
            await crm.client(salon.scope, ClientId(sim.client_id("C01")))
            done += 1
        except Unavailable:
            refused += 1
            if refused > 3:
                break
    assert 30 <= done <= 60
    assert refused
    assert not [seen for seen in sim.faults.seen if seen.status == 429], "the limit is kept here, not hit there"
