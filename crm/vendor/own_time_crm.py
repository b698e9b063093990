"""The CRM port for vendors that keep records but no time: hours, rules and the conflict check are ours.

An adapter of such a vendor writes a `Ledger`: how a booking is a deal, a task or a document there. Everything else is
here and the same for all: free time, acceptance, visits of several parts with compensation, a second look after the
write (the vendor accepts overlaps, and people write into it too), moving, cancelling, clients once a phone.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Protocol

import structlog

from core.clock import Clock
from core.errors import AppError, InvalidInput
from core.outside_http import OutcomeUnknown, after_writing, before_writing
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.catalogue import Accepted, Catalogue, best_match
from crm.history import past_visits
from crm.model import (
    ACTIVE_STATUSES,
    Booking,
    BookingId,
    BookingStatus,
    Capabilities,
    Changes,
    Client,
    ClientId,
    Plan,
    PlannedPart,
    Price,
    RefusalReason,
    Refused,
    Service,
    Shift,
    SlotQuery,
    Staff,
    VisitDraft,
    WriteResult,
    Written,
)
from crm.vendor import own_time
from crm.vendor.adapter import CatalogueSource, ChangeHint, Probe

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NewEntry:
    """One booking to be written. Ids are ours; the ledger maps them."""

    client: Client
    part: PlannedPart
    price: Price
    status: BookingStatus
    marker: str
    comment: str
    """What the salon's people read, without the marker."""
    title: str
    """Short: «Женская стрижка, Ирина»."""
    for_whom: str = ""
    certificate: str = ""
    staff_locked: bool = False


@dataclass(frozen=True, slots=True)
class EntryChange:
    """What changes of an entry; None stays."""

    part: PlannedPart | None = None
    status: BookingStatus | None = None
    marker: str | None = None
    note: str | None = None
    """Put in front of what is written there."""


class RefusedByLedger(AppError):
    """A definite no of the vendor to a write: nothing of it was done. Raised by `write`, `change`, `remove`."""

    code = "refused_by_crm"

    def __init__(self, reason: RefusalReason = RefusalReason.REFUSED_BY_CRM) -> None:
        super().__init__("the CRM refuses the write", sent=False, reason=reason)
        self.reason = reason


