"""1C objects to clients and bookings, and back, by the profile. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from core.money import Money
from core.outside_http import Malformed
from core.phone import Phone
from crm.adapters.one_c import odata
from crm.adapters.one_c.profile import ClientMap, Profile, VisitMap, meaning_of
from crm.catalogue import Catalogue
from crm.model import (
    Booking,
    BookingId,
    BookingStatus,
    Client,
    ClientId,
    PlannedPart,
    Price,
    ServiceId,
    StaffId,
)
from crm.vendor.markers import marker_of, unlabelled
from crm.vendor.own_time import minutes_of
from crm.vendor.parsing import Record

USUAL_LENGTH = timedelta(hours=1)
"""Of a document that tells no length and whose services are none of ours: it takes that much of the master's time."""
REASON = "Отмена"


def labelled_first(text: str, marker: str) -> str:
    """Our mark in front: 1C cuts an over-long string silently, and the mark must not be what is cut off."""
    plain = unlabelled(text)
    return f"ai:{marker}\n{plain}" if plain else f"ai:{marker}"


# --- clients


def phones_of(row: Record, clients: ClientMap) -> list[Phone]:
    """All phones of a client, in whatever spelling people have typed them."""
    found: list[Phone | None] = []
    if clients.phone:
        found.append(row.phone(clients.phone))
    if clients.contacts:
        for item in row.records(clients.contacts, optional=True):
            found += contact_phones(item, clients)
    return list(dict.fromkeys(phone for phone in found if phone is not None))


def contact_phones(item: Record, clients: ClientMap) -> list[Phone]:
    """Digits where 1C has taken the number apart, else what a person wrote. An address or an e-mail has none."""
    if clients.contact_type and item.raw(clients.contact_type) not in (None, "", clients.contact_type_phone):
        return []
    for column in (clients.contact_digits, clients.contact_shown):
        phone = item.phone(column) if column and isinstance(item.raw(column), str) else None
        if phone is not None:
            return [phone]
    return []


def client(row: Record, clients: ClientMap, phone: Phone | None = None) -> Client:
    phones = phones_of(row, clients)
    return Client(
        ClientId(row.id("Ref_Key").lower()), row.text(clients.name, ""), phone or (phones[0] if phones else None)
    )


def is_alive(row: Record) -> bool:
    """No folder, and not marked for deletion."""
    return not row.flag("DeletionMark", False) and not row.flag("IsFolder", False)


def phone_filter(phone: Phone, digits: str, shown: str) -> str:
    """Rows that may hold this number: all its digits in the column `digits`, its last four as people write them in
    `shown`. What comes back is compared again."""
    tail = phone.e164[-10:]
    found = [odata.contains(tail, digits)] if digits else []
    if shown:
        spellings = (tail[-4:], f"{tail[-4:-2]}-{tail[-2:]}", f"{tail[-4:-2]} {tail[-2:]}")
        found += [odata.contains(spelling, shown) for spelling in spellings]
    return odata.either(found)


def new_client(name: str, phone: Phone | None, clients: ClientMap, kind: str) -> dict[str, Any]:
    body: dict[str, Any] = {**clients.defaults, clients.name: name}
    if phone is None:
        return body
    if clients.contacts:
        columns = (
            (clients.contact_type, clients.contact_type_phone),
            (clients.contact_kind, kind),
            (clients.contact_digits, phone.e164.removeprefix("+")),
            (clients.contact_shown, phone.e164),
        )
        body[clients.contacts] = [
            {"LineNumber": "1", **{column: value for column, value in columns if column and value}}
        ]
    else:
        body[clients.phone] = phone.e164
    return body


# --- visits


@dataclass(frozen=True, slots=True)
class Refs:
    """Our ids to 1C's references and back."""

    staff: Mapping[str, str]
    services: Mapping[str, str]

    def our_staff(self, ref: str) -> StaffId:
        return StaffId(next((ours for ours, theirs in self.staff.items() if theirs == ref), ref))

    def our_service(self, ref: str) -> ServiceId:
        return ServiceId(next((ours for ours, theirs in self.services.items() if theirs == ref), ref))


def booking(row: Record, profile: Profile, refs: Refs, catalogue: Catalogue) -> Booking | None:
    """None: a document without master or time takes nobody's time."""
    visit, zone = profile.visit, catalogue.zone
    staff = _reference(row, visit.staff, profile.staff.set)
    start = odata.read_wall(row.text(visit.start), zone, f"{visit.set}.{visit.start}")
    if staff is None or start is None:
        return None
    staff_id = refs.our_staff(staff)
    services = _services(row, profile, refs)
    client_ref = _reference(row, visit.client, profile.clients.set)
    text = row.text(visit.comment, "") if visit.comment else ""
    return Booking(
        id=BookingId(row.id("Ref_Key").lower()),
        client_id=ClientId(client_ref) if client_ref else None,
        staff_id=staff_id,
        service_ids=services,
        start=start,
        end=_end(row, visit, start, _usual_length(services, staff_id, catalogue), zone),
        status=_status(row, visit),
        price=Price(Money(row.minor(visit.total, 0) if visit.total else 0)),
        comment=unlabelled(text),
        marker=row.text(visit.marker, "") if visit.marker else marker_of(text),
    )


