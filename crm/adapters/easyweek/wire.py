"""The wire: headers, envelopes, pages, and what a refusal means.

Answers come bare or inside `data`; lists come bare or in Laravel's pages (`data`, `links.next`, `meta.last_page`).
A malformed element fails the whole read: a client that was dropped from a list would be made a second time.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from core.outside_http import AccessDenied, Kind, Malformed, Reply, VendorHttp, VendorProfile
from core.rate_limits import Limit
from crm.model import RefusalReason
from crm.vendor.parsing import Record, records

BASE_URL = "https://my.easyweek.io/api/public/v2"
LIMITS = (Limit(30, 60.0, burst=30),)
"""EasyWeek lets 60 a minute through per API key: 30 at once and 30 spread over a minute are never more."""
LONGEST_RETRY_AFTER_S = 10.0
PER_PAGE = 100
MOST_PAGES = 200
"""A list that is longer does not end: 20,000 rows of one client or master are no salon."""


def http_profile(base_url: str, api_key: str, workspace: str) -> VendorProfile:
    return VendorProfile(
        name="easyweek",
        base_url=base_url.rstrip("/"),
        limit_key=sha256(api_key.encode()).hexdigest()[:16],
        limits=LIMITS,
        headers={"Authorization": f"Bearer {api_key}", "Workspace": workspace, "Accept": "application/json"},
    )


class Wire:
    def __init__(self, http: VendorHttp) -> None:
        self._http = http

    async def send(
        self, operation: str, method: str, path: str, *, kind: Kind = Kind.READ, params: Any = None, body: Any = None
    ) -> Reply:
        """Raises AccessDenied for key, workspace and rights; other answers come back, refusals too."""
        reply = await self._http.request(operation, method, path, kind=kind, params=params, json_body=body)
        if reply.status in (401, 403):
            raise denied(reply.status, operation)
        return reply

    async def get(self, operation: str, path: str, params: Any = None, *, absent_ok: bool = False) -> Any:
        """The content of a successful answer. `absent_ok`: None for a 404.

        Raises Malformed when the vendor refuses a plain question: it must not look like "nothing".
        """
        reply = await self.send(operation, "GET", path, params=params)
        if reply.status == 404 and absent_ok:
            return None
        return content_of(reply)

    async def page(self, operation: str, path: str, params: Mapping[str, str], page: int) -> "Page":
        numbered = {**params, "page": str(page)} if page > 1 else dict(params)
        reply = await self.send(operation, "GET", path, params=numbered)
        if not reply.ok:
            raise Malformed("EasyWeek refuses a plain question", status=reply.status)
        return Page.of(reply.json(), page, int(params.get("per_page", "0")), operation)

    async def rows(self, operation: str, path: str, params: Mapping[str, str] | None = None) -> list[Record]:
        """All rows of a list, over all its pages, each once."""
        found: dict[str, Record] = {}
        for number in range(1, MOST_PAGES + 1):
            page = await self.page(operation, path, params or {}, number)
            fresh = {row.id("uuid"): row for row in page.rows}
            repeats = bool(fresh) and set(fresh) <= set(found)  # a server that does not know `page` begins anew
            found |= fresh
            if repeats or not page.more:
                return list(found.values())
        raise Malformed("a list of EasyWeek does not end", pages=MOST_PAGES)


class Page:
    """One page of a list, in any of its forms."""

    __slots__ = ("last", "more", "rows")

    def __init__(self, rows: list[Record], last: int | None, *, more: bool) -> None:
        self.rows = rows
        self.last = last
        self.more = more

    @classmethod
    def of(cls, answer: Any, number: int, per_page: int, where: str) -> "Page":
        if isinstance(answer, list):
            rows = list(records(answer, where))
            return cls(rows, None, more=bool(per_page) and len(rows) >= per_page)
        envelope = Record(answer, where)
        inner = envelope.raw("data")
        if isinstance(inner, Mapping) and "data" in inner:  # data of data: an envelope around Laravel's own
            return cls.of(inner, number, per_page, where)
        rows = envelope.records("data")
        meta, links = envelope.maybe("meta"), envelope.maybe("links")
        last = _number(meta, "last_page") or _number(envelope, "last_page")
        if last is not None:
            return cls(rows, last, more=number < last)
        if links is not None or "next_page_url" in envelope:
            following = (links.raw("next") if links is not None else None) or envelope.raw("next_page_url")
            return cls(rows, None, more=bool(following))
        return cls(rows, None, more=bool(per_page) and len(rows) >= per_page)


def _number(record: Record | None, name: str) -> int | None:
    return None if record is None or name not in record else record.whole(name)


def content_of(reply: Reply) -> Any:
    """The object or list of a good answer, out of its `data` where it has one."""
    answer = reply.json()
    if not reply.ok:
        raise Malformed("EasyWeek refuses a plain question", status=reply.status)
    return unwrapped(answer)


def unwrapped(answer: Any) -> Any:
    """A record never has a field `data` beside its own `uuid`: then `data` is the record."""
    if isinstance(answer, Mapping) and "uuid" not in answer and isinstance(answer.get("data"), Mapping | list):
        return answer["data"]
    return answer


def denied(status: int, operation: str) -> AccessDenied:
    where = "EasyWeek → Настройки → Разработчикам → Ключи API"
    if status == 401:
        return AccessDenied(
            "EasyWeek does not accept the key",
            f"Ключ EasyWeek не подходит или отозван: выпустите новый ({where}) и введите его в настройках подключения.",
        )
    return AccessDenied(
        f"EasyWeek gives no right for {operation}",
        f"Ключ выпущен для другого рабочего пространства или без прав: проверьте имя пространства и ключ ({where}).",
        operation=operation,
    )


_TAKEN = (
    "занят", "недоступн", "нет свободн", "зайнят", "already booked", "already taken", "not available", "unavailable",
    "no longer", "occupied", "busy", "time slot", "timeslot", "overlap",
)  # fmt: skip
_BLACKLIST = ("чёрн", "черном списке", "blacklist", "blocked", "заблокирован")


def reason_of(reply: Reply) -> RefusalReason | None:
    """Why a write was refused, as far as words say it; None: they do not. No code is known for a taken time."""
    if reply.status == 404:
        return RefusalReason.NOT_FOUND
    text = " ".join(_texts(reply)).casefold()
    if reply.status == 409 or any(word in text for word in _TAKEN):
        return RefusalReason.SLOT_TAKEN
    if any(word in text for word in _BLACKLIST):
        return RefusalReason.CLIENT_BLOCKED
    return None


def wrong_fields(reply: Reply) -> tuple[str, ...]:
    """Names of the fields that a 422 complains about."""
    try:
        answer = reply.json()
    except Malformed:
        return ()
    errors = answer.get("errors") if isinstance(answer, Mapping) else None
    return tuple(str(name) for name in errors) if isinstance(errors, Mapping) else ()


def _texts(reply: Reply) -> Iterator[str]:
    try:
        answer = reply.json()
    except Malformed:
        return
    waiting: list[Any] = [answer]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
