"""The wire: keys, pages, the empty 204, and what refusals mean."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from core.clock import Clock
from core.outside_http import AccessDenied, Kind, Malformed, Reply, VendorHttp, VendorProfile
from core.rate_limits import Limit
from crm.vendor.adapter import AdapterTools, Connection
from crm.vendor.oauth import TokenKeeper, Tokens
from crm.vendor.parsing import Record

PAGE = 250
MOST_PAGES = 400
LIMITS = (Limit(7, 1.0),)
"""Per integration; the account as a whole bears 50. More ends in a ban of the address, so it is never tried."""
RENEW_RU = "Выпустите новый токен в карточке интеграции amoCRM и введите его в настройках подключения."


class Refused4xx(Exception):
    """The vendor refused what was written: validation or business rule."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"http {reply.status}")
        self.reply = reply


class Wire:
    def __init__(self, connection: Connection, tools: AdapterTools) -> None:
        base = tools.guard.check_url(connection.setting("base_url"), "base_url")
        self._base = base.removesuffix("/api/v4")
        self._connection = connection
        self._long_lived = connection.secrets.get("token", "")
        self._clock: Clock = tools.clock
        self._http = VendorHttp(
            tools.http,
            VendorProfile(
                name="amocrm",
                base_url=f"{self._base}/api/v4",
                limit_key=f"{connection.settings.get('client_id') or 'token'}@{self._base}",
                limits=LIMITS,
            ),
            tools.limiter,
            timings=tools.timings,
            observe=tools.observe,
        )
        self._keeper = TokenKeeper(tools.tokens, self._renew, tools.clock, RENEW_RU)

    @property
    def host(self) -> str:
        return self._base.split("//", 1)[1].split("/", 1)[0].split(":", 1)[0]

    async def send(
        self, operation: str, method: str, path: str, *, kind: Kind = Kind.READ, params: Any = None, body: Any = None
    ) -> Reply:
        """A successful answer (2xx). Raises AccessDenied, Refused4xx for other 4xx, and what VendorHttp raises."""
        tokens = Tokens(self._long_lived) if self._long_lived else await self._keeper.current()
        reply = await self._once(operation, method, path, kind, params, body, tokens)
        if reply.status == 401 and not self._long_lived:
            tokens = await self._keeper.after_refusal(tokens)
            reply = await self._once(operation, method, path, kind, params, body, tokens)
        if reply.status in (401, 402, 403):
            raise self._denied(reply, operation)
        if not reply.ok:
            raise Refused4xx(reply)
        return reply

    async def _once(
        self, operation: str, method: str, path: str, kind: Kind, params: Any, body: Any, tokens: Tokens
    ) -> Reply:
        headers = {"Authorization": f"Bearer {tokens.access}", "Content-Type": "application/json"}
        return await self._http.request(
            operation, method, path, kind=kind, params=params, json_body=body, headers=headers
        )

    async def get(self, operation: str, path: str, params: Any = None) -> Record | None:
        """One object; None when it does not exist (404, or the vendor's empty 204)."""
        try:
            reply = await self.send(operation, "GET", path, params=params)
        except Refused4xx as refused:
            if refused.reply.status == 404:
                return None
            raise Malformed("the vendor refused a plain question", status=refused.reply.status) from None
        return None if _is_empty(reply) else Record(reply.json(), operation)

    async def listed(
        self, operation: str, path: str, what: str, params: Sequence[tuple[str, Any]] = ()
    ) -> list[Record]:
        """All pages of a list; "nothing" comes as 204. The list ends where the answer has no next page."""
        found: list[Record] = []
        for page in range(1, MOST_PAGES + 1):
            answer = await self.get(operation, path, [*params, ("page", page), ("limit", PAGE)])
            if answer is None:
                return found
            rows = answer.record("_embedded").records(what)
            found += rows
            links = answer.maybe("_links")
            if not rows or links is None or "next" not in links:
                return found
        raise Malformed("the list has no end")

    async def write(self, operation: str, method: str, path: str, body: Any, *, kind: Kind = Kind.WRITE) -> Any:
        """The answer of a write as JSON; None for an empty one (202, 204)."""
        reply = await self.send(operation, method, path, kind=kind, body=body)
        return None if _is_empty(reply) else reply.json()

    # --- keys

    async def _renew(self, old: Tokens | None) -> Tokens:
        c = self._connection
        body = {
            "client_id": c.setting("client_id"),
            "client_secret": c.secret("client_secret"),
            "redirect_uri": c.setting("redirect_uri"),
        }
        refresh = (old.refresh if old else "") or c.secrets.get("refresh_token", "")
        if refresh:
            body |= {"grant_type": "refresh_token", "refresh_token": refresh}
        else:
            body |= {"grant_type": "authorization_code", "code": c.secret("code")}
        url = f"{self._base}/oauth2/access_token"
        # The old refresh token dies with this request: an answer that was lost is never asked for again blindly.
        reply = await self._http.request(
            "renew", "POST", url, kind=Kind.WRITE, json_body=body, headers={"Content-Type": "application/json"}
        )
        if not reply.ok:
            raise AccessDenied("amoCRM does not renew the keys", RENEW_RU, status=reply.status)
        answer = Record(reply.json(), "token")
        ends = self._clock.now() + timedelta(seconds=answer.whole("expires_in"))
        return Tokens(answer.text("access_token"), answer.text("refresh_token", ""), ends)

    def _denied(self, reply: Reply, operation: str) -> AccessDenied:
        if reply.status == 402:
            return AccessDenied("amoCRM: the subscription has ended", "Оплатите тариф amoCRM: запись туда закрыта.")
        if reply.status == 403:
            return AccessDenied(
                f"amoCRM gives no right for {operation}",
                "Дайте интеграции права администратора; если отказ на все запросы, amoCRM закрыла доступ этому адресу: "
                "напишите в её поддержку.",
                operation=operation,
            )
        return AccessDenied("amoCRM does not accept the key", RENEW_RU)


def _is_empty(reply: Reply) -> bool:
    return reply.status == 204 or not reply.body.strip()


def first_id(answer: Any, what: str) -> str:
    """The id of what was just made: {"_embedded": {"leads": [{"id": …}]}}, or the bare list of `complex`."""
    rows: Any = answer
    if isinstance(answer, Mapping):
        rows = Record(answer, "answer").record("_embedded").raw(what)
    if not isinstance(rows, list) or not rows:
        raise Malformed("the vendor does not say what it has made")
    return Record(rows[0], what).id("id")
