"""The journal's SQL: rows in, domain objects out. Every function works inside the caller's transaction."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from core.database import Connection
from core.errors import NotFound
from core.money import Money
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.catalogue import Accepted, Catalogue
from crm.model import (
    Booking,
    BookingId,
    BookingStatus,
    Client,
    ClientId,
    Price,
    Service,
    ServiceId,
    ServicePass,
    Staff,
    StaffId,
    StaffOffer,
    VariantKind,
    VisitDraft,
)
from crm.profile import profile_from_json
from crm.resources import resource_id
from crm.schedule import DayHours, Span, StaffSchedule
from crm.slot_book import Busy

_CATALOGUE = """
select
  (select profile from salon_profiles where company_id = $1) as profile,
  (select jsonb_agg(jsonb_build_object('id', s.id, 'name', s.name, 'minutes', s.duration_min, 'buffer', s.buffer_min,
       'variant_of', s.variant_of, 'variant_kind', s.variant_kind, 'max_age', s.max_age, 'deposit', s.deposit_minor,
       'currency', s.currency, 'consultation_first', s.consultation_first) order by s.position, s.id)
     from journal_services s where s.company_id = $1 and s.active) as services,
  (select jsonb_agg(jsonb_build_array(o.service_id, o.staff_id, o.duration_min, o.price_minor, o.starting_at)
       order by t.position, t.id)
     from journal_offers o join journal_staff t on t.company_id = o.company_id and t.id = o.staff_id and t.active
     where o.company_id = $1) as offers,
  (select jsonb_agg(jsonb_build_object('id', t.id, 'name', t.name, 'role', t.role, 'child_from', t.child_from)
       order by t.position, t.id)
     from journal_staff t where t.company_id = $1 and t.active) as staff,
  (select jsonb_agg(jsonb_build_array(h.staff_id, h.weekday, h.day, h.kind, h.start_min, h.end_min)
       order by h.staff_id, h.weekday, h.day, h.kind, h.start_min)
     from journal_hours h where h.company_id = $1 and (h.day is null or h.day >= $2)) as hours
"""

_BOOKING = """
    b.*, (select p.profile ->> 'timezone' from salon_profiles p where p.company_id = b.company_id) as zone
