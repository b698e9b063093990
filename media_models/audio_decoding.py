"""A recorded voice note as PCM, decoded in a child process of its own.

The bytes come from strangers, and decoders are written in C: whatever such a file does, it does to a process without
rights to much memory or time, that is thrown away. The container is told by its first bytes and only a handful of
containers are opened; playlists and the like, which name other files, are none of them.

    python -m media_models.audio_decoding 16000 300 < note.ogg > note.s16le
"""

import asyncio
import sys
from io import BytesIO

from core.errors import DeadlineExceeded, InvalidInput

RATE_HZ = 16_000
MEMORY_BYTES = 2 * 1024**3
CPU_S = 30
DEADLINE_S = 30.0
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"OggS", "ogg"),
    (4, b"ftyp", "mov"),
    (0, b"ID3", "mp3"),
    (0, b"\xff\xfb", "mp3"),
    (0, b"\xff\xf3", "mp3"),
    (0, b"\xff\xf2", "mp3"),
    (0, b"\xff\xf1", "aac"),
    (0, b"\xff\xf9", "aac"),
    (0, b"RIFF", "wav"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (0, b"#!AMR", "amr"),
    (0, b"fLaC", "flac"),
    (0, b"caff", "caf"),
)
"""Offset, bytes, FFmpeg's name of the container: what messengers' clients record."""


def container_of(audio: bytes) -> str:
    """Raises InvalidInput for what is no known recording."""
    for offset, magic, name in _MAGIC:
        if audio[offset : offset + len(magic)] == magic:
            return name
    raise InvalidInput("audio: no recording of a known kind (Ogg, MP4, MP3, AAC, WAV, WebM, AMR, FLAC)")


async def decode_audio(audio: bytes, *, most_s: float, rate_hz: int = RATE_HZ) -> bytes:
    """s16le mono at the rate, the first `most_s` seconds. Raises InvalidInput for what cannot be decoded,
    DeadlineExceeded when the machine is too slow."""
    container_of(audio)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __spec__.name, str(rate_hz), str(most_s),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(DEADLINE_S):
            pcm, _ = await child.communicate(audio)
    except TimeoutError:
        raise DeadlineExceeded("the recording was not decoded in time") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0 or not pcm:
        raise InvalidInput("audio: the recording cannot be decoded", status=child.returncode)
    return pcm


def _decode(audio: bytes, rate_hz: int, most_s: float) -> bytes:
    import av  # only the child pays for FFmpeg

    out = bytearray()
    limit = int(most_s * rate_hz) * 2
    with av.open(BytesIO(audio), "r", format=container_of(audio)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate_hz)
        for frame in container.decode(audio=0):
            for piece in resampler.resample(frame):
                out += piece.to_ndarray().tobytes()
            if len(out) >= limit:
                break
    return bytes(out[:limit])


def _main() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.buffer.write(_decode(sys.stdin.buffer.read(), int(sys.argv[1]), float(sys.argv[2])))


if __name__ == "__main__":
    _main()
