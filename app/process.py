"""Entry of every process: ``python -m app.process web|edge|brain|jobs``. Settings come from the environment."""

import asyncio
import gc
import importlib
import signal
import sys

import structlog
import uvloop

from app.lifeline import Lifeline
from core.errors import AppError
from core.settings import LogFormat, load_settings
from core.telemetry import configure_logging

KINDS = ("web", "edge", "brain", "jobs")

log = structlog.get_logger(__name__)


async def _run(kind: str) -> None:
    """Runs the process until SIGTERM or until the supervisor is gone; both mean: drain."""
    settings = load_settings()
    lifeline = Lifeline.inherited()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    watcher = asyncio.create_task(_stop_when_orphaned(lifeline, stop), name="lifeline")
    try:
        module = importlib.import_module(f"app.processes.{kind}")
        gc.freeze()
        await module.run(settings, lifeline, stop)
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)


async def _stop_when_orphaned(lifeline: Lifeline, stop: asyncio.Event) -> None:
    await lifeline.wait_gone()
    stop.set()


def main() -> None:
    kind = sys.argv[1] if len(sys.argv) > 1 else ""
    if kind not in KINDS:
        sys.exit(f"usage: python -m app.process {'|'.join(KINDS)}")
    try:
        settings = load_settings()
        configure_logging(
            level=settings.log_level,
            json_lines=settings.log_format is LogFormat.JSON,
            personal_data=settings.log_personal_data,
        )
        structlog.contextvars.bind_contextvars(process=kind)
        uvloop.run(_run(kind))
    except AppError as error:
        log.exception("process_failed", code=error.code)
        sys.exit(1)


if __name__ == "__main__":
    main()
