"""Planfix's times, statuses, people and scenario requests, as its documents show them and as accounts vary."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.errors import Forbidden, InvalidInput
from core.outside_http import Malformed
from core.phone import Phone
from crm.adapters.planfix import hooks, moments
from crm.adapters.planfix import records as r
from crm.adapters.planfix.statuses import Statuses
from crm.model import BookingStatus, StaffId
from crm.vendor.own_time import IdMap
from crm.vendor.parsing import Record

MOSCOW, SAMARA = ZoneInfo("Europe/Moscow"), ZoneInfo("Europe/Samara")
NOON = datetime(2026, 12, 9, 12, tzinfo=MOSCOW)
IDS = IdMap({}, {"anna": "user:5", "maria": "6", "olga": "contact:92"})


@pytest.mark.parametrize(
    "value",
    [
        {"date": "09-12-2026", "time": "12:00"},
        {"date": "09-12-2026", "time": "12:00", "datetime": "2026-12-09T12:00Z"},
        {"dateTimeUtcSeconds": "2026-12-09T09:00:00+0000"},
        {"datetime": "2026-12-09T09:00Z"},
        "09-12-2026 12:00:00",
        "2026-12-09T09:00:00+00:00",
    ],
)
def test_a_time_in_any_documented_form(value: Any) -> None:
    found = moments.read(value, MOSCOW)
    assert found is not None
    assert (found[0], found[1]) == (NOON, True)


@pytest.mark.parametrize("value", [None, "", {}, []])
def test_no_time_is_none(value: Any) -> None:
    assert moments.read(value, MOSCOW) is None


@pytest.mark.parametrize("value", [{"date": "2026-12-09"}, {"date": "32-12-2026"}, "soon", 7, {"datetime": "x"}])
def test_a_broken_time_is_an_error_not_a_missing_one(value: Any) -> None:
    with pytest.raises(Malformed):
        moments.read(value, MOSCOW)


def test_times_are_written_in_the_accounts_zone() -> None:
    assert moments.point(NOON, SAMARA) == {"date": "09-12-2026", "time": "13:00"}
    late = datetime(2026, 12, 9, 23, 30, tzinfo=MOSCOW)
    assert moments.point(late, SAMARA) == {"date": "10-12-2026", "time": "00:30"}
    assert moments.days(NOON, late, SAMARA) == {
        "dateType": "otherRange",
        "dateFrom": "09-12-2026",
        "dateTo": "10-12-2026",
    }
    assert moments.between(NOON, late, MOSCOW)["dateTo"] == "09-12-2026 23:30"


def task(**more: Any) -> Record:
    start = {"date": "09-12-2026", "time": "12:00"}
    return Record({"id": 7, "startDateTime": start, "assignees": {"users": [{"id": "user:5"}]}, **more}, "task")


@pytest.mark.parametrize(
    ("more", "minutes"),
    [
        ({"endDateTime": {"date": "09-12-2026", "time": "13:30"}}, 90),
        ({"duration": 45, "durationUnit": "Minute"}, 45),
        ({"duration": 2, "durationUnit": "Hour"}, 120),
        ({"duration": 1, "durationUnit": "Day"}, 24 * 60),
        ({"endDateTime": {"date": "09-12-2026"}, "duration": 30, "durationUnit": "Minute"}, 30),
        ({}, 60),
        ({"endDateTime": {"date": "09-12-2026", "time": "11:00"}}, 60),
    ],
)
def test_how_long_a_task_takes(more: dict[str, Any], minutes: int) -> None:
    span = moments.span(task(**more), MOSCOW)
    assert span is not None
    assert span[1] - span[0] == timedelta(minutes=minutes)


def test_a_task_without_a_time_of_day_takes_its_days() -> None:
    days = {"startDateTime": {"date": "09-12-2026"}, "endDateTime": {"date": "10-12-2026"}}
    span = moments.span(task(**days), MOSCOW)
    assert span == (datetime(2026, 12, 9, tzinfo=MOSCOW), datetime(2026, 12, 11, tzinfo=MOSCOW))
    assert moments.span(Record({"id": 1}, "task"), MOSCOW) is None


def read(**more: Any) -> list[Any]:
    return r.bookings(task(**more), Statuses.of({"status_cancelled": "24"}), IDS, MOSCOW, MOSCOW, 87)


def test_a_task_is_a_booking_of_each_of_our_masters() -> None:
    both = {"users": [{"id": "user:5"}, {"id": "user:6"}, {"id": "user:77"}, {"id": "contact:92"}]}
    assert [b.staff_id for b in read(assignees=both)] == ["anna", "maria", "olga"]
    assert [b.staff_id for b in read(assignees=[{"id": 5}])] == ["anna"]
    assert read(assignees={"users": [{"id": "user:77"}]}) == []
    assert read(assignees=None) == []


def test_what_a_task_says() -> None:
    (booking,) = read(
        counterparty={"id": "contact:92", "name": "Ирина"},
        description="<p>у окна</p><p>ai-services:S01 ai:labelabel1</p>",
        customFieldData=[{"field": {"id": 87, "name": "Метка"}, "value": "fieldfield"}],
    )
    assert (booking.client_id, booking.comment, booking.service_ids) == ("92", "у окна", ("S01",))
    assert booking.marker == "fieldfield", "the field before the description"
    assert (booking.start, booking.status) == (NOON, BookingStatus.BOOKED)
    (other,) = read(description="ai:labelabel1", customFieldData=[{"field": {"id": 88}, "value": "x"}])
    assert (other.marker, other.client_id) == ("labelabel1", None)
    with pytest.raises(Malformed):
        read(startDateTime={"date": "yesterday"})


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (None, BookingStatus.BOOKED),
        ({"id": 24, "name": "Всё"}, BookingStatus.CANCELLED),
        ({"id": 1, "name": "Новая"}, BookingStatus.BOOKED),
        ({"id": 9, "name": "Отменена клиентом"}, BookingStatus.CANCELLED),
        ({"id": 9, "name": "Клиент подтвердил"}, BookingStatus.CONFIRMED),
        ({"id": 9, "name": "Завершённая"}, BookingStatus.ARRIVED),
        ({"id": 9, "name": "Не пришла"}, BookingStatus.NO_SHOW),
        ({"id": 9, "name": "Canceled"}, BookingStatus.CANCELLED),
    ],
)
def test_statuses_by_number_then_by_name(status: Any, meaning: BookingStatus) -> None:
    assert read(status=status)[0].status is meaning
    assert read(status=status, isDeleted=True)[0].status is BookingStatus.CANCELLED


def test_a_status_that_is_no_number_is_named() -> None:
    with pytest.raises(InvalidInput, match="status_cancelled"):
        Statuses.of({"status_cancelled": "отменён"})


def test_people_in_requests_have_prefixes_and_contacts_phones_as_typed() -> None:
    assert [r.person(IDS.their_staff(StaffId(key))) for key in ("anna", "maria", "olga")] == [
        "user:5", "user:6", "contact:92",
    ]  # fmt: skip
    row = {"id": "contact:5", "name": "Ирина", "midname": None, "lastname": "Ли", "phones": [
        {"number": "", "maskedNumber": "+7 (964) 375-24-16", "type": 1}, {"number": "8 495 375-24-16", "type": 2},
    ]}  # fmt: skip
    client, phones = r.client(Record(row, "contact"))
    assert (client.id, client.name) == ("5", "Ирина Ли")
    assert phones == (Phone("+79643752416"), Phone("+74953752416"))
    assert r.new_contact("Ирина", None, None) == {"name": "Ирина"}


def hints(body: bytes, secret: str = "", **headers: str) -> list[tuple[str, str, str]]:
    return [(h.kind, h.id, h.action) for h in hooks.read(body, headers, {}, secret)]


def test_scenario_requests() -> None:
    assert hints(b'{"event": "update", "task": {"id": 123}}') == [("booking", "123", "update")]
    assert hints(b'{"task": 123, "event": "task.create"}') == [("booking", "123", "create")]
    assert hints(b'{"taskId": "123"}') == [("booking", "123", "update")]
    assert hints(b"task_id=123&event=deleted") == [("booking", "123", "delete")]
    assert hints(b'{"contact": {"id": "contact:5"}}') == [("client", "5", "update")]
    assert hints(b"") == hints(b"[]") == hints(b'{"task": {}}') == []
    with pytest.raises(InvalidInput):
        hints(b"{")


def test_scenario_requests_need_the_secret_where_there_is_one() -> None:
    body = json.dumps({"task": {"id": 1}}).encode()
    assert hooks.read(body, {"X-AI-Admin-Secret": "s3"}, {}, "s3")
    for headers in ({}, {"x-ai-admin-secret": "other"}):
        with pytest.raises(Forbidden):
            hooks.read(body, headers, {}, "s3")


def test_elapsed_time_counts_over_a_clock_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start = {"date": "25-10-2026", "time": "01:30"}
    span = moments.span(task(startDateTime=start, duration=3, durationUnit="Hour"), berlin)
    assert span is not None
    assert span[1].astimezone(UTC) - span[0].astimezone(UTC) == timedelta(hours=3)
