"""The mailbox against a provider's IMAP and SMTP on loopback, and the three inbound webhooks as providers post them."""

import asyncio
import base64
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
import pytest

from agent.model import Channel
from channels.adapters.email import CHANNEL, EmailAdapter
from channels.model import (
    Account,
    AccountId,
    Author,
    Choice,
    Media,
    MessageId,
    MessageReceived,
    Outgoing,
    Refusal,
    Refused,
    Sent,
    StaffReplied,
)
from channels.ports import AdapterTools, ProbeState, WebhookRequest
from core.clock import SystemClock
from core.egress import EgressGuard
from core.errors import ConfigurationError, Forbidden, InvalidInput, NotFound, Unavailable
from core.outside_http import AccessDenied, OutcomeUnknown
from core.rate_limits import RateLimiter
from tests.simulators.email.imap_server import ImapServer
from tests.simulators.email.smtp_server import SmtpServer
from tests.simulators.email.store import MailStore

SALON = "zapis@salon.example"
ANNA = "anna@client.example"


@dataclass
class Provider:
    store: MailStore
    imap: ImapServer
    smtp: SmtpServer
    settings: dict[str, Any]
    password: str
    tools: AdapterTools

    def adapter(self, *, password: str | None = None, **settings: Any) -> EmailAdapter:
        keys = {"password": self.password if password is None else password}
        account = Account(AccountId(uuid4()), Channel.EMAIL, SALON, {**self.settings, **settings}, keys)
        return EmailAdapter(account, self.tools)


@pytest.fixture(params=[False, True], ids=["idle", "without idle"])
async def provider(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Provider]:
    monkeypatch.setattr("channels.adapters.email.imap.LOOK_S", 0.05)
    store = MailStore(SALON, secrets.token_urlsafe(9))
    imap, smtp = ImapServer(store, without_idle=request.param), SmtpServer(store)
    settings = {
        "address": SALON, "name": "Салон «Мята»", "imap_host": "127.0.0.1", "imap_port": await imap.start(),
        "smtp_host": "127.0.0.1", "smtp_port": await smtp.start(), "security": "none",
    }  # fmt: skip
    async with httpx.AsyncClient() as http:
        tools = AdapterTools(http, RateLimiter(None), SystemClock(), EgressGuard(["127.0.0.1"]))
        yield Provider(store, imap, smtp, settings, store.password, tools)
        await imap.stop()
        await smtp.stop()
        assert imap.problems == []
        assert smtp.problems == []


def letter(text: str, number: int = 1, sender: str = f"Анна <{ANNA}>", *headers: str) -> bytes:
    lines = [
        f"From: {sender}", f"To: {SALON}", "Subject: Запись", f"Message-ID: <{number}@client.example>",
        "Date: Tue, 01 Dec 2026 11:00:00 +0300", "Content-Type: text/plain; charset=utf-8", *headers,
    ]  # fmt: skip
    return "\n".join([*lines, "", text, ""]).encode()


async def batches(adapter: EmailAdapter, cursor: str, wanted: int) -> tuple[list[Any], str]:
    """Reads until so many events came; the runner's way: one batch after another, then it is closed."""
    events: list[Any] = []
    polling = adapter.poll(cursor)
    async with asyncio.timeout(30):
        async for found, reached in polling:
            cursor = reached
            events += found
            if len(events) >= wanted:
                break
    await polling.aclose()  # type: ignore[attr-defined]
    return events, cursor


def answer(text: str, meta: Any = None, **more: Any) -> Outgoing:
    return Outgoing(MessageId(uuid4()), ANNA, text, meta=meta or {}, **more)


async def test_only_mail_from_now_on_is_read_and_each_once(provider: Provider) -> None:
    provider.store.deliver(letter("старое", 1))
    adapter = provider.adapter()
    _, cursor = await batches(adapter, "", 0)
    for number in range(2, 27):
        provider.store.deliver(letter(f"новое {number}", number))
    events, cursor = await batches(adapter, cursor, 25)
    assert [event.text for event in events] == [f"новое {number}" for number in range(2, 27)]
    provider.store.deliver(letter("последнее", 99))
    events, _ = await batches(adapter, cursor, 1)
    assert [event.text for event in events] == ["последнее"]


async def test_a_mail_that_comes_while_we_wait_is_seen_at_once(provider: Provider) -> None:
    adapter = provider.adapter()
    _, cursor = await batches(adapter, "", 0)
    reading = asyncio.create_task(batches(adapter, cursor, 1))
    await asyncio.sleep(0.3)
    provider.store.deliver(letter("Хочу на завтра"))
    async with asyncio.timeout(10):
        events, _ = await reading
    assert isinstance(events[0], MessageReceived)
    assert (events[0].thread, events[0].person.name) == (ANNA, "Анна")


