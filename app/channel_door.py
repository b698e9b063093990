"""The addresses that messengers call, /channels/NAME/SECRET: verified over the raw bytes, stored, only then "yes"."""

import time
from collections.abc import Sequence
from typing import cast

import structlog
from fastapi import APIRouter, Request, Response

from app.channels import ChannelSide
from channels.adapters_open import OpenAccount
from channels.inbox import by_address
from channels.model import Event
from channels.ports import Challenged, Reading, WebhookRequest
from core.clock import Clock
from core.database import Database
from core.errors import AppError, Forbidden, InvalidInput, NotFound
from core.metrics import Metrics

log = structlog.get_logger(__name__)

MOST_BYTES = 3 * 1024 * 1024
"""The largest webhook of any vendor (WhatsApp: up to 3 MB)."""


class TooLarge(AppError):
    code = "too_large"
    http_status = 413


class ChannelDoor:
    def __init__(self, database: Database, side: ChannelSide, clock: Clock, metrics: Metrics) -> None:
        self._database = database
        self._side = side
        self._clock = clock
        self._metrics = metrics

    async def account(self, name: str, hook: str) -> OpenAccount:
        """Raises NotFound for an address that is nobody's."""
        opened = await self._side.opened.by_hook(hook)
        if opened is None or opened.channel.value != name:
            raise NotFound("no messenger account is connected here")
        return opened

    async def take(self, opened: OpenAccount, request: WebhookRequest) -> Response:
        """Raises Forbidden for a forged request, InvalidInput for rubbish."""
        started_s = time.perf_counter()
        name = opened.channel.value
        try:
            opened.adapter.verify(request)
        except Forbidden:
            self._count(name, "forged")
            raise
        if hasattr(opened.adapter, "challenge"):
            challenged = await cast("Challenged", opened.adapter).challenge(request)
            if challenged is not None:
                return Response(challenged.body, challenged.status, media_type=challenged.content_type)
        try:
            reading = opened.adapter.read(request)
        except InvalidInput:
            self._count(name, "unreadable")
            raise
        await self._store(opened, request, reading)
        self._metrics.channel_hook_seconds.labels(name).observe(time.perf_counter() - started_s)
        reply = reading.reply
        return Response(reply.body, reply.status, media_type=reply.content_type)

    async def _store(self, opened: OpenAccount, request: WebhookRequest, reading: Reading) -> None:
        by_account = by_address(reading, opened.stored.account.address)
        for address, events in by_account.items():
            account = opened if not address else await self._other(opened, address, request)
            if account is not None:
                await self._store_of(account, events)

    async def _store_of(self, account: OpenAccount, events: Sequence[Event]) -> None:
        async with self._database.company(account.scope) as conn:
            new = await self._side.inbox.store(conn, account.scope, account.id, events, self._clock.now())
        self._count(account.channel.value, "new", new)
        self._count(account.channel.value, "known", len(events) - new)

    async def _other(self, opened: OpenAccount, address: str, request: WebhookRequest) -> OpenAccount | None:
        """Another account of the same vendor app. Its own secret must say yes too: a salon that knows another's
        address must not be able to write there."""
        other = await self._side.opened.by_address(opened.channel, address)
        if other is None:
            log.info("event_for_unknown_account", channel=opened.channel.value)
            return None
        try:
            other.adapter.verify(request)
        except Forbidden:
            self._count(opened.channel.value, "forged")
            log.warning("event_for_foreign_account", channel=opened.channel.value)
            return None
        return other

    def _count(self, name: str, result: str, number: int = 1) -> None:
        if number:
            self._metrics.channel_events_total.labels(name, result).inc(number)


def channel_router(door: ChannelDoor, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["webhooks"])

    @router.api_route("/channels/{name}/{hook}", methods=["GET", "POST"], include_in_schema=False)
    async def called(name: str, hook: str, request: Request) -> Response:
        account = await door.account(name, hook)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                raise TooLarge("body: larger than any request of a messenger")
        received = WebhookRequest(
            request.method, dict(request.headers), dict(request.query_params), bytes(body), clock.now()
        )
        return await door.take(account, received)

    return router