"""


async def catalogue(conn: Connection, scope: CompanyScope, *, exceptions_from: date = date.min) -> Catalogue:
    """Price list, masters and hours in one query. Raises NotFound when no salon was loaded into the company."""
    row = await conn.fetchrow(_CATALOGUE, scope.company_id, exceptions_from)
    if row is None or row["profile"] is None:
        raise NotFound("the company has no salon yet: load one with `ai-admin company load FILE`")
    offers: dict[str, list[StaffOffer]] = {}
    currency = {item["id"]: item["currency"] for item in row["services"] or ()}
    for service_id, staff_id, minutes, minor, starting_at in row["offers"] or ():
        if service_id in currency:
            price = Price(Money(minor, currency[service_id]), starting_at)
            offers.setdefault(service_id, []).append(StaffOffer(StaffId(staff_id), price, timedelta(minutes=minutes)))
    services = [_service(item, tuple(offers.get(item["id"], ()))) for item in row["services"] or ()]
    staff = [Staff(StaffId(s["id"]), s["name"], s["role"], s["child_from"]) for s in row["staff"] or ()]
    schedules = {member.id: StaffSchedule(member.id, {}) for member in staff} | _schedules(row["hours"] or ())
    return Catalogue(
        profile_from_json(row["profile"]), {s.id: s for s in services}, {s.id: s for s in staff}, schedules
    )


def _service(item: dict[str, Any], offers: tuple[StaffOffer, ...]) -> Service:
    return Service(
        id=ServiceId(item["id"]),
        name=item["name"],
        duration=timedelta(minutes=item["minutes"]),
        offers=offers,
        buffer_after=timedelta(minutes=item["buffer"]),
        variant_of=ServiceId(item["variant_of"]) if item["variant_of"] else None,
        variant_kind=VariantKind(item["variant_kind"]) if item["variant_kind"] else None,
        max_age=item["max_age"],
        deposit=None if item["deposit"] is None else Money(item["deposit"], item["currency"]),
        consultation_first=item["consultation_first"],
    )


def _schedules(rows: Sequence[Sequence[Any]]) -> dict[StaffId, StaffSchedule]:
    found: dict[str, dict[int | date, dict[str, list[Span]]]] = {}
    for staff_id, weekday, day, kind, start_min, end_min in rows:
        key: int | date = weekday if day is None else date.fromisoformat(day)
        kinds = found.setdefault(staff_id, {}).setdefault(key, {"work": [], "break": []})
        if kind != "off":
            kinds[kind].append(Span(start_min, end_min))
    result = {}
    for staff_id, days in found.items():
        made = {key: DayHours(tuple(kinds["work"]), tuple(kinds["break"])) for key, kinds in days.items()}
        result[StaffId(staff_id)] = StaffSchedule(
            StaffId(staff_id),
            {key: hours for key, hours in made.items() if isinstance(key, int)},
            {key: hours for key, hours in made.items() if isinstance(key, date)},
        )
    return result


async def busy(conn: Connection, scope: CompanyScope, start: datetime, end: datetime) -> list[Busy]:
    rows = await conn.fetch(
        """select id, staff_id, lower(occupied) as start, upper(occupied) as end from journal_bookings
           where company_id = $1 and active and starts_at < $3 and starts_at > $2::timestamptz - interval '1 day'
             and occupied && tstzrange($2, $3)""",
        scope.company_id,
        start,
        end,
    )
    return [Busy(StaffId(row["staff_id"]), row["start"], row["end"], BookingId(row["id"])) for row in rows]


async def is_taken(
    conn: Connection, scope: CompanyScope, parts: Sequence[Accepted], *, ignoring: BookingId | None = None
) -> bool:
    return bool(
        await conn.fetchval(
            """select exists (
                 select from unnest($2::text[], $3::timestamptz[], $4::timestamptz[]) as wish (staff_id, start, until)
                 join journal_bookings b on b.company_id = $1 and b.staff_id = wish.staff_id and b.active
                   and b.starts_at < wish.until and upper(b.occupied) > wish.start
                   and b.starts_at > wish.start - interval '1 day' and b.id is distinct from $5)""",
            scope.company_id,
            [item.part.staff_id for item in parts],
            [item.part.start for item in parts],
            [item.occupied_until for item in parts],
            ignoring,
        )
    )


# --- bookings -------------------------------------------------------------------------------------------------------


async def insert_bookings(
    conn: Connection,
    scope: CompanyScope,
    draft: VisitDraft,
    parts: Sequence[Accepted],
    ids: Sequence[BookingId],
    *,
    visit_id: str,
    marker: str,
) -> None:
    """All parts or none. Raises ExclusionViolationError for taken time, UniqueViolationError for a used marker."""
    await conn.executemany(
        """insert into journal_bookings (company_id, id, client_id, staff_id, service_ids, starts_at, ends_at, occupied,
               resource_id, status, price_minor, currency, starting_at, staff_locked, for_whom, certificate, comment,
               visit_id, marker)
           values ($1, $2, $3, $4, $5, $6, $7, tstzrange($6, $8), $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
               $19)""",
        [
            (
                scope.company_id,
                booking_id,
                draft.client_id,
                item.part.staff_id,
                list(item.part.service_ids),
                item.part.start,
                item.part.end,
                item.occupied_until,
                resource_id(scope, item.part.staff_id),
                draft.status.value,
                item.price.amount.minor,
                item.price.amount.currency,
                item.price.starting_at,
                draft.staff_locked,
                draft.for_whom,
                draft.certificate,
                draft.comment,
                visit_id,
                marker,
            )
            for booking_id, item in zip(ids, parts, strict=True)
        ],
    )
    await record_write(conn, scope, marker, ids)


async def move_booking(
    conn: Connection, scope: CompanyScope, booking: Booking, target: Accepted, price: Price, marker: str
) -> None:
    """Old time out, new time in, in one statement."""
    status = BookingStatus.BOOKED if booking.status is BookingStatus.CONFIRMED else booking.status
    await conn.execute(
        """update journal_bookings set staff_id = $3, service_ids = $4, starts_at = $5, ends_at = $6,
               occupied = tstzrange($5, $7), resource_id = $8, price_minor = $9, currency = $10, starting_at = $11,
               status = $12, marker = $13
           where company_id = $1 and id = $2""",
        scope.company_id,
        booking.id,
        target.part.staff_id,
        list(target.part.service_ids),
        target.part.start,
        target.part.end,
        target.occupied_until,
        resource_id(scope, target.part.staff_id),
        price.amount.minor,
        price.amount.currency,
        price.starting_at,
        status.value,
        marker,
    )
    await record_write(conn, scope, marker, [booking.id])


async def record_write(conn: Connection, scope: CompanyScope, marker: str, ids: Sequence[BookingId]) -> None:
    await conn.execute(
        "insert into journal_writes (company_id, marker, booking_ids) values ($1, $2, $3)",
        scope.company_id,
        marker,
        list(ids),
    )


async def bookings_by_id(
    conn: Connection, scope: CompanyScope, ids: Sequence[BookingId], *, lock: bool = False
) -> list[Booking]:
    """In order of time."""
    rows = await conn.fetch(
        f"""select {_BOOKING} from journal_bookings b where b.company_id = $1 and b.id = any($2)
            order by b.starts_at, b.id {"for update of b" if lock else ""}""",  # noqa: S608 - constant pieces only
        scope.company_id,
        list(ids),
    )
    return [booking(row) for row in rows]


async def bookings_by_marker(conn: Connection, scope: CompanyScope, marker: str) -> list[Booking]:
    ids = await conn.fetchval(
        "select booking_ids from journal_writes where company_id = $1 and marker = $2", scope.company_id, marker
    )
    return await bookings_by_id(conn, scope, ids) if ids else []


async def bookings_of_client(
    conn: Connection, scope: CompanyScope, client_id: ClientId, ending_after: datetime
) -> list[Booking]:
    rows = await conn.fetch(
        f"""select {_BOOKING} from journal_bookings b
            where b.company_id = $1 and b.client_id = $2 and b.active and b.ends_at > $3
            order by b.starts_at, b.id""",  # noqa: S608 - constant pieces only
        scope.company_id,
        client_id,
        ending_after,
    )
    return [booking(row) for row in rows]


async def visits_of_client(
    conn: Connection, scope: CompanyScope, client_id: ClientId, *, since: datetime, ended_by: datetime, limit: int
) -> list[Booking]:
    """Newest first; missed visits are among them, cancelled ones are not."""
    rows = await conn.fetch(
        f"""select {_BOOKING} from journal_bookings b
            where b.company_id = $1 and b.client_id = $2 and b.status <> 'cancelled'
              and b.ends_at <= $3 and b.starts_at >= $4
            order by b.starts_at desc, b.id desc limit $5""",  # noqa: S608 - constant pieces only
        scope.company_id,
        client_id,
        ended_by,
        since,
        limit,
    )
    return [booking(row) for row in rows]


async def changed_bookings(
    conn: Connection, scope: CompanyScope, after: tuple[int, str], limit: int
) -> list[tuple[int, Booking]]:
    """With the writing transaction's number; only of transactions that no older one can still overtake."""
    rows = await conn.fetch(
        f"""select {_BOOKING}, b.changed_xid::text::bigint as xid from journal_bookings b
            where b.company_id = $1 and (b.changed_xid, b.id) > ($2::text::xid8, $3)
              and b.changed_xid < pg_snapshot_xmin(pg_current_snapshot())
            order by b.changed_xid, b.id limit $4""",  # noqa: S608 - constant pieces only
        scope.company_id,
        str(after[0]),
        after[1],
        limit,
    )
    return [(row["xid"], booking(row)) for row in rows]


