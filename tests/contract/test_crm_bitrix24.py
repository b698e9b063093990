"""What is Bitrix24's own beside the suite of all vendors: visits of several calls, its limits, its two ways of auth,
a portal that moves, and both places where a visit can live."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from core.errors import AppError, ConfigurationError, InvalidInput, Unavailable
from core.outside_http import AccessDenied, Timings
from core.phone import Phone
from core.rate_limits import RateLimited, RateLimiter
from crm.model import (
    BookingId,
    BookingStatus,
    RefusalReason,
    Refused,
    ServiceId,
    SlotQuery,
    StaffId,
    VisitDraft,
    VisitPart,
    Written,
)
from crm.vendor.adapter import Connection, ProbeState, VendorCrm
from crm.vendor.check import LiveCheck, Verdict
from crm.vendor.storage import MemoryLinks, MemoryTokens
from tests.contract.arrangements import Arranged, arrange, new_marker
from tests.simulators.bitrix24.state import CATEGORY
from tests.simulators.bitrix24.wire import Refusal
from tests.simulators.vendor.faults import Mode
from tests.simulators.vendor.serving import served

WEDNESDAY = date(2026, 12, 9)
QUICK = Timings(1.5, 1.5, 0.05)
PHONE = Phone("+79000000101")


@pytest.fixture
async def salon() -> AsyncIterator[Arranged]:
    """A portal with online booking, reached as an application."""
    async with arrange("bitrix24") as arranged:
        yield arranged


@pytest.fixture
async def deals() -> AsyncIterator[Arranged]:
    """A portal without online booking, reached by an incoming webhook."""
    async with arrange("bitrix24:crm") as arranged:
        yield arranged


def portal(salon: Arranged) -> Any:
    return salon.sim.portal  # type: ignore[attr-defined]


def sim(salon: Arranged) -> Any:
    return salon.sim


def built(salon: Arranged, *, quick: bool = False, tools: Any = None, **settings: Any) -> VendorCrm:
    connection = replace(salon.connection, settings={**salon.connection.settings, **settings})
    tools = tools or (replace(salon.tools, timings=QUICK) if quick else salon.tools)
    return salon.vendor.build(connection, tools)


def methods(salon: Arranged, word: str = "") -> list[str]:
    found = [seen.path.rsplit("/", 1)[-1] for seen in salon.sim.faults.seen]
    return [name for name in found if word in name]


async def written(crm: VendorCrm, salon: Arranged, hour: int = 12, marker: str = "") -> Any:
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, hour))
    result = await crm.book(salon.scope, draft, marker or new_marker())
    assert isinstance(result, Written), result
    return result.bookings[0]


# --- a visit is several calls ---------------------------------------------------------------------------------------


async def test_booking_client_and_deal_in_this_order(salon: Arranged) -> None:
    crm = built(salon, deal_category="0")
    marker = new_marker()
    booking = await written(crm, salon, marker=marker)
    wanted = [
        "booking.v1.booking.add",
        "booking.v1.booking.client.set",
        "crm.item.add",
        "booking.v1.booking.externalData.set",
    ]
    made = [name for name in methods(salon) if name in wanted]
    assert made[-4:] == wanted, "the contact was made before"
    (deal,) = portal(salon).deals.values()
    assert (deal["contactId"], deal["opportunity"]) == (int(booking.client_id), booking.price.amount.minor // 100)
    assert str(deal["begindate"]).startswith("2026-12-09")
    visit = portal(salon).visits[int(booking.id)]
    assert visit.external == [{"moduleId": "crm", "entityTypeId": "DEAL", "value": str(deal["id"])}]
    plan = await salon.plan_at("S01", "maria", salon.at(WEDNESDAY + timedelta(1), 17))
    moved = await crm.reschedule(salon.scope, booking.id, plan, new_marker())
    assert isinstance(moved, Written), moved
    assert str(deal["begindate"]).startswith("2026-12-10")
    await crm.cancel(salon.scope, booking.id, late=False, reason="передумала")
    assert deal["stageSemanticId"] == "F"


@pytest.mark.parametrize("category", ["", "0"])
async def test_a_client_that_cannot_be_tied_takes_the_booking_back(salon: Arranged, category: str) -> None:
    crm = built(salon, deal_category=category)
    sim(salon).booking.refuse_clients = Refusal(400, "INVALID_ARG_VALUE", "client")
    before = dict(portal(salon).visits)
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    assert await crm.book(salon.scope, draft, new_marker()) == Refused(RefusalReason.REFUSED_BY_CRM)
    assert portal(salon).visits == before
    assert portal(salon).deals == {}
    sim(salon).booking.refuse_clients = Refusal(403, "insufficient_scope", "crm")
    with pytest.raises(AccessDenied):
        await crm.book(salon.scope, draft, new_marker())
    assert portal(salon).visits == before


async def test_a_client_that_was_not_tied_is_tied_when_the_visit_is_found(salon: Arranged) -> None:
    crm = built(salon, quick=True)
    draft, marker = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12)), new_marker()
    salon.sim.faults.add(Mode.ERROR_500, "client.set", times=20)
    with pytest.raises(Unavailable) as lost:
        await crm.book(salon.scope, draft, marker)
    assert lost.value.facts.get("sent") is not False, "the booking stands: nobody may say that nothing was sent"
    (visit,) = [v for v in portal(salon).visits.values() if marker in (v.description or "")]
    assert visit.clients == []
    with pytest.raises(AppError):  # still failing: no half-finished visit is called done
        await crm.find_by_marker(salon.scope, marker)
    salon.sim.faults.clear()
    (found,) = await built(salon).find_by_marker(salon.scope, marker)
    assert found.client_id == draft.client_id
    assert [str(c["id"]) for c in visit.clients] == [draft.client_id]


@pytest.mark.parametrize("mode", [Mode.COMMIT_THEN_500, Mode.ERROR_500])
async def test_a_deal_whose_answer_was_lost_is_made_once(salon: Arranged, mode: Mode) -> None:
    crm = built(salon, quick=True, deal_category="0")
    draft, marker = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12)), new_marker()
    salon.sim.faults.add(mode, "crm.item.add")
    with pytest.raises(Unavailable):
        await crm.book(salon.scope, draft, marker)
    result = await crm.book(salon.scope, draft, marker)
    assert isinstance(result, Written)
    assert len(portal(salon).deals) == 1
    (visit,) = [v for v in portal(salon).visits.values() if marker in (v.description or "")]
    assert len(visit.external) == 1


async def test_the_vendors_no_is_the_last_word_on_a_time(salon: Arranged) -> None:
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    sim(salon).refusals.append((r"booking\.v1\.booking\.add", Refusal(400, 1018, "Empty resource collection")))
    assert await salon.crm.book(salon.scope, draft, new_marker()) == Refused(RefusalReason.SLOT_TAKEN)
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    plan = await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 17))
    sim(salon).refusals.append((r"booking\.v1\.booking\.update", Refusal(400, 1018, "Empty resource collection")))
    moved = await salon.crm.reschedule(salon.scope, booking.id, plan, new_marker())
    assert moved == Refused(RefusalReason.SLOT_TAKEN)


async def test_where_the_portal_lets_two_in_at_most_one_stays(salon: Arranged) -> None:
    sim(salon).booking.overbooking = True
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    other = salon.another()
    results = await asyncio.gather(
        *(crm.book(salon.scope, draft, new_marker()) for crm in (salon.crm, other)), return_exceptions=True
    )
    start = int(salon.at(WEDNESDAY, 12).timestamp())
    standing = [v for v in portal(salon).visits.values() if v.start == start]
    assert len(standing) <= 1
    assert sum(isinstance(result, Written) for result in results) == len(standing)


async def test_a_marker_is_found_without_our_own_knowledge_of_it(salon: Arranged) -> None:
    marker = new_marker()
    booking = await salon.booked("S03", "igor", salon.at(WEDNESDAY + timedelta(14), 12), marker)
    stranger = built(salon, tools=replace(salon.tools, links=MemoryLinks()))
    assert [b.id for b in await stranger.find_by_marker(salon.scope, marker)] == [booking.id]


async def test_a_moved_visit_is_still_the_one_that_its_first_marker_made(salon: Arranged) -> None:
    first, second = new_marker(), new_marker()
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12), first)
    plan = await salon.plan_at("S01", "maria", salon.at(WEDNESDAY + timedelta(7), 17))
    assert isinstance(await salon.crm.reschedule(salon.scope, booking.id, plan, second), Written)
    for marker in (first, second):
        assert [b.id for b in await salon.another().find_by_marker(salon.scope, marker)] == [booking.id]
    never = new_marker()
    salon.sim.faults.add(Mode.ERROR_500, "booking.update", times=20)
    with pytest.raises(Unavailable):
        await built(salon, quick=True).reschedule(
            salon.scope, booking.id, await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 12)), never
        )
    salon.sim.faults.clear()
    assert await salon.crm.find_by_marker(salon.scope, never) == [], "it was not moved"


# --- lists without pages --------------------------------------------------------------------------------------------


def crowd(salon: Arranged, count: int, hour: int, staff: str = "vera") -> None:
    """So many short bookings at one master from this hour on, a minute each."""
    start = salon.at(WEDNESDAY, hour)
    for number in range(count):
        at = start + timedelta(minutes=number)
        portal(salon).put(staff, ["S14"], at, at + timedelta(minutes=1), None)


async def test_a_list_that_is_cut_at_fifty_is_asked_again_in_halves(salon: Arranged) -> None:
    crowd(salon, 120, 8)
    salon.sim.book_elsewhere("maria", "S01", salon.at(WEDNESDAY, 12))
    plans = await salon.plans("S01", "maria", day=WEDNESDAY)
    assert plans
    taken = (salon.at(WEDNESDAY, 12), salon.at(WEDNESDAY, 13))
    assert not [plan for plan in plans if plan.start < taken[1] and taken[0] < plan.end]


async def test_more_at_one_time_than_the_list_shows_is_an_error(salon: Arranged) -> None:
    start = salon.at(WEDNESDAY, 12)
    for _ in range(60):
        portal(salon).put("vera", ["S14"], start, start + timedelta(minutes=30), None)
    with pytest.raises(Unavailable):
        await salon.plans("S01", "maria", day=WEDNESDAY)


async def test_a_portal_that_does_not_cut_serves_as_well(salon: Arranged) -> None:
    sim(salon).booking.cuts_at_page = False
    crowd(salon, 120, 8)
    assert await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 12))


async def test_bookings_over_1000_are_all_seen(salon: Arranged) -> None:
    for day in range(20):
        start = datetime.combine(WEDNESDAY + timedelta(day), datetime.min.time(), salon.zone)
        for number in range(55):
            at = start + timedelta(minutes=20 * number)
            portal(salon).put("vera", ["S14"], at, at + timedelta(minutes=10), None)
    changes = await salon.crm.changes_since(salon.scope, "")
    assert len(changes.bookings) == len(portal(salon).visits) > 1100
    assert methods(salon).count("batch") <= 12, "many lists travel in few requests"


# --- limits ---------------------------------------------------------------------------------------------------------


async def test_query_limit_is_waited_out_and_a_write_is_written_once(salon: Arranged) -> None:
    limit = Refusal(503, "QUERY_LIMIT_EXCEEDED", "Too many requests")
    await salon.crm.find_clients(salon.scope, PHONE)
    sim(salon).refusals.append((r"crm\.duplicate\.findbycomm", limit))
    assert await salon.crm.find_clients(salon.scope, PHONE)
    sim(salon).refusals.append((r"booking\.v1\.booking\.add", limit))
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    assert methods(salon).count("booking.v1.booking.add") == 2
    assert [h.id for h in salon.sim.bookings() if h.phone == "+79000000301"] == [booking.id]


async def test_a_method_that_is_cut_off_is_left_alone_and_the_others_go_on(salon: Arranged) -> None:
    await salon.crm.find_clients(salon.scope, PHONE)
    cut = Refusal(429, "OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit")
    sim(salon).refusals.append((r"crm\.duplicate\.findbycomm", cut))
    before = len(methods(salon, "findbycomm"))
    for _ in range(3):
        with pytest.raises(RateLimited):
            await salon.crm.find_clients(salon.scope, PHONE)
    assert len(methods(salon, "findbycomm")) == before + 1, "asked once, not hammered"
    assert await salon.plans("S01", "maria", day=WEDNESDAY)


@pytest.mark.parametrize(("status", "code"), [(503, "OVERLOAD_LIMIT"), (500, "PORTAL_DELETED")])
async def test_what_support_must_lift_is_not_repeated(salon: Arranged, status: int, code: str) -> None:
    await salon.crm.find_clients(salon.scope, PHONE)
    before = len(methods(salon))
    sim(salon).refusals.append((r"crm\.duplicate\.findbycomm", Refusal(status, code, "")))
    with pytest.raises(AccessDenied) as denied:
        await salon.crm.find_clients(salon.scope, PHONE)
    assert "Битрикс24" in denied.value.remedy
    assert len(methods(salon)) == before + 1


async def test_our_own_limiter_keeps_the_portals_bucket_from_running_over(salon: Arranged) -> None:
    sim(salon).bucket = (0.0, 0.0)
    tools = replace(salon.tools, limiter=RateLimiter(None), timings=Timings(20.0, 20.0, 0.05))
    crm = built(salon, tools=tools)
    await asyncio.gather(*(crm.client(salon.scope, "1") for _ in range(54)))  # type: ignore[arg-type]
    assert sim(salon).cut_off == 0
    assert len(methods(salon, "crm.item.get")) == 54


# --- two ways in ----------------------------------------------------------------------------------------------------


async def test_online_booking_through_an_incoming_webhook(salon: Arranged) -> None:
    sim(salon).application = False
    settings, secrets = salon.sim.settings(salon.url)
    del settings["base_url"]  # the webhook's address names the portal
    crm = salon.vendor.build(Connection("bitrix24", settings, secrets), salon.tools)
    assert (await crm.probe(salon.scope)).usable
    plan = await salon_plan(crm, salon)
    client = await crm.find_or_create_client(salon.scope, "Вероника Тест", Phone("+79000000301"))
    result = await crm.book(salon.scope, VisitDraft(client.id, plan, staff_locked=False), new_marker())
    assert isinstance(result, Written)
    assert not await crm.subscribe(salon.scope, "https://example.ru/hook"), "webhooks bind no events"
    wrong = salon.vendor.build(Connection("bitrix24", settings, {"webhook": f"{salon.url}/rest/1/wrong/"}), salon.tools)
    with pytest.raises(AccessDenied) as denied:
        await wrong.find_clients(salon.scope, PHONE)
    assert "вебхук" in denied.value.remedy
    assert all("wrong" not in str(value) for value in denied.value.facts.values()), "no key in an error"


async def salon_plan(crm: VendorCrm, salon: Arranged) -> Any:
    part = VisitPart((ServiceId("S01"),), (StaffId("maria"),))
    return (await crm.slots(salon.scope, SlotQuery((part,), WEDNESDAY, WEDNESDAY, limit=500)))[0]


async def test_a_token_that_ends_during_a_write_costs_one_renewal_and_writes_once(salon: Arranged) -> None:
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    salon.sim.expire_tokens()
    before = salon.sim.renewals()
    assert isinstance(await salon.crm.book(salon.scope, draft, new_marker()), Written)
    assert salon.sim.renewals() == before + 1
    assert len([h for h in salon.sim.bookings() if h.phone == "+79000000301"]) == 1
    assert salon.tools.tokens.tokens["expires_at"] is None, "renewed when refused, not by the clock"  # type: ignore[attr-defined]


async def test_a_dead_refresh_token_is_told_with_what_to_do(salon: Arranged) -> None:
    crm = built(salon, tools=replace(salon.tools, tokens=MemoryTokens({"access": "old", "refresh": "dead"})))
    with pytest.raises(AccessDenied) as denied:
        await crm.find_clients(salon.scope, PHONE)
    assert "приложение" in denied.value.remedy
    (item,) = (await crm.probe(salon.scope)).items
    assert (item.what, item.state) == ("auth", ProbeState.DENIED)


@pytest.mark.parametrize(
    ("settings", "secrets"),
    [({}, {}), ({"base_url": "https://salon.bitrix24.ru"}, {}), ({"client_id": "x"}, {}),
     ({"mode": "both"}, {"webhook": "https://salon.bitrix24.ru/rest/1/abc/"})],
)  # fmt: skip
async def test_settings_that_cannot_work_are_named(salon: Arranged, settings: Any, secrets: Any) -> None:
    with pytest.raises(ConfigurationError):
        salon.vendor.build(Connection("bitrix24", settings, secrets), salon.tools)


async def test_a_pipeline_is_a_number(salon: Arranged) -> None:
    with pytest.raises(InvalidInput, match="deal_category"):
        built(salon, deal_category="Продажи")


# --- a portal that is renamed ---------------------------------------------------------------------------------------


async def test_a_renamed_portal_is_followed_and_remembered(salon: Arranged) -> None:
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    async with served(salon.sim.app) as new:

        async def old_name(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            where = (new + scope["path"]).encode()
            await send({"type": "http.response.start", "status": 302, "headers": [(b"location", where)]})
            await send({"type": "http.response.body", "body": b""})

        async with served(old_name) as old:
            crm = built(salon, base_url=old)
            assert isinstance(await crm.book(salon.scope, draft, new_marker()), Written), "a POST stays a POST"
            assert len([h for h in salon.sim.bookings() if h.phone == "+79000000301"]) == 1
        again = built(salon, base_url=old)  # nobody answers at the old name any more
        assert await again.find_clients(salon.scope, PHONE)
        other = built(salon, base_url=salon.url)
        assert await other.find_clients(salon.scope, PHONE), "a new address by hand rules over what was remembered"


async def test_a_redirect_to_a_foreign_address_gets_no_key(salon: Arranged) -> None:
    await salon.crm.find_clients(salon.scope, PHONE)
    sim(salon).moved_to = "https://bitrix24.evil.example"
    with pytest.raises(AccessDenied) as denied:
        await salon.crm.find_clients(salon.scope, PHONE)
    assert "адрес" in denied.value.remedy
    sim(salon).moved_to = salon.url  # to itself, for ever
    with pytest.raises(AppError):
        await salon.crm.find_clients(salon.scope, PHONE)


# --- what the portal has --------------------------------------------------------------------------------------------


async def test_online_booking_switched_off_is_no_absent_booking(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    portal(salon).booking_module = False
    for question in (
        lambda: salon.crm.get(salon.scope, booking.id),
        lambda: salon.another().bookings_of(salon.scope, booking.client_id),  # type: ignore[arg-type]
        lambda: salon.crm.cancel(salon.scope, booking.id, late=False, reason=""),
        lambda: salon.another().find_by_marker(salon.scope, booking.marker),
    ):
        with pytest.raises(AccessDenied) as denied:
            await question()
        assert "Онлайн-запись" in denied.value.remedy
    assert portal(salon).deals == {}, "visits never go to a second place silently"


async def test_the_place_of_visits_is_found_out_once_and_can_be_chosen(salon: Arranged, deals: Arranged) -> None:
    assert (await salon.crm.capabilities(salon.scope)).keeps_schedule
    assert not (await deals.crm.capabilities(deals.scope)).keeps_schedule
    chosen = built(salon, mode="crm")
    assert not (await chosen.capabilities(salon.scope)).keeps_schedule
    before = len(methods(salon, "resource.list"))
    await salon.another().bookings_of(salon.scope, "1")  # type: ignore[arg-type]
    assert len(methods(salon, "resource.list")) <= before + 1, "the choice is remembered, only hours are read"


async def test_a_missing_right_is_named_by_the_probe(salon: Arranged) -> None:
    sim(salon).refusals.append((r"booking\.v1\.resource\.list", Refusal(403, "insufficient_scope", "")))
    (item,) = (await salon.crm.probe(salon.scope)).items
    assert item.state is ProbeState.DENIED
    assert "booking" in item.remedy_ru


async def test_the_probe_names_masters_without_a_resource_and_resources_that_are_gone(salon: Arranged) -> None:
    mapping = {"services": {}, "staff": {"maria": "9999"}}
    found = {item.what: item for item in (await built(salon, map=mapping).probe(salon.scope)).items}
    assert found["staff"].state is ProbeState.FAILED
    assert "maria" in found["staff"].detail
    assert found["staff"].remedy_ru


async def test_masters_without_a_mapping_are_found_by_the_resources_name(salon: Arranged) -> None:
    names = {member.id: member.name for member in salon.file.staff}
    portal(salon).resource_names = {number: names[key] for number, key in portal(salon).resources.items()}
    crm = built(salon, map={"services": {}, "staff": {}})
    assert (await crm.probe(salon.scope)).usable
    plan = await salon_plan(crm, salon)
    assert plan.parts[0].staff_id == "maria"


async def test_the_portals_own_messages_are_told_of(salon: Arranged) -> None:
    assert not (await salon.crm.capabilities(salon.scope)).notifies_clients
    portal(salon).notifications = "Y"
    assert (await salon.another().capabilities(salon.scope)).notifies_clients


@pytest.mark.parametrize("variant", ["empty object", "normalising", "fm keyed", "list renamed"])
async def test_answers_in_every_form_that_the_documentation_leaves_open(salon: Arranged, variant: str) -> None:
    match variant:
        case "empty object":
            sim(salon).crm.empty_duplicates = {}
        case "normalising":
            sim(salon).crm.normalises = True
        case "fm keyed":
            sim(salon).crm.fm_as_object = True
        case "list renamed":
            sim(salon).booking.resource_key = "resources"
    assert await salon.crm.find_clients(salon.scope, Phone("+79000000999")) == []
    assert [c.name for c in await salon.crm.find_clients(salon.scope, PHONE)] == ["Ирина Павлова"]
    assert await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))


async def test_of_many_contacts_with_one_phone_the_best_named_is_taken(salon: Arranged) -> None:
    for name in ("Анна", "Мария Иванова", "Гость", "Олег", "Вера"):
        portal(salon).add_contact(name, "8 (916) 000-00-01")
    found = await salon.crm.find_clients(salon.scope, Phone("+79160000001"))
    assert len(found) == 5
    chosen = await salon.crm.find_or_create_client(salon.scope, "Мария", Phone("+79160000001"))
    assert chosen.name == "Мария Иванова"
    await salon.crm.remove_client(salon.scope, chosen.id)  # type: ignore[attr-defined]
    assert len(await salon.crm.find_clients(salon.scope, Phone("+79160000001"))) == 4


@pytest.mark.parametrize("answer", [True, Refusal(400, 1020, "Booking not found"), Refusal(400, "NOT_FOUND", "")])
async def test_deleting_what_is_gone_is_done_whatever_the_portal_says(salon: Arranged, answer: Any) -> None:
    sim(salon).booking.absent_delete = answer
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    salon.sim.faults.add(Mode.COMMIT_THEN_500, "booking.delete")
    result = await salon.crm.cancel(salon.scope, booking.id, late=False, reason="")
    assert isinstance(result, Written)
    assert await salon.crm.get(salon.scope, booking.id) is None


async def test_a_visit_is_confirmed_and_noted_in_its_description(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    noted = await salon.crm.add_note(salon.scope, booking.id, "опоздает на 10 минут")
    assert isinstance(noted, Written)
    sure = await salon.crm.set_status(salon.scope, booking.id, BookingStatus.CONFIRMED)
    assert isinstance(sure, Written)
    (read,) = sure.bookings
    assert read.status is BookingStatus.CONFIRMED
    assert "опоздает на 10 минут" in read.comment
    assert (read.marker, read.service_ids) == (booking.marker, booking.service_ids)
    no = await salon.crm.set_status(salon.scope, booking.id, BookingStatus.ARRIVED)
    assert no == Refused(RefusalReason.NOT_SUPPORTED)
    absent = await salon.crm.add_note(salon.scope, BookingId("999999"), "x")
    assert absent == Refused(RefusalReason.NOT_FOUND)


async def test_moving_keeps_a_second_resource_and_the_words_of_people(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    chair = 777
    portal(salon).resources[chair] = "maria"
    portal(salon).resource_names[chair] = "Кресло у окна"
    visit = portal(salon).visits[int(booking.id)]
    visit.resources.append(chair)
    visit.description = "Просит тишины\n" + visit.description
    plan = await salon.plan_at("S01", "anna", salon.at(WEDNESDAY, 17))
    moved = await salon.crm.reschedule(salon.scope, booking.id, plan, new_marker())
    assert isinstance(moved, Written), moved
    assert moved.bookings[0].staff_id == "anna"
    assert chair in visit.resources
    assert "Просит тишины" in visit.description


async def test_events_are_bound_once_and_taken_away(salon: Arranged) -> None:
    url = "https://example.ru/crm/bitrix24/secret"
    assert await salon.crm.subscribe(salon.scope, url)
    assert await salon.crm.subscribe(salon.scope, url), "bound already is bound"
    names = {name for name, _ in sim(salon).handlers}
    assert {"ONBOOKINGADD", "ONBOOKINGUPDATE", "ONBOOKINGDELETE", "ONAPPUNINSTALL"} <= names
    assert len(sim(salon).handlers) == len(names)
    await salon.crm.unsubscribe(salon.scope, url)
    assert sim(salon).handlers == []


async def test_a_deleted_visit_is_told_by_polling(salon: Arranged) -> None:
    cursor = (await salon.crm.changes_since(salon.scope, "")).cursor
    salon.clock.advance(120)
    identifier = salon.sim.book_elsewhere("maria", "S01", salon.at(WEDNESDAY, 12))
    made = await salon.crm.changes_since(salon.scope, cursor)
    assert [b.id for b in made.bookings] == [identifier]
    salon.clock.advance(120)
    del portal(salon).visits[int(identifier)]
    gone = await salon.another().changes_since(salon.scope, made.cursor)
    assert [(b.id, b.status) for b in gone.bookings] == [(identifier, BookingStatus.CANCELLED)]


# --- deals and calendars --------------------------------------------------------------------------------------------


async def test_a_visit_is_a_deal_with_an_event_in_the_masters_calendar(deals: Arranged) -> None:
    marker = new_marker()
    booking = await deals.booked("S01", "maria", deals.at(WEDNESDAY, 12), marker)
    deal = portal(deals).deals[int(booking.id)]
    assert (deal["categoryId"], deal["stageId"]) == (CATEGORY, f"C{CATEGORY}:NEW")
    assert (deal["originatorId"], deal["originId"]) == ("AI_ADMIN", marker)
    assert "Женская стрижка" in deal["title"]
    (event,) = portal(deals).calendar.values()
    maria = next(number for number, key in portal(deals).users.items() if key == "maria")
    assert (event["OWNER_ID"], event["UF_CRM_CAL_EVENT"]) == (str(maria), [f"D_{booking.id}", f"C_{booking.client_id}"])
    plan = await deals.plan_at("S01", "anna", deals.at(WEDNESDAY, 17))
    assert isinstance(await deals.crm.reschedule(deals.scope, booking.id, plan, new_marker()), Written)
    (moved,) = portal(deals).calendar.values()
    assert int(moved["DATE_FROM_TS_UTC"]) == int(plan.start.timestamp())
    assert moved["OWNER_ID"] != event["OWNER_ID"]
    await deals.crm.cancel(deals.scope, booking.id, late=True, reason="заболела")
    assert portal(deals).calendar == {}
    assert deal["stageId"] == f"C{CATEGORY}:LOSE"
    assert "заболела" in deal["comments"]


async def test_the_missing_fields_are_made_once(deals: Arranged) -> None:
    probe = await deals.crm.probe(deals.scope)
    assert probe.usable
    assert methods(deals, "userfield.add") == [], "a probe writes nothing"
    assert "UF_CRM_AI_END" in next(item.detail for item in probe.items if item.what == "book")
    await asyncio.gather(*(crm.changes_since(deals.scope, "") for crm in (deals.crm, deals.another())))
    assert {"UF_CRM_AI_START", "UF_CRM_AI_END", "UF_CRM_AI_STAFF", "UF_CRM_AI_SERVICES"} <= set(
        portal(deals).user_fields
    )


async def test_what_stands_in_a_calendar_takes_time(deals: Arranged) -> None:
    maria = next(number for number, key in portal(deals).users.items() if key == "maria")
    start = int(deals.at(WEDNESDAY, 12).timestamp())
    sim(deals).crm.add_event(maria, start, start + 3600, "врач")
    plans = await deals.plans("S01", "maria", day=WEDNESDAY)
    taken = (deals.at(WEDNESDAY, 12), deals.at(WEDNESDAY, 13))
    assert plans
    assert not [plan for plan in plans if plan.start < taken[1] and taken[0] < plan.end]


@pytest.mark.parametrize("mode", [Mode.ERROR_500, Mode.COMMIT_THEN_500])
async def test_an_event_that_was_lost_is_there_once_when_the_visit_is_looked_up(deals: Arranged, mode: Mode) -> None:
    marker = new_marker()
    deals.sim.faults.add(mode, "calendar.event.add")
    booking = await deals.booked("S01", "maria", deals.at(WEDNESDAY, 12), marker)
    for _ in range(2):
        await deals.another().find_by_marker(deals.scope, marker)
    (event,) = portal(deals).calendar.values()
    await deals.crm.cancel(deals.scope, booking.id, late=False, reason="")
    assert portal(deals).calendar == {}
    assert event["UF_CRM_CAL_EVENT"][0] == f"D_{booking.id}"


async def test_a_visit_of_a_pipeline_without_a_stage_for_it_is_confirmed_in_words(deals: Arranged) -> None:
    booking = await deals.booked("S01", "maria", deals.at(WEDNESDAY, 12))
    noted = await deals.crm.add_note(deals.scope, booking.id, "опоздает")
    assert isinstance(noted, Written)
    sure = await deals.crm.set_status(deals.scope, booking.id, BookingStatus.CONFIRMED)
    assert isinstance(sure, Written)
    assert sure.bookings[0].status is BookingStatus.CONFIRMED
    assert "опоздает" in sure.bookings[0].comment
    staged = built(deals, stage_confirmed="PREPARATION")
    assert isinstance(await staged.set_status(deals.scope, booking.id, BookingStatus.CONFIRMED), Written)
    assert portal(deals).deals[int(booking.id)]["stageId"] == f"C{CATEGORY}:PREPARATION"
    came = await deals.crm.set_status(deals.scope, booking.id, BookingStatus.ARRIVED)
    assert isinstance(came, Written)
    assert came.bookings[0].status is BookingStatus.ARRIVED


async def test_a_calendar_that_fails_costs_a_reminder_and_no_visit(deals: Arranged) -> None:
    salon_crm = built(deals, quick=True)
    draft = await deals.draft("S01", "maria", deals.at(WEDNESDAY, 12))
    sim(deals).refusals.append((r"calendar\.event\.add", Refusal(400, "", "Доступ запрещен")))
    assert isinstance(await salon_crm.book(deals.scope, draft, new_marker()), Written)
    assert portal(deals).calendar == {}


async def test_a_deal_without_a_time_is_no_visit_and_one_with_a_broken_time_is_an_error(deals: Arranged) -> None:
    number = portal(deals).add_deal({"title": "перезвонить", "categoryId": CATEGORY})
    assert await deals.crm.get(deals.scope, BookingId(str(number))) is None
    other = portal(deals).add_deal({"title": "продажа", "categoryId": 0})
    assert await deals.crm.get(deals.scope, BookingId(str(other))) is None
    portal(deals).deals[number] |= {"UF_CRM_AI_START": "завтра", "UF_CRM_AI_STAFF": "501"}
    with pytest.raises(Unavailable):
        await deals.crm.get(deals.scope, BookingId(str(number)))


async def test_fields_that_may_not_be_made_are_told_with_the_right_that_is_missing(deals: Arranged) -> None:
    sim(deals).refusals.append((r"crm\.deal\.userfield\.add", Refusal(403, "ACCESS_DENIED", "Access denied.")))
    with pytest.raises(AccessDenied) as denied:
        await deals.plans("S01", "maria", day=WEDNESDAY)
    assert "администратора CRM" in denied.value.remedy


# --- the live check -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bitrix24", "bitrix24:crm"])
async def test_the_live_check_passes_and_leaves_nothing_that_stands(name: str) -> None:
    async with arrange(name) as salon:
        before = {held.id for held in salon.sim.bookings()}
        report = await LiveCheck(salon.crm, salon.scope, salon.clock).run()
        assert report.passed, [row for row in report.rows if row.verdict is Verdict.FAILED]
        assert [row.name for row in report.rows if row.verdict is Verdict.SKIPPED] == []
        assert report.left_behind == ()
        assert {held.id for held in salon.sim.bookings() if not held.cancelled} == before
