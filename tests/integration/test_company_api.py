"""The company API on the real rooms: rights, repeated requests, limits, isolation, bookings to the row, webhooks."""

import asyncio
import base64
import hmac
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from admin.api.errors import install_error_handlers
from app.bootstrap import Runtime, open_runtime
from app.channels import open_channels
from app.company_api import open_company_api, open_webhooks
from app.crm import open_crm
from app.salons import DEMO_SALON
from app.webhook_feed import WebhookFeed
from channels.history import Entry, Months, add
from channels.model import Author
from core.ids import new_conversation_id
from core.jobs import JobWorker
from core.rate_limits import Limit
from core.settings import Settings
from core.tenancy import CompanyScope
from core.timeline import EventKind, TimelineEvent
from crm.company_file import load_company
from tests.simulators.vendor.serving import served

PHONE = "+79165550011"


@dataclass
class Api:
    app: FastAPI
    runtime: Runtime
    client: httpx.AsyncClient
    scope: CompanyScope

    async def key(self, *rights: str, scope: CompanyScope | None = None) -> dict[str, str]:
        key = await self.runtime.api_keys.create(scope or self.scope, "test", rights or ("*",))
        return {"Authorization": f"Bearer {key}"}

    async def get(self, path: str, headers: dict[str, str], **params: Any) -> Any:
        answer = await self.client.get(f"/api/v1{path}", headers=headers, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def api(database_url: str, redis_url: str, redis: Any, tmp_path: Path) -> AsyncIterator[Api]:
    settings = Settings(
        database_url=database_url, redis_url=redis_url, data_dir=tmp_path, outbound_private_hosts=["127.0.0.1"]
    )
    async with (
        open_runtime(settings, "test") as runtime,
        open_crm(settings, runtime.secrets, runtime.database, runtime.redis, runtime.clock, runtime.metrics) as crm,
        open_channels(runtime) as channels,
        open_company_api(runtime, crm, channels) as made,
    ):
        loaded = await load_company(runtime.database, DEMO_SALON, shift_to=date.today())  # noqa: DTZ011
        company = await runtime.companies.by_slug(loaded.slug)
        assert company is not None
        app = FastAPI()
        install_error_handlers(app)
        app.include_router(made.router, prefix="/api/v1")
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            yield Api(app, runtime, client, company.scope)


async def first_slot(api: Api, headers: dict[str, str], *, number: int = 0) -> dict[str, Any]:
    day = date.today() + timedelta(days=1)  # noqa: DTZ011
    slots = await api.get(
        "/slots", headers, service=["S01"], first_day=str(day), last_day=str(day + timedelta(days=6)), limit=50
    )
    found: dict[str, Any] = slots[number]
    return found


def wish(slot: dict[str, Any], name: str = "Ольга") -> dict[str, Any]:
    return {
        "service_ids": ["S01"], "start": slot["start"], "staff_id": slot["parts"][0]["staff_id"], "client_name": name,
        "client_phone": PHONE,
    }  # fmt: skip


async def test_a_key_does_what_it_may_and_nothing_else(api: Api) -> None:
    for headers in ({}, {"Authorization": "Bearer aia_wrong"}, {"Authorization": "Basic x"}):
        answer = await api.client.get("/api/v1/services", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    reads = await api.key("catalogue:read")
    assert len(await api.get("/services", reads)) > 5
    assert (await api.client.get("/api/v1/tasks", headers=reads)).status_code == 403
    everything = await api.key("*")
    assert (await api.client.get("/api/v1/companies", headers=everything)).status_code == 403
    operator = await api.key("operator")
    assert "myata" in [row["slug"] for row in await api.get("/companies", operator)]


async def test_keys_never_give_more_than_they_have(api: Api) -> None:
    maker = await api.key("keys:write", "catalogue:read")
    ask = {"name": "Сайт", "rights": ["bookings:write"]}
    assert (await api.client.post("/api/v1/keys", headers=maker, json=ask)).status_code == 403
    assert (await api.client.post("/api/v1/keys", headers=maker, json={**ask, "rights": ["*"]})).status_code == 403
    everything = await api.key("*")
    refused = await api.client.post("/api/v1/keys", headers=everything, json={**ask, "rights": ["operator"]})
    assert refused.status_code == 403
    made = await api.client.post("/api/v1/keys", headers=maker, json={**ask, "rights": ["catalogue:read"]})
    assert made.status_code == 201
    new = {"Authorization": f"Bearer {made.json()['key']}"}
    assert await api.get("/staff", new)
    shown = next(row for row in await api.get("/keys", maker) if row["name"] == "Сайт")
    assert made.json()["key"] not in json.dumps(shown)
    assert (await api.client.delete(f"/api/v1/keys/{shown['id']}", headers=maker)).status_code == 204
    assert (await api.client.get("/api/v1/staff", headers=new)).status_code == 401


async def test_a_booking_is_made_moved_and_cancelled_to_the_row(api: Api) -> None:
    headers = await api.key("catalogue:read", "bookings:read", "bookings:write")
    slot = await first_slot(api, headers)
    made = await api.client.post("/api/v1/bookings", headers=headers, json=wish(slot))
    assert made.status_code == 201, made.text
    (booking,) = made.json()["bookings"]
    assert (booking["start"], booking["price"]["minor"]) == (slot["start"], slot["price"]["minor"])
    assert [row["id"] for row in await api.get("/bookings", headers, phone=PHONE)] == [booking["id"]]
    taken = await api.client.post("/api/v1/bookings", headers=headers, json=wish(slot, "Анна"))
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "slot_taken")
    later = await first_slot(api, headers, number=6)
    move = {"start": later["start"], "staff_id": later["parts"][0]["staff_id"]}
    moved = await api.client.post(f"/api/v1/bookings/{booking['id']}/move", headers=headers, json=move)
    assert moved.status_code == 200, moved.text
    assert moved.json()["bookings"][0]["start"] == later["start"]
    cancel = f"/api/v1/bookings/{moved.json()['bookings'][0]['id']}/cancel"
    for _ in range(2):
        done = await api.client.post(cancel, headers=headers)
        assert (done.status_code, done.json()["bookings"][0]["status"]) == (200, "cancelled")
    assert await api.get("/bookings", headers, phone=PHONE) == []


async def test_sent_again_with_its_key_it_is_done_once(api: Api) -> None:
    headers = await api.key("*")
    slot = await first_slot(api, headers)
    keyed = {**headers, "Idempotency-Key": str(uuid4())}
    answers = await asyncio.gather(
        *(api.client.post("/api/v1/bookings", headers=keyed, json=wish(slot)) for _ in range(6))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert all(a.headers.get("retry-after") for a in answers if a.status_code == 409)
    again = await api.client.post("/api/v1/bookings", headers=keyed, json=wish(slot))
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    made = {answer.text for answer in answers if answer.status_code == 201}
    assert made == {again.text}
    assert len(await api.get("/bookings", headers, phone=PHONE)) == 1
    other = await api.client.post("/api/v1/bookings", headers=keyed, json=wish(slot, "Анна"))
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
    empty = await api.client.post("/api/v1/bookings", headers={**headers, "Idempotency-Key": ""}, json=wish(slot))
    assert empty.status_code == 422


async def test_a_refused_request_may_come_again_mended_under_its_key(api: Api) -> None:
    headers = {**await api.key("*"), "Idempotency-Key": "k-1"}
    assert (await api.client.post("/api/v1/users", headers=headers, json={"email": "none"})).status_code == 422
    made = await api.client.post("/api/v1/users", headers=headers, json={"email": "Olga@Salon.example"})
    assert (made.status_code, made.json()["email"]) == (201, "olga@salon.example")


async def test_two_companies_see_nothing_of_each_other(api: Api) -> None:
    operator = await api.key("operator")
    made = await api.client.post("/api/v1/companies", headers=operator, json={"slug": "other", "name": "Другой"})
    assert made.status_code == 201
    theirs = {"Authorization": f"Bearer {made.json()['key']}"}
    ours = await api.key("*")
    slot = await first_slot(api, ours)
    booking = (await api.client.post("/api/v1/bookings", headers=ours, json=wish(slot))).json()["bookings"][0]
    user = (await api.client.post("/api/v1/users", headers=ours, json={"email": "a@b.example"})).json()
    hook = (await api.client.post("/api/v1/webhooks", headers=ours, json={"url": "https://salon.example/h"})).json()
    for method, path in [
        ("GET", f"/bookings/{booking['id']}"), ("POST", f"/bookings/{booking['id']}/cancel"),
        ("PATCH", f"/users/{user['id']}"), ("DELETE", f"/webhooks/{hook['endpoint']['id']}"),
        ("GET", f"/webhooks/{hook['endpoint']['id']}/deliveries"),
    ]:  # fmt: skip
        answer = await api.client.request(method, f"/api/v1{path}", headers=theirs, json={"name": "x"})
        assert answer.status_code == 404, f"{method} {path}: {answer.status_code} {answer.text}"
    assert await api.get("/users", theirs) == []
    assert (await api.client.post("/api/v1/companies", headers=operator, json={"slug": "other", "name": "Ещё"})
            ).status_code == 422  # fmt: skip


async def test_a_company_keeps_an_owner(api: Api) -> None:
    headers = await api.key("*")
    owner = (
        await api.client.post("/api/v1/users", headers=headers, json={"email": "o@b.example", "role": "owner"})
    ).json()
    path = f"/api/v1/users/{owner['id']}"
    assert (await api.client.patch(path, headers=headers, json={"disabled": True})).status_code == 422
    await api.client.post("/api/v1/users", headers=headers, json={"email": "p@b.example", "role": "owner"})
    assert (await api.client.patch(path, headers=headers, json={"disabled": True})).status_code == 200
    twice = await api.client.post("/api/v1/users", headers=headers, json={"email": "O@b.example"})
    assert (twice.status_code, twice.json()["error"]["code"]) == (409, "already_exists")


async def test_too_many_requests_are_told_when_to_come_back(api: Api) -> None:
    headers = await api.key("catalogue:read")
    answers = await asyncio.gather(*(api.client.get("/api/v1/staff", headers=headers) for _ in range(60)))
    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in limited)
    assert {answer.status_code for answer in answers} == {200, 429}
    other = await api.key("catalogue:read")
    assert (await api.client.get("/api/v1/staff", headers=other)).status_code == 200


async def test_pages_follow_one_another(api: Api, owner: Any) -> None:
    headers = await api.key("*")
    await owner.execute("delete from salon_tasks")
    for number in range(7):
        await owner.execute(
            """insert into salon_tasks (company_id, id, conversation_id, kind, text, created_at, fingerprint)
               values ($1, $2, $3, 'callback', 'Перезвонить', now(), $2)""",
            api.scope.company_id, f"T{number}", uuid4(),
        )  # fmt: skip
    seen: list[str] = []
    cursor = None
    while True:
        found = await api.get("/tasks", headers, limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [task["id"] for task in found["items"]]
        cursor = found["next"]
        if cursor is None:
            break
    assert sorted(seen) == [f"T{number}" for number in range(7)]
    done = await api.client.patch("/api/v1/tasks/T3", headers=headers, json={"done": True})
    assert done.json()["done_at"]
    assert len((await api.get("/tasks", headers, done=False))["items"]) == 6
    for wrong in ("x", "!!!", base64.urlsafe_b64encode(b'["2026-01-01", 5]').decode(), "W10"):
        answer = await api.client.get("/api/v1/tasks", headers=headers, params={"cursor": wrong})
        assert answer.status_code == 422, wrong


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/slots", {"service": "S99"}), ("/slots", {"service": "S01", "staff": "nobody"}),
        ("/slots", {"service": "S01", "first_day": "2026-12-02", "last_day": "2026-12-01"}),
        ("/slots", {"service": "S01", "not_before": "18:00+03:00"}), ("/bookings", {"phone": "12345"}),
        ("/slots", {"service": "S01\x00"}), ("/slots", {"service": "S01", "first_day": "9999-12-31"}),
    ],
)  # fmt: skip
async def test_a_wrong_field_is_named(api: Api, path: str, params: dict[str, str]) -> None:
    answer = await api.client.get(f"/api/v1{path}", headers=await api.key("*"), params=params)
    assert answer.status_code == 422
    named = set(answer.json()["error"]["message"].split(":")[0].split("."))
    assert named & {*params, "last_day", "staff"}


