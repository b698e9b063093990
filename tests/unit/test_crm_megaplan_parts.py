"""Megaplan's typed times with their unsettled month, todos, events, the cursor of what has changed."""

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.errors import Forbidden, InvalidInput
from core.money import Money
from core.outside_http import Malformed
from core.phone import Phone
from crm.adapters.megaplan import cursor, hooks, moments
from crm.adapters.megaplan import records as r
from crm.adapters.megaplan.clients import contact
from crm.adapters.megaplan.moments import MonthBase, Spelling
from crm.adapters.megaplan.recent import BEHIND_S, Recent
from crm.adapters.megaplan.wire import asked
from crm.model import Booking, BookingId, BookingStatus, ClientId, Price, StaffId
from crm.vendor.own_time import IdMap
from crm.vendor.parsing import Record

MOSCOW = ZoneInfo("Europe/Moscow")
NOON = datetime(2026, 12, 9, 12, tzinfo=MOSCOW)
NOW = datetime(2026, 12, 1, 11, tzinfo=MOSCOW)


def day(month: int, number: int = 9, year: int = 2026) -> dict[str, Any]:
    return {"contentType": "DateOnly", "year": year, "month": month, "day": number}


def todo(**more: Any) -> Record:
    when = moments.written(NOON, NOON + timedelta(hours=1), MOSCOW)
    master = {"contentType": "Employee", "id": 1000010}
    return Record({"contentType": "Todo", "id": "7", "when": when, "responsible": master, **more}, "todo")


def whole_day(first: dict[str, Any], last: dict[str, Any] | None = None) -> Record:
    return todo(when={"contentType": "IntervalDates", "from": first, "to": last or first})


def read(row: Record, base: int | None = None, *, whole_days: bool = True) -> list[Booking]:
    ids = IdMap({}, {"anna": "1000010"})
    return r.bookings(row, r.Reading(ids, MOSCOW, MonthBase(base), NOW, whole_days))


def test_the_query_is_one_encoded_object() -> None:
    assert asked({"limit": 5}) == "?%7B%22limit%22%3A5%7D"
    assert asked({"q": "Анна & Ко"}) == "?%7B%22q%22%3A%22%D0%90%D0%BD%D0%BD%D0%B0%20%26%20%D0%9A%D0%BE%22%7D"
    assert asked({}) == asked(None) == ""


def test_both_spellings_of_a_time_are_read_back() -> None:
    for spelling, text in ((Spelling.ISO, "2026-12-09T12:00:00+03:00"), (Spelling.WALL, "2026-12-09 12:00:00")):
        when = moments.written(NOON, NOON + timedelta(hours=1), MOSCOW, spelling)
        assert when["from"] == {"contentType": "DateTime", "value": text}
        assert [(b.start, b.end) for b in read(todo(when=when))] == [(NOON, NOON + timedelta(hours=1))]
    untagged = {"from": {"value": "2026-12-09T09:00:00+00:00"}, "to": None}
    assert [(b.start, b.end) for b in read(todo(when=untagged))] == [(NOON, NOON + timedelta(hours=1))]


@pytest.mark.parametrize("value", ["later", True, {}, None])
def test_a_broken_time_is_an_error(value: Any) -> None:
    with pytest.raises(Malformed):
        read(todo(when={"contentType": "IntervalTime", "from": {"contentType": "DateTime", "value": value}}))


def test_a_whole_day_in_doubt_takes_both_days() -> None:
    def days(row: Record, base: int | None) -> list[date]:
        return [b.start.date() for b in read(row, base)]

    assert days(whole_day(day(5)), 0) == [date(2026, 6, 9)]
    assert days(whole_day(day(5)), 1) == [date(2026, 5, 9)]
    assert days(whole_day(day(5)), None) == [date(2026, 6, 9), date(2026, 5, 9)]
    assert days(whole_day(day(0)), None) == [date(2026, 1, 9)]
    assert days(whole_day(day(12)), None) == [date(2026, 12, 9)]
    (holiday,) = read(whole_day(day(11, 9), day(11, 11)), 0)
    assert holiday.end - holiday.start == timedelta(days=3)
    assert read(whole_day(day(5)), 0, whole_days=False) == []
    with pytest.raises(Malformed):
        days(whole_day(day(13)), None)


@pytest.mark.parametrize(
    ("rows", "base"),
    [
        ([day(5)], None),
        ([day(5), day(0)], 0),
        ([day(5), day(12)], 1),
        ([day(3, 31)], 1),
        ([day(2, 31)], 0),
        ([day(1, 29)], 1),
        ([day(1, 28)], None),
        ([], None),
    ],
)
def test_the_month_base_is_settled_by_what_is_seen(rows: list[dict[str, Any]], base: int | None) -> None:
    assert MonthBase.seen("auto", [whole_day(row) for row in rows]).base == base
    assert MonthBase.seen("1", [whole_day(row) for row in rows]).base == 1


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, BookingStatus.BOOKED),
        ({"isDropped": True}, BookingStatus.CANCELLED),
        ({"status": {"id": 1, "masterType": "scheduled"}}, BookingStatus.BOOKED),
        ({"status": {"id": 1, "masterType": "fail"}}, BookingStatus.CANCELLED),
        ({"status": {"id": 1, "masterType": "success"}}, BookingStatus.ARRIVED),
        ({"status": {"id": 1, "masterType": "finished"}, "description": "ai-status:no_show"}, BookingStatus.NO_SHOW),
        ({"description": "<p>да</p><p>ai-status:confirmed</p>"}, BookingStatus.CONFIRMED),
        ({"description": "ai-status:nonsense"}, BookingStatus.BOOKED),
    ],
)
def test_what_a_todo_says_of_itself(more: dict[str, Any], status: BookingStatus) -> None:
    (booking,) = read(todo(**more))
    assert (booking.id, booking.staff_id, booking.status) == ("7", "anna", status)


