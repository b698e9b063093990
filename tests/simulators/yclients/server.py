"""The HTTP side: every header, field and type is checked, as the vendor does."""

import json
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crm.company_yaml import CompanyFile
from tests.simulators.vendor.crm import Delivery, Held, Now
from tests.simulators.vendor.faults import FaultPlan, Faulty
from tests.simulators.yclients.state import Branch, Dialect, Row, Taken

PARTNER, USER = "partner-of-the-simulator", "user-of-the-simulator"
RECORD_FIELDS = {
    "staff_id", "services", "client", "datetime", "seance_length", "save_if_busy", "send_sms", "comment",
    "sms_remain_hours", "email_remain_hours", "api_id", "attendance", "custom_color", "record_labels", "custom_fields",
}  # fmt: skip
REQUIRED = {"staff_id", "services", "client", "datetime", "seance_length", "save_if_busy", "send_sms"}
ONLINE_FIELDS = {
    "phone", "fullname", "email", "code", "comment", "type", "notify_by_sms", "notify_by_email", "api_id",
    "appointments", "bookform_id", "custom_fields",
}  # fmt: skip


class Refusal(Exception):
    def __init__(self, status: int, message: str, code: int | None = None, **more: Any) -> None:
        super().__init__(message)
        meta: dict[str, Any] = {"message": message, **more}
        if code is not None:
            meta["code"] = code
        self.reply = JSONResponse({"success": False, "data": None, "meta": meta}, status)


def ok(data: Any, status: int = 200, **meta: Any) -> JSONResponse:
    return JSONResponse({"success": True, "data": data, "meta": meta or []}, status)


