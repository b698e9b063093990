import asyncio
import json
import re
import secrets
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crm.company_yaml import CompanyFile
from tests.simulators.planfix import asked
from tests.simulators.planfix.asked import Fail, bad
from tests.simulators.vendor.crm import Delivery, Held, Now
from tests.simulators.vendor.faults import FaultPlan, Faulty

TEMPLATE, OTHER_TEMPLATE, CONTACT_TEMPLATE, PROCESS = 12, 13, 1, 7
STATUSES = {1: "Новая", 21: "Подтвердил", 22: "Пришёл", 23: "Не пришёл", 24: "Отменена"}
ACCESS_PATH = "/rest"


class PlanfixSimulator:
    booking_write = r"^POST /rest/task/\?"

    def __init__(self, file: CompanyFile, now: Now) -> None:
        self.file = file
        self.now = now
        self.faults = FaultPlan()
        self.deliveries: list[Delivery] = []
        self.hook_url = ""
        """Where the administrator's scenario posts to; what it says is always kept in `deliveries`."""
        self.phone_match = "digits"
        """exact: phones are compared as they were typed."""
        self.as_html = False
        """Descriptions come back as the editor's HTML."""
        self.per_second: float | None = None
        """Requests a second that are answered."""
        self.full_in_body = False
        """How "too many" looks: a failure in the body, or 429."""
        self.keeps_custom = True
        """False: the field is in no template, and what is written to it is lost."""
        self.gate: asyncio.Event | None = None
        """Answers of task lists wait for it; what they show is what was when they were asked."""
        self.scopes = {"task", "contact", "user", "customfield"}
        self.tasks: dict[int, dict[str, Any]] = {}
        self.contacts: dict[int, dict[str, Any]] = {}
        self.custom: dict[int, dict[str, Any]] = {}
        self.users = {3 + n: member for n, member in enumerate(file.staff)}
        self._token, self._hook_secret = secrets.token_hex(12), secrets.token_hex(6)
        self._next = 5000
        self._last_request_s = 0.0
        self._revoked = False
        self.client_ids = {c.id: self._add_contact(c.name, c.phone.e164 if c.phone else "") for c in file.clients}
        for booking in file.bookings:
            contact = self.client_ids.get(booking.client_id) if booking.client_id else None
            self._add_task(
                booking.staff_id, ",".join(booking.service_ids), booking.start, booking.end - booking.start, contact
            )
        self._add_task("maria", "", file.bookings[0].start, timedelta(hours=2), None, OTHER_TEMPLATE)
        routes = [Route("/rest/{path:path}", self._entry, methods=["GET", "POST", "DELETE"])]
        self.app = Faulty(Starlette(routes=routes), self.faults)

    # --- what tests hold on to

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        staff = {member.id: f"user:{number}" for number, member in self.users.items()}
        settings = {
            "base_url": base_url, "template_id": str(TEMPLATE), "contact_template_id": str(CONTACT_TEMPLATE),
            "status_confirmed": "21", "status_arrived": "22", "status_no_show": "23", "status_cancelled": "24",
            "map": {"staff": staff, "services": {}},
        }  # fmt: skip
        return settings, {"token": self._token, "hook_secret": self._hook_secret}

    def service_id(self, key: str) -> str:
        return key

    def staff_id(self, key: str) -> str:
        return key

    def client_id(self, key: str) -> str:
        return str(self.client_ids[key])  # type: ignore[index]

    def bookings(self) -> list[Held]:
        held = []
        for number, task in self.tasks.items():
            if task["template"] != TEMPLATE or not task["assignees"]:
                continue
            contact = self.contacts.get(task["counterparty"] or 0)
            phones = self._normal(contact) if contact else []
            services = re.search(r"ai-services:(\S+)", task["description"])
            marker = next((str(value) for value in task["custom"].values() if value), "")
            held.append(
                Held(
                    str(number), self.users[int(task["assignees"][0].split(":")[1])].id,
                    tuple(services[1].split(",")) if services else (),
                    datetime.fromisoformat(task["start"]).replace(tzinfo=self.file.zone), phones[0] if phones else "",
                    f"{task['description']} {marker}", task["isDeleted"] or task["status"] == 24,
                )
            )  # fmt: skip
        return held

    def book_elsewhere(self, staff: str, service: str, start: datetime) -> str:
        length = next(s.duration for s in self.file.services if s.id == service)
        return str(self._add_task(staff, service, start, length, None))

    def add_clients(self, count: int) -> None:
        for number in range(count):
            self._add_contact(f"Гость {number}", f"8 (901) {number // 10000:03d}-{number % 10000:04d}")

    def revoke(self) -> None:
        self._revoked = True

    def expire_tokens(self) -> bool:
        return False

    def renewals(self) -> int:
        return 0

    # --- state

    def _id(self) -> int:
        self._next += 1
        return self._next

    def _wall(self) -> str:
        return self.now().astimezone(self.file.zone).replace(tzinfo=None).isoformat(timespec="seconds")

    def _add_contact(self, name: str, phone: str) -> int:
        first, _, last = name.partition(" ")
        number = self._id()
        phones = [{"number": phone, "maskedNumber": phone, "type": 1}] if phone else []
        self.contacts[number] = {"name": first, "midname": "", "lastname": last, "phones": phones, "isDeleted": False}
        return number

    def _add_task(
        self,
        staff: str,
        services: str,
        start: datetime,
        length: timedelta,
        contact: int | None,
        template: int = TEMPLATE,
    ) -> int:
        user = next(number for number, member in self.users.items() if member.id == staff)
        number = self._id()
        begins = start.astimezone(self.file.zone).replace(tzinfo=None)
        self.tasks[number] = {
            "name": "Запись", "description": f"ai-services:{services}" if services else "", "template": template,
            "status": 1, "counterparty": contact, "assignees": [f"user:{user}"], "start": begins.isoformat(),
            "end": (begins + length).isoformat(), "duration": None, "durationUnit": None, "isDeleted": False,
            "custom": {}, "updated": self._wall(),
        }  # fmt: skip
        return number

    def _normal(self, contact: Mapping[str, Any]) -> list[str]:
        digits = ["".join(ch for ch in item["number"] if ch.isdigit()) for item in contact["phones"]]
        return [f"+7{d[-10:]}" for d in digits]

    # --- the door

    async def _entry(self, request: Request) -> Response:
        headers = {"X-RateLimit-Remaining": "19000"}
        try:
            self._limit()
            path = "/" + request.path_params["path"]
            self._authorise(request, path)
            gate = self.gate if path == "/task/list" else None
            content, status = await self._routed(request.method, path, request, await self._body(request))
            if gate is not None:
                await gate.wait()
        except Fail as fail:
            content, status = {"result": "fail", "code": fail.code, "error": fail.error}, fail.status
        return JSONResponse(content, status, headers=headers)

    def _limit(self) -> None:
        if self.per_second is None:
            return
        now = time.monotonic()
        if now - self._last_request_s < 1 / self.per_second - 0.02:
            raise Fail(400 if self.full_in_body else 429, 8, "API limit exceeded")
        self._last_request_s = now

    def _authorise(self, request: Request, path: str) -> None:
        if self._revoked or request.headers.get("authorization") != f"Bearer {self._token}":
            raise Fail(401, 1, "Access denied, unknown token")
        group = path.strip("/").split("/")[0]
        if group != "ping" and group not in self.scopes:
            raise Fail(405, 5, "Scope denied, method not allowed")

    async def _body(self, request: Request) -> dict[str, Any]:
        if request.method != "POST":
            return {}
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            raise Fail(415, 2, "Content-Type must be application/json")
        try:
            body = json.loads(await request.body())
        except ValueError:
            raise bad("JSON is not valid") from None
        if not isinstance(body, dict):
            raise bad("an object is needed")
        return body

    async def _routed(  # a table
        self, method: str, path: str, request: Request, body: dict[str, Any]
    ) -> tuple[dict[str, Any], int]:
        match method, path:
            case "GET", "/ping":
                return {"result": "success"}, 200
            case "POST", "/user/list":
                return self._listed(body, "users", asked.USER_FIELDS, {n: self._user(n) for n in self.users}), 200
            case "GET", "/customfield/task":
                rows = [{"id": n, "name": f["name"], "type": f["type"]} for n, f in self.custom.items()]
                return {"result": "success", "customfields": rows}, 200
            case "POST", "/customfield/task/":
                asked.only(body, {"name", "names", "type", "groupId"})
                if not isinstance(body.get("name"), str) or type(body.get("type")) is not int:
                    raise bad("name, type")
                number = self._id()
                self.custom[number] = body
                return {"result": "success", "id": number}, 201
            case "POST", "/contact/list":
                return self._contact_list(body), 200
            case "POST", "/contact/":
                return self._new_contact(body), 201
            case "GET", "/contact/templates":
                asked.fields(request.query_params.get("fields"), asked.CONTACT_FIELDS, self.custom)
                rows = [{"id": 9, "name": "Компания", "isCompany": True}, {"id": CONTACT_TEMPLATE, "name": "Контакт"}]
                return {"result": "success", "templates": rows}, 200
            case "POST", "/task/list":
                return self._task_list(body), 200
            case "POST", "/task/":
                return await self._new_task(body), 201
        found = re.fullmatch(r"/(task|contact)/(\d+)", path)
        if found is None:
            raise Fail(404, 0, "Not found")
        what, number = found[1], int(found[2])
        table = self.tasks if what == "task" else self.contacts
        if number not in table:
            code = 1000 if what == "task" else 2000
            raise Fail(404, code, f"{what.capitalize()} not found by id {number}")
        if method == "GET":
            known = asked.TASK_FIELDS if what == "task" else asked.CONTACT_FIELDS
            names = asked.fields(request.query_params.get("fields"), known, self.custom)
            shown = self._task(number) if what == "task" else self._contact(number)
            return {"result": "success", what: self._cut(shown, names)}, 200
        return await self._change(what, number, body), 200

    # --- lists

    def _listed(
        self, body: dict[str, Any], what: str, known: set[str], rows: Mapping[int, dict[str, Any]]
    ) -> dict[str, Any]:
        allowed = {"offset", "pageSize", "fields", "filters", "filterId", "sourceId", "onlyActive", "prefixedId",
                   "isCompany", "onlyChanged"}  # fmt: skip
        asked.only(body, allowed)
        offset, size = asked.page(body)
        names = asked.fields(body.get("fields"), known, self.custom)
        shown = [self._cut(row, names) for row in list(rows.values())[offset : offset + size]]
        return {"result": "success", what: shown}

    def _cut(self, row: dict[str, Any], names: list[str]) -> dict[str, Any]:
        shown = {name: row[name] for name in names if name in row}
        wanted = [item for item in row.get("customFieldData", []) if str(item["field"]["id"]) in names]
        return {**shown, "customFieldData": wanted} if any(name.isdigit() for name in names) else shown

    def _contact_list(self, body: dict[str, Any]) -> dict[str, Any]:
        rows = {n: self._contact(n) for n, c in self.contacts.items() if not c["isDeleted"]}
        for item in self._filters(body):
            if item["type"] != 4003 or item["operator"] != "equal" or not isinstance(item["value"], str):
                raise bad(f"filter {item['type']}")
            rows = {n: row for n, row in rows.items() if self._has_phone(self.contacts[n], item["value"])}
        return self._listed(body, "contacts", asked.CONTACT_FIELDS, rows)

    def _has_phone(self, contact: Mapping[str, Any], value: str) -> bool:
        if self.phone_match == "exact":
            return any(item["number"] == value for item in contact["phones"])
        digits = "".join(ch for ch in value if ch.isdigit())
        return f"+7{digits[-10:]}" in self._normal(contact)

    def _filters(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        filters = body.get("filters", [])
        if not isinstance(filters, list):
            raise bad("filters is an array")
        for item in filters:
            asked.only(item, {"type", "operator", "value", "field", "subfilter"})
            if type(item.get("type")) is not int or item.get("operator") not in ("equal", "notequal", "gt", "lt"):
                raise bad("filter: type, operator, value")
        return filters

    def _task_list(self, body: dict[str, Any]) -> dict[str, Any]:
        rows = {n: task for n, task in self.tasks.items() if not task["isDeleted"]}
        today = datetime.fromisoformat(self._wall()).date()
        for item in self._filters(body):
            value = item["value"]
            if item["operator"] != "equal":
                raise bad("operator")
            match item["type"]:
                case 51 if type(value) is int:
                    rows = {n: t for n, t in rows.items() if t["template"] == value}
                case 7 if type(value) is int:
                    rows = {n: t for n, t in rows.items() if t["counterparty"] == value}
                case 13 | 38:
                    key = "start" if item["type"] == 13 else "updated"
                    fits = asked.wanted_days(value, today)
                    rows = {n: t for n, t in rows.items() if t[key] and fits(datetime.fromisoformat(t[key]))}
                case 101 if isinstance(value, str) and item.get("field") in self.custom:
                    rows = {n: t for n, t in rows.items() if t["custom"].get(item["field"]) == value}
                case _:
                    raise bad(f"filter {item['type']}")
        return self._listed(body, "tasks", asked.TASK_FIELDS, {n: self._task(n) for n in rows})

    # --- writes

    def _new_contact(self, body: dict[str, Any]) -> dict[str, Any]:
        asked.only(body, asked.CONTACT_WRITE)
        if asked.reference(body.get("template"), "template") != CONTACT_TEMPLATE or not isinstance(body["name"], str):
            raise Fail(400, 2001, "template, name")
        phones = body.get("phones", [])
        for item in phones:
            if set(item) - {"number", "type"} or item.get("type") not in (1, 2, 3, 4):
                raise bad("phones")
        number = self._add_contact("", "")
        shown = [{**item, "maskedNumber": item["number"]} for item in phones]
        self.contacts[number] |= {"name": body["name"], "lastname": body.get("lastname", ""), "phones": shown}
        return {"result": "success", "id": number}

    async def _new_task(self, body: dict[str, Any]) -> dict[str, Any]:
        if asked.reference(body.get("template"), "template") not in (TEMPLATE, OTHER_TEMPLATE):
            raise Fail(400, 40, "Template not find")
        number = self._id()
        task = {
            "name": "", "description": "", "template": body["template"]["id"], "status": 1, "counterparty": None,
            "assignees": [], "start": "", "end": "", "duration": None, "durationUnit": None, "isDeleted": False,
            "custom": {}, "updated": "",
        }  # fmt: skip
        self._set(task, body)
        self.tasks[number] = task
        await self._tell("create", number)
        return {"result": "success", "id": number}

    async def _change(self, what: str, number: int, body: dict[str, Any]) -> dict[str, Any]:
        if what == "contact":
            asked.only(body, asked.CONTACT_WRITE)
            self.contacts[number] |= body
            return {"result": "success"}
        self._set(self.tasks[number], body)
        await self._tell("update", number)
        return {"result": "success"}

    def _set(self, task: dict[str, Any], body: dict[str, Any]) -> None:
        asked.only(body, asked.TASK_WRITE)
        new = dict(task, custom=dict(task["custom"]))
        for name, kind in (("name", str), ("description", str), ("isDeleted", bool)):
            if name in body:
                if not isinstance(body[name], kind):
                    raise bad(name)
                new[name] = body[name]
        if "status" in body:
            new["status"] = asked.reference(body["status"], "status")
            if new["status"] not in STATUSES:
                raise Fail(400, 41, f"Status not find by id {new['status']}")
        if "counterparty" in body:
            new["counterparty"] = asked.reference(body["counterparty"], "counterparty")
            if new["counterparty"] not in self.contacts:
                raise Fail(400, 2000, "Contact not found")
        for name, flag, key in (("startDateTime", "hasStartDate", "start"), ("endDateTime", "hasEndDate", "end")):
            if name in body:
                if body.get(flag) is not True:
                    raise bad(flag)
                new[key] = asked.point(body[name])
        if "assignees" in body:
            new["assignees"] = asked.users(body["assignees"])
        self._set_custom(new["custom"], body.get("customFieldData", []))
        task |= new | {"updated": self._wall()}

    def _set_custom(self, custom: dict[int, str], items: Any) -> None:
        for item in items:
            number = asked.reference(item.get("field"), "field")
            if set(item) != {"field", "value"} or number not in self.custom or not isinstance(item["value"], str):
                raise bad("customFieldData")
            if self.keeps_custom:
                custom[number] = item["value"]

    # --- shapes

    def _user(self, number: int) -> dict[str, Any]:
        first, _, last = self.users[number].name.partition(" ")
        return {"id": number, "name": first, "midname": "", "lastname": last}

    def _contact(self, number: int) -> dict[str, Any]:
        return {"id": number, "template": {"id": CONTACT_TEMPLATE}, **self.contacts[number]}

    def _task(self, number: int) -> dict[str, Any]:
        task = self.tasks[number]
        contact = self.contacts.get(task["counterparty"] or 0)
        text = task["description"]
        users = [{"id": item, "name": self.users[int(item.split(":")[1])].name} for item in task["assignees"]]
        shown = {
            "id": number, "name": task["name"], "template": {"id": task["template"]},
            "description": "<p>" + text.replace("\n", "</p><p>") + "</p>" if self.as_html and text else text,
            "status": {"id": task["status"], "name": STATUSES[task["status"]], "isActive": task["status"] == 1},
            "processId": PROCESS, "assignees": {"users": users, "groups": []},
            "isDeleted": task["isDeleted"], "startDateTime": self._point(task["start"]),
            "endDateTime": self._point(task["end"]),
            "customFieldData": [
                {"field": {"id": n, "name": self.custom[n]["name"], "type": 0, "objectType": 0}, "value": value}
                for n, value in task["custom"].items()
            ],
        }  # fmt: skip
        if contact is not None:
            shown["counterparty"] = {"id": f"contact:{task['counterparty']}", "name": contact["name"]}
        return shown

    def _point(self, wall: str) -> dict[str, str] | None:
        if not wall:
            return None
        moment = datetime.fromisoformat(wall)
        return {"date": f"{moment:%d-%m-%Y}", "time": f"{moment:%H:%M}", "datetime": f"{moment:%Y-%m-%dT%H:%M}Z"}

    async def _tell(self, event: str, number: int) -> None:
        if self.tasks[number]["template"] != TEMPLATE:
            return
        body = json.dumps({"event": event, "task": {"id": number}}).encode()
        headers = {"content-type": "application/json", "x-ai-admin-secret": self._hook_secret}
        self.deliveries.append(Delivery(self.hook_url, body, headers))
        if self.hook_url:
            async with httpx.AsyncClient(timeout=2.0) as http:
                try:
                    await http.post(self.hook_url, content=body, headers=headers)
                except httpx.HTTPError:
                    return
