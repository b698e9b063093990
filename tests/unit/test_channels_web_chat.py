"""The web chat without a browser and a database: addresses, uploads, proofs of identity, parts, the widget's size."""

import json
import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model import Channel
from channels.adapters.web import CHANNEL, WebAdapter, site_token
from channels.model import Account, AccountId, Ask, Author, Choice, MessageId, Outgoing, Refused, Sent
from channels.ports import AdapterTools, ProbeState, WebhookRequest
from channels.web_chat.assets import Assets
from channels.web_chat.demo_page import script_tag
from channels.web_chat.files import file_response
from channels.web_chat.identity import ProofRefused, read_proof
from channels.web_chat.limits import address_key
from channels.web_chat.model import MOST_TEXT, ChatFile, Site, origins, widget_config
from channels.web_chat.origins import admitted
from channels.web_chat.uploads import clean_name, sniff
from core.clock import FrozenClock
from core.errors import ConfigurationError, Forbidden, InvalidInput, NotFound
from core.ids import CompanyId
from core.tenancy import CompanyScope
from tests.e2e.web_chat.pictures import PNG

NOW = datetime(2026, 12, 1, 11, 0, tzinfo=UTC)
SECRET = secrets.token_urlsafe(32)


# --- addresses ---


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("https://salon.ru", {"https://salon.ru"}),
        ("salon.ru, https://www.salon.ru/prices?x=1", {"https://salon.ru", "https://www.salon.ru"}),
        ("https://salon.ru:443\nhttps://salon.ru:8443", {"https://salon.ru", "https://salon.ru:8443"}),
        ("HTTPS://Salon.RU", {"https://salon.ru"}),
        ("https://мята.рф", {"https://xn--80axs5c.xn--p1ai"}),
        ("http://localhost:3000 http://127.0.0.1:80", {"http://localhost:3000", "http://127.0.0.1"}),
        ("", set()),
    ],
)
def test_addresses_are_read_as_browsers_name_them(written: str, read: set[str]) -> None:
    assert origins(written) == read


