"""What the SIP end-to-end tests share: a server with a dial plan, SIPp as caller and called side, tones."""

import asyncio
import contextlib
import itertools
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from telephony.codecs import pcma
from telephony.sip.leg import SipCallLeg
from telephony.sip.message import SipResponse, read_message
from telephony.sip.ua import SipServer
from telephony.sip.uas import Admission, Answer, Refuse
from voice.ports import AudioIn, CallInfo, CallLeg, Dtmf, HungUp, LegEvent

SCENARIOS = Path(__file__).parent / "sipp"
TONE_HZ = 440

needs_sipp = pytest.mark.skipif(
    shutil.which("sipp") is None, reason="sipp is not installed: make system-packages (Debian package sip-tester)"
)
needs_baresip = pytest.mark.skipif(
    shutil.which("baresip") is None, reason="baresip is not installed: make system-packages (Debian: baresip-core)"
)


def tone(seconds: float, hz: float = TONE_HZ, amplitude: float = 8000) -> bytes:
    """s16le at 8 kHz."""
    at = np.arange(int(8000 * seconds))
    return (amplitude * np.sin(2 * np.pi * hz * at / 8000)).astype("<i2").tobytes()


def tone_share(pcm: bytes, hz: float = TONE_HZ) -> float:
    """How much of the energy lies within 20 Hz of hz, 0 to 1."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    if not samples.size or not samples.any():
        return 0.0
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    at = np.fft.rfftfreq(samples.size, 1 / 8000)
    return float(spectrum[np.abs(at - hz) < 20].sum() / spectrum.sum())


class DialPlan:
    """The called user chooses what happens; what was heard is kept by called user."""

    def __init__(self) -> None:
        self.events: dict[str, list[LegEvent]] = {}
        self.infos: list[CallInfo] = []
        self.legs: list[CallLeg] = []

    def admit(self, info: CallInfo) -> Admission:
        self.infos.append(info)
        return {
            "busy": Refuse(486),
            "decline": Refuse(603),
            "ring": Answer(ring_s=10),
            "early": Answer(ring_s=0.3, early_media=True),
        }.get(info.called, Answer())

    async def __call__(self, leg: CallLeg) -> None:
        self.legs.append(leg)
        events = self.events.setdefault(leg.info.called, [])
        act: Callable[[CallLeg], Awaitable[None]] | None = {"bye": self._bye, "refer": self._refer}.get(leg.info.called)
        if act is not None:
            await act(leg)
        async for event in leg.events():
            events.append(event)
            if isinstance(event, AudioIn) and leg.info.called != "bye":
                leg.play(event.pcm)

    async def _bye(self, leg: CallLeg) -> None:
        leg.play(tone(0.3))
        leg.hang_up()

    async def _refer(self, leg: CallLeg) -> None:
        leg.play(tone(0.1))
        leg.transfer("+74950000000")

    def heard(self, called: str) -> bytes:
        return b"".join(event.pcm for event in self.events.get(called, []) if isinstance(event, AudioIn))

    def digits(self, called: str) -> str:
        return "".join(event.digit for event in self.events.get(called, []) if isinstance(event, Dtmf))

    def hung_up(self, called: str) -> HungUp | None:
        return next((event for event in self.events.get(called, []) if isinstance(event, HungUp)), None)

    @property
    def sip_legs(self) -> list[SipCallLeg]:
        return [leg for leg in self.legs if isinstance(leg, SipCallLeg)]


@contextlib.asynccontextmanager
async def running_server(plan: DialPlan, **options: object) -> AsyncIterator[SipServer]:
    server = SipServer("127.0.0.1", 0, plan, admission=plan.admit, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


_ports = itertools.count(0)


def free_port() -> int:
    """A UDP port of our own for a peer, each time another one: late repeats of an old call must not meet a new one."""
    while True:
        port = 42_000 + (next(_ports) * 7 + socket.gethostname().__hash__() % 4000) % 12_000
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def write_tone_file(folder: Path, seconds: float = 10) -> None:
    """What the scenarios send: headerless A-law."""
    (folder / "audio.al").write_bytes(pcma().encode(tone(seconds)))
    for digit in "15":
        source = Path(f"/usr/share/sip-tester/dtmf_2833_{digit}.pcap")
        if source.exists():
            shutil.copy(source, folder / source.name)


async def sipp(
    scenario: str, folder: Path, *arguments: str, port: int = 0, calls: int = 1, timeout_s: int = 20
) -> tuple[int, str]:
    """Runs a scenario; (exit status, messages of the run). Status 0: every message came as the scenario says."""
    write_tone_file(folder)
    process = await asyncio.create_subprocess_exec(
        *("sipp", "-sf", str(SCENARIOS / f"{scenario}.xml"), "-m", str(calls), "-i", "127.0.0.1"),
        *(
            "-p",
            str(port or free_port()),
            "-mp",
            str(free_port()),
            "-nostdin",
            "-timeout",
            f"{timeout_s}s",
            "-timeout_error",
        ),
        *("-trace_err", "-error_file", "errors.log", "-trace_msg", "-message_file", "messages.log"),
        *arguments,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout_s + 10):
            _, errors = await process.communicate()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    log = errors.decode(errors="replace")
    for name in ("errors.log", "messages.log"):
        path = folder / name
        if path.exists():
            log += path.read_text(errors="replace")[-6000:]
    return process.returncode or 0, log


async def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Waits for something that another socket brings about."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - the other side is a process, it sets no event
            await asyncio.sleep(0.02)


class RawPeer:
    """A UDP socket that speaks SIP by hand."""

    def __init__(self, server: SipServer) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.to = ("127.0.0.1", server.port)

    def request(
        self,
        method: str,
        *,
        branch: str = "z9hG4bK-1",
        cseq: int = 1,
        to_tag: str = "",
        extra: str = "",
        body: str = "",
    ) -> bytes:
        tag = f";tag={to_tag}" if to_tag else ""
        content = "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"{method} sip:echo@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{self.port};branch={branch}\r\n"
            f"From: <sip:raw@127.0.0.1>;tag=raw\r\nTo: <sip:echo@127.0.0.1>{tag}\r\nCall-ID: raw-{self.port}\r\n"
            f"CSeq: {cseq} {method}\r\nContact: <sip:raw@127.0.0.1:{self.port}>\r\nMax-Forwards: 70\r\n{extra}{content}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def sdp(self, port: int = 45_000) -> str:
        return f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, self.to)

    async def receive(self, wait_s: float) -> list[SipResponse]:
        """All responses that come within wait_s."""
        return [message for message in await self.receive_all(wait_s) if isinstance(message, SipResponse)]

    async def receive_all(self, wait_s: float) -> list[object]:
        loop = asyncio.get_running_loop()
        found: list[object] = []
        try:
            async with asyncio.timeout(wait_s):
                while True:
                    found.append(read_message(await loop.sock_recv(self.socket, 65_535)))
        except TimeoutError:
            return found

    def close(self) -> None:
        self.socket.close()

    @staticmethod
    def bind_pair() -> tuple[socket.socket, socket.socket]:
        """An even port for RTP and the next one for RTCP."""
        while True:
            rtp, rtcp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
            port = free_port() & ~1
            try:
                rtp.bind(("127.0.0.1", port))
                rtcp.bind(("127.0.0.1", port + 1))
            except OSError:
                rtp.close()
                rtcp.close()
                continue
            rtp.setblocking(False)
            rtcp.setblocking(False)
            return rtp, rtcp
