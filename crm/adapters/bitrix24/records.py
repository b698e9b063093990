"""How a booking of ours reads in the portal, and how any booking there is read. Pure.

The booking module knows a name, a description, resources and a period, but no services and no field for other
systems' keys. What the salon's people read in the description is also what we read back:

    у окна
    Услуги: Женская стрижка, Укладка [S01,S06]
    ai:k3m9q2x7ab
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from core.money import Money
from core.outside_http import Malformed
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
from crm.vendor.markers import labelled, marker_of, unlabelled
from crm.vendor.own_time import IdMap
from crm.vendor.parsing import Record

_SERVICES = re.compile(r"^Услуги: (?P<names>.*) \[(?P<ids>[^\[\]]*)\]$", re.MULTILINE)
CONFIRMED = "Клиент подтвердил визит"
"""A line of its own: neither bookings nor pipelines need have a state for it."""
UNKNOWN_STAFF = "resource-"
"""Before the id of a resource that none of the salon's masters is mapped to."""


@dataclass(frozen=True, slots=True)
class Note:
    """The description, taken apart."""

    comment: str = ""
    services: tuple[ServiceId, ...] = ()
    marker: str = ""
    confirmed: bool = False

    def text(self, catalogue: Catalogue) -> str:
        names = ", ".join(catalogue.services[s].name if s in catalogue.services else s for s in self.services)
        lines = [self.comment, CONFIRMED if self.confirmed else ""]
        if self.services:
            lines.append(f"Услуги: {names} [{','.join(self.services)}]")
        plain = "\n".join(line for line in lines if line)
        return labelled(plain, self.marker) if self.marker else plain


def note_of(description: str) -> Note:
    text = unlabelled(description.replace("\r\n", "\n"))
    found = list(_SERVICES.finditer(text))
    ids: tuple[ServiceId, ...] = ()
    if found:  # ours stands below what others have written
        last = found[-1]
        ids = tuple(ServiceId(s.strip()) for s in last["ids"].split(",") if s.strip())
        text = text[: last.start()] + text[last.end() :]
    lines = [line for line in text.split("\n") if line.strip()]
    comment = "\n".join(line for line in lines if line.strip() != CONFIRMED)
    return Note(comment, ids, marker_of(description), CONFIRMED in lines)


def services_in(name: str, catalogue: Catalogue) -> tuple[ServiceId, ...]:
    """The services that a person named in the title of a booking, longest names first; empty: none that we know."""
    rest, found = name.casefold(), []
    for service in sorted(catalogue.services.values(), key=lambda s: -len(s.name)):
        if service.name.casefold() in rest:
            rest = rest.replace(service.name.casefold(), "")
            found.append(service.id)
    return tuple(found)


def period(start: datetime, end: datetime, zone: str) -> dict[str, Any]:
    """`datePeriod` of a write: Unix seconds and the IANA name of the zone."""
    return {
        "from": {"timestamp": int(start.timestamp()), "timezone": zone},
        "to": {"timestamp": int(end.timestamp()), "timezone": zone},
    }


def moment(record: Record, zone: ZoneInfo) -> datetime:
    """One end of a `datePeriod`: the timestamp is a number in replies and a text in the documentation's requests."""
    try:
        return datetime.fromtimestamp(record.whole("timestamp"), UTC).astimezone(zone)
    except (OverflowError, OSError, ValueError):
        raise Malformed("a booking's time is no time") from None


def booking(row: Record, catalogue: Catalogue, staff_of: "StaffOf", clients: Sequence[ClientId] = ()) -> list[Booking]:
    """The booking, once for each resource that it takes: several master resources are each busy."""
    dates = row.record("datePeriod")
    note = note_of(row.text("description", ""))
    services = note.services or services_in(row.text("name", ""), catalogue)
    resources = row.raw("resourceIds")
    if not isinstance(resources, list):
        raise Malformed("booking.resourceIds: a list was expected", got=type(resources).__name__)
    start, end = moment(dates.record("from"), catalogue.zone), moment(dates.record("to"), catalogue.zone)
    staff = [staff_of(str(resource)) for resource in resources] or [StaffId(UNKNOWN_STAFF)]
    staff.sort(key=lambda found: found not in catalogue.staff)  # the master first, then the chair
    made = Booking(
        id=BookingId(row.id("id")),
        client_id=clients[0] if clients else None,
        staff_id=staff[0],
        service_ids=services,
        start=start,
        end=end,
        status=BookingStatus.CONFIRMED if note.confirmed else BookingStatus.BOOKED,
        price=price_of(catalogue, staff[0], services),
        comment=note.comment,
        marker=note.marker,
    )
    return [made, *(replace(made, staff_id=other) for other in staff[1:])]


class StaffOf:
    """Resource id to our master."""

    def __init__(self, ids: IdMap) -> None:
        self._ours = {theirs: StaffId(ours) for ours, theirs in ids.staff.items()}

    def __call__(self, resource: str) -> StaffId:
        return self._ours.get(resource, StaffId(f"{UNKNOWN_STAFF}{resource}"))


def price_of(catalogue: Catalogue, staff_id: StaffId, services: Sequence[ServiceId]) -> Price:
    """By our price list: the booking module keeps no prices."""
    if not services:
        return Price(Money(0))
    at = datetime.fromtimestamp(0, UTC)
    option = catalogue.option(PlannedPart(staff_id, tuple(services), at, at, Price(Money(0))))
    return option.price if option else Price(Money(0))


def client(item: Record, region: str = "RU") -> tuple[Client, tuple[Any, ...]]:
    """A CRM contact with its phones, in whatever spelling people have typed them."""
    phones = []
    for entry in _multifields(item):
        if str(entry.raw("typeId") or entry.raw("TYPE_ID") or "PHONE").upper() == "PHONE":
            name = "value" if "value" in entry else "VALUE"
            found = entry.phone(name, region)
            if found is not None:
                phones.append(found)
    parts = (item.raw("name"), item.raw("secondName"), item.raw("lastName"))
    full = " ".join(str(part).strip() for part in parts if part)
    return Client(ClientId(item.id("id")), full, phones[0] if phones else None), tuple(phones)


def has_phones(item: Record) -> bool:
    """Whether the answer tells phones at all."""
    return any(item.raw(name) is not None for name in _MULTIFIELDS)


_MULTIFIELDS = ("fm", "FM", "phone", "PHONE")


def _multifields(item: Record) -> list[Record]:
    """`fm` is a list in replies and an object keyed n0, n1 or by row id in requests; older methods say PHONE."""
    for name in _MULTIFIELDS:
        value = item.raw(name)
        if isinstance(value, list):
            return [Record(row, f"contact.{name}") for row in value]
        if isinstance(value, dict):
            return [Record(row, f"contact.{name}") for row in value.values()]
    return []
