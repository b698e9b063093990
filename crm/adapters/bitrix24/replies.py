"""What a Bitrix24 answer means: success, "later", "never again", a business refusal. Pure.

Source: https://apidocs.bitrix24.ru (system errors, `_includes/system-errors.md`; envelope; batch). The `error` of a
refusal is a code in capitals, a number (booking methods), an empty text or an English sentence (some CRM methods).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.errors import Unavailable
from core.outside_http import AccessDenied, Malformed, Reply
from core.rate_limits import RateLimited
from crm.vendor.parsing import Record

LATER_S = 1.0
"""QUERY_LIMIT_EXCEEDED names no pause. The bucket drains 2 a second and blocks above 50 (limits.md)."""
OPERATING_S = 600.0
"""OPERATION_TIME_LIMIT lifts within ten minutes when the answer does not say when."""
FINAL = frozenset({"OVERLOAD_LIMIT", "PORTAL_DELETED", "OPERATION_TIME_LIMIT"})
"""5xx and 429 that are no weather: a repeat of the request changes nothing."""
TOKEN_ENDED = frozenset({"expired_token", "invalid_token"})
_DENIED = frozenset(
    {
        "no_auth_found", "invalid_credentials", "insufficient_scope", "user_access_error", "access_denied",
        "allowed_only_intranet_user", "payment_required", "overload_limit", "portal_deleted",
        "error_oauth", "application_not_found", "wrong_auth_type", "authorization_error", "invalid_request",
        *TOKEN_ENDED,
    }
)  # fmt: skip
ABSENT = frozenset({"1019", "1020", "1021", "not_found", "error_not_found"})
"""The record does not exist: booking methods by number, CRM methods by word."""


class Refusal(Unavailable):
    """A definite no to one call: nothing was done."""

    code = "crm_refused"

    def __init__(self, operation: str, vendor_code: str, text: str, status: int) -> None:
        super().__init__("Bitrix24 refused", operation=operation, vendor_code=vendor_code, status=status, sent=False)
        self.vendor_code = vendor_code
        self.text = text
        """The vendor's sentence; may hold personal data, so it is not shown."""

    @property
    def absent(self) -> bool:
        return self.vendor_code.casefold() in ABSENT or "not found" in self.text.casefold()


class MethodAbsent(Refusal):
    """The portal has no such method: the module or the right for it is missing."""

    @property
    def absent(self) -> bool:
        """The method is, not the record: that must never read as "no such booking"."""
        return False


@dataclass(frozen=True, slots=True)
class Answer:
    """One successful call."""

    result: Any
    next: int | None = None
    """Where the next page starts; None: this was the last."""
    total: int | None = None

    def record(self, where: str) -> Record:
        return Record(self.result, where)


def error_of(envelope: Any) -> tuple[str, str] | None:
    """(code, sentence) of a refusal; None for a success. The code may be a number or empty."""
    if not isinstance(envelope, Mapping) or "error" not in envelope:
        return None
    code, text = envelope["error"], envelope.get("error_description")
    if isinstance(code, Mapping):  # {"error": {"code": …, "message": …}} of newer methods
        code, text = code.get("code", ""), code.get("message", text)
    return str(code) if code is not None else "", str(text or "")


def code_of(reply: Reply) -> str:
    """The error code of any answer; empty when it has none or is no JSON."""
    try:
        found = error_of(reply.json())
    except Malformed:
        return ""
    return found[0] if found else ""


def is_later(reply: Reply) -> float | None:
    return LATER_S if reply.status in (429, 503) and code_of(reply) == "QUERY_LIMIT_EXCEEDED" else None


def is_final(reply: Reply) -> bool:
    return reply.status >= 429 and code_of(reply) in FINAL


def answer_of(reply: Reply, operation: str, now: datetime) -> Answer:
    """Raises what a refusal means (AccessDenied, RateLimited, MethodAbsent, Refusal); Malformed for a broken answer."""
    envelope = reply.json()
    if not isinstance(envelope, Mapping):
        raise Malformed("the answer is no object", status=reply.status)
    found = error_of(envelope)
    if found is not None and (found[0] or not reply.ok or "result" not in envelope):
        raise_for(*found, operation=operation, status=reply.status, wait_s=_until_reset_s(envelope, now))
    if not reply.ok or "result" not in envelope:
        raise Malformed("the answer has no result", status=reply.status)
    return Answer(envelope["result"], _number(envelope.get("next")), _number(envelope.get("total")))


