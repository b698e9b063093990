"""Session descriptions (RFC 8866) and offer/answer (RFC 3264) for one audio stream. Pure.

An own model, because every attribute has to survive and every m-line has to be mirrored. Codecs are matched by
encoding name and clock rate, never by payload type number; an answer reuses the numbers of the offer.
"""

import ipaddress
from dataclasses import dataclass, field
from enum import StrEnum

from telephony.codecs import G711
from telephony.rtp.session import MediaPath
from telephony.rtp.srtp import SUITES, CryptoLine, SrtpKeys, new_master, read_crypto, write_crypto
from telephony.rtp.stream import AudioFormat

MAX_BYTES = 16_384
MAX_MEDIA = 16
_STATIC = {
    0: ("PCMU", 8000),
    3: ("GSM", 8000),
    8: ("PCMA", 8000),
    9: ("G722", 8000),
    13: ("CN", 8000),
    18: ("G729", 8000),
}
"""Numbers that need no rtpmap (RFC 3551 table 4); the ones that telephony still uses."""
_OFFER_DTMF_TYPE = 101


class SdpError(ValueError):
    """The text is no session description; answer 400."""


class NotAcceptable(Exception):
    """The offer holds nothing that can be taken; answer 488."""


class SrtpMode(StrEnum):
    """Keys in SDP are as secret as the signalling: over UDP whoever reads it can listen."""

    OFF = "off"
    """Secure offers are refused (488)."""
    OPTIONAL = "optional"
    """A secure offer is answered securely, a plain one plainly; we offer plain."""
    REQUIRED = "required"
    """Plain offers are refused (488); we offer secure."""


class SdpDirection(StrEnum):
    """From the point of view of the one who wrote the description (RFC 3264 section 5.1)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def reversed(self) -> "SdpDirection":
        swap = {SdpDirection.SENDONLY: SdpDirection.RECVONLY, SdpDirection.RECVONLY: SdpDirection.SENDONLY}
        return swap.get(self, self)


@dataclass(frozen=True, slots=True)
class SdpMedia:
    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    connection: str | None = None
    """Address of the media's own c= line."""
    attributes: tuple[str, ...] = ()
    """Without "a="; order kept."""

    def attribute(self, name: str) -> str | None:
        """The value of the first a=name:value; "" for a flag; None when absent."""
        for line in self.attributes:
            key, _, value = line.partition(":")
            if key == name:
                return value
        return None

    def codecs(self) -> list[tuple[int, str, int]]:
        """(payload type, upper-case name, clock rate) in the order of preference of the m-line."""
        maps: dict[str, tuple[str, int]] = {}
        for line in self.attributes:
            if line.startswith("rtpmap:"):
                number, _, encoding = line[7:].strip().partition(" ")
                name, _, rest = encoding.strip().partition("/")
                rate, _, channels = rest.partition("/")
                if rate.isascii() and rate.isdigit() and len(rate) < 8 and channels in ("", "1"):
                    maps[number] = (name.upper(), int(rate))
                else:
                    maps[number] = ("", 0)
        found = []
        for number in self.formats:
            if not (number.isascii() and number.isdigit()) or int(number) > 127:
                continue
            name, rate_hz = maps.get(number) or _STATIC.get(int(number), ("", 0))
            if name:
                found.append((int(number), name, rate_hz))
        return found


@dataclass(frozen=True, slots=True)
class SessionDescription:
    origin: str
    """The o= line as it stands."""
    connection: str | None
    media: tuple[SdpMedia, ...]
    attributes: tuple[str, ...] = ()

    def direction_of(self, media: SdpMedia) -> SdpDirection:
        for line in (*media.attributes, *self.attributes):
            if line in SdpDirection.__members__.values():
                return SdpDirection(line)
        return SdpDirection.SENDRECV

    def address_of(self, media: SdpMedia) -> str | None:
        return media.connection or self.connection


@dataclass(slots=True)
class _MediaDraft:
    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    connection: str | None = None
    attributes: list[str] = field(default_factory=list)

    def finished(self) -> SdpMedia:
        return SdpMedia(self.kind, self.port, self.protocol, self.formats, self.connection, tuple(self.attributes))


