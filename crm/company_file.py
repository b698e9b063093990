"""Brings a salon in from a file, and shows its whole state.

loaded = await load_company(database, Path("salon.yaml"), shift_to=date.today(), replace=True)
state = await dump_company(database, loaded.scope)
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from core.companies import Companies
from core.database import Connection, Database
from core.errors import InvalidInput
from core.tenancy import CompanyScope
from crm.company_state import dump_company
from crm.company_yaml import CompanyFile, parse_company, shifted
from crm.journal.repository import insert_client
from crm.model import ACTIVE_STATUSES, Booking, Service
from crm.profile import profile_to_json
from crm.resources import resource_id
from crm.salon_book import MESSAGE_TOPIC
from crm.schedule import DAY_MIN, DayHours, StaffSchedule

__all__ = ["CompanyFile", "LoadedCompany", "dump_company", "load_company", "read_company_file"]

_OWN_TABLES = (  # children first
    "booking_holds",
    "booking_intents",
    "client_messages",
    "salon_tasks",
    "waitlist",
    "certificates",
    "journal_writes",
    "journal_bookings",
    "journal_passes",
    "journal_client_phones",
    "journal_clients",
    "journal_hours",
    "journal_offers",
    "journal_staff",
    "journal_services",
    "salon_profiles",
)
_MAX_FILE_BYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class LoadedCompany:
    scope: CompanyScope
    slug: str
    now: datetime | None
    """The moment for which the file was written, moved with it. Aware. For a frozen clock."""
    created: bool
    """False: the company was there already and stands as it was, or was replaced."""


async def read_company_file(file: Path) -> CompanyFile:
    """Raises InvalidInput that names the file's fault."""

    def read() -> str:
        try:
            if file.stat().st_size > _MAX_FILE_BYTES:
                raise InvalidInput(f"file: is larger than {_MAX_FILE_BYTES} bytes, which no salon needs")
            return file.read_text("utf-8")
        except UnicodeDecodeError:
            raise InvalidInput("file: must be UTF-8 text") from None
        except OSError as error:
            raise InvalidInput(f"file: cannot be read ({error.strerror}): {file}") from None

    return parse_company(await asyncio.to_thread(read))


async def load_company(
    database: Database,
    file: Path | CompanyFile,
    *,
    shift_to: date | None = None,
    slug: str | None = None,
    replace: bool = False,
) -> LoadedCompany:
    """Brings the salon of a file into the database, all of it or nothing.

    `shift_to` moves every date by whole weeks, so that the file's week becomes the week of that day.
    `slug` names the company otherwise than the file does.
    `replace` False: a salon that is loaded already stays as it is. True: its book is written anew, what happened since
    (bookings, tasks, messages, wait-list) is gone; its conversations stay.

    Raises InvalidInput that names the field of the file which is wrong.
    """
    content = await read_company_file(file) if isinstance(file, Path) else file
    if shift_to is not None:
        content = shifted(content, shift_to)
    companies = Companies(database)
    name = slug or content.slug
    existing = await companies.by_slug(name)
    if existing and not replace and await _has_salon(database, existing.scope):
        return LoadedCompany(existing.scope, name, content.now, created=False)
    company = await companies.save(
        name, content.profile.name, timezone=content.profile.timezone, language=content.profile.languages[0]
    )
    try:
        async with database.company(company.scope) as conn:
            await _erase(conn, company.scope)
            await _write(conn, company.scope, content)
    except asyncpg.ExclusionViolationError:
        raise InvalidInput(_overlap(content.bookings)) from None
    return LoadedCompany(company.scope, name, content.now, created=existing is None)


async def _has_salon(database: Database, scope: CompanyScope) -> bool:
    async with database.company(scope) as conn:
        found = await conn.fetchval("select true from salon_profiles where company_id = $1", scope.company_id)
    return bool(found)


async def _erase(conn: Connection, scope: CompanyScope) -> None:
    await conn.execute(
        "delete from outbox where company_id = $1 and topic = $2 and done_at is null", scope.company_id, MESSAGE_TOPIC
    )
    for table in _OWN_TABLES:
        await conn.execute(f"delete from {table} where company_id = $1", scope.company_id)  # noqa: S608 - own names


