"""Tries a live connection method by method, safely: a marked test client and booking, removed again at the end.

The eight things that must work with every CRM are the rows: authentication, services, staff, free time, clients,
booking, cancelling, limits and errors; then moving, reading back, the marker. Every row says what was seen, and what
to do when it failed. Nothing of a real client is read out or kept.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from core.clock import Clock
from core.errors import AppError
from core.outside_http import AccessDenied
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.model import (
    ACTIVE_STATUSES,
    Booking,
    Capabilities,
    Client,
    Plan,
    RefusalReason,
    Refused,
    ServiceId,
    SlotQuery,
    VisitDraft,
    VisitPart,
    Written,
)
from crm.short_ids import new_marker
from crm.vendor.adapter import ProbeState, VendorCrm

TEST_NAME = "Проверка AI-Admin"
TEST_PHONE = Phone("+79000000000")
"""Belongs to no operator: a message to it reaches nobody."""
_STEP_S = 30.0
_SEARCH_DAYS = 21


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """The CRM cannot do it, or an earlier row failed."""


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    title_ru: str
    verdict: Verdict
    detail: str
    """What was seen; no personal data."""
    remedy_ru: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    rows: tuple[Row, ...]
    left_behind: tuple[str, ...]
    """Records that could not be removed again: a person must."""

    @property
    def passed(self) -> bool:
        return all(row.verdict is not Verdict.FAILED for row in self.rows)


class _Skip(Exception):
    """The row does not apply."""


class _Wrong(Exception):
    """The CRM answered, but not as it must."""


@dataclass(slots=True)
class _Run:
    """What earlier rows found, for the later ones."""

    capabilities: Capabilities = field(default_factory=Capabilities)
    services: Sequence[Any] = ()
    plans: list[Plan] = field(default_factory=list)
    client: Client | None = None
    booking: Booking | None = None
    marker: str = ""
    left: list[str] = field(default_factory=list)


class LiveCheck:
    """One run against one connection."""

    def __init__(
        self,
        crm: VendorCrm,
        scope: CompanyScope,
        clock: Clock,
        *,
        write: bool = True,
        on_row: Callable[[Row], None] = lambda row: None,
    ) -> None:
        """`write` False: only what changes nothing."""
        self._crm = crm
        self._scope = scope
        self._clock = clock
        self._write = write
        self._on_row = on_row
        self._run = _Run()

    async def run(self) -> Report:
        steps: list[tuple[str, str, Callable[[], Awaitable[str]]]] = [
            ("auth", "Доступ и права", self._auth),
            ("services", "Услуги", self._services),
            ("staff", "Мастера", self._staff),
            ("slots", "Свободное время", self._slots),
            ("clients", "Клиент: найти и создать", self._clients),
            ("book", "Записать и прочитать обратно", self._book),
            ("marker", "Найти запись по метке", self._marker),
            ("taken", "Занятое время не записывается", self._taken),
            ("move", "Перенести", self._move),
            ("cancel", "Отменить, в том числе дважды", self._cancel),
            ("errors", "Ошибка не выдаётся за пустой ответ", self._errors),
        ]
        rows = []
        for name, title, step in steps:
            row = await self._row(name, title, step)
            self._on_row(row)
            rows.append(row)
        await self._clean_up()
        return Report(tuple(rows), tuple(self._run.left))

    async def _row(self, name: str, title: str, step: Callable[[], Awaitable[str]]) -> Row:
        started = time.monotonic()
        remedy = ""
        try:
            async with asyncio.timeout(_STEP_S):
                detail, verdict = await step(), Verdict.PASSED
        except _Skip as skipped:
            detail, verdict = str(skipped), Verdict.SKIPPED
        except _Wrong as wrong:
            detail, verdict = str(wrong), Verdict.FAILED
        except AccessDenied as denied:
            detail, verdict, remedy = denied.message, Verdict.FAILED, denied.remedy
        except AppError as error:
            facts = ", ".join(f"{key}={value}" for key, value in error.facts.items())
            detail, verdict = f"{error.code}: {error.message}{f' ({facts})' if facts else ''}", Verdict.FAILED
        except TimeoutError:
            detail, verdict = f"нет ответа за {_STEP_S:.0f} с", Verdict.FAILED
        return Row(name, title, verdict, detail, remedy, round(time.monotonic() - started, 3))

    # --- reading

    async def _auth(self) -> str:
        probe = await self._crm.probe(self._scope)
        self._run.capabilities = probe.capabilities
        bad = [item for item in probe.items if item.state in (ProbeState.DENIED, ProbeState.FAILED)]
        if bad:
            remedies = " ".join(dict.fromkeys(item.remedy_ru for item in bad if item.remedy_ru))
            raise _Wrong(f"{', '.join(f'{item.what}: {item.detail or item.state}' for item in bad)}. {remedies}")
        return ", ".join(f"{item.what} {'есть' if item.state is ProbeState.WORKS else 'нет'}" for item in probe.items)

    async def _services(self) -> str:
        self._run.services = await self._crm.services(self._scope)
        offered = [service for service in self._run.services if service.offers]
        if not offered:
            raise _Wrong("ни одной услуги, которую кто-то делает: проверьте услуги и мастеров в системе")
        return f"{len(self._run.services)}, из них {len(offered)} с мастерами"

    async def _staff(self) -> str:
        staff = await self._crm.staff(self._scope)
        if not staff:
            raise _Wrong("ни одного мастера")
        return str(len(staff))

    async def _slots(self) -> str:
        today = self._clock.now().date()
        wanted = [service for service in self._run.services if service.offers and not service.consultation_first]
        for service in wanted[:8]:
            for week in range(0, _SEARCH_DAYS, 7):
                first, last = today + timedelta(1 + week), today + timedelta(7 + week)
                part = VisitPart((ServiceId(service.id),))
                plans = list(await self._crm.slots(self._scope, SlotQuery((part,), first, last, limit=40)))
                if len(plans) >= 2:
                    self._run.plans = plans
                    return f"«{service.name}»: {len(plans)} вариантов, первый {plans[0].start:%d.%m %H:%M}"
        raise _Skip(f"за {_SEARCH_DAYS} дней свободного времени нет: запись не проверить")

    # --- writing

    async def _clients(self) -> str:
        self._needs_write()
        client = await self._crm.find_or_create_client(self._scope, TEST_NAME, TEST_PHONE)
        again = await self._crm.find_or_create_client(self._scope, TEST_NAME, TEST_PHONE)
        if client.id != again.id:
            raise _Wrong("один телефон дал двух клиентов")
        self._run.client = client
        return f"тестовый клиент «{TEST_NAME}»"

    async def _book(self) -> str:
        self._needs_write()
        client, plans = self._run.client, self._run.plans
        if client is None or not plans:
            raise _Skip("нет клиента или свободного времени")
        self._run.marker = new_marker()
        plan = plans[-1]
        draft = VisitDraft(client.id, plan, staff_locked=False, comment="тестовая запись AI-Admin, удалится сама")
        result = await self._crm.book(self._scope, draft, self._run.marker)
        if not isinstance(result, Written):
            raise _Wrong(f"не записано: {result}")
        (booking,) = result.bookings
        self._run.booking = booking
        read = await self._crm.get(self._scope, booking.id)
        if read is None or read.start != plan.start or read.staff_id != plan.parts[0].staff_id:
            raise _Wrong("прочитано не то, что записано: проверьте часовой пояс салона в системе")
        return f"{plan.start:%d.%m %H:%M}"

    async def _marker(self) -> str:
        if self._run.booking is None:
            raise _Skip("записи нет")
        if not self._run.capabilities.searchable_marker:
            raise _Skip("система не ищет по метке")
        found = await self._crm.find_by_marker(self._scope, self._run.marker)
        if [b.id for b in found] != [self._run.booking.id]:
            raise _Wrong(f"по метке найдено записей: {len(found)}")
        return "найдена ровно одна"

    async def _taken(self) -> str:
        booking, client = self._run.booking, self._run.client
        if booking is None or client is None:
            raise _Skip("записи нет")
        draft = VisitDraft(client.id, self._run.plans[-1], staff_locked=False)
        marker = new_marker()
        result = await self._crm.book(self._scope, draft, marker)
        if isinstance(result, Written):
            for double in result.bookings:
                await self._remove(double)
            raise _Wrong("на занятое время записано второй раз")
        if result != Refused(RefusalReason.SLOT_TAKEN):
            return f"отказ: {result}"
        return "отказано"

    async def _move(self) -> str:
        booking = self._run.booking
        if booking is None:
            raise _Skip("записи нет")
        if not self._run.capabilities.reschedule:
            raise _Skip("система не переносит")
        target = next((p for p in self._run.plans[:-1] if p.parts[0].staff_id == booking.staff_id), None)
        if target is None:
            raise _Skip("у мастера нет второго свободного времени")
        result = await self._crm.reschedule(self._scope, booking.id, target, new_marker())
        if not isinstance(result, Written) or result.bookings[0].start != target.start:
            raise _Wrong(f"не перенесено: {result}")
        self._run.booking = result.bookings[0]
        return f"на {target.start:%d.%m %H:%M}"

    async def _cancel(self) -> str:
        booking = self._run.booking
        if booking is None:
            raise _Skip("записи нет")
        for _ in range(2):
            result = await self._crm.cancel(self._scope, booking.id, late=False, reason="проверка связи")
            if not isinstance(result, Written):
                raise _Wrong(f"не отменено: {result}")
        read = await self._crm.get(self._scope, booking.id)
        if read is not None and read.status in ACTIVE_STATUSES:
            raise _Wrong("после отмены запись стоит")
        self._run.booking = None
        return "отменена, повтор ничего не изменил"

    async def _errors(self) -> str:
        try:
            wrong = VisitPart((ServiceId("no-such-service"),))
            today = self._clock.now().date()
            found = await self._crm.slots(self._scope, SlotQuery((wrong,), today, today))
        except AppError as error:
            return error.code
        raise _Wrong(f"на неизвестную услугу ответ без ошибки: {len(found)} вариантов")

    # --- leaving nothing behind

    def _needs_write(self) -> None:
        if not self._write:
            raise _Skip("проверка без записи (--read-only)")
        if not self._run.capabilities.book:
            raise _Skip("система только для чтения")

    async def _remove(self, booking: Booking) -> None:
        try:
            async with asyncio.timeout(_STEP_S):
                await self._crm.cancel(self._scope, booking.id, late=False, reason="проверка связи")
        except (AppError, TimeoutError):
            self._run.left.append(f"запись {booking.id} на {booking.start:%d.%m %H:%M}")

    async def _clean_up(self) -> None:
        if self._run.booking is not None:
            await self._remove(self._run.booking)
        client = self._run.client
        if client is not None and not await self._client_removed(client):
            self._run.left.append(f"клиент «{TEST_NAME}» ({TEST_PHONE.e164})")

    async def _client_removed(self, client: Client) -> bool:
        remove = getattr(self._crm, "remove_client", None)
        if remove is None:
            return False
        try:
            async with asyncio.timeout(_STEP_S):
                await remove(self._scope, client.id)
        except (AppError, TimeoutError):
            return False
        return True
