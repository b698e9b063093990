"""Speech engines alone: `python -m bench.speech`. Latency of texts and first sound, cost of the detector, memory.

Runs the engines that the product would use (a model folder may be named), in one process, on the telephone clips of
the tests.
"""

import argparse
import asyncio
import json
import platform
import resource
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from media_models.adapters.detector import GatedSileroDetector
from media_models.adapters.espeak import EspeakOptions, EspeakSynthesizer
from media_models.adapters.piper import PiperSynthesizer
from media_models.engines import build_recognizer, embedded_recognizer_folder, engine_of_folder
from media_models.ports import Recognizer, Synthesizer

CLIPS = Path(__file__).parents[1] / "tests" / "data" / "speech"
PACKAGES = ("faster-whisper", "ctranslate2", "onnxruntime", "espeakng-loader", "piper-tts", "webrtcvad-wheels", "soxr")
LINES = (
    "Здравствуйте! Салон красоты, чем могу помочь?",
    "На завтра есть время в двенадцать часов и в пятнадцать тридцать. Что вам удобнее?",
    "Да, конечно.",
    "Записываю вас на мужскую стрижку, на завтра, на двенадцать часов, к мастеру Анне. Всё верно?",
)
LONG_LINE = "и ещё одна часть этого очень длинного предложения, " * 20


def spread(values: Sequence[float], unit: str = "ms") -> str:
    return (
        f"median {np.median(values):7.2f}  p95 {np.percentile(values, 95):7.2f}  max {max(values):7.2f} {unit}"
        f"  (n {len(values)})"
    )


def from_mulaw(encoded: bytes) -> bytes:
    code = ~np.frombuffer(encoded, np.uint8).astype(np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 132) << ((code >> 4) & 7)) - 132
    return bytes(np.where(code & 0x80, -magnitude, magnitude).astype("<i2").tobytes())


def clips() -> list[tuple[str, bytes]]:
    facts = json.loads((CLIPS / "clips.json").read_text("utf-8"))
    return [(fact["text"], from_mulaw((CLIPS / "clips" / fact["file"]).read_bytes())) for fact in facts]


async def one_turn(recognizer: Recognizer, pcm: bytes, step_ms: int, partials: list[float], finals: list[float]) -> str:
    """A caller's turn as the conversation runs it: a partial every step, a final at the end."""
    stream = recognizer.open_stream(8000)
    step = step_ms * 16
    for start in range(0, len(pcm), step):
        stream.feed(pcm[start : start + step])
        begun = time.perf_counter()
        await stream.partial()
        partials.append((time.perf_counter() - begun) * 1000)
    stream.feed(bytes(320))
    begun = time.perf_counter()
    text = (await stream.final()).text
    finals.append((time.perf_counter() - begun) * 1000)
    stream.close()
    return text


async def bench_recognizer(folder: Path, step_ms: int) -> None:
    begun = time.perf_counter()
    recognizer = build_recognizer(engine_of_folder(folder), folder, folder.name)
    await recognizer.warm_up()
    print(f"\nrecogniser {recognizer.name}: ready after {(time.perf_counter() - begun) * 1000:.0f} ms")
    spoken = clips()
    audio_s = sum(len(pcm) for _, pcm in spoken) / 16000
    partials: list[float] = []
    finals: list[float] = []
    cpu = time.process_time()
    for _, pcm in spoken:
        await one_turn(recognizer, pcm, step_ms, partials, finals)
    cpu = time.process_time() - cpu
    print(f"  one call, a partial every {step_ms} ms: CPU {cpu / audio_s:.3f} s a second of speech")
    print(f"    partial  {spread(partials)}")
    print(f"    final    {spread(finals)}")
    for calls in (5, 10, 25):
        partials, finals = [], []
        begun = time.perf_counter()
        await asyncio.gather(
            *(
                paced_turn(recognizer, spoken[n % len(spoken)][1], step_ms, n / calls, partials, finals)
                for n in range(calls)
            )
        )
        print(f"  {calls} calls in real time, over {time.perf_counter() - begun:.1f} s")
        print(f"    partial  {spread(partials)}")
        print(f"    final    {spread(finals)}")
    await recognizer.close()


