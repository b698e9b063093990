"""EasyWeek's spellings: every form of an interval that tells its meaning is read, no other becomes "no time"."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Forbidden, InvalidInput
from core.money import Money
from core.outside_http import Malformed, Reply
from crm.adapters.easyweek import hooks
from crm.adapters.easyweek.formats import (
    Interval,
    common,
    holds,
    intervals_of,
    length_of,
    price_of,
    starts_in,
    zone_of,
)
from crm.adapters.easyweek.records import status_of
from crm.adapters.easyweek.wire import Page, reason_of
from crm.adapters.easyweek.writing import CANCEL, CANCEL_BY_SLUG, cancel_ways, one_uuid
from crm.model import BookingStatus, RefusalReason
from crm.vendor.parsing import Record

MOSCOW = ZoneInfo("Europe/Moscow")
HOUR = timedelta(hours=1)
TEN, NOON = datetime(2026, 12, 9, 10, tzinfo=MOSCOW), datetime(2026, 12, 9, 12, tzinfo=MOSCOW)
LOCATION = "11111111-1111-1111-1111-111111111111"

SPELLINGS = [
    {"start_formatted": "10:00", "end_formatted": "12:00"},
    {"start_formatted": "10:00:00", "end_formatted": "12:00:00"},
    {"start_formatted": "10:00 AM", "end_formatted": "12:00 pm"},
    {"start_formatted": 36000, "end_formatted": 43200},
    {"start_formatted": "36000", "end_formatted": "43200"},
    {"start": 36000, "end": 43200},
    {"start": 36000.0, "end": 43200.0},
    {"start": int(TEN.timestamp()), "end": int(NOON.timestamp())},
    {"start": int(TEN.timestamp()) * 1000, "end": int(NOON.timestamp()) * 1000},
    {"start": int(TEN.timestamp()), "start_formatted": "10:00", "end": int(NOON.timestamp()), "end_formatted": "12:00"},
    {"start": "2026-12-09T10:00:00+03:00", "end": "2026-12-09T12:00:00+0300"},
    {"start_time": "2026-12-09T07:00:00Z", "end_time": "2026-12-09T09:00:00Z"},
    {"from": "2026-12-09 10:00:00", "to": "2026-12-09 12:00:00"},
    ["10:00", "12:00"],
    "10:00 - 12:00",
]


@pytest.mark.parametrize("given_interval", SPELLINGS, ids=str)
def test_an_interval_in_every_spelling(given_interval: object) -> None:
    answer = {"dates": [{"date": "2026-12-09", "intervals": [given_interval]}]}
    assert intervals_of(answer, MOSCOW, HOUR) == [Interval(TEN, NOON)]
    by_day = {"dates": {"2026-12-09": [given_interval]}}
    assert intervals_of(by_day, MOSCOW, HOUR) == [Interval(TEN, NOON)]


def test_an_interval_of_only_a_start_lasts_as_long_as_the_service() -> None:
    answer = {"dates": [{"date": "2026-12-09", "intervals": ["10:00", {"start": "11:00"}, {"start": "15:00"}]}]}
    three = datetime(2026, 12, 9, 15, tzinfo=MOSCOW)
    assert intervals_of(answer, MOSCOW, HOUR) == [Interval(TEN, NOON), Interval(three, three + HOUR)]


def test_midnight_as_an_end_is_the_end_of_the_day() -> None:
    for end in ("00:00", "24:00", 86400):
        answer = {"dates": [{"date": "2026-12-09", "intervals": [{"start": "22:00", "end": end}]}]}
        (found,) = intervals_of(answer, MOSCOW, HOUR)
        assert (found.start.hour, found.end) == (22, datetime(2026, 12, 10, tzinfo=MOSCOW))


@pytest.mark.parametrize(
    "answer",
    [
        None, {}, [], {"dates": None}, {"dates": "none"}, {"slots": []}, {"dates": [{"date": "2026-12-09"}]},
        {"dates": [{"date": "someday", "intervals": []}]}, {"dates": [{"intervals": []}]},
        {"dates": [{"date": "2026-12-09", "intervals": [{}]}]},
        {"dates": [{"date": "2026-12-09", "intervals": [{"start": True, "end": False}]}]},
        {"dates": [{"date": "2026-12-09", "intervals": [{"start": "утром", "end": "вечером"}]}]},
        {"dates": [{"date": "2026-12-09", "intervals": [{"start": "25:00", "end": "26:00"}]}]},
        {"dates": [{"date": "2026-12-09", "intervals": [{"start": -5, "end": 3}]}]},
    ],
    ids=str,
)  # fmt: skip
def test_an_unknown_form_is_an_error(answer: object) -> None:
    if answer == []:
        assert intervals_of(answer, MOSCOW, HOUR) == []  # a bare list of days, none of them
        return
    with pytest.raises(Malformed):
        intervals_of(answer, MOSCOW, HOUR)


def test_steps_of_a_grid_are_one_stretch() -> None:
    steps = [{"start": f"{10 + n // 4}:{n % 4 * 15:02d}", "end": f"{10 + (n + 1) // 4}:{(n + 1) % 4 * 15:02d}"}
             for n in range(8)]  # fmt: skip
    assert intervals_of({"dates": [{"date": "2026-12-09", "intervals": steps}]}, MOSCOW, HOUR) == [Interval(TEN, NOON)]


def test_starts_are_cut_on_the_salons_grid_and_at_the_beginning() -> None:
    odd = Interval(TEN + timedelta(minutes=20), NOON)
    starts = [f"{start:%H:%M}" for start in starts_in(odd, HOUR, 15, MOSCOW)]
    assert starts == ["10:20", "10:30", "10:45", "11:00"]
    assert list(starts_in(Interval(TEN, TEN + timedelta(minutes=59)), HOUR, 15, MOSCOW)) == []
    half = ZoneInfo("Asia/Kolkata")
    day = datetime(2026, 12, 9, 10, tzinfo=half)
    assert [f"{s:%H:%M}" for s in starts_in(Interval(day, day + 2 * HOUR), HOUR, 30, half)] == [
        "10:00", "10:30", "11:00",
    ]  # fmt: skip


@given(st.integers(0, 600), st.integers(0, 600), st.integers(5, 300), st.sampled_from([5, 10, 15, 30, 60]))
@settings(max_examples=200, deadline=None)
def test_every_start_fits_and_none_repeats(begin: int, span: int, length_min: int, grid: int) -> None:
    interval = Interval(TEN + timedelta(minutes=begin), TEN + timedelta(minutes=begin + span))
    length = timedelta(minutes=length_min)
    starts = list(starts_in(interval, length, grid, MOSCOW))
    assert len(starts) == len(set(starts))
    assert all(holds([interval], start, start + length) for start in starts)
    assert all(start == interval.start or start.minute % grid == 0 for start in starts)
    assert bool(starts) == (span >= length_min)


def test_where_two_are_free() -> None:
    later = Interval(TEN + HOUR, NOON + HOUR)
    assert common([Interval(TEN, NOON)], [later]) == [Interval(TEN + HOUR, NOON)]
    assert common([Interval(TEN, TEN + HOUR)], [later]) == []


def test_the_day_of_the_clock_change() -> None:
    """Berlin, 25 October 2026: 02:00 to 03:00 happens twice; seconds after midnight are wall clock."""
    berlin = ZoneInfo("Europe/Berlin")
    answer = {"dates": [{"date": "2026-10-25", "intervals": [{"start": 10 * 3600, "end": "12:00"}]}]}
    (found,) = intervals_of(answer, berlin, HOUR)
    assert found.start.astimezone(UTC) == datetime(2026, 10, 25, 9, tzinfo=UTC)
    assert found.end.astimezone(UTC) == datetime(2026, 10, 25, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "minutes"),
    [
        ({"value": 60, "label": "minutes", "iso_8601": "PT1H"}, 60), ({"value": 90, "label": "minutes"}, 90),
        ({"iso_8601": "PT60M"}, 60), ({"value": 2, "label": "hours"}, 120), (45, 45), ("45", 45), ("PT1H15M", 75),
    ],
    ids=str,
)  # fmt: skip
def test_lengths(value: object, minutes: int) -> None:
    assert length_of(Record({"duration": value}, "service")) == timedelta(minutes=minutes)


def test_a_length_that_cannot_be_read_is_an_error() -> None:
    for value in (None, "long", {"value": 3, "label": "visits"}, {"label": "minutes"}):
        with pytest.raises(Malformed):
            length_of(Record({"duration": value}, "service"))


def test_prices_are_minor_units() -> None:
    assert price_of(Record({"price": 250000, "currency": "RUB"}, "s")) == Money(250000, "RUB")
    assert price_of(Record({"price": "3500", "currency": {"code": "eur"}}, "s")) == Money(3500, "EUR")
    assert price_of(Record({"price": {"amount": 100, "currency": "EUR"}}, "s")) == Money(100, "EUR")
    with pytest.raises(Malformed):
        price_of(Record({"price": "25.50", "currency": "RUB"}, "s"))


def test_zones() -> None:
    assert zone_of("Europe/Berlin") == ZoneInfo("Europe/Berlin")
    assert zone_of({"name": "Europe/Berlin", "offset": "+01:00", "short": "CET"}) == ZoneInfo("Europe/Berlin")
    assert [zone_of(wrong) for wrong in (None, "", "Middle/Earth", {"offset": "+01:00"}, 3)] == [None] * 5


def test_statuses() -> None:
    def status(**fields: object) -> BookingStatus:
        return status_of(Record(fields, "booking"))

    assert status(status={"type": "confirmed"}, is_canceled=False) is BookingStatus.BOOKED
    assert status(status={"type": "confirmed"}, is_canceled=True) is BookingStatus.CANCELLED
    assert status(status="canceled") is BookingStatus.CANCELLED
    assert status(status={"type": "cancelled"}) is BookingStatus.CANCELLED
    assert status(is_completed=True) is BookingStatus.ARRIVED
    assert status(status={"type": "no-show"}) is BookingStatus.NO_SHOW


def test_pages_of_every_form() -> None:
    rows = [{"uuid": "a"}, {"uuid": "b"}]
    laravel = {"data": rows, "links": {"next": "https://x/?page=2"}, "meta": {"current_page": 1, "last_page": 2}}
    assert Page.of(laravel, 1, 100, "x").more
    assert not Page.of(laravel, 2, 100, "x").more
    assert Page.of({"data": rows, "links": {"next": "https://x/?page=2"}}, 1, 100, "x").more
    assert not Page.of({"data": rows, "links": {"next": None}}, 1, 100, "x").more
    assert Page.of({"data": {"data": rows, "last_page": 3}}, 2, 100, "x").more
    assert Page.of(rows, 1, 2, "x").more
    assert not Page.of(rows, 1, 3, "x").more
    for wrong in (None, "", {}, {"message": "no"}, {"data": None}, {"data": ["a"]}, ["a"]):
        with pytest.raises(Malformed):
            Page.of(wrong, 1, 100, "x")


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (422, {"message": "Выбранное время уже занято"}, RefusalReason.SLOT_TAKEN),
        (422, {"message": "x", "errors": {"reserved_on": ["This time is not available"]}}, RefusalReason.SLOT_TAKEN),
        (409, {"message": "conflict"}, RefusalReason.SLOT_TAKEN),
        (422, {"message": "Customer is in the blacklist"}, RefusalReason.CLIENT_BLOCKED),
        (404, {"message": "Not Found"}, RefusalReason.NOT_FOUND),
        (422, {"message": "The given data was invalid.", "errors": {"reserved_on": ["нет"]}}, None),
        (422, "no json", None),
    ],
    ids=str,
)  # fmt: skip
def test_refusals_by_their_words(status: int, body: object, reason: RefusalReason | None) -> None:
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    assert reason_of(Reply(status, httpx.Headers(), text.encode())) is reason


def test_the_uuid_of_a_new_booking_wherever_it_stands() -> None:
    one = {"uuid": "a", "start_time": "…"}
    for answer in (one, {"data": one}, [one], {"data": [one]}, {"bookings": [one]}, {"data": {"bookings": [one]}}):
        assert one_uuid(answer) == "a"
    for wrong in ({}, [], {"data": []}, {"bookings": []}, [one, {"uuid": "b"}], {"message": "ok"}, None, "a"):
        with pytest.raises(Malformed):
            one_uuid(wrong)


def test_the_way_of_cancelling_is_a_setting() -> None:
    assert cancel_ways(CANCEL)[0] == ("PUT", "/bookings/{uuid}/status/cancel")
    first, *others = cancel_ways("PATCH /bookings/{uuid}")
    assert first == ("PATCH", "/bookings/{uuid}")
    assert len(others) == 2
    assert [method for method, _ in cancel_ways(CANCEL_BY_SLUG)] == ["POST", "PUT"]
    for wrong in ("", "PUT", "GET /bookings/{uuid}", "PUT /bookings", "PUT bookings/{uuid}"):
        with pytest.raises(InvalidInput):
            cancel_ways(wrong)


EVENT = {"uid": "aaaa", "id": 17, "location_id": 4821, "location_uuid": LOCATION, "booking_status": "Отменена",
         "booking_attributes.booking_comment": "ai:90017x"}  # fmt: skip


def test_an_event_is_named_by_its_address() -> None:
    body = json.dumps(EVENT).encode()
    (made,) = hooks.read(body, {"event": "booking-created", "token": "…"}, LOCATION)
    assert (made.kind, made.id, made.action) == ("booking", "aaaa", "create")
    (gone,) = hooks.read(body, {"event": "booking-canceled"}, LOCATION)
    assert gone.action == "delete"
    assert gone.event_id != made.event_id
    assert hooks.read(body, {"event": "booking-canceled"}, LOCATION)[0].event_id == gone.event_id
    assert hooks.read(body, {}, LOCATION)[0].action == "update"
    with pytest.raises(InvalidInput):
        hooks.read(body, {"event": "order-paid"}, LOCATION)
    with pytest.raises(Forbidden):
        hooks.read(json.dumps({**EVENT, "location_uuid": "other"}).encode(), {"event": "booking-created"}, LOCATION)
    for rubbish in (b"", b"{", b"[]", b"\xff", b'{"uid": null}', b'{"uid": {}}', b"uid=aaaa"):
        with pytest.raises(InvalidInput):
            hooks.read(rubbish, {"event": "booking-created"}, LOCATION)
