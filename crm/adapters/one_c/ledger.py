"""Visits as documents of a 1C base, through its standard OData interface.

1C locks nothing and ignores If-Match and DataVersion in a body: the last write wins. So a change sends only what
changes, the object is read anew before it, and what 1C answers is compared with what was sent, because a misspelt field
or a wrong type is dropped with 200.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from core.errors import InvalidInput, Unavailable
from core.outside_http import AccessDenied, OutcomeUnknown, after_writing
from core.phone import Phone
from crm.adapters.one_c import odata, rows, seen
from crm.adapters.one_c.clients import Clients
from crm.adapters.one_c.entities import Entities
from crm.adapters.one_c.probing import probe
from crm.adapters.one_c.profile import Profile, VisitMap
from crm.adapters.one_c.rows import Refs
from crm.adapters.one_c.wire import NotUnderstood, RefusedWrite, Wire
from crm.catalogue import Catalogue
from crm.model import (
    Booking,
    BookingId,
    BookingStatus,
    Capabilities,
    Changes,
    Client,
    ClientId,
    PlannedPart,
    RefusalReason,
    ServiceId,
)
from crm.vendor.adapter import AdapterTools, ChangeHint, Connection, Probe
from crm.vendor.markers import marker_of, unlabelled
from crm.vendor.own_time_crm import EntryChange, NewEntry, OwnTimeCrm, RefusedByLedger
from crm.vendor.parsing import Record

log = structlog.get_logger(__name__)

CAPABILITIES = Capabilities(knows_history=True, waiting_prepay=False, staff_locked=False, keeps_schedule=False)
MARKED_WITHIN = timedelta(days=7)
"""How far back a marker is looked for: the desk watches for late writes for a day, and visits lie ahead."""
AHEAD = timedelta(days=120)
"""How far ahead changes are watched."""
UNKEPT_RU = "Проверьте профиль 1С: эти поля не сохраняются, их нет в базе или у них другой тип: {fields}."
POST_RU = "Дайте пользователю 1С право проводить документ записи или уберите post из профиля: документ не проводится."


class OneCLedger:
    """Implements `crm.vendor.own_time_crm.Ledger`."""

    def __init__(self, connection: Connection, tools: AdapterTools) -> None:
        self._wire = Wire(connection, tools)
        self._entities = Entities(connection, tools, self._wire)
        self._clients = Clients(self._wire, self._entities)
        self._tools = tools

    # --- clients

    async def find_clients(self, phone: Phone) -> Sequence[Client]:
        return await self._clients.find(phone)

    async def create_client(self, name: str, phone: Phone | None) -> Client:
        return await self._clients.create(name, phone)

    async def client(self, client_id: ClientId) -> Client | None:
        return await self._clients.get(client_id)

    async def remove_client(self, client_id: ClientId) -> None:
        await self._clients.remove(client_id)

    # --- reading visits

    async def entries(self, catalogue: Catalogue, start: datetime, end: datetime) -> Sequence[Booking]:
        visit, zone = (await self._entities.profile()).visit, catalogue.zone
        where = odata.both((
            f"{visit.start} ge {odata.moment(start, zone)}", f"{visit.start} lt {odata.moment(end, zone)}",
            "DeletionMark eq false",
        ))  # fmt: skip
        return await self._visits(catalogue, where)

    async def entry(self, catalogue: Catalogue, booking_id: BookingId) -> Booking | None:
        if not odata.is_guid(booking_id):
            return None
        profile = await self._entities.profile()
        row = await self._wire.one("record", profile.visit.set, booking_id)
        if row is None:
            return None
        return rows.booking(row, profile, await self._entities.refs(catalogue), catalogue)

    async def by_marker(self, catalogue: Catalogue, marker: str) -> Sequence[Booking]:
        visit = (await self._entities.profile()).visit
        since = f"{visit.start} ge {odata.moment(self._tools.clock.now() - MARKED_WITHIN, catalogue.zone)}"
        label = f"{visit.marker} eq {odata.string(marker)}" if visit.marker else odata.contains(
            f"ai:{marker}", visit.comment
        )  # fmt: skip
        try:
            found = await self._visits(catalogue, odata.both((label, since)))
        except NotUnderstood:  # some bases do not search in comments of unlimited length
            found = await self._visits(catalogue, since)
        return sorted((b for b in found if b.marker == marker), key=lambda b: (b.start, b.id))

    async def of_client(self, catalogue: Catalogue, client_id: ClientId, after: datetime) -> Sequence[Booking]:
        if not odata.is_guid(client_id):
            return []
        profile = await self._entities.profile()
        visit = profile.visit
        where = odata.both((
            odata.reference(visit.client, client_id, profile.clients.set),
            f"{visit.start} ge {odata.moment(after - timedelta(days=1), catalogue.zone)}", "DeletionMark eq false",
        ))  # fmt: skip
        return await self._visits(catalogue, where)

    async def _visits(self, catalogue: Catalogue, where: str) -> list[Booking]:
        profile, refs = await self._entities.profile(), await self._entities.refs(catalogue)
        found = await self._wire.listed("records", profile.visit.set, where=where)
        return [b for row in found if (b := rows.booking(row, profile, refs, catalogue)) is not None]

    # --- writing visits

    async def write(self, catalogue: Catalogue, entry: NewEntry) -> BookingId:
        profile, refs = await self._entities.profile(), await self._entities.refs(catalogue)
        visit = profile.visit
        body: dict[str, Any] = {**visit.defaults}
        if visit.start != "Date":
            body["Date"] = odata.wall(self._tools.clock.now(), catalogue.zone)
        body |= rows.times(entry.part, visit, profile, catalogue.zone)
        body |= rows.reference_body(visit.client, entry.client.id, profile.clients.set)
        body |= self._staff(entry.part, profile, refs)
        body |= self._services(catalogue, entry.part, profile, refs)
        body |= rows.total_body(entry.price, profile)
        body |= _text(visit, entry.comment, entry.marker)
        if value := visit.status_value(entry.status):
            body[visit.status] = value
        made = await self._create(catalogue, visit.set, body, entry.marker)
        if isinstance(made, str):
            return BookingId(made)
        with after_writing():
            ref = made.id("Ref_Key").lower()
            if lost := await self._lost(body, made, visit.set, ref):
                await self._wire.change("cancel", visit.set, ref, {"DeletionMark": True})
        if lost:
            raise AccessDenied("1C does not keep fields of the visit", UNKEPT_RU.format(fields=lost), sent=False)
        if visit.post:
            await self._post_new(visit, ref)
        return BookingId(ref)

    async def _create(
        self, catalogue: Catalogue, name: str, body: Mapping[str, Any], marker: str
    ) -> Record | BookingId:
        """The new object, or the reference of one that is there in spite of a 500.

        A 4xx is a no. A 500 of 1C's own rolls the transaction back, but that is looked up, not believed; when the
        session had been kept, perhaps only it was dead, and what is not there is written once more.
        """
        again = True
        while True:
            try:
                return await self._wire.create("book", name, body)
            except RefusedWrite as refused:
                if not refused.certain:
                    with after_writing():
                        found = await self.by_marker(catalogue, marker)
                    if found:
                        return found[-1].id
                if refused.certain or not refused.resumed or not again:
                    log.warning("one_c_refused", status=refused.status, error=refused.code)
                    raise RefusedByLedger from None
            again = False

    async def _lost(self, sent: Mapping[str, Any], kept: Record | None, name: str, ref: str) -> str:
        """Names of the fields that 1C did not keep; empty: all were."""
        if kept is not None and not rows.unkept(sent, kept):
            return ""
        read = await self._wire.one("record", name, ref)  # the answer to a write may be short: the object decides
        lost = list(sent) if read is None else rows.unkept(sent, read)
        if lost:
            log.error("one_c_fields_not_kept", fields=len(lost))
        return ", ".join(sorted(lost))

    async def _post_new(self, visit: VisitMap, ref: str) -> None:
        """A visit that cannot be posted is taken back: the salon's reports would not see it."""
        with after_writing():
            posted = await self._posted(visit, ref)
            if not posted:
                await self._wire.change("cancel", visit.set, ref, {"DeletionMark": True})
        if not posted:
            raise AccessDenied("1C does not post the visit", POST_RU, sent=False)

    async def _posted(self, visit: VisitMap, ref: str) -> bool:
        try:
            await self._wire.act("post", visit.set, ref, "Post")
        except RefusedWrite:
            row = await self._wire.one("record", visit.set, ref)
            return row is not None and row.flag("Posted", False)
        return True

    async def change(self, catalogue: Catalogue, booking: Booking, change: EntryChange) -> None:
        profile, refs = await self._entities.profile(), await self._entities.refs(catalogue)
        visit = profile.visit
        row = await self._wire.one("record", visit.set, booking.id)
        if row is None or row.flag("DeletionMark", False):
            raise RefusedByLedger(RefusalReason.NOT_FOUND)
        now = rows.booking(row, profile, refs, catalogue)
        if change.part is not None and now and now.marker == booking.marker and now.start != booking.start:
            raise Unavailable("somebody in the salon has moved this visit just now", sent=False)
        body: dict[str, Any] = {}
        if change.part is not None:
            body |= rows.times(change.part, visit, profile, catalogue.zone)
            body |= self._staff(change.part, profile, refs)
            if change.part.service_ids != booking.service_ids:
                body |= self._services(catalogue, change.part, profile, refs)
        if change.status is not None:
            body |= _status(visit, change.status)
        if change.marker is not None or change.note is not None:
            body |= _text(visit, *_noted(row, visit, booking, change))
        await self._changed(visit, booking.id, row, body, move=change.part is not None)

    async def _changed(self, visit: VisitMap, ref: str, row: Record, body: Mapping[str, Any], *, move: bool) -> None:
        """A posted document is taken out of the ledgers around a change of its time, and posted again after it."""
        around = row.flag("Posted", False) and move
        try:
            if around:
                await self._wire.act("unpost", visit.set, ref, "Unpost")
            kept = await self._wire.change("move", visit.set, ref, body)
        except RefusedWrite as refused:
            with after_writing():
                read = await self._wire.one("record", visit.set, ref)
                done = read is not None and not rows.unkept(body, read)
                if around and not await self._posted(visit, ref):
                    log.error("one_c_left_unposted", booking=ref)
            if done:
                return
            log.warning("one_c_refused", status=refused.status, error=refused.code)
            raise RefusedByLedger from None
        with after_writing():
            lost = await self._lost(body, kept, visit.set, ref)
            if around and not await self._posted(visit, ref):
                log.error("one_c_left_unposted", booking=ref)
        if lost:
            raise OutcomeUnknown("1C did not keep the change", fields=lost)

    async def remove(self, catalogue: Catalogue, booking: Booking, *, late: bool, reason: str) -> None:
        """By the base's own status where the profile has one, else by the mark for deletion. Never deleted."""
        visit = (await self._entities.profile()).visit
        row = await self._wire.one("record", visit.set, booking.id)
        if row is None or row.flag("DeletionMark", False):
            return
        note = f"{rows.REASON}{' (поздняя)' if late else ''}: {reason}" if reason else ""
        body: dict[str, Any] = {}
        if visit.comment and note:
            before = row.text(visit.comment, "")
            marker = marker_of(before)
            plain = f"{note}\n{unlabelled(before)}".strip()
            body[visit.comment] = rows.labelled_first(plain, marker) if marker else plain
        value = visit.status_value(BookingStatus.CANCELLED)
        body |= {visit.status: value} if value else {"DeletionMark": True}
        try:
            if not value and row.flag("Posted", False):
                await self._wire.act("unpost", visit.set, booking.id, "Unpost")
            await self._wire.change("cancel", visit.set, booking.id, body)
        except RefusedWrite as refused:
            with after_writing():
                read = await self._wire.one("record", visit.set, booking.id)
            if read is not None and rows.unkept(body, read):
                log.warning("one_c_refused", status=refused.status, error=refused.code)
                raise RefusedByLedger from None

    def _staff(self, part: PlannedPart, profile: Profile, refs: Refs) -> dict[str, str]:
        ref = refs.staff.get(part.staff_id)
        if ref is None:
            raise AccessDenied(
                f"staff {part.staff_id} is not matched with anybody in 1C",
                f"Сопоставьте мастера {part.staff_id} с сотрудником 1С в файле --map: раздел staff, значение Ref_Key.",
                sent=False,
            )
        return rows.reference_body(profile.visit.staff, ref, profile.staff.set)

    def _services(self, catalogue: Catalogue, part: PlannedPart, profile: Profile, refs: Refs) -> dict[str, Any]:
        missing = [key for key in part.service_ids if key not in refs.services]
        if missing:
            raise AccessDenied(
                f"services {', '.join(missing)} are not matched with anything in 1C",
                f"Сопоставьте услуги {', '.join(missing)} с номенклатурой 1С в файле --map: раздел services.",
                sent=False,
            )
        visit = profile.visit

        def price_of(key: ServiceId) -> int:
            offer = catalogue.services[key].offer_by(part.staff_id)
            return offer.price.amount.minor if offer else 0

        if visit.part:
            return {visit.part: rows.service_rows(part, profile, refs, price_of)}
        if len(part.service_ids) != 1:
            raise RefusedByLedger(RefusalReason.NOT_SUPPORTED)  # the document has room for one service
        return rows.reference_body(visit.service, refs.services[part.service_ids[0]], profile.services.set)

    # --- changes and connection

    async def changed_since(self, catalogue: Catalogue, cursor: str, now: datetime) -> Changes:
        """1C tells no time of change: what lies ahead is compared with the fingerprints in the cursor."""
        profile, refs = await self._entities.profile(), await self._entities.refs(catalogue)
        visit, before = profile.visit, seen.read(cursor)
        where = odata.both((
            f"{visit.start} ge {odata.moment(now - timedelta(days=1), catalogue.zone)}",
            f"{visit.start} lt {odata.moment(now + AHEAD, catalogue.zone)}",
        ))  # fmt: skip
        found = await self._wire.listed("records", visit.set, where=where)
        prints = {row.id("Ref_Key").lower(): seen.fingerprint(row) for row in found}
        changed = [
            row for row in found if before.get(seen.short(row.id("Ref_Key"))) != prints[row.id("Ref_Key").lower()]
        ]
        bookings = [b for row in changed if (b := rows.booking(row, profile, refs, catalogue)) is not None]
        return Changes(tuple(bookings), seen.write(prints))

    async def probe(self) -> Probe:
        return await probe(self._wire, self._entities, CAPABILITIES)

    async def subscribe(self, url: str) -> bool:
        return False

    async def unsubscribe(self, url: str) -> None:
        return None

    def read_webhook(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Sequence[ChangeHint]:
        raise InvalidInput("body: the OData interface of 1C calls nobody; changes are polled")


def _text(visit: VisitMap, comment: str, marker: str) -> dict[str, Any]:
    if visit.marker:
        return {visit.marker: marker} | ({visit.comment: comment} if visit.comment else {})
    return {visit.comment: rows.labelled_first(comment, marker) if marker else comment}


def _noted(row: Record, visit: VisitMap, booking: Booking, change: EntryChange) -> tuple[str, str]:
    """The comment as it stands there now, with the note in front, and the marker that counts from now on."""
    text = row.text(visit.comment, "") if visit.comment else ""
    plain = unlabelled(text)
    if change.note is not None:
        plain = f"{change.note}\n{plain}".strip()
    return plain, booking.marker if change.marker is None else change.marker


def _status(visit: VisitMap, status: BookingStatus) -> dict[str, Any]:
    value = visit.status_value(status)
    if value:
        return {visit.status: value}
    if status is BookingStatus.BOOKED:
        return {}
    raise RefusedByLedger(RefusalReason.NOT_SUPPORTED)


def build(connection: Connection, tools: AdapterTools) -> OwnTimeCrm:
    return OwnTimeCrm(OneCLedger(connection, tools), tools.catalogue, tools.clock, CAPABILITIES, needs_phone=False)
