"""The jobs process: finishes recordings, runs the background jobs and the outbox."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import structlog

from app.bootstrap import Runtime, SalonTools, build_salon, job_worker, open_runtime
from app.channel_work import channel_jobs, tend_channels
from app.channels import channel_work, open_channels
from app.company_api import open_webhooks
from app.crm import open_crm
from app.crm_door import JOB as CRM_JOB
from app.crm_door import announce_changes, changes_job
from app.history_keeping import HistoryKeeping
from app.lifeline import Lifeline
from app.recordings import FOLDER
from app.reminders import EVERY_S as REMIND_EVERY_S
from app.reminders import Reminders
from app.voice_notes import VoiceNotes
from app.webhook_feed import EVERY_S as FEED_EVERY_S
from app.webhook_feed import WebhookFeed
from channels.timings import Timings
from core.errors import AppError
from core.settings import Settings
from core.tenancy import CompanyScope
from crm.booking_desk import Desk
from crm.ports import Crm
from crm.salon_book import DatabaseSalonBook
from crm.vendor.sync import CrmSync
from voice.recording.finish import repair_folder

if TYPE_CHECKING:
    from media_models.engines import Engines

log = structlog.get_logger(__name__)

SWEEP_EVERY_S = 30.0
"""A booking that the caller was promised to hear about is settled within a minute."""

POLL_EVERY_S = 50.0
"""A key that stopped working is seen within a minute; changes of CRMs that call nobody as well."""

LOOK_EVERY_S = 1.0
"""A recording is ready about this long after its call has ended."""


async def run(settings: Settings, lifeline: Lifeline, stop: asyncio.Event) -> None:
    async with (
        open_runtime(settings, "jobs") as runtime,
        open_crm(settings, runtime.secrets, runtime.database, runtime.redis, runtime.clock, runtime.metrics) as side,
        build_salon(runtime, runtime.clock) as salon,
        open_channels(runtime) as channels,
        _voice_notes(runtime, salon.crm, channels.timings) as notes,
        channel_work(runtime, channels, salon.agent, notes) as messengers,
        open_webhooks(runtime) as webhooks,
    ):
        sync = CrmSync(side.connections, side.router.of, side.copies, announce_changes(runtime.redis))
        handlers = {CRM_JOB: changes_job(sync), **channel_jobs(messengers), **webhooks.job_handlers}
        worker = job_worker(runtime, handlers, channels.service_messages.deliver)
        working = asyncio.create_task(worker.run(), name="job worker")
        others = [
            asyncio.create_task(_finish_recordings(settings), name="recordings"),
            asyncio.create_task(_settle_bookings(runtime, side.router), name="sweep"),
            asyncio.create_task(_poll_crms(runtime, sync), name="crm poll"),
            asyncio.create_task(_feed_webhooks(runtime), name="webhooks"),
            asyncio.create_task(_keep_history(runtime), name="history"),
            asyncio.create_task(_remind(runtime, salon), name="reminders"),
            asyncio.create_task(tend_channels(runtime, channels, messengers), name="messengers"),
        ]
        lifeline.announce()
        await stop.wait()
        worker.stop()
        await working
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def _remind(runtime: Runtime, salon: SalonTools) -> None:
    """Visits of tomorrow, to the clients who are in a messenger."""
    reminders = Reminders(runtime.database, runtime.companies, salon.crm, salon.book, runtime.clock)
    while True:
        try:
            await reminders.once()
        except AppError as error:
            log.warning("reminders_failed", code=error.code)
        await asyncio.sleep(REMIND_EVERY_S)


async def _keep_history(runtime: Runtime) -> None:
    await HistoryKeeping(runtime.database, runtime.companies, runtime.clock, runtime.settings.data_dir).run()


async def _feed_webhooks(runtime: Runtime) -> None:
    """What happened, told to the companies that want to know."""
    feed = WebhookFeed(runtime.database, runtime.companies, runtime.clock)
    while True:
        try:
            await feed.once()
        except AppError as error:
            log.warning("webhook_feed_failed", code=error.code)
        await asyncio.sleep(FEED_EVERY_S)


@contextlib.asynccontextmanager
async def _voice_notes(runtime: Runtime, crm: Crm, timings: Timings) -> AsyncIterator[VoiceNotes]:
    def build() -> "Engines":
        # imported with the first voice note: the engines are half of a brain's memory
        from app.processes.brain import engine_settings
        from media_models.engines import build_engines

        return build_engines(engine_settings(runtime.settings))

    notes = VoiceNotes(runtime, crm, build, timings)
    try:
        yield notes
    finally:
        await notes.close()


async def _poll_crms(runtime: Runtime, sync: CrmSync) -> None:
    """What people changed in the CRM itself, and whether its key still works, for every company."""
    while True:
        try:
            for company in await runtime.companies.all():
                await sync.poll(company.scope)
        except AppError as error:
            log.warning("crm_polls_failed", code=error.code)
        await asyncio.sleep(POLL_EVERY_S)


async def _settle_bookings(runtime: Runtime, crm: Crm) -> None:
    """Frees lapsed holds and looks up writes whose end is unknown, for every company, again and again."""
    book = DatabaseSalonBook(runtime.database, runtime.clock, runtime.outbox)
    desk = Desk(runtime.database, crm, book, runtime.clock)
    while True:
        unknown = 0
        try:
            for company in await runtime.companies.all():
                unknown += await _swept(desk, company.scope)
            runtime.metrics.booking_unknown.set(unknown)
        except AppError as error:
            log.warning("sweep_failed", code=error.code)
        await asyncio.sleep(SWEEP_EVERY_S)


async def _swept(desk: Desk, scope: CompanyScope) -> int:
    """One company's unknown writes after a look at them. Its CRM being down is no reason to leave out the others."""
    try:
        return (await desk.sweep(scope)).still_unknown
    except AppError as error:
        log.warning("sweep_of_a_company_failed", code=error.code)
        return 0


async def _finish_recordings(settings: Settings) -> None:
    """Turns every journal whose call has ended, also before a crash, into an Ogg file."""
    folder = settings.data_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        for recording in await asyncio.to_thread(repair_folder, folder):
            log.info("recording_finished", file=recording.path.name, duration_ms=recording.duration_ms,
                     clean=recording.clean)  # fmt: skip
        await asyncio.sleep(LOOK_EVERY_S)
