"""1C's OData: literals, encoding, rows, fingerprints, sessions. Pure."""

import contextlib
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigurationError, InvalidInput
from core.outside_http import Malformed, Reply
from core.phone import Phone
from core.rate_limits import RateLimited
from crm.adapters.one_c import odata, rows, seen
from crm.adapters.one_c.profile import ClientMap
from crm.adapters.one_c.sessions import IDLE_S, LIFE_S, MOST, Sessions
from crm.adapters.one_c.wire import _is_locked as is_locked
from crm.adapters.one_c.wire import basic
from crm.vendor.adapter import Connection
from crm.vendor.parsing import Record
from tests.simulators.one_c.filtering import compiled

MOSCOW = ZoneInfo("Europe/Moscow")
REF = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"


def test_literals_have_their_prefixes() -> None:
    assert odata.guid(REF.upper()) == f"guid'{REF}'"
    assert odata.string("O'Neil") == "'O''Neil'"
    assert odata.moment(datetime(2026, 12, 1, 7, 0, tzinfo=UTC), MOSCOW) == "datetime'2026-12-01T10:00:00'"
    assert odata.reference("Клиент_Key", REF, "Catalog_Клиенты") == f"Клиент_Key eq guid'{REF}'"
    assert odata.reference("Клиент", REF, "Catalog_Клиенты") == f"Клиент eq cast(guid'{REF}','Catalog_Клиенты')"


@pytest.mark.parametrize("wrong", ["", "1", "x' or true or 'x", REF + "'", REF[:-1]])
def test_what_is_no_reference_never_gets_into_an_address(wrong: str) -> None:
    with pytest.raises(InvalidInput):
        odata.guid(wrong)


def test_addresses_are_percent_encoded_utf8_with_real_spaces() -> None:
    asked = odata.query(where="Наименование eq 'A+B & C'", select=("Ref_Key",), order="Ref_Key", top=5, skip=10)
    assert asked.isascii()
    assert "+" not in asked
    assert "%20eq%20" in asked
    assert unquote(asked.split("&")[1]) == "$filter=Наименование eq 'A+B & C'"
    assert asked.endswith("$orderby=Ref_Key&$top=5&$skip=10")
    assert odata.entity("Catalog_Клиенты", REF).startswith("/Catalog_%D0%9A")
    assert odata.entity("Document_X", REF, "Post").endswith(f"(guid'{REF}')/Post")


