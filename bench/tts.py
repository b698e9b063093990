"""Voices alone: `python -m bench.tts`. First sound, speed, abort, level, clicks, the phrase cache; 1 and 10 at once.

espeak-ng as the product runs it, and a Piper voice: the given one (--voice FILE.onnx), else one without weights, made
here: the real PiperVoice, phonemiser and ONNX session run, and only the network is a table. --wer also lets the
embedded recogniser hear sixty lines of the agent.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import aclosing
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.speech import LINES, machine, spread
from bench.tts_lines import AGENT_LINES, click_score, heard
from media_models.adapters.espeak import EspeakOptions, EspeakSynthesizer
from media_models.adapters.faster_whisper import FasterWhisperRecognizer
from media_models.adapters.piper import PiperOptions, PiperSynthesizer
from media_models.engines import embedded_recognizer_folder
from media_models.loudness import active_dbfs
from media_models.phrase_cache import CachedSynthesizer
from media_models.ports import Synthesizer

LONG = "и ещё одна часть этого очень длинного предложения, " * 20
ABORT_BAR_MS = 60.0
FIRST_BAR_MS = 20.0
LEVEL_BAR_DB = 2.0


async def whole(voice: Synthesizer, text: str) -> bytes:
    return b"".join([piece async for piece in voice.synthesize(text)])


def floats(pcm: bytes) -> NDArray[np.float32]:
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)


async def first_ms(voice: Synthesizer, text: str, drain: bool = True) -> tuple[float, float]:
    """Milliseconds to the first piece, and the real-time factor of the whole."""
    begun, first, size = time.perf_counter(), 0.0, 0
    async with aclosing(voice.synthesize(text)) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            first = first or (time.perf_counter() - begun) * 1000
            size += len(piece)
            if not drain:
                break
    return first, (time.perf_counter() - begun) / (size / (2 * voice.rate_hz))


async def abort_ms(voice: Synthesizer) -> float:
    """From closing one sentence to the first sound of the next through the same single worker: the engine was free."""
    pieces = voice.synthesize(LONG)
    await anext(pieces)
    begun = time.perf_counter()
    await pieces.aclose()  # type: ignore[attr-defined]
    await first_ms(voice, "Да.", drain=False)
    return (time.perf_counter() - begun) * 1000


async def listener(voice: Synthesizer, firsts: list[float], late: list[float], rounds: int) -> None:
    """Hears lines in real time; notes first sounds and by how much pieces came after they were due."""
    for number in range(rounds):
        begun = time.perf_counter()
        started, due = 0.0, 0.0
        async with aclosing(voice.synthesize(LINES[number % len(LINES)])) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                now = time.perf_counter()
                if not started:
                    started = due = now
                    firsts.append((now - begun) * 1000)
                late.append(max(0.0, (now - due) * 1000))
                due += len(piece) / (2 * voice.rate_hz)
                await asyncio.sleep(max(0.0, due - 0.3 - time.perf_counter()))


async def bench(name: str, voice: Synthesizer, single: Synthesizer) -> list[str]:
    """Prints one voice; gives the bars that it misses."""
    begun = time.perf_counter()
    await voice.warm_up()
    await single.warm_up()
    print(f"\n{name}: {voice.name}, {voice.rate_hz} Hz, ready after {(time.perf_counter() - begun) * 1000:.0f} ms")
    made = [await first_ms(voice, line) for line in LINES * 10]
    firsts, factors = [first for first, _ in made], [factor for _, factor in made]
    print(f"  first piece, 1 stream    {spread(firsts)}")
    print(f"  real-time factor         median {np.median(factors):.4f}  p95 {np.percentile(factors, 95):.4f}")
    aborts = [await abort_ms(single) for _ in range(20)]
    print(f"  abort to next sound      {spread(aborts)}")
    ten: list[float] = []
    late: list[float] = []
    await asyncio.gather(*(listener(voice, ten, late, 3) for _ in range(10)))
    print(f"  first piece, 10 streams  {spread(ten)}")
    print(f"  pieces late, 10 streams  {sum(value > 20 for value in late)} of {len(late)} by more than 20 ms")
    sounds = [floats(await whole(voice, line)) for line in AGENT_LINES[:30]]
    levels = [active_dbfs(sound, voice.rate_hz) for sound in sounds]
    print(
        f"  level                    median {np.median(levels):.1f} dBFS, from {min(levels):.1f} to {max(levels):.1f}"
    )
    scores = [click_score(sound, voice.rate_hz) for sound in sounds]
    print(
        f"  click score              median {np.median(scores):.2f}  max {max(scores):.2f}  (1: no border stands out)"
    )
    missed = []
    if np.percentile(aborts, 95) > ABORT_BAR_MS:
        missed.append(f"{name}: abort p95 above {ABORT_BAR_MS:.0f} ms")
    if name == "espeak" and np.median(firsts) > FIRST_BAR_MS:
        missed.append(f"{name}: first piece above {FIRST_BAR_MS:.0f} ms")
    if abs(np.median(levels) + 20) > LEVEL_BAR_DB:
        missed.append(f"{name}: level off -20 dBFS by more than {LEVEL_BAR_DB:.0f} dB")
    if max(scores) > 2:
        missed.append(f"{name}: a border of pieces can be heard")
    return missed


async def bench_cache(voice: Synthesizer) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cached = CachedSynthesizer(voice, Path(folder))
        await cached.prepare(LINES)
        memory = [await first_ms(cached, line) for line in LINES * 10]
        cold = [await first_ms(CachedSynthesizer(voice, Path(folder)), line) for line in LINES * 5]
        print(f"\n  phrase cache, memory     {spread([first for first, _ in memory])}")
        print(f"  phrase cache, disk       {spread([first for first, _ in cold])}")


async def bench_words(voice: Synthesizer) -> None:
    recognizer = FasterWhisperRecognizer(embedded_recognizer_folder())
    results = [await heard(recognizer, line, await whole(voice, line), voice.rate_hz) for line in AGENT_LINES]
    await recognizer.close()
    wrong, total = sum(result.wrong for result in results), sum(result.words for result in results)
    exact = sum(result.wrong == 0 for result in results)
    print(f"\n  re-recognised: {len(results)} lines, WER {100 * wrong / total:.1f} %, {exact} without an error")
    for result in sorted(results, key=lambda one: -one.wrong)[:5]:
        print(f"    {result.wrong}  «{result.said}»  heard «{result.text}»")


async def run(arguments: argparse.Namespace) -> int:
    print(machine())
    print(", ".join(f"{name} {version(name)}" for name in ("espeakng-loader", "piper-tts", "onnxruntime", "soxr")))
    espeak = EspeakSynthesizer(EspeakOptions(rate_hz=arguments.rate))
    missed = await bench("espeak", espeak, one := EspeakSynthesizer(EspeakOptions(rate_hz=arguments.rate, workers=1)))
    await bench_cache(espeak)
    if arguments.wer:
        await bench_words(espeak)
    await espeak.close()
    await one.close()
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.voice or _table_voice(Path(folder))
        options = PiperOptions(rate_hz=arguments.rate)
        piper = PiperSynthesizer(model, options)
        missed += await bench("piper", piper, piper)
        await piper.close()
    for bar in missed:
        print(f"missed: {bar}")
    return 1 if missed else 0


def _table_voice(folder: Path) -> Path:
    from tests.integration.test_media_models_piper import write_voice  # a voice without weights, for tests

    return write_voice(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voice", type=Path, help="a Piper .onnx file; default: a voice without weights")
    parser.add_argument("--rate", type=int, default=8000, help="Hz")
    parser.add_argument("--wer", action="store_true", help="let the embedded recogniser hear sixty lines")
    return asyncio.run(run(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
