"""Reading and writing RetailCRM's orders, hours, statuses and errors. No I/O."""

import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from core.errors import ConfigurationError
from core.money import Money
from core.outside_http import Malformed, Reply
from core.phone import Phone
from crm.adapters.retailcrm import orders as o
from crm.adapters.retailcrm.wire import LATER_S, later_s, said
from crm.catalogue import Catalogue
from crm.model import BookingStatus, PlannedPart, Price, SalonProfile, Service, ServiceId, StaffId, StaffOffer
from crm.vendor.own_time import IdMap
from crm.vendor.parsing import Record

ZONE = ZoneInfo("Asia/Yekaterinburg")
ANNA, CUT, STYLE = StaffId("anna"), ServiceId("S01"), ServiceId("S06")
ROWS = [
    {"code": "new", "name": "Новый", "group": "new", "active": True, "ordering": 10},
    {"code": "client-confirmed", "name": "Согласовано", "group": "approval", "active": True, "ordering": "20"},
    {"code": "complete", "name": "Выполнен", "group": "complete", "active": "1", "ordering": 30},
    {"code": "no-call", "name": "Недозвон", "group": "cancel", "active": True, "ordering": 40},
    {"code": "cancel-other", "name": "Отменен", "group": "cancel", "active": True, "ordering": 50},
]


def service(key: ServiceId, name: str, minutes: int) -> Service:
    length = timedelta(minutes=minutes)
    return Service(key, name, length, (StaffOffer(ANNA, Price(Money.roubles(1000)), length),))


CATALOGUE = Catalogue(
    SalonProfile("Мята", "Asia/Yekaterinburg"),
    {CUT: service(CUT, "Женская стрижка", 60), STYLE: service(STYLE, "Укладка", 45)},
    {},
    {},
)


def reader(staff_field: str = "") -> o.OrderReader:
    ids = IdMap({"S01": "501"}, {"anna": "17"})
    return o.OrderReader(o.Statuses.of(ROWS, {}), ids, CATALOGUE, staff_field)


def order(**more: Any) -> Record:
    plain = {
        "id": 9717, "status": "new", "managerId": 17, "customer": {"id": 5}, "totalSumm": 2500.5,
        "delivery": {"date": "2026-12-09", "time": {"from": "14:00", "to": "15:30"}},
        "items": [{"offer": {"id": 501}, "productName": "Стрижка"}],
    }  # fmt: skip
    return Record({**plain, **more}, "order")


def at(hour: int, minute: int = 0, day: int = 9) -> datetime:
    return datetime(2026, 12, day, hour, minute, tzinfo=ZONE)


def test_an_order_is_read() -> None:
    booking = reader().booking(order())
    assert booking is not None
    assert (booking.id, booking.client_id, booking.staff_id, booking.service_ids) == ("9717", "5", "anna", (CUT,))
    assert (booking.start, booking.end) == (at(14), at(15, 30))
    assert booking.price.amount == Money(250_050)


@pytest.mark.parametrize(
    ("hours", "start", "end"),
    [
        ({"from": "14:00"}, at(14), at(15)),
        ({"from": "9:05", "to": "10:00"}, at(9, 5), at(10)),
        ({"from": "14:00:00", "to": "15:00:00"}, at(14), at(15)),
        ({"from": "23:00", "to": "00:30"}, at(23), at(0, 30, 10)),
        ({"from": "22:00", "to": "24:00"}, at(22), at(0, 0, 10)),
        ({"custom": "с 14:00 до 15.30"}, at(14), at(15, 30)),
        ({"custom": "в 14:00"}, at(14), at(15)),
        ("14:00 - 15:30", at(14), at(15, 30)),
        ({"from": "", "custom": "14:00-14:45"}, at(14), at(14, 45)),
    ],
)
def test_hours_in_every_shape(hours: Any, start: datetime, end: datetime) -> None:
    booking = reader().booking(order(delivery={"date": "2026-12-09", "time": hours}))
    assert booking is not None
    assert (booking.start, booking.end) == (start, end)


@pytest.mark.parametrize(
    "delivery", [None, [], {}, {"date": "2026-12-09"}, {"date": "2026-12-09", "time": []}, {"time": {"from": "14:00"}},
                 {"date": "2026-12-09", "time": {"custom": "после обеда"}},
                 {"date": "2026-12-09", "time": {"from": "скоро"}}]
)  # fmt: skip
def test_an_order_without_an_hour_is_no_booking(delivery: Any) -> None:
    assert reader().booking(order(delivery=delivery)) is None


def test_an_order_of_another_type_is_no_booking() -> None:
    only = o.OrderReader(reader().statuses, reader().ids, CATALOGUE, order_type="visit")
    assert only.booking(order(orderType="eshop-individual")) is None
    assert only.booking(order(orderType="visit")) is not None
    assert reader().booking(order(orderType="eshop-individual")) is not None


def test_sums_in_every_shape() -> None:
    for given, kopecks in ((2500, 250_000), ("2500.50", 250_050), (33.333333, 3333), (-10, -1000)):
        assert o.kopecks(Record({"totalSumm": given}, "o"), "totalSumm", "summ") == kopecks
    assert o.kopecks(Record({"summ": 7}, "o"), "totalSumm", "summ") == 700
    for wrong in ("сто", True, [], "inf"):
        with pytest.raises(Malformed):
            o.kopecks(Record({"totalSumm": wrong}, "o"), "totalSumm")


