"""The HTTP side: one encoding, one `Accept`, keys, the basket of 45 units, lists, shapes, webhooks."""

import base64
import gzip
import json
import re
import secrets
import time
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crm.company_yaml import CompanyFile
from tests.simulators.moysklad.filters import WrongFilter, chosen
from tests.simulators.moysklad.state import MOSCOW, ROOT, Account, Refusal, wall
from tests.simulators.vendor.crm import Delivery, Held, Now
from tests.simulators.vendor.faults import FaultPlan, Faulty

UNITS, WINDOW_S, WEIGHT, MOST_PARALLEL = 45, 3.0, 4, 5
REFERENCES = {"organization": "organization", "agent": "counterparty"}


class MoyskladSimulator:
    booking_write = r"^POST /api/remap/1\.2/entity/customerorder\?"

    def __init__(self, file: CompanyFile, now: Now) -> None:
        self.account = Account(file, now)
        self.now = now
        self.faults = FaultPlan()
        self.deliveries: list[Delivery] = []
        self.login, self.password, self.token = "admin@myata", secrets.token_hex(6), secrets.token_hex(12)
        self.administrator = True
        self.enforce_limits = False
        """Off by nature: tests ask more than a salon."""
        self.warns = True
        """How much is left stands in every answer, not only in the refusal."""
        self.parallel_changes = 0
        """So many of the next PUTs meet somebody else's change."""
        self.compresses = True
        """"In rare cases" the vendor does not."""
        self._revoked = False
        self._window = 0.0
        self._left = UNITS
        self._parallel = 0
        routes = [Route(f"{ROOT}/{{path:path}}", self._entry, methods=["GET", "POST", "PUT", "DELETE"])]
        self.app = Faulty(Starlette(routes=routes), self.faults)

    # --- what tests hold on to

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        mapping = {"staff": self.account.employees, "services": self.account.services}
        return {"base_url": base_url, "map": mapping}, {"token": self.token}

    def service_id(self, key: str) -> str:
        return key

    def staff_id(self, key: str) -> str:
        return key

    def client_id(self, key: str) -> str:
        return self.account.clients[key]  # type: ignore[index]

    def bookings(self) -> list[Held]:
        account = self.account
        staff = {number: key for key, number in account.employees.items()}
        services = {number: key for key, number in account.services.items()}
        held = []
        for order in account.rows["customerorder"].values():
            master = order["attributes"].get(account.master, {}).get("value")
            if "deliveryPlannedMoment" not in order or not master:
                continue
            state = account.states.get(order["state"], {}).get("stateType")
            phone = "".join(ch for ch in account.rows["counterparty"][order["agent"]].get("phone", "") if ch.isdigit())
            held.append(
                Held(
                    order["id"], staff[master], tuple(services[p["assortment"]] for p in order["positions"]),
                    datetime.fromisoformat(order["deliveryPlannedMoment"]).replace(tzinfo=MOSCOW),
                    f"+7{phone[-10:]}" if phone else "", order["description"], state == "Unsuccessful",
                )
            )  # fmt: skip
        return held

    def book_elsewhere(self, staff: str, service: str, start: datetime) -> str:
        return self.account.add_order(staff, [service], start, self.account.add_client("С улицы", ""))

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
        self._parallel += 1
        try:
            if request.headers.get("accept-encoding", "").strip() != "gzip":
                return Response(status_code=415)
            self._take_units()
            self._authorise(request)
            self.account.base = str(request.base_url).rstrip("/") + ROOT
            return self._answer(await self._routed(request, request.method, request.path_params["path"].strip("/")))
        except Refusal as refusal:
            more = f"https://dev.moysklad.ru/doc/api/remap/1.2/#error_{refusal.code}"
            error = {"error": refusal.text, "code": refusal.code, "moreInfo": more}
            return self._answer({"errors": [error]}, refusal.status)
        except WrongFilter as wrong:
            return self._answer({"errors": [{"error": str(wrong), "code": 1034, "parameter": "filter"}]}, 400)
        finally:
            self._parallel -= 1

    def _take_units(self) -> None:
        if not self.enforce_limits:
            return
        if self._parallel > MOST_PARALLEL:
            raise Refusal(429, 1073, "Превышено ограничение на одновременное количество запросов")
        if time.monotonic() - self._window >= WINDOW_S:
            self._window, self._left = time.monotonic(), UNITS
        if self._left < WEIGHT:
            raise Refusal(429, 1049, "Превышено ограничение на количество запросов")
        self._left -= WEIGHT

    def _authorise(self, request: Request) -> None:
        basic = base64.b64encode(f"{self.login}:{self.password}".encode()).decode()
        if self._revoked or request.headers.get("authorization") not in (f"Bearer {self.token}", f"Basic {basic}"):
            raise Refusal(401, 1056, "Ошибка аутентификации: неправильный пароль или имя пользователя")
        if request.headers.get("accept", "application/json;charset=utf-8") != "application/json;charset=utf-8":
            raise Refusal(400, 1062, "Неверное значение заголовка 'Accept'")

    async def _body(self, request: Request) -> Any:
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            raise Refusal(415, None, "Content-Type")
        try:
            return json.loads(await request.body())
        except ValueError:
            raise Refusal(400, 2001, "Ошибка формата: некорректный JSON") from None

    async def _routed(self, request: Request, method: str, path: str) -> Any:
        account = self.account
        match method, path:
            case "GET", "entity/customerorder/metadata":
                states = [self._shown_state(state) for state in account.states.values()]
                return {"meta": {"href": f"{account.base}/{path}", "mediaType": "application/json"}, "states": states}
            case "GET", "entity/customerorder/metadata/attributes":
                return self._page(
                    request, "attributemetadata", [self._shown_attribute(a) for a in account.attributes.values()]
                )
            case "POST", "entity/customerorder/metadata/attributes":
                if not self.administrator:
                    raise Refusal(403, 1016, "Нет прав на создание доп. полей")
                return [self._shown_attribute(a) for a in account.new_attributes(await self._body(request))]
        one = re.fullmatch(r"entity/([a-z]+)(?:/([0-9a-f-]{36}))?", path)
        if one is None or one[1] not in account.rows:
            raise Refusal(404, 1002, "Неизвестный тип")
        kind, number = one[1], one[2]
        if method == "GET" and not number:
            return self._list(request, kind)
        if method == "GET":
            row = account.rows[kind].get(number)
            if row is None:
                raise Refusal(404, 1021, "Объект не найден")
            return self._shown(kind, row, "positions" in request.query_params.get("expand", "").split(","))
        if kind not in ("counterparty", "customerorder", "webhook") or (kind == "webhook" and not self.administrator):
            raise Refusal(403, 1016, "Нет прав")
        if method == "DELETE" and number:
            account.delete(kind, number)
            await self._tell(kind, number, "DELETE")
            return None
        if (method == "POST") == bool(number):
            raise Refusal(405, None, "POST создаёт, PUT изменяет")
        if number and self.parallel_changes > 0:
            self.parallel_changes -= 1
            raise Refusal(412, 1065, "Объект был изменён или удалён параллельно")
        row, changed = account.write(kind, await self._body(request), number or "")
        if changed and kind != "webhook":
            await self._tell(kind, row["id"], "UPDATE" if number else "CREATE")
        return self._shown(kind, row, expanded=False)

    # --- lists and shapes

    def _list(self, request: Request, kind: str) -> dict[str, Any]:
        query = request.query_params
        if unknown := set(query) - {"filter", "search", "limit", "offset", "order", "expand"}:
            raise Refusal(400, 1084, f"Неизвестный параметр {sorted(unknown)}")
        there = [row for row in self.account.rows[kind].values() if row["id"] not in self.account.binned]
        plain = [self._with_references(kind, row) for row in there]
        found = [row for row in chosen(kind, plain, query.get("filter", "")) if _is_like(row, query.get("search", ""))]
        order = query.get("order", "")
        if order:
            name, _, direction = order.partition(",")
            if name not in ("updated", "created", "name", "moment", "id") or direction not in ("", "asc", "desc"):
                raise Refusal(400, 1063, "Ошибка сортировки")
            found.sort(key=lambda row: row[name], reverse=direction == "desc")
        expanded = query.get("expand") == "positions" and int(query.get("limit", 1000)) <= 100
        return self._page(
            request, kind, [self._shown(kind, self.account.rows[kind][row["id"]], expanded) for row in found]
        )

    def _page(self, request: Request, kind: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        limit, offset = (int(request.query_params.get(k, d)) for k, d in (("limit", 1000), ("offset", 0)))
        if not 1 <= limit <= 1000 or offset < 0:
            raise Refusal(400, 1084, "limit, offset")
        meta = {
            "href": str(request.url.replace(query="")), "type": kind, "mediaType": "application/json",
            "size": len(rows), "limit": limit, "offset": offset,
        }  # fmt: skip
        if offset + limit < len(rows):
            meta["nextHref"] = str(request.url.include_query_params(offset=offset + limit))
        context = {"employee": {"meta": self._meta("employee", "", "/context/employee")}}
        return {"context": context, "meta": meta, "rows": rows[offset : offset + limit]}

    def _meta(self, kind: str, number: str, path: str = "") -> dict[str, Any]:
        return {
            "href": f"{self.account.base}{path or f'/entity/{kind}/{number}'}",
            "type": kind,
            "mediaType": "application/json",
        }

    def _with_references(self, kind: str, row: dict[str, Any]) -> dict[str, Any]:
        shown = {key: value for key, value in row.items() if value != ""}
        for key, target in REFERENCES.items():
            if kind == "customerorder":
                shown[key] = {"meta": self._meta(target, row[key])}
        return shown

    def _shown(self, kind: str, row: dict[str, Any], expanded: bool) -> dict[str, Any]:
        meta = self._meta(kind, row["id"])
        shown = {"meta": meta, "accountId": self.account.id, **self._with_references(kind, row)}
        if kind != "customerorder":
            return shown
        values = [self._shown_value(number, item["value"]) for number, item in row["attributes"].items()]
        shown["attributes"] = [value for value in values if value is not None]
        if not shown["attributes"]:
            del shown["attributes"]
        if row["state"]:
            shown["state"] = {"meta": self._meta("state", "", f"/entity/customerorder/metadata/states/{row['state']}")}
        positions: dict[str, Any] = {
            "meta": {**self._meta("customerorderposition", "", f"/entity/customerorder/{row['id']}/positions"),
                     "size": len(row["positions"]), "limit": 1000, "offset": 0}
        }  # fmt: skip
        if expanded:
            positions["rows"] = [
                {**item, "assortment": {"meta": self._meta("service", item["assortment"])}} for item in row["positions"]
            ]
        total = sum(item["price"] * item["quantity"] for item in row["positions"])
        return {**shown, "positions": positions, "sum": total, "applicable": True, "payedSum": 0.0}

    def _shown_value(self, number: str, value: Any) -> dict[str, Any] | None:
        if value is None:
            return None
        attribute = self._shown_attribute(self.account.attributes[number])
        if attribute["type"] == "employee":
            value = {"meta": self._meta("employee", value), "name": self.account.rows["employee"][value]["name"]}
        elif attribute["type"] == "time":
            value = f"{value}.000"
        return {
            "meta": attribute["meta"],
            "id": number,
            "name": attribute["name"],
            "type": attribute["type"],
            "value": value,
        }

    def _shown_attribute(self, attribute: dict[str, Any]) -> dict[str, Any]:
        path = f"/entity/customerorder/metadata/attributes/{attribute['id']}"
        return {"meta": self._meta("attributemetadata", "", path), **attribute}

    def _shown_state(self, state: dict[str, Any]) -> dict[str, Any]:
        return {"meta": self._meta("state", "", f"/entity/customerorder/metadata/states/{state['id']}"), **state}

    def _answer(self, content: Any, status: int = 200) -> Response:
        body = b"" if content is None else json.dumps(content, ensure_ascii=False).encode()
        reset_ms = max(0, int((self._window + WINDOW_S - time.monotonic()) * 1000)) if self.enforce_limits else 0
        headers = {
            "content-type": "application/json;charset=utf-8", "x-ratelimit-limit": str(UNITS // WEIGHT),
            "x-ratelimit-remaining": str(self._left // WEIGHT), "x-lognex-retry-timeinterval": f"{WINDOW_S * 1000:.0f}",
            "x-lognex-reset": str(reset_ms), "x-lognex-retry-after": str(reset_ms),
        }  # fmt: skip
        if not self.warns and status != 429:
            headers = {"content-type": headers["content-type"]}
        if self.compresses and body:
            body = gzip.compress(body, 1)
            headers["content-encoding"] = "gzip"
        return Response(body, status, headers=headers)

    # --- webhooks

    async def _tell(self, kind: str, number: str, action: str) -> None:
        event = {"meta": self._meta(kind, number), "action": action, "accountId": self.account.id}
        context = {"meta": self._meta("audit", "", f"/audit/{uuid4()}"), "moment": wall(self.now()), "uid": self.login}
        body = json.dumps({"auditContext": context, "events": [event]}).encode()
        for hook in list(self.account.rows["webhook"].values()):
            if (hook["entityType"], hook["action"]) != (kind, action):
                continue
            query = {"requestId": str(uuid4())}
            headers = {"content-type": "application/json"}
            self.deliveries.append(Delivery(hook["url"], body, headers, query))
            if "/_sim/" in hook["url"]:
                continue
            async with httpx.AsyncClient(timeout=1.5) as http:
                for _ in range(4):  # three more at once, then dropped for ever
                    try:
                        answer = await http.post(hook["url"], params=query, content=body, headers=headers)
                    except httpx.HTTPError:
                        continue
                    if answer.status_code in (200, 204):
                        break


def _is_like(row: dict[str, Any], text: str) -> bool:
    """Every word asked for begins some word of the row's main fields."""
    have = (
        " ".join(str(row.get(name, "")) for name in ("name", "phone", "email", "description", "code"))
        .casefold()
        .split()
    )
    return all(any(word.startswith(wanted) for word in have) for wanted in text.casefold().split())
