"""What Planfix alone is: one request a second, a marker field that may be lost, phones compared nobody knows how."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, cast

import pytest

from core.errors import Forbidden, Unavailable
from core.outside_http import AccessDenied, Timings
from core.phone import Phone
from core.rate_limits import Limit, RateLimiter
from crm.model import BookingStatus, ClientId, RefusalReason, Refused, Written
from crm.vendor.adapter import ProbeState, VendorCrm
from tests.contract.arrangements import Arranged, arrange, new_marker
from tests.simulators.planfix.server import PlanfixSimulator
from tests.simulators.vendor.crm import until

WEDNESDAY = date(2026, 12, 9)
LISTS = r"^POST /rest/task/list\?"


@pytest.fixture
async def salon() -> AsyncIterator[Arranged]:
    async with arrange("planfix") as arranged:
        yield arranged


def sim_of(salon: Arranged) -> PlanfixSimulator:
    return cast("PlanfixSimulator", salon.sim)


def with_settings(salon: Arranged, **settings: Any) -> VendorCrm:
    kept = {k: v for k, v in {**salon.connection.settings, **settings}.items() if v is not None}
    return salon.vendor.build(replace(salon.connection, settings=kept), salon.tools)


class Recording(RateLimiter):
    """Notes which limits are asked for."""

    def __init__(self, redis: None) -> None:
        super().__init__(redis)
        self.asked: set[tuple[str, tuple[Limit, ...]]] = set()

    async def try_take(self, key: str, limits: Sequence[Limit]) -> float:
        self.asked.add((key, tuple(limits)))
        return 0.0


async def test_a_booking_costs_three_requests_after_its_check(salon: Arranged) -> None:
    """One request a second: asked for its marker, written, looked at again. A fourth would be a fourth second."""
    await salon.booked("S03", "igor", salon.at(WEDNESDAY, 12))  # the field is known and has been seen to keep values
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    assert await salon.crm.check(salon.scope, draft) is None
    before = sim_of(salon).faults.count()
    result = await salon.crm.book(salon.scope, draft, new_marker())
    assert isinstance(result, Written)
    asked = list(sim_of(salon).faults.seen)[before:]
    assert [(seen.method, seen.path) for seen in asked] == [
        ("POST", "/rest/task/list"), ("POST", "/rest/task/"), ("POST", "/rest/task/list"),
    ]  # fmt: skip
    assert result.bookings[0].start == draft.plan.start
    assert result.bookings[0].price == draft.plan.price


@pytest.mark.parametrize("full_in_body", [False, True])
async def test_a_refusal_for_speed_is_waited_out_however_it_looks(salon: Arranged, full_in_body: bool) -> None:
    sim = sim_of(salon)
    sim.per_second, sim.full_in_body = 4.0, full_in_body
    crm = salon.vendor.build(salon.connection, replace(salon.tools, timings=Timings(8.0, 8.0, 0.1)))
    for _ in range(3):
        assert await crm.find_clients(salon.scope, Phone("+79000000101"))
    assert {seen.status for seen in sim.faults.seen} == {200, 400 if full_in_body else 429}


async def test_one_request_a_second_for_the_whole_account(salon: Arranged) -> None:
    """All connections of an account share the limit, whatever their tokens."""
    limiter = Recording(None)
    for secrets in ({}, {"token": "another"}):
        connection = replace(salon.connection, secrets={**salon.connection.secrets, **secrets})
        crm = salon.vendor.build(connection, replace(salon.tools, limiter=limiter))
        with contextlib.suppress(AccessDenied):
            await crm.find_clients(salon.scope, Phone("+79000000101"))
    assert limiter.asked == {(f"planfix:{salon.url}/rest", (Limit(1, 1.0),))}


async def test_a_look_that_began_before_a_write_is_not_kept_after_it(salon: Arranged) -> None:
    """Its answer shows what was before, and comes last."""
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    plan = await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 17))
    gate = sim_of(salon).gate = asyncio.Event()
    before = sim_of(salon).faults.count(LISTS)
    look = asyncio.create_task(salon.plans("S01", "maria", day=WEDNESDAY))
    await until(lambda: sim_of(salon).faults.count(LISTS) > before)
    sim_of(salon).gate = None
    moved = await salon.crm.reschedule(salon.scope, booking.id, plan, new_marker())
    assert isinstance(moved, Written)
    gate.set()
    assert all(p.start != salon.at(WEDNESDAY, 12) for p in await look), "it shows the state from before"
    read = await salon.crm.get(salon.scope, booking.id)
    assert read is not None
    assert read.start == plan.start


async def test_a_field_that_loses_its_value_is_not_relied_upon(salon: Arranged) -> None:
    sim_of(salon).keeps_custom = False
    label = new_marker()
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12), label)
    assert [b.id for b in await salon.crm.find_by_marker(salon.scope, label)] == [booking.id]
    assert [b.id for b in await salon.another().find_by_marker(salon.scope, label)] == [booking.id]
    assert await salon.crm.find_by_marker(salon.scope, new_marker()) == []


async def test_a_token_without_a_right_to_fields_still_books(salon: Arranged) -> None:
    sim_of(salon).scopes.discard("customfield")
    label = new_marker()
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12), label)
    assert [b.id for b in await salon.crm.find_by_marker(salon.scope, label)] == [booking.id]
    probe = await salon.crm.probe(salon.scope)
    assert probe.usable, probe.items
    assert "описании" in next(item.detail for item in probe.items if item.what == "fields")


async def test_a_missing_right_is_named(salon: Arranged) -> None:
    sim_of(salon).scopes.discard("contact")
    with pytest.raises(AccessDenied) as denied:
        await salon.crm.find_clients(salon.scope, Phone("+79000000101"))
    assert "права" in denied.value.remedy
    states = {item.what: item.state for item in (await salon.crm.probe(salon.scope)).items}
    assert (states["auth"], states["clients"]) == (ProbeState.WORKS, ProbeState.DENIED)


@pytest.mark.parametrize("number", ["+79012223344", "89012223344", "79012223344", "9012223344"])
async def test_phones_are_found_where_they_are_compared_as_typed(salon: Arranged, number: str) -> None:
    sim = sim_of(salon)
    sim.phone_match = "exact"
    sim._add_contact("Старая Запись", number)
    found = await salon.crm.find_clients(salon.scope, Phone("+79012223344"))
    assert [client.name for client in found] == ["Старая Запись"]


async def test_one_question_is_enough_where_spellings_do_not_matter(salon: Arranged) -> None:
    sim_of(salon).add_clients(1)
    assert await salon.crm.find_clients(salon.scope, Phone("+79012223344")) == []
    before = sim_of(salon).faults.count("/contact/list")
    for crm in (salon.crm, salon.another()):
        assert await crm.find_clients(salon.scope, Phone("+79012223345")) == []
    assert sim_of(salon).faults.count("/contact/list") == before + 2, "learnt once, by every process"
    found = await salon.crm.find_clients(salon.scope, Phone("+79010000000"))  # typed as 8 (901) …
    assert [client.name for client in found] == ["Гость 0"]


async def test_a_contact_template_is_found_where_none_was_given(salon: Arranged) -> None:
    crm = with_settings(salon, contact_template_id=None)
    made = await crm.find_or_create_client(salon.scope, "Вероника Тест", Phone("+79000000301"))
    before = sim_of(salon).faults.count("/contact/templates")
    await crm.find_or_create_client(salon.scope, "Юлия", Phone("+79000000302"))
    assert sim_of(salon).faults.count("/contact/templates") == before == 1
    assert sim_of(salon).contacts[int(made.id)]["lastname"] == "Тест"


async def test_descriptions_from_the_editor_are_read(salon: Arranged) -> None:
    sim_of(salon).as_html = True
    booking = await salon.booked("S01+S06", "maria", salon.at(WEDNESDAY, 16))
    assert booking.service_ids == ("S01", "S06")
    noted = await salon.crm.add_note(salon.scope, booking.id, "опоздает на 5 минут")
    assert isinstance(noted, Written)
    assert noted.bookings[0].comment.split("\n") == ["опоздает на 5 минут", "Клиент выбрал этого мастера"]
    assert noted.bookings[0].service_ids == ("S01", "S06")


async def test_statuses_of_the_account_and_those_it_has_not(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    await salon.crm.set_status(salon.scope, booking.id, BookingStatus.CONFIRMED)
    assert sim_of(salon).tasks[int(booking.id)]["status"] == 21
    bare = with_settings(salon, status_confirmed=None, status_cancelled=None)
    other = await salon.booked("S03", "igor", salon.at(WEDNESDAY, 12))
    result = await bare.set_status(salon.scope, other.id, BookingStatus.CONFIRMED)
    assert isinstance(result, Written)
    assert result.bookings[0].status is BookingStatus.CONFIRMED
    assert sim_of(salon).tasks[int(other.id)]["status"] == 1, "kept in the description"
    assert isinstance(await bare.cancel(salon.scope, other.id, late=True, reason="передумала"), Written)
    assert sim_of(salon).tasks[int(other.id)]["isDeleted"] is True
    gone = await bare.get(salon.scope, other.id)
    assert gone is None or gone.status is BookingStatus.CANCELLED


async def test_a_cancelled_task_keeps_its_story(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    await salon.crm.cancel(salon.scope, booking.id, late=True, reason="заболела")
    task = sim_of(salon).tasks[int(booking.id)]
    assert (task["status"], task["isDeleted"]) == (24, False)
    assert "поздняя: заболела" in task["description"]
    read = await salon.crm.get(salon.scope, booking.id)
    assert read is not None
    assert read.status is BookingStatus.CANCELLED


async def test_tasks_of_other_templates_take_nobodys_time(salon: Arranged) -> None:
    other = next(key for key, task in sim_of(salon).tasks.items() if task["template"] != 12)
    assert await salon.crm.get(salon.scope, other and str(other)) is None  # type: ignore[arg-type]
    today = salon.clock.now().date()
    assert all(b.id != str(other) for b in (await salon.crm.changes_since(salon.scope, "")).bookings)
    assert await salon.plans("S01", "maria", day=today)


async def test_an_account_in_another_zone(salon: Arranged) -> None:
    crm = with_settings(salon, timezone="Asia/Yekaterinburg")
    client = await crm.find_or_create_client(salon.scope, "Вероника", Phone("+79000000301"))
    plan = await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 19))
    draft = replace(await salon.draft("S01", "maria", salon.at(WEDNESDAY, 19)), client_id=client.id, plan=plan)
    result = await crm.book(salon.scope, draft, new_marker())
    assert isinstance(result, Written)
    assert result.bookings[0].start == plan.start
    assert sim_of(salon).tasks[int(result.bookings[0].id)]["start"] == "2026-12-09T21:00"


async def test_more_bookings_than_a_page_are_all_seen(salon: Arranged) -> None:
    for number in range(130):
        salon.sim.book_elsewhere("olga", "S13", salon.at(WEDNESDAY, 10) + timedelta(minutes=number % 3))
    last = salon.at(WEDNESDAY, 12)
    salon.sim.book_elsewhere("maria", "S01", last)
    assert all(plan.start != last for plan in await salon.plans("S01", "maria", day=WEDNESDAY))
    assert sim_of(salon).faults.count(LISTS) >= 2


async def test_a_client_that_is_gone_is_refused_by_name_of_the_reason(salon: Arranged) -> None:
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    strange = replace(draft, client_id=ClientId("999999"))
    assert await salon.crm.book(salon.scope, strange, new_marker()) == Refused(RefusalReason.NOT_FOUND)


async def test_a_wrong_template_is_an_error_that_says_nothing_was_sent(salon: Arranged) -> None:
    crm = with_settings(salon, template_id="99")
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    with pytest.raises(Unavailable) as failed:
        await crm.book(salon.scope, draft, new_marker())
    assert failed.value.facts.get("sent") is False


async def test_scenarios_are_heard_only_with_the_secret(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    delivery = salon.sim.deliveries[-1]
    assert [h.id for h in salon.crm.read_webhook(delivery.body, delivery.headers, {})] == [booking.id]
    with pytest.raises(Forbidden):
        salon.crm.read_webhook(json.dumps({"task": {"id": 1}}).encode(), {}, {})
    assert await salon.crm.subscribe(salon.scope, "https://example.ru/hook") is False
