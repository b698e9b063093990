"""МойСклад where the common suite does not reach: its own limits, states, fields, the bin, people who write too."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from uuid import uuid4

import httpx
import pytest

from core.errors import ConfigurationError, Forbidden, InvalidInput, Unavailable
from core.outside_http import AccessDenied, Timings
from core.phone import Phone
from core.rate_limits import RateLimiter
from crm.company_yaml import CompanyFile
from crm.model import BookingId, BookingStatus, Written
from crm.vendor.adapter import ProbeState, VendorCrm
from tests.contract.arrangements import Arranged, arrange, new_marker
from tests.simulators.moysklad.server import MoyskladSimulator
from tests.simulators.vendor.crm import fixture
from tests.simulators.vendor.faults import Mode

WEDNESDAY = date(2026, 12, 9)


def moysklad(salon: Arranged) -> MoyskladSimulator:
    assert isinstance(salon.sim, MoyskladSimulator)
    return salon.sim


def rebuilt(salon: Arranged, **more: object) -> VendorCrm:
    """The same account with other settings."""
    settings = {**salon.connection.settings, **more}
    return salon.vendor.build(replace(salon.connection, settings=settings), salon.tools)


@pytest.fixture
async def salon() -> AsyncIterator[Arranged]:
    async with arrange("moysklad") as arranged:
        yield arranged


async def test_the_simulator_is_as_strict_as_the_vendor(salon: Arranged) -> None:
    url = f"{salon.url}/api/remap/1.2/entity/customerorder"
    right = {
        "Authorization": f"Bearer {moysklad(salon).token}",
        "Accept-Encoding": "gzip",
        "Accept": "application/json;charset=utf-8",
    }
    async with httpx.AsyncClient() as http:
        answer = await http.get(url, headers={**right, "Accept-Encoding": "gzip, deflate"})
        assert (answer.status_code, answer.content) == (415, b"")
        answer = await http.get(url, headers={**right, "Accept": "*/*"})
        assert answer.json()["errors"][0]["code"] == 1062
        for wrong in ("limit=1001", "filter=nothing=1", "filter=id=7", "filter=updated>=2026-12-01T10:00:00", "page=2"):
            assert (await http.get(f"{url}?{wrong}", headers=right)).status_code == 400, wrong
        expanded = (await http.get(f"{url}?expand=positions&limit=100", headers=right)).json()["rows"]
        ignored = (await http.get(f"{url}?expand=positions", headers=right)).json()["rows"]
        assert "rows" in expanded[0]["positions"]
        assert "rows" not in ignored[0]["positions"], "over 100 rows expand is left out without a word"
        answer = await http.post(url, headers=right, json={"agent": {}, "colour": "mint"})
        assert answer.status_code == 400


# --- keys


async def test_login_and_password_do_as_well_and_never_end_other_tokens(salon: Arranged) -> None:
    sim = moysklad(salon)
    secrets = {"password": sim.password}
    settings = {**salon.connection.settings, "login": sim.login}
    crm = salon.vendor.build(replace(salon.connection, settings=settings, secrets=secrets), salon.tools)
    assert await crm.find_clients(salon.scope, Phone("+79000000114"))
    assert sim.faults.count("security/token") == 0
    with pytest.raises(ConfigurationError, match="token"):
        salon.vendor.build(replace(salon.connection, secrets={}), salon.tools)


async def test_a_legal_entity_that_is_not_there_is_found_by_the_probe(salon: Arranged) -> None:
    probe = await rebuilt(salon, organization_id=str(uuid4())).probe(salon.scope)
    (auth,) = [item for item in probe.items if item.what == "auth"]
    assert auth.state is ProbeState.FAILED
    assert "юрлицо" in auth.remedy_ru
    organizations = moysklad(salon).account.rows["organization"]
    organizations.clear()
    (auth,) = [item for item in (await salon.crm.probe(salon.scope)).items if item.what == "auth"]
    assert auth.state is ProbeState.DENIED


# --- limits


async def test_the_basket_of_45_units_is_never_overdrawn(salon: Arranged) -> None:
    sim = moysklad(salon)
    sim.enforce_limits = True
    tools = replace(salon.tools, limiter=RateLimiter(None), timings=Timings(12.0, 12.0, 0.05))
    crm = salon.vendor.build(salon.connection, tools)
    for _ in range(15):
        assert await crm.find_clients(salon.scope, Phone("+79000000114"))
    assert not [seen for seen in sim.faults.seen if seen.status == 429]
    assert len(sim.faults.seen) > 11, "more than one basket"


async def test_an_empty_basket_is_waited_for_as_the_vendor_counts_it(salon: Arranged) -> None:
    """Without our own limit and without a word before: 429 comes, its pause is told in milliseconds."""
    sim = moysklad(salon)
    sim.enforce_limits, sim.warns = True, False
    crm = salon.vendor.build(salon.connection, replace(salon.tools, timings=Timings(12.0, 12.0, 0.05)))
    for _ in range(16):
        assert await crm.find_clients(salon.scope, Phone("+79000000114"))
    assert 0 < len([seen for seen in sim.faults.seen if seen.status == 429]) <= 3


# --- bookings and people who write too


async def test_more_orders_than_a_page(salon: Arranged) -> None:
    sim, account = moysklad(salon), moysklad(salon).account
    client = await salon.someone()
    start = salon.at(WEDNESDAY, 12)
    for number in range(130):
        account.add_order("maria", ["S03"], start + timedelta(days=1 + number), client.id)
    assert len(await salon.crm.bookings_of(salon.scope, client.id)) == 130
    for _ in range(1100):
        account.add_order("vera", ["S16"], salon.at(WEDNESDAY, 12), account.clients["C01"])  # type: ignore[index]
    account.add_order("maria", ["S01"], start, account.clients["C01"])  # type: ignore[index]
    assert all(not (plan.start < start + timedelta(hours=1) and start < plan.end)
               for plan in await salon.plans("S01", "maria", day=WEDNESDAY))  # fmt: skip
    assert sim.faults.count(r"customerorder\?.*offset=1000") > 0


async def test_an_order_by_hand_without_an_end_takes_as_long_as_its_services(salon: Arranged) -> None:
    start = salon.at(WEDNESDAY, 16)
    moysklad(salon).account.add_order("maria", ["S01", "S06"], start, moysklad(salon).account.add_client("С улицы", ""))
    starts = {plan.start for plan in await salon.plans("S03", "maria", day=WEDNESDAY)}
    assert not {start + timedelta(minutes=m) for m in (0, 60, 90)} & starts
    assert start + timedelta(minutes=105) in starts


async def test_orders_of_another_kind_take_nobodys_time(salon: Arranged) -> None:
    account = moysklad(salon).account
    before = await salon.plans("S01", "maria", day=WEDNESDAY)
    number = account.add_order("maria", ["S01"], salon.at(WEDNESDAY, 12), account.clients["C01"])  # type: ignore[index]
    account.rows["customerorder"][number]["attributes"] = {}
    assert await salon.plans("S01", "maria", day=WEDNESDAY) == before
    assert await salon.crm.get(salon.scope, BookingId(number)) is None


async def test_what_a_person_puts_in_the_bin_is_gone(salon: Arranged) -> None:
    sim = moysklad(salon)
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    order = sim.account.rows["customerorder"][booking.id]
    order["deleted"] = "2026-12-01 12:00:00.000"
    assert await salon.crm.get(salon.scope, booking.id) is not None, "taken out of the bin again"
    sim.account.binned.add(booking.id)
    assert await salon.crm.get(salon.scope, booking.id) is None
    assert await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 12))


async def test_services_changed_by_people_are_read(salon: Arranged) -> None:
    sim = moysklad(salon)
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    assert booking.price.amount.minor == 250_000
    order = sim.account.rows["customerorder"][booking.id]
    order["positions"][0]["assortment"] = sim.account.services["S03"]
    read = await salon.crm.get(salon.scope, booking.id)
    assert read is not None
    assert read.service_ids == ("S03",)


async def test_services_without_a_card_are_kept_in_the_orders_own_field(salon: Arranged) -> None:
    some = {
        "map": {
            "staff": moysklad(salon).account.employees,
            "services": {"S01": moysklad(salon).account.services["S01"]},
        }
    }
    salon.crm = rebuilt(salon, **some)
    booking = await salon.booked("S01+S06", "maria", salon.at(WEDNESDAY, 16))
    assert booking.service_ids == ("S01", "S06")
    (held,) = [held for held in salon.sim.bookings() if held.id == booking.id]
    assert held.services == ("S01",)


async def test_a_master_without_a_card_is_a_setting_to_mend(salon: Arranged) -> None:
    salon.crm = rebuilt(salon, map={"staff": {}, "services": {}})
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    with pytest.raises(ConfigurationError, match=r"map\.staff.*maria"):
        await salon.crm.book(salon.scope, draft, new_marker())
    assert len(salon.sim.bookings()) == len(salon.file.bookings)
    strange = rebuilt(salon, map={"staff": {"maria": str(uuid4())}, "services": {}})
    probe = await strange.probe(salon.scope)
    (staff,) = [item for item in probe.items if item.what == "staff"]
    assert staff.state is ProbeState.FAILED
    assert "maria" in staff.detail
    assert staff.remedy_ru


async def test_a_write_that_may_have_been_done_is_asked_again_and_done_once(salon: Arranged) -> None:
    before = len(salon.sim.bookings())
    draft, label = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12)), new_marker()
    salon.sim.faults.add(Mode.COMMIT_THEN_500, salon.sim.booking_write)
    result = await salon.crm.book(salon.scope, draft, label)
    assert isinstance(result, Written), result
    assert salon.sim.faults.count(salon.sim.booking_write) == 2
    assert len(salon.sim.bookings()) == before + 1


async def test_a_change_in_parallel_is_tried_once_more(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    moysklad(salon).parallel_changes = 1
    result = await salon.crm.set_status(salon.scope, booking.id, BookingStatus.CONFIRMED)
    assert isinstance(result, Written), result
    assert result.bookings[0].status is BookingStatus.CONFIRMED


async def test_where_no_state_is_for_cancelling_the_order_is_deleted(salon: Arranged) -> None:
    states = moysklad(salon).account.states
    for number in [n for n, state in states.items() if state["stateType"] == "Unsuccessful"]:
        del states[number]
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    assert isinstance(await salon.crm.cancel(salon.scope, booking.id, late=True, reason="заболела"), Written)
    assert booking.id not in {held.id for held in salon.sim.bookings()}
    assert await salon.crm.cancel(salon.scope, booking.id, late=False, reason="") == Written(())


async def test_a_cancelled_order_says_why(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12), "k3m9q2x7ab")
    await salon.crm.cancel(salon.scope, booking.id, late=True, reason="заболела")
    read = await salon.crm.get(salon.scope, booking.id)
    assert read is not None
    assert (read.status, read.marker) == (BookingStatus.CANCELLED, "k3m9q2x7ab")
    assert read.comment.startswith("Отмена поздняя: заболела")


async def test_who_may_not_make_fields_is_told_which_ones_to_make(salon: Arranged) -> None:
    moysklad(salon).administrator = False
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    with pytest.raises(AccessDenied) as denied:
        await salon.crm.book(salon.scope, draft, new_marker())
    assert "«Услуги визита» (строка)" in denied.value.remedy
    assert not await salon.crm.subscribe(salon.scope, f"{salon.url}/_sim/hook/x"), (
        "webhooks are the administrator's too"
    )


async def test_a_field_that_a_person_deleted_is_made_again(salon: Arranged) -> None:
    account = moysklad(salon).account
    await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    (number,) = [n for n, field in account.attributes.items() if field["name"] == "Услуги визита"]
    del account.attributes[number]
    for order in account.rows["customerorder"].values():
        order["attributes"].pop(number, None)
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 17))
    with pytest.raises(Unavailable) as refused:
        await salon.crm.book(salon.scope, draft, new_marker())
    assert refused.value.facts["sent"] is False
    assert isinstance(await salon.crm.book(salon.scope, draft, new_marker()), Written)


async def test_nothing_is_written_by_reading(salon: Arranged) -> None:
    await salon.crm.probe(salon.scope)
    await salon.plans("S01", day=WEDNESDAY)
    await salon.crm.changes_since(salon.scope, "")
    assert {seen.method for seen in salon.sim.faults.seen} == {"GET"}


async def test_a_new_state_of_the_salons_is_noticed(salon: Arranged) -> None:
    sim = moysklad(salon)
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    sim.account.states["11111111-1111-4111-8111-111111111111"] = {
        "id": "11111111-1111-4111-8111-111111111111", "name": "Не пришла", "stateType": "Unsuccessful",
        "color": 1, "entityType": "customerorder",
    }  # fmt: skip
    sim.account.rows["customerorder"][booking.id]["state"] = "11111111-1111-4111-8111-111111111111"
    read = await salon.crm.get(salon.scope, booking.id)
    assert read is not None
    assert read.status is BookingStatus.CANCELLED
    assert await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 12))


async def test_an_answer_without_compression_is_read_too(salon: Arranged) -> None:
    moysklad(salon).compresses = False
    assert await salon.crm.find_clients(salon.scope, Phone("+79000000114"))


# --- clients


@pytest.mark.parametrize(
    "typed", ["+79000000777", "8-900-000-07-77", "8 (900) 000 0777", "8.900.000.07.77", "9000000777 (мама)"]
)
async def test_a_phone_however_it_was_typed(salon: Arranged, typed: str) -> None:
    account = moysklad(salon).account
    number = account.add_client("Зоя", "+79000000777")
    account.rows["counterparty"][number]["phone"] = typed
    assert [c.id for c in await salon.crm.find_clients(salon.scope, Phone("+79000000777"))] == [number]


async def test_the_checks_client_is_removed_or_put_into_the_archive(salon: Arranged) -> None:
    rows = moysklad(salon).account.rows["counterparty"]
    remove = salon.crm.remove_client  # type: ignore[attr-defined]
    lonely = await salon.someone("Проверка", "+79000000000")
    await remove(salon.scope, lonely.id)
    assert lonely.id not in rows
    await remove(salon.scope, lonely.id)
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    await remove(salon.scope, booking.client_id)
    assert rows[booking.client_id or ""]["archived"] is True


# --- zones


async def test_a_salon_far_from_moscow(salon: Arranged) -> None:
    east: CompanyFile = replace(fixture(), profile=replace(fixture().profile, timezone="Asia/Vladivostok"))
    async with arrange("moysklad", file=east) as far:
        start = far.at(WEDNESDAY, 12)
        booking = await far.booked("S01", "maria", start)
        assert booking.start == start
        order = moysklad(far).account.rows["customerorder"][booking.id]
        assert order["deliveryPlannedMoment"] == "2026-12-09 05:00:00"
        assert all(plan.start != start for plan in await far.plans("S01", "maria", day=WEDNESDAY))


# --- webhooks


async def test_webhooks_are_made_once_and_taken_away(salon: Arranged) -> None:
    url, hooks = f"{salon.url}/_sim/hook/secret", moysklad(salon).account.rows["webhook"]
    assert await salon.crm.subscribe(salon.scope, url)
    made = len(hooks)
    assert await salon.crm.subscribe(salon.scope, url)
    assert len(hooks) == made > 0
    await salon.crm.unsubscribe(salon.scope, url)
    assert not hooks
    with pytest.raises(InvalidInput, match="255"):
        await salon.crm.subscribe(salon.scope, "https://example.ru/" + "x" * 255)


async def test_an_event_of_another_account_is_refused(salon: Arranged) -> None:
    await salon.crm.find_clients(salon.scope, Phone("+79000000114"))
    number = str(uuid4())
    meta = {"type": "customerorder", "href": f"https://api.moysklad.ru/api/remap/1.2/entity/customerorder/{number}"}
    event = {"meta": meta, "action": "UPDATE", "accountId": moysklad(salon).account.id}
    other = {"meta": {"type": "demand", "href": f"{meta['href']}"}, "action": "UPDATE", "accountId": event["accountId"]}
    body = json.dumps({"events": [event, other]}).encode()
    (hint,) = salon.crm.read_webhook(body, {}, {"requestId": "r-1"})
    assert (hint.kind, hint.id, hint.action, hint.event_id) == ("booking", number, "update", "r-1")
    with pytest.raises(Forbidden):
        salon.crm.read_webhook(json.dumps({"events": [{**event, "accountId": str(uuid4())}]}).encode(), {}, {})
