"""RetailCRM where the common suite does not reach: its limit, sites, fields, history, and people who write too."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from urllib.parse import urlencode

import httpx
import pytest

from core.errors import AppError, ConfigurationError, InvalidInput, Unavailable
from core.outside_http import AccessDenied, OutcomeUnknown, Timings
from core.phone import Phone
from core.rate_limits import RateLimiter
from crm.adapters.retailcrm.ledger import RetailLedger
from crm.model import BookingId, BookingStatus, Client, RefusalReason, Refused, VisitDraft, Written
from crm.vendor.adapter import ProbeState, VendorCrm
from crm.vendor.own_time_crm import NewEntry
from tests.contract.arrangements import Arranged, arrange, new_marker
from tests.simulators.retailcrm.server import RetailSimulator
from tests.simulators.retailcrm.state import STAFF_FIELD, Account
from tests.simulators.vendor.faults import Mode

WEDNESDAY = date(2026, 12, 9)


def retail(salon: Arranged) -> RetailSimulator:
    assert isinstance(salon.sim, RetailSimulator)
    return salon.sim


def rebuilt(salon: Arranged, **more: object) -> VendorCrm:
    """The same account with other settings."""
    settings = {**salon.connection.settings, **more}
    return salon.vendor.build(replace(salon.connection, settings=settings), salon.tools)


@pytest.fixture
async def salon() -> AsyncIterator[Arranged]:
    async with arrange("retailcrm") as arranged:
        yield arranged


async def test_the_simulator_is_as_strict_as_the_vendor(salon: Arranged) -> None:
    url, key = f"{salon.url}/api/v5", {"X-API-KEY": retail(salon).key}
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"{url}/orders")).json()["errorMsg"] == '"apiKey" is missing.'
        for wrong in ("limit=10", "filter[colour]=mint", "filter[ids]=1", "filter[deliveryDateFrom][]=2026-12-01"):
            assert (await http.get(f"{url}/orders?{wrong}", headers=key)).status_code == 400, wrong
        order = {"managerId": 17, "delivery": {"date": "09.12.2026"}}
        answer = await http.post(f"{url}/orders/create", headers=key, data={"order": json.dumps(order)})
        assert answer.json()["errors"] == {"order[delivery][date]": "This value is not valid."}
        assert (await http.post(f"{url}/orders/create", headers=key, json={"order": order})).status_code == 400
        assert (await http.get(f"{url}/orders/101", headers=key)).status_code == 404, (
            "without by=id it is an externalId"
        )


# --- keys, sites, rights


@pytest.mark.parametrize(
    ("status", "body", "word"),
    [
        (403, b'{"success": false, "errorMsg": "Wrong \\"apiKey\\" value."}', "ключ"),
        (400, b'{"success": false, "errorMsg": "\\"apiKey\\" is missing."}', "ключ"),
        (403, b'{"success": false, "errorMsg": "Access denied."}', "доступ"),
        (404, b'{"success": false, "errorMsg": "Account does not exist."}', "адрес"),
        (404, b"<html>no such account</html>", "адрес"),
        (402, b"{}", "тариф"),
    ],
)
async def test_every_way_of_saying_no_entry_has_its_repair(
    salon: Arranged, status: int, body: bytes, word: str
) -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda r: httpx.Response(status, content=body))) as http:
        crm = salon.vendor.build(salon.connection, replace(salon.tools, http=http))
        with pytest.raises(AccessDenied) as denied:
            await crm.find_clients(salon.scope, Phone("+79000000114"))
    assert word in denied.value.remedy.casefold()


async def test_of_several_sites_one_must_be_named(salon: Arranged) -> None:
    retail(salon).sites = ["main", "second"]
    (auth,) = [item for item in (await salon.crm.probe(salon.scope)).items if item.what == "auth"]
    assert auth.state is ProbeState.FAILED
    assert "магазина" in auth.remedy_ru
    salon.crm = rebuilt(salon, site="main")
    assert (await salon.crm.probe(salon.scope)).usable
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    assert isinstance(await salon.crm.cancel(salon.scope, booking.id, late=False, reason=""), Written)


async def test_a_right_that_is_missing_is_named(salon: Arranged) -> None:
    retail(salon).scopes.remove("order_write")
    (auth,) = [item for item in (await salon.crm.probe(salon.scope)).items if item.what == "auth"]
    assert auth.state is ProbeState.DENIED
    assert "order_write" in auth.detail
    salon.sim.faults.add(Mode.ERROR_500, "/api/credentials", times=50)
    assert not (await salon.crm.probe(salon.scope)).usable


# --- limits


async def test_ten_requests_a_second_are_never_exceeded(salon: Arranged) -> None:
    sim = retail(salon)
    sim.enforce_limits = True
    tools = replace(salon.tools, limiter=RateLimiter(None), timings=Timings(12.0, 12.0, 0.05))
    crm = salon.vendor.build(salon.connection, tools)
    for _ in range(16):
        assert await crm.find_clients(salon.scope, Phone("+79000000114"))
    assert not [seen for seen in sim.faults.seen if seen.status == 503]


async def test_too_many_is_waited_for_even_in_a_write(salon: Arranged) -> None:
    """Its own 503 means that nothing was done; a 503 of a proxy says nothing."""
    answers = [
        httpx.Response(503, json={"success": False, "errorMsg": "API limit"}),
        httpx.Response(503, text="<html>"),
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        return answers.pop(0)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        ledger = RetailLedger(salon.connection, replace(salon.tools, http=http))
        with pytest.raises(OutcomeUnknown):
            await ledger.create_client("Вероника Тест", None)
    assert not answers


# --- one effect


async def test_what_exists_already_is_taken_as_written(salon: Arranged) -> None:
    """The marker's search is behind, the vendor's own uniqueness is not."""
    draft, label = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12)), new_marker()
    first = await salon.crm.book(salon.scope, draft, label)
    assert isinstance(first, Written)
    catalogue = await salon.tools.catalogue.catalogue(salon.scope)
    ledger = RetailLedger(salon.connection, salon.tools)
    assert await ledger.write(catalogue, entry_of(draft, label)) == first.bookings[0].id
    assert len(salon.sim.bookings()) == len(salon.file.bookings) + 1


def entry_of(draft: VisitDraft, label: str) -> NewEntry:
    part = draft.plan.parts[0]
    client = Client(draft.client_id, "Вероника Тест", Phone("+79000000301"))
    return NewEntry(client, part, part.price, BookingStatus.BOOKED, label, "", "")


async def test_a_refused_order_was_not_written(salon: Arranged) -> None:
    broken = {"map": {**salon.connection.settings["map"], "services": {"S01": "999"}}}
    salon.crm = rebuilt(salon, **broken)
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    with pytest.raises(Unavailable) as refused:
        await salon.crm.book(salon.scope, draft, new_marker())
    assert refused.value.facts["sent"] is False
    assert "offer" in str(refused.value.facts["fields"])


# --- accounts of other kinds


async def test_an_account_that_knows_fewer_filters(salon: Arranged) -> None:
    retail(salon).unknown_filters = {"managerComment", "deliveryDateTo", "ids", "startDate"}
    label, start = new_marker(), salon.at(WEDNESDAY, 12)
    cursor = (await salon.crm.changes_since(salon.scope, "")).cursor
    booking = await salon.booked("S01", "maria", start, label)
    assert [b.id for b in await salon.crm.find_by_marker(salon.scope, label)] == [booking.id]
    changes = await salon.crm.changes_since(salon.scope, cursor)
    assert [b.id for b in changes.bookings] == [booking.id]
    assert all(plan.start != start for plan in await salon.plans("S01", "maria", day=WEDNESDAY))


async def test_statuses_as_a_list(salon: Arranged) -> None:
    retail(salon).statuses_as_list = True
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    await salon.crm.set_status(salon.scope, booking.id, BookingStatus.CONFIRMED)
    read = await salon.crm.get(salon.scope, booking.id)
    assert read is not None
    assert read.status is BookingStatus.CONFIRMED


async def test_masters_in_a_field_of_the_salons_own() -> None:
    async with arrange("retailcrm") as salon:
        sim = retail(salon)
        sim.account = Account(salon.file, salon.clock.now, by_manager=False)
        salon.crm = rebuilt(salon, staff_field=STAFF_FIELD)
        start = salon.at(WEDNESDAY, 12)
        booking = await salon.booked("S01", "maria", start)
        assert booking.staff_id == "maria"
        assert "managerId" not in sim.account.orders[int(booking.id)]
        assert all(plan.start != start for plan in await salon.plans("S01", "maria", day=WEDNESDAY))


async def test_services_outside_of_the_catalogue_of_goods_are_known_by_name(salon: Arranged) -> None:
    last = salon.file.services[-1]
    assert last.id not in salon.connection.mapped("services")
    day = WEDNESDAY + timedelta(days=1)
    booking = await salon.booked(last.id, "vera", salon.at(day, 12))
    assert booking.service_ids == (last.id,)


async def test_a_master_who_is_no_user_is_a_setting_to_mend(salon: Arranged) -> None:
    salon.crm = rebuilt(salon, map={"staff": {}, "services": {}})
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    with pytest.raises(ConfigurationError, match=r"map\.staff.*maria"):
        await salon.crm.book(salon.scope, draft, new_marker())
    (staff,) = [
        i for i in (await rebuilt(salon, map={"staff": {"maria": "999"}}).probe(salon.scope)).items if i.what == "staff"
    ]
    assert staff.state is ProbeState.FAILED
    assert "maria" in staff.detail


# --- people who write too


async def test_a_bad_client_is_not_booked(salon: Arranged) -> None:
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    retail(salon).account.customers[int(draft.client_id)]["bad"] = True
    assert await salon.crm.book(salon.scope, draft, new_marker()) == Refused(RefusalReason.CLIENT_BLOCKED)


async def test_hours_typed_by_a_person(salon: Arranged) -> None:
    account, start = retail(salon).account, salon.at(WEDNESDAY, 16)
    number = account.add_order("maria", ["S01"], start, account.clients["C01"])  # type: ignore[index]
    account.orders[number]["delivery"]["time"] = {"custom": "с 16:00 до 17.45"}
    starts = {plan.start for plan in await salon.plans("S03", "maria", day=WEDNESDAY)}
    assert start + timedelta(minutes=105) in starts
    assert not {start, start + timedelta(minutes=90)} & starts


async def test_a_move_keeps_goods_that_people_added(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    order = retail(salon).account.orders[int(booking.id)]
    order["items"].append({"offer": None, "productName": "Шампунь", "initialPrice": 900, "quantity": 1})
    plan = await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 17))
    result = await salon.crm.reschedule(salon.scope, booking.id, plan, new_marker())
    assert isinstance(result, Written), result
    assert result.bookings[0].start == plan.start
    assert [item["productName"] for item in order["items"]][-1] == "Шампунь"


@pytest.mark.parametrize("typed", ["+79000000777", "8 (900) 000-0777", "89000000777", "+7 900 0000777"])
async def test_a_phone_however_it_was_typed(salon: Arranged, typed: str) -> None:
    account = retail(salon).account
    number = account.add_client("Зоя", "+79000000777")
    account.customers[number]["phones"][0]["number"] = typed
    assert [c.id for c in await salon.crm.find_clients(salon.scope, Phone("+79000000777"))] == [str(number)]


async def test_more_orders_than_a_page(salon: Arranged) -> None:
    account, client = retail(salon).account, await salon.someone()
    for number in range(250):
        account.add_order("vera", ["S16"], salon.at(WEDNESDAY, 12), int(client.id))
        if number == 120:
            account.add_order("maria", ["S01"], salon.at(WEDNESDAY, 12), int(client.id))
    assert len(await salon.crm.bookings_of(salon.scope, client.id)) == 251
    start = salon.at(WEDNESDAY, 12)
    plans = await salon.plans("S01", "maria", day=WEDNESDAY)
    assert not [plan for plan in plans if plan.start < start + timedelta(hours=1) and start < plan.end]


# --- changes


async def test_the_history_is_read_page_by_page_without_a_gap(salon: Arranged) -> None:
    account, cursor = retail(salon).account, (await salon.crm.changes_since(salon.scope, "")).cursor
    made = [
        str(account.add_order("maria", ["S03"], salon.at(WEDNESDAY, 12) + timedelta(days=n), account.clients["C01"]))  # type: ignore[index]
        for n in range(230)
    ]
    seen: list[str] = []
    more = True
    while more:
        changes = await salon.crm.changes_since(salon.scope, cursor)
        seen += [b.id for b in changes.bookings]
        cursor, more = changes.cursor, changes.more
    assert seen == made
    assert await salon.crm.changes_since(salon.scope, cursor) == replace(changes, bookings=(), more=False)
    with pytest.raises(InvalidInput, match="cursor"):
        await salon.crm.changes_since(salon.scope, "2026-12-01")


async def test_an_account_without_a_history_yet(salon: Arranged) -> None:
    account = retail(salon).account
    account.history.clear()
    empty = await salon.crm.changes_since(salon.scope, "")
    assert (empty.bookings, empty.cursor, empty.more) == ((), "0", False)
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    changes = await salon.crm.changes_since(salon.scope, empty.cursor)
    assert [b.id for b in changes.bookings] == [booking.id]
    assert salon.sim.faults.count("sinceId%5D=0") == 0


async def test_an_order_that_is_gone_is_left_out_of_the_changes(salon: Arranged) -> None:
    cursor = (await salon.crm.changes_since(salon.scope, "")).cursor
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    del retail(salon).account.orders[int(booking.id)]
    assert (await salon.crm.changes_since(salon.scope, cursor)).bookings == ()
    assert await salon.crm.get(salon.scope, booking.id) is None
    assert await salon.crm.get(salon.scope, BookingId("no-number")) is None


@pytest.mark.parametrize(
    ("body", "query"),
    [
        (urlencode({"order_id": "9717"}).encode(), {}),
        (json.dumps({"orderId": 9717}).encode(), {}),
        (b"", {"order_id": "9717"}),
    ],
)
def test_a_trigger_of_the_salon_is_read(body: bytes, query: dict[str, str]) -> None:
    (hint,) = RetailLedger.read_webhook(object.__new__(RetailLedger), body, {}, query)
    assert (hint.kind, hint.id, hint.action) == ("booking", "9717", "update")


async def test_rubbish_in_place_of_a_trigger_is_refused(salon: Arranged) -> None:
    for rubbish in (b"\xff\xfe", b"{", b"[" * 100_000):
        with pytest.raises(AppError):
            salon.crm.read_webhook(rubbish, {}, {})
    assert salon.crm.read_webhook(b"order_id=no", {}, {}) == []
    assert salon.crm.read_webhook(b"[1]", {}, {}) == []