async def paced_turn(
    recognizer: Recognizer, pcm: bytes, step_ms: int, delay_s: float, partials: list[float], finals: list[float]
) -> None:
    """One turn whose audio arrives in real time; a partial is asked for when the last one has been answered."""
    await asyncio.sleep(delay_s)
    stream = recognizer.open_stream(8000)
    begun = time.perf_counter()
    for index, start in enumerate(range(0, len(pcm), step_ms * 16), 1):
        await asyncio.sleep(max(0.0, begun + index * step_ms / 1000 - time.perf_counter()))
        stream.feed(pcm[start : start + step_ms * 16])
        asked = time.perf_counter()
        await stream.partial()
        partials.append((time.perf_counter() - asked) * 1000)
    stream.feed(bytes(320))
    asked = time.perf_counter()
    await stream.final()
    finals.append((time.perf_counter() - asked) * 1000)
    stream.close()


async def bench_synthesizer(synthesizer: Synthesizer) -> None:
    begun = time.perf_counter()
    await synthesizer.warm_up()
    print(f"\nsynthesiser {synthesizer.name}: ready after {(time.perf_counter() - begun) * 1000:.0f} ms")
    firsts, speeds, aborts = [], [], []
    for line in LINES * 10:
        begun, first, size = time.perf_counter(), 0.0, 0
        async for piece in synthesizer.synthesize(line):
            first = first or (time.perf_counter() - begun) * 1000
            size += len(piece)
        firsts.append(first)
        speeds.append(size / (2 * synthesizer.rate_hz) / (time.perf_counter() - begun))
    for _ in range(10):
        speech = synthesizer.synthesize(LONG_LINE)
        await anext(speech)
        begun = time.perf_counter()
        await speech.aclose()  # type: ignore[attr-defined]
        await anext(synthesizer.synthesize(LINES[2]))
        aborts.append((time.perf_counter() - begun) * 1000)
    print(f"  first piece            {spread(firsts)}")
    print(f"  abort to next speech   {spread(aborts)}")
    print(f"  speed                  {np.median(speeds):.0f} times real time")
    busy = [asyncio.create_task(drain(synthesizer)) for _ in range(10)]
    await asyncio.sleep(0.2)
    firsts = []
    for _ in range(20):
        begun = time.perf_counter()
        speech = synthesizer.synthesize(LINES[2])
        await anext(speech)
        firsts.append((time.perf_counter() - begun) * 1000)
        await speech.aclose()  # type: ignore[attr-defined]
    print(f"  first piece, 10 others {spread(firsts)}")
    for task in busy:
        task.cancel()
    await asyncio.gather(*busy, return_exceptions=True)
    await synthesizer.close()


async def drain(synthesizer: Synthesizer) -> None:
    """A listener in real time."""
    while True:
        async for _ in synthesizer.synthesize(LONG_LINE):
            await asyncio.sleep(0.02)


def bench_detector() -> None:
    begun = time.perf_counter()
    detector = GatedSileroDetector()
    print(f"\ndetector {detector.name}: ready after {(time.perf_counter() - begun) * 1000:.0f} ms")
    rng = np.random.default_rng(1)
    speech = np.concatenate([np.frombuffer(pcm, "<i2") for _, pcm in clips()[:10]])
    quiet = (rng.standard_normal(len(speech)) * 6).astype("<i2")
    for name, samples in (("speech", speech), ("idle line", quiet)):
        stream = detector.open_stream(8000)
        costs = []
        cpu = time.process_time()
        for start in range(0, len(samples) // 160 * 160, 160):
            frame = samples[start : start + 160].tobytes()
            at = time.perf_counter()
            stream.feed(frame)
            costs.append((time.perf_counter() - at) * 1000)
        share = (time.process_time() - cpu) / (len(samples) / 8000)
        print(f"  {name:10s} {spread(costs)}  CPU {share * 100:.2f} % of a core")


def machine() -> str:
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = f"{len(names)} x {names[0]}" if names else model
    return f"{model}, Python {platform.python_version()}, load {Path('/proc/loadavg').read_text().split()[0]}"


async def run(arguments: argparse.Namespace) -> None:
    print(machine())
    print(", ".join(f"{package} {version(package)}" for package in PACKAGES))
    await bench_recognizer(arguments.model or embedded_recognizer_folder(), arguments.step_ms)
    if arguments.voice:
        await bench_synthesizer(PiperSynthesizer(arguments.voice))
    else:
        await bench_synthesizer(EspeakSynthesizer(EspeakOptions()))
    bench_detector()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nmemory: {peak:.0f} MB at most in this process, the synthesis workers apart")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", type=Path, help="folder of a Whisper, T-one or Vosk model; default: the embedded one"
    )
    parser.add_argument("--voice", type=Path, help="a Piper .onnx file; default: espeak-ng")
    parser.add_argument("--step-ms", type=int, default=240, help="distance of partial decodes")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
