"""Bookings as leads of one pipeline, each with a meeting task for its master."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import structlog

from core.errors import AppError, Forbidden, InvalidInput
from core.outside_http import AccessDenied, Kind, Malformed
from core.phone import Phone
from crm.adapters.amocrm import fields as f
from crm.adapters.amocrm.wire import Refused4xx, Wire, first_id
from crm.catalogue import Catalogue
from crm.model import (
    Booking,
    BookingId,
    Capabilities,
    Changes,
    Client,
    ClientId,
    PlannedPart,
)
from crm.vendor.adapter import AdapterTools, ChangeHint, Connection, Probe
from crm.vendor.own_time import IdMap, minutes_of
from crm.vendor.own_time_crm import EntryChange, NewEntry, OwnTimeCrm
from crm.vendor.probing import answered

log = structlog.get_logger(__name__)

MEETING = 2
"""task_type_id: the vendor's own «встреча»."""
CHANGED_WITHIN = timedelta(days=3)
OVERLAP = timedelta(seconds=60)
CAPABILITIES = Capabilities(knows_history=True, waiting_prepay=False, staff_locked=False, keeps_schedule=False)
HOOKS = ["add_lead", "update_lead", "status_lead", "delete_lead", "restore_lead", "update_contact", "update_task"]


class AmoLedger:
    """Implements `crm.vendor.own_time_crm.Ledger`."""

    def __init__(self, connection: Connection, tools: AdapterTools) -> None:
        self._wire = Wire(connection, tools)
        self._connection = connection
        self._tools = tools
        self._pipeline = _number(connection.setting("pipeline_id"), "pipeline_id")
        self._fields = f.LeadFields(self._wire)
        self._statuses: f.Statuses | None = None

    # --- clients

    async def find_clients(self, phone: Phone) -> Sequence[Client]:
        tail = phone.e164[-10:]  # people type +7, 7, 8, brackets: the last ten digits are in every spelling
        rows = await self._wire.listed("clients", "/contacts", "contacts", [("query", tail)])
        found = []
        for row in rows:
            person, phones = f.client(row)
            if phone in phones:
                found.append(Client(person.id, person.name, phone))
        return found

    async def create_client(self, name: str, phone: Phone | None) -> Client:
        body: dict[str, Any] = {"name": name}
        if phone is not None:
            value = {"value": phone.e164, "enum_code": "MOB"}
            body["custom_fields_values"] = [{"field_code": "PHONE", "values": [value]}]
        answer = await self._wire.write("client_create", "POST", "/contacts", [body])
        return Client(ClientId(first_id(answer, "contacts")), name, phone)

    async def client(self, client_id: ClientId) -> Client | None:
        row = await self._wire.get("clients", f"/contacts/{client_id}")
        return None if row is None else f.client(row)[0]

    # --- bookings

    async def entries(self, catalogue: Catalogue, start: datetime, end: datetime) -> Sequence[Booking]:
        statuses, fields, ids, zone = await self._known(catalogue)
        wanted: list[tuple[str, Any]] = [("with", "contacts"), ("filter[pipeline_id]", self._pipeline)]
        for index, status in enumerate(sorted({statuses.booked, statuses.confirmed})):
            wanted += [
                (f"filter[statuses][{index}][pipeline_id]", self._pipeline),
                (f"filter[statuses][{index}][status_id]", status),
            ]
        leads = await self._wire.listed("records", "/leads", "leads", wanted)
        found = [b for lead in leads if (b := f.booking(lead, fields, statuses, ids, zone)) is not None]
        own = {b.id for b in found}
        found += await self._meetings(ids, zone, own)
        return [b for b in found if b.start < end and start < b.end]

    async def _meetings(self, ids: IdMap, zone: Any, own: set[BookingId]) -> list[Booking]:
        """Open meetings of the masters that people made by hand, our own tasks left out."""
        users = list(ids.staff.values())
        if not users:
            return []
        params: list[tuple[str, Any]] = [("filter[is_completed]", 0)]
        params += [(f"filter[responsible_user_id][{index}]", user) for index, user in enumerate(users)]
        tasks = await self._wire.listed("tasks", "/tasks", "tasks", params)
        return [
            f.meeting(task, ids, zone)
            for task in tasks
            if task.whole("task_type_id", 0) == MEETING
            and not task.flag("is_completed", False)
            and str(task.raw("entity_id") or "") not in own
            and str(task.raw("responsible_user_id")) in users
            and "complete_till" in task
            and not str(task.raw("text") or "").endswith("#ai")  # ours, of a booking that has ended meanwhile
        ]

    async def entry(self, catalogue: Catalogue, booking_id: BookingId) -> Booking | None:
        if not booking_id.isdigit():
            return None
        lead = await self._wire.get("record", f"/leads/{booking_id}", [("with", "contacts")])
        if lead is None:
            return None
        statuses, fields, ids, zone = await self._known(catalogue)
        return f.booking(lead, fields, statuses, ids, zone)

    async def by_marker(self, catalogue: Catalogue, marker: str) -> Sequence[Booking]:
        """By text search, and by what changed lately: the search may be behind the writes."""
        found = await self._leads(catalogue, [("query", marker)])
        if not any(b.marker == marker for b in found):
            since = int((self._tools.clock.now() - CHANGED_WITHIN).timestamp())
            found = await self._leads(
                catalogue, [("filter[pipeline_id]", self._pipeline), ("filter[updated_at][from]", since)]
            )
        return sorted((b for b in found if b.marker == marker), key=lambda b: int(b.id))

    async def of_client(self, catalogue: Catalogue, client_id: ClientId, after: datetime) -> Sequence[Booking]:
        contact = await self._wire.get("clients", f"/contacts/{client_id}", [("with", "leads")])
        if contact is None:
            return []
        embedded = contact.maybe("_embedded")
        numbers = [lead.id("id") for lead in (embedded.records("leads", optional=True) if embedded else [])]
        found: list[Booking] = []
        for at in range(0, len(numbers), 50):
            chunk = [(f"filter[id][{index}]", number) for index, number in enumerate(numbers[at : at + 50])]
            found += await self._leads(catalogue, chunk)
        return [b for b in found if b.client_id == client_id]

    async def _leads(self, catalogue: Catalogue, params: Sequence[tuple[str, Any]]) -> list[Booking]:
        statuses, fields, ids, zone = await self._known(catalogue)
        leads = await self._wire.listed("records", "/leads", "leads", [("with", "contacts"), *params])
        mine = [lead for lead in leads if lead.whole("pipeline_id", self._pipeline) == self._pipeline]
        return [b for lead in mine if (b := f.booking(lead, fields, statuses, ids, zone)) is not None]

    async def write(self, catalogue: Catalogue, entry: NewEntry) -> BookingId:
        statuses, fields, ids, _ = await self._known(catalogue)
        body = {
            "name": entry.title,
            "price": entry.price.amount.minor // 100,
            "pipeline_id": self._pipeline,
            "status_id": statuses.of(entry.status),
            "custom_fields_values": f.written(fields, {**_times(entry.part, ids), f.MARKER: entry.marker}
                                              | ({f.COMMENT: entry.comment} if entry.comment else {})),
            "_embedded": {"contacts": [{"id": _number(entry.client.id, "client")}]},
            "request_id": entry.marker,
        }  # fmt: skip
        try:
            answer = await self._wire.write("book", "POST", "/leads", [body])
        except Refused4xx as refused:
            raise Malformed("amoCRM refused the lead", status=refused.reply.status, sent=False) from None
        booking_id = BookingId(first_id(answer, "leads"))
        await self._set_task(booking_id, entry.part, entry.title, ids)
        return booking_id

    async def change(self, catalogue: Catalogue, booking: Booking, change: EntryChange) -> None:
        statuses, fields, ids, _ = await self._known(catalogue)
        values: dict[str, str | int | None] = {}
        if change.part is not None:
            values |= _times(change.part, ids)
        if change.marker is not None:
            values[f.MARKER] = change.marker or None
        if change.note is not None:
            values[f.COMMENT] = f"{change.note}\n{booking.comment}" if booking.comment else change.note
        body: dict[str, Any] = {}
        if values:
            body["custom_fields_values"] = f.written(fields, values)
        if change.status is not None:
            body |= {"status_id": statuses.of(change.status), "pipeline_id": self._pipeline}
        await self._wire.write("move", "PATCH", f"/leads/{booking.id}", body, kind=Kind.REPEATABLE)
        if change.part is not None:
            await self._set_task(booking.id, change.part, "", ids)

    async def remove(self, catalogue: Catalogue, booking: Booking, *, late: bool, reason: str) -> None:
        """A lead cannot be deleted by a program: it is closed as lost, and its task is done."""
        body = {"status_id": f.LOST, "pipeline_id": self._pipeline}
        await self._wire.write("cancel", "PATCH", f"/leads/{booking.id}", body, kind=Kind.REPEATABLE)
        text = f"Отмена{' поздняя' if late else ''}: {reason or 'без причины'}"
        try:
            for task_id in await self._tasks_of(booking.id):
                done = {"is_completed": True, "result": {"text": text}}
                await self._wire.write("task", "PATCH", f"/tasks/{task_id}", done, kind=Kind.REPEATABLE)
        except (AppError, Refused4xx) as error:
            log.warning("amocrm_task_left_open", booking=booking.id, error=type(error).__name__)

    # --- the master's task

    async def _set_task(self, booking_id: BookingId, part: PlannedPart, title: str, ids: IdMap) -> None:
        """Makes or moves it. The lead is the booking: a task that fails is a reminder less, and is logged."""
        when = {
            "complete_till": int(part.start.timestamp()),
            "duration": minutes_of(part.start, part.end) * 60,
            "responsible_user_id": _number(ids.their_staff(part.staff_id), "map.staff"),
        }
        try:
            known = await self._tasks_of(booking_id) if not title else []
            if known:
                await self._wire.write("task", "PATCH", f"/tasks/{known[0]}", when, kind=Kind.REPEATABLE)
                return
            body = {
                "text": f"{title or 'Визит'} #ai", "task_type_id": MEETING, "entity_id": int(booking_id),
                "entity_type": "leads", "request_id": booking_id, **when,
            }  # fmt: skip
            answer = await self._wire.write("task", "POST", "/tasks", [body])
            await self._tools.links.put("task", booking_id, {"id": first_id(answer, "tasks")})
        except (AppError, Refused4xx) as error:
            log.warning("amocrm_task_missing", booking=booking_id, error=type(error).__name__)

    async def _tasks_of(self, booking_id: BookingId) -> list[str]:
        link = await self._tools.links.get("task", booking_id)
        if link is not None:
            return [str(link["id"])]
        params = [("filter[entity_type]", "leads"), ("filter[entity_id][0]", booking_id), ("filter[is_completed]", 0)]
        tasks = await self._wire.listed("tasks", "/tasks", "tasks", params)
        return [task.id("id") for task in tasks if str(task.raw("entity_id")) == booking_id]

    # --- changes and connection

    async def changed_since(self, catalogue: Catalogue, cursor: str, now: datetime) -> Changes:
        if cursor and not cursor.isdigit():
            raise InvalidInput("cursor: not one of this system; begin with an empty one")
        since = int(cursor) if cursor else int((now - timedelta(days=1)).timestamp())
        since -= int(OVERLAP.total_seconds())
        params: list[tuple[str, Any]] = [
            ("filter[pipeline_id]", self._pipeline),
            ("filter[updated_at][from]", since),
            ("order[updated_at]", "asc"),
        ]
        return Changes(tuple(await self._leads(catalogue, params)), str(int(now.timestamp())))

    async def probe(self) -> Probe:
        async def account() -> str:
            if await self._wire.get("account", "/account") is None:
                raise Malformed("the account answers nothing")
            return ""

        async def fields() -> str:
            missing = await self._fields.missing()
            return f"будут созданы при первой записи: {', '.join(missing)}" if missing else ""

        async def users() -> str:
            rows = await self._wire.listed("staff", "/users", "users")
            known = {row.id("id") for row in rows}
            strange = [user for user in self._connection.mapped("staff").values() if user not in known]
            return f"в аккаунте нет пользователей {', '.join(strange)}" if strange else str(len(rows))

        async def statuses() -> str:
            await self._read_statuses()
            return ""

        async def contacts() -> str:
            await self._wire.get("clients", "/contacts", [("limit", 1)])
            return ""

        async def leads() -> str:
            await self._wire.get("records", "/leads", [("limit", 1), ("filter[pipeline_id]", self._pipeline)])
            return ""

        async def mapped() -> str:
            return str(len(self._connection.mapped("services"))) + " сопоставлено"

        questions = (("auth", account), ("services", mapped), ("staff", users), ("pipeline", statuses),
                     ("fields", fields), ("clients", contacts), ("book", leads))  # fmt: skip
        remedy = "Проверьте номер воронки и права интеграции, затем повторите."
        items = [await answered(name, question, remedy) for name, question in questions]
        return Probe(tuple(items), CAPABILITIES)

    async def subscribe(self, url: str) -> bool:
        try:
            await self._wire.write(
                "hooks", "POST", "/webhooks", {"destination": url, "settings": HOOKS}, kind=Kind.REPEATABLE
            )
        except (AccessDenied, Refused4xx):
            return False
        return True

    async def unsubscribe(self, url: str) -> None:
        await self._wire.write("hooks", "DELETE", "/webhooks", {"destination": url}, kind=Kind.REPEATABLE)

    def read_webhook(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Sequence[ChangeHint]:
        try:
            pairs = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20_000))
        except (UnicodeDecodeError, ValueError):
            raise InvalidInput("body: the event is no form") from None
        host, given = self._wire.host, pairs.get("account[subdomain]", "")
        if host.endswith((".amocrm.ru", ".kommo.com")) and given and given != host.split(".", 1)[0]:
            raise Forbidden("the event is of another account")
        hints = []
        for key, value in pairs.items():
            name = key.replace("]", "").split("[")
            if len(name) == 4 and name[3] == "id" and name[0] in ("leads", "contacts", "task", "tasks"):
                kind = {"leads": "booking", "contacts": "client"}.get(name[0], "task")
                action = {"add": "create", "delete": "delete"}.get(name[1], "update")
                hints.append(ChangeHint(kind, value, action))
        return hints

    # --- what is read once

    async def _known(self, catalogue: Catalogue) -> tuple[f.Statuses, Mapping[str, int], IdMap, Any]:
        statuses = self._statuses or await self._read_statuses()
        ids = IdMap.of(catalogue, self._connection.mapped("services"), self._connection.mapped("staff"))
        return statuses, await self._fields.ids(), ids, catalogue.zone

    async def _read_statuses(self) -> f.Statuses:
        given = self._connection.settings
        if given.get("status_booked"):
            booked = _number(str(given["status_booked"]), "status_booked")
            confirmed = _number(str(given.get("status_confirmed") or booked), "status_confirmed")
        else:
            answer = await self._wire.get("pipeline", f"/leads/pipelines/{self._pipeline}")
            if answer is None:
                raise Malformed("the account has no such pipeline")
            rows = answer.record("_embedded").records("statuses")
            open_ones = sorted(
                (r for r in rows if r.whole("id") not in (f.WON, f.LOST) and r.whole("type", 0) != 1),
                key=lambda r: r.whole("sort", 0),
            )
            if not open_ones:
                raise Malformed("the pipeline has no open status")
            booked = open_ones[0].whole("id")
            confirmed = open_ones[1].whole("id") if len(open_ones) > 1 else booked
        self._statuses = f.Statuses(booked, confirmed)
        return self._statuses


def build(connection: Connection, tools: AdapterTools) -> OwnTimeCrm:
    return OwnTimeCrm(AmoLedger(connection, tools), tools.catalogue, tools.clock, CAPABILITIES, needs_phone=False)


def _times(part: PlannedPart, ids: IdMap) -> dict[str, str | int | None]:
    return {
        f.START: int(part.start.timestamp()),
        f.MINUTES: minutes_of(part.start, part.end),
        f.STAFF: ids.their_staff(part.staff_id),
        f.SERVICES: ",".join(part.service_ids),
    }


def _number(text: str, field: str) -> int:
    if not str(text).isdigit():
        raise InvalidInput(f"{field}: a number of amoCRM is needed, got something else")
    return int(text)