def test_an_order_without_a_master_is_no_booking() -> None:
    assert reader().booking(order(managerId=None)) is None
    assert reader("master").booking(order(customFields=[])) is None
    for value in ("17", 17, {"code": "17", "name": "Анна"}):
        booking = reader("master").booking(order(managerId=3, customFields={"master": value}))
        assert booking is not None
        assert booking.staff_id == "anna"


def test_a_malformed_order_is_an_error() -> None:
    for wrong in ({"delivery": {"date": "завтра", "time": {"from": "14:00"}}}, {"items": {}}, {"totalSumm": "сто"},
                  {"id": None}, {"delivery": "завтра"}):  # fmt: skip
        with pytest.raises(Malformed):
            reader().booking(order(**wrong))


def test_services_by_goods_or_by_name() -> None:
    items = [
        {"offer": {"id": 7, "externalId": "501"}},
        {"productName": "УКЛАДКА", "offer": []},
        {"offer": {"id": 9, "displayName": "Шампунь"}, "productName": "Шампунь"},
        {"offer": {"id": 501}, "isCanceled": True},
    ]
    booking = reader().booking(order(items=items))
    assert booking is not None
    assert booking.service_ids == (CUT, STYLE)


def test_the_marker_is_in_the_comment_else_in_the_external_id() -> None:
    both = reader().booking(order(externalId="ai-k3m9q2x7ab-0011aabb", managerComment="у окна\nai:zzzzzzzzzz"))
    one = reader().booking(order(externalId="ai-k3m9q2x7ab-0011aabb"))
    none = reader().booking(order(externalId="1C-000123"))
    assert both is not None
    assert one is not None
    assert none is not None
    assert (both.marker, both.comment, one.marker, none.marker) == ("zzzzzzzzzz", "у окна", "k3m9q2x7ab", "")


def test_statuses_by_group_and_by_the_salons_own_codes() -> None:
    for answer in (ROWS, {row["code"]: row for row in ROWS}):
        found = o.Statuses.of(answer, {})
        assert (found.booked, found.confirmed, found.cancelled, found.arrived) == (
            "new", "client-confirmed", "cancel-other", "complete",
        )  # fmt: skip
        assert found.meanings["no-call"] is BookingStatus.CANCELLED
    assert o.Statuses.of(ROWS, {"cancelled": "no-call"}).to_set(BookingStatus.NO_SHOW) == "no-call"
    with pytest.raises(ConfigurationError, match="status_booked"):
        o.Statuses.of(ROWS, {"booked": "nope"})
    with pytest.raises(ConfigurationError, match="status_cancelled"):
        o.Statuses.of(ROWS[:3], {}).to_set(BookingStatus.CANCELLED)
    with pytest.raises(Malformed):
        o.Statuses.of("no", {})
    booking = reader().booking(order(status="of-tomorrow"))
    assert booking is not None
    assert booking.status is BookingStatus.BOOKED


def test_times_are_the_salons_wall_clock() -> None:
    utc = ZoneInfo("UTC")
    part = PlannedPart(ANNA, (CUT,), at(23, 30).astimezone(utc), at(0, 30, 10).astimezone(utc), Price(Money(0)))
    assert o.times(part, CATALOGUE) == {"date": "2026-12-09", "time": {"from": "23:30", "to": "00:30"}}
    assert o.external_id("k3m9q2x7ab", part).startswith("ai-k3m9q2x7ab-")


def test_a_customer_with_several_phones() -> None:
    row = {
        "id": 5,
        "firstName": "Анна",
        "lastName": "Ли",
        "bad": "1",
        "phones": [{"number": "нет"}, {"number": "8 (900) 000-01-14"}],
    }
    person, phones = o.client(Record(row, "customer"))
    assert (person.name, person.phone, person.blocked) == ("Анна Ли", Phone("+79000000114"), True)
    assert phones == (Phone("+79000000114"),)


def reply(status: int, body: Any = b"", **headers: str) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, httpx.Headers({k.replace("_", "-"): v for k, v in headers.items()}), content)


def test_only_the_vendors_own_503_means_that_nothing_was_done() -> None:
    assert later_s(reply(503, {"success": False, "errorMsg": "API limit was exceeded"})) == LATER_S
    assert later_s(reply(503, {"success": False}, retry_after="2")) == 2.0
    for other in (reply(503, b"<html>Bad gateway"), reply(503), reply(503, {"success": True}), reply(503, [1]),
                  reply(500, {"success": False})):  # fmt: skip
        assert later_s(other) is None


def test_errors_in_every_shape() -> None:
    full = {"success": False, "errorMsg": "Errors in the entity format", "errors": {"customer[email]": "bad@"}}
    assert said(reply(400, full)) == ("Errors in the entity format", ("customer[email]",))
    assert said(reply(400, {**full, "errors": ["bad@"]})) == ("Errors in the entity format", ())
    assert said(reply(400, {"success": False})) == ("", ())
    for body in (b"", b"<html>", b"[]", b"7"):
        assert said(reply(404, body)) == ("", ())
