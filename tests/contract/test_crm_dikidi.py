"""DIKIDI: what is read is read as the widget shows it, what cannot be done is refused, silence is never "no time"."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta

import pytest

from core.errors import ConfigurationError, InvalidInput, Unavailable
from core.outside_http import Timings
from core.phone import Phone
from core.rate_limits import RateLimiter
from crm.adapters.dikidi.adapter import DikidiCrm
from crm.model import (
    BookingId,
    BookingStatus,
    ClientId,
    Plan,
    RefusalReason,
    Refused,
    ServiceId,
    SlotQuery,
    StaffId,
    VisitDraft,
    VisitPart,
)
from crm.vendor.adapter import Imported, ProbeState
from crm.vendor.check import LiveCheck, Verdict
from tests.contract.arrangements import Arranged, arrange, new_marker
from tests.simulators.dikidi.server import Broken, DikidiSimulator, Variant
from tests.simulators.vendor.faults import Mode

WEDNESDAY = date(2026, 12, 9)
VARIANTS = [
    Variant(), Variant(wrapped=False), Variant(texts=False), Variant(php_lists=False, day_objects=True),
]  # fmt: skip


def dikidi(salon: Arranged) -> DikidiSimulator:
    assert isinstance(salon.sim, DikidiSimulator)
    return salon.sim


@pytest.fixture
async def salon() -> AsyncIterator[Arranged]:
    async with arrange("dikidi") as arranged:
        yield arranged


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
async def test_services_masters_and_time_in_every_form_of_the_answer(variant: Variant) -> None:
    async with arrange("dikidi", make=lambda file, now: DikidiSimulator(file, now, variant)) as salon:
        services = {service.id: service for service in await salon.crm.services(salon.scope)}
        haircut = services[ServiceId(salon.sim.service_id("S01"))]
        prices = {offer.staff_id: offer.price.amount.minor for offer in haircut.offers}
        assert prices == {salon.sim.staff_id("anna"): 350000, salon.sim.staff_id("maria"): 250000}
        plans = await salon.plans("S01", day=WEDNESDAY)
        assert {plan.parts[0].staff_id for plan in plans} == set(prices)
        anna = {f"{p.start:%H:%M}" for p in plans if p.parts[0].staff_id == salon.sim.staff_id("anna")}
        assert {"10:00", "13:00", "15:00", "18:00"} <= anna
        assert not {"13:15", "14:00", "18:15"} & anna
        assert all(plan.start.tzinfo is not None and plan.end - plan.start == timedelta(hours=1) for plan in plans)


async def test_a_taken_time_is_not_offered(salon: Arranged) -> None:
    dikidi(salon).book_elsewhere("maria", "S01", salon.at(WEDNESDAY, 12))
    starts = [plan.start for plan in await salon.plans("S01", "maria", day=WEDNESDAY)]
    assert starts
    assert not [s for s in starts if salon.at(WEDNESDAY, 11) < s < salon.at(WEDNESDAY, 13)]


async def test_several_services_follow_one_another_at_times_that_the_widget_lists(salon: Arranged) -> None:
    plans = await salon.plans("S01+S06", "maria", day=WEDNESDAY)
    assert plans
    assert {plan.end - plan.start for plan in plans} == {timedelta(minutes=105)}
    assert {plan.price.amount.minor for plan in plans} == {430000}
    starts = {f"{plan.start:%H:%M}" for plan in plans}
    assert "12:15" in starts
    assert not {"12:30", "13:00"} & starts, "the styling would fall into her break"


async def test_a_search_over_days_asks_only_days_with_free_time(salon: Arranged) -> None:
    part = VisitPart((ServiceId(salon.sim.service_id("S15")),), (StaffId(salon.sim.staff_id("vera")),))
    query = SlotQuery((part,), WEDNESDAY, WEDNESDAY + timedelta(days=13), limit=500)
    days = {plan.start.date().isoweekday() for plan in await salon.crm.slots(salon.scope, query)}
    assert days == {2, 4, 6}
    asked = [s.query for s in dikidi(salon).faults.seen if "get_datetimes" in s.path]
    assert not [query for query in asked[1:] if "date=2026-12-09" in query], "a Wednesday without Vera"


@pytest.mark.parametrize("broken", [one for one in Broken if one is not Broken.NO])
async def test_whatever_is_no_answer_is_an_error_never_no_time(salon: Arranged, broken: Broken) -> None:
    await salon.crm.services(salon.scope)
    dikidi(salon).broken = broken
    with pytest.raises(Unavailable):
        await salon.plans("S01", day=WEDNESDAY)
    fresh = salon.another()
    for question in (fresh.services, fresh.staff):
        with pytest.raises(Unavailable):
            await question(salon.scope)
    probe = await fresh.probe(salon.scope)
    assert not probe.usable
    assert all(item.remedy_ru for item in probe.items if item.state is ProbeState.FAILED)


@pytest.mark.parametrize("mode", [Mode.ERROR_500, Mode.HANG, Mode.GARBAGE, Mode.HTML, Mode.HUGE, Mode.TOO_MANY_BARE])
async def test_a_failing_widget_is_an_error_within_the_deadline(salon: Arranged, mode: Mode) -> None:
    crm = salon.vendor.build(salon.connection, replace(salon.tools, timings=Timings(1.0, 1.0, 0.05)))
    await crm.services(salon.scope)
    salon.sim.faults.add(mode, times=100, seconds=5)
    part = VisitPart((ServiceId(salon.sim.service_id("S01")),))
    with pytest.raises(Unavailable):
        await crm.slots(salon.scope, SlotQuery((part,), WEDNESDAY, WEDNESDAY))
    salon.sim.faults.clear()


async def test_nothing_can_be_written_and_nothing_is(salon: Arranged) -> None:
    able = await salon.crm.capabilities(salon.scope)
    assert [able.book, able.reschedule, able.cancel, able.changes, able.knows_bookings] == [False] * 5
    plan = (await salon.plans("S01", "maria", day=WEDNESDAY))[0]
    client = await salon.someone()
    no = Refused(RefusalReason.NOT_SUPPORTED)
    draft = VisitDraft(client.id, plan, staff_locked=True)
    booking = BookingId("1")
    assert await salon.crm.check(salon.scope, draft) is RefusalReason.NOT_SUPPORTED
    assert await salon.crm.book(salon.scope, draft, new_marker()) == no
    assert await salon.crm.reschedule(salon.scope, booking, plan, new_marker()) == no
    assert await salon.crm.cancel(salon.scope, booking, late=False, reason="") == no
    assert await salon.crm.set_status(salon.scope, booking, BookingStatus.CONFIRMED) == no
    assert await salon.crm.add_note(salon.scope, booking, "у окна") == no
    assert not await salon.crm.subscribe(salon.scope, "https://example.org/hook")
    with pytest.raises(InvalidInput):
        salon.crm.read_webhook(b"{}", {}, {})
    assert {seen.method for seen in salon.sim.faults.seen} == {"GET"}


async def test_the_link_carries_the_choice(salon: Arranged) -> None:
    able = await salon.crm.capabilities(salon.scope)
    maria, haircut = salon.sim.staff_id("maria"), salon.sim.service_id("S01")
    single = (await salon.plans("S01", "maria", day=WEDNESDAY))[0]
    double = (await salon.plans("S01+S06", "maria", day=WEDNESDAY))[0]
    two = Plan((*single.parts, replace(single.parts[0], staff_id=StaffId("9"), service_ids=(ServiceId("8"),))))
    assert able.link_to(single) == f"https://dikidi.net/550001?p=3.pi-po-ssm-si&o=7&s={haircut}"
    assert able.link_to(double) == f"https://dikidi.net/550001?p=2.pi-po-sm-mi&o=1&m={maria}"
    assert able.link_to(two) == able.booking_link == "https://dikidi.net/550001"
    settings = {**salon.connection.settings, "prefilled_links": "no"}
    plain = await salon.vendor.build(replace(salon.connection, settings=settings), salon.tools).capabilities(
        salon.scope
    )
    assert plain.link_to(single) == "https://dikidi.net/550001"


async def test_the_company_is_a_number_or_its_link(salon: Arranged) -> None:
    def built(company: str) -> DikidiCrm:
        settings = {**salon.connection.settings, "company_id": company}
        return DikidiCrm(replace(salon.connection, settings=settings), salon.tools)

    assert (await built("https://dikidi.net/550001").probe(salon.scope)).usable
    assert not (await built("550002").probe(salon.scope)).usable
    for wrong in ("salon", "https://example.org/550001", "55 00"):
        with pytest.raises(ConfigurationError):
            built(wrong)


async def test_lists_are_asked_for_once_an_hour_and_politely(salon: Arranged) -> None:
    crm = salon.vendor.build(salon.connection, replace(salon.tools, limiter=RateLimiter(None)))
    await crm.services(salon.scope)
    asked = salon.sim.faults.count()
    assert asked == 2 + len(salon.file.staff)
    await crm.staff(salon.scope)
    assert salon.sim.faults.count() == asked


async def test_the_live_check_says_what_is_skipped(salon: Arranged) -> None:
    report = await LiveCheck(salon.crm, salon.scope, salon.clock).run()
    assert report.passed, [row for row in report.rows if row.verdict is Verdict.FAILED]
    verdicts = {row.name: row.verdict for row in report.rows}
    assert {name for name, verdict in verdicts.items() if verdict is Verdict.PASSED} == {
        "auth", "services", "staff", "slots", "errors",
    }  # fmt: skip
    assert report.left_behind == ()


# --- the export -----------------------------------------------------------------------------------------------------

CSV = """Дата;Время;Мастер;Услуга;Клиент;Телефон;Статус
09.12.2026;12:00;Мария Крылова;Женская стрижка;Ирина Павлова;8 900 000-01-01;Подтверждена
10.12.2026;15:00;Анна Белова;Укладка;Ирина Павлова;+79000000101;Отменена клиентом
11.12.2026;11:00;Неизвестная Мастерица;Укладка;Кто-то;;
"""


async def test_an_export_makes_bookings_known_while_it_is_fresh(salon: Arranged) -> None:
    crm = salon.crm
    assert isinstance(crm, DikidiCrm)
    phone = Phone("+79000000101")
    assert await crm.find_clients(salon.scope, phone) == []
    imported = await crm.import_bookings(salon.scope, CSV.encode())
    assert imported == Imported(2, ("4: такого мастера в виджете нет",))
    assert (await crm.capabilities(salon.scope)).knows_bookings
    (client,) = await crm.find_clients(salon.scope, phone)
    assert client.name == "Ирина Павлова"
    (booking,) = await salon.another().bookings_of(salon.scope, client.id)
    assert (booking.start, booking.staff_id) == (salon.at(WEDNESDAY, 12), salon.sim.staff_id("maria"))
    assert await crm.get(salon.scope, booking.id) == booking
    starts = [plan.start for plan in await salon.plans("S01", "maria", day=WEDNESDAY)]
    assert not [s for s in starts if salon.at(WEDNESDAY, 11) < s < salon.at(WEDNESDAY, 13)], "not offered twice"
    salon.clock.advance(31 * 3600)
    assert not (await crm.capabilities(salon.scope)).knows_bookings
    assert await crm.find_clients(salon.scope, phone) == []
    assert await crm.bookings_of(salon.scope, ClientId(client.id)) == []
