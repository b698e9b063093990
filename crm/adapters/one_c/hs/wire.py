"""The wire: three keys, the envelope, client tokens."""

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from core.errors import AppError, Unavailable
from core.outside_http import AccessDenied, Kind, Malformed, OutcomeUnknown, Reply, VendorHttp, VendorProfile
from core.phone import Phone
from core.rate_limits import Limit
from crm.adapters.one_c.wire import KEYS_RU, basic
from crm.vendor.adapter import AdapterTools, Connection
from crm.vendor.parsing import Record

ROOT = "/hs/api/v3"
LIMITS = (Limit(20, 1.0),)
"""The vendor names none. This keeps a fault of ours from flooding a salon's server."""
TOKEN_S = 300.0
PATIENT_S = 8.0
"""For one question of the price list: nobody on the telephone waits for it, and it is many questions long."""
APIKEY_RU = "Проверьте ключ apikey филиала в настройках подключения: его выдаёт раздел API программы 1С."
SIGN_RU = "Проверьте секрет подписи (sign_key): без него программа 1С не подтверждает клиента без СМС."
_KEY_WORDS = re.compile(r"api ?key|ключ|лиценз|доступ запрещ|авториз", re.IGNORECASE)
_TOKEN_WORDS = re.compile(r"token|токен|авториз\w* (клиент|пользоват)|(клиент|пользоват)\w* не авториз", re.IGNORECASE)
_ABSENT_WORDS = re.compile(
    r"не найден|не существует|не зарегистрир|not found|not exist|not registered|unknown client", re.IGNORECASE
)
_OTHER_WORDS = re.compile(r"метод|method|клуб|club|филиал|branch|услуг|service|сотрудник|employee", re.IGNORECASE)
NO_CLIENT = "4003"
"""A wrong client login: with a token signed by us it can only mean that there is no such client."""

T = TypeVar("T")


class HsRefusal(AppError):
    """`result: false`. The words may hold personal data: they are looked at here and go nowhere."""

    code = "crm_refused"

    def __init__(self, number: str, text: str, status: int) -> None:
        super().__init__("the 1C service refuses", error=number, status=status)
        self.number = number
        self.is_fault = status >= 500
        gone = status == 404 or bool(_ABSENT_WORDS.search(text))
        self.is_absent = gone and not _OTHER_WORDS.search(text)
        """What was asked for does not exist: a client, an appointment; never the club or the method."""
        self.is_no_client = number == NO_CLIENT or self.is_absent
        self.is_token = bool(_TOKEN_WORDS.search(text))
        self.is_key = bool(_KEY_WORDS.search(text)) and not self.is_token


class HsWire:
    def __init__(self, connection: Connection, tools: AdapterTools) -> None:
        base = tools.guard.check_url(connection.setting("base_url"), "base_url")
        self.base = base.split("/hs/")[0].rstrip("/")
        self._sign_key = connection.secret("sign_key")
        self._tokens: dict[str, tuple[float, str]] = {}
        self._token_lock = asyncio.Lock()
        apikey = connection.secret("apikey")
        profile = VendorProfile(
            name="one_c",
            base_url=self.base + ROOT,
            limit_key=f"hs:{self.base}",
            limits=LIMITS,
            headers={
                "Authorization": basic(connection),
                "apikey": apikey,
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            is_final=_is_enveloped,
        )
        self._http = VendorHttp(tools.http, profile, tools.limiter, timings=tools.timings, observe=tools.observe)

    async def call(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        kind: Kind = Kind.READ,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        token: str = "",
        deadline_s: float | None = None,
    ) -> Any:
        """`data` of the answer. Raises HsRefusal, AccessDenied, and what VendorHttp raises."""
        query = "&".join(f"{name}={quote(value, safe=':')}" for name, value in (params or {}).items() if value)
        reply = await self._http.request(
            operation,
            method,
            f"{path}?{query}" if query else path,
            kind=kind,
            json_body=body,
            headers={"usertoken": token} if token else {},
            deadline_s=deadline_s,
        )
        if reply.status == 401:
            raise AccessDenied("the 1C service does not accept the login, the password or the apikey",
                               f"{KEYS_RU} {APIKEY_RU}")  # fmt: skip
        if reply.status == 403:
            raise AccessDenied(f"the 1C service gives no right for {operation}", APIKEY_RU, operation=operation)
        try:
            return _data(reply, operation)
        except HsRefusal as refusal:
            if kind is Kind.WRITE and reply.status >= 500:  # its words do not say how far it came
                raise OutcomeUnknown("the 1C service failed while it wrote", error=refusal.number) from None
            if refusal.is_key:
                raise AccessDenied("the 1C service does not accept the apikey", APIKEY_RU) from None
            raise
        except Malformed as error:
            if kind is Kind.WRITE and reply.ok:
                raise OutcomeUnknown("the answer to a write cannot be read", error=error.message) from error
            raise

    async def get(
        self, operation: str, path: str, params: Mapping[str, str] | None = None, *, deadline_s: float | None = None
    ) -> Any:
        """A question that has an answer: a refusal of it is an error, never "nothing"."""
        try:
            return await self.call(operation, "GET", path, params=params, deadline_s=deadline_s)
        except HsRefusal as refusal:
            raise Unavailable("the 1C service refuses a plain question", error=refusal.number) from None

    # --- the client's token

    async def token(self, phone: Phone) -> str:
        """By the server's own signature, without SMS; kept for some minutes. Raises HsRefusal."""
        async with self._token_lock:
            known = self._tokens.get(phone.e164)
            if known is None or time.monotonic() - known[0] > TOKEN_S:
                digits = phone.e164.removeprefix("+")
                signed = f"phone:{digits};key:{self._sign_key}"
                sign = hashlib.sha256(signed.encode()).hexdigest()
                data = await self.call("token", "GET", "/pass_token", params={"phone": digits, "sign": sign})
                token = data if isinstance(data, str) else Record(data, "pass_token").text("pass_token")
                known = (time.monotonic(), token)
                self._tokens[phone.e164] = known
            return known[1]

    def keep_token(self, phone: Phone, token: str) -> None:
        """The one that came with a registration."""
        self._tokens[phone.e164] = (time.monotonic(), token)

    async def as_client(self, phone: Phone, question: Callable[[str], Awaitable[T]]) -> T:
        """Asks with the client's token; one that has ended is renewed once (a refusal means that nothing was done)."""
        token = await self.token(phone)
        try:
            return await question(token)
        except HsRefusal as refusal:
            if not refusal.is_token:
                raise
            self._tokens.pop(phone.e164, None)
        return await question(await self.token(phone))


def _data(reply: Reply, where: str) -> Any:
    try:
        envelope = Record(reply.json(), where)
        if envelope.flag("result"):
            return envelope.raw("data")
    except Malformed:
        if reply.status == 404:
            raise AccessDenied("there is no such 1C service at this address", "Проверьте адрес базы: …/hs/api/v3 "
                               "должен быть опубликован.") from None  # fmt: skip
        raise
    raise HsRefusal(str(envelope.raw("error") or ""), str(envelope.raw("error_message") or ""), reply.status)


def _is_enveloped(reply: Reply) -> bool:
    """A 5xx that the service itself has worded is its answer; without words it is a fault."""
    if reply.status < 500 or not reply.body.lstrip().startswith(b"{"):
        return False
    try:
        return Record(reply.json(), "envelope").raw("result") is False
    except Malformed:
        return False