def _reference(row: Record, field: str, target: str) -> str | None:
    """None: the empty reference; or, where the field takes several types, a reference to something else."""
    value = row.raw(field)
    if not field.endswith("_Key"):
        kind = row.text(f"{field}_Type", "").rsplit(".", 1)[-1]
        if not value or kind not in ("", target):
            return None
    if not isinstance(value, str) or not odata.is_guid(value):
        raise Malformed(f"{field}: a reference was expected; the profile may be wrong", got=type(value).__name__)
    return None if value == odata.EMPTY_REF else value.lower()


def _services(row: Record, profile: Profile, refs: Refs) -> tuple[ServiceId, ...]:
    visit, target = profile.visit, profile.services.set
    if visit.service:
        ref = _reference(row, visit.service, target)
        return (refs.our_service(ref),) if ref else ()
    rows = row.records(visit.part, optional=True)
    found = [
        _reference(item, visit.part_service, target) for item in sorted(rows, key=lambda r: r.whole("LineNumber", 0))
    ]
    return tuple(refs.our_service(ref) for ref in found if ref)


def _usual_length(services: Sequence[ServiceId], staff_id: StaffId, catalogue: Catalogue) -> timedelta:
    lengths = []
    for key in services:
        known = catalogue.services.get(key)
        offer = known.offer_by(staff_id) if known else None
        if known is not None:
            lengths.append(offer.duration if offer else known.duration)
    return sum(lengths, timedelta(0)) or USUAL_LENGTH


def _end(row: Record, visit: VisitMap, start: datetime, usual: timedelta, zone: ZoneInfo) -> datetime:
    """By the end, else by the length, else by the services. A person may have left either empty."""
    if visit.end and visit.end in row:
        end = odata.read_wall(row.text(visit.end), zone, f"{visit.set}.{visit.end}")
        if end is not None and end > start:
            return end
    minutes = row.whole(visit.minutes, 0) if visit.minutes else 0
    return start + (timedelta(minutes=minutes) if minutes > 0 else usual)


def _status(row: Record, visit: VisitMap) -> BookingStatus:
    if row.flag("DeletionMark", False):
        return BookingStatus.CANCELLED
    value = row.text(visit.status, "").casefold() if visit.status else ""
    known = {given.casefold(): key for key, given in reversed(list(visit.statuses.items()))}
    meaning = known.get(value) or (meaning_of(row.text(visit.status_read, "")) if visit.status_read else "")
    return BookingStatus(meaning) if meaning else BookingStatus.BOOKED


# --- what is written


def times(part: PlannedPart, visit: VisitMap, profile: Profile, zone: ZoneInfo) -> dict[str, Any]:
    body: dict[str, Any] = {visit.start: odata.wall(part.start, zone)}
    if visit.end:
        body[visit.end] = odata.wall(part.end, zone)
    if visit.minutes:
        body[visit.minutes] = _number(minutes_of(part.start, part.end), visit.minutes, profile)
    return body


def reference_body(field: str, ref: str, target: str) -> dict[str, str]:
    return {field: ref} if field.endswith("_Key") else {field: ref, f"{field}_Type": f"{odata.NAMESPACE}.{target}"}


def service_rows(
    part: PlannedPart, profile: Profile, refs: Refs, price_of: Callable[[ServiceId], int]
) -> list[dict[str, Any]]:
    """The whole tabular part: lines from 1 on. `price_of` gives kopecks."""
    visit = profile.visit
    rows: list[dict[str, Any]] = []
    for line, key in enumerate(part.service_ids, 1):
        row: dict[str, Any] = {"LineNumber": str(line)}
        row |= reference_body(visit.part_service, refs.services[key], profile.services.set)
        price = _roubles(price_of(key))
        for column, value in ((visit.part_count, 1), (visit.part_price, price), (visit.part_sum, price)):
            if column:
                row[column] = _number(value, column, profile)
        rows.append(row)
    return rows


def total_body(price: Price, profile: Profile) -> dict[str, Any]:
    total = profile.visit.total
    return {total: _number(_roubles(price.amount.minor), total, profile)} if total else {}


def _roubles(kopecks: int) -> int | float:
    return kopecks // 100 if kopecks % 100 == 0 else kopecks / 100


def _number(value: float, field: str, profile: Profile) -> int | float | str:
    return str(value) if field in profile.int64 else value


def unkept(sent: Mapping[str, Any], kept: Record) -> list[str]:
    """Fields that 1C did not take as they were sent: unknown ones and wrong types are dropped without a word."""
    return [name for name, value in sent.items() if not _same(value, kept.raw(name))]


def _same(sent: Any, kept: Any) -> bool:
    if isinstance(sent, list):
        if not isinstance(kept, list) or len(kept) != len(sent):
            return False
        return all(
            isinstance(row, Mapping) and all(_same(value, row.get(name)) for name, value in wanted.items())
            for wanted, row in zip(sent, kept, strict=True)
        )
    if isinstance(sent, bool) or isinstance(kept, bool):
        return sent is kept
    if isinstance(sent, str) and isinstance(kept, str):
        if sent.casefold() == kept.casefold():  # references come in either case
            return True
        # what follows our mark may be cut by the field's length
        return sent.startswith("ai:") and sent.startswith(kept) and marker_of(kept) == marker_of(sent)
    try:
        return Decimal(str(sent)) == Decimal(str(kept))
    except InvalidOperation:
        return False