def raise_for(code: str, text: str, *, operation: str, status: int, wait_s: float = OPERATING_S) -> None:
    """Always raises."""
    word = code.casefold()
    if word == "error_method_not_found":
        raise MethodAbsent(operation, code, text, status)
    if word == "operation_time_limit":
        raise RateLimited("Bitrix24 has cut this method off for a while: it was used for too long", wait_s)
    if word == "query_limit_exceeded":
        raise RateLimited("the CRM asks to come back later", LATER_S)
    if status in (401, 402, 403) or word in _DENIED or (not word and "denied" in text.casefold()):
        message, remedy = denied(word, operation)
        raise AccessDenied(message, remedy, operation=operation, vendor_code=code)
    raise Refusal(operation, code, text, status)


def denied(word: str, operation: str) -> tuple[str, str]:
    """What happened, and what the salon should do about it."""
    right = RIGHTS_RU.get(operation, "")
    match word:
        case "insufficient_scope" | "invalid_scope":
            return (
                f"Bitrix24 gives no right for {operation}",
                f"Откройте вебхук или приложение («Разработчикам») и добавьте право {right or 'crm, booking'}."
                + (" Без онлайн-записи: укажите mode=crm." if operation == "mode" else ""),
            )
        case "access_denied" | "payment_required":
            return (
                "Bitrix24 refuses: the plan has no REST, or the right is missing",
                "REST в Битрикс24 работает на платных тарифах: проверьте тариф портала"
                + (f" и право пользователя на {right}." if right else " и права пользователя, который создал вебхук."),
            )
        case "user_access_error" | "invalid_credentials" | "allowed_only_intranet_user":
            return (
                f"Bitrix24: the key's owner may not do {operation}",
                "Дайте сотруднику, от чьего имени создан вебхук или приложение, доступ к CRM и онлайн-записи.",
            )
        case "overload_limit":
            return (
                "Bitrix24 has blocked the REST of this portal by hand",
                "Битрикс24 вручную отключил REST портала из-за нагрузки: напишите в поддержку Битрикс24.",
            )
        case "portal_deleted":
            return (
                "the Bitrix24 portal is closed",
                "Портал Битрикс24 закрыт или удалён: проверьте адрес портала и оплату.",
            )
        case "invalid_request":
            return ("Bitrix24 is asked without https", "Укажите адрес портала с https://.")
    return ("Bitrix24 does not accept the key", KEY_RU)


KEY_RU = (
    "Ключ Битрикс24 больше не действует: создайте новый входящий вебхук (Разработчикам → Другое → Входящий вебхук) "
    "или переустановите приложение и введите новый ключ в настройках подключения."
)
RIGHTS_RU = {
    "mode": "«Онлайн-запись» (booking)",
    "resources": "«Онлайн-запись» (booking)",
    "hours": "«Онлайн-запись» (booking)",
    "records": "«Онлайн-запись» (booking)",
    "book": "«Онлайн-запись» (booking)",
    "move": "«Онлайн-запись» (booking)",
    "cancel": "«Онлайн-запись» (booking)",
    "clients": "«CRM» (crm), чтение контактов",
    "client_create": "«CRM» (crm), создание контактов",
    "deals": "«CRM» (crm), сделки",
    "fields": "«CRM» (crm), настройка полей (права администратора CRM)",
    "calendar": "«Календарь» (calendar)",
    "users": "«Пользователи» (user)",
    "hooks": "события приложения",
}


def _until_reset_s(envelope: Mapping[str, Any], now: datetime) -> float:
    """`time.operating_reset_at`, Unix seconds: when the method's run time begins to be forgotten."""
    time = envelope.get("time")
    reset = time.get("operating_reset_at") if isinstance(time, Mapping) else None
    number = _number(reset)
    if number is None:
        return OPERATING_S
    return min(max(number - now.timestamp(), 1.0), OPERATING_S)


def _number(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return int(float(value))
    except (ValueError, OverflowError):
        return None
