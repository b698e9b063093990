"""The HTTP side: keys, forms with JSON inside, bracketed filters, pages of 20, 50 or 100, ten requests a second."""

import json
import re
import secrets
import time
from collections import deque
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crm.company_yaml import CompanyFile
from tests.simulators.retailcrm.state import STATUSES, Account, Refusal
from tests.simulators.vendor.crm import Delivery, Held, Now
from tests.simulators.vendor.faults import FaultPlan, Faulty

ORDER_FILTERS = {
    "ids", "externalIds", "numbers", "customerId", "createdAtFrom", "createdAtTo", "deliveryDateFrom", "deliveryDateTo",
    "managerComment", "extendedStatus",
}  # fmt: skip
SCOPES = ["order_read", "order_write", "customer_read", "customer_write", "reference_read", "user_read"]


class RetailSimulator:
    booking_write = r"^POST /api/v5/orders/create\?"

    def __init__(self, file: CompanyFile, now: Now) -> None:
        self.account = Account(file, now)
        self.faults = FaultPlan()
        self.deliveries: list[Delivery] = []
        """None: only a person can make a trigger that calls us."""
        self.key = secrets.token_hex(16)
        self.sites = ["main"]
        self.scopes = list(SCOPES)
        self.enforce_limits = False
        """Off by nature: tests ask more than a salon."""
        self.unknown_filters: set[str] = set()
        """Filters that an older account has not."""
        self.statuses_as_list = False
        self._times: deque[float] = deque()
        self._revoked = False
        routes = [
            Route("/api/credentials", self._entry, methods=["GET"]),
            Route("/api/v5/{path:path}", self._entry, methods=["GET", "POST"]),
        ]
        self.app = Faulty(Starlette(routes=routes), self.faults)

    # --- what tests hold on to

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        mapping = {
            "staff": {member.id: str(number) for number, member in self.account.users.items()},
            "services": {service.id: str(number) for number, service in self.account.offers.items()},
        }
        return {"base_url": base_url, "map": mapping}, {"api_key": self.key}

    def service_id(self, key: str) -> str:
        return key

    def staff_id(self, key: str) -> str:
        return key

    def client_id(self, key: str) -> str:
        return str(self.account.clients[key])  # type: ignore[index]

    def bookings(self) -> list[Held]:
        account = self.account
        held = []
        for order in account.orders.values():
            delivery, staff = order.get("delivery", {}), account.staff_of(order)
            if not delivery.get("time") or not staff:
                continue
            start = datetime.fromisoformat(f"{delivery['date']} {delivery['time']['from']}").replace(
                tzinfo=account.file.zone
            )
            phones = account.customers[order["customer"]].get("phones") or [{"number": ""}]
            digits = "".join(ch for ch in phones[0]["number"] if ch.isdigit())
            held.append(
                Held(
                    str(order["id"]), staff, tuple(account.key_of(item) for item in order["items"]), start,
                    f"+7{digits[-10:]}" if digits else "", order.get("managerComment", ""),
                    STATUSES[order["status"]][1] == "cancel",
                )
            )  # fmt: skip
        return held

    def book_elsewhere(self, staff: str, service: str, start: datetime) -> str:
        return str(self.account.add_order(staff, [service], start, self.account.add_client("С улицы", "")))

    def add_clients(self, count: int) -> None:
        for number in range(count):
            self.account.add_client(f"Гость {number}", f"+7901{number:07d}")

    def revoke(self) -> None:
        self._revoked = True

    def expire_tokens(self) -> bool:
        return False

    def renewals(self) -> int:
        return 0

    # --- the door

    async def _entry(self, request: Request) -> Response:
        try:
            self._take_turn()
            self._authorise(request)
            if request.url.path == "/api/credentials":
                answer = {"scopes": self.scopes, "siteAccess": "access_selective", "sitesAvailable": self.sites}
                return JSONResponse({"success": True, "credentials": [], **answer})
            form = await self._form(request) if request.method == "POST" else {}
            return self._routed(request, request.method, request.path_params["path"], form)
        except Refusal as refusal:
            answer = {"success": False, "errorMsg": refusal.message}
            return JSONResponse(answer | ({"errors": refusal.errors} if refusal.errors else {}), refusal.status)

    def _take_turn(self) -> None:
        if not self.enforce_limits:
            return
        now = time.monotonic()
        while self._times and now - self._times[0] >= 1.0:
            self._times.popleft()
        if len(self._times) >= 10:
            raise Refusal(503, "API limit was exceeded. Please retry later.")
        self._times.append(now)

    def _authorise(self, request: Request) -> None:
        given = request.headers.get("x-api-key") or request.query_params.get("apiKey")
        if not given:
            raise Refusal(403, '"apiKey" is missing.')
        if given != self.key or self._revoked:
            raise Refusal(403, 'Wrong "apiKey" value.')

    async def _form(self, request: Request) -> dict[str, str]:
        if request.headers.get("content-type", "").split(";")[0] != "application/x-www-form-urlencoded":
            raise Refusal(400, "Content-Type")
        return dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))

    def _routed(self, request: Request, method: str, path: str, form: dict[str, str]) -> Response:
        account = self.account
        self._check_site(form.get("site") or request.query_params.get("site"), path)
        match method, path:
            case "GET", "reference/statuses":
                rows = {
                    code: {"code": code, "name": name, "group": group, "active": True, "ordering": 10 * n}
                    for n, (code, (name, group)) in enumerate(STATUSES.items())
                }
                return self._good({"statuses": list(rows.values()) if self.statuses_as_list else rows})
            case "GET", "users":
                users = [
                    {"id": n, "firstName": m.name, "active": True, "isManager": True, "email": f"{m.id}@example.ru"}
                    for n, m in account.users.items()
                ]
                return self._page(request, "users", users)
            case "GET", "customers":
                return self._page(request, "customers", self._found_customers(request))
            case "GET", "orders":
                return self._page(request, "orders", [self._order(row) for row in self._found_orders(request)])
            case "GET", "orders/history":
                return self._page(request, "history", self._found_history(request), {"generatedAt": account.stamp()})
            case "POST", "customers/create":
                return self._good({"id": account.create_customer(self._json(form, "customer"))}, 201)
            case "POST", "orders/create":
                number = account.create_order(self._json(form, "order"))
                return self._good({"id": number, "order": self._order(account.orders[number])}, 201)
        one = re.fullmatch(r"(orders|customers)/([^/]+)(/edit)?", path)
        if one is None or bool(one[3]) != (method == "POST"):
            raise Refusal(404, "Not found")
        rows = account.orders if one[1] == "orders" else account.customers
        by = (form if one[3] else request.query_params).get("by", "externalId")
        row = (
            next((r for r in rows.values() if str(r.get(by, "")) == one[2]), None)
            if by in ("id", "externalId")
            else None
        )
        if row is None:
            raise Refusal(404, "Not found")
        if one[3]:
            if one[1] != "orders":
                raise Refusal(404, "Not found")
            account.edit_order(row["id"], self._json(form, "order"))
            return self._good({"id": row["id"], "order": self._order(row)})
        return self._good({"order": self._order(row)} if one[1] == "orders" else {"customer": row})

    def _check_site(self, site: str | None, path: str) -> None:
        if site is None and len(self.sites) > 1 and path != "orders/history" and re.match(r"(orders|customers)/", path):
            raise Refusal(400, "Parameter 'site' is missing")
        if site is not None and site not in self.sites:
            raise Refusal(400, "Site is not found")

    def _json(self, form: dict[str, str], what: str) -> Any:
        if unknown := set(form) - {what, "by", "site"}:
            raise Refusal(400, f"Unknown parameters {sorted(unknown)}")
        if what not in form:
            raise Refusal(400, f"Parameter '{what}' is missing")
        try:
            return json.loads(form[what])
        except ValueError:
            raise Refusal(400, "Invalid JSON") from None

    # --- lists and shapes

    def _filters(self, request: Request, known: set[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for key, value in request.query_params.multi_items():
            if key in ("limit", "page", "apiKey", "site", "by"):
                continue
            name = re.fullmatch(r"filter\[(\w+)\](\[\])?", key)
            if name is None or name[1] not in known - self.unknown_filters:
                raise Refusal(
                    400, "Errors in the input parameters", {key: "This form should not contain extra fields."}
                )
            if bool(name[2]) != (name[1] in ("ids", "externalIds", "numbers", "extendedStatus")):
                raise Refusal(400, "Errors in the input parameters", {key: "This value is not valid."})
            found.setdefault(name[1], []).append(value)
        return found

    def _found_customers(self, request: Request) -> list[dict[str, Any]]:
        asked = self._filters(request, {"name", "email", "externalIds", "ids"})
        rows = list(self.account.customers.values())
        if "name" in asked:
            text = asked["name"][0].casefold()
            rows = [
                r for r in rows if text in " ".join([r["firstName"], r.get("lastName", ""), *_phones(r)]).casefold()
            ]
        if "ids" in asked:
            rows = [r for r in rows if str(r["id"]) in asked["ids"]]
        return rows

    def _found_orders(self, request: Request) -> list[dict[str, Any]]:
        asked = self._filters(request, ORDER_FILTERS)
        rows = list(self.account.orders.values())
        for name, values in asked.items():
            match name:
                case "ids":
                    rows = [r for r in rows if str(r["id"]) in values]
                case "externalIds" | "numbers":
                    rows = [r for r in rows if r.get(name.removesuffix("s")) in values]
                case "customerId":
                    rows = [r for r in rows if str(r.get("customer")) == values[0]]
                case "managerComment":
                    rows = [r for r in rows if values[0] in r.get("managerComment", "")]
                case "extendedStatus":
                    rows = [r for r in rows if r["status"] in values]
                case "deliveryDateFrom":
                    rows = [r for r in rows if r.get("delivery", {}).get("date", "") >= values[0]]
                case "deliveryDateTo":
                    rows = [r for r in rows if "" < r.get("delivery", {}).get("date", "") <= values[0]]
                case "createdAtFrom":
                    rows = [r for r in rows if r["createdAt"] >= values[0]]
                case "createdAtTo":
                    rows = [r for r in rows if r["createdAt"] <= values[0]]
        return rows

    def _found_history(self, request: Request) -> list[dict[str, Any]]:
        asked = self._filters(request, {"sinceId", "orderId", "startDate", "endDate"})
        since = int(asked.get("sinceId", ["0"])[0])
        rows = [entry for entry in self.account.history if entry["id"] > since]
        if "startDate" in asked:
            if not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", asked["startDate"][0]):
                raise Refusal(400, "Errors in the input parameters", {"filter[startDate]": "This value is not valid."})
            rows = [entry for entry in rows if entry["createdAt"] >= asked["startDate"][0]]
        return rows

    def _page(self, request: Request, what: str, rows: list[Any], more: dict[str, Any] | None = None) -> Response:
        limit, page = int(request.query_params.get("limit", 20)), int(request.query_params.get("page", 1))
        if limit not in (20, 50, 100) or page < 1:
            raise Refusal(
                400, "Errors in the input parameters", {"limit": "The value you selected is not a valid choice."}
            )
        pagination = {
            "limit": limit, "totalCount": len(rows), "currentPage": page,
            "totalPageCount": max(1, -(-len(rows) // limit)),
        }  # fmt: skip
        part = rows[(page - 1) * limit : page * limit]
        return self._good({"pagination": pagination, what: part, **(more or {})})

    def _order(self, row: dict[str, Any]) -> dict[str, Any]:
        customer = self.account.customers.get(row.get("customer", 0), {"id": 0, "firstName": ""})
        items = [
            {
                "id": row["id"] * 10 + n, "initialPrice": item["initialPrice"], "quantity": item["quantity"],
                "offer": ({"id": item["offer"]} if item["offer"] else {}) | {"displayName": item["productName"]},
                "productName": item["productName"], "status": "new", "prices": [], "properties": [],
            }
            for n, item in enumerate(row["items"])
        ]  # fmt: skip
        total = sum(item["initialPrice"] * item["quantity"] for item in row["items"])
        shown = {
            "customFields": [],
            "payments": [],
            **row,
            "customer": {"type": "customer", **customer},
            "items": items,
        }
        return {**shown, "summ": total, "totalSumm": total, "countryIso": "RU"}

    def _good(self, content: dict[str, Any], status: int = 200) -> Response:
        return JSONResponse({"success": True, **content}, status)


def _phones(row: dict[str, Any]) -> list[str]:
    """As typed, and digits alone."""
    typed = [phone["number"] for phone in row.get("phones", [])]
    return typed + ["".join(ch for ch in text if ch.isdigit()) for text in typed]
