"""The CRM port on `hs/api/v3`."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from core.errors import AppError, InvalidInput, Unavailable
from core.outside_http import AccessDenied, Kind, OutcomeUnknown, after_writing, before_writing
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.adapters.one_c.hs import records as r
from crm.adapters.one_c.hs.catalogue import ClubLists, Lists
from crm.adapters.one_c.hs.probing import probe
from crm.adapters.one_c.hs.visits import Item, Visits
from crm.adapters.one_c.hs.wire import SIGN_RU, HsRefusal, HsWire
from crm.catalogue import check_order
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
    StaffId,
    VisitDraft,
    VisitPart,
    WriteResult,
    Written,
)
from crm.slots import validate_query
from crm.vendor.adapter import AdapterTools, ChangeHint, Connection, Probe
from crm.vendor.chain import chained
from crm.vendor.parsing import Record

CAPABILITIES = Capabilities(
    waiting_prepay=False, staff_locked=False, changes=False, searchable_marker=True, notifies_clients=True
)
"""Changes of others cannot be asked for: the service shows a client's own appointments only."""
HORIZON = timedelta(days=60)
CLIENT = "hs_client"
"""Kind of link: the phone of a client id, without which the service gives no token for her."""
PROBE_PHONE = Phone("+79000000000")


class HsCrm:
    """One club (branch). Implements `crm.vendor.adapter.VendorCrm`."""

    def __init__(self, connection: Connection, tools: AdapterTools) -> None:
        self._wire = HsWire(connection, tools)
        self._lists = ClubLists(self._wire, connection.setting("club_id", ""))
        self._visits = Visits(self._wire, self._lists, tools.links)
        self._tools = tools
        self._one_client = asyncio.Lock()

    # --- reading

    async def capabilities(self, scope: CompanyScope) -> Capabilities:
        return CAPABILITIES

    async def services(self, scope: CompanyScope) -> Sequence[Service]:
        return tuple((await self._all(scope)).services.values())

    async def staff(self, scope: CompanyScope) -> Sequence[Staff]:
        return tuple((await self._all(scope)).staff.values())

    async def slots(self, scope: CompanyScope, query: SlotQuery) -> Sequence[Plan]:
        validate_query(query)
        zone, known = await self._zone(scope), await self._lists.service_rows()
        for part in query.parts:
            for key in part.service_ids:
                if key not in known:
                    raise InvalidInput(f"parts: the salon has no service {key}; take an id from the list of services")
        today = self._tools.clock.now().astimezone(zone).date()
        first, last = max(query.first_day, today), min(query.last_day, today + HORIZON)
        if first > last:
            return []
        parts = [await self._free(part, first, last, zone) for part in query.parts]
        return chained(parts, query, zone)

    async def _free(self, part: VisitPart, first: date, last: date, zone: ZoneInfo) -> list[PlannedPart]:
        """The stretches in which one master is free for all services of the part, in this order."""
        able = [await self._lists.trainers(key) for key in part.service_ids]
        staff = [who for who in able[0] if all(who in masters for masters in able)]
        if part.staff_ids:
            staff = [who for who in staff if who in part.staff_ids]
        found = await asyncio.gather(*(self._free_of(who, part, first, last, zone) for who in staff))
        return [planned for stretches in found for planned in stretches]

    async def _free_of(self, who: str, part: VisitPart, first: date, last: date, zone: ZoneInfo) -> list[PlannedPart]:
        now = self._tools.clock.now()
        chains: list[tuple[datetime, datetime]] | None = None
        for key in part.service_ids:
            lengths = {s.at: s.length for s in await self._lists.starts(key, who, first, last, zone) if s.at > now}
            if chains is None:
                chains = [(at, at + length) for at, length in lengths.items()]
            else:
                chains = [(begin, end + lengths[end]) for begin, end in chains if end in lengths]
        prices = [await self._lists.price(key, who) for key in part.service_ids]
        price = Price(
            sum((item.amount for item in prices[1:]), prices[0].amount), any(item.starting_at for item in prices)
        )
        return [PlannedPart(StaffId(who), part.service_ids, begin, end, price) for begin, end in chains or []]

    async def on_duty(self, scope: CompanyScope, day: date) -> Sequence[Shift]:
        """By free time, because the service shows no working hours: a master without any is not seen."""
        zone = await self._zone(scope)
        services: dict[str, str] = {}
        for key in await self._lists.service_rows():
            for who in await self._lists.trainers(key):
                services.setdefault(who, key)
        free = await asyncio.gather(*(self._lists.starts(key, who, day, day, zone) for who, key in services.items()))
        return [
            Shift(StaffId(who), min(s.at for s in starts), max(s.at + s.length for s in starts))
            for who, starts in zip(services, free, strict=True)
            if starts
        ]

    # --- clients

    async def find_clients(self, scope: CompanyScope, phone: Phone) -> Sequence[Client]:
        found = await self._client_of(phone)
        return [] if found is None else [found]

    async def _client_of(self, phone: Phone) -> Client | None:
        async def ask(token: str) -> object:
            return await self._wire.call("clients", "GET", "/client/", token=token)

        try:
            data = await self._wire.as_client(phone, ask)
        except HsRefusal as refusal:
            if refusal.is_no_client:
                return None
            if refusal.is_fault:
                raise Unavailable("the 1C service fails", error=refusal.number) from None
            raise AccessDenied(
                "the 1C service does not let us ask for a client", SIGN_RU, error=refusal.number
            ) from None
        if not data:
            return None
        found = r.client(Record(data, "client"), phone)
        await self._tools.links.put(CLIENT, found.id, {"phone": phone.e164})
        return found

    async def find_or_create_client(self, scope: CompanyScope, name: str, phone: Phone | None) -> Client:
        if phone is None:
            raise InvalidInput("phone: a client of this system needs a phone; ask for it")
        first, _, last = " ".join(name.split()).partition(" ")
        async with self._one_client:
            known = await self._client_of(phone)
            if known is not None:
                return known
            body = {
                "phone": phone.e164.removeprefix("+"), "pass_token": await self._pass_token(phone),
                "name": first or phone.e164, "last_name": last, "club": await self._lists.club(),
            }  # fmt: skip
            with contextlib.suppress(HsRefusal):  # perhaps somebody else was quicker: the question below tells
                data = await self._wire.call(
                    "client_create", "POST", "/reg_and_auth_client/", kind=Kind.WRITE, body=body
                )
                if isinstance(data, dict) and data.get("user_token"):
                    self._wire.keep_token(phone, str(data["user_token"]))
            with after_writing():
                made = await self._client_of(phone)
        if made is None:
            raise AccessDenied(
                "the 1C service makes no client", "Разрешите регистрацию клиентов через API в программе 1С.", sent=False
            )
        return made

    async def _pass_token(self, phone: Phone) -> str:
        try:
            return await self._wire.token(phone)
        except HsRefusal as refusal:
            raise AccessDenied("the 1C service gives no client token", SIGN_RU, error=refusal.number) from None

    async def client(self, scope: CompanyScope, client_id: ClientId) -> Client | None:
        phone = await self._phone_of(client_id)
        return None if phone is None else await self._client_of(phone)

    async def _phone_of(self, client_id: ClientId) -> Phone | None:
        link = await self._tools.links.get(CLIENT, client_id)
        return Phone(str(link["phone"])) if link else None

    # --- writing

    async def check(self, scope: CompanyScope, draft: VisitDraft) -> RefusalReason | None:
        check_order(draft.plan.parts)
        items = await self._items(draft.plan, await self._zone(scope))
        return items if isinstance(items, RefusalReason) else None

    async def _items(self, plan: Plan, zone: ZoneInfo) -> list[Item] | RefusalReason:
        """The appointments of a plan, if the service offers every one of them now."""
        found: list[Item] = []
        for number, part in enumerate(plan.parts):
            at, day = part.start, part.start.astimezone(zone).date()
            for key in part.service_ids:
                if part.staff_id not in await self._lists.trainers(key):
                    return RefusalReason.NOT_OFFERED
                starts = await self._lists.starts(key, part.staff_id, day, day, zone)
                start = next((item for item in starts if item.at == at), None)
                if start is None:
                    return RefusalReason.SLOT_TAKEN
                minutes = int(start.length / timedelta(minutes=1))
                found.append(Item(part.staff_id, key, at, minutes, start.group, number))
                at += start.length
        return found

    async def book(self, scope: CompanyScope, draft: VisitDraft, marker: str) -> WriteResult:
        check_order(draft.plan.parts)
        with before_writing():
            zone = await self._zone(scope)
            written = await self.find_by_marker(scope, marker)
            if written:
                return Written(tuple(written))
            phone = await self._phone_of(draft.client_id)
            if phone is None:
                return Refused(RefusalReason.NOT_FOUND)
        return await self._write(draft.plan, draft.client_id, phone, marker, zone)

    async def _write(
        self, plan: Plan, client: ClientId, phone: Phone, marker: str, zone: ZoneInfo, replaces: str = ""
    ) -> WriteResult:
        with before_writing():
            items = await self._items(plan, zone)
            if isinstance(items, RefusalReason):
                return Refused(items)
            await self._visits.note(marker, client, phone, items, zone, replaces)
        made: list[str] = []
        for index, item in enumerate(items):
            try:
                identifier = await self._visits.make(item, phone, zone)
            except HsRefusal:
                await self._visits.take_back(made, zone)
                return Refused(await self._why(item, zone))
            except AppError as error:
                if made and error.facts.get("sent") is False:
                    await self._visits.take_back(made, zone)
                    raise
                if made:
                    raise OutcomeUnknown("a part of the visit may not have been written") from error
                raise
            made.append(identifier)
            with after_writing():
                await self._visits.made(marker, index, identifier)
        with after_writing():
            return Written(tuple(await self._of_marker(marker, zone)))

    async def _why(self, item: Item, zone: ZoneInfo) -> RefusalReason:
        """The service says no in words: a time that is still offered was refused for another reason (a debt, a
        limit, an appointment that was cancelled before)."""
        day = item.start.astimezone(zone).date()
        try:
            starts = await self._lists.starts(item.service, item.staff, day, day, zone)
        except AppError:
            return RefusalReason.REFUSED_BY_CRM
        return RefusalReason.REFUSED_BY_CRM if any(s.at == item.start for s in starts) else RefusalReason.SLOT_TAKEN

    async def reschedule(self, scope: CompanyScope, booking_id: BookingId, plan: Plan, marker: str) -> WriteResult:
        """The service cannot move: the new time is booked first, then the old booking is cancelled."""
        if len(plan.parts) != 1:
            raise InvalidInput("plan: a booking is moved to one part; book anew for several masters")
        with before_writing():
            zone = await self._zone(scope)
            booking = await self._visits.booking(booking_id, zone)
            if booking is None or booking.status not in ACTIVE_STATUSES:
                return Refused(RefusalReason.NOT_FOUND)
            if booking.start <= self._tools.clock.now():
                return Refused(RefusalReason.ALREADY_STARTED)
            phone = await self._phone_of(booking.client_id) if booking.client_id else None
            if phone is None or booking.client_id is None:
                return Refused(RefusalReason.NOT_SUPPORTED)  # not ours: nobody can speak for its client
        result = await self._write(plan, booking.client_id, phone, marker, zone, replaces=booking_id)
        if isinstance(result, Written):
            await self._release(booking_id, zone)
        return result

    async def _release(self, booking_id: str, zone: ZoneInfo) -> None:
        """The old time after a move."""
        with after_writing():
            if not await self._visits.cancel(booking_id, zone):
                raise OutcomeUnknown("the new time is booked, but the old one could not be cancelled")

    async def cancel(self, scope: CompanyScope, booking_id: BookingId, *, late: bool, reason: str) -> WriteResult:
        with before_writing():
            zone = await self._zone(scope)
            booking = await self._visits.booking(booking_id, zone)
        if booking is None:
            return Written(())
        if booking.status is not BookingStatus.CANCELLED and not await self._visits.cancel(booking_id, zone):
            return Refused(RefusalReason.REFUSED_BY_CRM)
        return Written((replace(booking, status=BookingStatus.CANCELLED, late_cancel=late),))

    async def set_status(self, scope: CompanyScope, booking_id: BookingId, status: BookingStatus) -> WriteResult:
        if status is BookingStatus.CANCELLED:
            return await self.cancel(scope, booking_id, late=False, reason="")
        return Refused(RefusalReason.NOT_SUPPORTED)

    async def add_note(self, scope: CompanyScope, booking_id: BookingId, note: str) -> WriteResult:
        return Refused(RefusalReason.NOT_SUPPORTED)

    # --- reading back

    async def get(self, scope: CompanyScope, booking_id: BookingId) -> Booking | None:
        return await self._visits.booking(booking_id, await self._zone(scope))

    async def find_by_marker(self, scope: CompanyScope, marker: str) -> Sequence[Booking]:
        """A move that broke off between booking and cancelling is ended here: cancelling twice is cancelling once."""
        zone = await self._zone(scope)
        found = await self._of_marker(marker, zone)
        note = await self._visits.noted(marker)
        if found and note and note["replaces"] and any(b.status in ACTIVE_STATUSES for b in found):
            await self._release(str(note["replaces"]), zone)
        return found

    async def _of_marker(self, marker: str, zone: ZoneInfo) -> list[Booking]:
        ids, _ = await self._visits.found(marker, zone)
        found = [await self._visits.booking(booking_id, zone) for booking_id in ids]
        return sorted((b for b in found if b is not None), key=lambda b: b.start)

    async def bookings_of(self, scope: CompanyScope, client_id: ClientId) -> Sequence[Booking]:
        zone, now = await self._zone(scope), self._tools.clock.now()
        phone = await self._phone_of(client_id)
        if phone is None:
            return []
        ids = await self._visits.owned(phone, client_id)
        found = [await self._visits.booking(booking_id, zone) for booking_id in ids]
        alive = [b for b in found if b is not None and b.end > now and b.status in ACTIVE_STATUSES]
        return sorted((replace(b, client_id=client_id) for b in alive), key=lambda b: b.start)

    async def visits_of(
        self, scope: CompanyScope, client_id: ClientId, *, since: datetime, limit: int
    ) -> Sequence[Booking]:
        raise InvalidInput("this service of 1C tells only of visits to come; see the capabilities")

    async def changes_since(self, scope: CompanyScope, cursor: str) -> Changes:
        raise InvalidInput("this service of 1C does not tell what changed; see the capabilities")

    # --- connection

    async def probe(self, scope: CompanyScope) -> Probe:
        async def clients() -> None:
            await self._client_of(PROBE_PHONE)

        tomorrow = self._tools.clock.now() + timedelta(1)
        return await probe(self._lists, clients, tomorrow, lambda: self._zone(scope), CAPABILITIES)

    async def subscribe(self, scope: CompanyScope, url: str) -> bool:
        return False

    async def unsubscribe(self, scope: CompanyScope, url: str) -> None:
        return None

    def read_webhook(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Sequence[ChangeHint]:
        raise InvalidInput("body: this service of 1C calls nobody")

    # --- small things

    async def _zone(self, scope: CompanyScope) -> ZoneInfo:
        """The service writes wall clock and no zone: the salon's own counts."""
        return (await self._tools.catalogue.catalogue(scope)).zone

    async def _all(self, scope: CompanyScope) -> Lists:
        zone = await self._zone(scope)
        return await self._lists.lists(self._tools.clock.now().astimezone(zone).date(), zone)


def build(connection: Connection, tools: AdapterTools) -> HsCrm:
    return HsCrm(connection, tools)
