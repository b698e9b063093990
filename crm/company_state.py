"""The whole state of a salon as JSON-able data in a stable order: for people, for backups to the eye, and for judging
what a conversation changed. Times are the salon's wall clock without a zone, sums are in roubles or the currency's
whole units where they are whole."""

from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from core.companies import Companies
from core.database import Connection, Database
from core.tenancy import CompanyScope
from crm.catalogue import Catalogue
from crm.journal import repository
from crm.profile import profile_to_json
from crm.schedule import DayHours


async def dump_company(database: Database, scope: CompanyScope) -> dict[str, Any]:
    """Raises NotFound when the company or its salon does not exist."""
    company = await Companies(database).get(scope)
    async with database.company(scope) as conn:
        catalogue = await repository.catalogue(conn, scope)
        zone = catalogue.zone
        return {
            "company": {"id": str(company.id), "slug": company.slug, "name": company.name, "timezone": zone.key},
            "salon": profile_to_json(catalogue.profile),
            "services": _services(catalogue),
            "staff": _staff(catalogue),
            "clients": await _clients(conn, scope),
            "certificates": await _certificates(conn, scope),
            "bookings": await _bookings(conn, scope, zone),
            "waitlist": await _waitlist(conn, scope, zone),
            "tasks": await _tasks(conn, scope, zone),
            "messages": await _messages(conn, scope, zone),
            "conversations": await _conversations(conn, scope, zone),
        }


