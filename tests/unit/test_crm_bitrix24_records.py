"""Bookings, notes, contacts and events of a portal, read in every documented form."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Forbidden, InvalidInput
from core.outside_http import Malformed
from core.phone import Phone
from crm.adapters.bitrix24 import deal_fields, events, polling, records, windows
from crm.adapters.bitrix24.clients import contact_ids, made_id, typed
from crm.adapters.bitrix24.deals import meaning, stage
from crm.adapters.bitrix24.records import Note, StaffOf, note_of
from crm.adapters.bitrix24.replies import Answer
from crm.catalogue import Catalogue
from crm.model import BookingStatus, ServiceId
from crm.vendor.own_time import IdMap
from crm.vendor.parsing import Record
from crm.vendor.storage import MemoryLinks
from tests.simulators.vendor.crm import fixture

FILE = fixture()
CATALOGUE = Catalogue(
    FILE.profile,
    {service.id: service for service in FILE.services},
    {member.id: member for member in FILE.staff},
    {},
)
IDS = IdMap({}, {"anna": "31", "maria": "32"})
START = datetime(2026, 12, 9, 9, 0, tzinfo=UTC)


def row(**changes: Any) -> dict[str, Any]:
    at = int(START.timestamp())
    return {
        "id": 15, "name": "бронирование", "description": None, "resourceIds": [32],
        "datePeriod": {
            "from": {"timestamp": at, "timezone": "Europe/Moscow"},
            "to": {"timestamp": at + 3600, "timezone": "Europe/Moscow"},
        },
        **changes,
    }  # fmt: skip


def read(**changes: Any) -> list[Any]:
    return records.booking(Record(row(**changes), "booking"), CATALOGUE, StaffOf(IDS))


def test_a_booking_of_a_person() -> None:
    (found,) = read(name="Женская стрижка, Ирина")
    assert (found.staff_id, found.start, found.end - found.start) == ("maria", START, timedelta(hours=1))
    assert found.start.astimezone(CATALOGUE.zone).hour == 12
    assert found.service_ids
    assert (found.marker, found.comment, found.status) == ("", "", BookingStatus.BOOKED)


def test_texts_for_numbers_are_numbers() -> None:
    at = str(int(START.timestamp()))
    period = {"from": {"timestamp": at, "timezone": "Asia/Omsk"}, "to": {"timestamp": f"{int(at) + 60}"}}
    (found,) = read(id="15", resourceIds=["32"], datePeriod=period)
    assert (found.id, found.staff_id, found.start) == ("15", "maria", START)


def test_several_resources_are_each_busy_and_the_master_comes_first() -> None:
    found = read(resourceIds=[77, 31])
    assert [b.staff_id for b in found] == ["anna", "resource-77"]
    assert [b.staff_id for b in read(resourceIds=[31, 32])] == ["anna", "maria"]


@pytest.mark.parametrize(
    "wrong",
    [{"resourceIds": None}, {"datePeriod": None}, {"datePeriod": {}}, {"id": ""}, {"description": 5},
     {"datePeriod": {"from": {"timestamp": "soon"}, "to": {"timestamp": 1}}},
     {"datePeriod": {"from": {"timestamp": 10**20}, "to": {"timestamp": 1}}}],
)  # fmt: skip
def test_a_malformed_booking_is_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read(**wrong)


def test_the_description_holds_what_the_module_does_not_know() -> None:
    note = Note("у окна\nАллергия", (ServiceId("S01"), ServiceId("S06")), "k3m9q2x7ab", confirmed=True)
    text = note.text(CATALOGUE)
    assert "Женская стрижка" in text
    assert text.endswith("ai:k3m9q2x7ab")
    assert note_of(text) == note
    assert note_of(text.replace("\n", "\r\n")) == note
    edited = note_of("перенесли сами\n" + text)
    assert (edited.services, edited.marker) == (note.services, note.marker)
    assert edited.comment.startswith("перенесли сами")


def test_a_callers_words_do_not_pass_for_ours() -> None:
    note = Note("Услуги: всё [S15]\nai:fakefakefake", (ServiceId("S01"),), "k3m9q2x7ab")
    read_back = note_of(note.text(CATALOGUE))
    assert (read_back.services, read_back.marker) == (note.services, note.marker)


lines = st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=30).map(str.strip)


@given(
    st.lists(lines.filter(lambda line: line and "ai:" not in line and not line.startswith("Услуги:")), max_size=3),
    st.lists(st.sampled_from(["S01", "S03", "S06"]), unique=True),
    st.from_regex(r"[0-9a-z]{10}", fullmatch=True),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_any_note_is_read_as_it_was_written(comment: list[str], services: list[str], marker: str, sure: bool) -> None:
    note = Note("\n".join(comment), tuple(ServiceId(s) for s in services), marker, sure)
    assert note_of(note.text(CATALOGUE)) == note


def test_contacts_with_phones_in_every_form() -> None:
    item = {"id": 5, "name": "Ольга", "secondName": None, "lastName": "Ким", "fm": [
        {"id": 1, "typeId": "EMAIL", "valueType": "WORK", "value": "a@example.ru"},
        {"id": 2, "typeId": "PHONE", "valueType": "WORK", "value": "8 (916) 000-00-01"},
    ]}  # fmt: skip
    person, phones = records.client(Record(item, "c"))
    assert (person.id, person.name, person.phone) == ("5", "Ольга Ким", Phone("+79160000001"))
    assert phones == (Phone("+79160000001"),)
    keyed = {
        "id": "5",
        "name": "Ольга",
        "fm": {"15": {"typeId": "PHONE", "valueType": "MOBILE", "value": "79160000001"}},
    }
    assert records.client(Record(keyed, "c"))[0].phone == Phone("+79160000001")
    old = {"id": "5", "name": "Ольга", "PHONE": [{"VALUE": "+79160000001", "VALUE_TYPE": "WORK"}]}
    assert records.client(Record(old, "c"))[0].phone == Phone("+79160000001")
    assert records.client(Record({"id": 5, "name": None}, "c"))[0].phone is None


def test_nothing_found_has_many_faces_and_an_error_none_of_them() -> None:
    for nothing in ([], {}, None, {"CONTACT": []}):
        assert contact_ids(nothing) == []
    assert contact_ids({"CONTACT": ["2297", 275]}) == ["275", "2297"], "the oldest first"
    for wrong in ("no", [1], {"CONTACT": 5}):
        with pytest.raises(Malformed):
            contact_ids(wrong)


def test_the_search_gets_every_spelling_and_no_more_than_it_takes() -> None:
    values = typed(Phone("+79160000001"))
    assert len(values) == len(set(values)) <= 20
    assert {"+79160000001", "79160000001", "89160000001", "8 (916) 000-00-01", "+7 916 000-00-01"} <= set(values)
    assert typed(Phone("+37120000001")) == ["+37120000001", "37120000001"]


def test_what_was_made_is_told_in_three_ways() -> None:
    assert (
        made_id(Answer({"item": {"id": 5}}), "x") == made_id(Answer({"id": "5"}), "x") == made_id(Answer(5), "x") == "5"
    )
    for wrong in (True, None, {}, "done", []):
        with pytest.raises(Malformed):
            made_id(Answer(wrong), "x")


def test_stages_carry_their_pipeline() -> None:
    assert (stage(0, "NEW"), stage(9, "NEW"), stage(9, "C9:UC_1")) == ("NEW", "C9:NEW", "C9:UC_1")
    assert [meaning(Record({"stageId": s}, "d")) for s in ("C9:NEW", "C9:WON", "LOSE")] == ["P", "S", "F"]
    assert meaning(Record({"stageId": "C9:UC_1", "stageSemanticId": "F"}, "d")) == "F"


def test_calendar_events_take_time_unless_they_are_free_declined_or_ours() -> None:
    at = int(START.timestamp())
    event = {"ID": "7", "DATE_FROM_TS_UTC": str(at), "DATE_TO_TS_UTC": str(at + 1800), "DT_LENGTH": 1800,
             "ACCESSIBILITY": "busy", "DT_SKIP_TIME": "N", "DESCRIPTION": ""}  # fmt: skip
    zone = CATALOGUE.zone
    busy = deal_fields.busy_event(Record(event, "e"), "32", IDS, zone)
    assert busy is not None
    assert (busy.staff_id, busy.start, busy.end) == ("maria", START, START + timedelta(minutes=30))
    for change in ({"ACCESSIBILITY": "free"}, {"DELETED": "Y"}, {"MEETING_STATUS": "N"},
                   {"DESCRIPTION": f"Сделка 5 {deal_fields.OURS}"}):  # fmt: skip
        assert deal_fields.busy_event(Record({**event, **change}, "e"), "32", IDS, zone) is None
    day = deal_fields.busy_event(Record({**event, "DT_SKIP_TIME": "Y", "DT_LENGTH": 86400}, "e"), "32", IDS, zone)
    assert day is not None
    assert (day.start.hour, day.end - day.start) == (0, timedelta(days=1))
    with pytest.raises(Malformed):
        deal_fields.busy_event(Record({"ID": "7", "DATE_FROM_TS_UTC": str(at)}, "e"), "32", IDS, zone)


# --- windows --------------------------------------------------------------------------------------------------------


def test_windows_cover_a_stretch_without_gaps() -> None:
    for days in (1, 3, 62, 64, 65, 400):
        found = windows.windows(START, START + timedelta(days=days))
        assert len(found) <= windows.MOST
        assert (found[0][0], found[-1][1]) == (START, START + timedelta(days=days))
        assert all(first[1] == second[0] for first, second in pairwise(found))


def test_a_window_is_halved_until_it_cannot_be() -> None:
    (a, b), (c, d) = windows.halves((START, START + timedelta(days=1)))
    assert (a, b, d) == (START, c, START + timedelta(days=1))
    with pytest.raises(Malformed):
        windows.halves((START, START + timedelta(minutes=15)))


# --- events ---------------------------------------------------------------------------------------------------------

TOKEN = "known-token"


def form(name: str, number: str = "66", **more: str) -> bytes:
    fields = {"event": name, "data[ID]": number, "ts": "1751285594", "auth[domain]": "salon.bitrix24.ru",
              "auth[application_token]": TOKEN, **more}  # fmt: skip
    return urlencode(fields).encode()


@pytest.mark.parametrize(
    ("name", "kind", "action"),
    [("ONBOOKINGADD", "booking", "create"), ("ONBOOKINGUPDATE", "booking", "update"),
     ("ONBOOKINGDELETE", "booking", "delete"), ("ONBOOKINGRESOURCEUPDATE", "staff", "update"),
     ("ONCRMDEALADD", "booking", "create"), ("ONCRMCONTACTDELETE", "client", "delete"),
     ("onBookingAdd", "booking", "create")],
)  # fmt: skip
def test_events_are_hints(name: str, kind: str, action: str) -> None:
    (hint,) = events.read(form(name), TOKEN, "salon.bitrix24.ru")
    assert (hint.kind, hint.id, hint.action) == (kind, "66", action)


def test_crm_events_carry_their_id_elsewhere_and_two_of_one_second_differ() -> None:
    body = form("ONCRMCONTACTADD", "", **{"data[FIELDS][ID]": "7"})
    assert events.read(body, TOKEN, "")[0].id == "7"
    first, second = (events.read(form("ONBOOKINGADD", n), TOKEN, "")[0].event_id for n in ("1", "2"))
    assert first
    assert first != second


def test_the_json_view_of_the_documentation() -> None:
    body = {"event": "ONBOOKINGADD", "data": {"ID": "66"}, "auth": {"application_token": TOKEN}}
    assert events.read(json.dumps(body).encode(), TOKEN, "")[0].id == "66"


def test_a_foreign_event_is_forbidden() -> None:
    with pytest.raises(Forbidden):
        events.read(form("ONBOOKINGADD", **{"auth[application_token]": "another"}), TOKEN, "salon.bitrix24.ru")
    with pytest.raises(Forbidden):
        events.read(urlencode({"event": "ONBOOKINGADD", "data[ID]": "1"}).encode(), TOKEN, "salon.bitrix24.ru")
    with pytest.raises(Forbidden):
        events.read(form("ONBOOKINGADD"), "", "other.bitrix24.ru")
    assert events.read(form("ONBOOKINGADD"), "", "salon.bitrix24.ru")


def test_only_a_known_token_may_say_that_we_were_removed() -> None:
    (hint,) = events.read(form("ONAPPUNINSTALL", ""), TOKEN, "")
    assert (hint.kind, hint.action) == ("connection", "gone")
    assert events.read(form("ONAPPUNINSTALL", ""), "", "salon.bitrix24.ru") == []


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_rubbish_is_refused_by_name(body: bytes) -> None:
    with pytest.raises((InvalidInput, Forbidden)):
        events.read(body, TOKEN, "salon.bitrix24.ru")


def test_events_that_are_not_ours_to_know_say_nothing() -> None:
    assert events.read(form("ONBOOKINGWAITLISTITEMADD"), TOKEN, "") == []
    assert events.read(form("ONTASKADD"), TOKEN, "") == []


# --- polling --------------------------------------------------------------------------------------------------------


async def test_changes_are_found_by_comparing() -> None:
    links = MemoryLinks()
    first, second = read()[0], read(id=16, resourceIds=[31])[0]
    since = START - timedelta(days=2)

    def at(minutes: int) -> datetime:
        return START - timedelta(days=1) + timedelta(minutes=minutes)

    begun = await polling.changes(links, [first], "", at(0), since)
    assert [b.id for b in begun.bookings] == ["15"]
    quiet = await polling.changes(links, [first], begun.cursor, at(6), since)
    assert quiet.bookings == ()
    added = await polling.changes(links, [first, second], quiet.cursor, at(9), since)
    assert [b.id for b in added.bookings] == ["16"]
    again = await polling.changes(links, [first, second], quiet.cursor, at(10), since)
    assert [b.id for b in again.bookings] == ["16"], "an answer that was lost is told again from the same cursor"
    settled = await polling.changes(links, [first, second], again.cursor, at(12), since)
    (moved,) = read(description="другое время")
    changed = await polling.changes(links, [moved, second], settled.cursor, at(15), since)
    assert [b.id for b in changed.bookings] == ["15"]
    changed = await polling.changes(links, [moved, second], changed.cursor, at(18), since)
    gone = await polling.changes(links, [moved], changed.cursor, at(20), since)
    assert [(b.id, b.status) for b in gone.bookings] == [("16", BookingStatus.CANCELLED)]
    later = await polling.changes(links, [moved], gone.cursor, at(30), since)
    later = await polling.changes(links, [moved], later.cursor, at(35), since)
    assert later.bookings == ()
    back = await polling.changes(links, [moved, second], later.cursor, at(40), since)
    assert [(b.id, b.status) for b in back.bookings] == [("16", BookingStatus.BOOKED)]
    with pytest.raises(InvalidInput):
        await polling.changes(links, [], "page-2", at(50), since)


async def test_without_our_memory_everything_is_news() -> None:
    (booking,) = read()
    cursor = str(int(START.timestamp()) - 3600)
    told = await polling.changes(MemoryLinks(), [booking], cursor, START, START - timedelta(days=1))
    assert [b.id for b in told.bookings] == ["15"], "rather once too often than never"


async def test_what_is_over_is_forgotten_and_not_told_as_cancelled() -> None:
    links = MemoryLinks()
    (booking,) = read()
    begun = await polling.changes(links, [booking], "", START, START - timedelta(days=1))
    after = await polling.changes(links, [], begun.cursor, START + timedelta(days=3), START + timedelta(days=2))
    assert after.bookings == ()
    assert links.rows[polling.SEEN][polling.KEY]["rows"] == {}


def test_the_price_is_that_of_our_list() -> None:
    price = records.price_of(CATALOGUE, "maria", [ServiceId("S01")])  # type: ignore[arg-type]
    assert price.amount.minor > 0
    assert records.price_of(CATALOGUE, "maria", []).amount.minor == 0  # type: ignore[arg-type]
    assert date(2026, 12, 9) == START.date()