class YclientsSimulator:
    booking_write = r"^POST .*/(book_record|records)/"

    def __init__(self, dialect: Dialect, file: CompanyFile, now: Now) -> None:
        self.dialect = dialect
        self.branch = Branch(file, now)
        self.faults = FaultPlan()
        self.deliveries: list[Delivery] = []
        self.hooks: list[str] = []
        self.needs_code = False
        self.may_delete = True
        self._revoked = False
        c = "/api/v1{path:path}"
        self.app = Faulty(
            Starlette(routes=[Route(c, self._entry, methods=["GET", "POST", "PUT", "DELETE"])]), self.faults
        )

    # --- what tests hold on to

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        return (
            {"company_id": str(self.branch.company), "base_url": f"{base_url}/api/v1"},
            {"partner_token": PARTNER, "user_token": USER},
        )

    def service_id(self, key: str) -> str:
        return str(self.branch.service_keys[key])  # type: ignore[index]

    def staff_id(self, key: str) -> str:
        return str(self.branch.staff_keys[key])  # type: ignore[index]

    def client_id(self, key: str) -> str:
        return str(self.branch.client_keys[key])  # type: ignore[index]

    def bookings(self) -> list[Held]:
        b = self.branch
        return [
            Held(
                str(row.id), b.staff[row.staff].id, tuple(b.services[s].id for s in row.services), row.start,
                b.clients[row.client]["phone"] if row.client else "", f"{row.comment}\n{row.api_id}", row.deleted,
            )
            for row in b.rows.values()
        ]  # fmt: skip

    def book_elsewhere(self, staff: str, service: str, start: datetime) -> str:
        row = self.branch.write(
            self.branch.staff_keys[staff], [self.branch.service_keys[service]], None, start, force=True  # type: ignore[index]
        )  # fmt: skip
        return str(row.id)

    def add_clients(self, count: int) -> None:
        for number in range(count):
            self.branch.add_client(f"Гость {number}", f"+7901{number:07d}")

    def revoke(self) -> None:
        self._revoked = True

    def expire_tokens(self) -> bool:
        return False

    def renewals(self) -> int:
        return 0

    # --- the door

    async def _entry(self, request: Request) -> Response:
        try:
            return await self._routed(request)
        except Refusal as refusal:
            return refusal.reply
        except Taken:
            raise AssertionError("a taken time must be refused where it is found") from None

    async def _routed(self, request: Request) -> Response:
        if request.headers.get("accept") != self.dialect.accept:
            raise Refusal(400, f"Accept must be {self.dialect.accept}")
        parts = [part for part in request.path_params["path"].split("/") if part]
        handler, user = self._handler(request.method, parts)
        self._authorise(request, user)
        body = await self._body(request) if request.method in ("POST", "PUT") else None
        return await handler(request, parts, body)

    async def _body(self, request: Request) -> Any:
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            raise Refusal(400, "Content-Type must be application/json")
        try:
            return json.loads(await request.body())
        except ValueError:
            raise Refusal(400, "Syntax error") from None

    def _authorise(self, request: Request, user: bool) -> None:
        given = request.headers.get("authorization", "")
        allowed = {f"Bearer {PARTNER}, User {USER}"} | (set() if user else {f"Bearer {PARTNER}"})
        if given not in allowed or self._revoked:
            raise Refusal(401, self.dialect.messages["auth"])

    def _handler(self, method: str, parts: list[str]) -> tuple[Callable[..., Awaitable[Response]], bool]:
        company = str(self.branch.company)
        table: dict[tuple[str, ...], tuple[Callable[..., Awaitable[Response]], bool]] = {
            ("GET", "company", company): (self._company, False),
            ("GET", "book_services", company): (self._services, False),
            ("GET", "book_staff", company): (self._staff, False),
            ("GET", "book_dates", company): (self._dates, False),
            ("GET", "book_times", company, "*", "*"): (self._times, False),
            ("GET", "schedule", company, "*", "*", "*"): (self._schedule, True),
            ("POST", "book_check", company): (self._check, False),
            ("POST", "book_record", company): (self._book, False),
            ("POST", "company", company, "clients", "search"): (self._search, True),
            ("POST", "clients", company): (self._new_client, True),
            ("GET", "client", company, "*"): (self._client, True),
            ("DELETE", "client", company, "*"): (self._drop_client, True),
            ("GET", "records", company): (self._records, True),
            ("POST", "records", company): (self._new_record, True),
            ("GET", "record", company, "*"): (self._record, True),
            ("PUT", "record", company, "*"): (self._change, True),
            ("DELETE", "record", company, "*"): (self._delete, True),
            ("DELETE", "user", "records", "*", "*"): (self._delete_by_hash, False),
            ("GET", "hooks_settings", company): (self._get_hooks, True),
            ("POST", "hooks_settings", company): (self._set_hooks, True),
        }
        for (verb, *pattern), found in table.items():
            if (
                verb == method
                and len(pattern) == len(parts)
                and all(a in ("*", b) for a, b in zip(pattern, parts, strict=True))
            ):
                return found
        raise Refusal(404, self.dialect.messages["absent"])

    # --- reading

    async def _company(self, request: Request, parts: list[str], body: Any) -> Response:
        zone = self.branch.file.profile.timezone
        zones: dict[str, Any] = (
            {"timezone": 3, "timezone_name": zone} if self.dialect.zone_fields else {"timezone": zone}
        )
        return ok(
            {
                "id": self.branch.company, "title": self.branch.file.profile.name, **zones,
                "phone_confirmation": self.needs_code, "currency_short_title": "₽", "booking_comment_required": False,
            }
        )  # fmt: skip

    async def _services(self, request: Request, parts: list[str], body: Any) -> Response:
        staff = request.query_params.get("staff_id")
        rows = []
        for number, service in self.branch.services.items():
            offers = [o for o in service.offers if staff is None or o.staff_id == self._member(staff).id]
            if not offers:
                continue
            prices = [offer.price.amount.minor / 100 for offer in offers]
            high = max(prices) * (2 if offers[0].price.starting_at and staff else 1)
            row = {
                "id": number, "title": service.name, "category_id": 12, "price_min": min(prices), "price_max": high,
                "discount": 0, "comment": "", "weight": 1, "active": 1, "sex": 0, "image": "", "prepaid": "forbidden",
            }  # fmt: skip
            if staff is not None:
                row["seance_length"] = int(offers[0].duration.total_seconds())
            rows.append(row)
        return ok({"events": [], "services": rows, "category": []})

    def _member(self, text: str) -> Any:
        if not text.isdigit() or int(text) not in self.branch.staff:
            raise Refusal(404, self.dialect.messages["absent"])
        return self.branch.staff[int(text)]

    async def _staff(self, request: Request, parts: list[str], body: Any) -> Response:
        rows = [
            {
                "id": str(number), "name": member.name, "bookable": True, "specialization": member.role, "position": [],
                "rating": 5, "weight": 1, "information": "", "seance_date": None, "seances": [],
            }
            for number, member in self.branch.staff.items()
        ]  # fmt: skip
        return ok(rows)

    def _asked_services(self, request: Request) -> list[int]:
        asked = [int(s) for s in request.query_params.getlist("service_ids[]") if s.isdigit()]
        if not asked or any(s not in self.branch.services for s in asked):
            raise Refusal(404, "Услуга не найдена.")
        return asked

    async def _dates(self, request: Request, parts: list[str], body: Any) -> Response:
        services = self._asked_services(request)
        staff = request.query_params.get("staff_id", "0")
        members = [int(staff)] if staff != "0" else list(self.branch.staff)
        today = self.branch.now().astimezone(self.branch.file.zone).date()
        days = [today + timedelta(n) for n in range(60)]
        free = [day for day in days if any(self._starts_of(m, services, day) for m in members)]
        return ok(
            {"booking_dates": [str(d) for d in free], "working_dates": [str(d) for d in days], "booking_days": {}}
        )

    def _starts_of(self, staff: int, services: list[int], day: date) -> list[datetime]:
        try:
            return self.branch.starts(staff, services, day)
        except KeyError:
            return []

    async def _times(self, request: Request, parts: list[str], body: Any) -> Response:
        services = self._asked_services(request)
        try:
            day = date.fromisoformat(parts[3])
        except ValueError:
            raise Refusal(400, "date") from None
        members = list(self.branch.staff) if parts[2] == "0" else [int(parts[2])]
        if any(m not in self.branch.staff for m in members):
            raise Refusal(404, self.dialect.messages["absent"])
        found = sorted(
            {(at, self.branch.length(m, services)) for m in members for at in self._starts_of(m, services, day)}
        )
        return ok(
            [
                {"time": f"{at:%H:%M}", "seance_length": int(length.total_seconds()), "datetime": self._echo(at)}
                for at, length in found
            ]
        )

    def _echo(self, at: datetime) -> str:
        return at.astimezone(self.branch.file.zone).strftime("%Y-%m-%dT%H:%M:%S%z")

    async def _schedule(self, request: Request, parts: list[str], body: Any) -> Response:
        from crm.schedule import from_minute, local_day, working_minutes

        member, zone = self._member(parts[2]), self.branch.file.zone
        day = date.fromisoformat(parts[3])
        schedule = next(s for s in self.branch.file.schedules if s.staff_id == member.id)
        spans = [
            {"from": f"{from_minute(a).astimezone(zone):%H:%M}", "to": f"{from_minute(b).astimezone(zone):%H:%M}"}
            for a, b in working_minutes(schedule, local_day(day, zone))
        ]
        return ok([{"date": str(day), "is_working": bool(spans), "slots": spans}])

    # --- online booking

    def _appointments(self, body: Any, *, checked: bool) -> list[tuple[int, int, list[int], datetime]]:
        rows = body.get("appointments")
        if not isinstance(rows, list) or not rows:
            raise Refusal(422, "appointments", 422)
        found: list[tuple[int, int, list[int], datetime]] = []
        for row in rows:
            if set(row) - {"id", "services", "staff_id", "datetime", "events", "custom_fields"}:
                raise Refusal(422, f"unknown field in appointment: {sorted(row)}")
            if not isinstance(row.get("id"), int) or not isinstance(row.get("staff_id"), int):
                raise Refusal(422, "appointment id and staff_id are numbers")
            services, staff = row["services"], row["staff_id"]
            if any(s not in self.branch.services for s in services):
                raise Refusal(422, "Услуга не найдена.", 438)
            start = datetime.fromisoformat(row["datetime"])
            try:
                length = self.branch.length(staff, services)
            except KeyError:
                raise Refusal(422, "staff", 436) from None
            if row["datetime"] != self._echo(start) or not self.branch.free(staff, start, length):
                raise Refusal(422, self._taken(staff, start), 433, id=row["id"])
            for _, other, others, at in found:
                if other == staff and at < start + length and start < at + self.branch.length(other, others):
                    raise Refusal(422, "overlap", 437, id=row["id"])
            found.append((row["id"], staff, services, start))
        return found

    def _taken(self, staff: int, start: datetime) -> str:
        local = start.astimezone(self.branch.file.zone)
        return self.dialect.messages["taken"].format(
            name=self.branch.staff[staff].name, staff=staff, day=f"{local:%Y-%m-%d}", time=f"{local:%H:%M}"
        )

    async def _check(self, request: Request, parts: list[str], body: Any) -> Response:
        self._appointments(body, checked=True)
        return Response(status_code=201)

    async def _book(self, request: Request, parts: list[str], body: Any) -> Response:
        if unknown := set(body) - ONLINE_FIELDS:
            raise Refusal(422, f"unknown fields {sorted(unknown)}")
        phone = body.get("phone")
        if not isinstance(phone, str) or not phone.isdigit() or not 9 <= len(phone) <= 15:
            raise Refusal(422, "Неверный формат телефона", 431)
        if not body.get("fullname"):
            raise Refusal(422, "Не указано имя клиента", 435)
        if self.needs_code and not body.get("code"):
            raise Refusal(422, "Неправильный код подтверждения", 432)
        wanted = self._appointments(body, checked=False)
        client = self.branch.client_by_phone(phone) or self.branch.add_client(body["fullname"], f"+{phone}")
        made = []
        for identifier, staff, services, start in wanted:
            row = self.branch.write(
                staff, services, client, start, comment=str(body.get("comment") or ""),
                api_id=str(body.get("api_id") or ""), online=True,
            )  # fmt: skip
            made.append({"id": identifier, "record_id": row.id, "record_hash": row.hash})
            await self._tell(row, "create")
        return ok(made, 201)

    # --- clients

    async def _search(self, request: Request, parts: list[str], body: Any) -> Response:
        if set(body) - {"page", "page_size", "fields", "order_by", "order_by_direction", "operation", "filters"}:
            raise Refusal(400, "unknown field")
        size = body.get("page_size", 25)
        if not isinstance(size, int) or not 1 <= size <= 200:
            raise Refusal(400, "page_size")
        rows = list(self.branch.clients.values())
        for wish in body.get("filters", []):
            if wish.get("type") != "quick_search":
                raise Refusal(400, "Недопустимое значение фильтра")
            value = wish["state"]["value"]
            rows = [r for r in rows if value in r["phone"] or value in r["name"]]
        fields = body.get("fields") or ["id"]
        at = (body.get("page", 1) - 1) * size
        page = [{key: row[key] for key in fields} for row in rows[at : at + size]]
        return ok(page, total_count=len(rows))

    async def _new_client(self, request: Request, parts: list[str], body: Any) -> Response:
        phone = str(body.get("phone", ""))
        if not body.get("name") or not phone.isdigit():
            raise Refusal(422, "name, phone")
        if self.branch.client_by_phone(phone):
            raise Refusal(422, "Клиент с указанным телефоном уже существует в базе")
        return ok(self.branch.clients[self.branch.add_client(body["name"], f"+{phone}")], 201)

    async def _client(self, request: Request, parts: list[str], body: Any) -> Response:
        found = self.branch.clients.get(int(parts[2])) if parts[2].isdigit() else None
        if found is None:
            raise Refusal(404, self.dialect.messages["absent"])
        return ok(found)

    async def _drop_client(self, request: Request, parts: list[str], body: Any) -> Response:
        if self.branch.clients.pop(int(parts[2]), None) is None:
            raise Refusal(404, self.dialect.messages["absent"])
        return Response(status_code=204)

    # --- the journal

    def _shown(self, row: Row) -> dict[str, Any]:
        b = self.branch
        local = row.start.astimezone(b.file.zone)
        prices = [b.services[s].offer_by(b.staff[row.staff].id) for s in row.services]
        return {
            "id": row.id, "company_id": b.company, "staff_id": row.staff,
            "services": [
                {"id": s, "title": b.services[s].name, "cost": p.price.amount.minor / 100 if p else 0, "discount": 0,
                 "first_cost": p.price.amount.minor / 100 if p else 0, "amount": 1}
                for s, p in zip(row.services, prices, strict=True)
            ],
            "staff": {"id": row.staff, "name": b.staff[row.staff].name},
            "client": dict(b.clients[row.client]) if row.client in b.clients else None,
            "date": f"{local:%Y-%m-%d %H:%M:%S}", "datetime": self._echo(row.start),
            "create_date": row.created.astimezone(b.file.zone).strftime("%Y-%m-%dT%H:%M:%S%z"),
            "comment": row.comment, "online": row.online, "attendance": row.attendance,
            "visit_attendance": row.attendance, "confirmed": 1, "seance_length": int(row.length.total_seconds()),
            "length": int(row.length.total_seconds()), "visit_id": row.id, "deleted": row.deleted,
            "api_id": row.api_id, "custom_fields": [], "activity_id": 0, "documents": [],
            "last_change_date": row.changed.astimezone(b.file.zone).strftime("%Y-%m-%dT%H:%M:%S%z"),
        }  # fmt: skip

    async def _records(self, request: Request, parts: list[str], body: Any) -> Response:
        query = request.query_params
        known = {"page", "count", "staff_id", "client_id", "start_date", "end_date", "c_start_date", "c_end_date"}
        if set(query) - known - {"changed_after", "changed_before", "with_deleted"}:
            raise Refusal(400, f"unknown parameter {sorted(query)}")
        count = int(query.get("count", 25))
        if not 1 <= count <= 300:
            raise Refusal(400, "count")
        zone = self.branch.file.zone
        rows = [r for r in self.branch.rows.values() if not r.deleted or query.get("with_deleted") == "1"]
        if "client_id" in query:
            rows = [r for r in rows if str(r.client) == query["client_id"]]
        if "staff_id" in query:
            rows = [r for r in rows if str(r.staff) == query["staff_id"]]
        if "start_date" in query:
            rows = [r for r in rows if str(r.start.astimezone(zone).date()) >= query["start_date"]]
        if "end_date" in query:
            rows = [r for r in rows if str(r.start.astimezone(zone).date()) <= query["end_date"]]
        if "changed_after" in query:
            after = datetime.fromisoformat(query["changed_after"])
            after = after if after.tzinfo else after.replace(tzinfo=zone)
            rows = [r for r in rows if r.changed >= after]
        at = (max(1, int(query.get("page", 1))) - 1) * count
        return ok(
            [self._shown(r) for r in rows[at : at + count]], page=int(query.get("page", 1)), total_count=len(rows)
        )

    def _row(self, text: str) -> Row:
        row = self.branch.rows.get(int(text)) if text.isdigit() else None
        if row is None or row.deleted:
            raise Refusal(404, self.dialect.messages["absent"])
        return row

    async def _record(self, request: Request, parts: list[str], body: Any) -> Response:
        return ok(self._shown(self._row(parts[2])))

    def _wanted(self, body: Any) -> tuple[int, list[int], datetime, timedelta]:
        if unknown := set(body) - RECORD_FIELDS:
            raise Refusal(422, f"unknown fields {sorted(unknown)}")
        if missing := REQUIRED - set(body):
            raise Refusal(422, f"missing fields {sorted(missing)}")
        if not isinstance(body["seance_length"], int) or not isinstance(body["staff_id"], int):
            raise Refusal(422, "seance_length and staff_id are numbers")
        if body["save_if_busy"]:
            raise Refusal(422, "the simulator does not let anybody overbook")
        services = [s["id"] for s in body["services"]]
        if body["staff_id"] not in self.branch.staff or any(s not in self.branch.services for s in services):
            raise Refusal(404, self.dialect.messages["absent"])
        start = datetime.fromisoformat(body["datetime"])
        start = start if start.tzinfo else start.replace(tzinfo=self.branch.file.zone)
        return body["staff_id"], services, start, timedelta(seconds=body["seance_length"])

    async def _new_record(self, request: Request, parts: list[str], body: Any) -> Response:
        staff, services, start, length = self._wanted(body)
        if not self.branch.free(staff, start, length):
            raise Refusal(409, self._taken(staff, start), conflict=True)
        who = body["client"]
        client = self.branch.client_by_phone(str(who.get("phone", ""))) or (
            self.branch.add_client(who.get("name", ""), f"+{who['phone']}") if who.get("phone") else None
        )
        row = self.branch.write(
            staff, services, client, start, length=length, comment=str(body.get("comment") or ""),
            api_id=str(body.get("api_id") or ""),
        )  # fmt: skip
        await self._tell(row, "create")
        return ok(self._shown(row), 201)

    async def _change(self, request: Request, parts: list[str], body: Any) -> Response:
        row = self._row(parts[2])
        staff, services, start, length = self._wanted(body)
        moved = (staff, start, length) != (row.staff, row.start, row.length)
        if moved and not self.branch.free(staff, start, length, ignore=row.id):
            raise Refusal(409, self._taken(staff, start), conflict=True)
        row.staff, row.services, row.start, row.length = staff, services, start, length
        row.comment, row.api_id = str(body.get("comment") or ""), str(body.get("api_id") or row.api_id)
        row.attendance, row.changed = int(body.get("attendance") or 0), self.branch.now()
        await self._tell(row, "update")
        return ok(self._shown(row), self.dialect.put_status)

    async def _delete(self, request: Request, parts: list[str], body: Any) -> Response:
        if not self.may_delete:
            raise Refusal(403, "Нет прав на управление филиалом")
        await self._deleted(self._row(parts[2]))
        return Response(status_code=204)

    async def _delete_by_hash(self, request: Request, parts: list[str], body: Any) -> Response:
        row = self._row(parts[2])
        if row.hash != parts[3]:
            raise Refusal(403, self.dialect.messages["rights"])
        await self._deleted(row)
        return ok(None)

    async def _deleted(self, row: Row) -> None:
        row.deleted, row.changed = True, self.branch.now()
        await self._tell(row, "delete")

    # --- webhooks

    async def _get_hooks(self, request: Request, parts: list[str], body: Any) -> Response:
        return ok({"urls": self.hooks, "active": int(bool(self.hooks))})

    async def _set_hooks(self, request: Request, parts: list[str], body: Any) -> Response:
        if set(body) - {"urls", "active", "salon", "service_category", "service", "master", "client", "record"}:
            raise Refusal(422, "unknown field")
        self.hooks = list(body["urls"]) if body["active"] else []
        return ok({"urls": self.hooks, "active": body["active"]}, 201)

    async def _tell(self, row: Row, status: str) -> None:
        event = {
            "company_id": self.branch.company, "resource": "record", "resource_id": row.id, "status": status,
            "data": self._shown(row),
        }  # fmt: skip
        for url in self.hooks:
            body = json.dumps(event, ensure_ascii=False).encode()
            self.deliveries.append(Delivery(url, body, {"content-type": "application/json"}))
            if "/_sim/" not in url:
                async with httpx.AsyncClient(timeout=2.0) as http:  # sent once, whatever the answer
                    try:
                        await http.post(url, content=body, headers={"content-type": "application/json"})
                    except httpx.HTTPError:
                        continue
