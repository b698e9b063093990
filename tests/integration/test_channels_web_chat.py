"""The chat's server on real stores: who is let in, once is once, the sequence, limits, other salons, live tabs."""

import asyncio
import contextlib
import json
import random
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
import uvicorn
from cryptography.fernet import Fernet
from fastapi import FastAPI
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.web_chat import WebChat, inbox_sink, open_web_chat
from channels.accounts import ChannelAccounts, StoredAccount
from channels.adapters.web import CHANNEL, site_token
from channels.codec import EventCodec
from channels.inbox import Inbox
from channels.model import Event
from channels.web_chat import limits
from channels.web_chat.model import Site
from channels.web_chat.socket import SocketTimings
from channels.web_chat.store import forget_before, forget_thread
from core.clock import SystemClock
from core.database import Connection, Database
from core.rate_limits import Limit
from core.redis import open_redis
from core.secrets import CompanySecrets, SecretBox
from core.tenancy import CompanyScope
from tests.e2e.web_chat.pictures import PNG

ORIGIN = "https://salon.ru"
OTHER_ORIGIN = "https://other.ru"


@dataclass
class Chat:
    http: httpx.AsyncClient
    address: str
    web: WebChat
    accounts: ChannelAccounts
    database: Database
    scope: CompanyScope
    stored: StoredAccount

    @property
    def site(self) -> str:
        return site_token(self.stored.account)

    async def ask(self, method: str, path: str, token: str = "", origin: str = ORIGIN, **more: Any) -> httpx.Response:
        headers = {**({"origin": origin} if origin else {}), **({"authorization": f"Bearer {token}"} if token else {})}
        return await self.http.request(method, f"/chat/{self.site}/{path}", headers=headers, **more)

    async def begin(self) -> str:
        answer = await self.ask("POST", "session", json={"language": "ru"})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def write(self, token: str, text: str, message_id: str = "", **more: Any) -> httpx.Response:
        body = {"id": message_id or secrets.token_hex(16), "text": text, **more}
        return await self.ask("POST", "messages", token, json=body)

    async def history(self, token: str, **query: int) -> dict[str, Any]:
        answer = await self.ask("GET", "messages", token, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def thread(self, token: str) -> str:
        async with self.database.company(self.scope) as conn:
            return str(
                await conn.fetchval(
                    "select thread_id from web_chat_sessions where token_hash = encode(sha256($1::bytea), 'hex')",
                    token.encode(),
                )
            )

    async def say(self, thread: str, text: str, marker: str = "", **more: Any) -> str:
        body = {"thread": thread, "text": text, "author": "agent", **more}
        return await self.web.door.say(self.stored.account, body, marker or uuid4().hex)

    async def events(self) -> list[Any]:
        async with self.database.company(self.scope) as conn:
            return await conn.fetch(
                "select kind, event_id, event from channel_inbox where account_id = $1 order by seq",
                self.stored.account.id,
            )

    @contextlib.asynccontextmanager
    async def live(self, token: str, after: int = 0, origin: str = ORIGIN) -> AsyncIterator[ClientConnection]:
        url = f"{self.address.replace('http', 'ws')}/chat/{self.site}/live"
        async with connect(url, origin=origin, open_timeout=20) as socket:
            await socket.send(json.dumps({"type": "hello", "token": token, "after": after}))
            assert await frame(socket) == {"type": "welcome"}
            yield socket


async def frame(socket: ClientConnection, *skipped: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            found = json.loads(await socket.recv())
            if found["type"] not in skipped:
                return found


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@contextlib.asynccontextmanager
async def serving(web: WebChat) -> AsyncIterator[str]:
    app = FastAPI()
    for router in web.routers:
        app.include_router(router)
    server = _Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=2)
    )
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(30):
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def accounts(database: Database) -> ChannelAccounts:
    return ChannelAccounts(database, CompanySecrets(database, SecretBox([Fernet.generate_key().decode()])))


