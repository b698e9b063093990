"""Offer and answer: codecs by name, numbers of the offer, mirrored streams, directions, versions."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.codecs import g711_codecs
from telephony.rtp.srtp import MASTER_BYTES
from telephony.sip.sdp import MAX_BYTES, NotAcceptable, SdpDirection, SdpEndpoint, SdpError, SrtpMode, read_sdp


def offer(*media: str, connection: str = "c=IN IP4 192.0.2.9", session: str = "") -> bytes:
    lines = ["v=0", "o=- 5 5 IN IP4 192.0.2.9", "s=-", connection, "t=0 0", session, *media]
    return "\r\n".join(line for line in lines if line).encode() + b"\r\n"


def endpoint() -> SdpEndpoint:
    return SdpEndpoint("192.0.2.1", 20_000, g711_codecs(), 77)


def answered(body: bytes) -> tuple[str, object]:
    text, path = endpoint().answer(read_sdp(body))
    return text.decode(), path


def test_codecs_are_matched_by_name_and_numbers_reused() -> None:
    text, path = answered(
        offer(
            "m=audio 4000 RTP/AVP 111 107 97",
            "a=rtpmap:111 opus/48000/2",
            "a=rtpmap:107 pcmu/8000",
            "a=rtpmap:97 telephone-event/8000",
        )
    )
    assert "m=audio 20000 RTP/AVP 107 97\r\na=rtpmap:107 PCMU/8000\r\na=rtpmap:97 telephone-event/8000" in text
    assert path.audio_format.payload_type == 107  # type: ignore[attr-defined]
    assert path.audio_format.dtmf_payload_type == 97  # type: ignore[attr-defined]
    assert path.remote == ("192.0.2.9", 4000)  # type: ignore[attr-defined]


def test_static_numbers_need_no_rtpmap_and_a_remapped_one_is_not_what_it_seems() -> None:
    text, _ = answered(offer("m=audio 4000 RTP/AVP 0"))
    assert "m=audio 20000 RTP/AVP 0\r\n" in text
    with pytest.raises(NotAcceptable):
        answered(offer("m=audio 4000 RTP/AVP 8", "a=rtpmap:8 G729/8000"))
    with pytest.raises(NotAcceptable):
        answered(offer("m=audio 4000 RTP/AVP 96", "a=rtpmap:96 PCMA/16000"))


def test_the_order_of_the_offer_decides() -> None:
    text, _ = answered(offer("m=audio 4000 RTP/AVP 0 8"))
    assert "RTP/AVP 0\r\n" in text


def test_every_stream_of_the_offer_is_mirrored() -> None:
    text, _ = answered(
        offer("m=video 1 RTP/AVP 97", "m=audio 4000 RTP/AVP 8", "m=audio 4002 RTP/AVP 8", "m=application 9 UDP x")
    )
    media = [line for line in text.split("\r\n") if line.startswith("m=")]
    assert media == ["m=video 0 RTP/AVP 97", "m=audio 20000 RTP/AVP 8", "m=audio 0 RTP/AVP 8", "m=application 0 UDP x"]


@pytest.mark.parametrize("protocol", ["RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/RTP/AVP", "udptl"])
def test_secure_and_foreign_profiles_are_refused(protocol: str) -> None:
    with pytest.raises(NotAcceptable):
        answered(offer(f"m=audio 4000 {protocol} 8", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc"))


def crypto(tag: int = 1, suite: str = "AES_CM_128_HMAC_SHA1_80", size: int = MASTER_BYTES, tail: str = "") -> str:
    return f"a=crypto:{tag} {suite} inline:{base64.b64encode(b'k' * size).decode()}{tail}"


def test_a_secure_offer_is_answered_with_a_key_of_our_own() -> None:
    text, path = answered(
        offer("m=audio 4000 RTP/SAVP 8", crypto(2, "AES_CM_256_HMAC_SHA1_80"), crypto(3, tail="|2^31"))
    )
    assert "m=audio 20000 RTP/SAVP 8" in text
    assert "a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:" in text
    keys = path.keys  # type: ignore[attr-defined]
    assert keys.remote == b"k" * MASTER_BYTES
    assert base64.b64encode(keys.local).decode() in text
    assert keys.local != keys.remote


def test_two_calls_have_different_keys_and_one_call_keeps_its_own() -> None:
    body = read_sdp(offer("m=audio 4000 RTP/SAVP 8", crypto()))
    ours = endpoint()
    first, again, other = ours.answer(body)[1], ours.answer(body)[1], endpoint().answer(body)[1]
    assert first.keys == again.keys
    assert first.keys is not None
    assert other.keys is not None
    assert first.keys.local != other.keys.local


@pytest.mark.parametrize(
    "line",
    [
        crypto(size=29),
        crypto(suite="F8_128_HMAC_SHA1_80"),
        crypto(tail="|2^20|1:4"),
        crypto(tail="|1:4"),
        crypto(tail=" UNENCRYPTED_SRTP"),
        "a=crypto:x AES_CM_128_HMAC_SHA1_80 inline:aaaa",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:???",
        "a=crypto:1",
    ],
)
def test_keys_that_cannot_be_used_are_no_keys(line: str) -> None:
    with pytest.raises(NotAcceptable):
        answered(offer("m=audio 4000 RTP/SAVP 8", line))


def test_secrecy_off_and_required() -> None:
    off, required = (SdpEndpoint("192.0.2.1", 1, g711_codecs(), 7, mode) for mode in (SrtpMode.OFF, SrtpMode.REQUIRED))
    with pytest.raises(NotAcceptable):
        off.answer(read_sdp(offer("m=audio 4000 RTP/SAVP 8", crypto())))
    with pytest.raises(NotAcceptable):
        required.answer(read_sdp(offer("m=audio 4000 RTP/AVP 8")))
    text, theirs = endpoint().answer(read_sdp(required.offer()))
    ours = required.read_answer(read_sdp(text))
    assert ours.keys is not None
    assert theirs.keys is not None
    assert (ours.keys.local, ours.keys.remote) == (theirs.keys.remote, theirs.keys.local)
    plain, _ = endpoint().answer(read_sdp(offer("m=audio 4000 RTP/AVP 8")))
    with pytest.raises(NotAcceptable):
        required.read_answer(read_sdp(plain))


def test_keys_are_not_shown() -> None:
    _, path = answered(offer("m=audio 4000 RTP/SAVP 8", crypto()))
    assert "kkk" not in repr(path)


def test_a_plain_stream_beside_a_secure_one_is_taken() -> None:
    text, _ = answered(offer("m=audio 4000 RTP/SAVP 8", "m=audio 4002 RTP/AVP 8"))
    assert "m=audio 0 RTP/SAVP 8" in text


@pytest.mark.parametrize(
    ("attribute", "mirrored", "sends", "receives"),
    [
        ("a=sendrecv", "sendrecv", True, True),
        ("", "sendrecv", True, True),
        ("a=sendonly", "recvonly", False, True),
        ("a=recvonly", "sendonly", True, False),
        ("a=inactive", "inactive", False, False),
    ],
)
def test_directions(attribute: str, mirrored: str, sends: bool, receives: bool) -> None:
    for at_session in (False, True):
        media = ["m=audio 4000 RTP/AVP 8"] + ([attribute] if attribute and not at_session else [])
        text, path = answered(offer(*media, session=attribute if at_session else ""))
        assert f"a={mirrored}\r\n" in text
        assert (path.sends, path.receives) == (sends, receives)  # type: ignore[attr-defined]


def test_the_hold_of_old_pbxs() -> None:
    _, path = answered(offer("m=audio 4000 RTP/AVP 8", connection="c=IN IP4 0.0.0.0"))
    assert (path.sends, path.receives) == (False, False)  # type: ignore[attr-defined]


def test_addresses_of_the_media_and_of_rtcp() -> None:
    _, path = answered(offer("m=audio 4000 RTP/AVP 8", "c=IN IP4 192.0.2.50", "a=rtcp:4711 IN IP4 192.0.2.51"))
    assert path.remote == ("192.0.2.50", 4000)  # type: ignore[attr-defined]
    assert path.remote_rtcp == ("192.0.2.51", 4711)  # type: ignore[attr-defined]
    text, path = answered(offer("m=audio 4000 RTP/AVP 8", "a=rtcp-mux"))
    assert path.rtcp_mux  # type: ignore[attr-defined]
    assert "a=rtcp-mux" in text


def test_the_version_rises_with_a_change_and_only_then() -> None:
    ours = endpoint()
    plain, held = (read_sdp(offer("m=audio 4000 RTP/AVP 8", f"a={d}")) for d in ("sendrecv", "sendonly"))
    versions = [ours.answer(item)[0].split(b"\r\n")[1].split()[2] for item in (plain, plain, held, plain)]
    assert versions == [b"77", b"77", b"78", b"79"]


def test_our_offer_is_one_that_we_can_answer() -> None:
    body = endpoint().offer()
    text, _ = SdpEndpoint("192.0.2.2", 30_000, g711_codecs(), 5).answer(read_sdp(body))
    path = endpoint().read_answer(read_sdp(text))
    assert path.audio_format.codec.name == "PCMA"
    assert path.audio_format.dtmf_payload_type == 101
    assert path.remote == ("192.0.2.2", 30_000)


def test_an_answer_that_takes_nothing() -> None:
    with pytest.raises(NotAcceptable):
        endpoint().read_answer(read_sdp(offer("m=audio 0 RTP/AVP 8")))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"v=1\r\n",
        b"v=0\r\nnonsense\r\n",
        b"v=0\r\ns=-\r\n",
        offer("m=audio"),
        offer("m=audio 99999 RTP/AVP 8"),
        offer("m=audio x RTP/AVP 8"),
        offer("m=audio 4000 RTP/AVP 8", connection="c=IN IP4 host.example"),
        offer("m=audio 4000 RTP/AVP 8", connection="c=IN IP4 239.0.0.1"),
        offer("m=audio 4000 RTP/AVP 8", connection="c=ATM"),
        offer(*["m=audio 4000 RTP/AVP 8"] * 40),
        b"v=0\r\n" + b"a" * MAX_BYTES,
    ],
)
def test_what_is_no_sdp(body: bytes) -> None:
    with pytest.raises(SdpError):
        read_sdp(body)


def test_reversing_directions() -> None:
    assert [d.reversed for d in SdpDirection] == ["sendrecv", "recvonly", "sendonly", "inactive"]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_random_damage_is_answered_or_refused(data: st.DataObject) -> None:
    body = bytearray(
        offer("m=audio 4000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000", "a=rtcp:1 IN IP4 1.2.3.4")
    )
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(body) - 1))
        if data.draw(st.booleans()):
            body[at] = data.draw(st.integers(0, 255))
        else:
            body[at:at] = data.draw(st.sampled_from([b"\r\n", b"=", b" ", b"0", b"/", b"\xd9\xa3", b"m=", b":"]))
    try:
        text, path = endpoint().answer(read_sdp(bytes(body)))
    except (SdpError, NotAcceptable):
        return
    read_sdp(text)
    assert 0 <= path.remote[1] <= 65_535
    assert 0 < path.remote_rtcp[1] <= 65_535
