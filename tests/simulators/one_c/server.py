"""The OData interface of one base, with its quirks: selective publication, sessions, silent losses, no locking."""

import base64
import json
import re
import secrets
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from core.phone import Phone
from crm.company_yaml import CompanyFile
from tests.simulators.one_c.configuration import BOOL, DATE, GUID, INT64, SALON, TEXT, Configuration, Set, edmx
from tests.simulators.one_c.filtering import BadFilter, compiled
from tests.simulators.vendor.crm import Delivery, Held, Now
from tests.simulators.vendor.faults import FaultPlan, Faulty

EMPTY_REF, EMPTY_DATE = "00000000-0000-0000-0000-000000000000", "0001-01-01T00:00:00"
SESSION_IDLE_S = 20.0
LOGIN = "Робот"
ROOT = "/salon/odata/standard.odata"
OPTIONS = {"$format", "$filter", "$select", "$orderby", "$top", "$skip", "$inlinecount"}
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_KEYED = re.compile(r"(?P<set>[^()/]+)\(guid'(?P<ref>[0-9a-fA-F-]{36})'\)(?:/(?P<action>\w+)(?P<brackets>\(\))?)?")


class Refusal(Exception):
    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        error = {"odata.error": {"code": code, "message": {"lang": "ru", "value": text}}}
        self.reply = JSONResponse(error, status, media_type="application/json;odata=minimalmetadata")


