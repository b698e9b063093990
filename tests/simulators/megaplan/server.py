import json
import re
import secrets
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crm.company_yaml import CompanyFile
from tests.simulators.megaplan import asked
from tests.simulators.megaplan.asked import Refusal
from tests.simulators.vendor.crm import Delivery, Held, Now
from tests.simulators.vendor.faults import FaultPlan, Faulty

LIFETIME_S = 172_800


class MegaplanSimulator:
    booking_write = r"^POST /api/v3/todo\?"

    def __init__(self, file: CompanyFile, now: Now) -> None:
        self.file = file
        self.now = now
        self.faults = FaultPlan()
        self.deliveries: list[Delivery] = []
        self.hook_url = ""
        """The application's address; what it is told is always kept in `deliveries`."""
        self.search = "works"
        """ignored: the full list comes whatever is asked; empty: the index is not built."""
        self.month_base = 0
        self.people_have_pages = True
        self.keeps_order = True
        """False: sorting is not heeded."""
        self.takes_time = "iso"
        """wall: only times without an offset are taken; none: `when` is refused, as one live account did."""
        self.people_have_list = True
        """False: only people and companies together can be listed."""
        self.can_sort = True
        self.behind_reads = 0
        """So many questions after a write still show the state before it."""
        self.status_in_envelope = False
        """True: refusals come as HTTP 200, the status stands in the envelope."""
        self.todos: dict[int, dict[str, Any]] = {}
        self.people: dict[int, dict[str, Any]] = {}
        self.employees = {1_000_010 + n: member for n, member in enumerate(file.staff)}
        self.uuid = str(uuid4())
        self._login, self._password = "ai-admin@example.ru", secrets.token_hex(8)
        self._access, self._refresh = secrets.token_hex(16), secrets.token_hex(16)
        self._ends = now()
        self.grants: list[str] = []
        """How tokens were asked for, refused or not."""
        self._renewals, self._next, self._revoked = 0, 1_000_200, False
        self._old: tuple[int, dict[int, dict[str, Any]]] = (0, {})
        self.client_ids = {c.id: self._add_person(c.name, c.phone.e164 if c.phone else "") for c in file.clients}
        for booking in file.bookings:
            person = self.client_ids.get(booking.client_id) if booking.client_id else None
            self._add_todo(booking.staff_id, ",".join(booking.service_ids), booking.start, booking.end, person)
        routes = [
            Route("/api/v3/auth/access_token", self._token, methods=["POST"]),
            Route("/api/v3/{path:path}", self._entry, methods=["GET", "POST", "DELETE"]),
        ]
        self.app = Faulty(Starlette(routes=routes), self.faults)

    # --- what tests hold on to

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        staff = {member.id: str(number) for number, member in self.employees.items()}
        settings = {"base_url": base_url, "username": self._login, "integration_uuid": self.uuid,
                    "map": {"staff": staff, "services": {}}}  # fmt: skip
        return settings, {"password": self._password}

    def service_id(self, key: str) -> str:
        return key

    def staff_id(self, key: str) -> str:
        return key

    def client_id(self, key: str) -> str:
        return str(self.client_ids[key])  # type: ignore[index]

    def bookings(self) -> list[Held]:
        held = []
        for number, todo in self.todos.items():
            if todo["when"] is None:
                continue
            person = self.people.get(todo["person"] or 0)
            services = re.search(r"ai-services:(\S+)", todo["description"])
            held.append(
                Held(
                    str(number), self.employees[todo["responsible"]].id,
                    tuple(services[1].split(",")) if services else (),
                    todo["when"][0].astimezone(self.file.zone),
                    self._e164(person["phone"]) if person and person["phone"] else "", todo["description"], False,
                )
            )  # fmt: skip
        return held

    def book_elsewhere(self, staff: str, service: str, start: datetime) -> str:
        length = next(s.duration for s in self.file.services if s.id == service)
        return str(self._add_todo(staff, service, start, start + length, None))

    def take_whole_day(self, staff: str, day: date) -> str:
        """A person puts down a todo without a time of day."""
        number = self._add_todo(staff, "", self.now(), self.now() + timedelta(hours=1), None)
        self.todos[number] |= {"when": None, "day": day}
        return str(number)

    def add_clients(self, count: int) -> None:
        for number in range(count):
            self._add_person(f"Гость {number}", f"8 (901) {number // 10000:03d}-{number % 10000:04d}")

    def revoke(self) -> None:
        self._revoked = True

    def expire_tokens(self) -> bool:
        self._access = secrets.token_hex(16)
        return True

    def renewals(self) -> int:
        return self._renewals

    # --- state

    def _id(self) -> int:
        self._next += 1
        return self._next

    def _add_person(self, name: str, phone: str) -> int:
        first, _, last = name.partition(" ")
        number = self._id()
        self.people[number] = {"firstName": first, "middleName": "", "lastName": last, "phone": phone}
        return number

    def _add_todo(self, staff: str, services: str, start: datetime, end: datetime, person: int | None) -> int:
        employee = next(number for number, member in self.employees.items() if member.id == staff)
        number = self._id()
        self.todos[number] = {
            "name": "Запись", "when": (start, end), "responsible": employee, "person": person, "status": "scheduled",
            "description": f"ai-services:{services}" if services else "", "created": self.now(),
        }  # fmt: skip
        return number

    def _e164(self, phone: str) -> str:
        return f"+7{''.join(ch for ch in phone if ch.isdigit())[-10:]}"

    # --- the door

    async def _token(self, request: Request) -> Response:
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            return JSONResponse({"error": "invalid_request", "error_description": "form data is needed"}, 400)
        form = await request.form()
        self.grants.append(str(form.get("grant_type")))
        match form.get("grant_type"):
            case "password":
                good = form.get("username") == self._login and form.get("password") == self._password
            case "refresh_token":
                good = form.get("refresh_token") == self._refresh
            case _:
                good = False
        if not good or self._revoked:
            return JSONResponse({"error": "invalid_grant", "error_description": "Invalid credentials"}, 400)
        self._access, self._refresh = secrets.token_hex(16), secrets.token_hex(16)
        self._ends = self.now() + timedelta(seconds=LIFETIME_S)
        self._renewals += 1
        return JSONResponse(
            {
                "access_token": self._access, "expires_in": LIFETIME_S, "token_type": "bearer", "scope": None,
                "refresh_token": self._refresh,
            }
        )  # fmt: skip

    async def _entry(self, request: Request) -> Response:
        try:
            self._authorise(request)
            path, method = request.path_params["path"].strip("/"), request.method
            if method == "GET":
                data, pagination = self._read(path, asked.query(request.url.query))
            else:
                data, pagination = await self._write(method, path, await self._body(request)), None
        except Refusal as refusal:
            meta = {"status": refusal.status, "errors": [refusal.error]}
            status = 200 if self.status_in_envelope else refusal.status
            return JSONResponse({"meta": meta, "data": None}, status)
        meta = {"status": 200, "errors": []}
        if pagination is not None:
            meta["pagination"] = pagination
        return JSONResponse({"meta": meta, "data": data})

    def _authorise(self, request: Request) -> None:
        if (
            self._revoked
            or request.headers.get("authorization") != f"Bearer {self._access}"
            or self.now() >= self._ends
        ):
            raise Refusal(401, "access denied")

    async def _body(self, request: Request) -> dict[str, Any]:
        if request.method == "DELETE":
            return {}
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            raise Refusal(422, "application/json is needed")
        try:
            body = json.loads(await request.body())
        except ValueError:
            raise Refusal(422, "JSON is not valid") from None
        if not isinstance(body, dict):
            raise Refusal(422, "an object is needed")
        return body

    # --- reading

    def _read(self, path: str, query: dict[str, Any]) -> tuple[Any, dict[str, Any] | None]:
        todos = self._shown_todos()
        match path:
            case "todo":
                asked.fields(query, "Todo")
                numbers = list(todos)  # a filter is silently ignored
                newest_first = asked.order(query, {"timeCreated"} if self.can_sort else set())
                if newest_first is not None and self.keeps_order:
                    numbers.sort(key=lambda n: (todos[n]["created"], n), reverse=newest_first)
                return self._page([(n, self._todo(n, todos[n])) for n in numbers], query, "Todo")
            case "contractorHuman" | "contractor":
                if path == "contractorHuman" and not self.people_have_list:
                    raise Refusal(405, "No route found")
                asked.fields(query, "ContractorHuman")
                together = path == "contractor" and self.people_have_list
                if "pageAfter" in query and (together or not self.people_have_pages):
                    raise Refusal(422, "pageAfter is not supported", "pageAfter")
                numbers = [n for n in self.people if self._found(n, query.get("q"))]
                return self._page([(n, self._person(n)) for n in numbers], query, "ContractorHuman")
            case "employee":
                asked.fields(query, "Employee")
                return self._page([(n, self._employee(n)) for n in self.employees], query, "Employee")
        found = re.fullmatch(r"(todo|contractorHuman)/(\d+)", path)
        if found is None:
            raise Refusal(404, "No route found")
        number = int(found[2])
        if found[1] == "todo" and number in todos:
            return self._todo(number, todos[number]), None
        if found[1] == "contractorHuman" and number in self.people:
            return self._person(number), None
        raise Refusal(404, "not found")

    def _shown_todos(self) -> dict[int, dict[str, Any]]:
        left, old = self._old
        if left > 0:
            self._old = (left - 1, old)
            return old
        return self.todos

    def _found(self, number: int, wanted: Any) -> bool:
        if wanted is None or self.search == "ignored":
            return True
        if self.search == "empty" or not isinstance(wanted, str):
            return False
        person = self.people[number]
        stored = "".join(ch for ch in person["phone"] if ch.isdigit())
        digits = "".join(ch for ch in wanted if ch.isdigit())
        return (bool(digits) and digits in stored) or wanted in f"{person['firstName']} {person['lastName']}"

    def _page(self, rows: list[tuple[int, Any]], query: dict[str, Any], kind: str) -> tuple[list[Any], dict[str, Any]]:
        limit, after = asked.limit(query), asked.page_link(query, kind)
        at = 0
        if after is not None:
            places = [n for n, (number, _) in enumerate(rows) if number == after]
            if not places:
                raise Refusal(422, "no such entity", "pageAfter")
            at = places[0] + 1
        part = [row for _, row in rows[at : at + limit]]
        return self._once_in_full(part), {"count": len(rows), "limit": limit, "hasMoreNext": at + limit < len(rows)}

    def _once_in_full(self, rows: list[Any]) -> list[Any]:
        """A related entity that repeats comes as a bare link from the second time on."""
        seen: set[str] = set()
        for row in rows:
            for name in ("responsible",):
                value = row.get(name)
                if isinstance(value, dict):
                    if value["id"] in seen:
                        row[name] = {"contentType": value["contentType"], "id": value["id"]}
                    seen.add(value["id"])
        return rows

    # --- writing

    async def _write(self, method: str, path: str, body: dict[str, Any]) -> Any:
        found = re.fullmatch(r"(todo|contractorHuman)(?:/(\d+))?", path)
        if found is None:
            raise Refusal(405 if path in ("contractor", "employees/me") else 404, "No route found")
        number = int(found[2]) if found[2] else None
        before = {n: dict(todo) for n, todo in self.todos.items()}
        if method == "DELETE":
            table = self.todos if found[1] == "todo" else self.people
            if number is None or number not in table:
                raise Refusal(404, "not found")
            gone = self._todo(number, self.todos[number]) if found[1] == "todo" else self._person(number)
            del table[number]
            self._old = (self.behind_reads, before)
            await self._tell("on_after_drop", gone)
            return gone
        if found[1] == "contractorHuman":
            return await self._put_person(number, body)
        shown, event = self._put_todo(number, body)
        self._old = (self.behind_reads, before)
        await self._tell(event, shown)
        return shown

    async def _put_person(self, number: int | None, body: dict[str, Any]) -> dict[str, Any]:
        asked.only(body, asked.HUMAN_WRITE, "ContractorHuman")
        for item in body.get("contactInfo", []):
            if set(item) - {"contentType", "type", "value", "isMain", "comment"} or not isinstance(item["value"], str):
                raise Refusal(422, "ContactInfo", "contactInfo")
            if item["contentType"] != "ContactInfo" or item["type"] not in ("phone", "email", "telegram"):
                raise Refusal(422, "ContactInfo", "contactInfo")
        event = "on_after_update" if number is not None else "on_after_create"
        if number is None:
            number = self._add_person("", "")
        phone = next((item["value"] for item in body.get("contactInfo", []) if item["type"] == "phone"), None)
        self.people[number] |= {key: body[key] for key in ("firstName", "middleName", "lastName") if key in body}
        if phone is not None:
            self.people[number]["phone"] = phone
        shown = self._person(number)
        await self._tell(event, shown)
        return shown

    def _put_todo(self, number: int | None, body: dict[str, Any]) -> tuple[dict[str, Any], str]:
        asked.only(body, asked.TODO_WRITE, "Todo")
        made = number is None or str(body.get("id")) != str(number)  # the path alone names nothing
        new: dict[str, Any] = {
            "name": "", "when": None, "responsible": next(iter(self.employees)), "person": None, "status": "scheduled",
            "description": "", "created": self.now(),
        }  # fmt: skip
        if not made:
            if number not in self.todos:
                raise Refusal(404, "not found")
            new = dict(self.todos[number])
        for name in ("name", "description"):
            if name in body:
                if not isinstance(body[name], str):
                    raise Refusal(422, "a string is needed", name)
                new[name] = body[name]
        if "when" in body:
            new["when"] = asked.interval(body["when"], self.takes_time, self.file.zone)
        if "responsible" in body:
            new["responsible"] = int(asked.linked(body["responsible"], "Employee", "responsible"))
            if new["responsible"] not in self.employees:
                raise Refusal(422, "no such employee", "responsible")
        if "relations" in body:
            people = [int(asked.linked(item, "ContractorHuman", "relations")) for item in body["relations"]]
            new["person"] = people[0] if people else None
        target = self._id() if made or number is None else number
        self.todos[target] = new
        return self._todo(target, new), "on_after_create" if made else "on_after_update"

    # --- shapes

    def _todo(self, number: int, todo: Mapping[str, Any]) -> dict[str, Any]:
        shown = {
            "contentType": "Todo", "id": str(number), "name": todo["name"], "description": todo["description"],
            "when": self._when(todo), "isDropped": False, "isOverdue": False, "timeFinished": None,
            "status": {"contentType": "TodoStatus", "id": "1", "name": "Запланировано", "masterType": todo["status"]},
            "responsible": self._employee(todo["responsible"]), "relations": [],
            "timeCreated": {"contentType": "DateTime", "value": todo["created"].isoformat(timespec="seconds")},
        }  # fmt: skip
        if todo["person"] is not None:
            shown["relations"] = [{"contentType": "ContractorHuman", "id": str(todo["person"])}]
        return shown

    def _when(self, todo: Mapping[str, Any]) -> dict[str, Any] | None:
        if todo["when"] is not None:
            bounds = [{"contentType": "DateTime", "value": m.isoformat(timespec="seconds")} for m in todo["when"]]
            return {"contentType": "IntervalTime", "from": bounds[0], "to": bounds[1]}
        day = todo.get("day")
        if day is None:
            return None
        bound = {"contentType": "DateOnly", "year": day.year, "month": day.month - 1 + self.month_base, "day": day.day}
        return {"contentType": "IntervalDates", "from": bound, "to": dict(bound)}

    def _person(self, number: int) -> dict[str, Any]:
        person = self.people[number]
        info = [{"contentType": "ContactInfo", "id": "1", "type": "phone", "value": person["phone"], "isMain": True}]
        names = {key: person[key] for key in ("firstName", "middleName", "lastName")}
        name = " ".join(part for part in names.values() if part)
        contacts = info if person["phone"] else []
        return {
            "contentType": "ContractorHuman", "id": str(number), "name": name, **names, "contactInfo": contacts,
        }  # fmt: skip

    def _employee(self, number: int) -> dict[str, Any]:
        name = self.employees[number].name
        return {"contentType": "Employee", "id": str(number), "name": name, "isWorking": True, "canLogin": True}

    async def _tell(self, event: str, entity: dict[str, Any]) -> None:
        account = {"integrationUuid": self.uuid, "uuid": str(uuid4()), "model": entity["contentType"]}
        body = json.dumps({"event": event, "data": entity, "accountInfo": account}, ensure_ascii=False).encode()
        headers = {"content-type": "application/json"}
        self.deliveries.append(Delivery(self.hook_url, body, headers))
        if self.hook_url:
            async with httpx.AsyncClient(timeout=2.0) as http:
                try:
                    await http.post(self.hook_url, content=body, headers=headers)
                except httpx.HTTPError:
                    return