class Ledger(Protocol):
    """How one vendor holds clients and bookings. Times are aware; ids of services and staff are ours.

    Those about bookings are given the company's catalogue: its zone, services and masters.
    Every method raises Unavailable (OutcomeUnknown for a write that may have been done), AccessDenied; a record that
    is malformed raises Malformed, and is never left out.
    """

    async def find_clients(self, phone: Phone) -> Sequence[Client]: ...

    async def create_client(self, name: str, phone: Phone | None) -> Client: ...

    async def client(self, client_id: ClientId) -> Client | None: ...

    async def entries(self, catalogue: Catalogue, start: datetime, end: datetime) -> Sequence[Booking]:
        """Everything that takes a master's time in this stretch, whoever wrote it, and cancelled ones if told."""
        ...

    async def entry(self, catalogue: Catalogue, booking_id: BookingId) -> Booking | None: ...

    async def by_marker(self, catalogue: Catalogue, marker: str) -> Sequence[Booking]:
        """Oldest first."""
        ...

    async def of_client(self, catalogue: Catalogue, client_id: ClientId, after: datetime) -> Sequence[Booking]: ...

    async def write(self, catalogue: Catalogue, entry: NewEntry) -> BookingId: ...

    async def change(self, catalogue: Catalogue, booking: Booking, change: EntryChange) -> None: ...

    async def remove(self, catalogue: Catalogue, booking: Booking, *, late: bool, reason: str) -> None: ...

    async def changed_since(self, catalogue: Catalogue, cursor: str, now: datetime) -> Changes: ...

    async def probe(self) -> Probe: ...

    async def subscribe(self, url: str) -> bool: ...

    async def unsubscribe(self, url: str) -> None: ...

    def read_webhook(
        self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> Sequence[ChangeHint]: ...


class OwnTimeCrm:
    """Implements `crm.vendor.adapter.VendorCrm` on a ledger."""

    def __init__(
        self,
        ledger: Ledger,
        catalogue: CatalogueSource,
        clock: Clock,
        capabilities: Capabilities,
        *,
        needs_phone: bool = True,
    ) -> None:
        self._ledger = ledger
        self._source = catalogue
        self._clock = clock
        self._capabilities = replace(capabilities, keeps_schedule=False)
        self._needs_phone = needs_phone
        self._one_client = asyncio.Lock()

    # --- reading

    async def capabilities(self, scope: CompanyScope) -> Capabilities:
        return self._capabilities

    async def services(self, scope: CompanyScope) -> Sequence[Service]:
        return tuple((await self._source.catalogue(scope)).services.values())

    async def staff(self, scope: CompanyScope) -> Sequence[Staff]:
        return tuple((await self._source.catalogue(scope)).staff.values())

    async def slots(self, scope: CompanyScope, query: SlotQuery) -> Sequence[Plan]:
        catalogue, now = await self._source.catalogue(scope), self._clock.now()
        _known(catalogue, query)
        days = own_time.searched(catalogue, query, now)
        if days is None:
            return []
        taken = await self._ledger.entries(catalogue, *own_time.window(catalogue, *days))
        return own_time.plans(catalogue, query, own_time.busy_of(catalogue, taken), now)

    async def on_duty(self, scope: CompanyScope, day: date) -> Sequence[Shift]:
        return own_time.shifts(await self._source.catalogue(scope), day)

    # --- clients

    async def find_clients(self, scope: CompanyScope, phone: Phone) -> Sequence[Client]:
        return await self._ledger.find_clients(phone)

    async def find_or_create_client(self, scope: CompanyScope, name: str, phone: Phone | None) -> Client:
        name = " ".join(name.split())
        if phone is None and (self._needs_phone or not name):
            raise InvalidInput("phone: a client of this system needs a phone; ask for it")
        async with self._one_client:
            if phone is not None:
                known = best_match(name, await self._ledger.find_clients(phone))
                if known is not None:
                    return known
            return await self._ledger.create_client(name or (phone.e164 if phone else ""), phone)

    async def client(self, scope: CompanyScope, client_id: ClientId) -> Client | None:
        return await self._ledger.client(client_id)

    async def remove_client(self, scope: CompanyScope, client_id: ClientId) -> None:
        """For the live check; a ledger without removal leaves it to a person."""
        remove = getattr(self._ledger, "remove_client", None)
        if remove is None:
            raise InvalidInput("this system does not let programs delete clients")
        await remove(client_id)

    # --- writing

    async def check(self, scope: CompanyScope, draft: VisitDraft) -> RefusalReason | None:
        judged = await self._judged(await self._source.catalogue(scope), draft.plan, new_visit=True)
        return judged if isinstance(judged, RefusalReason) else None

    async def book(self, scope: CompanyScope, draft: VisitDraft, marker: str) -> WriteResult:
        with before_writing():
            catalogue = await self._source.catalogue(scope)
            if written := await self._ledger.by_marker(catalogue, marker):
                return Written(tuple(written))
            client = await self._ledger.client(draft.client_id)
            if client is None:
                return Refused(RefusalReason.NOT_FOUND)
            if client.blocked:
                return Refused(RefusalReason.CLIENT_BLOCKED)
            judged = await self._judged(catalogue, draft.plan, new_visit=True)
            if isinstance(judged, RefusalReason):
                return Refused(judged)
        made: list[BookingId] = []
        for item in judged:
            try:
                made.append(await self._ledger.write(catalogue, _entry(catalogue, client, draft, item, marker)))
            except RefusedByLedger as refused:
                await self._take_back(catalogue, made)
                return Refused(refused.reason)
            except AppError as error:
                if made and error.facts.get("sent") is False:
                    await self._take_back(catalogue, made)
                    raise
                if made:
                    raise OutcomeUnknown("a part of the visit may not have been written") from error
                raise
        if await self._came_second(catalogue, draft.plan, made, marker):
            await self._take_back(catalogue, made)
            return Refused(RefusalReason.SLOT_TAKEN)
        return Written(tuple([await self._read_back(catalogue, booking_id) for booking_id in made]))

    async def reschedule(self, scope: CompanyScope, booking_id: BookingId, plan: Plan, marker: str) -> WriteResult:
        if len(plan.parts) != 1:
            raise InvalidInput("plan: a booking is moved to one part; book anew for several masters")
        with before_writing():
            catalogue = await self._source.catalogue(scope)
            booking = await self._ledger.entry(catalogue, booking_id)
            if booking is None or booking.status not in ACTIVE_STATUSES:
                return Refused(RefusalReason.NOT_FOUND)
            if booking.start <= self._clock.now():
                return Refused(RefusalReason.ALREADY_STARTED)
            judged = await self._judged(catalogue, plan, new_visit=False, ignore=frozenset({booking_id}))
            if isinstance(judged, RefusalReason):
                return Refused(judged)
        try:
            await self._ledger.change(catalogue, booking, EntryChange(part=plan.parts[0], marker=marker))
        except RefusedByLedger as refused:
            return Refused(refused.reason)
        if await self._came_second(catalogue, plan, [booking_id], marker):
            old = PlannedPart(booking.staff_id, booking.service_ids, booking.start, booking.end, booking.price)
            with after_writing():
                await self._ledger.change(catalogue, booking, EntryChange(part=old, marker=booking.marker))
            return Refused(RefusalReason.SLOT_TAKEN)
        return Written((await self._read_back(catalogue, booking_id),))

    async def cancel(self, scope: CompanyScope, booking_id: BookingId, *, late: bool, reason: str) -> WriteResult:
        with before_writing():
            catalogue = await self._source.catalogue(scope)
            booking = await self._ledger.entry(catalogue, booking_id)
        if booking is None:
            return Written(())
        if booking.status is not BookingStatus.CANCELLED:
            try:
                await self._ledger.remove(catalogue, booking, late=late, reason=reason)
            except RefusedByLedger as refused:
                return Refused(refused.reason)
        return Written((replace(booking, status=BookingStatus.CANCELLED, late_cancel=late),))

    async def set_status(self, scope: CompanyScope, booking_id: BookingId, status: BookingStatus) -> WriteResult:
        if status is BookingStatus.CANCELLED:
            return await self.cancel(scope, booking_id, late=False, reason="")
        return await self._changed(scope, booking_id, EntryChange(status=status))

    async def add_note(self, scope: CompanyScope, booking_id: BookingId, note: str) -> WriteResult:
        return await self._changed(scope, booking_id, EntryChange(note=note))

    async def _changed(self, scope: CompanyScope, booking_id: BookingId, change: EntryChange) -> WriteResult:
        with before_writing():
            catalogue = await self._source.catalogue(scope)
            booking = await self._ledger.entry(catalogue, booking_id)
        if booking is None:
            return Refused(RefusalReason.NOT_FOUND)
        try:
            await self._ledger.change(catalogue, booking, change)
        except RefusedByLedger as refused:
            return Refused(refused.reason)
        return Written((await self._read_back(catalogue, booking_id),))

    # --- reading back

    async def get(self, scope: CompanyScope, booking_id: BookingId) -> Booking | None:
        return await self._ledger.entry(await self._source.catalogue(scope), booking_id)

    async def find_by_marker(self, scope: CompanyScope, marker: str) -> Sequence[Booking]:
        return await self._ledger.by_marker(await self._source.catalogue(scope), marker)

    async def bookings_of(self, scope: CompanyScope, client_id: ClientId) -> Sequence[Booking]:
        now = self._clock.now()
        found = await self._ledger.of_client(await self._source.catalogue(scope), client_id, now)
        return sorted((b for b in found if b.end > now and b.status in ACTIVE_STATUSES), key=lambda b: b.start)

    async def visits_of(
        self, scope: CompanyScope, client_id: ClientId, *, since: datetime, limit: int
    ) -> Sequence[Booking]:
        if not self._capabilities.knows_history:
            raise InvalidInput("this CRM does not tell of visits that are over; see the capabilities")
        now = self._clock.now()
        found = await self._ledger.of_client(await self._source.catalogue(scope), client_id, since)
        return past_visits(found, since=since, now=now, limit=limit)

    async def changes_since(self, scope: CompanyScope, cursor: str) -> Changes:
        return await self._ledger.changed_since(await self._source.catalogue(scope), cursor, self._clock.now())

    # --- connection

    async def probe(self, scope: CompanyScope) -> Probe:
        return await self._ledger.probe()

    async def subscribe(self, scope: CompanyScope, url: str) -> bool:
        return await self._ledger.subscribe(url)

    async def unsubscribe(self, scope: CompanyScope, url: str) -> None:
        await self._ledger.unsubscribe(url)

    def read_webhook(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Sequence[ChangeHint]:
        return self._ledger.read_webhook(body, headers, query)

    # --- small things

    async def _judged(
        self, catalogue: Catalogue, plan: Plan, *, new_visit: bool, ignore: frozenset[BookingId] = frozenset()
    ) -> list[Accepted] | RefusalReason:
        busy = own_time.busy_of(catalogue, await self._around(catalogue, plan))
        return own_time.judge(catalogue, plan, busy, self._clock.now(), new_visit=new_visit, ignore=ignore)

    async def _around(self, catalogue: Catalogue, plan: Plan) -> Sequence[Booking]:
        days = [moment.astimezone(catalogue.zone).date() for moment in (plan.start, plan.end)]
        return await self._ledger.entries(catalogue, *own_time.window(catalogue, min(days), max(days)))

    async def _came_second(self, catalogue: Catalogue, plan: Plan, mine: Sequence[BookingId], marker: str) -> bool:
        """Whether somebody else's record stands at our time: the vendor lets two in, and the other may be a person.

        A record that carries our marker and is none of those we were told of is our own write done twice (a proxy
        that repeats): it is taken away. When the vendor cannot be asked, the answer is no: the first look saw a free
        time, and the desk's lock keeps us from ourselves.
        """
        try:
            around = await self._around(catalogue, plan)
        except AppError as error:
            log.warning("second_look_failed", code=error.code)
            return False
        others = [b for b in around if b.id not in mine and b.status in ACTIVE_STATUSES]
        twice = [b for b in others if b.marker == marker]
        if twice:
            log.warning("written_twice", bookings=len(twice))
            await self._take_back(catalogue, [b.id for b in twice])
        return any(
            b.staff_id == part.staff_id and b.start < part.end and part.start < b.end
            for b in others
            if b.marker != marker
            for part in plan.parts
        )

    async def _take_back(self, catalogue: Catalogue, made: Sequence[BookingId]) -> None:
        for booking_id in made:
            try:
                booking = await self._ledger.entry(catalogue, booking_id)
                if booking is not None:
                    await self._ledger.remove(catalogue, booking, late=False, reason="время занято")
            except AppError as error:
                log.error("half_a_visit_left", booking=booking_id, code=error.code)
                raise OutcomeUnknown("a part of the visit could not be taken back") from error

    async def _read_back(self, catalogue: Catalogue, booking_id: BookingId) -> Booking:
        with after_writing():
            found = await self._ledger.entry(catalogue, booking_id)
        if found is None:
            raise OutcomeUnknown("what was just written cannot be read")
        return found


def _known(catalogue: Catalogue, query: SlotQuery) -> None:
    for part in query.parts:
        for service_id in part.service_ids:
            if service_id not in catalogue.services:
                raise InvalidInput(
                    f"parts: the salon has no service {service_id}; take an id from the list of services"
                )


def _entry(catalogue: Catalogue, client: Client, draft: VisitDraft, item: Accepted, marker: str) -> NewEntry:
    names = [catalogue.services[service_id].name for service_id in item.part.service_ids]
    lines = [draft.comment]
    if draft.for_whom:
        lines.append(f"Для кого: {draft.for_whom}")
    if draft.certificate:
        lines.append(f"Сертификат: {draft.certificate}")
    if draft.staff_locked:
        lines.append("Клиент выбрал этого мастера")
    return NewEntry(
        client=client,
        part=item.part,
        price=item.price,
        status=draft.status,
        marker=marker,
        comment="\n".join(line for line in lines if line),
        title=f"{', '.join(names)}, {client.name}",
        for_whom=draft.for_whom,
        certificate=draft.certificate,
        staff_locked=draft.staff_locked,
    )


def whole_minutes(length: timedelta) -> int:
    return int(length.total_seconds() // 60)
