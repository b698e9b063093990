"""The wire: headers, the envelope, and what a refusal means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.outside_http import AccessDenied, Kind, Malformed, Reply, VendorHttp, VendorProfile
from core.phone import Phone
from core.rate_limits import Limit
from crm.model import RefusalReason
from crm.vendor.parsing import Record

LIMITS = (Limit(5, 1.0), Limit(200, 60.0, burst=60))
"""Per source address: all companies of an installation share it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What differs between the twins."""

    name: str
    title: str
    base_url: str
    accept: str
    language: str
    """Of error texts: Accept-Language."""
    cabinet_ru: str
    """Where the salon finds rights and keys."""


def http_profile(profile: Profile, base_url: str) -> VendorProfile:
    return VendorProfile(
        name=profile.name,
        base_url=base_url,
        limit_key="address",
        limits=LIMITS,
        headers={"Accept": profile.accept, "Content-Type": "application/json", "Accept-Language": profile.language},
    )


class Wire:
    """Requests with the partner's key alone or with the salon's user key too, and answers out of their envelope."""

    def __init__(self, http: VendorHttp, profile: Profile, partner_token: str, user_token: str) -> None:
        self._http = http
        self._profile = profile
        self._partner = f"Bearer {partner_token}"
        self._both = f"Bearer {partner_token}, User {user_token}" if user_token else self._partner
        self.has_user = bool(user_token)

    async def send(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        user: bool = True,
        kind: Kind = Kind.READ,
        params: Any = None,
        body: Any = None,
        deadline_s: float | None = None,
    ) -> Reply:
        """Raises AccessDenied for keys, rights and subscription; other answers come back, refusals too."""
        reply = await self._http.request(
            operation,
            method,
            path,
            kind=kind,
            params=params,
            json_body=body,
            headers={"Authorization": self._both if user else self._partner},
            deadline_s=deadline_s,
        )
        if reply.status in (401, 402, 403) and refusal_code(reply) is None:
            raise self._denied(reply, operation)
        return reply

    async def get(
        self, operation: str, path: str, *, user: bool = True, params: Any = None, absent_ok: bool = False
    ) -> Any:
        """The `data` of a successful answer. `absent_ok`: None for a 404.

        Raises Malformed when the vendor refuses a plain question in another way: it must not look like "nothing".
        """
        reply = await self.send(operation, "GET", path, user=user, params=params)
        if reply.status == 404 and absent_ok:
            return None
        return data_of(reply)

    def _denied(self, reply: Reply, operation: str) -> AccessDenied:
        title, where = self._profile.title, self._profile.cabinet_ru
        text = message_of(reply)
        if reply.status == 402 or "лиценз" in text.casefold() or "license" in text.casefold():
            return AccessDenied(f"{title}: the branch's licence has ended", f"Продлите лицензию филиала в {title}.")
        if reply.status == 401:
            return AccessDenied(
                f"{title} does not accept the keys",
                f"Ключ {title} больше не действует: выпустите новый ({where}) и введите его в настройках подключения.",
            )
        return AccessDenied(
            f"{title} gives no right for {operation}",
            f"Дайте системному пользователю {title} право на «{RIGHTS_RU.get(operation, operation)}» ({where}).",
            operation=operation,
        )


RIGHTS_RU = {
    "company": "просмотр филиала",
    "services": "просмотр услуг",
    "staff": "просмотр сотрудников",
    "schedule": "просмотр графика работы",
    "clients": "просмотр и поиск клиентов",
    "client_create": "создание клиентов",
    "client_delete": "удаление клиентов",
    "records": "просмотр журнала записи",
    "record": "просмотр журнала записи",
    "book": "создание записей",
    "move": "изменение записей",
    "cancel": "удаление записей",
    "hooks": "настройка вебхуков",
}


def data_of(reply: Reply) -> Any:
    """`data` of {"success": true, "data": …, "meta": …}. Raises Malformed for everything else."""
    envelope = reply.json()
    if not isinstance(envelope, Mapping) or "data" not in envelope:
        raise Malformed("the answer has no data", status=reply.status)
    if not reply.ok or envelope.get("success") is not True:
        raise Malformed("the vendor refused a plain question", status=reply.status)
    return envelope["data"]


def message_of(reply: Reply) -> str:
    try:
        envelope = reply.json()
    except Malformed:
        return ""
    meta = envelope.get("meta") if isinstance(envelope, Mapping) else None
    message = meta.get("message") if isinstance(meta, Mapping) else None
    return message if isinstance(message, str) else ""


def refusal_code(reply: Reply) -> int | None:
    """The booking code (431 to 438). Which JSON field carries it is not documented, so all likely ones are read."""
    try:
        envelope = reply.json()
    except Malformed:
        return None
    if not isinstance(envelope, Mapping):
        return None
    places: list[Any] = [envelope, envelope.get("meta"), envelope.get("errors")]
    meta = envelope.get("meta")
    if isinstance(meta, Mapping):
        places.append(meta.get("errors"))
    for place in places:
        for item in place if isinstance(place, list) else [place]:
            code = item.get("code", item.get("error_code")) if isinstance(item, Mapping) else None
            if isinstance(code, int | str) and str(code).isdigit() and 431 <= int(code) <= 438:
                return int(code)
    return None


REASONS = {
    431: RefusalReason.REFUSED_BY_CRM,
    432: RefusalReason.CLIENT_MUST_CONFIRM,
    433: RefusalReason.SLOT_TAKEN,
    434: RefusalReason.CLIENT_BLOCKED,
    435: RefusalReason.REFUSED_BY_CRM,
    436: RefusalReason.SLOT_TAKEN,
    437: RefusalReason.SLOT_TAKEN,
    438: RefusalReason.NOT_OFFERED,
}
_TAKEN = ("занят", "нерабоч", "нельзя записаться", "busy", "already taken", "not available", "unavailable")
_CODE = ("код подтверждения", "sms", "смс", "confirmation code")
_BLACKLIST = ("чёрном списке", "черном списке", "blacklist")


def reason_of(reply: Reply) -> RefusalReason:
    """Why a write was refused (4xx, or 200 with success false)."""
    code = refusal_code(reply)
    if code is not None:
        return REASONS[code]
    text = message_of(reply).casefold()
    if reply.status == 409 or any(word in text for word in _TAKEN):
        return RefusalReason.SLOT_TAKEN
    if any(word in text for word in _BLACKLIST):
        return RefusalReason.CLIENT_BLOCKED
    if any(word in text for word in _CODE):
        return RefusalReason.CLIENT_MUST_CONFIRM
    if reply.status == 404:
        return RefusalReason.NOT_FOUND
    return RefusalReason.REFUSED_BY_CRM


def refused(reply: Reply) -> bool:
    """A definite no: 4xx, or the vendor's "200, but success is false"."""
    if 400 <= reply.status < 500:
        return True
    if reply.status == 204 or not reply.body:
        return False
    envelope = reply.json()
    return isinstance(envelope, Mapping) and envelope.get("success") is False


def digits(phone: Phone) -> str:
    return phone.e164.removeprefix("+")


def service_params(service_ids: Sequence[str]) -> list[tuple[str, str]]:
    return [("service_ids[]", service_id) for service_id in service_ids]


def total_of(reply: Reply) -> int | None:
    envelope = reply.json()
    meta = envelope.get("meta") if isinstance(envelope, Mapping) else None
    return Record(meta, "meta").whole("total_count") if isinstance(meta, Mapping) and "total_count" in meta else None
