"""Voice-to-voice, greeting and barge-in as a caller hears them, through the simulated Twilio edge and through SIP.

    .venv/bin/python -m bench.voice_latency [--engines embedded|stub] [--door twilio sip] [--concurrency 1 10 25 50]
        [--turns 20] [--runs 1] [--server serve|in-process] [--out FOLDER]

All times are read from what was spoken and played on the line, never from the server. The table of stages beside
them is the server's own account. With stub engines the framework's share is what is left of voice-to-voice without
the engines' fixed delays and without the wait that ends a turn, as it is configured: what a busy server adds to that
wait is the server's share. Exit status 1 when a number misses its bar, see bench/voice_bars.py.
"""

import argparse
import asyncio
import contextlib
import functools
import importlib.metadata
import json
import os
import platform
import signal
import sys
import tempfile
import time
import wave
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvloop

from bench.voice_bars import STUB_MS, WAIT_MS, Run, missed
from bench.voice_callers import Caller, Measured, call_sip, call_twilio, sip_phones
from bench.voice_capture import CallNumbers

READY_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0
PACKAGES = ("websockets", "uvloop", "numpy", "faster-whisper", "ctranslate2", "onnxruntime")
TURN_S = 16.0
"""Longest turn, answer included: sets the limit of a call."""
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Server:
    process: asyncio.subprocess.Process
    ready: dict[str, Any]
    latencies: list[dict[str, Any]] = field(default_factory=list)
    """Stage events printed by the in-process server."""

    def cpu_s(self) -> float:
        """CPU seconds of the server's processes so far."""
        return sum(_cpu_s(pid) for pid in _tree(self.process.pid))


@contextlib.asynccontextmanager
async def running_server(kind: str, engines: str) -> AsyncIterator[Server]:
    with tempfile.TemporaryDirectory(prefix="voice-bench-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - the embedded database runs as another user when this one is root
        if kind == "serve":
            tool = str(Path(sys.executable).with_name("ai-admin"))
            ports = [word for name in ("http", "sip", "twilio") for word in (f"--{name}-port", "0")]
            command = [tool, "serve", "--data-dir", folder, "--engines", engines, *ports]
        else:
            command = [sys.executable, "-m", "bench.voice_stub_server"]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=(Path(folder) / "stderr").open("w"), limit=1 << 22
        )
        assert process.stdout is not None
        reader: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                line = await process.stdout.readline()
            if not line:
                raise SystemExit("the server ended:\n" + (Path(folder) / "stderr").read_text()[-3000:])
            server = Server(process, json.loads(line))
            reader = asyncio.create_task(_read_stages(process.stdout, server.latencies), name="stages")
            yield server
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
            if reader is not None:
                await reader


async def _read_stages(stdout: asyncio.StreamReader, into: list[dict[str, Any]]) -> None:
    async for line in stdout:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            into.append(_stages_of(*next(iter(json.loads(line).items()))))