def test_todos_that_take_nobodys_time() -> None:
    assert read(todo(when=None)) == read(todo(responsible=None)) == read(todo(isTemplate=True)) == []
    assert read(todo(responsible={"contentType": "ContractorHuman", "id": 5})) == []
    assert read(todo(responsible={"contentType": "Employee", "id": 99}))[0].staff_id == "99"


def test_clients_are_bare_links_and_phones_any_spelling() -> None:
    relations = [{"contentType": "Deal", "id": 3}, {"contentType": "ContractorHuman", "id": "1000231"}]
    assert read(todo(relations=relations))[0].client_id == "1000231"
    row = {"id": "5", "firstName": "Ирина", "middleName": None, "lastName": "Ли", "contactInfo": [
        {"type": "email", "value": "a@b.ru"}, {"type": "phone", "value": "7 916 123-45-67"},
        {"type": "phone", "value": "не звонить"},
    ]}  # fmt: skip
    client, phones = contact(Record(row, "person"))
    assert (client.name, client.phone, phones) == ("Ирина Ли", Phone("+79161234567"), (Phone("+79161234567"),))


def booking(key: str = "7", **more: Any) -> Booking:
    made = Booking(
        BookingId(key), ClientId("5"), StaffId("anna"), (), NOON, NOON + timedelta(hours=1), BookingStatus.BOOKED,
        Price(Money(0)), marker="k3m9q2x7ab",
    )  # fmt: skip
    return replace(made, **more)


def test_changes_are_what_differs_from_the_last_look() -> None:
    first = [booking("1"), booking("2"), booking("3"), booking("4", start=NOW - timedelta(days=2), end=NOW)]
    text = cursor.packed(cursor.taken(first, NOW))
    look = cursor.unpacked(text)
    assert set(look) == {"1", "2", "3"}, "what is over is of no interest"
    later = NOON + timedelta(hours=3)
    now = [booking("1"), booking("2", start=later, end=later + timedelta(hours=1)), booking("5")]
    found = {b.id: b for b in cursor.changed(now, look, NOW)}
    assert set(found) == {"2", "5", "3"}
    assert (found["3"].status, found["3"].start, found["3"].staff_id) == (BookingStatus.CANCELLED, NOON, "anna")
    assert cursor.changed(first, look, NOW) == []
    assert cursor.changed([], look, NOON + timedelta(days=9)) == [], "a visit that is over is not missed"


@pytest.mark.parametrize("text", ["1700000000", "m1.", "m1.????", "m1.eJyr", "m1.eJwDAAAAAAE=", "x" * 50])
def test_a_foreign_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        cursor.unpacked(text)


def test_an_answer_from_before_the_write_is_put_right_and_a_newer_one_is_not() -> None:
    now = [0.0]
    recent = Recent(lambda: now[0])
    old, moved = booking(), booking(start=NOON + timedelta(hours=2), end=NOON + timedelta(hours=3))
    recent.wrote(old.id, None, old)
    assert recent.one(old.id, None) == old, "not shown yet"
    assert recent.over([booking("9")]) == [booking("9"), old]
    recent.wrote(old.id, old, moved)
    assert recent.one(old.id, None) == moved, "even the first write is not shown yet"
    assert recent.one(old.id, old) == moved, "only the first one is"
    recent.wrote(old.id, moved, None)
    assert recent.over([booking("9")]) == [booking("9")]
    again = Recent(lambda: now[0])
    again.wrote(old.id, old, moved)
    assert again.over([old, booking("9")]) == [moved, booking("9")]
    by_a_person = booking(start=NOON + timedelta(hours=5), end=NOON + timedelta(hours=6))
    assert again.one(old.id, by_a_person) == by_a_person
    again.wrote(old.id, old, None)
    assert again.over([old]) == []
    now[0] = BEHIND_S + 1
    assert again.over([old]) == [old], "by then the vendor knows better"


def event(**more: Any) -> bytes:
    account = {"integrationUuid": "6f0c", "uuid": "b7d1", "model": "Todo"}
    data = {"id": "612", "contentType": "Todo", "name": "Стрижка"}
    return json.dumps({"event": "on_after_update", "data": data, "accountInfo": account, **more}).encode()


def test_events() -> None:
    (hint,) = hooks.read(event(), "6F0C")
    assert (hint.kind, hint.id, hint.action, hint.event_id) == ("booking", "612", "update", "b7d1")
    assert hooks.read(event(event="on_after_drop"), "")[0].action == "delete"
    person = {"integrationUuid": "6f0c", "uuid": "1", "model": "ContractorHuman"}
    assert hooks.read(event(accountInfo=person), "6f0c")[0].kind == "client"
    assert hooks.read(event(accountInfo=None), "")[0].kind == "booking", "by the entity itself"
    for uuid in ({"integrationUuid": "other", "uuid": "1", "model": "Todo"}, None):
        with pytest.raises(Forbidden):
            hooks.read(event(accountInfo=uuid), "6f0c")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\x00\xff", b'{"data": {"deal": {"Id": 5}}}', b"a=1"])
def test_an_unreadable_event_is_accepted_so_that_the_stream_goes_on(body: bytes) -> None:
    assert hooks.read(body, "") == []