async def test_a_rebuilt_mailbox_gives_the_same_events(provider: Provider) -> None:
    adapter = provider.adapter()
    _, cursor = await batches(adapter, "", 0)
    provider.store.deliver(letter("раз", 1))
    first, cursor = await batches(adapter, cursor, 1)
    provider.store.rebuild()
    again, cursor = await batches(adapter, cursor, 1)
    assert [e.event_id for e in again] == [e.event_id for e in first]
    provider.store.deliver(letter("два", 2))
    events, _ = await batches(adapter, cursor, 1)
    assert [event.text for event in events] == ["два"]


async def test_a_person_of_the_salon_is_noticed_and_we_are_not(provider: Provider) -> None:
    adapter = provider.adapter()
    _, cursor = await batches(adapter, "", 0)
    (part,) = adapter.compose(answer("Здравствуйте!"))
    assert isinstance(await adapter.send(part, "m-1"), Sent)
    provider.store.deliver(provider.store.sent[-1][2], "Отправленные")
    human = letter("Это Ольга, сейчас решим", 7, SALON).replace(f"To: {SALON}".encode(), f"To: {ANNA}".encode())
    provider.store.deliver(human, "Отправленные")
    events, _ = await batches(adapter, cursor, 1)
    assert len(events) == 1
    assert isinstance(events[0], StaffReplied)
    assert events[0].thread == ANNA


async def test_an_answer_stands_in_the_thread_and_says_that_a_machine_wrote_it(provider: Provider) -> None:
    adapter = provider.adapter()
    _, cursor = await batches(adapter, "", 0)
    provider.store.deliver(letter("Хочу на стрижку", 5, f"Анна <{ANNA}>", "References: <old@x.example>"))
    (event,), _ = await batches(adapter, cursor, 1)
    text = "Есть *15:00* и 16:30.\n\nАдрес: https://salon.example/map.\n.точка в начале строки"
    (part,) = adapter.compose(answer(text, event.meta, choices=(Choice("15:00"), Choice("16:30"))))
    result = await adapter.send(json.loads(json.dumps(part.body)) and part, "m-77")
    assert result == Sent("m-77@salon.example")
    sender, recipient, content = provider.store.sent[-1]
    mail = message_from_bytes(content, policy=policy.default)
    assert (sender, recipient) == (SALON, ANNA)
    assert mail["Subject"] == "Re: Запись"
    assert mail["In-Reply-To"] == "<5@client.example>"
    assert mail["References"].split() == ["<old@x.example>", "<5@client.example>"]
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["Message-ID"] == "<m-77@salon.example>"
    assert "Салон «Мята»" in str(mail["From"])
    plain = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert "Есть 15:00" in plain
    assert "\n.точка" in plain
    assert "— 16:30" in plain
    assert "<b>15:00</b>" in html
    assert '<a href="https://salon.example/map">' in html


async def test_people_do_not_write_as_machines(provider: Provider) -> None:
    adapter = provider.adapter()
    (part,) = adapter.compose(answer("Ольга, салон", author=Author.HUMAN))
    await adapter.send(part, "m-2")
    assert message_from_bytes(provider.store.sent[-1][2], policy=policy.default)["Auto-Submitted"] is None


async def test_what_can_have_happened_is_known(provider: Provider) -> None:
    adapter, faults = provider.adapter(), provider.smtp.faults
    (part,) = adapter.compose(answer("Да"))
    faults.greylist = 1
    with pytest.raises(Unavailable) as later:
        await adapter.send(part, "m-3")
    assert later.value.facts["sent"] is False
    faults.cut_before_data = 1
    with pytest.raises(OutcomeUnknown):
        await adapter.send(part, "m-3")
    assert provider.store.sent == []
    faults.lost_answer = 1
    with pytest.raises(OutcomeUnknown):
        await adapter.send(part, "m-3")
    assert isinstance(await adapter.send(part, "m-3"), Sent)
    tries = [message_from_bytes(content)["Message-ID"] for _, _, content in provider.store.sent]
    assert tries == ["<m-3@salon.example>"] * 2  # the client's program shows one


async def test_refusals_are_values(provider: Provider) -> None:
    adapter, faults = provider.adapter(), provider.smtp.faults
    (part,) = adapter.compose(answer("Да"))
    faults.unknown.add(ANNA)
    result = await adapter.send(part, "m-4")
    assert isinstance(result, Refused)
    assert result.why is Refusal.UNREACHABLE
    faults.unknown.clear()
    faults.spam = 1
    result = await adapter.send(part, "m-5")
    assert isinstance(result, Refused)
    assert (result.why, bool(result.remedy_ru)) == (Refusal.POLICY, True)
    result = await provider.adapter(password="wrong").send(part, "m-6")
    assert isinstance(result, Refused)
    assert result.why is Refusal.ACCOUNT