def read_sdp(body: bytes) -> SessionDescription:
    """SdpError names the line that cannot be read. Unknown lines are skipped, unknown attributes kept (RFC 8866)."""
    if len(body) > MAX_BYTES:
        raise SdpError(f"SDP of {len(body)} bytes: at most {MAX_BYTES}")
    lines = body.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not lines or lines[0].strip() != "v=0":
        raise SdpError("SDP must begin with v=0")
    origin, connection = "", None
    attributes: list[str] = []
    drafts: list[_MediaDraft] = []
    for line in lines[1:]:
        kind, equals, value = line.partition("=")
        value = value.strip()
        if not line.strip():
            continue
        if not equals or len(kind) != 1:
            raise SdpError(f"SDP line {line[:40]!r} is not of the form x=value")
        if kind == "o":
            origin = value
        elif kind == "m":
            if len(drafts) >= MAX_MEDIA:
                raise SdpError(f"SDP has more than {MAX_MEDIA} m-lines")
            drafts.append(_read_media_line(value))
        elif kind == "c":
            if drafts:
                drafts[-1].connection = _read_connection(value)
            else:
                connection = _read_connection(value)
        elif kind == "a":
            (drafts[-1].attributes if drafts else attributes).append(value)
    if not origin:
        raise SdpError("SDP has no o= line")
    return SessionDescription(origin, connection, tuple(draft.finished() for draft in drafts), tuple(attributes))


def _read_media_line(value: str) -> _MediaDraft:
    fields = value.split()
    port = fields[1].partition("/")[0] if len(fields) >= 4 else ""
    if not (port.isascii() and port.isdigit()) or int(port[:6]) > 65535:
        raise SdpError(f"SDP line m={value[:40]!r} is not of the form m=kind port protocol formats")
    return _MediaDraft(fields[0], int(port), fields[2], tuple(fields[3:]))


def _read_connection(value: str) -> str:
    fields = value.split()
    if len(fields) != 3 or fields[0] != "IN" or fields[1] not in ("IP4", "IP6"):
        raise SdpError(f"SDP line c={value[:40]!r} is not of the form c=IN IP4 address")
    address = fields[2].partition("/")[0]
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        raise SdpError(f"SDP connection address {address[:40]!r} is no IP address") from None
    if parsed.is_multicast:
        raise SdpError("SDP names a multicast address: calls are unicast")
    return address


