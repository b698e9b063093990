"""baresip, a real softphone, without a sound card: speaks a WAV file into a call, keeps what its earpiece got."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.e2e.hearing import Pcm, write_wav
from tests.e2e.sip_bench import free_port

MODULES = "/usr/lib/baresip/modules"


@dataclass(frozen=True, slots=True)
class SoftphoneCall:
    log: str
    microphone: Pcm
    """What was sent, from the start of the audio."""
    earpiece: Pcm
    """What was heard, from the start of the audio."""


async def call(folder: Path, uri: str, microphone: Pcm, *, user: str, seconds: float) -> SoftphoneCall:
    """Dials, speaks, hangs up after so many seconds."""
    _configure(folder, user, microphone)
    process = await asyncio.create_subprocess_exec(
        *("baresip", "-f", str(folder), "-t", str(round(seconds)), "-e", f"/dial {uri}"),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(seconds + 15):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    log = output.decode(errors="replace")
    return SoftphoneCall(log, _dump(folder, "enc", log), _dump(folder, "dec", log))


def _dump(folder: Path, side: str, log: str) -> Pcm:
    """The sizes in the header are left open when the recorder is stopped: what is there is read."""
    path = next(folder.glob(f"dump-*-{side}.wav"), None)
    assert path is not None, f"no audio flowed\n{log}"
    data = path.read_bytes()
    return np.frombuffer(data[44 : len(data) - len(data) % 2], "<i2")


def _configure(folder: Path, user: str, microphone: Pcm) -> None:
    write_wav(folder / "microphone.wav", microphone)
    (folder / "accounts").write_text(f"<sip:{user}@127.0.0.1>;regint=0;audio_codecs=PCMA/8000/1\n")
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
        *(f"module {name}.so" for name in ("g711", "aufile", "aubridge", "sndfile")),
        *(f"module_app {name}.so" for name in ("account", "contact", "menu")),
        *(("module_tmp uuid.so",) if Path(MODULES, "uuid.so").exists() else ()),
    ]
    (folder / "config").write_text("\n".join(lines) + "\n")
