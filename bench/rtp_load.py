"""Callers for bench/media_legs.py, in a process of their own: raw SIP and RTP, arrival times by the kernel's order.

Prints one JSON line: how many calls were answered, packets sent and received, jitter of what came back.
"""

import json
import select
import socket
import sys
import time
from dataclasses import dataclass, field

import numpy as np

from telephony.codecs import pcma
from telephony.rtp.packet import read_rtp, write_rtp

PERIOD_S = 0.02


@dataclass(slots=True)
class Caller:
    number: int
    sip: socket.socket
    rtp: socket.socket
    to: tuple[str, int] | None = None
    tag: str = ""
    sent: int = 0
    arrivals: list[float] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)

    def request(self, method: str, cseq: int, body: str = "") -> bytes:
        tag = f";tag={self.tag}" if self.tag else ""
        content = "Content-Type: application/sdp\r\n" if body else ""
        port = self.sip.getsockname()[1]
        return (
            f"{method} sip:echo@127.0.0.1 SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-{self.number}-{cseq}-{method}\r\n"
            f"From: <sip:load@127.0.0.1>;tag=load{self.number}\r\nTo: <sip:echo@127.0.0.1>{tag}\r\n"
            f"Call-ID: load-{self.number}-{port}\r\nCSeq: {cseq} {method}\r\n"
            f"Contact: <sip:load@127.0.0.1:{port}>\r\nMax-Forwards: 70\r\n"
            f"{content}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


def bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


def place(number: int, server: tuple[str, int]) -> Caller:
    caller = Caller(number, bound(), bound())
    caller.sip.settimeout(5)
    port = caller.rtp.getsockname()[1]
    sdp = f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"
    caller.sip.sendto(caller.request("INVITE", 1, sdp), server)
    while True:
        text = caller.sip.recv(65_535).decode()
        if text.startswith("SIP/2.0 200"):
            break
    caller.tag = text.split("\r\nTo: ")[1].split(";tag=")[1].split("\r\n")[0]
    caller.to = ("127.0.0.1", int(text.split("m=audio ")[1].split(" ")[0]))
    caller.sip.sendto(caller.request("ACK", 1), server)
    caller.rtp.setblocking(False)
    return caller


def run(server: tuple[str, int], calls: int, seconds: float) -> dict[str, float]:
    callers = [place(number, server) for number in range(calls)]
    poller = select.epoll()
    by_fd = {caller.rtp.fileno(): caller for caller in callers}
    for fd in by_fd:
        poller.register(fd, select.EPOLLIN)
    at = np.arange(160)
    payload = pcma().encode((6000 * np.sin(2 * np.pi * 400 * at / 8000)).astype("<i2").tobytes())
    start = time.monotonic()
    tick = 0
    while time.monotonic() - start < seconds:
        for caller in callers:
            assert caller.to is not None
            caller.rtp.sendto(write_rtp(8, tick == 0, tick & 0xFFFF, 160 * tick, caller.number, payload), caller.to)
            caller.sent += 1
        tick += 1
        deadline = start + tick * PERIOD_S
        while (rest := deadline - time.monotonic()) > 0:
            for fd, _ in poller.poll(rest):
                receive(by_fd[fd])
    for caller in callers:
        caller.sip.sendto(caller.request("BYE", 2), server)
    return summary(callers)


def receive(caller: Caller) -> None:
    while True:
        try:
            packet = read_rtp(caller.rtp.recv(2000))
        except BlockingIOError:
            return
        # RTCP for a neighbour, whose port is one below, is no audio.
        if packet is not None and packet.payload_type == 8:
            caller.arrivals.append(time.monotonic())
            caller.sequences.append(packet.sequence)


def summary(callers: list[Caller]) -> dict[str, float]:
    gaps = np.concatenate([np.diff(caller.arrivals[50:]) for caller in callers]) * 1000
    lost = 0
    for caller in callers:
        steps = ((np.diff(np.array(caller.sequences)) + 0x8000) & 0xFFFF) - 0x8000
        position = np.concatenate([[0], np.cumsum(steps)])
        lost += int(position.max() - position.min()) + 1 - len(set(position.tolist()))
    jitter = np.abs(gaps - 20)
    return {
        "calls": len(callers),
        "sent": sum(caller.sent for caller in callers),
        "received": sum(len(caller.arrivals) for caller in callers),
        "lost": lost,
        "jitter_p50_ms": round(float(np.percentile(jitter, 50)), 2),
        "jitter_p99_ms": round(float(np.percentile(jitter, 99)), 2),
        "gap_max_ms": round(float(gaps.max()), 1),
    }


if __name__ == "__main__":
    print(json.dumps(run(("127.0.0.1", int(sys.argv[1])), int(sys.argv[2]), float(sys.argv[3]))))