class SdpEndpoint:
    """Our side of offer/answer in one call. Keeps the o= version, which rises with every change (RFC 3264, 8)."""

    def __init__(
        self,
        host: str,
        port: int,
        codecs: tuple[G711, ...],
        session_id: int,
        srtp: SrtpMode = SrtpMode.OPTIONAL,
    ) -> None:
        self._host, self._port, self._codecs = host, port, codecs
        self._session_id = session_id
        self._version = session_id
        self._last_body = ""
        self._srtp = srtp
        self._masters = {suite: new_master() for suite in SUITES} if srtp is not SrtpMode.OFF else {}

    def offer(self, direction: SdpDirection = SdpDirection.SENDRECV) -> bytes:
        numbers = [codec.static_payload_type for codec in self._codecs]
        secure = self._srtp is SrtpMode.REQUIRED
        profile = "RTP/SAVP" if secure else "RTP/AVP"
        lines = [f"m=audio {self._port} {profile} {' '.join(map(str, numbers))} {_OFFER_DTMF_TYPE}"]
        if secure:
            lines += [write_crypto(str(n), suite, self._masters[suite]) for n, suite in enumerate(SUITES, 1)]
        lines += [f"a=rtpmap:{codec.static_payload_type} {codec.name}/8000" for codec in self._codecs]
        lines += [f"a=rtpmap:{_OFFER_DTMF_TYPE} telephone-event/8000", f"a=fmtp:{_OFFER_DTMF_TYPE} 0-15"]
        lines += ["a=ptime:20", f"a={direction}"]
        return self._write(lines)

    def answer(self, offer: SessionDescription) -> tuple[bytes, MediaPath]:
        """Takes the first audio stream that can be taken, refuses all others with port 0 (RFC 3264 section 6)."""
        chosen = self._choose(offer)
        if chosen is None:
            names = ", ".join(codec.name for codec in self._codecs)
            raise NotAcceptable(f"no audio stream over RTP/AVP with {names} at 8000 Hz")
        index, path = chosen
        lines: list[str] = []
        for position, media in enumerate(offer.media):
            if position == index:
                lines += self._answer_lines(media, offer.direction_of(media).reversed, path)
            else:
                lines.append(f"m={media.kind} 0 {media.protocol} {' '.join(media.formats)}")
        return self._write(lines), path

    def read_answer(self, answer: SessionDescription) -> MediaPath:
        """The answer to our offer of one audio stream; NotAcceptable when it takes nothing of it."""
        chosen = self._choose(answer)
        if chosen is None or chosen[0] != 0:
            raise NotAcceptable("the answer takes none of the offered codecs")
        return chosen[1]

    def _choose(self, description: SessionDescription) -> tuple[int, MediaPath] | None:
        for index, media in enumerate(description.media):
            if media.kind != "audio" or media.port == 0:
                continue
            keys = None
            if media.protocol in ("RTP/SAVP", "RTP/SAVPF"):
                # Never plain RTP under a secure name: without usable keys the stream is not taken.
                crypto = self._crypto(media)
                if crypto is None:
                    continue
                keys = SrtpKeys(crypto.suite, self._masters[crypto.suite], crypto.master)
            elif media.protocol not in ("RTP/AVP", "RTP/AVPF") or self._srtp is SrtpMode.REQUIRED:
                continue
            path = self._path(description, media, keys)
            if path is not None:
                return index, path
        return None

    def _crypto(self, media: SdpMedia) -> CryptoLine | None:
        lines = (read_crypto(line[7:]) for line in media.attributes if line.startswith("crypto:"))
        return next((line for line in lines if line is not None and line.suite in self._masters), None)

    def _path(self, description: SessionDescription, media: SdpMedia, keys: SrtpKeys | None) -> MediaPath | None:
        address = description.address_of(media)
        if address is None or (":" in address) != (":" in self._host):
            # Our sockets have one address family; a path to the other cannot be sent to.
            return None
        codecs = media.codecs()
        ours = {codec.name: codec for codec in self._codecs}
        audio = next(((n, ours[name]) for n, name, rate in codecs if name in ours and rate == 8000), None)
        if audio is None:
            return None
        dtmf = next((n for n, name, rate in codecs if name == "TELEPHONE-EVENT" and rate == 8000), None)
        direction = description.direction_of(media)
        held = ipaddress.ip_address(address).is_unspecified
        # c=0.0.0.0 is the hold of RFC 2543, still sent by old PBXs (RFC 3264 section 8.4).
        return MediaPath(
            AudioFormat(audio[1], audio[0], dtmf),
            (address, media.port),
            _rtcp_address(media, address),
            media.attribute("rtcp-mux") is not None,
            sends=direction in (SdpDirection.SENDRECV, SdpDirection.RECVONLY) and not held,
            receives=direction in (SdpDirection.SENDRECV, SdpDirection.SENDONLY) and not held,
            keys=keys,
        )

    def _answer_lines(self, media: SdpMedia, direction: SdpDirection, path: MediaPath) -> list[str]:
        audio, dtmf = path.audio_format, path.audio_format.dtmf_payload_type
        numbers = [audio.payload_type] + ([] if dtmf is None else [dtmf])
        lines = [f"m=audio {self._port} {media.protocol} {' '.join(map(str, numbers))}"]
        lines.append(f"a=rtpmap:{audio.payload_type} {audio.codec.name}/8000")
        if dtmf is not None:
            lines += [f"a=rtpmap:{dtmf} telephone-event/8000", f"a=fmtp:{dtmf} 0-15"]
        crypto = self._crypto(media) if path.keys is not None else None
        if crypto is not None:
            lines.append(write_crypto(crypto.tag, crypto.suite, self._masters[crypto.suite]))
        if path.rtcp_mux:
            lines.append("a=rtcp-mux")
        return [*lines, "a=ptime:20", f"a={direction}"]

    def _write(self, media_lines: list[str]) -> bytes:
        family = "IP6" if ":" in self._host else "IP4"
        tail = "\r\n".join(["s=-", f"c=IN {family} {self._host}", "t=0 0", *media_lines, ""])
        if self._last_body and tail != self._last_body:
            self._version += 1
        self._last_body = tail
        return f"v=0\r\no=- {self._session_id} {self._version} IN {family} {self._host}\r\n{tail}".encode()


def _rtcp_address(media: SdpMedia, address: str) -> tuple[str, int]:
    """RFC 3605: a=rtcp:port [IN IP4 address]; by default the next port up."""
    port, _, rest = (media.attribute("rtcp") or "").strip().partition(" ")
    if not (port.isascii() and port.isdigit()) or not 0 < int(port[:6]) <= 65535:
        return address, min(65535, media.port + 1)
    try:
        return (_read_connection(rest) if rest else address), int(port)
    except SdpError:
        return address, int(port)
