"""The CRM port on the vendor's REST API."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core.errors import Forbidden, InvalidInput, NotFound
from core.outside_http import AccessDenied, Kind, Malformed, Reply, VendorHttp, after_writing, before_writing
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.adapters.yclients_family import probing, writing
from crm.adapters.yclients_family.catalogue import BranchLists
from crm.adapters.yclients_family.free_time import bookable_days, free_parts, known_services, starts
from crm.adapters.yclients_family.records import ATTENDANCE_OF, booking, client
from crm.adapters.yclients_family.wire import Profile, Wire, data_of, digits, http_profile, reason_of, refused, total_of
from crm.catalogue import best_match, check_order
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
from crm.slots import validate_query
from crm.vendor.adapter import AdapterTools, ChangeHint, Connection, Probe
from crm.vendor.chain import chained
from crm.vendor.markers import labelled
from crm.vendor.own_facts import with_own_facts
from crm.vendor.parsing import Record, records, same_phone

PAGE = 200
CHANGED_WITHIN = timedelta(days=3)
"""How far back a marker is looked for: the desk watches for late writes for a day."""
OVERLAP = timedelta(seconds=60)
"""Changes are asked for from so long before the last answer: clocks differ."""
_KINDS = {"record": "booking", "client": "client", "service": "service", "staff": "staff", "master": "staff"}


class YclientsCrm:
    """One branch of one salon."""

    def __init__(self, profile: Profile, connection: Connection, tools: AdapterTools) -> None:
        """Raises ConfigurationError for missing settings, InvalidInput for a wrong base URL."""
        base_url = tools.guard.check_url(connection.setting("base_url", profile.base_url), "base_url")
        http = VendorHttp(
            tools.http, http_profile(profile, base_url), tools.limiter, timings=tools.timings, observe=tools.observe
        )
        self._profile = profile
        self._company = connection.setting("company_id")
        self._wire = Wire(http, profile, connection.secret("partner_token"), connection.secret("user_token"))
        self._tools = tools
        self._lists = BranchLists(self._wire, self._company)
        self._region = connection.setting("region", "RU")
        self._one_client = asyncio.Lock()

    # --- reading

    async def capabilities(self, scope: CompanyScope) -> Capabilities:
        return probing.CAPABILITIES

    async def services(self, scope: CompanyScope) -> Sequence[Service]:
        services = (await self._lists.lists()).services
        try:
            own = await self._tools.catalogue.catalogue(scope)
        except NotFound:
            return tuple(services.values())  # no price list of our own was loaded: the branch's is all there is
        return tuple(with_own_facts(services, own).values())

    async def staff(self, scope: CompanyScope) -> Sequence[Staff]:
        return tuple((await self._lists.lists()).staff.values())

    async def slots(self, scope: CompanyScope, query: SlotQuery) -> Sequence[Plan]:
        validate_query(query)
        lists, zone = await self._lists.lists(), await self._zone(scope)
        for part in query.parts:
            known_services(part, lists.services)
        today = self._tools.clock.now().astimezone(zone).date()
        first, last = max(query.first_day, today), query.last_day
        if first > last:
            return []
        days = await self._days(query, first, last)
        order = list(lists.staff)
        plans: list[Plan] = []
        for at in range(0, len(days), 2):
            asked = days[at : at + 2]
            parts = [
                await free_parts(self._wire, self._company, part, lists.services, asked, zone, order)
                for part in query.parts
            ]
            plans += chained(parts, query, zone)
            if len(plans) >= query.limit:
                break
        return plans[: query.limit]

    async def _days(self, query: SlotQuery, first: date, last: date) -> list[date]:
        if first == last:
            return [first]
        part = query.parts[0]
        staff = part.staff_ids[0] if len(part.staff_ids) == 1 else "0"
        return await bookable_days(self._wire, self._company, staff, part.service_ids, first, last)

    async def on_duty(self, scope: CompanyScope, day: date) -> Sequence[Shift]:
        lists, zone = await self._lists.lists(), await self._zone(scope)
        path = f"/schedule/{self._company}"
        answers = await asyncio.gather(
            *(self._wire.get("schedule", f"{path}/{key}/{day}/{day}") for key in lists.staff)
        )
        shifts = []
        for staff_id, answer in zip(lists.staff, answers, strict=True):
            for item in records(answer, "schedule"):
                spans = item.records("slots", optional=True)
                if item.text("date") == day.isoformat() and item.flag("is_working", True) and spans:
                    start = min(_at(day, span.text("from"), zone) for span in spans)
                    end = max(_at(day, span.text("to"), zone) for span in spans)
                    shifts.append(Shift(staff_id, start, end))
        return shifts

    # --- clients

    async def find_clients(self, scope: CompanyScope, phone: Phone) -> Sequence[Client]:
        body: dict[str, Any] = {
            "page_size": PAGE,
            "fields": ["id", "name", "phone"],
            "order_by": "id",
            "order_by_direction": "asc",
            "operation": "AND",
            "filters": [{"type": "quick_search", "state": {"value": digits(phone)}}],
        }
        found: list[Client] = []
        page, seen = 1, 0
        while True:
            reply = await self._wire.send(
                "clients", "POST", f"/company/{self._company}/clients/search", body={**body, "page": page}
            )
            rows = [client(item, self._region) for item in records(data_of(reply), "clients")]
            found += [row for row in rows if same_phone(row.phone, phone)]
            seen += len(rows)
            total = total_of(reply)
            if not rows or len(rows) < PAGE or (total is not None and seen >= total):
                return found
            page += 1

    async def find_or_create_client(self, scope: CompanyScope, name: str, phone: Phone | None) -> Client:
        name = " ".join(name.split())
        if phone is None:
            raise InvalidInput(f"phone: {self._profile.title} keeps no client without a phone; ask for it")
        async with self._one_client:
            known = best_match(name, await self.find_clients(scope, phone))
            if known is not None:
                return known
            body = {"name": name or phone.e164, "phone": digits(phone)}
            reply = await self._wire.send(
                "client_create", "POST", f"/clients/{self._company}", kind=Kind.WRITE, body=body
            )
            if not refused(reply):
                made = client(Record(data_of(reply), "client"), self._region)
                return made if made.phone is not None else replace(made, phone=phone)
            known = best_match(name, await self.find_clients(scope, phone))  # somebody else was quicker
            if known is None:
                raise Malformed("the vendor makes no client and finds none", status=reply.status)
            return known

    async def client(self, scope: CompanyScope, client_id: ClientId) -> Client | None:
        data = await self._wire.get("clients", f"/client/{self._company}/{client_id}", absent_ok=True)
        return None if data is None else client(Record(data, "client"), self._region)

    async def remove_client(self, scope: CompanyScope, client_id: ClientId) -> None:
        """For the live check: takes its test client away again."""
        await self._wire.send("client_delete", "DELETE", f"/client/{self._company}/{client_id}", kind=Kind.REPEATABLE)

    # --- writing

    async def check(self, scope: CompanyScope, draft: VisitDraft) -> RefusalReason | None:
        check_order(draft.plan.parts)
        zone = await self._zone(scope)
        items = await writing.appointments(self._wire, self._company, draft.plan.parts, zone)
        if isinstance(items, RefusalReason):
            return items
        return await writing.check(self._wire, self._company, items)

    async def book(self, scope: CompanyScope, draft: VisitDraft, marker: str) -> WriteResult:
        check_order(draft.plan.parts)
        with before_writing():
            if written := await self.find_by_marker(scope, marker):
                return Written(tuple(written))
            who = await self.client(scope, draft.client_id)
            if who is None:
                return Refused(RefusalReason.NOT_FOUND)
            branch, zone = await self._lists.branch(), await self._zone(scope)
            items = await writing.appointments(self._wire, self._company, draft.plan.parts, zone)
            if isinstance(items, RefusalReason):
                return Refused(items)
            online = not branch.needs_code and who.phone is not None
            if online:
                refusal = await writing.check(self._wire, self._company, items)
                online = refusal is not RefusalReason.CLIENT_MUST_CONFIRM
                if refusal is not None and online:
                    return Refused(refusal)
        if online:
            made = await writing.book_online(self._wire, self._company, items, draft, who, marker, self._tools.links)
        else:
            made = await writing.book_in_journal(self._wire, self._company, items, draft, who, marker)
        if isinstance(made, Refused):
            return made
        return Written(tuple([await self._read_back(scope, record_id) for record_id in made]))

    async def reschedule(self, scope: CompanyScope, booking_id: BookingId, plan: Plan, marker: str) -> WriteResult:
        check_order(plan.parts)
        if len(plan.parts) != 1:
            raise InvalidInput("plan: a booking is moved to one part; book anew for several masters")
        part = plan.parts[0]
        with before_writing():
            zone = await self._zone(scope)
            raw = await self._raw(booking_id)
            if raw is None or self._booking(raw, zone).status not in ACTIVE_STATUSES:
                return Refused(RefusalReason.NOT_FOUND)
            listed = await starts(
                self._wire, self._company, part.staff_id, part.start.astimezone(zone).date(), part.service_ids, zone
            )
        start = next((item for item in listed if item.at == part.start), None)
        # A time that overlaps the visit's own old one is not listed as free: the journal itself is the judge of it.
        echo = start.echo if start else part.start.astimezone(zone).isoformat(timespec="seconds")
        body = writing.changed_record(
            raw,
            staff_id=int(part.staff_id) if part.staff_id.isdigit() else part.staff_id,
            datetime=echo,
            seance_length=writing.seconds(part.end - part.start),
            comment=labelled(raw.get("comment") or "", marker),
            api_id=marker,
        )
        reply = await self._wire.send(
            "move", "PUT", f"/record/{self._company}/{booking_id}", kind=Kind.WRITE, body=body
        )
        if refused(reply):
            return Refused(reason_of(reply))
        return Written((await self._read_back(scope, booking_id),))

    async def cancel(self, scope: CompanyScope, booking_id: BookingId, *, late: bool, reason: str) -> WriteResult:
        with before_writing():
            raw, zone = await self._raw(booking_id), await self._zone(scope)
        if raw is None:
            return Refused(RefusalReason.NOT_FOUND) if await self._never_was(booking_id) else Written(())
        found = self._booking(raw, zone)
        if found.status is not BookingStatus.CANCELLED:
            reply = await writing.delete(self._wire, self._company, booking_id, self._tools.links)
            if refused(reply) and reply.status != 404:
                return Refused(reason_of(reply))
            await self._tools.links.put("cancelled", booking_id, {"start": found.start.isoformat()})
        return Written((replace(found, status=BookingStatus.CANCELLED, late_cancel=late),))

    async def _never_was(self, booking_id: BookingId) -> bool:
        """The vendor may forget deleted records: one that we deleted is cancelled, not unknown."""
        return await self._tools.links.get("cancelled", booking_id) is None

    async def set_status(self, scope: CompanyScope, booking_id: BookingId, status: BookingStatus) -> WriteResult:
        if status is BookingStatus.CANCELLED:
            return await self.cancel(scope, booking_id, late=False, reason="")
        if status not in ATTENDANCE_OF:
            return Refused(RefusalReason.NOT_SUPPORTED)
        return await self._changed(scope, booking_id, lambda raw: {"attendance": ATTENDANCE_OF[status]})

    async def add_note(self, scope: CompanyScope, booking_id: BookingId, note: str) -> WriteResult:
        def noted(raw: Mapping[str, Any]) -> dict[str, Any]:
            before = raw.get("comment") or ""
            return {"comment": f"{note}\n{before}" if before else note}

        return await self._changed(scope, booking_id, noted)

    async def _changed(self, scope: CompanyScope, booking_id: BookingId, change: Any) -> WriteResult:
        with before_writing():
            raw = await self._raw(booking_id)
        if raw is None:
            return Refused(RefusalReason.NOT_FOUND)
        reply = await self._wire.send(
            "move",
            "PUT",
            f"/record/{self._company}/{booking_id}",
            kind=Kind.REPEATABLE,
            body=writing.changed_record(raw, **change(raw)),
        )
        if refused(reply):
            return Refused(reason_of(reply))
        return Written((await self._read_back(scope, booking_id),))

    # --- reading back

    async def get(self, scope: CompanyScope, booking_id: BookingId) -> Booking | None:
        raw = await self._raw(booking_id)
        return None if raw is None else self._booking(raw, await self._zone(scope))

    async def find_by_marker(self, scope: CompanyScope, marker: str) -> Sequence[Booking]:
        since = self._tools.clock.now() - CHANGED_WITHIN
        changed, _ = await self._changed_since(scope, since)
        return sorted((b for b in changed if b.marker == marker), key=lambda b: (len(b.id), b.id))

    async def bookings_of(self, scope: CompanyScope, client_id: ClientId) -> Sequence[Booking]:
        now, zone = self._tools.clock.now(), await self._zone(scope)
        today = now.astimezone(zone).date()
        found = await self._records(
            scope, {"client_id": client_id, "start_date": today.isoformat(), "end_date": str(today + timedelta(365))}
        )
        mine = [b for b in found if b.client_id == client_id and b.end > now and b.status in ACTIVE_STATUSES]
        return sorted(mine, key=lambda b: b.start)

    async def visits_of(
        self, scope: CompanyScope, client_id: ClientId, *, since: datetime, limit: int
    ) -> Sequence[Booking]:
        now, zone = self._tools.clock.now(), await self._zone(scope)
        first, last = since.astimezone(zone).date(), now.astimezone(zone).date()
        found = await self._records(
            scope, {"client_id": client_id, "start_date": first.isoformat(), "end_date": last.isoformat()}
        )
        return past_visits([b for b in found if b.client_id == client_id], since=since, now=now, limit=limit)

    async def changes_since(self, scope: CompanyScope, cursor: str) -> Changes:
        now = self._tools.clock.now()
        try:
            since = datetime.fromisoformat(cursor) if cursor else now - timedelta(days=1)
        except ValueError:
            raise InvalidInput("cursor: not one of this system; begin with an empty one") from None
        found, _ = await self._changed_since(scope, since - OVERLAP)
        return Changes(tuple(found), now.isoformat())

    async def _changed_since(self, scope: CompanyScope, since: datetime) -> tuple[list[Booking], datetime]:
        zone = await self._zone(scope)
        wall = since.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")
        return await self._records(scope, {"changed_after": wall, "with_deleted": "1"}), since

    async def _records(self, scope: CompanyScope, params: Mapping[str, str]) -> list[Booking]:
        zone = await self._zone(scope)
        found: dict[BookingId, Booking] = {}
        page, seen = 1, 0
        while True:
            reply = await self._wire.send(
                "records", "GET", f"/records/{self._company}", params={**params, "page": page, "count": PAGE}
            )
            rows = [self._booking(row, zone) for row in _raw_rows(reply)]
            fresh = [row for row in rows if row.id not in found]
            found.update({row.id: row for row in rows})
            seen += len(rows)
            total = total_of(reply)
            # Whether pages begin at 0 or 1 is told in two ways: a page that repeats the last one ends the list.
            if not fresh or len(rows) < PAGE or (total is not None and seen >= total):
                return list(found.values())
            page += 1

    # --- connection

    async def probe(self, scope: CompanyScope) -> Probe:
        return await probing.probe(self._wire, self._company, self._lists, self._tools.clock.now().date())

    async def subscribe(self, scope: CompanyScope, url: str) -> bool:
        body = {"urls": [url], "active": 1, "record": 1, "client": 0, "service": 1, "master": 1}
        try:
            reply = await self._wire.send(
                "hooks", "POST", f"/hooks_settings/{self._company}", kind=Kind.REPEATABLE, body=body
            )
        except AccessDenied:
            return False
        return not refused(reply)

    async def unsubscribe(self, scope: CompanyScope, url: str) -> None:
        body = {"urls": [], "active": 0}
        await self._wire.send("hooks", "POST", f"/hooks_settings/{self._company}", kind=Kind.REPEATABLE, body=body)

    def read_webhook(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Sequence[ChangeHint]:
        try:
            event = json.loads(body)
        except (ValueError, RecursionError):
            raise InvalidInput("body: the event is no JSON") from None
        try:
            record = Record(event, "event")
            company, kind = record.id("company_id"), record.text("resource")
            hint = ChangeHint(_KINDS.get(kind, kind), record.id("resource_id"), record.text("status"))
        except Malformed as error:
            raise InvalidInput(f"body: {error.message}") from None
        if company != self._company:
            raise Forbidden("the event is of another branch")
        return [hint]

    # --- small things

    async def _zone(self, scope: CompanyScope) -> ZoneInfo:
        branch = await self._lists.branch()
        if branch.zone is not None:
            return branch.zone
        return (await self._tools.catalogue.catalogue(scope)).zone

    async def _raw(self, booking_id: str) -> dict[str, Any] | None:
        data = await self._wire.get("record", f"/record/{self._company}/{booking_id}", absent_ok=True)
        if data is None:
            return None
        if not isinstance(data, dict):
            raise Malformed("the record is no object")
        return data

    def _booking(self, raw: Any, zone: ZoneInfo) -> Booking:
        return booking(Record(raw, "record"), zone, self._lists.currency)

    async def _read_back(self, scope: CompanyScope, record_id: str) -> Booking:
        with after_writing():
            found = await self.get(scope, BookingId(record_id))
        if found is None:
            raise Malformed("what was just written cannot be read")
        return found


def _raw_rows(reply: Reply) -> list[Any]:
    data = data_of(reply)
    if not isinstance(data, list):
        raise Malformed("the records are no list")
    return data


def _at(day: date, clock: str, zone: ZoneInfo) -> datetime:
    hours, minutes = (int(part) for part in clock.split(":")[:2])
    return datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(hours=hours, minutes=minutes)
