"""Reminders of visits, into the messenger in which the client is: a day before, with buttons to confirm, move, cancel.

Service messages about a visit that exists, one a visit, in the salon's waking hours; nothing is advertised. Visits come
from the CRM's own changes and are read again before anybody is reminded. A CRM that reminds clients itself is left to
do so, and who never wrote to us in a messenger is not looked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import uuid5
from zoneinfo import ZoneInfo

import structlog

from agent.language.ru.phrases import MONTHS_GENITIVE
from core.clock import Clock
from core.companies import Companies, Company
from core.database import Database
from core.errors import AppError, InvalidInput
from core.ids import ConversationId
from core.tenancy import CompanyScope
from crm.model import Booking, BookingId, BookingStatus, Message, MessageKind, SalonProfile
from crm.ports import Crm, SalonBook

log = structlog.get_logger(__name__)

EVERY_S = 60.0
TEMPLATE = "visit_reminder"
FROM, UNTIL = time(9), time(21)
"""Nobody is written to at night (local time of the salon)."""
LATEST = timedelta(hours=2)
"""A reminder this close to the visit only frightens."""
FRESH = timedelta(hours=6)
"""Who booked or moved so short a while ago remembers."""
PAGES = 20
_DAYS = ("пн", "вт", "ср", "чт", "пт", "сб", "вс")


@dataclass(frozen=True, slots=True)
class ReminderRules:
    on: bool = True
    hours_before: int = 24


def rules_of(settings: Mapping[str, Any]) -> ReminderRules:
    """From the company's settings: {"reminders": {"on": true, "hours_before": 24}}. Raises InvalidInput."""
    given = settings.get("reminders") or {}
    hours = given.get("hours_before", 24)
    if not isinstance(hours, int) or not 3 <= hours <= 72:
        raise InvalidInput("reminders.hours_before: whole hours from 3 to 72")
    return ReminderRules(bool(given.get("on", True)), hours)


