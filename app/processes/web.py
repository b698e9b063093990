"""The web process: the JSON API, Twilio's webhooks, health and metrics. uvicorn, with the stop signal in our hands."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from admin.api.company import company_router
from admin.api.conversations import conversations_router
from admin.api.errors import install_error_handlers
from admin.api.lexicon import lexicon_router
from admin.api.prompt_feedback import prompt_feedback_router
from admin.api.prompts import prompts_router
from admin.api.v1.access import Right
from admin.api.v1.shapes import errors
from agent.language.speech import to_speech
from agent.prompts.desk import PromptDesk
from agent.prompts.feedback_store import FeedbackDesk
from agent.prompts.names import Names
from agent.prompts.store import PromptStore
from app.bootstrap import Runtime, open_runtime
from app.channel_door import ChannelDoor, channel_router
from app.channels import ChannelSide, open_channels
from app.company_api import CompanyApi, open_company_api
from app.crm import CrmSide, open_crm
from app.crm_door import crm_router
from app.lifeline import Lifeline
from app.metrics_share import merged_metrics
from app.twilio_door import twilio_webhook
from app.web_chat import inbox_sink, open_web_chat, product_origins
from core.health import Health
from core.settings import Settings
from core.tenancy import CompanyScope
from crm.company_file import dump_company
from media_models.lexicon_desk import LexiconDesk
from media_models.lexicon_store import LexiconStore
from media_models.ports import Synthesizer

LAST_REQUESTS_S = 5
MOST_FRAME_BYTES = 64 * 1024
"""Of a WebSocket: anybody may open one, and nobody has to say much."""


async def run(settings: Settings, lifeline: Lifeline, stop: asyncio.Event) -> None:
    async with (
        open_runtime(settings, "web") as runtime,
        _lexicon_desk(runtime) as lexicon,
        open_crm(settings, runtime.secrets, runtime.database, runtime.redis, runtime.clock, runtime.metrics) as crm,
        open_channels(runtime) as channels,
        open_web_chat(
            runtime.database,
            runtime.redis,
            channels.accounts,
            inbox_sink(channels.inbox, runtime.clock),
            runtime.clock,
            own_origins=product_origins(settings),
        ) as web_chat,
        open_company_api(runtime, crm, channels) as api,
    ):
        app = build_app(runtime, stop, lexicon, crm, channels, api)
        for router in web_chat.routers:
            app.include_router(router)
        server = _Server(
            uvicorn.Config(
                app,
                host=settings.http_host,
                port=settings.http_port,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=LAST_REQUESTS_S,
                server_header=False,
                ws_max_size=MOST_FRAME_BYTES,
            )
        )
        serving = asyncio.create_task(server.serve(), name="http")
        starting = asyncio.create_task(server.up.wait(), name="http up")
        await asyncio.wait({serving, starting}, return_when=asyncio.FIRST_COMPLETED)
        starting.cancel()
        if server.started:
            lifeline.announce(port=settings.http_port)
        stopping = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        stopping.cancel()
        await serving


class _Server(uvicorn.Server):
    """Signals are the process's business: uvicorn's own handlers would drop what is under way."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def _lexicon_desk(runtime: Runtime) -> AsyncIterator[LexiconDesk]:
    def voice() -> Synthesizer:
        # imported with the first word that somebody listens to: the engines are half of a brain's memory
        from app.processes.brain import engine_settings
        from media_models.engines import build_engines

        return build_engines(engine_settings(runtime.settings)).synthesizer

    desk = LexiconDesk(LexiconStore(runtime.database), to_speech, voice)
    try:
        yield desk
    finally:
        await desk.close()


def build_app(
    runtime: Runtime,
    draining: asyncio.Event,
    lexicon: LexiconDesk,
    crm: CrmSide,
    channels: ChannelSide,
    api: CompanyApi,
) -> FastAPI:
    settings = runtime.settings
    app = FastAPI(
        title="AI-Admin",
        description="The receptionist of a beauty salon. Every request carries a company's key: "
        "`Authorization: Bearer aia_…` (printed by `ai-admin serve`).",
        version="0.1.0",
        docs_url="/docs",
        redoc_url=None,
    )
    install_error_handlers(app)
    may = api.gate.scope

    async def dump(scope: CompanyScope) -> dict[str, Any]:
        return await dump_company(runtime.database, scope)

    feedback = FeedbackDesk(runtime.database, runtime.timeline_reader, Names().is_name)
    prompts = PromptDesk(PromptStore(runtime.database))
    routers = (
        company_router(may(Right.COMPANY_READ), dump),
        conversations_router(
            may(Right.CONVERSATIONS_READ), runtime.conversations, runtime.timeline_reader, settings.data_dir
        ),
        lexicon_router(may(Right.SETTINGS), lexicon),
        prompt_feedback_router(may(Right.SETTINGS), feedback),
        prompts_router(may(Right.SETTINGS), prompts),
    )
    app.include_router(api.router, prefix="/api/v1")
    for router in routers:
        app.include_router(router, prefix="/api/v1", responses=errors(404))
    app.include_router(twilio_webhook(runtime))
    app.include_router(crm_router(runtime.database, crm))
    door = ChannelDoor(runtime.database, channels, runtime.clock, runtime.metrics)
    app.include_router(channel_router(door, runtime.clock))
    health = Health(runtime.database, runtime.redis)

    @app.get("/healthz", tags=["operation"])
    async def healthz() -> dict[str, str]:
        """The process lives."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["operation"])
    async def readyz() -> JSONResponse:
        """New work is welcome: the database and Redis answer, and nobody asked to stop."""
        checks = await health.check()
        ready = all(checks.values()) and not draining.is_set()
        content = {"ready": ready, "draining": draining.is_set(), "checks": checks}
        return JSONResponse(content, 200 if ready else 503)

    if settings.metrics_enabled:

        @app.get("/metrics", tags=["operation"], response_class=Response)
        async def metrics() -> Response:
            """Prometheus text format, all processes."""
            return Response(merged_metrics(settings.data_dir), media_type=CONTENT_TYPE_LATEST)

    return app
