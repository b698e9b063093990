"""The HTTP side of a portal: two ways of auth, envelopes, batches, events, limits, and a portal that moves."""

import json
import re
import secrets
import time
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crm.company_yaml import CompanyFile
from tests.simulators.bitrix24.booking_module import BookingModule
from tests.simulators.bitrix24.crm_module import CrmModule, Paged
from tests.simulators.bitrix24.state import CATEGORY, Portal
from tests.simulators.bitrix24.wire import Params, Refusal, parsed_query
from tests.simulators.vendor.crm import Delivery, Held, Now
from tests.simulators.vendor.faults import FaultPlan, Faulty

CLIENT = "local.simulator"
EVENTS = re.compile(r"ON(BOOKING(RESOURCE)?|CRM(CONTACT|DEAL))(ADD|UPDATE|DELETE)|ONAPPUNINSTALL")
SERVICES = re.compile(r"\[([A-Z0-9, ]+)\]")


class Bitrix24Simulator:
    """`booking_module` False: a portal that has deals and calendars only. `application` False: an incoming webhook."""

    def __init__(self, file: CompanyFile, now: Now, *, booking_module: bool = True, application: bool = True) -> None:
        self.file = file
        self.portal = Portal(file, now, booking_module=booking_module)
        self.booking = BookingModule(self.portal)
        self.crm = CrmModule(self.portal)
        self.faults = FaultPlan()
        self.deliveries: list[Delivery] = []
        self.handlers: list[tuple[str, str]] = []
        self.application = application
        self.webhook = f"1/{secrets.token_hex(8)}"
        self.application_token = secrets.token_hex(12)
        self.member_id = secrets.token_hex(12)
        self._secret = secrets.token_hex(12)
        self._access, self._refresh = secrets.token_hex(12), secrets.token_hex(12)
        self._first_refresh = self._refresh
        self._ended: set[str] = set()
        self._renewals = 0
        self._revoked = False
        self.moved_to = ""
        """A renamed portal: every call is answered 302 to this address."""
        self.refusals: list[tuple[str, Refusal]] = []
        """(regular expression on the method, refusal), each used once."""
        self.bucket: tuple[float, float] | None = None
        """(level, when) of the leaky bucket; None: not counted."""
        self.cut_off = 0
        part = r"\d+/\w+/" if not application else ""
        method = r"booking\.v1\.booking\.add" if booking_module else r"crm\.item\.add"
        self.booking_write = rf"^POST /rest/{part}{method}\?"
        routes = [
            Route("/oauth/token/", self._token, methods=["GET"]),
            Route("/rest/{path:path}", self._entry, methods=["GET", "POST", "PUT"]),
        ]
        self.app = Faulty(Starlette(routes=routes), self.faults)

    # --- what tests hold on to

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        people = self.portal.resources if self.portal.booking_module else self.portal.users
        mapping = {"staff": {key: str(number) for number, key in people.items()}, "services": {}}
        settings: dict[str, Any] = {"base_url": base_url, "map": mapping}
        if not self.portal.booking_module:
            settings["deal_category"] = str(CATEGORY)
        if not self.application:
            return settings, {"webhook": f"{base_url}/rest/{self.webhook}/"}
        keys = {
            "client_secret": self._secret, "refresh_token": self._first_refresh,
            "application_token": self.application_token,
        }  # fmt: skip
        return {**settings, "client_id": CLIENT, "oauth_url": base_url}, keys

    def service_id(self, key: str) -> str:
        return key

    def staff_id(self, key: str) -> str:
        return key

    def client_id(self, key: str) -> str:
        return str(self.portal.client_ids[key])  # type: ignore[index]

    def bookings(self) -> list[Held]:
        return self._held_visits() if self.portal.booking_module else self._held_deals()

    def _held_visits(self) -> list[Held]:
        held = []
        for visit in self.portal.visits.values():
            contact = next((client["id"] for client in visit.clients), None)
            found = SERVICES.search(visit.description or "")
            services = tuple(found[1].split(",")) if found else self._named(visit.name)
            held.append(
                Held(
                    str(visit.id), str(self.portal.resources[visit.resources[0]]), services,
                    datetime.fromtimestamp(visit.start, self.file.zone), self._phone(contact),
                    f"{visit.name} {visit.description or ''}", cancelled=False,
                )
            )  # fmt: skip
        return held

    def _held_deals(self) -> list[Held]:
        return [
            Held(
                str(deal["id"]), str(self.portal.users[int(deal["UF_CRM_AI_STAFF"])]),
                tuple(s for s in str(deal.get("UF_CRM_AI_SERVICES") or "").split(",") if s),
                datetime.fromisoformat(deal["UF_CRM_AI_START"]).astimezone(self.file.zone),
                self._phone(deal["contactId"]), f"{deal['comments']} {deal['originId']}",
                deal["stageSemanticId"] == "F",
            )
            for deal in self.portal.deals.values()
            if deal.get("UF_CRM_AI_START") and deal.get("UF_CRM_AI_STAFF")
        ]  # fmt: skip

    def _named(self, name: str) -> tuple[str, ...]:
        return tuple(str(s.id) for s in self.file.services if s.name in name.split(", "))

    def _phone(self, contact: int | None) -> str:
        row = self.portal.contacts.get(contact or 0)
        return str(row["fm"][0]["value"]) if row and row["fm"] else ""

    def book_elsewhere(self, staff: str, service: str, start: datetime) -> str:
        length = next(s.duration for s in self.file.services if s.id == service)
        return str(self.portal.put(staff, [service], start, start + length, None))

    def add_clients(self, count: int) -> None:
        for number in range(count):
            self.portal.add_contact(f"Гость {number}", f"8 (901) {number // 10000:03d}-{number % 10000:04d}")

    def revoke(self) -> None:
        self._revoked = True

    def expire_tokens(self) -> bool:
        if self.application:
            self._ended.add(self._access)
        return self.application

    def renewals(self) -> int:
        return self._renewals

    # --- tokens

    async def _token(self, request: Request) -> Response:
        query = dict(request.query_params)
        if query.get("client_id") != CLIENT or query.get("client_secret") != self._secret:
            return JSONResponse({"error": "invalid_client", "error_description": "Client not found"}, 400)
        if set(query) != {"grant_type", "client_id", "client_secret", "refresh_token"}:
            return JSONResponse({"error": "invalid_request"}, 400)
        if self._revoked or query["grant_type"] != "refresh_token" or query["refresh_token"] != self._refresh:
            return JSONResponse({"error": "invalid_grant", "error_description": "Invalid refresh token"}, 400)
        self._renewals += 1
        self._access, self._refresh = secrets.token_hex(12), secrets.token_hex(12)
        base = f"{request.url.scheme}://{request.url.netloc}"
        return JSONResponse(
            {
                "access_token": self._access, "expires": self.portal.unix() + 3600, "expires_in": 3600,
                "refresh_token": self._refresh, "client_endpoint": f"{base}/rest/", "server_endpoint": f"{base}/rest/",
                "member_id": self.member_id, "scope": "crm,booking,user,calendar", "status": "L", "user_id": 1,
                "domain": "oauth.bitrix24.tech",
            }
        )  # fmt: skip

    # --- calls

    async def _entry(self, request: Request) -> Response:
        if self.moved_to:
            return Response(status_code=302, headers={"location": self.moved_to + request.url.path})
        try:
            self._count()
            params = await self._params(request)
            method = self._authorised(request.path_params["path"], params)
            answer = await self._batch(params) if method == "batch" else await self._call(method, params)
        except Refusal as refusal:
            return JSONResponse(refusal.body, refusal.status)
        return JSONResponse(answer)

    def _count(self) -> None:
        """Drains two a second, blocks above fifty."""
        if self.bucket is None:
            return
        level, when = self.bucket
        now = time.monotonic()
        level = max(0.0, level - 2 * (now - when)) + 1
        if level > 51:
            self.cut_off += 1
            raise Refusal(503, "QUERY_LIMIT_EXCEEDED", "Too many requests")
        self.bucket = (level, now)

    async def _params(self, request: Request) -> Params:
        if request.method != "POST":
            raise Refusal(400, "SIM_METHOD", "calls are POST with JSON here")
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            raise Refusal(400, "SIM_CONTENT_TYPE", "Content-Type must be application/json")
        if "application/json" not in request.headers.get("accept", "") or not request.headers.get("user-agent"):
            raise Refusal(400, "SIM_HEADERS", "Accept and User-Agent are wanted")
        try:
            body = json.loads(await request.body() or b"{}")
        except ValueError:
            raise Refusal(400, "ERROR_ARGUMENT", "not JSON") from None
        return Params(body, loose=False)

    def _authorised(self, path: str, params: Params) -> str:
        if self.application:
            token = params.get("auth")
            if "/" in path or not token:
                raise Refusal(401, "NO_AUTH_FOUND", "Wrong authorization data")
            if token in self._ended:
                raise Refusal(401, "expired_token", "The access token provided has expired.")
            if self._revoked or token != self._access:
                raise Refusal(401, "NO_AUTH_FOUND", "Wrong authorization data")
            return path.removesuffix(".json")
        user, code, method = [*path.split("/"), "", ""][:3]
        if self._revoked or f"{user}/{code}" != self.webhook:
            raise Refusal(401, "NO_AUTH_FOUND", "Wrong authorization data")
        if "auth" in params.data:
            raise Refusal(400, "SIM_UNKNOWN_PARAMETER", "a webhook takes no auth")
        return method.removesuffix(".json")

    async def _call(self, method: str, params: Params) -> dict[str, Any]:
        for index, (pattern, refusal) in enumerate(self.refusals):
            if re.fullmatch(pattern, method):
                del self.refusals[index]
                raise refusal
        if method == "batch":  # inside a batch: the outer one does not come here
            raise Refusal(405, "ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage")
        happened: list[tuple[str, int]] = []
        if method.startswith("booking.v1.") and self.portal.booking_module:
            result, happened = self.booking.call(method.removeprefix("booking.v1."), params)
        elif method in ("event.bind", "event.unbind", "event.get"):
            result = self._handler(method, params)
        else:
            result, happened = self.crm.call(method, params)
        params.finished()
        for name, number in happened:
            await self._tell(name, number)
        beside = {}
        if isinstance(result, Paged):
            result, beside = result.result, result.beside
        return {"result": result, **beside, "time": self._time()}

    def _time(self) -> dict[str, Any]:
        now = self.portal.now().timestamp()
        return {
            "start": now, "finish": now, "duration": 0.01, "processing": 0.005, "date_start": self.portal.iso(),
            "date_finish": self.portal.iso(), "operating_reset_at": int(now) + 600, "operating": 0,
        }  # fmt: skip

    async def _batch(self, params: Params) -> dict[str, Any]:
        halt, commands = params.get("halt"), params.get("cmd")
        if not isinstance(commands, dict) or halt not in (0, 1, None):
            raise missing_cmd()
        if len(commands) > 50:
            raise Refusal(400, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded")
        params.finished()
        parts: dict[str, dict[str, Any]] = {"result": {}, "result_error": {}, "result_total": {}, "result_next": {},
                                            "result_time": {}}  # fmt: skip
        for name, command in commands.items():
            method, _, query = command.partition("?")
            try:
                answer = await self._call(method, Params(parsed_query(query), loose=True))
            except Refusal as refusal:
                parts["result_error"][name] = refusal.body
                continue
            parts["result"][name] = answer["result"]
            parts["result_time"][name] = answer["time"]
            for key, into in (("total", "result_total"), ("next", "result_next")):
                if key in answer:
                    parts[into][name] = answer[key]
        return {"result": {key: value or [] for key, value in parts.items()}, "time": self._time()}

    # --- events

    def _handler(self, method: str, params: Params) -> Any:
        if not self.application:
            raise Refusal(403, "WRONG_AUTH_TYPE", "Current authorization type is denied for this method")
        if method == "event.get":
            return [{"event": name, "handler": url, "auth_type": "0", "offline": 0} for name, url in self.handlers]
        name, url = str(params.get("event")), str(params.get("handler"))
        if not EVENTS.fullmatch(name):
            raise Refusal(400, "ERROR_EVENT_NOT_FOUND", "Event not found")
        if method == "event.unbind":
            before = len(self.handlers)
            self.handlers = [pair for pair in self.handlers if pair != (name, url)]
            return {"count": before - len(self.handlers)}
        if (name, url) in self.handlers:
            raise Refusal(400, "ERROR_EVENT_HANDLER_EXISTS", "Handler already binded")
        self.handlers.append((name, url))
        return True

    def event(self, name: str, number: int) -> bytes:
        """The form that the vendor posts; all values are text."""
        key = "data[FIELDS][ID]" if name.startswith("ONCRM") else "data[ID]"
        return urlencode(
            {
                "event": name, "event_handler_id": "7", key: str(number), "ts": str(self.portal.unix()),
                "auth[domain]": "salon.bitrix24.ru", "auth[member_id]": self.member_id,
                "auth[client_endpoint]": "https://salon.bitrix24.ru/rest/", "auth[status]": "L",
                "auth[application_token]": self.application_token,
            }
        ).encode()  # fmt: skip

    async def _tell(self, name: str, number: int) -> None:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        for wanted, url in list(self.handlers):
            if wanted != name:
                continue
            body = self.event(name, number)
            self.deliveries.append(Delivery(url, body, headers))
            if "/_sim/" not in url:
                async with httpx.AsyncClient(timeout=2.0) as http:
                    try:
                        await http.post(url, content=body, headers=headers)
                    except httpx.HTTPError:
                        continue  # the vendor drops what nobody takes


def missing_cmd() -> Refusal:
    return Refusal(400, 100, "Could not find value for parameter {cmd}")