class Reminders:
    def __init__(self, database: Database, companies: Companies, crm: Crm, book: SalonBook, clock: Clock) -> None:
        self._database = database
        self._companies = companies
        self._crm = crm
        self._book = book
        self._clock = clock

    async def once(self) -> int:
        """Looks at every company; how many clients were reminded."""
        count = 0
        for company in await self._companies.all():
            try:
                count += await self._company(company)
            except AppError as error:
                log.warning("reminders_failed", company=str(company.id), code=error.code)
        return count

    async def _company(self, company: Company) -> int:
        rules = rules_of(company.settings)
        if not rules.on or not await self._has_messenger(company.scope):
            return 0
        capabilities = await self._crm.capabilities(company.scope)
        if capabilities.notifies_clients or not capabilities.changes:
            return 0
        await self._watch(company.scope)
        profile = await self._book.profile(company.scope)
        now, zone = self._clock.now(), ZoneInfo(profile.timezone)
        if not FROM <= now.astimezone(zone).time() < UNTIL:
            return 0
        count = 0
        for row in await self._due(company.scope, now, rules):
            count += await self._remind(company.scope, BookingId(row["booking_id"]), row["starts_at"], profile, rules)
        return count

    async def _watch(self, scope: CompanyScope) -> None:
        async with self._database.company(scope) as conn:
            cursor = await conn.fetchval("select cursor from visit_watch where company_id = $1", scope.company_id)
        for _ in range(PAGES):
            changes = await self._crm.changes_since(scope, cursor or "")
            async with self._database.company(scope) as conn:
                await conn.executemany(
                    """insert into visits_seen (company_id, booking_id, client_id, starts_at, status, seen_at)
                       values ($1, $2, $3, $4, $5, $6)
                       on conflict (company_id, booking_id) do update set client_id = excluded.client_id,
                           status = excluded.status, starts_at = excluded.starts_at,
                           seen_at = case when visits_seen.starts_at = excluded.starts_at then visits_seen.seen_at
                                          else excluded.seen_at end""",
                    [
                        (scope.company_id, b.id, b.client_id or "", b.start, b.status.value, self._clock.now())
                        for b in changes.bookings
                    ],
                )
                await conn.execute(
                    """insert into visit_watch (company_id, cursor) values ($1, $2)
                       on conflict (company_id) do update set cursor = excluded.cursor""",
                    scope.company_id,
                    changes.cursor,
                )
                await conn.execute(
                    "delete from visits_seen where company_id = $1 and starts_at < $2",
                    scope.company_id,
                    self._clock.now() - timedelta(days=2),
                )
            cursor = changes.cursor
            if not changes.more:
                break

    async def _due(self, scope: CompanyScope, now: datetime, rules: ReminderRules) -> list[Any]:
        async with self._database.company(scope) as conn:
            return list(
                await conn.fetch(
                    """select booking_id, starts_at from visits_seen
                       where company_id = $1 and status = 'booked' and starts_at > $2 and starts_at <= $3
                         and seen_at < $4 and reminded_for is distinct from starts_at
                       order by starts_at limit 200""",
                    scope.company_id,
                    now + LATEST,
                    now + timedelta(hours=rules.hours_before),
                    now - FRESH,
                )
            )

    async def _remind(
        self, scope: CompanyScope, booking_id: BookingId, seen: datetime, profile: SalonProfile, rules: ReminderRules
    ) -> bool:
        """True: a message is on its way. Marked after it was queued: a crash in between asks the salon book for the
        same message again, which is the same message."""
        booking = await self._crm.get(scope, booking_id)
        now = self._clock.now()
        told = False
        if booking is not None and booking.status is BookingStatus.BOOKED and booking.start > now + LATEST:
            told = booking.start <= now + timedelta(hours=rules.hours_before) and await self._tell(
                scope, booking, profile
            )
            seen = booking.start
        async with self._database.company(scope) as conn:
            await conn.execute(
                """update visits_seen set reminded_for = $3, starts_at = $3, status = $4
                   where company_id = $1 and booking_id = $2""",
                scope.company_id,
                booking_id,
                seen,
                booking.status.value if booking is not None else BookingStatus.CANCELLED.value,
            )
        return told

    async def _tell(self, scope: CompanyScope, booking: Booking, profile: SalonProfile) -> bool:
        client = await self._crm.client(scope, booking.client_id) if booking.client_id else None
        if client is None or client.phone is None or client.blocked:
            return False
        async with self._database.company(scope) as conn:
            reachable = await conn.fetchval(
                """select true from channel_threads where company_id = $1 and phone = $2 and reachable limit 1""",
                scope.company_id,
                client.phone.e164,
            )
        if not reachable:
            return False
        names = {service.id: service.name for service in await self._crm.services(scope)}
        services = ", ".join(names[one] for one in booking.service_ids if one in names)
        when = _when(booking.start.astimezone(ZoneInfo(profile.timezone)), client.language)
        text, choices = _words(client.language, when, services, profile)
        message = Message(
            MessageKind.REMINDER, client.phone, text, channel="messenger", choices=choices, template=TEMPLATE,
            parameters=(when, services),
        )  # fmt: skip
        conversation = ConversationId(uuid5(scope.company_id, f"reminder:{booking.id}:{booking.start.isoformat()}"))
        await self._book.add_message(scope, conversation, message)
        return True

    async def _has_messenger(self, scope: CompanyScope) -> bool:
        async with self._database.company(scope) as conn:
            found = await conn.fetchval(
                "select true from channel_accounts where company_id = $1 and state = 'on' limit 1", scope.company_id
            )
        return bool(found)


def _when(start: datetime, language: str) -> str:
    if language == "en":
        return f"{start:%A} {start.day} {start:%B} at {start:%H:%M}"
    return f"{start.day} {MONTHS_GENITIVE[start.month - 1]} ({_DAYS[start.weekday()]}) в {start:%H:%M}"


def _words(language: str, when: str, services: str, profile: SalonProfile) -> tuple[str, tuple[str, ...]]:
    where = f" {profile.address}." if profile.address else ""
    if language == "en":
        return (
            f"A reminder from {profile.name}: you are booked for {services}, {when}.{where} Will you come?",
            ("I confirm my booking", "Move my booking", "Cancel my booking"),
        )
    return (
        f"Напоминаем о записи: {profile.name}, {when}, {services}.{where} Всё в силе?",
        ("Подтверждаю запись", "Перенести запись", "Отменить запись"),
    )
