"""The wire of the standard OData interface: Basic auth, sessions, pages, and what 1C's answers mean."""

import asyncio
import base64
import time
from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import InvalidInput, Unavailable
from core.outside_http import AccessDenied, Kind, Malformed, OutcomeUnknown, Reply, VendorHttp, VendorProfile
from core.rate_limits import Limit
from crm.adapters.one_c import odata
from crm.adapters.one_c.sessions import MOST, Session, Sessions
from crm.vendor.adapter import AdapterTools, Connection
from crm.vendor.parsing import Record, records

PAGE = 500
MOST_PAGES = 400
LIMITS = (Limit(10, 1.0),)
"""1C documents none; sessions are what is scarce. This only keeps a fault of ours from flooding a salon's server."""
METADATA_BYTES = 48 * 1024 * 1024
"""Large configurations describe themselves in tens of megabytes."""
METADATA_S = 60.0
KEYS_RU = "Проверьте логин и пароль пользователя 1С в настройках подключения и разрешён ли ему вход."
RIGHTS_RU = "Дайте пользователю 1С, под которым подключён AI-Admin, права на клиентов, сотрудников и документ записи."
PUBLISH_RU = (
    "Опубликуйте объект {name} в 1С: Администрирование → Синхронизация данных → "
    "«Настройка автоматического REST-сервиса» (состав стандартного интерфейса OData), затем повторите."
)


class RefusedWrite(Exception):
    """1C itself refused: 4xx, or 500 with its own error object. The transaction was rolled back.

    `certain` False: a 500; look before believing it. `resumed`: perhaps only the kept session was dead.
    """

    def __init__(self, status: int, code: str, *, certain: bool, resumed: bool = False) -> None:
        super().__init__(f"http {status} code {code}")
        self.status = status
        self.code = code
        self.certain = certain
        self.resumed = resumed


def basic(connection: Connection) -> str:
    """The login may be Cyrillic: UTF-8 before base64 (RFC 7617). Raises InvalidInput for a colon in the login."""
    login = connection.setting("login")
    if ":" in login:
        raise InvalidInput("login: a 1C login for programs must have no colon; rename the user")
    pair = f"{login}:{connection.secrets.get('password', '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