@given(st.text(min_size=1, max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_text_is_searched_as_it_is(text: str) -> None:
    """Whatever a client is called, the base's own parser finds her and nobody else is let in by a quote."""
    asked = unquote(odata.query(where=odata.contains(text, "Комментарий")).split("&", 1)[1]).removeprefix("$filter=")
    wanted = compiled(asked, {"Комментарий": "Edm.String"})
    assert wanted({"Комментарий": f"до {text} после"})
    assert not wanted({"Комментарий": ""})


def test_the_empty_date_is_none_and_a_zone_is_believed() -> None:
    assert odata.read_wall(odata.EMPTY_DATE, MOSCOW, "x") is None
    assert odata.read_wall("2026-12-01T10:00:00", MOSCOW, "x") == datetime(2026, 12, 1, 10, tzinfo=MOSCOW)
    assert odata.read_wall("2026-12-01T07:00:00Z", MOSCOW, "x") == datetime(2026, 12, 1, 10, tzinfo=MOSCOW)
    with pytest.raises(Malformed, match="x"):
        odata.read_wall("завтра", MOSCOW, "x")


def test_phones_in_any_spelling_and_only_phones() -> None:
    clients = ClientMap("Catalog_Клиенты", contacts="КонтактнаяИнформация")
    lines = [
        {"LineNumber": "1", "Тип": "Адрес", "Представление": "8 900 000-01-14", "НомерТелефона": ""},
        {
            "LineNumber": "2",
            "Тип": "Телефон",
            "Представление": "8 (900) 000-01-01 доб. 2",
            "НомерТелефона": "79000000101",
        },
        {"LineNumber": "3", "Тип": "Телефон", "Представление": "8 (900) 000-01-02", "НомерТелефона": ""},
    ]
    row = Record({"Ref_Key": REF, "КонтактнаяИнформация": lines}, "client")
    assert rows.phones_of(row, clients) == [Phone("+79000000101"), Phone("+79000000102")]


@pytest.mark.parametrize("shown", ["+7 900 000-01-02", "89000000102", "8 (900) 000 01 02", "7-900-000-0102"])
def test_the_search_lets_every_spelling_through(shown: str) -> None:
    wanted = compiled(rows.phone_filter(Phone("+79000000102"), "", "Телефон"), {"Телефон": "Edm.String"})
    assert wanted({"Телефон": shown})
    assert not wanted({"Телефон": "+7 900 000-01-03"})


def test_a_field_of_several_types_may_hold_nothing_or_something_else() -> None:
    def client_of(**fields: str) -> str | None:
        return rows._reference(Record(fields, "row"), "Клиент", "Catalog_Клиенты")

    assert client_of(Клиент=REF.upper(), Клиент_Type="StandardODATA.Catalog_Клиенты") == REF
    assert client_of(Клиент=REF, Клиент_Type="StandardODATA.Catalog_Организации") is None
    assert client_of(Клиент="", Клиент_Type="StandardODATA.Undefined") is None
    assert client_of(Клиент=odata.EMPTY_REF, Клиент_Type="StandardODATA.Catalog_Клиенты") is None
    assert rows._reference(Record({"Клиент_Key": odata.EMPTY_REF}, "row"), "Клиент_Key", "x") is None
    for broken in ({}, {"Клиент_Key": "Ольга"}, {"Клиент_Key": 7}):
        with pytest.raises(Malformed, match="Клиент_Key"):
            rows._reference(Record(broken, "row"), "Клиент_Key", "x")


def test_what_1c_did_not_keep_is_named() -> None:
    sent = {"ДатаНачала": "2026-12-01T10:00:00", "Клиент_Key": REF, "Сумма": 2500, "Длительность": "60",
            "Услуги": [{"LineNumber": "1", "Цена": 2500}], "Комментарий": "ai:abcdefgh\nу окна"}  # fmt: skip
    kept = {**sent, "Клиент_Key": REF.upper(), "Сумма": 2500.0, "Длительность": 60, "Комментарий": "ai:abcdefgh\nу о",
            "Услуги": [{"LineNumber": "1", "Цена": "2500", "Сумма": 0}]}  # fmt: skip
    assert rows.unkept(sent, Record(kept, "row")) == []
    lost = {**kept, "Длительность": "0", "Комментарий": "ai:abc", "Услуги": []}
    assert sorted(rows.unkept(sent, Record(lost, "row"))) == ["Длительность", "Комментарий", "Услуги"]
    assert rows.unkept({"Коментарий": "x"}, Record(kept, "row")) == ["Коментарий"]


@given(st.dictionaries(st.uuids().map(str), st.text(max_size=5), max_size=40))
@settings(max_examples=50, deadline=None)
def test_a_cursor_tells_what_changed_and_nothing_else(objects: dict[str, str]) -> None:
    prints = {ref: seen.fingerprint(Record({"Ref_Key": ref, "x": text}, "row")) for ref, text in objects.items()}
    before = seen.read(seen.write(prints))
    assert before == {seen.short(ref): found for ref, found in prints.items()}
    for ref, text in objects.items():
        assert before[seen.short(ref)] != seen.fingerprint(Record({"Ref_Key": ref, "x": text + "!"}, "row"))


@pytest.mark.parametrize("cursor", ["12345", "1c1:", "1c1:!!", "1c1:AAAA", "ж"])
def test_a_strange_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        seen.read(cursor)


def test_the_login_is_utf8_and_has_no_colon() -> None:
    made = basic(Connection("one_c", {"login": "Робот"}, {"password": "п"}))
    assert made == "Basic 0KDQvtCx0L7RgjrQvw=="
    with pytest.raises(InvalidInput, match="login"):
        basic(Connection("one_c", {"login": "a:b"}, {}))
    with pytest.raises(ConfigurationError, match="login"):
        basic(Connection("one_c", {}, {}))


def test_a_base_under_update_is_told_from_a_broken_one() -> None:
    page = "<html>Начало сеанса с информационной базой запрещено. Обновление</html>".encode()
    assert is_locked(Reply(503, httpx.Headers(), page))
    assert not is_locked(Reply(503, httpx.Headers(), b"<html>Bad gateway</html>"))
    assert not is_locked(Reply(200, httpx.Headers(), page))


class Watch:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def test_a_session_is_started_kept_and_finished() -> None:
    watch = Watch()
    sessions = Sessions(monotonic_s=watch)

    async def asked() -> dict[str, str]:
        async with sessions.lent(1.0) as session:
            headers = sessions.headers(session)
            if headers.get("IBSession") == "start":
                sessions.learn(session, headers, ["theme=1; path=/", "ibsession=abc123; path=/base; HttpOnly"])
            else:
                sessions.learn(session, headers, [])
            return headers

    assert await asked() == {"IBSession": "start"}
    for _ in range(40):
        watch.now_s += IDLE_S - 1
        headers = await asked()
        if "IBSession" in headers:
            break
        assert headers == {"Cookie": "ibsession=abc123"}
    assert headers == {"IBSession": "finish", "Cookie": "ibsession=abc123"}
    assert watch.now_s - 100.0 > LIFE_S
    assert await asked() == {"IBSession": "start"}, "a finished one is never used again"
    watch.now_s += IDLE_S + 1
    assert await asked() == {"IBSession": "start"}, "an idle one is gone at the server"


async def test_a_session_without_an_answer_gets_one_more_chance() -> None:
    sessions = Sessions()
    async with sessions.lent(1.0) as session:
        sessions.learn(session, {"IBSession": "start"}, ["ibsession=abc"])

    async def unanswered() -> dict[str, str]:
        headers: dict[str, str] = {}
        with contextlib.suppress(TimeoutError):
            async with sessions.lent(1.0) as session:
                headers = sessions.headers(session)
                raise TimeoutError
        return headers

    for expected in ({"Cookie": "ibsession=abc"}, {"Cookie": "ibsession=abc"}, {"IBSession": "start"}):
        assert await unanswered() == expected


async def test_no_more_sessions_than_allowed() -> None:
    sessions = Sessions()
    async with sessions.lent(1.0), sessions.lent(1.0):
        assert MOST == 2
        with pytest.raises(RateLimited):
            async with sessions.lent(0.01):
                pass
    async with sessions.lent(0.01):
        pass


def test_lengths_do_not_depend_on_the_zone_of_this_machine() -> None:
    """The hour that the clock repeats: what was written is what is read."""
    berlin = ZoneInfo("Europe/Berlin")
    at = datetime(2026, 10, 25, 2, 30, tzinfo=berlin)
    read = odata.read_wall(odata.wall(at, berlin), berlin, "x")
    assert read is not None
    assert read.astimezone(UTC) == at.astimezone(UTC)
    assert odata.wall(at + timedelta(days=1), berlin) == "2026-10-26T02:30:00"
