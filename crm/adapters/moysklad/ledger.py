"""Bookings as customers' orders, clients as counterparties."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from core.errors import AppError, ConfigurationError, Forbidden, InvalidInput
from core.outside_http import AccessDenied, Kind, Malformed, before_writing
from core.phone import Phone
from crm.adapters.moysklad import orders as o
from crm.adapters.moysklad import probing
from crm.adapters.moysklad.wire import Refusal, Wire, condition, identifier, referred, wall
from crm.catalogue import Catalogue
from crm.model import Booking, BookingId, Changes, Client, ClientId, PlannedPart, StaffId
from crm.vendor.adapter import AdapterTools, ChangeHint, Connection, Probe
from crm.vendor.own_time import IdMap
from crm.vendor.own_time_crm import EntryChange, NewEntry
from crm.vendor.parsing import Record, records, spellings

ORDERS, CLIENTS, HOOKS = "/entity/customerorder", "/entity/counterparty", "/entity/webhook"
IDS_AT_ONCE = 50
"""Conditions on `id` in one filter: the address may have 8 KB."""
FIRST_LOOK = timedelta(days=1)
OVERLAP = timedelta(seconds=60)
TOLD = (
    ("customerorder", "CREATE"),
    ("customerorder", "UPDATE"),
    ("customerorder", "DELETE"),
    ("counterparty", "UPDATE"),
)
HOOK_MOST = 255
KINDS = {"customerorder": "booking", "counterparty": "client", "service": "service", "employee": "staff"}
ACTIONS = {"CREATE": "create", "UPDATE": "update", "DELETE": "delete"}


class MoyskladLedger:
    """Implements `crm.vendor.own_time_crm.Ledger`."""

    def __init__(self, connection: Connection, tools: AdapterTools) -> None:
        self._wire = Wire(connection, tools)
        self._connection = connection
        self._fields = o.OrderFields(self._wire)
        self._states: o.States | None = None
        self._unlisted: set[str] = set()
        self._organization = str(connection.settings.get("organization_id") or "")

    # --- clients

    async def find_clients(self, phone: Phone) -> Sequence[Client]:
        """By every usual spelling; when nobody is found, by how the number ends and by the vendor's own search."""
        tail = spellings(phone)[-1]
        for asked in (
            ("filter", ";".join(condition("phone", "=", text) for text in o.typed(phone))),
            ("filter", condition("phone", "=~", tail[-2:])),
            ("search", tail),  # words that begin with it: «9000000114 (мама)»
        ):
            rows = await self._wire.listed("clients", CLIENTS, [asked])
            people = [person for person, phones in map(o.client, rows) if phone in phones]
            if people:
                return [Client(person.id, person.name, phone) for person in people]
        return []

    async def create_client(self, name: str, phone: Phone | None) -> Client:
        body: dict[str, Any] = {"syncId": str(uuid4()), "name": name[:255], "companyType": "individual"}
        if phone is not None:
            body["phone"] = phone.e164
        try:
            row = await self._wire.write("client_create", "POST", CLIENTS, body)
        except Refusal as refusal:
            raise _refused(refusal, "the client") from None
        return Client(ClientId(row.id("id")), name, phone)

    async def client(self, client_id: ClientId) -> Client | None:
        row = await self._wire.get("clients", f"{CLIENTS}/{client_id}")
        return None if row is None else o.client(row)[0]

    async def remove_client(self, client_id: ClientId) -> None:
        """One with orders cannot be deleted: it goes into the archive."""
        try:
            await self._wire.send("client_remove", "DELETE", f"{CLIENTS}/{client_id}", kind=Kind.REPEATABLE)
        except Refusal as refusal:
            if refusal.status != 404:
                try:
                    await self._wire.write("client_remove", "PUT", f"{CLIENTS}/{client_id}", {"archived": True})
                except Refusal as again:
                    raise _refused(again, "to remove the client") from None

    # --- bookings read

    async def entries(self, catalogue: Catalogue, start: datetime, end: datetime) -> Sequence[Booking]:
        """Without positions, so that a page has a thousand; they are asked for only where a person made the order."""
        params = [("filter", _between(start, end))]
        reader = await self._reader(catalogue)
        rows = await self._wire.listed("records", ORDERS, params)
        by_hand = [row.id("id") for row in rows if reader.needs_positions(row)]
        full: dict[str, Record] = {}
        for at in range(0, len(by_hand), IDS_AT_ONCE):
            chosen = ";".join(condition("id", "=", number) for number in by_hand[at : at + IDS_AT_ONCE])
            found = await self._wire.listed("records", ORDERS, [("filter", chosen)], expand="positions")
            full |= {row.id("id"): row for row in found}
        bookings = await self._bookings(catalogue, [full.get(row.id("id"), row) for row in rows], reader)
        return [b for b in bookings if b.start < end and start < b.end]

    async def entry(self, catalogue: Catalogue, booking_id: BookingId) -> Booking | None:
        if not _is_uuid(booking_id):
            return None
        row = await self._wire.get("record", f"{ORDERS}/{booking_id}", [("expand", "positions")])
        if row is None or ("deleted" in row and not await self._is_listed(booking_id)):
            return None
        found = await self._bookings(catalogue, [row])
        return found[0] if found else None

    async def _is_listed(self, booking_id: BookingId) -> bool:
        """An order in the bin is still read by its id; one that was taken out again keeps its mark."""
        return bool(await self._wire.listed("record", ORDERS, [("filter", condition("id", "=", booking_id))]))

    async def by_marker(self, catalogue: Catalogue, marker: str) -> Sequence[Booking]:
        rows = await self._wire.listed(
            "records", ORDERS, [("filter", condition("description", "~", f"ai:{marker}"))], expand="positions"
        )
        rows.sort(key=lambda row: row.text("created", ""))
        return [b for b in await self._bookings(catalogue, rows) if b.marker == marker]

    async def of_client(self, catalogue: Catalogue, client_id: ClientId, after: datetime) -> Sequence[Booking]:
        agent = condition("agent", "=", self._wire.href(f"{CLIENTS}/{client_id}"))
        since = condition("deliveryPlannedMoment", ">=", wall(after - FIRST_LOOK))
        rows = await self._wire.listed("records", ORDERS, [("filter", f"{agent};{since}")], expand="positions")
        return [b for b in await self._bookings(catalogue, rows) if b.client_id == client_id]

    async def changed_since(self, catalogue: Catalogue, cursor: str, now: datetime) -> Changes:
        since = now - FIRST_LOOK
        if cursor:
            try:
                since = datetime.fromisoformat(cursor)
            except ValueError:
                raise InvalidInput("cursor: not one of this system; begin with an empty one") from None
        params = [("filter", condition("updated", ">=", wall(since - OVERLAP))), ("order", "updated,asc")]
        rows = await self._wire.listed("records", ORDERS, params, expand="positions")
        return Changes(tuple(await self._bookings(catalogue, rows)), now.isoformat())

    async def _bookings(
        self, catalogue: Catalogue, rows: Sequence[Record], reader: o.OrderReader | None = None
    ) -> list[Booking]:
        reader = reader or await self._reader(catalogue)
        used = {state for row in rows if (state := referred(row, "state"))}
        if unlisted := used - set(reader.states.meanings) - self._unlisted:  # a person has made a new one
            self._states = None
            reader = await self._reader(catalogue)
            self._unlisted |= unlisted - set(reader.states.meanings)
        return [booking for row in rows if (booking := reader.booking(row)) is not None]

    async def _reader(self, catalogue: Catalogue) -> o.OrderReader:
        return o.OrderReader(await self._fields.known(), await self.states(), self._ids(catalogue), catalogue)

    # --- bookings written

    async def write(self, catalogue: Catalogue, entry: NewEntry) -> BookingId:
        with before_writing():
            ids = self._ids(catalogue)
            states = await self.states()
            body: dict[str, Any] = {
                "syncId": o.sync_id(entry.marker, entry.part),
                "organization": self._wire.reference("organization", await self.organization()),
                "agent": self._wire.reference("counterparty", entry.client.id),
                "description": o.described(entry.comment, entry.marker),
                "positions": self._positions(catalogue, entry.part, ids),
                **await self._times(entry.part, ids),
                **self._state(states.to_set(entry.status)),
            }
        try:
            row = await self._wire.write("book", "POST", ORDERS, body)
        except Refusal as refusal:
            self._forget()
            raise _refused(refusal, "the order") from None
        return BookingId(row.id("id"))

    async def change(self, catalogue: Catalogue, booking: Booking, change: EntryChange) -> None:
        with before_writing():
            ids = self._ids(catalogue)
            body: dict[str, Any] = {}
            if change.part is not None:
                body |= await self._times(change.part, ids)
                if (change.part.staff_id, *change.part.service_ids) != (booking.staff_id, *booking.service_ids):
                    body["positions"] = self._positions(catalogue, change.part, ids)
            if change.marker is not None or change.note is not None:
                comment = "\n".join(text for text in (change.note, booking.comment) if text)
                body["description"] = o.described(comment, booking.marker if change.marker is None else change.marker)
            if change.status is not None:
                body |= self._state((await self.states()).to_set(change.status))
        if body:
            await self._put("move", booking.id, body)

    async def remove(self, catalogue: Catalogue, booking: Booking, *, late: bool, reason: str) -> None:
        """Set to the state for what did not come about, so that it stays in the books; deleted where there is none."""
        with before_writing():
            cancelled = (await self.states()).cancelled
        if not cancelled:
            try:
                await self._wire.send("cancel", "DELETE", f"{ORDERS}/{booking.id}", kind=Kind.REPEATABLE)
            except Refusal as refusal:
                if refusal.status != 404:
                    raise _refused(refusal, "to delete the order") from None
            return
        said = f"Отмена{' поздняя' if late else ''}: {reason or 'без причины'}"
        comment = f"{said}\n{booking.comment}" if booking.comment else said
        await self._put(
            "cancel", booking.id, {**self._state(cancelled), "description": o.described(comment, booking.marker)}
        )

    async def _put(self, operation: str, booking_id: BookingId, body: Mapping[str, Any]) -> None:
        try:
            await self._wire.write(operation, "PUT", f"{ORDERS}/{booking_id}", body)
        except Refusal as refusal:
            self._forget()
            raise _refused(refusal, "the change of the order") from None

    async def _times(self, part: PlannedPart, ids: IdMap) -> dict[str, Any]:
        fields = await self._fields.all()
        master = self._wire.reference("employee", self._their_staff(part.staff_id, ids))
        values: Mapping[str, Any] = {
            o.MASTER: master,
            o.END: wall(part.end),
            o.SERVICES: ",".join(part.service_ids),
        }
        return {
            "deliveryPlannedMoment": wall(part.start),
            "attributes": [
                {**self._wire.reference("attributemetadata", "", f"{o.ATTRIBUTES}/{fields[name]}"), "value": value}
                for name, value in values.items()
            ],
        }

    def _positions(self, catalogue: Catalogue, part: PlannedPart, ids: IdMap) -> list[dict[str, Any]]:
        """Of the services that the salon has mapped; the order's own field names all of them."""
        rows = []
        for service_id in part.service_ids:
            service = catalogue.services.get(service_id)
            if service is None or service_id not in ids.services:
                continue
            offer = service.offer_by(part.staff_id)
            rows.append(
                {
                    "quantity": 1,
                    "price": offer.price.amount.minor if offer else 0,
                    "assortment": self._wire.reference("service", ids.their_service(service_id)),
                }
            )
        return rows

    def _state(self, state: str) -> dict[str, Any]:
        if not state:
            return {}
        return {"state": self._wire.reference("state", "", f"{ORDERS}/metadata/states/{state}")}

    def _their_staff(self, staff_id: StaffId, ids: IdMap) -> str:
        if staff_id not in ids.staff:
            raise ConfigurationError(f"map.staff: name the employee of МойСклад who is {staff_id}")
        return ids.their_staff(staff_id)

    def _ids(self, catalogue: Catalogue) -> IdMap:
        return IdMap.of(catalogue, self._connection.mapped("services"), self._connection.mapped("staff"))

    # --- what is read once

    def _forget(self) -> None:
        """After a refusal: a person may have deleted the field, state or legal entity that we refer to."""
        self._fields.forget()
        self._states = None
        self._organization = str(self._connection.settings.get("organization_id") or "")

    async def states(self) -> o.States:
        if self._states is None:
            answer = await self._wire.get("states", f"{ORDERS}/metadata")
            rows = [] if answer is None else answer.records("states", optional=True)
            given = self._connection.settings
            names = {what: str(given.get(f"state_{what}") or "") for what in ("booked", "confirmed", "cancelled")}
            self._states = o.States.of(rows, names)
        return self._states

    async def organization(self) -> str:
        if not self._organization:
            rows = await self._wire.listed("organization", "/entity/organization")
            usable = [row for row in rows if not row.flag("archived", False)]
            if not usable:
                raise AccessDenied("МойСклад shows no legal entity", probing.ORGANIZATION_RU)
            self._organization = usable[0].id("id")
        return self._organization

    # --- connection

    async def probe(self) -> Probe:
        return await probing.probe(self, self._wire, self._fields, self._connection)

    async def subscribe(self, url: str) -> bool:
        if len(url) > HOOK_MOST:
            raise InvalidInput(f"url: МойСклад takes at most {HOOK_MOST} signs")
        try:
            there = {(r.text("entityType"), r.text("action")) for r in await self._hooks() if r.raw("url") == url}
            for kind, action in TOLD:
                if (kind, action) not in there:
                    body = {"url": url, "action": action, "entityType": kind}
                    await self._wire.send("hooks", "POST", HOOKS, kind=Kind.WRITE, body=body)
        except (AccessDenied, Refusal):
            return False
        return True

    async def unsubscribe(self, url: str) -> None:
        for row in await self._hooks():
            if row.raw("url") == url:
                try:
                    await self._wire.send("hooks", "DELETE", f"{HOOKS}/{row.id('id')}", kind=Kind.REPEATABLE)
                except Refusal as refusal:
                    if refusal.status != 404:
                        raise _refused(refusal, "to delete the webhook") from None

    async def _hooks(self) -> list[Record]:
        return await self._wire.listed("hooks", HOOKS)

    def read_webhook(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Sequence[ChangeHint]:
        """Nothing is signed: the address holds a secret, the account is compared, and everything is read again."""
        try:
            events = list(records(Record(json.loads(body), "event").raw("events"), "events"))
            hints = [self._hint(event, query.get("requestId", "")) for event in events]
        except (ValueError, RecursionError, AppError) as error:
            if isinstance(error, Forbidden):
                raise
            raise InvalidInput("body: no event of МойСклад") from None
        return [hint for hint in hints if hint is not None]

    def _hint(self, event: Record, request_id: str) -> ChangeHint | None:
        account = event.text("accountId", "")
        if account and self._wire.account_id and account != self._wire.account_id:
            raise Forbidden("the event is of another account")
        kind = KINDS.get(event.record("meta").text("type"))
        action = ACTIONS.get(event.text("action"))
        return None if kind is None or action is None else ChangeHint(kind, identifier(event), action, request_id)


def _between(start: datetime, end: datetime) -> str:
    name = "deliveryPlannedMoment"
    return f"{condition(name, '>=', wall(start))};{condition(name, '<=', wall(end))}"


def _is_uuid(text: str) -> bool:
    return len(text) == 36 and all(ch in "0123456789abcdefABCDEF-" for ch in text)


def _refused(refusal: Refusal, what: str) -> Malformed:
    """A definite no to a write: nothing was done."""
    code = min(refusal.codes) if refusal.codes else None
    return Malformed(f"МойСклад refused {what}", status=refusal.status, vendor_code=code, sent=False)
