"""The object graph, built from settings. Every process and command takes what it needs from here; so do tests."""

import asyncio
import contextlib
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from redis.asyncio import Redis

from agent.language.speech import to_speech
from agent.language.understander import RuleUnderstander
from agent.llm.brain import LlmBrain
from agent.llm.ports import Accounts
from agent.memory.store import MemoryStore
from agent.prompts.serving import StoredPrompts
from agent.scripted import ScriptedBrain
from agent.service import BookingAgent
from agent.wording.catalogue import Catalogue
from app.crm import open_crm
from app.llm_accounts import CompanyAccounts, llm_timings
from app.message_delivery import Deliver, register_delivery
from app.metrics_share import share_metrics
from core.api_keys import ApiKeys
from core.clock import Clock, SystemClock
from core.companies import Companies
from core.conversations import ConversationStore
from core.database import Database
from core.errors import ConfigurationError
from core.installation import InstallationSecrets
from core.jobs import JobHandler, JobWorker
from core.metrics import Metrics
from core.outbox import Outbox
from core.redis import open_redis
from core.secrets import CompanySecrets, SecretBox
from core.settings import Settings
from core.telemetry import watch_loop_lag
from core.timeline_reader import DatabaseTimelineReader
from core.timeline_store import DatabaseTimeline
from crm.booking_desk import Desk
from crm.ports import Crm
from crm.salon_book import DatabaseSalonBook

log = structlog.get_logger(__name__)

STREAM_PATH = "/telephony/twilio/media"
_LONGEST_SOCKET_FOLDER = 80


@dataclass(frozen=True, slots=True)
class Runtime:
    """What every process has: the stores, the clock, the measures."""

    settings: Settings
    secrets: InstallationSecrets
    clock: Clock
    metrics: Metrics
    database: Database
    redis: Redis
    companies: Companies
    conversations: ConversationStore
    api_keys: ApiKeys
    timeline: DatabaseTimeline
    timeline_reader: DatabaseTimelineReader
    outbox: Outbox


@contextlib.asynccontextmanager
async def open_runtime(settings: Settings, process: str) -> AsyncIterator[Runtime]:
    """Opens the stores for one process; leaving the block stores what waits and closes them."""
    metrics, clock = Metrics(), SystemClock()
    secrets = InstallationSecrets.load(settings)
    async with contextlib.AsyncExitStack() as cleanup:
        database = await cleanup.enter_async_context(
            await Database.open(
                settings.database_url,
                max_size=settings.database_pool_size,
                command_timeout_s=settings.database_timeout_s,
                on_wait=metrics.db_pool_wait_seconds.observe,
            )
        )
        redis = open_redis(settings.redis_url)
        cleanup.push_async_callback(redis.aclose)
        spool = settings.data_dir / "spool" / f"timeline-{process}.jsonl"
        spool.parent.mkdir(parents=True, exist_ok=True)
        timeline = await cleanup.enter_async_context(DatabaseTimeline(database, redis, metrics=metrics, spool=spool))
        watchers = [
            asyncio.create_task(watch_loop_lag(metrics), name="loop lag"),
            asyncio.create_task(share_metrics(metrics, settings.data_dir, process), name="metrics"),
        ]
        cleanup.push_async_callback(_cancel, watchers)
        yield Runtime(
            settings=settings,
            secrets=secrets,
            clock=clock,
            metrics=metrics,
            database=database,
            redis=redis,
            companies=Companies(database),
            conversations=ConversationStore(database),
            api_keys=ApiKeys(database, secrets.api_key_pepper, clock),
            timeline=timeline,
            timeline_reader=DatabaseTimelineReader(database, redis),
            outbox=Outbox(database, metrics=metrics),
        )


@dataclass(frozen=True, slots=True)
class SalonTools:
    """The CRM side of a company, and the agent on top of it."""

    crm: Crm
    """Of every company: its own CRM, or the built-in journal."""
    desk: Desk
    book: DatabaseSalonBook
    understander: RuleUnderstander
    agent: BookingAgent


@contextlib.asynccontextmanager
async def build_salon(
    runtime: Runtime, clock: Clock, accounts: Callable[[CompanyAccounts], Accounts] | None = None
) -> AsyncIterator[SalonTools]:
    """The CRMs, the booking desk and the agent: with the company's language model where it has one, else by the rules.
    Leaving the block waits for writes under way. `accounts` may put others in the place of the companies' own.
    """
    async with (
        open_crm(runtime.settings, runtime.secrets, runtime.database, runtime.redis, clock, runtime.metrics) as side,
        _salon_on(runtime, side.router, clock, accounts) as salon,
    ):
        yield salon


@contextlib.asynccontextmanager
async def _salon_on(
    runtime: Runtime, crm: Crm, clock: Clock, accounts: Callable[[CompanyAccounts], Accounts] | None
) -> AsyncIterator[SalonTools]:
    book = DatabaseSalonBook(runtime.database, clock, runtime.outbox)
    desk = Desk(runtime.database, crm, book, clock)
    understander = RuleUnderstander()
    own = company_accounts(runtime)
    prompts = StoredPrompts(runtime.database)
    scripted = ScriptedBrain(understander, Catalogue())
    brain = LlmBrain(scripted, accounts(own) if accounts else own, llm_timings(), prompts=prompts)
    agent = BookingAgent(
        crm=crm,
        desk=desk,
        book=book,
        clock=clock,
        brain=brain,
        spoken_form=to_speech,
        memory=client_memory(runtime, clock),
    )
    try:
        yield SalonTools(crm, desk, book, understander, agent)
    finally:
        await agent.close()
        await brain.close()
        await prompts.close()
        await desk.close()


def client_memory(runtime: Runtime, clock: Clock) -> MemoryStore:
    """What is kept of clients between talks, in all channels."""
    secrets = runtime.secrets
    return MemoryStore(runtime.database, SecretBox(secrets.fernet_keys), secrets.api_key_pepper, clock)


def company_accounts(runtime: Runtime) -> CompanyAccounts:
    """The language models of the companies, with their keys."""
    return CompanyAccounts(runtime.companies, CompanySecrets(runtime.database, SecretBox(runtime.secrets.fernet_keys)))


def twilio_base_url(settings: Settings) -> str:
    """Scheme and host as Twilio calls them."""
    webhook = settings.twilio_public_webhook_url
    if webhook:
        return "/".join(webhook.split("/")[:3])
    return settings.public_url or f"http://{settings.http_host}:{settings.http_port}"


def twilio_stream_url(settings: Settings) -> str:
    """Where Twilio opens the media stream; on loopback without TLS, for simulated calls."""
    return settings.twilio_public_stream_url or f"ws://{settings.twilio_host}:{settings.twilio_port}{STREAM_PATH}"


def job_worker(runtime: Runtime, more: Mapping[str, JobHandler], by_messenger: Deliver | None = None) -> JobWorker:
    """The worker of the jobs process: the outbox's handlers, and more by name."""
    register_delivery(runtime.outbox, runtime.database, by_messenger)
    return JobWorker(runtime.database, {**runtime.outbox.job_handlers, **more}, metrics=runtime.metrics)


def link_folder(settings: Settings) -> Path:
    """Where brains listen for the edge: a private folder with a short path, since socket addresses hold 108 bytes."""
    folder = settings.data_dir.resolve() / "link"
    if len(str(folder)) > _LONGEST_SOCKET_FOLDER:
        name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"ai-admin-link-{name}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.is_symlink() or folder.stat().st_mode & 0o077:
        raise ConfigurationError(f"{folder} must be a private folder of ours: remove it and start again")
    return folder


async def _cancel(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
