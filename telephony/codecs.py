"""G.711 (ITU-T G.711) by lookup tables: one numpy gather a frame, no audioop (removed in Python 3.13)."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

RATE_HZ = 8000
FRAME_SAMPLES = 160
"""20 ms at 8 kHz; one G.711 byte a sample."""
FRAME_BYTES = 2 * FRAME_SAMPLES
"""One 20 ms frame of s16le mono."""
SILENCE = bytes(FRAME_BYTES)


@dataclass(frozen=True, slots=True, eq=False)
class G711:
    """One of the two laws. Payload: one byte a sample. PCM: s16le mono at 8 kHz."""

    name: str
    """Encoding name of RFC 3551: PCMA or PCMU."""
    static_payload_type: int
    """RFC 3551 table 4; what we offer. In an answer the offer's own number is used."""
    decode_table: npt.NDArray[np.int16]
    """Shape (256,): code word to sample."""
    encode_table: npt.NDArray[np.uint8]
    """Shape (65536,): sample, read as unsigned 16 bit, to code word."""
    silence: bytes
    """160 code words of digital silence."""

    def decode(self, payload: bytes) -> bytes:
        pcm: bytes = self.decode_table[np.frombuffer(payload, np.uint8)].tobytes()
        return pcm

    def encode(self, pcm: bytes) -> bytes:
        """pcm: s16le of an even number of bytes, otherwise ValueError."""
        payload: bytes = self.encode_table[np.frombuffer(pcm, "<u2")].tobytes()
        return payload


@cache
def pcma() -> G711:
    decode = _alaw_decode_table()
    encode = _nearest_codes(decode, _codes_by_value(decode))
    return G711("PCMA", 8, decode, encode, encode[np.zeros(FRAME_SAMPLES, np.int64)].tobytes())


@cache
def pcmu() -> G711:
    decode = _ulaw_decode_table()
    encode = _nearest_codes(decode, _codes_by_value(decode))
    return G711("PCMU", 0, decode, encode, encode[np.zeros(FRAME_SAMPLES, np.int64)].tobytes())


def g711_codecs() -> tuple[G711, ...]:
    """In the order of preference of European trunks."""
    return (pcma(), pcmu())


def _alaw_decode_table() -> npt.NDArray[np.int16]:
    """G.711 table 1: even bits inverted, 3 bit segment, 4 bit step; 13 bit values left-justified to 16."""
    code = np.arange(256) ^ 0x55
    segment, step = (code >> 4) & 7, code & 15
    magnitude = np.where(segment == 0, (step << 4) + 8, ((step << 4) + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _ulaw_decode_table() -> npt.NDArray[np.int16]:
    """G.711 table 2: all bits inverted, bias 33 (132 in 16 bit)."""
    code = ~np.arange(256) & 0xFF
    segment, step = (code >> 4) & 7, code & 15
    magnitude = (((step << 3) + 0x84) << segment) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _codes_by_value(decode: npt.NDArray[np.int16]) -> npt.NDArray[np.int64]:
    """Code words in rising order of their sample value; of two zeros of mu-law the positive one (0xFF) is kept last."""
    return np.lexsort((np.arange(256), decode)).astype(np.int64)


def _nearest_codes(decode: npt.NDArray[np.int16], order: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """For each of the 65,536 samples the code word whose value is nearest; decision values are the mid-points."""
    values = decode[order].astype(np.int32)
    samples = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    upper = np.clip(np.searchsorted(values, samples, side="right"), 1, 255)
    lower = upper - 1
    above, below = values[upper] - samples, samples - values[lower]
    # A tie goes away from zero; so the silence of A-law, which has no zero, is its positive smallest value (0xD5).
    take_upper = np.where(samples >= 0, above <= below, above < below)
    return order[np.where(take_upper, upper, lower)].astype(np.uint8)