class Wire:
    def __init__(self, connection: Connection, tools: AdapterTools) -> None:
        base = tools.guard.check_url(connection.setting("base_url"), "base_url")
        self.base = base.split("/odata/")[0].rstrip("/")
        self._timings = tools.timings
        keep = connection.setting("sessions", "yes").casefold() not in ("no", "нет", "false", "0")
        self._sessions = Sessions(enabled=keep)
        profile = VendorProfile(
            name="one_c",
            base_url=self.base + odata.ROOT,
            limit_key=self.base,
            limits=LIMITS,
            headers={"Authorization": basic(connection), "Accept": "application/json"},
            parallel=MOST,
            is_later=_no_session,
            is_final=_is_final,
        )
        self._http = VendorHttp(tools.http, profile, tools.limiter, timings=tools.timings, observe=tools.observe)
        large = VendorProfile(
            name="one_c",
            base_url=self.base + odata.ROOT,
            limit_key=self.base,
            limits=LIMITS,
            headers={"Authorization": basic(connection)},
            is_final=_is_final,
        )
        self._large = VendorHttp(
            tools.http, large, tools.limiter, timings=tools.timings, observe=tools.observe, max_body=METADATA_BYTES
        )

    # --- reading

    async def metadata(self) -> bytes:
        """The EDMX. Slow at large bases: ask once."""
        reply = await self._large.request("metadata", "GET", "/$metadata", deadline_s=METADATA_S)
        if reply.status == 404:
            raise AccessDenied("the OData interface is not published", PUBLISH_RU.format(name="базы"))
        self._judge(reply, "metadata")
        return reply.body

    async def published(self) -> list[str]:
        """Names of the sets, from the service document."""
        reply = await self._send("auth", "GET", "/?$format=json", Kind.READ)
        if reply.status == 404:
            raise AccessDenied("the OData interface is not published", PUBLISH_RU.format(name="базы"))
        self._judge(reply, "auth")
        return [row.text("name") for row in Record(reply.json(), "service").records("value")]

    async def listed(
        self,
        operation: str,
        name: str,
        *,
        where: str = "",
        select: Sequence[str] = (),
        top: int = PAGE,
        only_first: bool = False,
    ) -> list[Record]:
        """All rows: 1C pages only when it is asked to, and an order makes the pages stable.

        Raises AccessDenied when the set is not published, Refused400 when the filter is not understood.
        """
        found: list[Record] = []
        seen: set[tuple[str, str]] = set()
        for page in range(MOST_PAGES):
            asked = odata.query(where=where, select=select, order="Ref_Key", top=top, skip=page * top)
            reply = await self._send(operation, "GET", f"{odata.collection(name)}?{asked}", Kind.READ)
            if reply.status == 404:
                raise NotPublished(f"{name} is not published", PUBLISH_RU.format(name=name))
            self._judge(reply, operation)
            rows = list(records(Record(reply.json(), operation).raw("value"), operation))
            keys = [(row.id("Ref_Key"), str(row.raw("LineNumber") or "")) for row in rows]
            fresh = [row for row, key in zip(rows, keys, strict=True) if key not in seen]
            seen.update(keys)
            found += fresh
            if len(rows) < top or only_first:
                return found
            if not fresh:
                raise Malformed("1C gives the same page again and again")
        raise Malformed("the list has no end")

    async def one(self, operation: str, name: str, ref: str) -> Record | None:
        """None: no such object, or its set is not published (lists tell that)."""
        path = f"{odata.entity(name, ref)}?{odata.query()}"
        reply = await self._send(operation, "GET", path, Kind.READ)
        if reply.status == 404:
            return None
        self._judge(reply, operation)
        return _single(reply, operation)

    # --- writing

    async def create(self, operation: str, name: str, body: Mapping[str, Any]) -> Record:
        """The object as 1C has it now. Raises RefusedWrite."""
        path = f"{odata.collection(name)}?{odata.query()}"
        reply = await self._write(operation, "POST", path, body, Kind.WRITE)
        try:
            return _single(reply, operation)
        except Malformed as error:
            raise OutcomeUnknown("1C has written, but its answer cannot be read", error=error.message) from error

    async def change(self, operation: str, name: str, ref: str, body: Mapping[str, Any]) -> Record | None:
        """A partial change; a tabular part in the body replaces the whole part. Raises RefusedWrite.

        The object as the answer shows it; None: the answer shows none.
        """
        path = f"{odata.entity(name, ref)}?{odata.query()}"
        reply = await self._write(operation, "PATCH", path, body, Kind.REPEATABLE)
        try:
            return _single(reply, operation)
        except Malformed:
            return None

    async def act(self, operation: str, name: str, ref: str, action: str) -> None:
        """Post or Unpost. Raises RefusedWrite."""
        options = "?PostingModeOperational=false" if action == "Post" else ""
        try:
            await self._write(operation, "POST", odata.entity(name, ref, action) + options, None, Kind.REPEATABLE)
        except RefusedWrite as refused:
            if not refused.certain:
                raise
            path = f"{odata.entity(name, ref, action)}(){options}"  # some servers want the brackets
            await self._write(operation, "POST", path, None, Kind.REPEATABLE)

    async def _write(self, operation: str, method: str, path: str, body: Mapping[str, Any] | None, kind: Kind) -> Reply:
        resumed: list[bool] = []
        reply = await self._send(operation, method, path, kind, body, resumed)
        if reply.ok:
            return reply
        if reply.status in (401, 403):
            self._judge(reply, operation)
        if reply.status == 500 and not _is_locked(reply):
            code = _error_code(reply)
            if code is None:  # not 1C's own words: the web server before it
                raise OutcomeUnknown("1C did not say whether it was done", error="http_500")
            raise RefusedWrite(500, code, certain=False, resumed=resumed[0])
        if reply.status >= 500:
            raise Unavailable("the 1C base is closed for an update", sent=False, status=reply.status)
        raise RefusedWrite(reply.status, _error_code(reply) or "", certain=True)

    # --- one request

    async def _send(
        self, operation: str, method: str, path: str, kind: Kind, body: Any = None, told: list[bool] | None = None
    ) -> Reply:
        """Any answer below 500, and 500 itself. A read that met a dead session or a 500 is repeated.

        `told` gets whether the first try went into a kept session.
        """
        limit_s = self._timings.deadline_s if kind is Kind.READ else self._timings.write_deadline_s
        deadline = time.monotonic() + limit_s
        async with self._sessions.lent(limit_s) as session:
            resumed = bool(session.cookie)
            if told is not None:
                told.append(resumed)
            reply = await self._once(operation, method, path, kind, body, session, deadline)
            if resumed and (reply.status in (400, 404) or (reply.status == 500 and kind is not Kind.WRITE)):
                session.forget()  # perhaps only the session was dead
                reply = await self._once(operation, method, path, kind, body, session, deadline)
            pause_s = self._timings.first_pause_s
            while reply.status == 500 and kind is Kind.READ and time.monotonic() + pause_s < deadline:
                session.forget()
                await asyncio.sleep(pause_s)
                pause_s *= 2
                reply = await self._once(operation, method, path, kind, body, session, deadline)
            if reply.status >= 500:
                session.forget()
            return reply

    async def _once(
        self, operation: str, method: str, path: str, kind: Kind, body: Any, session: Session, deadline: float
    ) -> Reply:
        headers = self._sessions.headers(session)
        reply = await self._http.request(
            operation,
            method,
            path,
            kind=kind,
            json_body=body,
            headers=headers,
            deadline_s=max(0.05, deadline - time.monotonic()),
        )
        self._sessions.learn(session, headers, reply.headers.get_list("set-cookie"))
        return reply

    def _judge(self, reply: Reply, operation: str) -> None:
        """Raises for everything but 2xx. 1C's own words may hold personal data and go nowhere."""
        if reply.ok:
            return
        if reply.status == 401:
            raise AccessDenied("1C does not accept the login and password", KEYS_RU)
        if reply.status == 403:
            raise AccessDenied(f"1C gives no right for {operation}", RIGHTS_RU, operation=operation)
        if reply.status >= 500:
            raise Unavailable("1C does not answer properly", status=reply.status, error=_error_code(reply))
        if reply.status == 400:
            raise NotUnderstood("1C does not understand the question: a field of the profile may be wrong", status=400)
        raise Malformed("1C refuses a plain question", status=reply.status)


