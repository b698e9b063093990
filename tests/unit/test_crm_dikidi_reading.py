"""DIKIDI's answers and people's exports: every form that tells its meaning is read, everything else is an error."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.money import Money
from core.outside_http import Malformed
from crm.adapters.dikidi.catalogue import Lists, members
from crm.adapters.dikidi.exports import Export, read_export
from crm.adapters.dikidi.free_time import days_of, starts_of
from crm.adapters.dikidi.wire import data_of
from crm.model import Price, Service, ServiceId, Staff, StaffId, StaffOffer

MOSCOW = ZoneInfo("Europe/Moscow")
MARIA, ANNA = StaffId("77"), StaffId("78")
PRICE = Price(Money.roubles(2500))


def service(key: str, name: str, minutes: int) -> Service:
    length = timedelta(minutes=minutes)
    return Service(ServiceId(key), name, length, (StaffOffer(MARIA, PRICE, length), StaffOffer(ANNA, PRICE, length)))


LISTS = Lists(
    {s.id: s for s in (service("1", "Стрижка", 60), service("2", "Стрижка, длинные волосы", 75),
                       service("3", "Укладка", 45))},
    {MARIA: Staff(MARIA, "Мария Крылова"), ANNA: Staff(ANNA, "Анна Белова")},
)  # fmt: skip


def read(text: str, encoding: str = "utf-8") -> Export:
    return read_export(text.encode(encoding), LISTS, MOSCOW)


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"code": 0, "message": ""}, "data": {"a": 1}}, {"error": {"code": "0"}, "data": {"a": 1}},
        {"error": False, "data": {"a": 1}}, {"error": None, "a": 1}, {"error": [], "a": 1}, {"a": 1},
    ],
    ids=str,
)  # fmt: skip
def test_two_conventions_of_success(answer: dict[str, object]) -> None:
    assert data_of(answer)["a"] == 1


@pytest.mark.parametrize(
    "answer",
    [
        None, [], "", 5, {"error": {"code": 403, "message": "нет"}, "data": {}}, {"error": True}, {"error": "no"},
        {"error": {"code": 0}, "data": []}, {"error": {"code": 0}, "data": None}, {"data": "<html>"},
    ],
    ids=str,
)  # fmt: skip
def test_everything_else_is_no_answer(answer: object) -> None:
    with pytest.raises(Malformed):
        data_of(answer)


def test_starts_by_master() -> None:
    ten = datetime(2026, 12, 9, 10, tzinfo=MOSCOW)
    texts = ["2026-12-09 10:00:00", "2026-12-09 10:00:00"]
    assert starts_of({"times": {"77": texts, "78": ["2026-12-09 11:00:00"]}}, MARIA, MOSCOW) == [ten]
    assert starts_of({"times": {"77": [{"time": "2026-12-09T10:00"}]}}, MARIA, MOSCOW) == [ten]
    for empty in ([], {}, {"78": ["2026-12-09 11:00:00"]}, {"77": []}):
        assert starts_of({"times": empty}, MARIA, MOSCOW) == []
    for wrong in ({}, {"times": None}, {"times": "нет"}, {"times": {"77": "10:00"}}, {"times": {"77": ["скоро"]}}):
        with pytest.raises(Malformed):
            starts_of(wrong, MARIA, MOSCOW)


def test_days_with_free_time() -> None:
    day = date(2026, 12, 9)
    for given_days in (["2026-12-09"], [{"day": "2026-12-09"}], {"0": "2026-12-09"}, ["2026-12-09 00:00:00"]):
        assert days_of({"dates_true": given_days}) == [day]
    for wrong in ({}, {"dates_true": None}, {"dates_true": "2026-12-09"}, {"dates_true": ["никогда"]}):
        with pytest.raises(Malformed):
            days_of(wrong)


def test_masters_in_their_order() -> None:
    cards = {"77": {"id": "77", "username": "Мария"}, "78": {"id": 78, "username": "Анна", "post": "стилист"}}
    assert [s.name for s in members({"masters_order": [78, 77], "masters": cards}).values()] == ["Анна", "Мария"]
    assert [s.name for s in members({"masters": list(cards.values())}).values()] == ["Мария", "Анна"]
    for wrong in ({}, {"masters": None}, {"masters": cards, "masters_order": ["79"]}, {"masters": {"77": {"id": 77}}}):
        with pytest.raises(Malformed):
            members(wrong)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251"])
@pytest.mark.parametrize("delimiter", [";", "\t", ","])
def test_tables_in_every_dress(encoding: str, delimiter: str) -> None:
    titles = ["Мастер", "Услуги", "Дата и время", "Длительность", "Клиент", "Телефон"]
    cells = ["Крылова Мария", '"Стрижка, длинные волосы, Укладка"', "09.12.2026 12:00", "2 ч", "Ирина", "89000000101"]
    (row,) = read(delimiter.join(titles) + "\r\n" + delimiter.join(cells) + "\r\n", encoding).rows
    assert (row.staff, row.services) == (MARIA, ("2", "3"))
    assert (row.start, row.end) == tuple(datetime(2026, 12, 9, h, tzinfo=MOSCOW) for h in (12, 14))
    assert (row.name, row.phone, row.cancelled) == ("Ирина", "+79000000101", False)


def test_the_length_is_the_price_lists_where_the_file_has_none() -> None:
    (row,) = read("Дата;Время;Мастер;Услуга\n2026-12-09;12:00;Мария;Стрижка + Укладка\n").rows
    assert row.end - row.start == timedelta(minutes=105)
    (row,) = read("Дата;Время;Окончание;Мастер;Услуга\n2026-12-09;12:00;13:30;Мария;Стрижка\n").rows
    assert row.end - row.start == timedelta(minutes=90)


def test_lines_that_cannot_be_read_are_named_and_the_others_taken() -> None:
    export = read(
        "Дата;Время;Мастер;Услуга;Статус\n"
        "09.12.2026;12:00;Мария Крылова;Стрижка;Отменена\n"
        "09.12.2026;12:00;Ольга;Стрижка;\n"
        "09.12.2026;12:00;Мария Крылова;Пилинг;\n"
        "завтра;12:00;Мария Крылова;Стрижка;\n"
        "09.12.2026;полдень;Мария Крылова;Стрижка;\n"
        "\n"
        "09.12.2026;12:00;Мария Крылова;;\n"
    )
    assert [row.cancelled for row in export.rows] == [True]
    assert [line.split(":")[0] for line in export.skipped] == ["3", "4", "5", "6", "8"]


def test_a_file_that_is_no_export_is_refused_with_what_is_missing() -> None:
    for wrong, told in (
        ("Имя;Телефон\nИрина;1\n", "дата и время"),
        ("Дата;Мастер\n1;2\n", "услуга"),
        ("", "columns"),
        ("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "no booking"),
        ("Дата;Время;Мастер;Услуга\n", "no booking"),
    ):
        with pytest.raises(InvalidInput, match=told):
            read(wrong)
    with pytest.raises(InvalidInput, match="no text"):
        read_export(b"PK\x03\x04\x98\xff\xfe\x98", LISTS, MOSCOW)


CALENDAR = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:77-1\r\n{start}\r\n{end}\r\n"
    "SUMMARY:Стрижка\\, длинные во\r\n лосы\r\n"
    "DESCRIPTION:Мастер: Мария Крылова\\nКлиент: Ирина\\nТелефон: +7 900 000-01-01\r\nSTATUS:{status}\r\n"
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("DTSTART:20261209T090000Z", "DTEND:20261209T101500Z"),
        ("DTSTART;TZID=Europe/Moscow:20261209T120000", "DTEND;TZID=Europe/Moscow:20261209T131500"),
        ("DTSTART:20261209T120000", "DTEND:20261209T131500"),
        ("DTSTART:20261209T120000", "X-NOTHING:1"),
    ],
)
def test_a_calendar(start: str, end: str) -> None:
    (row,) = read(CALENDAR.format(start=start, end=end, status="CONFIRMED")).rows
    assert (row.id, row.staff, row.services) == ("77-1", MARIA, ("2",))
    assert row.start == datetime(2026, 12, 9, 12, tzinfo=MOSCOW)
    assert row.end - row.start == timedelta(minutes=75)
    assert row.phone == "+79000000101"
    (gone,) = read(CALENDAR.format(start=start, end=end, status="CANCELLED")).rows
    assert gone.cancelled


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    for content in (text, f"Дата;Время;Мастер;Услуга\n{text}", CALENDAR.replace("UID:77-1", text)):
        try:
            export = read(content.encode("utf-8", "replace").decode())
        except InvalidInput:
            continue
        assert export.rows or export.skipped
