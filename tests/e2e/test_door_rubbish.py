"""Rubbish at the doors of the running server: clear errors, nothing lost, and it answers the next caller."""

import contextlib
import random
import socket
import time
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from telephony.sip.message import SipRequest, SipResponse, read_message
from tests.e2e.server import RunningServer

pytestmark = pytest.mark.timeout(60)


GOOD_SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 45000 RTP/AVP 8\r\n"


class Stranger:
    """A UDP socket at the SIP door."""

    def __init__(self, server: RunningServer) -> None:
        self._to = ("127.0.0.1", server.sip_port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.3)
        self.port = self._socket.getsockname()[1]

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # an ICMP answer to what was sent before
            self._socket.sendto(data, self._to)

    def responses(self, wait_s: float = 0.5) -> list[SipResponse | SipRequest]:
        found, deadline = [], time.monotonic() + wait_s
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                found.append(read_message(self._socket.recv(65_535)))
        return found

    def status_of(self, data: bytes) -> int | None:
        self.responses(0.05)
        self.send(data)
        codes = [int(answer.status) for answer in self.responses() if isinstance(answer, SipResponse)]
        return codes[-1] if codes else None

    def request(self, method: str, *, cseq: str = "", body: str = "", user: str = "nobody") -> bytes:
        """To a number that is not answered here, so that rubbish never becomes a call."""
        name = uuid4().hex
        body = body or ("v=0\r\n" if method == "INVITE" else "")
        extra = "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"{method} sip:{user}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{name}\r\n"
            f"From: <sip:raw@127.0.0.1>;tag={name[:8]}\r\nTo: <sip:{user}@127.0.0.1>\r\nCall-ID: {name}\r\n"
            f"CSeq: {cseq or '1 ' + method}\r\nContact: <sip:raw@127.0.0.1:{self.port}>\r\nMax-Forwards: 70\r\n{extra}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def stranger(server: RunningServer) -> Iterator[Stranger]:
    peer = Stranger(server)
    yield peer
    peer.close()  # once more does no harm


def rubbish(stranger: Stranger) -> dict[str, bytes]:
    rng = random.Random(7)
    invite = stranger.request("INVITE")
    return {
        "empty": b"",
        "line ends": b"\r\n" * 500,
        "random": rng.randbytes(900),
        "64 KB": rng.randbytes(65_000),
        "64 KB of one header": invite[:-9] + b"X-Long: " + b"a" * 60_000 + b"\r\n\r\n",
        "wrong CSeq": stranger.request("INVITE", cseq="x INVITE"),
        "CSeq of another method": stranger.request("INVITE", cseq="1 BYE"),
        "huge CSeq": stranger.request("INVITE", cseq="99999999999999999999 INVITE"),
        "length beyond the data": stranger.request("INVITE").replace(b"Content-Length: 5", b"Content-Length: 9999"),
        "negative length": stranger.request("INVITE").replace(b"Content-Length: 5", b"Content-Length: -1"),
        "no headers": b"INVITE sip:myata@127.0.0.1 SIP/2.0\r\n\r\n",
        "not UTF-8": b"INVITE sip:\xff\xfe@127.0.0.1 SIP/2.0\r\nVia: \xff\r\n\r\n",
        "wrong version": invite.replace(b"SIP/2.0\r\n", b"SIP/9.9\r\n", 1),
        "an answer nobody asked for": b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\r\n\r\n",
        "HTTP": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "SDP of nonsense": stranger.request("INVITE", body="m=audio -5 RTP/AVP 999999\r\n"),
        **{f"INVITE cut at {at}": invite[:at] for at in range(0, len(invite), 17)},
        **{f"one byte changed, {seed}": _mutated(invite, seed) for seed in range(60)},
    }  # fmt: skip


def _mutated(data: bytes, seed: int) -> bytes:
    rng, changed = random.Random(seed), bytearray(data)
    changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def test_the_sip_door_withstands_rubbish(server: RunningServer, stranger: Stranger) -> None:
    before, known, log = server.company(), server.conversations(), len(server.log_text())
    edge = server.pid_of("edge")
    assert stranger.status_of(stranger.request("OPTIONS")) == 200
    for data in rubbish(stranger).values():
        stranger.send(data)
    answers = [answer for answer in stranger.responses(1.0) if isinstance(answer, SipResponse)]
    assert len(answers) > 5, "what can be answered is answered"
    assert not [answer for answer in answers if answer.status == 200], "rubbish became a call"
    # Requests are judged one by one: what is wrong with them is said.
    stranger.close()
    stranger = Stranger(server)
    assert stranger.status_of(stranger.request("FLY")) in (405, 501)
    assert stranger.status_of(stranger.request("INVITE", body=GOOD_SDP)) == 404
    assert stranger.status_of(stranger.request("BYE")) == 481
    assert stranger.status_of(stranger.request("OPTIONS")) == 200
    assert server.pid_of("edge") == edge, "the edge died"
    assert server.company() == before
    assert "Traceback" not in server.log_text()[log:]
    assert server.conversations() == known
    assert server.alive()
    stranger.close()


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer aia_wrong_key", "Basic abc", "Bearer ключ".encode()])
def test_a_wrong_key_is_refused(server: RunningServer, header: str | bytes) -> None:
    answer = server.get("/api/v1/company", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthorized"
    assert "Bearer" in answer.json()["error"]["message"]
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("tail", ["", "/timeline", "/recording"])
def test_unknown_and_malformed_ids(server: RunningServer, tail: str) -> None:
    unknown = server.get(f"/api/v1/conversations/{uuid4()}{tail}")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
    for wrong in ("1", "x" * 5000, "%00", "' or 1=1 --", "не-номер"):
        answer = server.get(f"/api/v1/conversations/{wrong}{tail}")
        assert answer.status_code == 422, wrong
        assert "conversation_id" in answer.json()["error"]["message"]


def test_limits_of_the_list_are_named(server: RunningServer) -> None:
    for query, field in (("limit=0", "limit"), ("limit=many", "limit"), ("limit=999", "limit"), ("before=x", "before")):
        answer = server.get(f"/api/v1/conversations?{query}")
        assert answer.status_code == 422
        assert field in answer.json()["error"]["message"]
    assert server.get(f"/api/v1/conversations?before={uuid4()}").status_code == 404


def test_the_web_door_withstands_rubbish(server: RunningServer) -> None:
    before = server.company()
    assert server.get("/no/such/page").status_code == 404
    assert httpx.delete(server.ready["http"] + "/api/v1/company", headers=server.key).status_code == 405
    address = ("127.0.0.1", int(server.ready["http"].rpartition(":")[2]))
    for data in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"a" * 200_000, b"\r\n" * 100):
        with socket.create_connection(address, timeout=3) as raw, contextlib.suppress(OSError):
            raw.sendall(data)
            raw.shutdown(socket.SHUT_WR)
            raw.recv(1000)
    webhook = server.ready["twilio"]["webhook"]
    for body in (b"", b"\xff" * 1000, b"a" * 3_000_000, b"From=" + b"%F0%9F%92%87" * 1000):
        answer = httpx.post(webhook, content=body, timeout=10,
                            headers={"Content-Type": "application/x-www-form-urlencoded"})  # fmt: skip
        assert answer.status_code in (400, 403, 413), answer.status_code
    assert server.company() == before
    assert server.alive()


def test_nothing_secret_is_in_the_log(server: RunningServer) -> None:
    text = server.log_text()
    for secret in (server.ready["api_key"], server.ready["twilio"]["auth_token"], "+79000000103"):
        assert secret not in text