async def test_unknown_fields_are_refused(api: Api) -> None:
    answer = await api.client.post("/api/v1/users", headers=await api.key("*"), json={"email": "a@b.c", "admin": True})
    assert answer.status_code == 422
    assert "admin" in answer.json()["error"]["message"]


@pytest.mark.timeout(400)
async def test_the_api_keeps_its_own_schema(api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Schemathesis over every operation: no 5xx, no status, type or shape that the OpenAPI does not name, none of the
    wrong requests accepted."""
    for limits in ("PER_KEY", "PER_COMPANY", "PER_ADDRESS", "WRONG_KEYS"):
        monkeypatch.setattr(f"admin.api.v1.access.{limits}", (Limit(100_000, 1.0),))
    headers = await api.key("*", "operator")
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    async with served(api.app) as base:
        trying = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "schemathesis.cli", "run", f"{base}/openapi.json", "--checks", checks,
            "--phases", "examples,coverage,fuzzing", "--max-examples", "3", "--header",
            f"Authorization: {headers['Authorization']}", "--seed", "7", "--no-shrink", "--max-failures", "20",
            "--continue-on-failure", "--max-time", "45", "--warnings", "off", cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(400):
            output, _ = await trying.communicate()
    assert trying.returncode == 0, output.decode()[-6000:]


# --- webhooks out ---


class Receiver:
    """A salon's own server; checks signatures as Standard Webhooks says."""

    def __init__(self) -> None:
        self.secret = ""
        self.statuses: list[int] = []
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.app = FastAPI()

        @self.app.post("/hook")
        async def hook(request: Request) -> Response:
            body = await request.body()
            message_id, stamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
            key = base64.b64decode(self.secret.removeprefix("whsec_"))
            digest = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, sha256).digest()
            assert request.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
            self.got.append((message_id, json.loads(body)))
            return Response(status_code=self.statuses.pop(0) if self.statuses else 204)


