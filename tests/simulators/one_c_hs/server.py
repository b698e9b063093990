"""Services, masters, free time, appointments of one club; no text on an appointment, no webhooks, no moving."""

import base64
import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crm.company_yaml import CompanyFile
from crm.schedule import from_minute, local_day, working_minutes
from tests.simulators.vendor.crm import Delivery, Held, Now
from tests.simulators.vendor.faults import FaultPlan, Faulty

LOGIN = "Сервис"
ROOT = "/app/7/hs/api/v3"
GRID = timedelta(minutes=15)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")
_PHONE = re.compile(r"7\d{10}")
QUERIES: dict[str, set[str]] = {
    "GET clubs": set(),
    "GET appointment_services": {"club_id", "employee_id", "start_date", "end_date"},
    "GET appointment_trainers": {"club_id", "service_id", "start_date", "end_date"},
    "GET employee_choice": {"item_id", "club_id"},
    "GET appointment_dates": {"club_id", "service_id", "employee_id", "start_date", "end_date"},
    "GET appointment_times": {"club_id", "service_id", "employee_id", "start_date", "end_date"},
    "GET pass_token": {"phone", "sign"},
    "GET client": set(),
    "POST reg_and_auth_client": set(),
    "POST appointment": set(),
    "GET appointment": {"club_id", "appointment_id"},
    "GET appointments": {"club_id", "appointment_id"},
    "DELETE appointment": {"club_id", "appointment_id"},
}