class OneCSimulator:
    booking_write = r"^POST .*/Document_[^/(]+\?"

    def __init__(self, file: CompanyFile, now: Now, configuration: Configuration = SALON) -> None:
        self.file = file
        self.now = now
        self.base = configuration
        self.roles = configuration.roles
        self.faults = FaultPlan()
        self.deliveries: list[Delivery] = []
        self.tables: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in configuration.sets}
        self.hidden: set[str] = set()
        """Sets that the administrator has not published."""
        self.sessions: dict[str, float] = {}
        """Cookie to when it was last used, monotonic seconds; one idle for 20 s is gone, as is usual."""
        self.most_sessions = 16
        self.post_with_brackets = False
        self.may_post = True
        self.refuses_writes = False
        self.sessions_seen = 0
        self._password = secrets.token_urlsafe(9)
        self._revoked = False
        self._number = 0
        self.phone_kind = self._add("Catalog_ВидыКонтактнойИнформации", {"Description": "Телефон"})
        r = self.roles
        self._add(r.staff, {"Description": "Администраторы", "IsFolder": True})
        self.staff_refs = {m.id: self._add(r.staff, {"Description": m.name}) for m in file.staff}
        self.service_refs = {s.id: self._add(r.services, {"Description": s.name}) for s in file.services}
        self.client_refs = {c.id: self._add_client(c.name, c.phone.e164 if c.phone else "") for c in file.clients}
        for booking in file.bookings:
            client = self.client_refs.get(booking.client_id) if booking.client_id else None
            self._add_visit(booking.staff_id, list(booking.service_ids), booking.start, booking.end, client)
        routes = [Route(ROOT + "/{path:path}", self._entry, methods=["GET", "POST", "PATCH", "DELETE", "PUT"])]
        self.app = Faulty(Starlette(routes=routes), self.faults)

    # --- what tests hold on to

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        return (
            {
                "base_url": f"{base_url}/salon", "login": LOGIN,
                "map": {"staff": dict(self.staff_refs), "services": dict(self.service_refs)},
            },
            {"password": self._password},
        )  # fmt: skip

    def service_id(self, key: str) -> str:
        return key

    def staff_id(self, key: str) -> str:
        return key

    def client_id(self, key: str) -> str:
        return self.client_refs[key]  # type: ignore[index]

    def bookings(self) -> list[Held]:
        r = self.roles
        staff = {ref: key for key, ref in self.staff_refs.items()}
        services = {ref: key for key, ref in self.service_refs.items()}
        held = []
        for row in self.tables[r.visit].values():
            if row[r.master] not in staff:
                continue
            client = self.tables[r.clients].get(row[r.client])
            phone = self._phone(client) if client else ""
            held.append(
                Held(
                    row["Ref_Key"], staff[row[r.master]],
                    tuple(services[line[r.part_service]] for line in row[r.part]),
                    datetime.fromisoformat(row[r.start]).replace(tzinfo=self.file.zone), phone, row[r.comment],
                    row["DeletionMark"],
                )
            )  # fmt: skip
        return held

    def book_elsewhere(self, staff: str, service: str, start: datetime) -> str:
        known = next(s for s in self.file.services if s.id == service)
        offer = next((o for o in known.offers if o.staff_id == staff), None)
        length = offer.duration if offer else known.duration
        return self._add_visit(staff, [service], start, start + length, None)

    def add_clients(self, count: int) -> None:
        for number in range(count):
            digits = f"7901{number:07d}"
            shown = f"8 ({digits[1:4]}) {digits[4:7]}-{digits[7:9]}-{digits[9:]}"
            self._add_client(f"Гость {number}", shown, digits if number % 2 else "")

    def revoke(self) -> None:
        self._revoked = True

    def expire_tokens(self) -> bool:
        return False

    def renewals(self) -> int:
        return 0

    def drop_sessions(self) -> None:
        self.sessions.clear()

    # --- state

    def _default(self, kind: str) -> Any:
        return {GUID: EMPTY_REF, TEXT: "", BOOL: False, DATE: EMPTY_DATE, INT64: "0"}.get(kind, 0)

    def _add(self, name: str, values: dict[str, Any]) -> str:
        shape, ref = self.base.sets[name], str(uuid4())
        row = {field: self._default(kind) for field, kind in shape.fields.items()}
        self._number += 1
        row |= {"Ref_Key": ref, "DataVersion": self._version()}
        row["Number" if shape.is_document else "Code"] = f"{self._number:09d}"
        row |= {part: [] for part in shape.parts}
        self.tables[name][ref] = {**row, **values}
        return ref

    def _version(self) -> str:
        return base64.b64encode(secrets.token_bytes(8)).decode()

    def _add_client(self, name: str, shown: str, digits: str | None = None) -> str:
        lines = []
        if shown:
            digits = shown.removeprefix("+") if digits is None else digits
            lines = [
                {"LineNumber": "1", "Тип": "Адрес", "Вид_Key": EMPTY_REF, "Представление": "Москва, 101",
                 "НомерТелефона": "", "АдресЭП": ""},
                {"LineNumber": "2", "Тип": "Телефон", "Вид_Key": self.phone_kind, "Представление": shown,
                 "НомерТелефона": digits, "АдресЭП": ""},
            ]  # fmt: skip
        return self._add(self.roles.clients, {"Description": name, self.roles.contacts: lines})

    def _phone(self, client: dict[str, Any]) -> str:
        for line in client[self.roles.contacts]:
            if line["Тип"] == "Телефон":
                phone = Phone.parse(line["НомерТелефона"] or line["Представление"])
                return phone.e164 if phone else ""
        return ""

    def _add_visit(self, staff: str, services: list[str], start: datetime, end: datetime, client: str | None) -> str:
        r, zone = self.roles, self.file.zone
        values: dict[str, Any] = {
            "Date": _wall(self.now(), zone), r.start: _wall(start, zone), r.master: self.staff_refs[staff],  # type: ignore[index]
            r.client: client or EMPTY_REF, "Posted": r.posts,
            r.part: [
                {"LineNumber": str(n), r.part_service: self.service_refs[s], "Количество": 1, "Цена": 0, "Сумма": 0}  # type: ignore[index]
                for n, s in enumerate(services, 1)
            ],
        }  # fmt: skip
        if not r.client.endswith("_Key"):
            values[f"{r.client}_Type"] = f"StandardODATA.{r.clients}"
        if r.end:
            values[r.end] = _wall(end, zone)
        if r.minutes:
            values[r.minutes] = str(int((end - start) / timedelta(minutes=1)))
        return self._add(r.visit, values)

    # --- the door

    async def _entry(self, request: Request) -> Response:
        expected = base64.b64encode(f"{LOGIN}:{self._password}".encode()).decode()
        if self._revoked or request.headers.get("authorization") != f"Basic {expected}":
            page = "<html><body>401 - Unauthorized: Access is denied</body></html>"
            return HTMLResponse(page, 401, headers={"WWW-Authenticate": 'Basic realm="1C"'})
        try:
            cookie = self._session(request)
            _check_encoding(request)
            reply = await self._routed(request, unquote(request.path_params["path"]), _query(request))
        except Refusal as refusal:
            return refusal.reply
        except BadFilter as bad:
            return Refusal(400, "1", f"Ошибка при разборе опции запроса $filter: {bad}").reply
        if cookie:
            reply.headers["Set-Cookie"] = f"ibsession={cookie}; path=/salon"
        return reply

    def _session(self, request: Request) -> str:
        """The cookie of a session that begins with this request; empty: none does."""
        wish, cookie = request.headers.get("ibsession", ""), request.cookies.get("ibsession", "")
        if wish not in ("", "start", "finish"):
            raise Refusal(400, "1", "IBSession")
        moment = time.monotonic()
        self.sessions = {key: used for key, used in self.sessions.items() if moment - used < SESSION_IDLE_S}
        if cookie:
            if cookie not in self.sessions:  # answered in three ways, as found in the field
                self.sessions_seen += 1
                raise Refusal((400, 404, 500)[self.sessions_seen % 3], "-1", "Сеанс работы завершен администратором")
            self.sessions[cookie] = moment
            if wish == "finish":
                del self.sessions[cookie]
            return ""
        if wish == "start":
            if len(self.sessions) >= self.most_sessions:
                raise Refusal(406, "-1", "Не удалось начать сеанс: превышено число лицензий")
            self.sessions[made := secrets.token_hex(16)] = moment
            return made
        return ""

    async def _routed(self, request: Request, path: str, query: dict[str, str]) -> Response:
        method = request.method
        if method == "GET" and path == "$metadata":
            return Response(edmx(self.base), media_type="application/xml")
        keyed = _KEYED.fullmatch(path)
        if set(query) - OPTIONS - {"PostingModeOperational"}:
            raise Refusal(400, "1", f"unknown option {sorted(query)}")
        if not (keyed and keyed["action"]) and query.get("$format") not in ("json", "json;odata=nometadata"):
            return Response("<feed xmlns='http://www.w3.org/2005/Atom'/>", media_type="application/atom+xml")
        if method == "GET" and path == "":
            names = [name for name in self.base.sets if name not in self.hidden]
            return _json({"odata.metadata": f"{ROOT}/$metadata", "value": [{"name": n, "url": n} for n in names]})
        if keyed:
            shape = self._shape(keyed["set"])
            row = self.tables[shape.name].get(keyed["ref"].lower())
            if row is None:
                raise Refusal(404, "9", "Экземпляр сущности не найден")
            if method == "POST" and keyed["action"]:
                return self._act(shape, row, keyed["action"], bool(keyed["brackets"]), query)
            if method == "GET" and not keyed["action"]:
                return _json({"odata.metadata": "…", **row})
            if method == "PATCH" and not keyed["action"]:
                return await self._change(request, shape, row)
            raise Refusal(405, "-1", "method")
        owner, _, part = self._part_of(path)
        if method == "GET":
            if owner is not None:
                return self._list(self._part_rows(owner, part), self._part_fields(owner, part), query)
            shape = self._shape(path)
            return self._list(list(self.tables[shape.name].values()), self._all_fields(shape), query)
        if method == "POST":
            if owner is not None:
                raise Refusal(400, "13", "Строки табличной части создаются вместе с объектом")
            return await self._create(request, self._shape(path))
        raise Refusal(405, "-1", "method")

    def _shape(self, name: str) -> Set:
        if name not in self.base.sets or name in self.hidden:
            raise Refusal(404, "8", f"Тип сущности не найден: {name}")
        return self.base.sets[name]

    def _part_of(self, path: str) -> tuple[Set | None, str, str]:
        for shape in self.base.sets.values():
            for part in shape.parts:
                if path == f"{shape.name}_{part}" and path not in self.hidden and shape.name not in self.hidden:
                    return shape, path, part
        return None, path, ""

    def _part_rows(self, shape: Set, part: str) -> list[dict[str, Any]]:
        return [
            {"Ref_Key": row["Ref_Key"], **line} for row in self.tables[shape.name].values() for line in row[part]
        ]  # fmt: skip

    def _part_fields(self, shape: Set, part: str) -> dict[str, str]:
        return {"Ref_Key": GUID, **shape.parts[part].fields}

    def _all_fields(self, shape: Set) -> dict[str, str]:
        return dict(shape.fields)

    def _list(self, rows: list[dict[str, Any]], fields: Mapping[str, str], query: dict[str, str]) -> Response:
        if "$filter" in query:
            wanted = compiled(query["$filter"], fields)
            rows = [row for row in rows if wanted(row)]
        if "$orderby" in query:
            for item in reversed(query["$orderby"].split(",")):
                name, _, direction = item.strip().partition(" ")
                if name not in fields or direction not in ("", "asc", "desc"):
                    raise Refusal(400, "1", "$orderby")
                rows = sorted(rows, key=lambda row: str(row[name]), reverse=direction == "desc")
        else:  # the base promises no order: pages without $orderby repeat and lose rows
            rows = sorted(rows, key=lambda row: secrets.token_bytes(4))
        total = len(rows)
        for option in ("$top", "$skip"):
            if option in query and not query[option].isdigit():
                raise Refusal(400, "1", option)
        skip = int(query.get("$skip", 0))
        rows = rows[skip : skip + int(query["$top"])] if "$top" in query else rows[skip:]
        if "$select" in query:
            names = query["$select"].split(",")
            if unknown := [name for name in names if name not in fields]:
                raise Refusal(400, "1", f"$select: {unknown}")
            rows = [{name: row[name] for name in names} for row in rows]
        found: dict[str, Any] = {"odata.metadata": f"{ROOT}/$metadata", "value": rows}
        if query.get("$inlinecount") == "allpages":
            found["odata.count"] = str(total)
        return _json(found)

    # --- writes

    async def _body(self, request: Request) -> dict[str, Any]:
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            raise Refusal(400, "1", "Content-Type")
        try:
            body = json.loads(await request.body())
        except ValueError:
            raise Refusal(500, "-1", "Ошибка при чтении JSON") from None
        if not isinstance(body, dict):
            raise Refusal(500, "-1", "объект JSON")
        if self.refuses_writes:
            raise Refusal(500, "-1", "{Документ.Модуль(17)}: Запись на это время запрещена")
        return body

    async def _create(self, request: Request, shape: Set) -> Response:
        values = self._taken(shape, await self._body(request))
        ref = self._add(shape.name, values)
        return _json({"odata.metadata": "…", **self.tables[shape.name][ref]}, 201)

    async def _change(self, request: Request, shape: Set, row: dict[str, Any]) -> Response:
        values = self._taken(shape, await self._body(request))
        if row.get("Posted") and set(values) & {"DeletionMark", "Date", self.roles.start}:
            raise Refusal(500, "-1", "Документ проведен: сначала отмените проведение")
        row.update(values)
        row["DataVersion"] = self._version()
        return _json({"odata.metadata": "…", **row})

    def _taken(self, shape: Set, body: dict[str, Any]) -> dict[str, Any]:
        """What the base takes of a body: unknown fields and numbers for Int64 vanish, long texts are cut."""
        if "Posted" in body:
            raise Refusal(500, "-1", "Проведение выполняется методом Post")
        found: dict[str, Any] = {}
        for name, value in body.items():
            if name in shape.parts:
                found[name] = self._lines(shape, name, value)
            elif name in shape.fields and name not in ("Ref_Key", "DataVersion"):
                ok, taken = self._value(shape.fields[name], value)
                if ok:
                    found[name] = taken[: shape.cut[name]] if name in shape.cut else taken
        return found

    def _lines(self, shape: Set, part: str, value: Any) -> list[dict[str, Any]]:
        if not isinstance(value, list):
            raise Refusal(400, "1", part)
        fields, lines = shape.parts[part].fields, []
        for number, row in enumerate(value, 1):
            if "LineNumber" not in row or not isinstance(row["LineNumber"], str):
                raise Refusal(500, "-1", "Внутренняя ошибка: номер строки")
            if row["LineNumber"] != str(number):
                raise Refusal(400, "-1", "Номера строк идут с единицы")
            line = {name: self._default(kind) for name, kind in fields.items()}
            for name, given in row.items():
                if name in fields:
                    ok, taken = self._value(fields[name], given)
                    line |= {name: taken} if ok else {}
            lines.append(line)
        return lines

    def _value(self, kind: str, value: Any) -> tuple[bool, Any]:
        match kind:
            case "Edm.Guid":
                if not isinstance(value, str) or not _GUID.fullmatch(value):
                    raise Refusal(400, "1", "Невозможно разобрать значение типа Edm.Guid")
                return True, value.lower()
            case "Edm.DateTime":
                if not isinstance(value, str) or not _DATE.fullmatch(value):
                    raise Refusal(400, "1", "Невозможно разобрать значение типа Edm.DateTime")
                return True, value
            case "Edm.Int64":
                return isinstance(value, str) and value.lstrip("-").isdigit(), value
            case "Edm.Boolean":
                return isinstance(value, bool), value
            case "Edm.String":
                return isinstance(value, str), value
        return isinstance(value, int | float) and not isinstance(value, bool), value

    def _act(self, shape: Set, row: dict[str, Any], action: str, brackets: bool, query: dict[str, str]) -> Response:
        if not shape.is_document or action not in ("Post", "Unpost"):
            raise Refusal(400, "1", action)
        if brackets != self.post_with_brackets:
            raise Refusal(404, "8", "Метод не найден")
        if not self.may_post:
            raise Refusal(500, "-1", "Недостаточно прав")
        if action == "Post" and query.get("PostingModeOperational") not in ("true", "false"):
            raise Refusal(400, "1", "PostingModeOperational")
        row["Posted"] = action == "Post"
        row["DataVersion"] = self._version()
        return _json({"odata.metadata": "…", **row})


def _json(content: Any, status: int = 200) -> Response:
    return Response(
        json.dumps(content, ensure_ascii=False),
        status,
        media_type="application/json;odata=minimalmetadata;charset=utf-8",
    )


def _check_encoding(request: Request) -> None:
    if not request.scope["raw_path"].isascii() or not request.url.query.isascii():
        raise Refusal(400, "1", "address is not percent-encoded")


def _query(request: Request) -> dict[str, str]:
    """Percent-decoded; a plus is a plus here, so a filter with pluses for spaces cannot be read."""
    found = {}
    for pair in request.url.query.split("&") if request.url.query else []:
        name, _, value = pair.partition("=")
        found[unquote(name)] = unquote(value)
    return found


def _wall(at: datetime, zone: Any) -> str:
    return at.astimezone(zone).replace(tzinfo=None).isoformat(timespec="seconds")