async def _write(conn: Connection, scope: CompanyScope, file: CompanyFile) -> None:
    company = scope.company_id
    await conn.execute(
        "insert into salon_profiles (company_id, profile) values ($1, $2)", company, profile_to_json(file.profile)
    )
    await conn.executemany(
        """insert into journal_services (company_id, id, name, position, duration_min, buffer_min, variant_kind,
               max_age, deposit_minor, consultation_first) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
        [
            (
                company,
                service.id,
                service.name,
                position,
                _minutes(service.duration),
                _minutes(service.buffer_after),
                service.variant_kind.value if service.variant_kind else None,
                service.max_age,
                service.deposit.minor if service.deposit else None,
                service.consultation_first,
            )
            for position, service in enumerate(file.services)
        ],
    )
    await conn.executemany(
        "update journal_services set variant_of = $3 where company_id = $1 and id = $2",
        [(company, service.id, service.variant_of) for service in file.services if service.variant_of],
    )
    await conn.executemany(
        """insert into journal_staff (company_id, id, name, role, position, child_from)
           values ($1, $2, $3, $4, $5, $6)""",
        [(company, s.id, s.name, s.role, position, s.child_from_age) for position, s in enumerate(file.staff)],
    )
    await conn.executemany(
        """insert into journal_offers (company_id, service_id, staff_id, duration_min, price_minor, starting_at)
           values ($1, $2, $3, $4, $5, $6)""",
        [(company, *offer) for service in file.services for offer in _offers(service)],
    )
    await conn.executemany(
        """insert into journal_hours (company_id, staff_id, weekday, day, kind, start_min, end_min)
           values ($1, $2, $3, $4, $5, $6, $7)""",
        [(company, *row) for schedule in file.schedules for row in _hours(schedule)],
    )
    for client in file.clients:
        await insert_client(conn, scope, client)
        await conn.executemany(
            "insert into journal_client_phones (company_id, client_id, phone, position) values ($1, $2, $3, $4)",
            [(company, client.id, p.e164, n) for n, p in enumerate(file.more_phones.get(client.id, ()), start=1)],
        )
    await conn.executemany(
        """insert into certificates (company_id, number, valid_until, amount_minor, service_id, used_minor)
           values ($1, $2, $3, $4, $5, $6)""",
        [
            (company, c.number, c.valid_until, c.amount.minor if c.amount else None, c.service_id, c.used.minor)
            for c in file.certificates
        ],
    )
    await _write_bookings(conn, scope, file)


async def _write_bookings(conn: Connection, scope: CompanyScope, file: CompanyFile) -> None:
    buffers = {service.id: service.buffer_after for service in file.services}
    await conn.executemany(
        """insert into journal_bookings (company_id, id, client_id, staff_id, service_ids, starts_at, ends_at, occupied,
               resource_id, status, price_minor, currency, starting_at, staff_locked, for_whom, certificate, comment,
               visit_id)
           values ($1, $2, $3, $4, $5, $6, $7, tstzrange($6, $8), $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)""",
        [
            (
                scope.company_id,
                booking.id,
                booking.client_id,
                booking.staff_id,
                list(booking.service_ids),
                booking.start,
                booking.end,
                booking.end + max(buffers[service_id] for service_id in booking.service_ids),
                resource_id(scope, booking.staff_id),
                booking.status.value,
                booking.price.amount.minor,
                booking.price.amount.currency,
                booking.price.starting_at,
                booking.staff_locked,
                booking.for_whom,
                booking.certificate,
                booking.comment,
                booking.visit_id,
            )
            for booking in file.bookings
        ],
    )


def _offers(service: Service) -> Iterable[tuple[Any, ...]]:
    for offer in service.offers:
        price = offer.price
        yield service.id, offer.staff_id, _minutes(offer.duration), price.amount.minor, price.starting_at


def _hours(schedule: StaffSchedule) -> Iterable[tuple[Any, ...]]:
    for weekday, hours in schedule.weekly.items():
        for kind, start_min, end_min in _spans(hours):
            yield schedule.staff_id, weekday, None, kind, start_min, end_min
    for day, hours in schedule.exceptions.items():
        for kind, start_min, end_min in _spans(hours) or [("off", 0, DAY_MIN)]:
            yield schedule.staff_id, None, day, kind, start_min, end_min


def _spans(hours: DayHours) -> list[tuple[str, int, int]]:
    return [
        *(("work", span.start_min, span.end_min) for span in hours.hours),
        *(("break", span.start_min, span.end_min) for span in hours.breaks),
    ]


def _minutes(length: timedelta) -> int:
    return int(length.total_seconds() // 60)


def _overlap(bookings: Iterable[Booking]) -> str:
    """Names the two bookings; the database only knows that there are such."""
    last: dict[str, Booking] = {}
    for booking in sorted(bookings, key=lambda b: b.start):
        if booking.status not in ACTIVE_STATUSES:
            continue
        before = last.get(booking.staff_id)
        if before and booking.start < before.end:
            return f"bookings.{booking.id}: overlaps {before.id} of the same master, {booking.staff_id}"
        last[booking.staff_id] = booking
    return "bookings: two of one master overlap by the cleaning time after a service; move one of them"