async def test_a_loop_without_marks_ends_at_the_fence(provider: Provider) -> None:
    adapter = provider.adapter()
    (part,) = adapter.compose(answer("Автоответ"))
    results = [await adapter.send(part, f"m-{number}") for number in range(12)]
    assert sum(isinstance(result, Sent) for result in results) == 10
    assert isinstance(results[-1], Refused)
    (human,) = adapter.compose(answer("Ольга", author=Author.HUMAN))
    assert isinstance(await adapter.send(human, "m-99"), Sent)


async def test_files_are_fetched_from_the_mailbox(provider: Provider) -> None:
    adapter = provider.adapter()
    _, cursor = await batches(adapter, "", 0)
    body = (
        "--b\n\nФото\n--b\nContent-Type: image/jpeg\nContent-Transfer-Encoding: base64\n"
        'Content-Disposition: attachment; filename="a.jpg"\n\n' + base64.b64encode(b"x" * 5000).decode() + "\n--b--\n"
    )
    kind = 'Content-Type: multipart/mixed; boundary="b"'
    provider.store.deliver(letter(body).replace(b"Content-Type: text/plain; charset=utf-8", kind.encode(), 1))
    (event,), _ = await batches(adapter, cursor, 1)
    (photo,) = event.media
    assert await adapter.fetch(photo, 10_000) == b"x" * 5000
    with pytest.raises(InvalidInput):
        await adapter.fetch(photo, 1000)
    provider.store.folders["INBOX"].mails.clear()
    with pytest.raises(NotFound):
        await adapter.fetch(photo, 10_000)
    with pytest.raises(NotFound):
        await adapter.fetch(Media(photo.kind, ""), 1000)


async def test_the_probe_names_what_is_wrong(provider: Provider) -> None:
    probe = await provider.adapter().probe()
    assert probe.usable
    assert probe.address == SALON
    refused = await provider.adapter(password="wrong").probe()
    assert [item.state for item in refused.items] == [ProbeState.DENIED, ProbeState.DENIED]
    assert "Пароли приложений" in refused.items[0].remedy_ru
    with pytest.raises(AccessDenied) as denied:
        await provider.adapter(password="wrong").connect("https://x.example")
    assert "пароль" in denied.value.remedy
    await provider.adapter().connect("https://x.example")


async def test_a_broken_connection_is_an_outage(provider: Provider) -> None:
    adapter = provider.adapter()
    _, cursor = await batches(adapter, "", 0)
    provider.imap.cut = True
    with pytest.raises(Unavailable):
        await batches(adapter, cursor, 1)


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"security": "none"}, "security"), ({"smtp_port": 25}, "smtp_port"), ({"smtp_host": ""}, "smtp_host")],
)
async def test_servers_of_strangers_need_tls_and_a_mail_port(settings: dict[str, Any], named: str) -> None:
    async with httpx.AsyncClient() as http:
        tools = AdapterTools(http, RateLimiter(None), SystemClock(), _Everywhere())
        basic = {"address": SALON, "smtp_host": "mail.example", "smtp_port": 465}
        adapter = EmailAdapter(Account(AccountId(uuid4()), Channel.EMAIL, SALON, {**basic, **settings}), tools)
        (part,) = adapter.compose(answer("Да"))
        with pytest.raises(ConfigurationError, match=named):
            await adapter.send(part, "m")


class _Everywhere(EgressGuard):
    """Names resolve without a network; the rules are the real ones."""

    async def resolve(self, host: str, port: int) -> str:
        return "192.0.2.1"


# --- providers that post mails to us ---


def webhook(provider_name: str, key: str) -> EmailAdapter:
    settings = {"address": SALON, "smtp_host": "127.0.0.1", "inbound": provider_name}
    account = Account(AccountId(uuid4()), Channel.EMAIL, SALON, settings, {"inbound_key": key})
    tools = AdapterTools(httpx.AsyncClient(), RateLimiter(None), SystemClock())
    adapter = CHANNEL.build(account, tools)
    assert isinstance(adapter, EmailAdapter)
    return adapter


def posted(body: bytes, content_type: str, **headers: str) -> WebhookRequest:
    return WebhookRequest("POST", {"content-type": content_type, **headers}, {}, body, datetime.now(UTC))


