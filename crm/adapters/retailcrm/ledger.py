"""Bookings as orders, clients as customers."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote
from uuid import uuid4

from core.errors import ConfigurationError, InvalidInput
from core.outside_http import Malformed, before_writing
from core.phone import Phone
from crm.adapters.retailcrm import orders as o
from crm.adapters.retailcrm import probing
from crm.adapters.retailcrm.wire import Refusal, Wire, pages, side_by_side, strange
from crm.catalogue import Catalogue
from crm.model import Booking, BookingId, BookingStatus, Changes, Client, ClientId, PlannedPart, StaffId
from crm.vendor.adapter import AdapterTools, ChangeHint, Connection, Probe
from crm.vendor.markers import labelled
from crm.vendor.own_time import IdMap
from crm.vendor.own_time_crm import EntryChange, NewEntry
from crm.vendor.parsing import Record, spellings

IDS_AT_ONCE = 50
HISTORY_PAGE = 100
FIRST_LOOK = timedelta(days=2)
"""A day more than wanted: the account's zone need not be the salon's."""


class RetailLedger:
    """Implements `crm.vendor.own_time_crm.Ledger`."""

    def __init__(self, connection: Connection, tools: AdapterTools) -> None:
        self._wire = Wire(connection, tools)
        self._connection = connection
        self._clock = tools.clock
        self._statuses: o.Statuses | None = None
        self._unlisted: set[str] = set()

    # --- clients

    async def find_clients(self, phone: Phone) -> Sequence[Client]:
        """By the last ten digits; when nobody is found, by other spellings and by the last four digits at once."""
        written = spellings(phone)
        found = await self._clients(written[-1], phone)
        if found:
            return found
        others = {written[0], written[-2], phone.e164[-4:]} - {written[-1]}
        several = await side_by_side([self._clients(text, phone) for text in sorted(others)])
        return list({person.id: person for people in several for person in people}.values())

    async def _clients(self, text: str, phone: Phone) -> list[Client]:
        params = [("filter[name]", text)]  # searches names and phones
        try:
            rows = await self._wire.listed("clients", "/customers", "customers", params)
        except Refusal as refusal:
            raise strange(refusal) from None
        found = []
        for row in rows:
            person, phones = o.client(row)
            if phone in phones:
                found.append(Client(person.id, person.name, phone, blocked=person.blocked))
        return found

    async def create_client(self, name: str, phone: Phone | None) -> Client:
        first, _, last = name.partition(" ")
        body: dict[str, Any] = {"externalId": f"ai-{uuid4().hex}", "firstName": first}
        if last:
            body["lastName"] = last
        if phone is not None:
            body["phones"] = [{"number": phone.e164}]
        try:
            answer = await self._wire.write("client_create", "/customers/create", "customer", body)
        except Refusal as refusal:
            raise _refused(refusal, "the customer") from None
        return Client(ClientId(answer.id("id")), name, phone)

    async def client(self, client_id: ClientId) -> Client | None:
        if not client_id.isdigit():
            return None
        row = await self._wire.get("clients", f"/customers/{client_id}", "customer")
        return None if row is None else o.client(row)[0]

    # --- bookings read

    async def entries(self, catalogue: Catalogue, start: datetime, end: datetime) -> Sequence[Booking]:
        days = [moment.astimezone(catalogue.zone).date().isoformat() for moment in (start, end)]
        rows = await self._orders([("filter[deliveryDateFrom]", days[0])], [("filter[deliveryDateTo]", days[1])])
        return [b for b in await self._bookings(catalogue, rows) if b.start < end and start < b.end]

    async def entry(self, catalogue: Catalogue, booking_id: BookingId) -> Booking | None:
        if not booking_id.isdigit():
            return None
        row = await self._wire.get("record", f"/orders/{booking_id}", "order")
        found = [] if row is None else await self._bookings(catalogue, [row])
        return found[0] if found else None

    async def by_marker(self, catalogue: Catalogue, marker: str) -> Sequence[Booking]:
        """By the manager's comment; where the account does not filter by it, among all that is to come."""
        yesterday = (self._clock.now().astimezone(catalogue.zone) - timedelta(days=1)).date().isoformat()
        rows = await self._orders(
            [("filter[deliveryDateFrom]", yesterday)], [("filter[managerComment]", marker)], False
        )
        bookings = [b for b in await self._bookings(catalogue, rows) if b.marker == marker]
        return sorted(bookings, key=lambda b: int(b.id))

    async def of_client(self, catalogue: Catalogue, client_id: ClientId, after: datetime) -> Sequence[Booking]:
        since = (after.astimezone(catalogue.zone) - timedelta(days=1)).date().isoformat()
        rows = await self._orders([("filter[customerId]", client_id), ("filter[deliveryDateFrom]", since)], [])
        return [b for b in await self._bookings(catalogue, rows) if b.client_id == client_id]

    async def changed_since(self, catalogue: Catalogue, cursor: str, now: datetime) -> Changes:
        """By the history, whose ids only grow: nothing is missed and nothing is read twice."""
        if cursor and not cursor.isdigit():
            raise InvalidInput("cursor: not one of this system; begin with an empty one")
        first = now.astimezone(catalogue.zone) - FIRST_LOOK
        start = f"{first:%Y-%m-%d %H:%M:%S}"
        since = [("filter[sinceId]", cursor)] if int(cursor or 0) else [("filter[startDate]", start)]
        try:
            answer = await self._history(since)
        except Refusal as refusal:
            if int(cursor or 0):
                raise strange(refusal) from None
            answer = await self._history([])  # an account that cannot begin in the middle: from the very beginning
        rows = answer.records("history")
        changed = dict.fromkeys(
            order.id("id")
            for row in rows
            if (order := row.maybe("order")) is not None and not row.flag("deleted", False)
        )
        last = max((row.whole("id") for row in rows), default=int(cursor or 0))
        bookings = await self._bookings(catalogue, await self._by_ids(list(changed)))
        return Changes(tuple(bookings), str(last), more=bool(rows) and pages(answer) > 1)

    async def _history(self, filters: list[tuple[str, str]]) -> Record:
        """The oldest page of it."""
        page = [("limit", HISTORY_PAGE), ("page", 1)]
        return await self._wire.send("changes", "GET", "/orders/history", params=[*filters, *page])

    async def _by_ids(self, numbers: Sequence[str]) -> list[Record]:
        """In the given order; those that are gone are left out."""
        found: dict[str, Record] = {}
        for at in range(0, len(numbers), IDS_AT_ONCE):
            chunk = numbers[at : at + IDS_AT_ONCE]
            try:
                rows = await self._wire.listed("records", "/orders", "orders", [("filter[ids][]", n) for n in chunk])
            except Refusal:
                read = [await self._wire.get("record", f"/orders/{number}", "order") for number in chunk]
                rows = [row for row in read if row is not None]
            found |= {row.id("id"): row for row in rows}
        return [found[number] for number in numbers if number in found]

    async def _orders(
        self, needed: list[tuple[str, str]], narrower: list[tuple[str, str]], together: bool = True
    ) -> list[Record]:
        """Orders by filters. Older accounts refuse `narrower` ones: then by `needed` alone, which finds more.

        `together` False: `narrower` stand alone where they are known.
        """
        try:
            return await self._wire.listed("records", "/orders", "orders", needed + narrower if together else narrower)
        except Refusal as refusal:
            if not narrower:
                raise strange(refusal) from None
        try:
            return await self._wire.listed("records", "/orders", "orders", needed)
        except Refusal as refusal:
            raise strange(refusal) from None

    async def _bookings(self, catalogue: Catalogue, rows: Sequence[Record]) -> list[Booking]:
        statuses = await self.statuses()
        used = {row.text("status", "") for row in rows}
        if unlisted := used - set(statuses.meanings) - self._unlisted:  # a person has made a new one
            self._statuses = None
            statuses = await self.statuses()
            self._unlisted |= unlisted - set(statuses.meanings)
        reader = o.OrderReader(statuses, self._ids(catalogue), catalogue, self._staff_field, self._plain("order_type"))
        return [booking for row in rows if (booking := reader.booking(row)) is not None]

    # --- bookings written

    async def write(self, catalogue: Catalogue, entry: NewEntry) -> BookingId:
        with before_writing():
            ids = self._ids(catalogue)
            status = (await self.statuses()).to_set(entry.status)
            first, _, last = entry.client.name.partition(" ")
            number = o.external_id(entry.marker, entry.part)
            body: dict[str, Any] = {
                "externalId": number,
                "customer": {"id": _number(entry.client.id, "client")},
                "firstName": first,
                "items": self._items(catalogue, entry.part, ids),
                "delivery": o.times(entry.part, catalogue),
                "managerComment": labelled(entry.comment, entry.marker),
                **self._master(entry.part.staff_id, ids),
            }
            optional = {
                "lastName": last,
                "phone": entry.client.phone.e164 if entry.client.phone else "",
                "status": status,
            }
            optional |= {"orderType": self._plain("order_type"), "orderMethod": self._plain("order_method")}
            body |= {key: value for key, value in optional.items() if value}
        try:
            answer = await self._wire.write("book", "/orders/create", "order", body)
        except Refusal as refusal:
            if refusal.exists:  # an earlier write came through after all
                made = await self._wire.by("record", f"/orders/{quote(number, safe='')}", "order", "externalId")
                if made is not None:
                    return BookingId(made.id("id"))
            self._statuses = None  # a person may have deleted the one that we set
            raise _refused(refusal, "the order") from None
        return BookingId(answer.id("id"))

    async def change(self, catalogue: Catalogue, booking: Booking, change: EntryChange) -> None:
        with before_writing():
            ids = self._ids(catalogue)
            body: dict[str, Any] = {}
            if change.part is not None:
                body["delivery"] = o.times(change.part, catalogue)
                body |= self._master(change.part.staff_id, ids)
                if (change.part.staff_id, *change.part.service_ids) != (booking.staff_id, *booking.service_ids):
                    body["items"] = self._items(catalogue, change.part, ids)
            if change.marker is not None or change.note is not None:
                comment = "\n".join(text for text in (change.note, booking.comment) if text)
                marker = booking.marker if change.marker is None else change.marker
                body["managerComment"] = labelled(comment, marker) if marker else comment
            status = (await self.statuses()).to_set(change.status) if change.status is not None else ""
            body |= {"status": status} if status else {}
        if body:
            await self._edit("move", booking.id, body)

    async def remove(self, catalogue: Catalogue, booking: Booking, *, late: bool, reason: str) -> None:
        """An order cannot be deleted by a program: it gets a status of the group for cancelled ones."""
        with before_writing():
            status = (await self.statuses()).to_set(BookingStatus.CANCELLED)
        said = f"Отмена{' поздняя' if late else ''}: {reason or 'без причины'}"
        comment = f"{said}\n{booking.comment}" if booking.comment else said
        comment = labelled(comment, booking.marker) if booking.marker else comment
        await self._edit("cancel", booking.id, {"status": status, "managerComment": comment})

    async def _edit(self, operation: str, booking_id: BookingId, body: Mapping[str, Any]) -> None:
        try:
            await self._wire.write(operation, f"/orders/{booking_id}/edit", "order", body, by_id=True)
        except Refusal as refusal:
            self._statuses = None
            raise _refused(refusal, "the change of the order") from None

    def _items(self, catalogue: Catalogue, part: PlannedPart, ids: IdMap) -> list[dict[str, Any]]:
        rows = []
        for service_id in part.service_ids:
            service = catalogue.services.get(service_id)
            if service is None:
                continue
            offer = service.offer_by(part.staff_id)
            row: dict[str, Any] = {"quantity": 1, "initialPrice": offer.price.amount.minor / 100 if offer else 0}
            if service_id in ids.services:
                theirs = ids.their_service(service_id)
                row["offer"] = {"id": int(theirs)} if theirs.isdigit() else {"externalId": theirs}
            else:
                row["productName"] = service.name
            rows.append(row)
        return rows

    def _master(self, staff_id: StaffId, ids: IdMap) -> dict[str, Any]:
        if staff_id not in ids.staff:
            raise ConfigurationError(f"map.staff: name the user of RetailCRM who is {staff_id}")
        theirs = ids.their_staff(staff_id)
        if self._staff_field:
            return {"customFields": {self._staff_field: theirs}}
        return {"managerId": _number(theirs, "map.staff")}

    # --- what is read once

    async def statuses(self) -> o.Statuses:
        if self._statuses is None:
            try:
                answer = await self._wire.send("statuses", "GET", "/reference/statuses")
            except Refusal as refusal:
                raise strange(refusal) from None
            given = {what: self._plain(f"status_{what}") for what in ("booked", "confirmed", "cancelled")}
            self._statuses = o.Statuses.of(answer.raw("statuses"), given)
        return self._statuses

    @property
    def _staff_field(self) -> str:
        return self._plain("staff_field")

    def _plain(self, name: str) -> str:
        return str(self._connection.settings.get(name) or "")

    def _ids(self, catalogue: Catalogue) -> IdMap:
        return IdMap.of(catalogue, self._connection.mapped("services"), self._connection.mapped("staff"))

    # --- connection

    async def probe(self) -> Probe:
        return await probing.probe(self, self._wire, self._connection)

    async def subscribe(self, url: str) -> bool:
        """Only a person can make a trigger that calls us: see the steps of the connection."""
        return False

    async def unsubscribe(self, url: str) -> None:
        return None

    def read_webhook(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Sequence[ChangeHint]:
        """What a trigger of the salon sends: a form or JSON with `order_id` or `customer_id`, or these in the address.

        Nothing is signed: the address holds a secret, and everything is read again.
        """
        pairs = {**query, **_pairs(body)}
        hints = []
        for names, kind in ((("order_id", "orderId"), "booking"), (("customer_id", "customerId"), "client")):
            number = next((pairs[name] for name in names if name in pairs), "")
            if number.isdigit():
                hints.append(ChangeHint(kind, number, "delete" if pairs.get("action") == "delete" else "update"))
        return hints


def _pairs(body: bytes) -> dict[str, str]:
    try:
        text = body.decode()
        if text.lstrip()[:1] in ("{", "["):
            data = json.loads(text)
            found = data.items() if isinstance(data, dict) else ()
            return {str(key): str(value) for key, value in found if isinstance(value, str | int)}
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=1000))
    except (ValueError, RecursionError):
        raise InvalidInput("body: neither a form nor JSON") from None


def _number(text: str, field: str) -> int:
    if not str(text).isdigit():
        raise InvalidInput(f"{field}: a number of RetailCRM is needed, got something else")
    return int(text)


def _refused(refusal: Refusal, what: str) -> Malformed:
    """A definite no to a write: nothing was done."""
    return Malformed(f"RetailCRM refused {what}", status=refusal.status, fields=", ".join(refusal.fields), sent=False)
