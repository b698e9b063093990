"""Answers of hs/api/v3 in the shapes that are known, read liberally. Pure."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from core.money import Money
from core.outside_http import Malformed
from core.phone import Phone
from crm.adapters.one_c.hs import records as r
from crm.adapters.one_c.hs.wire import HsRefusal
from crm.model import BookingStatus
from crm.vendor.parsing import Record

MOSCOW = ZoneInfo("Europe/Moscow")
TEN = datetime(2026, 12, 1, 10, tzinfo=MOSCOW)


def test_times_are_wall_clock_of_the_club() -> None:
    assert r.spelled(TEN.astimezone(ZoneInfo("UTC")), MOSCOW) == "2026-12-01 10:00"
    for text in ("2026-12-01 10:00", "2026-12-01T10:00:00", " 2026-12-01 10:00:00"):
        assert r.moment(text, MOSCOW, "x") == TEN
    with pytest.raises(Malformed, match="x"):
        r.moment("10:00", MOSCOW, "x")


@pytest.mark.parametrize("length", ["60", 60, 60.0])
def test_a_free_start(length: object) -> None:
    row = {"time": "10:00", "date_time": "2026-12-01 10:00", "seance_length": length, "appointment_id": ""}
    assert r.start(Record(row, "times"), MOSCOW) == r.Start(TEN, timedelta(hours=1))
    assert r.start(Record({**row, "seance_length": ""}, "times"), MOSCOW) is None
    assert r.start(Record({**row, "appointment_id": "g1"}, "times"), MOSCOW) == r.Start(TEN, timedelta(hours=1), "g1")


@pytest.mark.parametrize(
    ("value", "minor"),
    [(2500, 250000), ("2500", 250000), ("2 500,50 ₽", 250050), ("от 9000", 900000), (1800.0, 180000), ("0", 0)],
)
def test_prices(value: object, minor: int) -> None:
    assert r.money(value) == Money(minor)


def test_no_price_is_none() -> None:
    assert r.money(None) is None
    assert r.money("по запросу") is None
    assert r.money(True) is None


FULL = {
    "appointment_id": "a1", "status": "reserved", "canceled": False, "start_date": "2026-12-01 10:00",
    "end_date": "2026-12-01 11:00", "duration": "60", "service": {"id": "s1", "title": "Массаж", "price": "1500"},
    "employee": {"id": "e1", "name": "Анна"}, "employee_replacement": None, "start_date_replacement": "",
}  # fmt: skip


def test_a_visit_and_what_replaces_its_parts() -> None:
    seen = r.visit(Record(FULL, "appointment"), MOSCOW, {})
    assert (seen.id, seen.staff, seen.service, seen.start) == ("a1", "e1", "s1", TEN)
    assert seen.end - seen.start == timedelta(hours=1)
    assert (seen.status, seen.price) == (BookingStatus.BOOKED, Money(150000))
    moved = {**FULL, "employee_replacement": {"id": "e2"}, "start_date_replacement": "2026-12-01 12:00"}
    seen = r.visit(Record(moved, "appointment"), MOSCOW, {})
    assert (seen.staff, seen.start) == ("e2", TEN + timedelta(hours=2))
    assert seen.end - seen.start == timedelta(hours=1)


def test_what_the_answer_leaves_out_is_what_was_asked_for() -> None:
    short = {"appointment_id": "a1", "status": "planned"}
    planned = {"start": "2026-12-01 10:00", "minutes": "45", "staff": "e1", "service": "s1"}
    seen = r.visit(Record(short, "appointment"), MOSCOW, planned)
    assert (seen.staff, seen.service, seen.start, seen.end - seen.start) == ("e1", "s1", TEN, timedelta(minutes=45))
    with pytest.raises(Malformed, match="start_date"):
        r.visit(Record(short, "appointment"), MOSCOW, {})


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"status": "temporarily_reserved_need_payment"}, BookingStatus.WAITING_PREPAY),
        ({"status": "reserved", "temporarily_reserved": True}, BookingStatus.WAITING_PREPAY),
        ({"status": "reserved_and_payed"}, BookingStatus.BOOKED),
        ({"status": "planned"}, BookingStatus.BOOKED),
        ({"status": "ended"}, BookingStatus.ARRIVED),
        ({"status": "reserved", "canceled": True}, BookingStatus.CANCELLED),
        ({"status": "canceled"}, BookingStatus.CANCELLED),
    ],
)
def test_states(fields: dict[str, object], status: BookingStatus) -> None:
    assert r.status(Record(fields, "appointment")) is status


def test_a_client_has_one_name() -> None:
    row = {"id": "c1", "name": "Ирина", "last_name": "Павлова", "phone": "79000000101"}
    assert r.client(Record(row, "client"), Phone("+79000000101")).name == "Ирина Павлова"


def test_refusals_are_told_apart_and_say_nothing_aloud() -> None:
    absent = HsRefusal("4003", "Неверный логин или пароль", 200)
    assert absent.is_no_client
    assert not absent.is_absent
    assert HsRefusal("77", "Клиент не найден", 200).is_no_client
    assert HsRefusal("77", "Запись не найдена", 200).is_absent
    for text in ("Клуб не найден", "Метод не найден", "Method not found"):
        assert not HsRefusal("404", text, 404).is_no_client, "an error is no empty list"
    assert HsRefusal("5", "Клиент не авторизован", 200).is_token
    assert HsRefusal("4002", "Неверный usertoken", 200).is_token
    key = HsRefusal("4001", "Неверный apikey", 200)
    assert key.is_key
    busy = HsRefusal("4090", "Ирина Павлова уже записана", 200)
    assert [busy.is_no_client, busy.is_token, busy.is_key] == [False, False, False]
    assert "Ирина" not in f"{busy} {busy.message} {busy.facts}"