def mailgun(key: str, at: float | None = None) -> WebhookRequest:
    stamp, token = str(int(at or time.time())), secrets.token_hex(25)
    signature = hmac.new(key.encode(), (stamp + token).encode(), sha256).hexdigest()
    headers = [
        ["Message-Id", "<g1@client.example>"],
        ["From", f"Anna <{ANNA}>"],
        ["Subject", "Запись"],
        ["X-Twice", "1"],
    ]
    fields = {
        "timestamp": stamp, "token": token, "signature": signature, "sender": ANNA, "recipient": SALON,
        "from": f"Anna <{ANNA}>", "subject": "Запись", "body-plain": "Завтра в 15?\r\n\r\n> когда",
        "attachment-count": "1",
        "message-headers": json.dumps(headers),
    }  # fmt: skip
    request = httpx.Request(
        "POST", "http://x", data=fields, files={"attachment-1": ("a.jpg", b"jpg\r\n\0", "image/jpeg")}
    )
    return posted(request.read(), request.headers["content-type"])


async def test_mailgun_signs_time_and_token() -> None:
    key = secrets.token_hex(16)
    adapter = webhook("mailgun", key)
    request = mailgun(key)
    adapter.verify(request)
    (event,) = adapter.read(request).events
    assert isinstance(event, MessageReceived)
    assert (event.text, event.message_id, event.thread) == ("Завтра в 15?", "g1@client.example", ANNA)
    assert await adapter.fetch(event.media[0], 100) == b"jpg\r\n\0"
    for forged in (mailgun(secrets.token_hex(16)), mailgun(key, time.time() - 3600), posted(b"a=b", "text/plain")):
        with pytest.raises((Forbidden, InvalidInput)):
            adapter.verify(forged)


def basic(password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"mail:{password}".encode()).decode()}


def test_postmark_posts_json_behind_a_password() -> None:
    key = secrets.token_hex(16)
    adapter = webhook("postmark", key)
    body = {
        "From": ANNA, "FromFull": {"Email": ANNA, "Name": "Анна", "MailboxHash": ""}, "To": SALON, "Subject": "Запись",
        "MessageID": str(uuid4()), "Date": "Mon, 12 Oct 2026 14:00:00 +0300", "TextBody": "да, подходит\n\n> 15:00?",
        "StrippedTextReply": "", "HtmlBody": "", "Headers": [{"Name": "Message-ID", "Value": "<p1@client.example>"}],
        "Attachments": [{"Name": "a.jpg", "Content": base64.b64encode(b"jpg").decode(), "ContentType": "image/jpeg"}],
    }  # fmt: skip
    request = posted(json.dumps(body).encode(), "application/json", **basic(key))
    adapter.verify(request)
    (event,) = adapter.read(request).events
    assert isinstance(event, MessageReceived)
    assert (event.text, event.person.name, event.message_id) == ("да, подходит", "Анна", "p1@client.example")
    assert len(event.media) == 1
    for headers in ({}, basic("wrong"), {"authorization": "Basic %%%"}, {"authorization": "Bearer x"}):
        with pytest.raises(Forbidden):
            adapter.verify(posted(b"{}", "application/json", **headers))
    with pytest.raises(InvalidInput):
        adapter.read(posted(b'{"Headers": 5}', "application/json"))


def test_sendgrid_posts_fields_in_their_own_charsets() -> None:
    key = secrets.token_hex(16)
    adapter = webhook("sendgrid", key)
    boundary = "xYzZY"
    fields = {
        "headers": f"From: Anna <{ANNA}>\nMessage-ID:\n <s1@client.example>\nAuto-Submitted: no\n".encode(),
        "from": f"Anna <{ANNA}>".encode(), "to": SALON.encode(), "subject": "Запись".encode("koi8-r"),
        "text": "Завтра в 15?".encode("windows-1251"), "attachments": b"0",
        "charsets": json.dumps({"text": "windows-1251", "subject": "koi8-r", "from": "utf-8"}).encode(),
        "envelope": json.dumps({"to": [SALON], "from": ANNA}).encode(),
    }  # fmt: skip
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"
        for name, value in fields.items()
    )
    request = posted(body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}", **basic(key))
    adapter.verify(request)
    (event,) = adapter.read(request).events
    assert isinstance(event, MessageReceived)
    assert (event.text, event.meta["subject"], event.message_id) == ("Завтра в 15?", "Запись", "s1@client.example")


async def test_a_mailbox_read_by_imap_takes_no_webhooks(provider: Provider) -> None:
    with pytest.raises(Forbidden):
        provider.adapter().verify(posted(b"", "application/json"))


async def test_old_mail_keeps_its_own_date_for_people_and_ours_for_the_order(provider: Provider) -> None:
    adapter = provider.adapter()
    _, cursor = await batches(adapter, "", 0)
    provider.store.now = lambda: datetime.now(UTC) - timedelta(minutes=5)
    provider.store.deliver(letter("раз"))
    (event,), _ = await batches(adapter, cursor, 1)
    assert timedelta(minutes=4) < datetime.now(UTC) - event.at < timedelta(minutes=7)