async def test_what_happens_is_told_once_signed_and_again_after_a_failure(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.webhooks.PAUSES_S", (0.1, 0.1, 0.1))
    monkeypatch.setattr("app.webhook_feed.SETTLED_AFTER_S", 0.0)
    headers, receiver = await api.key("*"), Receiver()
    async with served(receiver.app) as base:
        asked = {"url": f"{base}/hook", "events": ["booking.created", "message.created"]}
        made = (await api.client.post("/api/v1/webhooks", headers=headers, json=asked)).json()
        receiver.secret, receiver.statuses = made["secret"], [500, 503]
        endpoint = made["endpoint"]["id"]
        async with open_webhooks(api.runtime) as webhooks:
            worker = JobWorker(api.runtime.database, webhooks.job_handlers)
            working = asyncio.create_task(worker.run())
            feed = WebhookFeed(api.runtime.database, api.runtime.companies, api.runtime.clock)
            slot = await first_slot(api, headers)
            booked = (await api.client.post("/api/v1/bookings", headers=headers, json=wish(slot))).json()["bookings"]
            now, conversation = api.runtime.clock.now(), new_conversation_id()
            said = TimelineEvent(conversation, EventKind.AGENT_SAID, now, None, {"pii_text": "Здравствуйте"})
            quiet = TimelineEvent(conversation, EventKind.LATENCY, now, None, {})
            for event in (said, quiet):
                api.runtime.timeline.append(api.scope, event)
            assert await api.runtime.timeline.flush()
            for _ in range(3):
                await feed.once()
            async with asyncio.timeout(60):
                while len(receiver.got) < 4:  # noqa: ASYNC110 - two events, two failures
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)
            worker.stop()
            await working
    kinds = sorted(body["type"] for _, body in receiver.got)
    assert len({message_id for message_id, _ in receiver.got}) == 2
    assert set(kinds) == {"booking.created", "message.created"}
    created = next(body for _, body in receiver.got if body["type"] == "booking.created")
    assert created["data"]["booking_ids"] == [booked[0]["id"]]
    deliveries = await api.get(f"/webhooks/{endpoint}/deliveries", headers)
    assert all(row["done_at"] and row["status"] == 204 for row in deliveries)
    assert sum(row["attempts"] for row in deliveries) == 4


