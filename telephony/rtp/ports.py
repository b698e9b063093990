"""UDP ports for media: random, in pairs (RTP even, RTCP odd: RFC 3550 section 11), and quarantined after a call.

A port stays unused for QUARANTINE_S after its call, so that packets still under way for one salon's caller can never
reach the next call on that port.
"""

import asyncio
import random
import socket
from collections import deque
from collections.abc import Callable

from core.errors import Unavailable

QUARANTINE_S = 30.0
DEFAULT_RANGE = (20_000, 29_998)
_ATTEMPTS = 64
_DSCP_EF = 46 << 2
"""Expedited forwarding (RFC 3246), in the upper six bits of the TOS byte."""
_RECEIVE_BUFFER_BYTES = 64 * 1024
"""Over a second of G.711 with the kernel's bookkeeping."""


class PortPool:
    """Binds pairs of sockets. One for each process; two processes need disjoint ranges only for tidiness, since a port
    that is taken is simply tried no more."""

    def __init__(self, host: str, port_range: tuple[int, int] = DEFAULT_RANGE, seed: int | None = None) -> None:
        self.host = host
        low, high = port_range
        self._pairs = range(low + low % 2, high - 1 + 1, 2)
        if not self._pairs:
            raise ValueError(f"the RTP port range {low} to {high} holds no even/odd pair: widen it")
        self._random = random.Random(seed) if seed is not None else random.SystemRandom()  # noqa: S311
        self._in_use: set[int] = set()
        self._quarantine: deque[tuple[float, int]] = deque()

    def bind(self, now_s: float) -> tuple[socket.socket, socket.socket, int]:
        """The RTP and RTCP sockets and the RTP port; Unavailable when the range is exhausted."""
        self._end_quarantine(now_s)
        for _ in range(_ATTEMPTS):
            port = self._random.choice(self._pairs)
            if port in self._in_use:
                continue
            try:
                rtp = _bind(self.host, port)
            except OSError:
                continue
            try:
                rtcp = _bind(self.host, port + 1)
            except OSError:
                rtp.close()
                continue
            self._in_use.add(port)
            return rtp, rtcp, port
        raise Unavailable("no free pair of RTP ports: widen the RTP port range", in_use=len(self._in_use))

    def release(self, port: int, now_s: float) -> None:
        self._quarantine.append((now_s + QUARANTINE_S, port))

    def _end_quarantine(self, now_s: float) -> None:
        while self._quarantine and self._quarantine[0][0] <= now_s:
            self._in_use.discard(self._quarantine.popleft()[1])


def _bind(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _DSCP_EF)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


async def datagram_endpoint(
    sock: socket.socket, receive: Callable[[bytes, tuple[str, int]], None]
) -> asyncio.DatagramTransport:
    """A transport that hands every datagram to receive(data, source); errors of single sends are ignored, since the
    no-media timer and the transaction timers notice a dead peer."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Receiver(receive), sock=sock)
    return transport


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes, tuple[str, int]], None]) -> None:
        # The callback itself takes the place of the method: one Python call less for every packet.
        self.datagram_received = receive  # type: ignore[method-assign,assignment]

    def error_received(self, exc: Exception) -> None:
        pass