async def connected(accounts: ChannelAccounts, scope: CompanyScope, origin: str = ORIGIN) -> StoredAccount:
    stored, _ = await accounts.add(scope, CHANNEL, {"origins": origin}, {})
    await accounts.set_state(scope, stored.account.id, address=site_token(stored.account))
    return await accounts.get(scope, stored.account.id)


@pytest.fixture
async def chat(
    database: Database, redis: Redis, company: CompanyScope, accounts: ChannelAccounts
) -> AsyncIterator[Chat]:
    clock = SystemClock()
    sink = inbox_sink(Inbox(EventCodec()), clock)
    stored = await connected(accounts, company)
    timings = SocketTimings(ping_s=0.4, hello_s=1.0, look_s=0.1)
    async with (
        open_web_chat(database, redis, accounts, sink, clock, timings=timings) as web,
        serving(web) as address,
        httpx.AsyncClient(base_url=address, timeout=30) as http,
    ):
        yield Chat(http, address, web, accounts, database, company, stored)


@pytest.fixture
async def other(chat: Chat, other_company: CompanyScope) -> Chat:
    """Another salon on the same server."""
    stored = await connected(chat.accounts, other_company, OTHER_ORIGIN)
    return Chat(chat.http, chat.address, chat.web, chat.accounts, chat.database, other_company, stored)


# --- who is let in ---


async def test_only_pages_of_the_salon_may_ask_and_are_told_so(chat: Chat) -> None:
    good = await chat.ask("GET", "config")
    assert good.status_code == 200
    assert good.headers["access-control-allow-origin"] == ORIGIN
    assert good.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in good.headers
    preflight = await chat.ask("OPTIONS", "messages")
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert preflight.headers["access-control-allow-headers"] == "authorization, content-type"
    for method, path in (("GET", "config"), ("POST", "session"), ("OPTIONS", "messages"), ("POST", "messages")):
        for origin in (OTHER_ORIGIN, "null", ORIGIN + ".evil.ru", "http://salon.ru"):
            refused = await chat.ask(method, path, origin=origin)
            assert refused.status_code == 403, (method, path, origin)
            assert "access-control-allow-origin" not in refused.headers
    assert (await chat.ask("POST", "session", origin="", json={})).status_code == 403
    refused = await chat.ask("GET", "messages", token="forged")
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, ORIGIN)


async def test_an_unknown_or_switched_off_chat_is_not_there(chat: Chat) -> None:
    assert (await chat.http.get("/chat/" + "f" * 32 + "/config", headers={"origin": ORIGIN})).status_code == 404
    for odd in ("..", "%00", "a'--", "я", "x" * 300):
        assert (await chat.http.get(f"/chat/{odd}/config", headers={"origin": ORIGIN})).status_code in (403, 404)
    await chat.accounts.set_state(chat.scope, chat.stored.account.id, state="off")
    async with asyncio.timeout(30):
        while (await chat.ask("GET", "config")).status_code != 404:  # noqa: ASYNC110 - kept for seconds
            await asyncio.sleep(0.5)


async def test_a_forged_or_ended_session_opens_nothing(chat: Chat) -> None:
    token = await chat.begin()
    await chat.write(token, "тайна")
    assert len(token) >= 43
    for forged in ("", "x", token[:-1], token + "a", token.swapcase(), secrets.token_urlsafe(32), "\x7f" * 40):
        for method, path in (("GET", "messages"), ("POST", "messages"), ("POST", "read"), ("DELETE", "session")):
            body = {"id": "a" * 16, "text": "x"} if path == "messages" else {"seq": 1}
            answer = await chat.ask(method, path, forged, **({"json": body} if method == "POST" else {}))
            assert answer.status_code == 401, (forged, method, path)
            assert "тайна" not in answer.text
    assert (await chat.ask("DELETE", "session", token)).status_code == 204
    assert (await chat.ask("GET", "messages", token)).status_code == 401
    async with chat.database.company(chat.scope) as conn:
        stored = await conn.fetchval("select count(*) from web_chat_sessions where token_hash = $1", token)
        assert stored == 0, "the key itself is nowhere"
        assert await conn.fetchval("select count(*) from web_chat_messages") == 1, "the talk stays the salon's"


