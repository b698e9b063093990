"""Words as a recorded voice message: spoken by espeak-ng, packed as Ogg/Opus at 48 kHz mono, as messengers do."""

import io

import av
import numpy as np

from media_models.adapters.espeak import EspeakOptions, EspeakSynthesizer

RATE_HZ = 48_000


async def spoken(text: str, language: str = "ru") -> bytes:
    """An Ogg/Opus file with a little silence around the words."""
    voice = EspeakSynthesizer(EspeakOptions(rate_hz=RATE_HZ, workers=1))
    try:
        pcm = b"".join([piece async for piece in voice.synthesize(text, language)])
    finally:
        await voice.close()
    quiet = bytes(RATE_HZ // 2)
    return packed(quiet + pcm + quiet)


def packed(pcm: bytes, rate_hz: int = RATE_HZ) -> bytes:
    """s16le mono into Ogg/Opus."""
    samples = np.frombuffer(pcm, np.int16)
    target = io.BytesIO()
    with av.open(target, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=rate_hz, layout="mono")
        for start in range(0, len(samples), rate_hz // 50):
            block = samples[start : start + rate_hz // 50]
            frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate, frame.pts = rate_hz, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target.getvalue()