def booking(row: asyncpg.Record) -> Booking:
    zone = ZoneInfo(row["zone"] or "UTC")
    return Booking(
        id=BookingId(row["id"]),
        client_id=ClientId(row["client_id"]) if row["client_id"] else None,
        staff_id=StaffId(row["staff_id"]),
        service_ids=tuple(ServiceId(item) for item in row["service_ids"]),
        start=row["starts_at"].astimezone(zone),
        end=row["ends_at"].astimezone(zone),
        status=BookingStatus(row["status"]),
        price=Price(Money(row["price_minor"], row["currency"]), row["starting_at"]),
        staff_locked=row["staff_locked"],
        for_whom=row["for_whom"],
        certificate=row["certificate"],
        comment=row["comment"],
        visit_id=row["visit_id"],
        late_cancel=row["late_cancel"],
        marker=row["marker"],
    )


# --- clients --------------------------------------------------------------------------------------------------------


async def clients_by_phone(conn: Connection, scope: CompanyScope, phone: Phone) -> list[Client]:
    return await _clients(
        conn,
        scope,
        "c.id in (select p.client_id from journal_client_phones p where p.company_id = $1 and p.phone = $2)",
        phone.e164,
    )


async def client_by_id(conn: Connection, scope: CompanyScope, client_id: ClientId) -> Client | None:
    found = await _clients(conn, scope, "c.id = $2", client_id)
    return found[0] if found else None