class Refusal(Exception):
    def __init__(self, error: int, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.reply = JSONResponse({"result": False, "error": error, "error_message": message}, status)


@dataclass
class Appointment:
    id: str
    staff: str
    service: str
    client: str
    start: datetime
    length: timedelta
    canceled: bool = False
    reason: str = ""
    replaced_by: str = ""
    """Another master, set by the salon."""

    @property
    def end(self) -> datetime:
        return self.start + self.length

    @property
    def master(self) -> str:
        return self.replaced_by or self.staff


class HsSimulator:
    booking_write = r"^POST .*/appointment/"
    keeps_text = False
    """An appointment has no field for words or for a key of ours."""

    def __init__(self, file: CompanyFile, now: Now) -> None:
        self.file = file
        self.now = now
        self.faults = FaultPlan()
        self.deliveries: list[Delivery] = []
        self.club = str(uuid4())
        self.apikey = str(uuid4())
        self.sign_key = secrets.token_hex(12)
        self._password = secrets.token_urlsafe(9)
        self._revoked = False
        self.needs_payment = False
        self.refuses_after_cancel = False
        self.bare_list = True
        """The list of appointments says ids and states only, as its documentation does."""
        self.tokens: dict[str, str] = {}
        self.appointments: dict[str, Appointment] = {}
        self.clients: dict[str, dict[str, str]] = {}
        self.service_ids = {s.id: str(uuid4()) for s in file.services}
        self.staff_ids = {m.id: str(uuid4()) for m in file.staff}
        self.services = {self.service_ids[s.id]: s for s in file.services}
        self.masters = {self.staff_ids[m.id]: m for m in file.staff}
        self.client_ids = {c.id: self._add_client(c.name, c.phone.e164 if c.phone else "") for c in file.clients}
        for booking in file.bookings:
            start = booking.start
            client = self.client_ids.get(booking.client_id, "") if booking.client_id else ""
            for key in booking.service_ids:
                start = self._add(booking.staff_id, key, client, start).end
        routes = [Route(ROOT + "/{path:path}", self._entry, methods=["GET", "POST", "PUT", "DELETE"])]
        self.app = Faulty(Starlette(routes=routes), self.faults)

    # --- what tests hold on to

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        return (
            {"base_url": f"{base_url}/app/7", "mode": "hs", "login": LOGIN, "club_id": self.club},
            {"password": self._password, "apikey": self.apikey, "sign_key": self.sign_key},
        )

    def service_id(self, key: str) -> str:
        return self.service_ids[key]  # type: ignore[index]

    def staff_id(self, key: str) -> str:
        return self.staff_ids[key]  # type: ignore[index]

    def client_id(self, key: str) -> str:
        return self.client_ids[key]  # type: ignore[index]

    def bookings(self) -> list[Held]:
        return [
            Held(
                a.id, self.masters[a.master].id, (self.services[a.service].id,), a.start.astimezone(self.file.zone),
                self.clients[a.client]["phone"] if a.client else "", "", a.canceled,
            )
            for a in self.appointments.values()
        ]  # fmt: skip

    def book_elsewhere(self, staff: str, service: str, start: datetime) -> str:
        return self._add(staff, service, "", start).id

    def add_clients(self, count: int) -> None:
        for number in range(count):
            self._add_client(f"Гость {number}", f"+7901{number:07d}")

    def revoke(self) -> None:
        self._revoked = True

    def expire_tokens(self) -> bool:
        return False

    def renewals(self) -> int:
        return 0

    def forget_tokens(self) -> None:
        self.tokens.clear()

    # --- state

    def _add_client(self, name: str, phone: str) -> str:
        identifier = str(uuid4())
        first, _, last = name.partition(" ")
        self.clients[identifier] = {"id": identifier, "name": first, "last_name": last, "phone": phone}
        return identifier

    def _add(self, staff: str, service: str, client: str, start: datetime) -> Appointment:
        known = next(s for s in self.file.services if s.id == service)
        offer = next((o for o in known.offers if o.staff_id == staff), None)
        length = offer.duration if offer else known.duration
        made = Appointment(str(uuid4()), self.staff_ids[staff], self.service_ids[service], client, start, length)  # type: ignore[index]
        self.appointments[made.id] = made
        return made

    def _free(self, staff: str, start: datetime, length: timedelta) -> bool:
        zone = self.file.zone
        schedule = next(s for s in self.file.schedules if s.staff_id == self.masters[staff].id)
        worked = working_minutes(schedule, local_day(start.astimezone(zone).date(), zone))
        end = start + length
        if start < self.now() or not any(from_minute(a) <= start and end <= from_minute(b) for a, b in worked):
            return False
        return not any(
            a.master == staff and not a.canceled and a.start < end and start < a.end for a in self.appointments.values()
        )

    def _starts(self, staff: str, service: str, first: date, last: date) -> list[datetime]:
        offer = self.services[service].offer_by(self.masters[staff].id)
        if offer is None:
            return []
        at, found = datetime(first.year, first.month, first.day, tzinfo=self.file.zone), []
        while at.date() <= last:
            if self._free(staff, at, offer.duration):
                found.append(at)
            at += GRID
        return found

    # --- the door

    async def _entry(self, request: Request) -> Response:
        expected = base64.b64encode(f"{LOGIN}:{self._password}".encode()).decode()
        if self._revoked or request.headers.get("authorization") != f"Basic {expected}":
            return Response("Unauthorized", 401, headers={"WWW-Authenticate": 'Basic realm="1C"'})
        try:
            return await self._routed(request)
        except Refusal as refusal:
            return refusal.reply

    async def _routed(self, request: Request) -> Response:  # noqa: C901 - a table
        if request.headers.get("apikey") != self.apikey:
            raise Refusal(4001, "Неверный apikey")
        path = request.path_params["path"].strip("/")
        known = QUERIES.get(f"{request.method} {path}")
        if known is None:
            raise Refusal(404, "Метод не найден", 404)
        query = _query(request)
        if strange := set(query) - known:
            raise Refusal(1001, f"Неизвестные параметры {sorted(strange)}")
        for name in ("start_date", "end_date"):
            if name in query and not _MOMENT.fullmatch(query[name]):
                raise Refusal(1002, f"{name}: YYYY-MM-DD HH:MM")
        if "club_id" in known and path != "employee_choice" and query.get("club_id") != self.club:
            raise Refusal(1003, "Не указан клуб")
        match request.method, path:
            case "GET", "clubs":
                return _ok([{"id": self.club, "title": self.file.profile.name}])
            case "GET", "appointment_services":
                return _ok([self._service(key) for key in self.services])
            case "GET", "appointment_trainers":
                return _ok(self._trainers(query))
            case "GET", "employee_choice":
                return _ok(self._prices(query.get("item_id", "")))
            case "GET", "appointment_times":
                return _ok(self._times(query))
            case "GET", "pass_token":
                return _ok({"pass_token": self._signed(query)})
            case "POST", "reg_and_auth_client":
                return self._register(await _body(request))
            case "GET", "client":
                return _ok({**self._client(request), "club": {"id": self.club, "title": self.file.profile.name}})
            case "POST", "appointment":
                return self._book(self._client(request), await _body(request))
            case "GET", "appointments":
                client = self._client(request)
                return _ok([self._brief(a) for a in self.appointments.values() if a.client == client["id"]])
        found = self.appointments.get(query.get("appointment_id", ""))
        if found is None:
            raise Refusal(4404, "Запись не найдена")
        if request.method == "GET":
            return _ok(self._full(found))
        if found.client != self._client(request)["id"]:
            raise Refusal(4031, "Запись другого клиента")
        if found.canceled:
            raise Refusal(4091, "Запись уже отменена")
        found.canceled, found.reason = True, "отменена клиентом"
        return _ok({})

    # --- shapes

    def _service(self, key: str) -> dict[str, Any]:
        service = self.services[key]
        cheapest = min((o.price.amount.minor for o in service.offers), default=0) // 100
        return {
            "id": key, "title": service.name, "parent": {"id": self.club, "title": "Услуги"}, "price": str(cheapest),
            "description": "", "payment_required": False, "sort_order": 1,
        }  # fmt: skip

    def _trainers(self, query: dict[str, str]) -> list[dict[str, Any]]:
        service = query.get("service_id")
        if service and service not in self.services:
            raise Refusal(4404, "Услуга не найдена")
        found = []
        for key, member in self.masters.items():
            if service and self.services[service].offer_by(member.id) is None:
                continue
            found.append(
                {"id": key, "name": member.name, "position": {"id": key, "title": member.role}, "photo": None,
                 "favourite": False}
            )  # fmt: skip
        return found

    def _prices(self, service: str) -> list[dict[str, Any]]:
        if service not in self.services:
            raise Refusal(4404, "Услуга не найдена")
        return [
            {"id": self.staff_ids[o.staff_id], "name": "", "price": o.price.amount.minor // 100, "price_type": {}}
            for o in self.services[service].offers
        ]  # fmt: skip

    def _times(self, query: dict[str, str]) -> list[dict[str, str]]:
        staff, service = query.get("employee_id", ""), query.get("service_id", "")
        if staff not in self.masters or service not in self.services:
            raise Refusal(4404, "Услуга или сотрудник не найдены")
        if "start_date" not in query or "end_date" not in query:
            raise Refusal(1002, "Не указан период")
        offer = self.services[service].offer_by(self.masters[staff].id)
        first, last = (date.fromisoformat(query[name][:10]) for name in ("start_date", "end_date"))
        return [
            {
                "time": f"{at:%H:%M}", "date_time": f"{at:%Y-%m-%d %H:%M}", "appointment_id": "",
                "seance_length": str(int((offer.duration if offer else GRID) / timedelta(minutes=1))),
                "service_title": self.services[service].name,
            }
            for at in self._starts(staff, service, first, last)
        ]  # fmt: skip

    def _signed(self, query: dict[str, str]) -> str:
        phone = query.get("phone", "")
        if not _PHONE.fullmatch(phone):
            raise Refusal(1004, "Неверный формат телефона")
        if query.get("sign") != hashlib.sha256(f"phone:{phone};key:{self.sign_key}".encode()).hexdigest():
            raise Refusal(4010, "Неверная подпись запроса")
        self.tokens[made := secrets.token_hex(16)] = f"+{phone}"
        return made

    def _client(self, request: Request) -> dict[str, str]:
        phone = self.tokens.get(request.headers.get("usertoken", ""))
        if phone is None:
            raise Refusal(4002, "Неверный usertoken")
        found = next((c for c in self.clients.values() if c["phone"] == phone), None)
        if found is None:
            raise Refusal(4003, "Неверный логин или пароль")
        return found

    def _register(self, body: dict[str, Any]) -> Response:
        if set(body) - {"phone", "pass_token", "name", "last_name", "club"} or not body.get("name"):
            raise Refusal(1001, "Неизвестные поля")
        if self.tokens.get(body.get("pass_token", "")) != f"+{body.get('phone')}" or body.get("club") != self.club:
            raise Refusal(4002, "Неверный pass_token")
        if any(c["phone"] == f"+{body['phone']}" for c in self.clients.values()):
            raise Refusal(4092, "Клиент уже зарегистрирован")
        self._add_client(f"{body['name']} {body.get('last_name', '')}".strip(), f"+{body['phone']}")
        self.tokens[made := secrets.token_hex(16)] = f"+{body['phone']}"
        return _ok({"user_token": made})

    def _book(self, client: dict[str, str], body: dict[str, Any]) -> Response:
        allowed = {"club_id", "employee_id", "service_id", "date_time", "ticket_id", "room_id", "duration"}
        if set(body) - allowed or body.get("club_id") != self.club:
            raise Refusal(1001, f"Неизвестные поля {sorted(set(body) - allowed)}")
        staff, service = body.get("employee_id"), body.get("service_id")
        if staff not in self.masters or service not in self.services or not _MOMENT.fullmatch(str(body["date_time"])):
            raise Refusal(1002, "Неверные параметры записи")
        at = datetime.fromisoformat(body["date_time"]).replace(tzinfo=self.file.zone)
        if at not in self._starts(staff, service, at.date(), at.date()):
            raise Refusal(4090, "Время занято")
        if self.refuses_after_cancel and any(
            a.canceled and a.start == at and a.client == client["id"] for a in self.appointments.values()
        ):
            raise Refusal(4093, "Вы уже записаны на это время")
        made = self._add(self.masters[staff].id, self.services[service].id, client["id"], at)
        return _ok(
            {
                "status": self._state(made), "temporarily_reserved": self.needs_payment,
                "appointment": {
                    "id": made.id, "service": self.services[service].name, "title": self.services[service].name,
                    "employee_name": self.masters[staff].name, "date_time": body["date_time"],
                },
                "customer": {"id": client["id"], "client_name": client["name"], "phone": [client["phone"]],
                             "email": []},
            }
        )  # fmt: skip

    def _state(self, a: Appointment) -> str:
        return "temporarily_reserved_need_payment" if self.needs_payment else "reserved"

    def _brief(self, a: Appointment) -> dict[str, Any]:
        state = "canceled" if a.canceled else "planned"
        return {"appointment_id": a.id, "club_id": self.club, "status": state, "payment": {"ticket_id": ""}}

    def _full(self, a: Appointment) -> dict[str, Any]:
        zone = self.file.zone
        shown: dict[str, Any] = {
            "appointment_id": a.id, "status": self._state(a), "canceled": a.canceled,
            "reason_for_cancellation": a.reason, "start_date": f"{a.start.astimezone(zone):%Y-%m-%d %H:%M}",
            "end_date": f"{a.end.astimezone(zone):%Y-%m-%d %H:%M}", "duration": int(a.length / timedelta(minutes=1)),
            "service": {"id": a.service, "title": self.services[a.service].name},
            "employee": {"id": a.staff, "name": self.masters[a.staff].name},
            "employee_replacement": None, "start_date_replacement": "", "room_replacement": None,
        }  # fmt: skip
        if a.replaced_by:
            shown["employee_replacement"] = {"id": a.replaced_by, "name": self.masters[a.replaced_by].name}
        return shown


def _ok(data: Any) -> Response:
    return JSONResponse({"result": True, "data": data})


async def _body(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").split(";")[0] != "application/json":
        raise Refusal(1000, "Content-Type")
    try:
        found = json.loads(await request.body())
    except ValueError:
        raise Refusal(1000, "Ошибка разбора JSON", 400) from None
    if not isinstance(found, dict):
        raise Refusal(1000, "Ожидается объект")
    return found


def _query(request: Request) -> dict[str, str]:
    """Percent-decoded; a plus is no space here."""
    found = {}
    for pair in request.url.query.split("&") if request.url.query else []:
        name, _, value = pair.partition("=")
        found[unquote(name)] = unquote(value)
    return found