async def test_two_salons_know_nothing_of_each_other(chat: Chat, other: Chat) -> None:
    mine, theirs = await chat.begin(), await other.ask("POST", "session", origin=OTHER_ORIGIN, json={})
    theirs_token = theirs.json()["token"]
    await chat.write(mine, "моя тайна")
    # their key at our site, ours at theirs, and our origin at their site
    assert (await chat.ask("GET", "messages", theirs_token)).status_code == 401
    assert (await other.ask("GET", "messages", mine, origin=OTHER_ORIGIN)).status_code == 401
    assert (await other.ask("GET", "config", origin=ORIGIN)).status_code == 403
    file = (await chat.ask("POST", "files", mine, content=PNG)).json()["id"]
    assert (await chat.ask("GET", f"files/{file}", origin="")).status_code == 200
    assert (await other.ask("GET", f"files/{file}", origin="")).status_code == 404
    stolen = await other.ask(
        "POST", "messages", theirs_token, origin=OTHER_ORIGIN, json={"id": "b" * 16, "text": "", "files": [file]}
    )
    assert stolen.status_code == 422
    with pytest.raises(Exception, match="no such thread"):
        await other.say(await chat.thread(mine), "чужое")
    assert [row["event"]["text"] for row in await chat.events()] == ["моя тайна"]
    assert await other.events() == []


# --- once is once, and in order ---


async def test_a_message_sent_again_is_the_same_message(chat: Chat) -> None:
    token, message_id = await chat.begin(), secrets.token_hex(16)
    answers = await asyncio.gather(*(chat.write(token, f"раз {n}", message_id) for n in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["message"]["id"] for answer in answers}) == 1
    history = await chat.history(token, after=0)
    assert [(m["seq"], m["client_id"]) for m in history["messages"]] == [(1, message_id)]
    events = await chat.events()
    assert [(row["kind"], row["event"]["thread"]) for row in events] == [("message", await chat.thread(token))]
    other_session = await chat.begin()
    assert (await chat.write(other_session, "то же имя", message_id)).json()["message"]["text"] == "то же имя"


async def test_our_message_is_said_once_for_each_marker(chat: Chat) -> None:
    token = await chat.begin()
    await chat.write(token, "вопрос", "marker-of-mine-1")
    thread = await chat.thread(token)
    ids = await asyncio.gather(*(chat.say(thread, "ответ", "marker-of-mine-1") for _ in range(6)))
    assert len(set(ids)) == 1
    texts = [m["text"] for m in (await chat.history(token, after=0))["messages"]]
    assert texts == ["вопрос", "ответ"], "a visitor's id equal to our marker holds back nothing"


async def test_the_sequence_has_no_holes_whoever_writes_at_once(chat: Chat) -> None:
    token = await chat.begin()
    thread = await chat.thread(token)
    site = Site(chat.scope, chat.stored.account, frozenset())
    work = [chat.say(thread, f"ответ {n}") for n in range(20)]
    work += [_say_as_visitor(chat, site, thread, f"{n:016d}") for n in range(20)]
    random.Random(5).shuffle(work)
    await asyncio.gather(*work)
    pages, after = [], 0
    while page := (await chat.history(token, after=after, limit=7))["messages"]:
        pages += page
        after = page[-1]["seq"]
    assert [m["seq"] for m in pages] == list(range(1, 41))
    assert len({m["id"] for m in pages}) == 40
    newest = await chat.history(token, latest=5)
    assert [m["seq"] for m in newest["messages"]] == [36, 37, 38, 39, 40]
    assert (newest["last_seq"], newest["earlier"]) == (40, True)
    before = await chat.history(token, before=4, limit=50)
    assert [m["seq"] for m in before["messages"]] == [1, 2, 3]
    assert before["earlier"] is False