@pytest.mark.parametrize("url", ["http://salon.example/h", "https://10.0.0.1/h", "ftp://x/"])
async def test_addresses_of_our_own_network_are_refused(api: Api, url: str) -> None:
    answer = await api.client.post("/api/v1/webhooks", headers=await api.key("*"), json={"url": url})
    assert (answer.status_code, answer.json()["error"]["message"].split(":")[0]) == (422, "url")


async def state_of(api: Api, headers: dict[str, str], endpoint: str) -> str:
    return next(row["state"] for row in await api.get("/webhooks", headers) if row["id"] == endpoint)


async def test_a_receiver_that_is_gone_is_switched_off(api: Api) -> None:
    headers, receiver = await api.key("*"), Receiver()
    async with served(receiver.app) as base:
        made = (await api.client.post("/api/v1/webhooks", headers=headers, json={"url": f"{base}/hook"})).json()
        receiver.secret, receiver.statuses = made["secret"], [410]
        endpoint = made["endpoint"]["id"]
        assert (await api.client.post(f"/api/v1/webhooks/{endpoint}/test", headers=headers)).status_code == 202
        async with open_webhooks(api.runtime) as webhooks:
            worker = JobWorker(api.runtime.database, webhooks.job_handlers)
            working = asyncio.create_task(worker.run())
            async with asyncio.timeout(60):
                while (await state_of(api, headers, endpoint)) != "off":  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
            worker.stop()
            await working
    on = await api.client.patch(f"/api/v1/webhooks/{endpoint}", headers=headers, json={"on": True})
    assert on.json()["state"] == "on"
    removed = await api.client.delete(f"/api/v1/webhooks/{endpoint}", headers=headers)
    assert removed.status_code == 204


