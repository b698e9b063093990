"""Streaming recognition under many calls: `python -m bench.streaming_stt [--calls 1 10 25] [--model FOLDER]`.

Turns arrive in real time, 20 ms at a time, as in a call; a partial is asked for every 240 ms while the caller speaks
and a final 120 ms after the last sound, as the conversation does. Printed for each number of calls: latency of partials
and finals, CPU of the worker and of the media process a second of speech, when the first word was committed, how many
words were, how many of these the final text changed, and how late a 20 ms clock beside it ran.
"""

import argparse
import asyncio
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rapidfuzz.distance import LCSseq

from bench.speech import clips, machine, spread
from bench.telephone import Call, callers
from media_models.adapters.faster_whisper import FasterWhisperRecognizer
from media_models.engines import embedded_recognizer_folder

STEP_MS = 240
HUSH_MS = 120
FRAME_MS = 20
QUIET_SHARE = 0.05
"""Of a clip's loudest 20 ms: below it the caller is silent."""
FREE = """
здравствуйте хочу записаться на ламинирование ресниц можно в четверг часика в три
а у вас есть что нибудь на сегодня после работы ну часов в семь
слушайте мне бы к светлане но чтобы не очень поздно
девушка а сколько будет стоить покрасить длинные волосы
я записана на завтра на двенадцать хочу перенести на пятницу
можно мне с дочкой прийти ей пять лет надо подровнять челку
а вот подскажите вы карты принимаете или только наличные
мне нужно снять старое покрытие и сделать новое
нет в это время я не могу давайте попозже
мой номер девятьсот двадцать шесть триста сорок два ноль пять одиннадцать
здравствуйте это по поводу вчерашней стрижки я хотела бы поговорить с администратором
а кто из мастеров лучше делает сложное окрашивание
давайте в субботу утром часов в десять или половина одиннадцатого
ой извините я наверное опоздаю минут на двадцать
хочу подарить маме сертификат на массаж лица как это сделать
""".strip().splitlines()


@dataclass(slots=True)
class Figures:
    partial_ms: list[float] = field(default_factory=list)
    final_ms: list[float] = field(default_factory=list)
    first_word_ms: list[float] = field(default_factory=list)
    committed: int = 0
    changed: int = 0
    words: int = 0
    speech_s: float = 0.0
    late_ms: list[float] = field(default_factory=list)


