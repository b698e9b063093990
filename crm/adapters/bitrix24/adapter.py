"""The CRM port on a portal: online booking where the portal has it, deals and calendars where it has not."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from typing import TypeVar

from core.errors import AppError, ConfigurationError
from core.outside_http import AccessDenied, before_writing
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.adapters.bitrix24 import probing
from crm.adapters.bitrix24.booking_ledger import BookingLedger, Declined
from crm.adapters.bitrix24.clients import CONTACT
from crm.adapters.bitrix24.deal_fields import Stages
from crm.adapters.bitrix24.deal_ledger import DealLedger
from crm.adapters.bitrix24.deals import VisitDeals, category
from crm.adapters.bitrix24.portal_hours import PortalHours
from crm.adapters.bitrix24.probing import Missing, Question, Wrong
from crm.adapters.bitrix24.replies import MethodAbsent
from crm.adapters.bitrix24.wire import Wire
from crm.model import (
    Booking,
    BookingId,
    BookingStatus,
    Capabilities,
    Changes,
    Client,
    ClientId,
    Plan,
    RefusalReason,
    Refused,
    Service,
    Shift,
    SlotQuery,
    Staff,
    VisitDraft,
    WriteResult,
)
from crm.vendor.adapter import AdapterTools, ChangeHint, Connection, Probe, ProbeItem, ProbeState
from crm.vendor.own_time_crm import OwnTimeCrm

T = TypeVar("T")


class Mode(StrEnum):
    BOOKING = "booking"
    DEALS = "crm"


MODE = "mode"
"""Kind of link: what this connection settled on, so that visits never go to two places."""


class Bitrix24Crm:
    """One portal."""

    def __init__(self, connection: Connection, tools: AdapterTools) -> None:
        """Raises ConfigurationError for missing or contradicting settings, InvalidInput for a wrong address."""
        self._connection = connection
        self._tools = tools
        self._wire = Wire(connection, tools)
        given = connection.setting("mode", "auto")
        if given not in ("auto", *Mode):
            raise ConfigurationError("mode: auto, booking or crm")
        self._mode = Mode(given) if given in tuple(Mode) else None
        self._given_mode = self._mode
        self._choosing = asyncio.Lock()
        wanted = category(connection.setting("deal_category", ""))
        stages = Stages(
            wanted or 0, connection.setting("stage_booked", "NEW"), connection.setting("stage_confirmed", "")
        )
        self._hours = PortalHours(self._wire, tools.catalogue, connection, tools.clock)
        deals = VisitDeals(self._wire, wanted) if wanted is not None else None
        self._bookings = BookingLedger(self._wire, self._hours, connection, tools, deals)
        self._deals = DealLedger(self._wire, connection, tools, stages)
        self._by_booking = OwnTimeCrm(self._bookings, self._hours, tools.clock, probing.BOOKING, needs_phone=False)
        self._by_deals = OwnTimeCrm(self._deals, tools.catalogue, tools.clock, probing.DEALS, needs_phone=False)

    # --- which of the two

    async def mode(self) -> Mode:
        """Chosen once a connection and kept with us. Raises AccessDenied when the key is no good."""
        if self._mode is not None:
            return self._mode
        async with self._choosing:
            if self._mode is None:
                link = await self._tools.links.get(MODE, "portal")
                self._mode = Mode(link["mode"]) if link is not None else await self._found_out()
                if link is None:
                    await self._tools.links.put(MODE, "portal", {"mode": self._mode.value})
            return self._mode

    async def _found_out(self) -> Mode:
        try:
            await self._wire.call("mode", "booking.v1.resource.list", {"order": {"id": "ASC"}})
        except MethodAbsent:
            return Mode.DEALS
        return Mode.BOOKING

    async def _crm(self) -> OwnTimeCrm:
        return self._by_booking if await self.mode() is Mode.BOOKING else self._by_deals

    async def _answer(self, question: Callable[[OwnTimeCrm], Awaitable[T]]) -> T:
        crm = await self._crm()
        try:
            return await question(crm)
        except MethodAbsent as absent:
            if crm is self._by_booking:
                raise AccessDenied("Bitrix24: online booking is switched off", probing.SWITCHED_OFF_RU) from absent
            raise

    async def _written(self, write: Callable[[OwnTimeCrm], Awaitable[WriteResult]]) -> WriteResult:
        with before_writing():
            await self.mode()
        try:
            return await self._answer(write)
        except Declined as declined:
            return Refused(declined.reason)

    # --- reading

    async def capabilities(self, scope: CompanyScope) -> Capabilities:
        if await self.mode() is Mode.DEALS:
            return probing.DEALS
        resources, _ = await self._hours.read(await self._tools.catalogue.catalogue(scope))
        return replace(probing.BOOKING, notifies_clients=any(resource.notifies for resource in resources))

    async def services(self, scope: CompanyScope) -> Sequence[Service]:
        return await self._answer(lambda crm: crm.services(scope))

    async def staff(self, scope: CompanyScope) -> Sequence[Staff]:
        return await self._answer(lambda crm: crm.staff(scope))

    async def slots(self, scope: CompanyScope, query: SlotQuery) -> Sequence[Plan]:
        return await self._answer(lambda crm: crm.slots(scope, query))

    async def on_duty(self, scope: CompanyScope, day: date) -> Sequence[Shift]:
        return await self._answer(lambda crm: crm.on_duty(scope, day))

    async def find_clients(self, scope: CompanyScope, phone: Phone) -> Sequence[Client]:
        return await self._bookings.find_clients(phone)  # contacts are the same in both modes

    async def find_or_create_client(self, scope: CompanyScope, name: str, phone: Phone | None) -> Client:
        return await self._by_booking.find_or_create_client(scope, name, phone)

    async def client(self, scope: CompanyScope, client_id: ClientId) -> Client | None:
        return await self._bookings.client(client_id)

    async def remove_client(self, scope: CompanyScope, client_id: ClientId) -> None:
        await self._by_booking.remove_client(scope, client_id)

    # --- writing

    async def check(self, scope: CompanyScope, draft: VisitDraft) -> RefusalReason | None:
        return await self._answer(lambda crm: crm.check(scope, draft))

    async def book(self, scope: CompanyScope, draft: VisitDraft, marker: str) -> WriteResult:
        with self._bookings.looking_for(marker, draft.plan):
            return await self._written(lambda crm: crm.book(scope, draft, marker))

    async def reschedule(self, scope: CompanyScope, booking_id: BookingId, plan: Plan, marker: str) -> WriteResult:
        return await self._written(lambda crm: crm.reschedule(scope, booking_id, plan, marker))

    async def cancel(self, scope: CompanyScope, booking_id: BookingId, *, late: bool, reason: str) -> WriteResult:
        return await self._written(lambda crm: crm.cancel(scope, booking_id, late=late, reason=reason))

    async def set_status(self, scope: CompanyScope, booking_id: BookingId, status: BookingStatus) -> WriteResult:
        return await self._written(lambda crm: crm.set_status(scope, booking_id, status))

    async def add_note(self, scope: CompanyScope, booking_id: BookingId, note: str) -> WriteResult:
        return await self._written(lambda crm: crm.add_note(scope, booking_id, note))

    # --- reading back

    async def get(self, scope: CompanyScope, booking_id: BookingId) -> Booking | None:
        return await self._answer(lambda crm: crm.get(scope, booking_id))

    async def find_by_marker(self, scope: CompanyScope, marker: str) -> Sequence[Booking]:
        return await self._answer(lambda crm: crm.find_by_marker(scope, marker))

    async def bookings_of(self, scope: CompanyScope, client_id: ClientId) -> Sequence[Booking]:
        return await self._answer(lambda crm: crm.bookings_of(scope, client_id))

    async def visits_of(
        self, scope: CompanyScope, client_id: ClientId, *, since: datetime, limit: int
    ) -> Sequence[Booking]:
        return await self._answer(lambda crm: crm.visits_of(scope, client_id, since=since, limit=limit))

    async def changes_since(self, scope: CompanyScope, cursor: str) -> Changes:
        return await self._answer(lambda crm: crm.changes_since(scope, cursor))

    # --- connection

    async def subscribe(self, scope: CompanyScope, url: str) -> bool:
        return await self._answer(lambda crm: crm.subscribe(scope, url))

    async def unsubscribe(self, scope: CompanyScope, url: str) -> None:
        await self._answer(lambda crm: crm.unsubscribe(scope, url))

    def read_webhook(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Sequence[ChangeHint]:
        return self._bookings.read_webhook(body, headers, query)  # told alike in both modes

    async def probe(self, scope: CompanyScope) -> Probe:
        self._hours.forget()
        try:
            mode = await self.mode()
        except AccessDenied as denied:
            return Probe((ProbeItem("auth", ProbeState.DENIED, denied.message, denied.remedy),), probing.BOOKING)
        except AppError as error:
            return Probe((ProbeItem("auth", ProbeState.FAILED, error.message, probing.REMEDY_RU),), probing.BOOKING)
        capabilities = probing.BOOKING if mode is Mode.BOOKING else probing.DEALS
        with contextlib.suppress(AppError):
            capabilities = await self.capabilities(scope)
        questions: list[Question] = [("auth", self._probe_auth), ("services", lambda: self._probe_services(scope))]
        if mode is Mode.BOOKING:
            questions += self._resource_questions(scope)
        items = (
            *(await probing.asked(questions, capabilities)).items,
            *(await (self._bookings if mode is Mode.BOOKING else self._deals).probe()).items,
            *(await probing.asked([("webhooks", self._probe_webhooks)], capabilities)).items,
        )
        return Probe(items, capabilities)

    async def _probe_auth(self) -> str:
        await self._wire.call("clients", "crm.item.list", {"entityTypeId": CONTACT, "select": ["id"]})
        return self._wire.host

    async def _probe_services(self, scope: CompanyScope) -> str:
        ours = await self._tools.catalogue.catalogue(scope)
        if not ours.services:
            raise Wrong("the salon's own catalogue is empty", "Заполните услуги салона: Битрикс24 их не ведёт.")
        return f"{len(ours.services)} из нашего каталога"

    def _resource_questions(self, scope: CompanyScope) -> list[Question]:
        async def staff() -> str:
            ours = await self._tools.catalogue.catalogue(scope)
            resources, _ = await self._hours.read(ours)
            ids = self._hours.ids(ours, resources)
            gone = [key for key, theirs in ids.staff.items() if theirs not in {r.id for r in resources}]
            if gone or not ids.staff:
                raise Wrong(
                    f"no resource of the portal for: {', '.join(gone) or 'anybody'}",
                    "Создайте ресурсы онлайн-записи для мастеров и сопоставьте их в файле --map.",
                )
            without = [key for key in ours.staff if key not in ids.staff]
            note = f"; без ресурса: {', '.join(without)}" if without else ""
            chatty = any(r.notifies for r in resources)
            return f"ресурсов {len(ids.staff)}{note}" + (
                "; портал сам пишет клиентам (уведомления ресурсов включены)" if chatty else ""
            )

        async def slots() -> str:
            ours = await self._tools.catalogue.catalogue(scope)
            _, settings = await self._hours.read(ours)
            empty = sum(not found for found in settings.values())
            if empty == len(settings):
                raise Wrong("no resource has hours", "Задайте ресурсам онлайн-записи рабочие часы (слоты).")
            return f"часы заданы у {len(settings) - empty} из {len(settings)}"

        return [("staff", staff), ("slots", slots)]

    async def _probe_webhooks(self) -> str:
        if not self._wire.is_application:
            raise Missing("входящий вебхук не подписывается на события: об изменениях узнаём опросом")
        if not self._connection.secrets.get("application_token"):
            return "application_token не задан: удаление приложения не распознаем"
        return ""


def build(connection: Connection, tools: AdapterTools) -> Bitrix24Crm:
    return Bitrix24Crm(connection, tools)