async def _say_as_visitor(chat: Chat, site: Site, thread: str, key: str) -> None:
    from channels.web_chat.store import ChatStore

    store = ChatStore(chat.database)
    async with chat.database.company(chat.scope) as conn:
        await store.say(conn, site, thread, "visitor", key, f"слово {key}")


async def test_what_the_inbox_cannot_take_is_not_said_either(
    database: Database, redis: Redis, company: CompanyScope, accounts: ChannelAccounts
) -> None:
    """Both are one transaction: a visitor never sees a message as sent that the salon will not get."""

    async def broken(conn: Connection, site: Site, events: list[Event]) -> None:
        await conn.execute("select 1 / 0")

    stored = await connected(accounts, company)
    async with (
        open_web_chat(database, redis, accounts, broken, SystemClock()) as web,
        serving(web) as address,
        httpx.AsyncClient(base_url=address, timeout=30) as http,
    ):
        chat = Chat(http, address, web, accounts, database, company, stored)
        token = await chat.begin()
        assert (await chat.write(token, "потеряюсь?")).status_code == 500
        assert (await chat.history(token, after=0))["messages"] == []


async def test_read_marks_are_told_once_and_never_go_back(chat: Chat) -> None:
    token = await chat.begin()
    await chat.write(token, "вопрос")
    thread = await chat.thread(token)
    ids = [await chat.say(thread, text) for text in ("раз", "два")]
    for seq in (2, 2, 1, 3, 3, 10**12):
        assert (await chat.ask("POST", "read", token, json={"seq": seq})).status_code == 204
    marks = [row["event"] for row in await chat.events() if row["kind"] == "delivery"]
    assert [(m["message_id"], m["delivery"], m["up_to"]) for m in marks] == [
        (ids[0], "read", True),
        (ids[1], "read", True),
    ]
    assert (await chat.history(token, latest=1))["read_seq"] == 3