def _stages_of(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """One event of the timeline as named milliseconds."""
    if kind == "latency":
        return data if data.get("turn_kind") == "words" else {}
    # From the onset that the detector heard to the clear.
    return {"barge_in_stopped" if data["stopped"] else "paused_for_nothing": data["took_ms"]}


def _tree(root: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += parents.get(pid, [])
    return found


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat after the command's name: state, ppid, … (proc(5))."""
    return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _cpu_s(pid: int) -> float:
    try:
        fields = _stat(pid)
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


async def stages_over_http(ready: dict[str, Any], since: float) -> list[dict[str, Any]]:
    """The timelines of the calls since then, through the product's API."""
    headers = {"Authorization": f"Bearer {ready['api_key']}"}
    async with httpx.AsyncClient(base_url=ready["http"], headers=headers, timeout=20) as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
        template = next((path for path in paths if path.endswith("/timeline")), "")
        if not template:
            return []
        rows = (await http.get(template.partition("/{")[0], params={"limit": 200})).json()
        latencies = []
        for row in rows:
            events = await http.get(
                template.replace(template[template.index("{") : template.index("}") + 1], row["id"])
            )
            latencies += [
                _stages_of(event["kind"], event["data"])
                for event in events.json()
                if event["kind"] in ("latency", "barge_in") and _seconds(event["at"]) >= since
            ]
        return latencies


def _seconds(iso: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(iso).timestamp()


async def one_run(server: Server, door: str, concurrency: int, turns: int, barge_every: int, out: Path | None) -> Run:
    server.latencies.clear()
    cpu_s, began_s, began_wall_s = server.cpu_s(), time.monotonic(), time.time()

    async with sip_phones() as client:
        place = call_twilio if door == "twilio" else functools.partial(call_sip, client)

        async def one(number: int) -> Measured:
            await asyncio.sleep(number * 0.1)  # callers do not ring in the same millisecond
            return await place(server.ready, Caller(turns, barge_every, offset=number), 30 + turns * TURN_S)

        results = await asyncio.gather(*(one(number) for number in range(concurrency)), return_exceptions=True)
    cpu_s = server.cpu_s() - cpu_s
    numbers, call_minutes, problems, late = CallNumbers(), 0.0, list[str](), 0
    for number, result in enumerate(results):
        if isinstance(result, BaseException):
            problems.append(f"{type(result).__name__}: {result}")
            continue
        numbers.add(result.numbers)
        call_minutes += len(result.agent) / 8000 / 60
        problems += result.problems
        late += result.late_ticks
        if out is not None and number == 0:
            _write(out / f"{door}-{concurrency}.wav", result.agent)
    latencies = server.latencies or (await stages_over_http(server.ready, began_wall_s) if server.ready["http"] else [])
    stages: dict[str, list[float]] = {}
    for event in latencies:
        for name, value in event.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                stages.setdefault(name, []).append(float(value))
    print(f"  {door} x{concurrency}: {time.monotonic() - began_s:.0f} s", file=sys.stderr)
    return Run(door, concurrency, numbers, stages, cpu_s / max(call_minutes, 1e-9), late, tuple(problems))


def _write(path: Path, pcm: Any) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(pcm.astype("<i2").tobytes())


def spread(values: Sequence[float]) -> str:
    if not values:
        return "none"
    p50, p90, p95, p99 = np.percentile(values, (50, 90, 95, 99))
    return (
        f"p50 {p50:6.0f}  p90 {p90:6.0f}  p95 {p95:6.0f}  p99 {p99:6.0f}  max {max(values):6.0f} ms  (n {len(values)})"
    )


def report(run: Run, engines: str) -> None:
    numbers = run.numbers
    print(f"\n{run.door}, {run.concurrency} call(s) at a time")
    print(f"  greeting        {spread(numbers.greeting)}")
    print(f"  voice-to-voice  {spread(numbers.voice_to_voice)}")
    print(f"  barge-in stop   {spread(numbers.barge_in)}")
    print(
        f"  answered into the turn {numbers.early}, not answered {numbers.unanswered}, "
        f"not interrupted {numbers.not_interrupted}, late caller ticks {run.late_ticks}"
    )
    print(f"  server CPU      {run.cpu_per_call_minute_s:.2f} s a call-minute")
    for name, values in run.stages.items():
        print(f"    stage {name:16} {spread(values)}")
    if engines == "stub" and run.share_ms is not None:
        print(f"  framework share {run.share_ms:.0f} ms (median; wait {WAIT_MS}, engines {STUB_MS})")
    for problem in run.problems:
        print(f"  PROBLEM {problem}")


def medians(runs: Sequence[Run]) -> None:
    for door, concurrency in dict.fromkeys((run.door, run.concurrency) for run in runs):
        same = [run for run in runs if (run.door, run.concurrency) == (door, concurrency)]
        for name in ("greeting", "voice_to_voice", "barge_in"):
            p50s = [float(np.median(values)) for run in same if (values := getattr(run.numbers, name))]
            p95s = [float(np.percentile(values, 95)) for run in same if (values := getattr(run.numbers, name))]
            if p50s:
                print(f"median of {len(p50s)} runs, {door} x{concurrency}, {name}: "
                      f"p50 {np.median(p50s):.0f} ms, p95 {np.median(p95s):.0f} ms")  # fmt: skip


async def bench(options: argparse.Namespace) -> list[Run]:
    runs: list[Run] = []
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    async with running_server(options.server, options.engines) as server:
        for concurrency in options.concurrency:
            for door in options.door:
                for _ in range(options.runs):
                    turns = options.turns if concurrency == 1 else max(3, -(-options.turns // concurrency))
                    run = await one_run(server, door, concurrency, turns, options.barge_every, options.out)
                    report(run, options.engines)
                    runs.append(run)
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", choices=("embedded", "stub"), default="embedded")
    parser.add_argument("--server", choices=("serve", "in-process"), default="serve", help="in-process: stub engines")
    parser.add_argument("--door", nargs="+", choices=("twilio", "sip"), default=["twilio", "sip"])
    parser.add_argument("--concurrency", nargs="+", type=int, default=[1])
    parser.add_argument("--turns", type=int, default=20, help="turns in all of one run; at least 3 a call")
    parser.add_argument("--barge-every", type=int, default=2, help="each so-manyth answer is interrupted; 0: none")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder for the as-played audio of the first call of each run")
    options = parser.parse_args()
    if options.server == "in-process":
        options.engines = "stub"
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    print(f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"Python {platform.python_version()}, {versions}")
    print(f"engines {options.engines}, server {options.server}")
    runs = uvloop.run(bench(options))
    medians(runs)
    failures = missed(runs, options.engines)
    for failure in failures:
        print(f"MISSED {failure}")
    print("all bars are met" if not failures else f"{len(failures)} bar(s) missed")
    print(f"load at the end {os.getloadavg()[0]:.1f}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