def _services(catalogue: Catalogue) -> dict[str, Any]:
    return {
        service.id: {
            "name": service.name,
            "minutes": int(service.duration.total_seconds() // 60),
            "buffer_minutes": int(service.buffer_after.total_seconds() // 60),
            "offers": {
                offer.staff_id: {
                    "price": whole_units(offer.price.amount.minor),
                    "starting_at": offer.price.starting_at,
                    "minutes": int(offer.duration.total_seconds() // 60),
                }
                for offer in service.offers
            },
            "variant_of": service.variant_of,
            "variant_kind": service.variant_kind.value if service.variant_kind else None,
            "max_age": service.max_age,
            "deposit": whole_units(service.deposit.minor) if service.deposit else None,
            "consultation_first": service.consultation_first,
        }
        for service in catalogue.services.values()
    }


def _staff(catalogue: Catalogue) -> dict[str, Any]:
    return {
        staff.id: {
            "name": staff.name,
            "role": staff.role,
            "child_from": staff.child_from_age,
            "week": {str(d): _day(h) for d, h in sorted(catalogue.schedules[staff.id].weekly.items())},
            "exceptions": {d.isoformat(): _day(h) for d, h in sorted(catalogue.schedules[staff.id].exceptions.items())},
        }
        for staff in catalogue.staff.values()
    }


def _day(hours: DayHours) -> dict[str, list[str]]:
    return {
        name: [f"{_clock(span.start_min)}-{_clock(span.end_min)}" for span in spans]
        for name, spans in (("hours", hours.hours), ("breaks", hours.breaks))
    }


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


async def _clients(conn: Connection, scope: CompanyScope) -> dict[str, Any]:
    rows = await conn.fetch(
        """select c.*,
               array(select p.phone from journal_client_phones p where p.company_id = c.company_id
                     and p.client_id = c.id order by p.position, p.phone) as phones,
               (select jsonb_object_agg(s.service_id, s.left_count) from journal_passes s
                where s.company_id = c.company_id and s.client_id = c.id) as passes
           from journal_clients c where c.company_id = $1 order by c.id""",
        scope.company_id,
    )
    return {
        row["id"]: {
            "name": row["name"],
            "phone": row["phones"][0] if row["phones"] else None,
            "phones": list(row["phones"]),
            "note": row["note"],
            "no_shows": row["no_shows"],
            "blocked": row["blocked"],
            "language": row["language"],
            "passes": row["passes"] or {},
        }
        for row in rows
    }


async def _certificates(conn: Connection, scope: CompanyScope) -> dict[str, Any]:
    rows = await conn.fetch("select * from certificates where company_id = $1 order by number", scope.company_id)
    return {
        row["number"]: {
            "until": row["valid_until"].isoformat(),
            "sum": None if row["amount_minor"] is None else whole_units(row["amount_minor"]),
            "service": row["service_id"],
            "used": whole_units(row["used_minor"]),
        }
        for row in rows
    }


async def _bookings(conn: Connection, scope: CompanyScope, zone: ZoneInfo) -> dict[str, Any]:
    rows = await conn.fetch("select * from journal_bookings where company_id = $1 order by id", scope.company_id)
    return {
        row["id"]: {
            "client": row["client_id"],
            "staff": row["staff_id"],
            "services": list(row["service_ids"]),
            "start": local(row["starts_at"], zone),
            "end": local(row["ends_at"], zone),
            "status": row["status"],
            "price": whole_units(row["price_minor"]),
            "starting_at": row["starting_at"],
            "staff_locked": row["staff_locked"],
            "for": row["for_whom"],
            "certificate": row["certificate"],
            "comment": row["comment"],
            "visit": row["visit_id"],
            "late_cancel": row["late_cancel"],
            "cancel_reason": row["cancel_reason"],
        }
        for row in rows
    }


async def _waitlist(conn: Connection, scope: CompanyScope, zone: ZoneInfo) -> dict[str, Any]:
    rows = await conn.fetch("select * from waitlist where company_id = $1 order by created_at, id", scope.company_id)
    return {
        row["id"]: {
            "client": row["client_id"],
            "services": list(row["service_ids"]),
            "date": row["day"].isoformat(),
            "staff": list(row["staff_ids"]),
            "after": _wall(row["not_before"]),
            "before": _wall(row["done_by"]),
            "conversation": str(row["conversation_id"]),
            "created": local(row["created_at"], zone),
        }
        for row in rows
    }


async def _tasks(conn: Connection, scope: CompanyScope, zone: ZoneInfo) -> dict[str, Any]:
    rows = await conn.fetch("select * from salon_tasks where company_id = $1 order by created_at, id", scope.company_id)
    return {
        row["id"]: {
            "kind": row["kind"],
            "text": row["text"],
            "due": local(row["due"], zone),
            "phone": row["phone"],
            "booking": row["booking_id"],
            "staff": row["staff_id"],
            "done": row["done_at"] is not None,
            "conversation": str(row["conversation_id"]),
            "created": local(row["created_at"], zone),
        }
        for row in rows
    }


async def _messages(conn: Connection, scope: CompanyScope, zone: ZoneInfo) -> dict[str, Any]:
    rows = await conn.fetch(
        "select * from client_messages where company_id = $1 order by created_at, id", scope.company_id
    )
    return {
        row["id"]: {
            "kind": row["kind"],
            "phone": row["phone"],
            "text": row["text"],
            "channel": row["channel"],
            "delivery": row["delivery"],
            "not_before": local(row["not_before"], zone),
            "conversation": str(row["conversation_id"]),
            "created": local(row["created_at"], zone),
        }
        for row in rows
    }


async def _conversations(conn: Connection, scope: CompanyScope, zone: ZoneInfo) -> dict[str, Any]:
    rows = await conn.fetch(
        "select * from conversations where company_id = $1 order by started_at, id", scope.company_id
    )
    return {
        str(row["id"]): {
            "channel": row["channel"],
            "caller": row["caller"],
            "started": local(row["started_at"], zone),
            "ended": local(row["ended_at"], zone),
            "end_reason": row["end_reason"],
            "outcome": (row["outcome"] or {}).get("outcome"),
        }
        for row in rows
    }


def local(moment: datetime | None, zone: ZoneInfo) -> str | None:
    """Wall clock like 2026-12-01T10:00, seconds cut."""
    return None if moment is None else moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def whole_units(minor: int) -> int | float:
    return minor // 100 if minor % 100 == 0 else minor / 100


def _wall(moment: time | None) -> str | None:
    return None if moment is None else f"{moment:%H:%M}"