# --- bodies and files ---


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"text": "x"}', b'{"id": "short", "text": "x"}', b'{"id": "aaaaaaaaaaaaaaaa"}',
     b'{"id": "aaaaaaaaaaaaaaaa", "text": "  \\n "}', b'{"id": "aaaaaaaaaaaaaaaa", "text": 5}',
     b'{"id": "aaaaaaaaaaaaaaa\\u0000", "text": "x"}',
     b'{"id": "aaaaaaaaaaaaaaaa", "files": ["../../../../etc/passwd"]}',
     b'{"id": "aaaaaaaaaaaaaaaa", "text": "' + b"x" * 4001 + b'"}', b"[" * 20000, b"\xff\xfe"],
)  # fmt: skip
async def test_a_wrong_body_is_refused_by_name_and_changes_nothing(chat: Chat, body: bytes) -> None:
    token = await chat.begin()
    answer = await chat.ask("POST", "messages", token, content=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["code"] == "invalid_input"
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert (await chat.history(token, after=0))["last_seq"] == 0


async def test_odd_letters_are_kept_as_far_as_a_database_can(chat: Chat) -> None:
    token = await chat.begin()
    body = '{"id": "aaaaaaaaaaaaaaaa", "text": "а\\u0000б \\ud800 😀", "button": "\\u0000"}'.encode()
    assert (await chat.ask("POST", "messages", token, content=body)).status_code in (200, 422)
    assert (await chat.write(token, "а\x00б 😀")).json()["message"]["text"] == "аб 😀"


async def test_bodies_are_bounded_while_they_come(chat: Chat) -> None:
    token = await chat.begin()

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 65536

    for path in ("messages", "files"):
        try:
            answer = await chat.ask("POST", path, token, content=endless())
            assert answer.status_code == 422
            assert "larger than" in answer.json()["error"]["message"]
        except httpx.WriteError:
            pass  # the server has hung up in the middle, which is as good


async def test_a_photo_goes_in_and_out_and_nothing_else_does(chat: Chat) -> None:
    token = await chat.begin()
    told = await chat.ask("POST", "files?name=..%2Fногти.png", token, content=PNG)
    assert told.status_code == 201
    file = told.json()
    assert (file["kind"], file["type"], file["name"]) == ("image", "image/png", "ногти.png")
    sent = await chat.write(token, "", files=[file["id"]])
    assert sent.json()["message"]["files"][0]["url"] == f"files/{file['id']}"
    out = await chat.ask("GET", f"files/{file['id']}", origin="")
    assert out.content == PNG
    assert out.headers["content-type"] == "image/png"
    assert "sandbox" in out.headers["content-security-policy"]
    media = (await chat.events())[0]["event"]["media"]
    assert [(one["kind"], one["mime_type"], one["size"]) for one in media] == [("image", "image/png", len(PNG))]
    assert await chat.web.door.file(chat.stored.account, file["id"], 10**6) == PNG
    for evil in (b"<svg onload='alert(1)'/>", b"<!doctype html><script>1</script>", b"GIF89a", b""):
        assert (await chat.ask("POST", "files", token, content=evil)).status_code == 422
    stranger = await chat.begin()
    assert (await chat.write(stranger, "", files=[file["id"]])).status_code == 422


# --- limits ---


async def test_who_writes_too_much_is_told_how_long_to_wait(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MESSAGES", (Limit(10, 60, burst=3),))
    token, quiet = await chat.begin(), await chat.begin()
    codes = [(await chat.write(token, f"раз {n}")).status_code for n in range(6)]
    assert codes[:3] == [200, 200, 200]
    assert 429 in codes
    answer = await chat.write(token, "ещё")
    assert answer.json()["error"]["code"] == "rate_limited"
    assert 1 <= int(answer.headers["retry-after"]) <= 7
    assert answer.headers["access-control-expose-headers"] == "Retry-After"
    assert (await chat.write(quiet, "а мне можно")).status_code == 200


async def test_an_address_makes_only_so_many_sessions_and_sockets(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = [(await chat.ask("POST", "session", json={})).status_code for _ in range(8)]
    assert codes[:5] == [201] * 5
    assert codes[-1] == 429
    monkeypatch.setattr(limits, "SOCKETS", (Limit(1, 60, burst=1),))
    url = f"{chat.address.replace('http', 'ws')}/chat/{chat.site}/live"
    async with connect(url, origin=ORIGIN):
        pass
    with pytest.raises(InvalidStatus):
        async with connect(url, origin=ORIGIN):
            pass


# --- live ---


async def test_a_live_tab_gets_what_it_missed_and_what_comes(chat: Chat) -> None:
    token = await chat.begin()
    await chat.write(token, "вопрос")
    thread = await chat.thread(token)
    await chat.say(thread, "раз")
    async with chat.live(token, after=1) as tab, chat.live(token, after=0) as another:
        assert [m["text"] for m in (await frame(tab, "ping"))["messages"]] == ["раз"]
        assert [m["text"] for m in (await frame(another, "ping"))["messages"]] == ["вопрос", "раз"]
        await chat.say(thread, "два", choices=[{"text": "Да", "payload": ""}])
        for socket in (tab, another):
            news = await frame(socket, "ping")
            assert [(m["seq"], m["text"], m["choices"][0]["text"]) for m in news["messages"]] == [(3, "два", "Да")]
        await chat.web.door.typing(chat.stored.account, thread)
        assert (await frame(tab, "ping"))["type"] == "typing"
        await another.send(json.dumps({"type": "read", "seq": 3}))
        assert (await frame(tab, "ping"))["seq"] == 3
        assert (await frame(tab))["type"] == "ping"


async def test_news_of_another_process_arrive(chat: Chat, redis_url: str) -> None:
    """The adapter speaks in the jobs process; the tab hangs on the web process."""
    token = await chat.begin()
    await chat.write(token, "вопрос")
    redis = open_redis(redis_url)
    try:
        from app.web_chat import web_chat_door

        door = web_chat_door(chat.database, redis, chat.accounts, SystemClock())
        async with chat.live(token, after=1) as tab:
            body = {"thread": await chat.thread(token), "text": "из другого процесса", "author": "agent"}
            await door.say(chat.stored.account, body, "m")
            assert [m["text"] for m in (await frame(tab, "ping"))["messages"]] == ["из другого процесса"]
    finally:
        await redis.aclose()


async def test_without_redis_messages_come_all_the_same(
    database: Database, company: CompanyScope, accounts: ChannelAccounts
) -> None:
    nowhere = open_redis("redis://127.0.0.1:1/0", timeout_s=0.2)
    stored, clock = await connected(accounts, company), SystemClock()
    async with (
        open_web_chat(database, nowhere, accounts, inbox_sink(Inbox(EventCodec()), clock), clock,
                      timings=SocketTimings(look_s=0.1)) as web,
        serving(web) as address,
        httpx.AsyncClient(base_url=address, timeout=30) as http,
    ):  # fmt: skip
        chat = Chat(http, address, web, accounts, database, company, stored)
        token = await chat.begin()
        await chat.write(token, "вопрос")
        async with chat.live(token, after=1) as tab:
            site = Site(company, stored.account, frozenset())
            await _say_as_visitor(chat, site, await chat.thread(token), "1" * 16)  # nobody announces it
            assert [m["seq"] for m in (await frame(tab, "ping"))["messages"]] == [2]
    await nowhere.aclose()


async def test_a_socket_is_for_the_salons_pages_and_known_sessions(chat: Chat) -> None:
    token = await chat.begin()
    for origin in (OTHER_ORIGIN, None):
        with pytest.raises(InvalidStatus) as refused:
            async with chat.live(token, origin=origin):
                pass
        assert refused.value.response.status_code == 403
    url = f"{chat.address.replace('http', 'ws')}/chat/{chat.site}/live"
    async with connect(url, origin=ORIGIN) as socket:
        await socket.send(json.dumps({"type": "hello", "token": "forged", "after": 0}))
        assert await frame(socket) == {"type": "denied"}
        with pytest.raises(ConnectionClosed):
            await frame(socket)
        assert socket.close_code == 4401


@pytest.mark.parametrize(
    "said", ["", "{", "[]", "null", '{"type":"read","seq":"x"}', "x" * 5000, b"\x00\x01", "[" * 4000]
)
async def test_rubbish_on_a_socket_ends_that_socket_alone(chat: Chat, said: str | bytes) -> None:
    token = await chat.begin()
    async with chat.live(token) as calm, chat.live(token) as wild:
        await wild.send(said)
        await chat.write(token, "всё в порядке")
        assert (await frame(calm, "ping"))["messages"][0]["text"] == "всё в порядке"


async def test_who_says_nothing_is_hung_up(chat: Chat) -> None:
    url = f"{chat.address.replace('http', 'ws')}/chat/{chat.site}/live"
    async with connect(url, origin=ORIGIN) as socket:
        with pytest.raises(ConnectionClosed):
            await frame(socket)


async def test_a_reset_ends_the_other_tabs_too(chat: Chat) -> None:
    token = await chat.begin()
    async with chat.live(token) as tab:
        await chat.ask("DELETE", "session", token)
        assert await frame(tab, "ping") == {"type": "denied"}


# --- who it is ---


def proof(chat: Chat, user_id: str, phone: str = "+79161234567") -> dict[str, str]:
    secret = chat.stored.account.secrets["identity_secret"]
    expires = datetime.now(UTC) + timedelta(minutes=5)
    return {"proof": jwt.encode({"user_id": user_id, "phone": phone, "name": "Анна", "exp": expires}, secret, "HS256")}


async def test_a_proven_visitor_brings_her_number_and_her_talk_to_every_device(chat: Chat, other: Chat) -> None:
    desktop = await chat.begin()
    await chat.write(desktop, "до входа")
    assert (await chat.ask("POST", "identity", desktop, json=proof(chat, "42"))).json() == {
        "name": "Анна",
        "moved": False,
    }
    await chat.write(desktop, "после входа")
    people = [row["event"].get("person", {}) for row in await chat.events()]
    assert [person.get("phone") for person in people] == [None, {"e164": "+79161234567"}]

    telephone = await chat.begin()
    async with chat.live(telephone) as tab:
        moved = await chat.ask("POST", "identity", telephone, json=proof(chat, "42"))
        assert moved.json()["moved"] is True
        assert await frame(tab, "ping") == {"type": "denied"}, "what the tab shows is another talk's"
    assert [m["text"] for m in (await chat.history(telephone, after=0))["messages"]] == ["до входа", "после входа"]

    # somebody else logs in at the same device
    assert (await chat.ask("POST", "identity", telephone, json=proof(chat, "43", ""))).json()["moved"] is True
    assert (await chat.history(telephone, after=0))["messages"] == []
    assert len((await chat.history(desktop, after=0))["messages"]) == 2

    refused = await chat.ask("POST", "identity", desktop, json=proof(other, "42"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "proof_refused")


async def test_two_devices_of_one_person_at_once_are_one_talk(chat: Chat) -> None:
    tokens = [await chat.begin() for _ in range(4)]
    await asyncio.gather(*(chat.ask("POST", "identity", token, json=proof(chat, "42")) for token in tokens))
    assert len({await chat.thread(token) for token in tokens}) == 1


# --- what is kept ---


async def test_a_forgotten_visitor_leaves_nothing(chat: Chat) -> None:
    token, kept = await chat.begin(), await chat.begin()
    file = (await chat.ask("POST", "files", token, content=PNG)).json()["id"]
    await chat.write(token, "забудьте меня", files=[file])
    await chat.write(kept, "а я остаюсь")
    thread = await chat.thread(token)
    async with chat.database.company(chat.scope) as conn:
        assert await forget_thread(conn, chat.stored.account.id, thread)
        assert not await forget_thread(conn, chat.stored.account.id, thread)
        for table in ("web_chat_sessions", "web_chat_messages", "web_chat_files"):
            assert await conn.fetchval(f"select count(*) from {table} where thread_id::text = $1", thread) == 0
    assert (await chat.ask("GET", "messages", token)).status_code == 401
    assert len((await chat.history(kept, after=0))["messages"]) == 1


async def test_old_messages_and_empty_sessions_go(chat: Chat, owner: Any) -> None:
    old, new, empty = await chat.begin(), await chat.begin(), await chat.begin()
    for token in (old, new):
        await chat.write(token, "слово")
    old_thread, empty_thread = await chat.thread(old), await chat.thread(empty)
    async with chat.database.company(chat.scope) as conn:
        await conn.execute(
            "update web_chat_messages set at = at - interval '40 days' where thread_id::text = $1", old_thread
        )
        await conn.execute(
            "update web_chat_threads set active_at = active_at - interval '40 days' where id::text = $1", old_thread
        )
        await conn.execute(
            "update web_chat_threads set created_at = created_at - interval '2 days' where id::text = $1", empty_thread
        )
        assert await forget_before(conn, datetime.now(UTC) - timedelta(days=30)) == 1
        assert await conn.fetchval("select count(*) from web_chat_threads") == 1
    assert len((await chat.history(new, after=0))["messages"]) == 1


async def test_the_loader_and_its_modules_are_served(chat: Chat) -> None:
    loader = await chat.http.get("/chat/widget.js")
    assert loader.headers["content-type"].startswith("text/javascript")
    assert loader.headers["content-encoding"] == "gzip"
    assert (
        await chat.http.get("/chat/widget.js", headers={"if-none-match": loader.headers["etag"]})
    ).status_code == 304
    version = loader.text.split("assets/")[1].split("/")[0]
    module = await chat.http.get(f"/chat/assets/{version}/app.js")
    assert module.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert module.headers["access-control-allow-origin"] == "*"
    assert (await chat.http.get(f"/chat/assets/{version}/..%2Fmodel.py")).status_code in (404, 405)
    page = await chat.ask("GET", "demo", origin="")
    assert page.status_code == 200
    assert chat.site in page.text
    assert "'unsafe" not in page.headers["content-security-policy"]
