"""The HTTP side: headers, parameters, fields and types are checked; what is not known to be accepted is refused."""

import json
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from crm.company_yaml import CompanyFile
from tests.simulators.easyweek.state import Booked, Envelope, Intervals, Variant, Workspace
from tests.simulators.vendor.crm import Delivery, Held, Now
from tests.simulators.vendor.faults import FaultPlan, Faulty

API_KEY, SLUG = "key-of-the-simulator", "myata"
BASE = "/api/public/v2"
BOOKING = {"location_uuid", "service_uuid", "reserved_on", "customer_phone", "customer_first_name"}
OPTIONAL = {"staffer_uuid", "booking_comment", "timezone", "customer_email", "source", "customer_browser_tz"}
CART = {"location_uuid", "timezone", "customer_phone", "customer_first_name", "booking_comment", "items"}
EVENTS = ("booking-created", "booking-updated", "booking-rescheduled", "booking-canceled", "booking-succeeded")
_PHONE = re.compile(r"\+[1-9]\d{7,14}")
_UTC = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")

Handler = Callable[..., Awaitable[Any]]


class Refusal(Exception):
    def __init__(self, status: int, message: str, **errors: list[str]) -> None:
        super().__init__(message)
        body: dict[str, Any] = {"message": message}
        if errors:
            body["errors"] = errors
        self.reply = JSONResponse(body, status)