@pytest.mark.parametrize(
    "written",
    ["http://salon.ru", "*", "https://*.salon.ru", "https://", "https://a:b@salon.ru", "ftp://salon.ru",
     "https://salon.ru:99999", "<script>", "javascript:alert(1)", "https://[::1"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_the_right_form(written: str) -> None:
    with pytest.raises(ConfigurationError, match="https://"):
        origins(written)


def _site(*allowed: str) -> Site:
    account = Account(AccountId(uuid4()), Channel.WEB, "a" * 32)
    return Site(CompanyScope(CompanyId(uuid4())), account, frozenset(allowed))


@pytest.mark.parametrize(
    "origin",
    ["https://salon.ru.evil.ru", "https://evil-salon.ru", "http://salon.ru", "https://salon.ru:444", "null",
     "https://salon.ru/", "https://SALON.ru", "*", "https://salon.ru https://evil.ru"],
)  # fmt: skip
def test_only_the_very_origin_is_admitted(origin: str) -> None:
    site = _site("https://salon.ru")
    assert admitted(site, {"origin": "https://salon.ru"}, "POST") == "https://salon.ru"
    for method in ("GET", "POST", "DELETE"):
        with pytest.raises(Forbidden):
            admitted(site, {"origin": origin}, method)


def test_without_an_origin_nothing_is_changed() -> None:
    assert admitted(_site("https://salon.ru"), {}, "GET") == ""
    for method in ("POST", "DELETE"):
        with pytest.raises(Forbidden):
            admitted(_site("https://salon.ru"), {}, method)


def test_an_ipv6_customer_counts_as_one() -> None:
    assert address_key("2001:db8:1:2:3:4:5:6") == address_key("2001:db8:1:2:ffff::1") != address_key("2001:db8:1:3::1")
    assert address_key("::ffff:10.0.0.1") == address_key("10.0.0.1") == "10.0.0.1"
    assert address_key("rubbish") == "unknown"


# --- uploads ---


def test_a_file_is_what_its_bytes_say() -> None:
    assert (sniff(PNG).kind, sniff(PNG).type) == ("image", "image/png")
    assert sniff(b"\xff\xd8\xff\xe0rest").type == "image/jpeg"
    assert sniff(b"RIFF\x10\0\0\0WEBPVP8 ").type == "image/webp"
    assert sniff(b"OggS\0rest").type == "audio/ogg"
    assert (
        sniff(b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm").type
        == "audio/webm"
    )
    assert sniff(b"\0\0\0\x20ftypM4A rest").type == "audio/mp4"


@pytest.mark.parametrize(
    "data",
    [b"", b"<svg onload=alert(1)>", b"<!doctype html>", b"GIF89a", b"%PDF-1.7", b"MZ", b"PK\x03\x04",
     b"RIFF\0\0\0\0WAVE", b"\0\0\0\x20ftypqt  ", b"\x1aE\xdf\xa3matroska", b" \xff\xd8\xff",
     b"<html>\x89PNG\r\n\x1a\n"],
)  # fmt: skip
def test_nothing_else_is_taken(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="photos"):
        sniff(data)


def test_names_lose_their_folders_and_control_characters() -> None:
    assert clean_name("../../etc/passwd") == "passwd"
    assert clean_name("C:\\x\\мои ногти.jpg") == "мои ногти.jpg"
    assert clean_name("a\r\nSet-Cookie: x\x00.png") == "aSet-Cookie: x.png"
    assert len(clean_name("я" * 500)) == 80


def test_files_leave_as_nothing_that_could_run_and_in_ranges() -> None:
    file = ChatFile("x" * 32, "voice", "audio/webm", '"; filename="evil.html', 10)
    whole = file_response(file, b"0123456789", "")
    assert whole.headers["content-type"] == "audio/webm"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in whole.headers["content-security-policy"]
    assert whole.headers["content-disposition"] == 'inline; filename="voice.webm"'
    for wanted, body, told in (
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=2-99", b"23456789", "bytes 2-9/10"),
    ):
        part = file_response(file, b"0123456789", wanted)
        assert (part.status_code, bytes(part.body), part.headers["content-range"]) == (206, body, told)
    assert file_response(file, b"0123456789", "bytes=20-").status_code == 416
    for odd in ("bytes=-", "bytes=a-b", "bytes=0-1,3-4", "items=0-1"):
        assert bytes(file_response(file, b"0123456789", odd).body) == b"0123456789"


# --- who is logged in at the salon's site ---


def _proof(secret: str = SECRET, algorithm: str = "HS256", **claims: object) -> str:
    whole = {"user_id": "42", "phone": "8 916 123-45-67", "name": "Анна", "exp": int(NOW.timestamp()) + 600, **claims}
    return jwt.encode({k: v for k, v in whole.items() if v is not None}, secret, algorithm=algorithm)


def test_a_proof_gives_a_number_that_may_be_trusted() -> None:
    who = read_proof(_proof(), SECRET, NOW)
    assert (who.user_id, who.phone, who.name) == ("42", "+79161234567", "Анна")
    assert read_proof(_proof(phone=None, name=None, user_id=7), SECRET, NOW).user_id == "7"


def _unsigned() -> str:
    return jwt.encode({"user_id": "42", "exp": int(NOW.timestamp()) + 600}, None, algorithm="none")


@pytest.mark.parametrize(
    ("proof", "reason"),
    [
        (_proof(secret=secrets.token_urlsafe(32)), "not signed"),
        (_proof(algorithm="HS512", secret=SECRET * 2), "not signed"),
        (_unsigned(), "not signed"),
        ("a.b.c", "not signed"),
        ("x" * 5000, "longer"),
        (_proof(exp=None), "exp is missing"),
        (_proof(exp=int((NOW - timedelta(minutes=2)).timestamp())), "expired"),
        (_proof(exp=int((NOW + timedelta(days=30)).timestamp())), "24 hours"),
        (_proof(exp=10**30), "seconds since 1970"),
        (_proof(nbf=int((NOW + timedelta(hours=1)).timestamp())), "not valid yet"),
        (_proof(user_id=None), "user_id"),
        (_proof(user_id=""), "user_id"),
        (_proof(user_id={"$ne": 1}), "user_id"),
        (_proof(user_id=True), "user_id"),
        (_proof(user_id="a\x00b"), "user_id"),
        (_proof(phone="звоните"), "phone"),
    ],
)
def test_a_wrong_proof_is_refused_with_the_reason(proof: str, reason: str) -> None:
    with pytest.raises(ProofRefused, match=reason):
        read_proof(proof, SECRET, NOW)


def test_without_a_secret_nobody_is_believed() -> None:
    with pytest.raises(ProofRefused, match="no identity secret"):
        read_proof(_proof(), "", NOW)


def test_one_changed_letter_anywhere_breaks_a_proof() -> None:
    good = _proof()
    for at in range(len(good)):
        if good[at] == ".":
            continue
        for other in "A", "b", "_":
            if good[at] == other:
                continue
            try:
                assert read_proof(good[:at] + other + good[at + 1 :], SECRET, NOW) == read_proof(good, SECRET, NOW)
            except ProofRefused:
                continue


# --- the adapter ---


class FakeDoor:
    def __init__(self) -> None:
        self.said: list[tuple[dict, str]] = []
        self.gone = False

    async def say(self, account: Account, body: dict, marker: str) -> str:
        if self.gone:
            raise NotFound("the chat has no such thread")
        self.said.append((body, marker))
        return "id-1"

    async def typing(self, account: Account, thread: str) -> None: ...

    async def file(self, account: Account, file_id: str, most_bytes: int) -> bytes:
        return b"x"


def _adapter(door: FakeDoor | None = None, **account_settings: str) -> WebAdapter:
    account = Account(AccountId(UUID(int=7)), Channel.WEB, "", {"origins": "https://salon.ru", **account_settings})
    return WebAdapter(account, AdapterTools(http=None, limiter=None, clock=FrozenClock(NOW), web_chat=door))


def _outgoing(text: str, **more: object) -> Outgoing:
    return Outgoing(id=MessageId(uuid4()), thread=str(uuid4()), text=text, **more)


@given(st.text(alphabet=st.sampled_from("аб .!\n*😀"), min_size=1, max_size=9000))
@settings(max_examples=40, deadline=None)
def test_parts_hold_everything_within_the_limit(text: str) -> None:
    parts = _adapter().compose(_outgoing(text))
    assert all(len(part.text) <= MOST_TEXT for part in parts)
    assert "".join(text.split()) == "".join("".join(part.text.split()) for part in parts)
    assert [part.number for part in parts] == list(range(len(parts)))
    json.dumps([dict(part.body) for part in parts])


def test_choices_and_the_wish_for_a_phone_stand_on_the_last_part() -> None:
    message = _outgoing(
        "Слово. " * 1200, choices=(Choice("Да", "yes"), Choice("Нет")), ask=Ask.PHONE, author=Author.HUMAN
    )
    parts = _adapter().compose(message)
    assert len(parts) > 1
    assert "choices" not in parts[0].body
    assert parts[-1].body["choices"] == [{"text": "Да", "payload": "yes"}, {"text": "Нет", "payload": ""}]
    assert parts[-1].body["ask"] == "phone"
    assert {part.body["author"] for part in parts} == {"human"}


async def test_sending_says_it_in_the_chat_and_a_deleted_talk_is_unreachable() -> None:
    door = FakeDoor()
    adapter = _adapter(door)
    part = adapter.compose(_outgoing("Здравствуйте"))[0]
    assert await adapter.send(part, "marker-1") == Sent("id-1")
    assert door.said[0][1] == "marker-1"
    door.gone = True
    refused = await adapter.send(part, "marker-2")
    assert isinstance(refused, Refused)
    assert refused.why == "unreachable"


async def test_a_process_without_the_chat_says_so() -> None:
    adapter = _adapter(None)
    with pytest.raises(ConfigurationError, match="nothing was sent"):
        await adapter.send(adapter.compose(_outgoing("а"))[0], "m")


def test_a_webhook_for_the_web_chat_is_always_forged() -> None:
    with pytest.raises(Forbidden):
        _adapter().verify(WebhookRequest("POST", {}, {}, b"{}", NOW))


async def test_connecting_wants_addresses_and_keeps_the_code() -> None:
    good = await _adapter().probe()
    assert good.usable
    assert good.address == UUID(int=7).hex
    for broken in ({"origins": ""}, {"origins": "http://salon.ru"}, {"site": "<script>"}):
        assert (await _adapter(**broken).probe()).items[0].state is ProbeState.DENIED
    again = _adapter(site="b" * 32)
    assert (await again.probe()).address == "b" * 32
    tag = script_tag("https://ai.salon.ru/", site_token(Account(AccountId(UUID(int=7)), Channel.WEB, "c" * 32)))
    assert tag == f'<script src="https://ai.salon.ru/chat/widget.js" data-site="{"c" * 32}" async></script>'
    assert len(dict(CHANNEL.inbound_secret())["identity_secret"]) >= 43


def test_the_widget_is_told_nothing_wrong_and_nothing_secret() -> None:
    account = Account(
        AccountId(uuid4()), Channel.WEB, "a" * 32,
        {"color": "red;background:url(x)", "position": "top", "phone": "+7 (495) 000-00-01",
         "privacy_url": "javascript:1", "choices_ru": "-", "voice": "no", "origins": "https://salon.ru"},
        {"identity_secret": SECRET},
    )  # fmt: skip
    told = widget_config(account)
    assert (told["color"], told["position"], told["phone"], told["privacy_url"]) == ("", "right", "+74950000001", "")
    assert (told["choices"]["ru"], told["voice"], told["photos"]) == ([], False, True)
    assert SECRET not in json.dumps(told)
    assert "salon.ru" not in json.dumps(told)


# --- the widget's files ---


def test_a_first_visit_loads_at_most_30_kb() -> None:
    assets = Assets()
    assert assets.zipped_bytes <= 30_000, assets.zipped_bytes
    assert assets.version.encode() in assets.loader.data
    assert b"ASSETS_VERSION" not in assets.loader.data


def test_modules_are_served_under_their_version_only() -> None:
    assets = Assets()
    assert assets.module(assets.version, "app.js") is not None
    for version, name in (("other", "app.js"), (assets.version, "widget.js"), (assets.version, "../model.py")):
        assert assets.module(version, name) is None
