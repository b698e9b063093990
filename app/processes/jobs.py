"""The jobs process: finishes recordings, runs the background jobs and the outbox."""

import asyncio

import structlog

from app.bootstrap import job_worker, open_runtime
from app.lifeline import Lifeline
from app.recordings import FOLDER
from core.settings import Settings
from voice.recording.finish import repair_folder

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
"""A recording is ready about this long after its call has ended."""


async def run(settings: Settings, lifeline: Lifeline, stop: asyncio.Event) -> None:
    async with open_runtime(settings, "jobs") as runtime:
        recordings = asyncio.create_task(_finish_recordings(settings), name="recordings")
        worker = job_worker(runtime)
        working = asyncio.create_task(worker.run(), name="job worker")
        lifeline.announce()
        await stop.wait()
        worker.stop()
        await working
        recordings.cancel()
        await asyncio.gather(recordings, return_exceptions=True)


async def _finish_recordings(settings: Settings) -> None:
    """Turns every journal whose call has ended, also before a crash, into an Ogg file."""
    folder = settings.data_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        for recording in await asyncio.to_thread(repair_folder, folder):
            log.info("recording_finished", file=recording.path.name, duration_ms=recording.duration_ms,
                     clean=recording.clean)  # fmt: skip
        await asyncio.sleep(LOOK_EVERY_S)
