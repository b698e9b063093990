"""What G.711 echo legs cost: CPU of the edge, lateness of the media clock, jitter and loss of what comes back.

    .venv/bin/python -m bench.media_legs [--legs 10 50 100] [--seconds 20] [--no-uvloop]

The callers run in a process of their own. CPU is that of this process alone (all threads), in percent of one core,
measured after the calls are up and before they end.
"""

import argparse
import asyncio
import gc
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np

from telephony.media_clock import MediaClock
from telephony.sip.trunk import LOOPBACK, SourcePolicy
from telephony.sip.ua import SipServer
from voice.ports import AudioIn, CallLeg

WARM_UP_S = 3.0


async def echo(leg: CallLeg) -> None:
    async for event in leg.events():
        if isinstance(event, AudioIn):
            leg.play(event.pcm)


async def measure(legs: int, seconds: float) -> dict[str, Any]:
    lateness: list[float] = []
    clock = MediaClock(lateness.append)
    server = SipServer("127.0.0.1", 0, echo, clock=clock, max_calls=legs + 1, policy=SourcePolicy((), LOOPBACK))
    await server.start()
    gc.collect()
    gc.freeze()
    load = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.rtp_load",
        str(server.port),
        str(legs),
        str(seconds + WARM_UP_S + 2),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        while server.calls < legs:  # noqa: ASYNC110 - the calls come from another process
            await asyncio.sleep(0.05)
    await asyncio.sleep(WARM_UP_S)
    lateness.clear()
    cpu, start = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    cpu_percent = 100 * (time.process_time() - cpu) / (time.monotonic() - start)
    late_ms = np.array(lateness) * 1000
    async with asyncio.timeout(60):
        output, _ = await load.communicate()
    await server.stop()
    clock.stop()
    gc.unfreeze()
    return {
        **json.loads(output),
        "cpu_percent": cpu_percent,
        "late_p50_ms": float(np.percentile(late_ms, 50)),
        "late_p99_ms": float(np.percentile(late_ms, 99)),
        "late_max_ms": float(late_ms.max()),
        "skipped": clock.lateness.skipped,
    }


def machine() -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("uvloop", "numpy", "sipmessage"))
    model = next(
        (line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor()
    )
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{model}, {os.cpu_count()} cores, load average {load}; Python {platform.python_version()}, {versions}; "
        f"{platform.system()} {platform.release()}"
    )


def _cpuinfo() -> list[str]:
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123 - a pseudo file, read once
            return file.readlines()
    except OSError:
        return []


def _runner(use_uvloop: bool) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    if use_uvloop:
        import uvloop

        return uvloop.run
    return asyncio.run


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU and lateness of G.711 echo legs")
    parser.add_argument("--legs", type=int, nargs="+", default=[10, 50, 100])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--no-uvloop", action="store_true")
    options = parser.parse_args()
    run = _runner(not options.no_uvloop)
    print(machine())
    print(
        "legs | CPU % of a core | tick late p50 / p99 / max ms | out jitter p50 / p99 ms | worst gap ms | "
        "lost of received"
    )
    for legs in options.legs:
        result = run(measure(legs, options.seconds))
        print(
            f"{legs:4} | {result['cpu_percent']:6.1f} | {result['late_p50_ms']:.2f} / {result['late_p99_ms']:.2f} / "
            f"{result['late_max_ms']:.1f} | {result['jitter_p50_ms']} / {result['jitter_p99_ms']} | "
            f"{result['gap_max_ms']} | {result['lost']} of {result['received']}"
            + (f" | {result['skipped']} ticks skipped" if result["skipped"] else ""),
            flush=True,
        )


if __name__ == "__main__":
    main()