async def _clients(conn: Connection, scope: CompanyScope, condition: str, value: str) -> list[Client]:
    rows = await conn.fetch(
        f"""select c.*, pass.service_id as pass_service, pass.left_count as pass_left,
                (select p.phone from journal_client_phones p where p.company_id = c.company_id and p.client_id = c.id
                 order by p.position, p.phone limit 1) as phone
            from journal_clients c
            left join lateral (select s.service_id, s.left_count from journal_passes s
                where s.company_id = c.company_id and s.client_id = c.id and s.left_count > 0
                order by s.service_id limit 1) pass on true
            where c.company_id = $1 and {condition} order by c.created_at, c.id""",  # noqa: S608 - constant pieces only
        scope.company_id,
        value,
    )
    return [
        Client(
            id=ClientId(row["id"]),
            name=row["name"],
            phone=Phone(row["phone"]) if row["phone"] else None,
            note=row["note"],
            no_shows=row["no_shows"],
            blocked=row["blocked"],
            language=row["language"],
            service_pass=ServicePass(ServiceId(row["pass_service"]), row["pass_left"]) if row["pass_service"] else None,
        )
        for row in rows
    ]


async def insert_client(conn: Connection, scope: CompanyScope, client: Client) -> None:
    await conn.execute(
        """insert into journal_clients (company_id, id, name, note, no_shows, blocked, language)
           values ($1, $2, $3, $4, $5, $6, $7)""",
        scope.company_id,
        client.id,
        client.name,
        client.note,
        client.no_shows,
        client.blocked,
        client.language,
    )
    if client.phone:
        await conn.execute(
            "insert into journal_client_phones (company_id, client_id, phone) values ($1, $2, $3)",
            scope.company_id,
            client.id,
            client.phone.e164,
        )
    if client.service_pass:
        await conn.execute(
            "insert into journal_passes (company_id, client_id, service_id, left_count) values ($1, $2, $3, $4)",
            scope.company_id,
            client.id,
            client.service_pass.service_id,
            client.service_pass.left,
        )
