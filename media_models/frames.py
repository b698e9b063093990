"""The framing of the pipes between the product and its worker processes, the same for every kind of worker.

A frame is kind (1 byte), request (4), payload length (4), payload; little endian. What the kinds mean is the business
of each protocol: its own IntEnum.
"""

import asyncio
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

HEADER = struct.Struct("<BII")
LONGEST_PAYLOAD = 1 << 20


@dataclass(frozen=True, slots=True)
class Frame:
    kind: int
    request: int
    payload: bytes = b""

    def encode(self) -> bytes:
        return HEADER.pack(self.kind, self.request, len(self.payload)) + self.payload

    def content(self) -> Any:
        """The payload as JSON."""
        return json.loads(self.payload)


def json_payload(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def json_frame(kind: int, request: int, content: Mapping[str, Any]) -> Frame:
    return Frame(kind, request, json_payload(content))


def decode_header(header: bytes) -> tuple[int, int, int]:
    """Kind, request and payload length. ValueError: the other side does not speak this protocol."""
    kind, request, length = HEADER.unpack(header)
    if length > LONGEST_PAYLOAD:
        raise ValueError(f"payload of {length} bytes")
    return kind, request, length


async def read_frame(stream: asyncio.StreamReader) -> Frame:
    """IncompleteReadError: the other side is gone. ValueError: it does not speak this protocol."""
    kind, request, length = decode_header(await stream.readexactly(HEADER.size))
    return Frame(kind, request, await stream.readexactly(length) if length else b"")


def read_frame_blocking(stream: BinaryIO) -> Frame | None:
    """For the worker's own reading thread. None: the other side is gone."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    kind, request, length = decode_header(header)
    payload = stream.read(length) if length else b""
    return Frame(kind, request, payload) if len(payload) == length else None