async def test_a_wrong_key_of_a_messenger_is_not_stored(api: Api) -> None:
    headers = await api.key("*")
    assert {row["name"] for row in await api.get("/channels/offered", headers)} >= {"telegram", "email"}
    asked = {"name": "email", "given": {"address": "a@b.example", "smtp_host": "127.0.0.1", "smtp_port": "1",
                                        "imap_host": "127.0.0.1", "imap_port": "1", "password": "x"}}  # fmt: skip
    answer = await api.client.post("/api/v1/channels", headers=headers, json=asked)
    assert answer.status_code == 422
    assert "IMAP" in answer.json()["error"]["message"]
    assert await api.get("/channels", headers) == []
    unknown = await api.client.post("/api/v1/channels", headers=headers, json={"name": "icq"})
    assert unknown.status_code == 422
    assert (await api.client.post("/api/v1/crm/crm/check", headers=headers)).status_code == 404
    assert (await api.client.delete(f"/api/v1/channels/{uuid4()}", headers=headers)).status_code == 404


# --- what was said ---


async def test_a_recording_is_heard_by_range_and_by_a_link_without_a_key(api: Api) -> None:
    conversation = new_conversation_id()
    path = api.runtime.settings.data_dir / "recordings" / "a.ogg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(range(256)) * 10)
    await api.runtime.conversations.start(
        api.scope, conversation, channel="phone", started_at=api.runtime.clock.now(), caller=PHONE
    )
    await api.runtime.conversations.set_recording(api.scope, conversation, "recordings/a.ogg")
    headers = await api.key("recordings:read")
    part = await api.client.get(f"/api/v1/recordings/{conversation}", headers={**headers, "Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    link = (await api.client.post(f"/api/v1/recordings/{conversation}/link", headers=headers)).json()
    heard = await api.client.get(link["url"])
    assert (heard.status_code, len(heard.content)) == (200, 2560)
    assert (await api.client.get(link["url"][:-3] + "AAA")).status_code == 403
    assert (await api.client.get(f"/api/v1/recordings/{uuid4()}", headers=headers)).status_code == 404
    others = await api.key("conversations:read")
    assert (await api.client.get(f"/api/v1/recordings/{conversation}", headers=others)).status_code == 403


async def test_messages_are_searched_exported_and_erased_with_their_person(api: Api) -> None:
    conversation = new_conversation_id()
    now = api.runtime.clock.now()
    await api.runtime.conversations.start(
        api.scope, conversation, channel="telegram", started_at=now, caller="+79165559999"
    )
    texts = ("Хочу на стрижку", "На какой день?", "Завтра")
    entries = [
        Entry(uuid4(), now + timedelta(seconds=n), "telegram", "in", Author.CLIENT, text, conversation)
        for n, text in enumerate(texts)
    ]
    await Months(api.runtime.database).ready([now])
    async with api.runtime.database.company(api.scope) as conn:
        await add(conn, api.scope, entries)
    headers = await api.key("conversations:read")
    found = await api.get("/messages", headers, words="стрижка", conversation_id=str(conversation))
    assert [row["text"] for row in found["items"]] == ["Хочу на стрижку"]
    first = await api.get("/messages", headers, conversation_id=str(conversation), limit=2)
    rest = await api.get("/messages", headers, conversation_id=str(conversation), limit=2, cursor=first["next"])
    assert [row["text"] for row in (*first["items"], *rest["items"])] == list(reversed(texts))
    export = await api.client.get(
        "/api/v1/messages/export", headers=headers, params={"conversation_id": str(conversation)}
    )
    assert [json.loads(line)["text"] for line in export.text.splitlines()] == list(reversed(texts))
    person = {"phone": "8 916 555-99-99"}
    assert (await api.client.post("/api/v1/persons/erase", headers=headers, json=person)).status_code == 403
    eraser = await api.key("persons:write", "conversations:read")
    shown = (await api.client.post("/api/v1/persons/export", headers=eraser, json=person)).json()
    assert len(shown["conversations"][0]["messages"]) == 3
    receipt = (await api.client.post("/api/v1/persons/erase", headers=eraser, json=person)).json()
    assert (receipt["erased"]["conversations"], receipt["left_over"]) == (1, {})
    assert (await api.get("/messages", eraser, conversation_id=str(conversation)))["items"] == []
    receipts = (await api.client.post("/api/v1/persons/receipts", headers=eraser, json=person)).json()
    assert [one["id"] for one in receipts] == [receipt["id"]]
