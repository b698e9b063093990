"""A real softphone calls: baresip speaks a file into its microphone and its earpiece is recorded."""

import asyncio
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from telephony.sip.ua import SipServer
from tests.e2e.sip_bench import DialPlan, free_port, needs_baresip, running_server, until
from voice.ports import HangUpReason, HungUp

pytestmark = needs_baresip
MODULES = "/usr/lib/baresip/modules"
SECONDS = 5


@pytest.fixture
def plan() -> DialPlan:
    return DialPlan()


@pytest.fixture
async def server(plan: DialPlan) -> AsyncIterator[SipServer]:
    async with running_server(plan) as server:
        yield server


def speech(seconds: float = SECONDS) -> np.ndarray:
    """Something that, unlike a tone, fits itself only at one offset: sweeps with pauses, s16 at 8 kHz."""
    at = np.arange(int(8000 * seconds)) / 8000
    sweep = 6000 * np.sin(2 * np.pi * (300 * at + 250 * at**2))
    return (sweep * (np.sin(2 * np.pi * 1.3 * at) > -0.4)).astype(np.int16)


def write_wav(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())


def heard_in_earpiece(folder: Path) -> np.ndarray:
    """The recorder leaves the sizes of a header open when it is stopped: read what is there."""
    data = next(folder.glob("dump-*-dec.wav")).read_bytes()
    return np.frombuffer(data[44 : len(data) - len(data) % 2], "<i2")


def configure(folder: Path, codec: str, secure: bool = False) -> None:
    write_wav(folder / "microphone.wav", np.concatenate([speech(), np.zeros(8000 * 4, np.int16)]))
    (folder / "accounts").write_text(
        f"<sip:guest@127.0.0.1>;regint=0;audio_codecs={codec}{';mediaenc=srtp-mand' if secure else ''}\n"
    )
    (folder / "contacts").write_text("")
    lines = [
        f"sip_listen 127.0.0.1:{free_port()}",
        "net_interface 127.0.0.1",
        "call_max_calls 1",
        "audio_path /usr/share/baresip",
        f"audio_source aufile,{folder}/microphone.wav",
        "audio_player aubridge,nowhere",
        "audio_alert aubridge,nowhere",
        "ausrc_srate 8000",
        "auplay_srate 8000",
        "ausrc_channels 1",
        "auplay_channels 1",
        "audio_buffer 20-160",
        f"rtp_ports {free_port()}-{free_port() + 400}",
        "jitter_buffer_type fixed",
        "jitter_buffer_delay 2-10",
        f"snd_path {folder}",
        f"module_path {MODULES}",
        *(f"module {name}.so" for name in ("g711", "aufile", "aubridge", "sndfile", "srtp")),
        *(f"module_app {name}.so" for name in ("account", "contact", "menu")),
        *(("module_tmp uuid.so",) if Path(MODULES, "uuid.so").exists() else ()),
    ]
    (folder / "config").write_text("\n".join(lines) + "\n")


async def baresip(folder: Path, uri: str, seconds: int) -> str:
    process = await asyncio.create_subprocess_exec(
        *("baresip", "-f", str(folder), "-t", str(seconds), "-e", f"/dial {uri}"),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(seconds + 15):
        output, _ = await process.communicate()
    return output.decode(errors="replace")


def alike(heard: np.ndarray, said: np.ndarray) -> float:
    """The normalised correlation at the best offset: 1 for the same signal, near 0 for another."""
    size = 1 << int(np.ceil(np.log2(heard.size + said.size)))
    product = np.fft.rfft(heard.astype(float), size) * np.conj(np.fft.rfft(said.astype(float), size))
    scores = np.fft.irfft(product, size)
    offset = int(scores.argmax())
    if offset + said.size > heard.size:
        return 0.0
    part = heard[offset : offset + said.size].astype(float)
    return float(part @ said / (np.linalg.norm(part) * np.linalg.norm(said.astype(float)) + 1))


def share_heard(heard: np.ndarray, said: np.ndarray) -> float:
    """How much of what was said is found again, in pieces of 0.2 s, each at an offset of its own.

    A machine that stands still for a moment makes either jitter buffer insert or skip a packet: what follows is the
    same sound a little later, and only the piece with the gap differs.
    """
    pieces = [said[at : at + 1600] for at in range(0, said.size - 1600, 1600)]
    loud = [piece for piece in pieces if np.abs(piece).mean() > 2000]
    return sum(alike(heard, piece) > 0.95 for piece in loud) / len(loud)


@pytest.mark.parametrize(("codec", "secure"), [("PCMA/8000/1", False), ("PCMU/8000/1", False), ("PCMA/8000/1", True)])
async def test_a_softphone_hears_its_own_echo(
    server: SipServer, plan: DialPlan, tmp_path: Path, codec: str, secure: bool
) -> None:
    configure(tmp_path, codec, secure)
    log = await baresip(tmp_path, f"sip:echo@127.0.0.1:{server.port}", SECONDS + 3)
    assert ("SRTP is Enabled" in log) is secure, log
    earpiece = heard_in_earpiece(tmp_path)
    middle = speech()[8000 : 8000 * (SECONDS - 1)]
    # What reached us, and what came back to the earpiece, is what was said into the microphone.
    assert share_heard(np.frombuffer(plan.heard("echo"), "<i2"), middle) > 0.7, log
    assert share_heard(earpiece, middle) > 0.7, log
    await until(lambda: server.calls == 0)
    assert plan.hung_up("echo") == HungUp(HangUpReason.CALLER)


async def test_a_softphone_is_told_that_the_line_is_busy(server: SipServer, tmp_path: Path) -> None:
    configure(tmp_path, "PCMA/8000/1")
    log = await baresip(tmp_path, f"sip:busy@127.0.0.1:{server.port}", 3)
    assert "486 Busy Here" in log
    assert server.calls == 0