class NotPublished(AccessDenied):
    """The administrator has not chosen this object for OData."""


class NotUnderstood(Malformed):
    """400 to a read: a field or function that this base does not know."""


def _single(reply: Reply, where: str) -> Record:
    """One object: bare, or (some gateways) as the only row of a list."""
    data = reply.json()
    if isinstance(data, dict) and isinstance(data.get("value"), list) and "Ref_Key" not in data:
        if len(data["value"]) != 1:
            raise Malformed(f"{where}: one object was expected", got=len(data["value"]))
        data = data["value"][0]
    return Record(data, where)


def _error_code(reply: Reply) -> str | None:
    """The code of 1C's own error object; None: the answer is not 1C's."""
    try:
        error = Record(reply.json(), "error").maybe("odata.error")
    except Malformed:
        return None
    return None if error is None else str(error.raw("code") or "")


def _no_session(reply: Reply) -> float | None:
    """406: no free session or licence; nothing was done."""
    return 0.4 if reply.status == 406 else None


def _is_final(reply: Reply) -> bool:
    """500 is read here: a dead session, a refusal by the configuration, or a real fault."""
    return reply.status == 500 or _is_locked(reply)


def _is_locked(reply: Reply) -> bool:
    """The base is being updated: no session began, so nothing was done."""
    if reply.status < 500:
        return False
    text = reply.body[:4000].decode("utf-8", "replace").casefold()
    return "начало сеанса" in text and "запрещ" in text
