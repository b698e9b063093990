"""Secure RTP (RFC 3711) with keys from SDP (RFC 4568), by libsrtp."""

import base64
import binascii
import secrets
from dataclasses import dataclass, field

from pylibsrtp import Error, Policy, Session

MASTER_BYTES = 30
"""128 bit master key and 112 bit salt."""
SUITES = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")


def new_master() -> bytes:
    return secrets.token_bytes(MASTER_BYTES)


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """What both sides of one stream agreed on. Keys never appear in logs."""

    suite: str
    local: bytes = field(repr=False)
    remote: bytes = field(repr=False)


class SrtpContext:
    """Both directions of one call. A packet that is not authentic, or was seen before, reads as None."""

    def __init__(self, keys: SrtpKeys) -> None:
        profile = (
            Policy.SRTP_PROFILE_AES128_CM_SHA1_80
            if keys.suite == "AES_CM_128_HMAC_SHA1_80"
            else Policy.SRTP_PROFILE_AES128_CM_SHA1_32
        )
        self._out = Session(Policy(keys.local, Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile))
        self._in = Session(Policy(keys.remote, Policy.SSRC_ANY_INBOUND, srtp_profile=profile))

    def protect(self, packet: bytes) -> bytes:
        return self._out.protect(packet)

    def protect_rtcp(self, packet: bytes) -> bytes:
        return self._out.protect_rtcp(packet)

    def unprotect(self, packet: bytes) -> bytes | None:
        try:
            return self._in.unprotect(packet)
        except (Error, TypeError):
            return None

    def unprotect_rtcp(self, packet: bytes) -> bytes | None:
        try:
            return self._in.unprotect_rtcp(packet)
        except (Error, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class CryptoLine:
    """One a=crypto attribute that can be used."""

    tag: str
    suite: str
    master: bytes = field(repr=False)


def read_crypto(value: str) -> CryptoLine | None:
    """None for an unknown suite, a key of the wrong length, several keys, an MKI, or session parameters: each would
    change the packets in a way that is not done here (RFC 4568 section 6)."""
    fields = value.split()
    if len(fields) != 3 or fields[1] not in SUITES or not (fields[0].isascii() and fields[0].isdigit()):
        return None
    method, _, info = fields[2].partition(":")
    key, *limits = info.split("|")
    if method.lower() != "inline" or any(":" in limit for limit in limits):
        return None
    try:
        master = base64.b64decode(key + "=" * (-len(key) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return CryptoLine(fields[0], fields[1], master) if len(master) == MASTER_BYTES else None


def write_crypto(tag: str, suite: str, master: bytes) -> str:
    return f"a=crypto:{tag} {suite} inline:{base64.b64encode(master).decode()}"