class EasyweekSimulator:
    booking_write = r"^POST .*/bookings(/cart)?\?"

    def __init__(self, file: CompanyFile, now: Now, variant: Variant | None = None) -> None:
        self.variant = variant or Variant()
        self.space = Workspace(file, now)
        self.faults = FaultPlan()
        self.deliveries: list[Delivery] = []
        self.hooks: dict[str, str] = {}
        """Event to address, as entered by hand in the settings."""
        self.a_minute = 0
        """Requests a minute that are let through; 0: all."""
        self.lies_about_cancelling = False
        """Answers a cancellation with success and cancels nothing."""
        self._asked: deque[float] = deque()
        self._revoked = False
        route = Route(f"{BASE}{{path:path}}", self._entry, methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
        self.app = Faulty(Starlette(routes=[route]), self.faults)

    # --- what tests hold on to

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        given = {"workspace": SLUG, "location_uuid": self.space.location, "base_url": f"{base_url}{BASE}"}
        return given, {"api_key": API_KEY}

    def service_id(self, key: str) -> str:
        return self.space.service_keys[key]

    def staff_id(self, key: str) -> str:
        return self.space.staff_keys[key]

    def client_id(self, key: str) -> str:
        return self.space.client_keys[key]

    def bookings(self) -> list[Held]:
        s = self.space
        return [
            Held(
                row.uuid, s.staff[row.staff].id, tuple(s.services[one].id for one in row.services), row.start,
                s.customers[row.customer]["phone"], row.notes, row.canceled,
            )
            for row in s.bookings.values()
        ]  # fmt: skip

    def book_elsewhere(self, staff: str, service: str, start: datetime) -> str:
        guest = self.space.add_customer("Гостья", "")
        return self.space.write(self.staff_id(staff), [self.service_id(service)], guest, start).uuid

    def add_clients(self, count: int) -> None:
        for number in range(count):
            self.space.add_customer(f"Гость {number}", f"+7901{number:07d}")

    def revoke(self) -> None:
        self._revoked = True

    def expire_tokens(self) -> bool:
        return False

    def renewals(self) -> int:
        return 0

    def move_elsewhere(self, booking: str, staff: str, start: datetime) -> None:
        """A person drags the booking to another master and time."""
        row = self.space.bookings[booking]
        row.staff, row.start = self.staff_id(staff), start

    def register_hooks(self, url: str) -> None:
        """As a person does it in EasyWeek's settings: five addresses."""
        self.hooks = {event: f"{url}?event={event}" for event in EVENTS}

    # --- the door

    async def _entry(self, request: Request) -> Response:
        try:
            return await self._routed(request)
        except Refusal as refusal:
            return refusal.reply

    async def _routed(self, request: Request) -> Response:
        headers = request.headers
        if headers.get("authorization") != f"Bearer {API_KEY}" or self._revoked:
            raise Refusal(401, "Unauthenticated.")
        if headers.get("workspace") != SLUG:
            raise Refusal(403, "This action is unauthorized.")
        if headers.get("accept") != "application/json":
            return Response("<html>login</html>", 200, media_type="text/html")
        self._count()
        path = request.path_params["path"]
        if path.rstrip("/").endswith("/time-slots") and path.endswith("/") is not self.variant.slash:
            return RedirectResponse(f"{BASE}{path.rstrip('/')}{'/' if self.variant.slash else ''}", 301)
        handler, arguments = self._handler(request.method, [part for part in path.split("/") if part])
        if request.method != "GET":
            arguments = [*arguments, await self._body(request)]
        found: Response = await handler(request, *arguments)
        return found

    def _count(self) -> None:
        if not self.a_minute:
            return
        now = self.space.now().timestamp()
        while self._asked and self._asked[0] <= now - 60:
            self._asked.popleft()
        if len(self._asked) >= self.a_minute:
            raise Refusal(429, "Too Many Attempts.")
        self._asked.append(now)

    async def _body(self, request: Request) -> dict[str, Any]:
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            raise Refusal(415, "Unsupported Media Type")
        try:
            body = json.loads(await request.body())
        except ValueError:
            raise Refusal(400, "Malformed JSON") from None
        if not isinstance(body, dict):
            raise Refusal(422, "The given data was invalid.")
        return body

    def _handler(self, method: str, parts: list[str]) -> tuple[Handler, list[str]]:
        verb, _, tail = self.variant.cancel.partition(" ")
        table: list[tuple[str, str, Handler]] = [
            ("GET", "ping", self._ping),
            ("GET", "locations", self._locations),
            ("GET", "locations/*/services", self._services),
            ("GET", "locations/*/staffers", self._staffers),
            ("GET", "locations/*/time-slots", self._slots),
            ("GET", "customers", self._customers),
            ("GET", "customers/*", self._customer),
            ("GET", "bookings", self._list),
            ("POST", "bookings", self._book),
            ("POST", "bookings/cart", self._cart),
            ("GET", "bookings/*", self._booking),
            (verb, f"bookings/*/{tail}", self._cancel),
        ]
        for want, pattern, handler in table:
            pieces = pattern.split("/")
            if want != method or len(pieces) != len(parts):
                continue
            if all(a in ("*", b) for a, b in zip(pieces, parts, strict=True)):
                return handler, [b for a, b in zip(pieces, parts, strict=True) if a == "*"]
        raise Refusal(404, "Not Found")

    # --- shapes

    def _object(self, row: Mapping[str, Any], status: int = 200) -> Response:
        return JSONResponse({"data": row} if self.variant.envelope is Envelope.DATA else row, status)

    def _page(self, request: Request, rows: list[dict[str, Any]], known: set[str], most: int = 100) -> Response:
        if strange := set(request.query_params) - known - {"page", "per_page"}:
            raise Refusal(422, f"unknown parameter {sorted(strange)}")
        page, size = self._whole(request, "page", 1), min(self._whole(request, "per_page", 15), most)
        part = rows[(page - 1) * size : page * size]
        last = max(1, -(-len(rows) // size))
        if self.variant.envelope is Envelope.BARE:
            return JSONResponse(rows if "per_page" not in request.query_params else part)
        following = f"http://elsewhere.invalid{request.url.path}?page={page + 1}" if page < last else None
        links = {"first": None, "last": None, "prev": None, "next": following}
        if self.variant.envelope is Envelope.NEXT_LINK:
            return JSONResponse({"data": part, "links": links})
        meta = {"current_page": page, "last_page": last, "per_page": size, "total": len(rows)}
        return JSONResponse({"data": part, "links": links, "meta": meta})

    def _whole(self, request: Request, name: str, default: int) -> int:
        text = request.query_params.get(name, str(default))
        if not text.isdigit() or int(text) < 1:
            raise Refusal(422, "The given data was invalid.", **{name: ["must be a positive integer"]})
        return int(text)

    def _here(self, location: str) -> None:
        if location != self.space.location:
            raise Refusal(404, "Not Found")

    # --- reading

    async def _ping(self, request: Request) -> Response:
        return JSONResponse({"ping": "pong", "version": "v12.4.1"})

    async def _locations(self, request: Request) -> Response:
        name = self.space.file.profile.timezone
        zone: Any = {"name": name, "offset": "+03:00", "short": "MSK"} if self.variant.zone_object else name
        other = {"uuid": self.space.uuid("another"), "name": "Другой филиал", "address": {}, "timezone": zone}
        mine = {"uuid": self.space.location, "name": self.space.file.profile.name, "address": {}, "timezone": zone}
        return self._page(request, [other, mine], set())

    async def _services(self, request: Request, location: str) -> Response:
        self._here(location)
        rows = []
        for key, service in self.space.services.items():
            minutes = int(service.duration.total_seconds() // 60)
            length = {"value": minutes, "label": "minutes", "iso_8601": f"PT{minutes}M"}
            price = min((offer.price.amount.minor for offer in service.offers), default=0)
            rows.append({"uuid": key, "name": service.name, "currency": "RUB", "price": price, "duration": length})
        return self._page(request, rows, set())

    async def _staffers(self, request: Request, location: str) -> Response:
        self._here(location)
        rows = []
        for key, member in self.space.staff.items():
            first, _, last = member.name.partition(" ")
            row: dict[str, Any] = {
                "uuid": key, "first_name": first, "last_name": last, "position": member.role, "avatar": None,
                "description": None,
            }  # fmt: skip
            if self.variant.names_offers:
                row["services"] = [{"uuid": s} for s in self.space.services if self.space.does(key, s)]
            rows.append(row)
        return self._page(request, rows, set())

    async def _slots(self, request: Request, location: str) -> Response:
        self._here(location)
        query = request.query_params
        if strange := set(query) - {"service_uuid", "staffer_uuid", "range_start", "range_end"}:
            raise Refusal(422, f"unknown parameter {sorted(strange)}")
        service, staff = query.get("service_uuid", ""), query.get("staffer_uuid")
        if service not in self.space.services:
            raise Refusal(422, "The given data was invalid.", service_uuid=["The selected service is invalid."])
        if staff is not None and staff not in self.space.staff:
            raise Refusal(422, "The given data was invalid.", staffer_uuid=["The selected staffer is invalid."])
        try:
            first, last = (date.fromisoformat(query[name]) for name in ("range_start", "range_end"))
        except (KeyError, ValueError):
            raise Refusal(422, "The given data was invalid.", range_start=["must be a date"]) from None
        if last < first or last - first > timedelta(days=89):
            raise Refusal(422, "The given data was invalid.", range_end=["at most three months"])
        members = [one for one in self.space.staff if staff in (None, one) and self.space.does(one, service)]
        dates = []
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            free = [span for one in members for span in self.space.free(one, day)]
            long = [span for span in free if span[1] - span[0] >= self.space.length([service])]
            if long:
                dates.append({"date": day.isoformat(), "intervals": [self._interval(a, b) for a, b in long]})
        return self._object({"dates": dates})

    def _interval(self, start: datetime, end: datetime) -> dict[str, Any]:
        def seconds(at: datetime) -> int:
            return at.hour * 3600 + at.minute * 60 + at.second

        match self.variant.intervals:
            case Intervals.FORMATTED:
                return {"start_formatted": f"{start:%H:%M}", "end_formatted": f"{end:%H:%M}"}
            case Intervals.FORMATTED_SECONDS:
                return {"start_formatted": seconds(start), "end_formatted": seconds(end)}
            case Intervals.SECONDS:
                return {"start": seconds(start), "end": seconds(end)}
            case Intervals.ISO_LOCAL:
                return {"start": start.isoformat(), "end": end.isoformat()}
            case Intervals.ISO_UTC:
                a, b = (at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (start, end))
                return {"start_time": a, "end_time": b}
            case Intervals.BOTH:
                return {
                    "start": int(start.timestamp()), "end": int(end.timestamp()),
                    "start_formatted": f"{start:%H:%M}", "end_formatted": f"{end:%H:%M}",
                }  # fmt: skip

    async def _customers(self, request: Request) -> Response:
        phone = request.query_params.get("phone")
        if phone is not None and not _PHONE.fullmatch(phone):
            raise Refusal(422, "The given data was invalid.", phone=["The phone format is invalid."])
        rows = [self._shown_customer(key) for key, one in self.space.customers.items() if phone in (None, one["phone"])]
        return self._page(request, rows, {"phone"})

    def _shown_customer(self, key: str) -> dict[str, Any]:
        return {**self.space.customers[key], "email": None}

    async def _customer(self, request: Request, key: str) -> Response:
        if key not in self.space.customers:
            raise Refusal(404, "Not Found")
        return self._object(self._shown_customer(key))

    # --- bookings

    def _shown(self, row: Booked) -> dict[str, Any]:
        minutes = int(row.length.total_seconds() // 60)
        shown: dict[str, Any] = {
            "uuid": row.uuid, "location_uuid": self.space.location,
            "start_time": row.start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "end_time": row.end.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "timezone": row.timezone,
            "duration": {"value": minutes, "label": "minutes", "iso_8601": f"PT{minutes}M"},
            "status": {"type": "canceled" if row.canceled else "confirmed"}, "is_canceled": row.canceled,
            "is_completed": False, "customer": self._shown_customer(row.customer), "public_notes": row.notes or None,
            "ordered_services": [
                {"uuid": self.space.uuid(f"line {row.uuid} {s}"), "name": self.space.services[s].name}
                for s in row.services
            ],
        }  # fmt: skip
        if self.variant.names_staff:
            shown["staffer_uuid"] = row.staff
        return shown

    async def _list(self, request: Request) -> Response:
        query = request.query_params
        if ("customer_uuid" in query) == ("staffer_uuid" in query):
            raise Refusal(422, "customer_uuid or staffer_uuid is needed")
        rows = [
            row
            for row in self.space.bookings.values()
            if query.get("customer_uuid") == row.customer or query.get("staffer_uuid") == row.staff
        ]
        rows.sort(key=lambda row: row.start, reverse=self.variant.newest_first)
        return self._page(request, [self._shown(row) for row in rows], {"customer_uuid", "staffer_uuid"})

    async def _booking(self, request: Request, key: str) -> Response:
        return self._object(self._shown(self._row(key)))

    def _row(self, key: str) -> Booked:
        if key not in self.space.bookings:
            raise Refusal(404, "Not Found")
        return self.space.bookings[key]

    async def _book(self, request: Request, body: dict[str, Any]) -> Response:
        self._fields(body, BOOKING, BOOKING | OPTIONAL)
        staff, service = body.get("staffer_uuid"), body["service_uuid"]
        return await self._made(body, body["reserved_on"], [(service, staff)])

    async def _cart(self, request: Request, body: dict[str, Any]) -> Response:
        self._fields(body, CART, CART)
        items = body["items"]
        if not isinstance(items, list) or len(items) != 1 or set(items[0]) != {"datetime_start", "services"}:
            raise Refusal(422, "The given data was invalid.", items=["one item with datetime_start and services"])
        lines = items[0]["services"]
        if any(set(line) != {"service_uuid", "staffer_uuid"} for line in lines) or len(lines) < 2:
            raise Refusal(422, "The given data was invalid.", services=["service_uuid and staffer_uuid"])
        pairs = [(line["service_uuid"], line["staffer_uuid"]) for line in lines]
        return await self._made(body, items[0]["datetime_start"], pairs)

    def _fields(self, body: dict[str, Any], needed: set[str], known: set[str]) -> None:
        wrong = {name: ["The field is required."] for name in needed - set(body)}
        wrong |= {name: ["The field is not allowed."] for name in set(body) - known}
        wrong |= {
            name: ["must be a string"]
            for name, value in body.items()
            if name != "items" and not isinstance(value, str) and not (name == "customer_email" and value is None)
        }
        if not wrong and not _PHONE.fullmatch(body["customer_phone"]):
            wrong["customer_phone"] = ["The phone format is invalid."]
        if not wrong and not body["customer_first_name"].strip():
            wrong["customer_first_name"] = ["The field is required."]
        if not wrong and body["location_uuid"] != self.space.location:
            wrong["location_uuid"] = ["The selected location is invalid."]
        if wrong:
            raise Refusal(422, "The given data was invalid.", **wrong)

    async def _made(self, body: dict[str, Any], at: Any, pairs: list[tuple[str, str | None]]) -> Response:
        s = self.space
        if not isinstance(at, str) or not _UTC.fullmatch(at):
            raise Refusal(422, "The given data was invalid.", reserved_on=["must be UTC with Z"])
        services = [service for service, _ in pairs]
        if any(service not in s.services for service in services):
            raise Refusal(422, "The given data was invalid.", service_uuid=["The selected service is invalid."])
        wanted = {staff for _, staff in pairs if staff}
        if len(wanted) > 1 or wanted - set(s.staff):
            raise Refusal(422, "The given data was invalid.", staffer_uuid=["The selected staffer is invalid."])
        start = datetime.fromisoformat(at).astimezone(ZoneInfo(body.get("timezone") or "UTC"))
        members = [one for one in s.staff if one in (wanted or s.staff) and all(s.does(one, x) for x in services)]
        staff = next((one for one in members if s.is_free(one, start, s.length(services))), None)
        if staff is None:
            name, _, words = self.variant.words.partition(": ")
            raise Refusal(422, "The given data was invalid.", **{name: [words]})
        phone = body["customer_phone"]
        customer = s.customer_by_phone(phone) or s.add_customer(body["customer_first_name"], phone)
        notes = body.get("booking_comment") or ""
        row = s.write(staff, services, customer, start, notes=notes, timezone=body.get("timezone") or "")
        await self._tell("booking-created", row)
        shown = self._shown(row)
        return self._object({"bookings": [shown]} if len(services) > 1 else shown, 201)

    async def _cancel(self, request: Request, key: str, body: dict[str, Any]) -> Response:
        row = self._row(key)
        if set(body) - {"cancel_reason", "internal_notes"} or body.get("cancel_reason") != "wrong_order":
            raise Refusal(422, "The given data was invalid.", cancel_reason=["The selected reason is invalid."])
        if not row.canceled and not self.lies_about_cancelling:
            row.canceled = True
            await self._tell("booking-canceled", row)
        return self._object(self._shown(row))

    # --- webhooks

    async def _tell(self, event: str, row: Booked) -> None:
        url = self.hooks.get(event)
        if url is None:
            return
        zone = self.space.file.zone
        local = row.start.astimezone(zone)
        body = {
            "uid": row.uuid, "id": row.made, "booking_hash_id": row.uuid[:8],
            "booking_page": f"https://eyw.me/r/{row.uuid[:8]}", "booking_date_start": f"{local:%Y-%m-%dT%H:%M:%S%z}",
            "booking_date_start_tz": f"{local:%Y-%m-%d %H:%M:%S}", "timezone": zone.key,
            "booking_duration": int(row.length.total_seconds() // 60),
            "booking_status": "Отменена" if row.canceled else "Подтверждена",
            "customer_first_name": self.space.customers[row.customer]["first_name"],
            "customer_phone": self.space.customers[row.customer]["phone"], "service_id": 17,
            "service_name": self.space.services[row.services[0]].name, "user_name": self.space.staff[row.staff].name,
            "location_id": 4821, "location_uuid": self.space.location, "booking_price": "2500.00",
            "booking_attributes.booking_comment": row.notes,
        }  # fmt: skip
        content = json.dumps(body, ensure_ascii=False).encode()
        self.deliveries.append(Delivery(url, content, {"content-type": "application/json"}, {"event": event}))
        if "/_sim/" not in url:
            async with httpx.AsyncClient(timeout=2.0) as http:
                try:
                    await http.post(url, content=content, headers={"content-type": "application/json"})
                except httpx.HTTPError:
                    return