def stored() -> list[Call]:
    """The clips of the tests, with their speech found by level."""
    found = []
    for text, pcm in clips():
        frames = np.frombuffer(pcm, "<i2")[: len(pcm) // 320 * 160].reshape(-1, 160).astype(float)
        levels = np.sqrt((frames**2).mean(axis=1))
        loud = np.flatnonzero(levels > QUIET_SHARE * levels.max())
        found.append(Call(text, pcm, int(loud[0]) * FRAME_MS, int(loud[-1] + 1) * FRAME_MS))
    return found


async def one_turn(recognizer: FasterWhisperRecognizer, call: Call, figures: Figures) -> None:
    stream = recognizer.open_stream(8000)
    loop = asyncio.get_running_loop()
    partials: set[asyncio.Task[None]] = set()
    stable: list[str] = []
    first_ms: float | None = None

    async def partial(at_ms: int) -> None:
        nonlocal stable, first_ms
        asked = time.perf_counter()
        heard = await stream.partial()
        figures.partial_ms.append((time.perf_counter() - asked) * 1000)
        stable = heard.text[: heard.stable_chars].split()
        if stable and first_ms is None:
            first_ms = at_ms + figures.partial_ms[-1] - call.speech_from_ms

    begun = loop.time()
    # The turn begins with the pre-roll, when the detector has fired.
    fed_ms = max(0, call.speech_from_ms - 240)
    stream.feed(call.pcm[fed_ms * 16 : (call.speech_from_ms + 60) * 16])
    start_ms = fed_ms = call.speech_from_ms + 60
    last_partial_ms = fed_ms
    while fed_ms < call.speech_to_ms + HUSH_MS:
        await asyncio.sleep(max(0.0, begun + (fed_ms - start_ms + FRAME_MS) / 1000 - loop.time()))
        stream.feed(call.pcm[fed_ms * 16 : (fed_ms + FRAME_MS) * 16])
        fed_ms += FRAME_MS
        if fed_ms <= call.speech_to_ms and fed_ms - last_partial_ms >= STEP_MS and not partials:
            last_partial_ms = fed_ms
            task = asyncio.create_task(partial(fed_ms))
            partials.add(task)
            task.add_done_callback(partials.discard)
    asked = time.perf_counter()
    final = (await stream.final()).text.split()
    figures.final_ms.append((time.perf_counter() - asked) * 1000)
    await asyncio.gather(*partials)
    stream.close()
    figures.speech_s += (call.speech_to_ms - call.speech_from_ms) / 1000
    figures.words += len(final)
    figures.committed += len(stable)
    figures.changed += len(stable) - int(LCSseq.similarity(stable, final))
    if first_ms is not None:
        figures.first_word_ms.append(first_ms)


async def clock(figures: Figures) -> None:
    """What the media clock of the process would feel."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due += FRAME_MS / 1000
        await asyncio.sleep(max(0.0, due - loop.time()))
        figures.late_ms.append(max(0.0, (loop.time() - due) * 1000))


def cpu_s(pid: int | None) -> float:
    """User and system time of a process so far."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int | None) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) if pid is not None else 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def run_calls(recognizer: FasterWhisperRecognizer, turns: list[Call], calls: int) -> dict[str, float]:
    figures = Figures()
    waiting = list(turns)

    async def caller(number: int) -> None:
        await asyncio.sleep(number * STEP_MS / 1000 / calls)
        while waiting:
            await one_turn(recognizer, waiting.pop(0), figures)
            await asyncio.sleep(0.4)

    pid = recognizer.client.pid
    worker_s, own_s, begun = cpu_s(pid), time.process_time(), time.perf_counter()
    ticking = asyncio.create_task(clock(figures))
    await asyncio.gather(*(caller(number) for number in range(calls)))
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)
    worker_s, own_s = cpu_s(pid) - worker_s, time.process_time() - own_s
    print(f"\n{calls} calls, {len(turns)} turns, {time.perf_counter() - begun:.0f} s")
    print(f"  partial        {spread(figures.partial_ms)}")
    print(f"  final          {spread(figures.final_ms)}")
    print(f"  CPU            worker {worker_s / figures.speech_s:.3f}, media process {own_s / figures.speech_s:.3f} "
          "s a second of speech")  # fmt: skip
    print(f"  first word     {spread(figures.first_word_ms)} after its onset, in {len(figures.first_word_ms)} turns")
    print(f"  committed      {100 * figures.committed / figures.words:.0f} % of the words before the end")
    print(f"  changed later  {100 * figures.changed / max(1, figures.committed):.1f} % of {figures.committed}")
    print(f"  20 ms clock    {spread(figures.late_ms)}")
    return {
        "calls": calls,
        "partial_p95_ms": float(np.percentile(figures.partial_ms, 95)),
        "final_p95_ms": float(np.percentile(figures.final_ms, 95)),
        "changed_share": figures.changed / max(1, figures.committed),
        "clock_p99_ms": float(np.percentile(figures.late_ms, 99)),
    }


async def run(arguments: argparse.Namespace) -> None:
    print(machine())
    recognizer = FasterWhisperRecognizer(arguments.model or embedded_recognizer_folder())
    begun = time.perf_counter()
    await recognizer.warm_up()
    print(f"recogniser {recognizer.name}: ready after {(time.perf_counter() - begun) * 1000:.0f} ms")
    sets = {"stored clips": stored(), "free speech, unknown voices": callers(FREE)}
    results = []
    for name, turns in sets.items():
        print(f"\n== {name}")
        for calls in arguments.calls:
            rounds = max(1, -(-2 * calls // len(turns)))
            results.append({"set": name, **await run_calls(recognizer, turns * rounds, calls)})
    print(f"\nworker memory {memory_mb(recognizer.client.pid):.0f} MB, restarts {recognizer.client.restarts}")
    await recognizer.close()
    if arguments.json:
        arguments.json.write_text(json.dumps(results, ensure_ascii=False, indent=1), "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 10, 25])
    parser.add_argument("--model", type=Path, help="folder of a CTranslate2 Whisper; default: the embedded one")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
