"""Reading and writing МойСклад's orders, times, sums, spellings and errors. No I/O."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigurationError
from core.money import Money
from core.outside_http import Malformed, Reply
from core.phone import Phone
from crm.adapters.moysklad import orders as o
from crm.adapters.moysklad.wire import condition, error_codes, later_s, wall
from crm.catalogue import Catalogue
from crm.model import BookingStatus, PlannedPart, Price, SalonProfile, Service, ServiceId, StaffId, StaffOffer
from crm.vendor.markers import marker_of
from crm.vendor.own_time import IdMap
from crm.vendor.parsing import Record

ANNA, CUT, STYLE = StaffId("anna"), ServiceId("S01"), ServiceId("S06")
FIELDS = {o.MASTER: "f-master", o.END: "f-end", o.SERVICES: "f-services"}
VLADIVOSTOK = ZoneInfo("Asia/Vladivostok")


def service(key: ServiceId, minutes: int) -> Service:
    length = timedelta(minutes=minutes)
    return Service(key, f"услуга {key}", length, (StaffOffer(ANNA, Price(Money.roubles(1000)), length),))


CATALOGUE = Catalogue(
    SalonProfile("Мята", "Asia/Vladivostok"), {CUT: service(CUT, 60), STYLE: service(STYLE, 45)}, {}, {}
)
STATES = [
    Record({"id": i, "name": name, "stateType": kind}, "states")
    for i, name, kind in (
        ("s-new", "Новый", "Regular"),
        ("s-ok", "Подтверждён", "Regular"),
        ("s-done", "Доставлен", "Successful"),
        ("s-back", "Возврат", "Unsuccessful"),
        ("s-off", "Отменен", "Unsuccessful"),
    )
]


def reader(services: dict[str, str] | None = None) -> o.OrderReader:
    ids = IdMap(services or {}, {"anna": "e-1"})
    return o.OrderReader(FIELDS, o.States.of(STATES, {}), ids, CATALOGUE)


def reference(kind: str, number: str) -> dict[str, Any]:
    href = f"https://api.moysklad.ru/api/remap/1.2/entity/{kind}/{number}"
    return {"meta": {"href": href, "type": kind, "mediaType": "application/json"}}


def order(**more: Any) -> Record:
    attributes = [
        {"id": "f-master", **reference("attributemetadata", "f-master"), "value": reference("employee", "e-1")}
    ]
    attributes += more.pop("attributes", [])
    plain = {
        "id": "o-1", "agent": reference("counterparty", "c-1"), "deliveryPlannedMoment": "2026-12-09 05:00:00.000",
        "attributes": attributes, "sum": 100000.0,
    }  # fmt: skip
    return Record({**plain, **more}, "order")


def test_times_on_the_wire_are_moscow_whatever_the_salon_has() -> None:
    noon = datetime(2026, 12, 9, 12, tzinfo=VLADIVOSTOK)
    assert wall(noon) == "2026-12-09 05:00:00"
    booking = reader().booking(order())
    assert booking is not None
    assert booking.start == noon
    assert booking.start.tzinfo == VLADIVOSTOK
    assert booking.client_id == "c-1"
    assert booking.staff_id == "anna"


def test_the_end_is_the_written_one_else_the_length_of_what_is_done() -> None:
    written = order(attributes=[{"id": "f-end", "value": "2026-12-09 06:30:00.000"}])
    booking = reader().booking(written)
    assert booking is not None
    assert booking.end - booking.start == timedelta(minutes=90)
    positions = {"rows": [{"assortment": reference("service", "p-1")}, {"assortment": reference("service", "p-6")}]}
    booking = reader({"S01": "p-1", "S06": "p-6"}).booking(order(positions=positions))
    assert booking is not None
    assert booking.service_ids == (CUT, STYLE)
    assert booking.end - booking.start == timedelta(minutes=105)
    unknown = reader().booking(order())
    assert unknown is not None
    assert unknown.end - unknown.start == o.UNKNOWN_LENGTH


def test_what_people_changed_in_the_positions_counts() -> None:
    ours = [{"id": "f-services", "value": "S01, S06"}]
    mapped = {"S01": "p-1", "S06": "p-6"}
    changed = {"rows": [{"assortment": reference("service", "p-6")}, {"assortment": reference("product", "shampoo")}]}
    booking = reader(mapped).booking(order(attributes=ours, positions=changed))
    assert booking is not None
    assert booking.service_ids == (STYLE,)
    booking = reader({"S01": "p-1"}).booking(order(attributes=ours, positions={"rows": []}))
    assert booking is not None
    assert booking.service_ids == (STYLE,), "what is not mapped never had a position"
    booking = reader(mapped).booking(order(attributes=ours, positions=reference("x", "y")))
    assert booking is not None
    assert booking.service_ids == (CUT, STYLE), "not expanded: as we have written it"


def test_an_order_without_a_time_or_a_master_is_no_booking() -> None:
    assert reader().booking(order(deliveryPlannedMoment=None)) is None
    assert reader().booking(Record({"id": "o-1", "deliveryPlannedMoment": "2026-12-09 05:00:00"}, "order")) is None


def test_a_malformed_order_is_an_error() -> None:
    for wrong in ({"deliveryPlannedMoment": "завтра"}, {"sum": "сто"}, {"agent": "c-1"}, {"positions": {"rows": "x"}}):
        with pytest.raises(Malformed):
            reader().booking(order(**wrong))


def test_states_by_type_and_by_the_salons_own_names() -> None:
    found = o.States.of(STATES, {})
    assert (found.booked, found.confirmed, found.cancelled, found.arrived) == ("s-new", "s-ok", "s-off", "s-done")
    assert found.meanings["s-back"] is BookingStatus.CANCELLED
    assert found.to_set(BookingStatus.NO_SHOW) == "s-off"
    own = o.States.of(STATES, {"booked": "подтверждён", "confirmed": "Новый", "cancelled": "Возврат"})
    assert (own.booked, own.confirmed, own.cancelled) == ("s-ok", "s-new", "s-back")
    with pytest.raises(ConfigurationError, match="state_cancelled"):
        o.States.of(STATES, {"cancelled": "Нет такого"})
    assert o.States.of([], {}).cancelled == ""


def test_a_state_that_is_not_listed_leaves_the_visit_standing() -> None:
    booking = reader().booking(order(state=reference("state", "s-of-tomorrow")))
    assert booking is not None
    assert booking.status is BookingStatus.BOOKED


@given(st.text(max_size=6000), st.from_regex(r"[0-9a-z]{10}", fullmatch=True))
@settings(max_examples=60, deadline=None)
def test_the_label_survives_any_length_of_comment(comment: str, marker: str) -> None:
    text = o.described(comment, marker)
    assert len(text) <= o.DESCRIPTION_MOST
    assert marker_of(text) == marker


def test_one_part_of_one_wish_has_one_sync_id() -> None:
    start = datetime(2026, 12, 9, 9, tzinfo=UTC)
    part = PlannedPart(ANNA, (CUT,), start, start + timedelta(hours=1), Price(Money(0)))
    elsewhere = PlannedPart(ANNA, (CUT,), start.astimezone(VLADIVOSTOK), part.end, part.price)
    later = PlannedPart(ANNA, (CUT,), start + timedelta(hours=1), part.end, part.price)
    assert o.sync_id("k3m9q2x7ab", part) == o.sync_id("k3m9q2x7ab", elsewhere)
    assert len({o.sync_id("k3m9q2x7ab", part), o.sync_id("other", part), o.sync_id("k3m9q2x7ab", later)}) == 3


def test_spellings_of_a_phone_that_a_letter_by_letter_filter_finds() -> None:
    forms = o.typed(Phone("+79000000114"))
    assert {"+79000000114", "89000000114", "+7 (900) 000-01-14", "8(900)000-01-14", "8 900 000 01 14"} <= set(forms)
    assert len(forms) == len(set(forms))
    assert o.typed(Phone("+4915112345678")) == ("+4915112345678", "4915112345678")


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("+79000000114", ["+79000000114"]),
        ("8 (900) 000-01-14, муж +7 901 000 01 15", ["+79000000114", "+79010000115"]),
        ("9000000114 (мама)", ["+79000000114"]),
        ("8.900.000.01.14;89010000115", ["+79000000114", "+79010000115"]),
        ("нет", []),
        ("12", []),
        ("", []),
    ],
)
def test_all_numbers_in_a_free_text(text: str, phones: list[str]) -> None:
    person, found = o.client(Record({"id": "c-1", "name": "Зоя", "phone": text}, "client"))
    assert [phone.e164 for phone in found] == phones
    assert person.phone == (found[0] if found else None)


def test_a_semicolon_in_a_value_does_not_end_the_condition() -> None:
    assert condition("description", "~", "a;b") == r"description~a\;b"


def test_sums_are_kopecks_with_fractions() -> None:
    assert o.kopecks(Record({"sum": 250000.0}, "o"), "sum") == 250000
    assert o.kopecks(Record({"sum": 99.6}, "o"), "sum") == 100
    assert o.kopecks(Record({}, "o"), "sum") == 0


def reply(status: int, body: Any = b"", **headers: str) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, httpx.Headers({k.replace("_", "-"): v for k, v in headers.items()}), content)


def test_the_pause_is_told_in_milliseconds() -> None:
    assert later_s(reply(429, x_lognex_retry_after="1500")) == 1.5
    assert later_s(reply(429, x_lognex_retry_after="0", x_lognex_reset="700")) == 0.7
    assert later_s(reply(429, {"errors": [{"code": 1073}]}, x_lognex_retry_after="2900")) == pytest.approx(0.3)
    assert later_s(reply(429)) is None
    assert later_s(reply(503, x_lognex_retry_after="1500")) is None


def test_codes_of_every_shape_of_an_error() -> None:
    assert error_codes(reply(400, {"errors": [{"code": 1084}, {"code": 1034}]})) == {1084, 1034}
    assert error_codes(reply(400, [{"errors": [{"code": 3006}]}, {"meta": {}}])) == {3006}
    for body in (b"", b"<html>", b"[]", b'{"errors": "no"}', b'{"errors": [{"code": "x"}]}', b"7"):
        assert error_codes(reply(415, body)) == frozenset()
