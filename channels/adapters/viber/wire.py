"""Requests to the Viber Bot API: always POST, always 200, the truth stands in `status`."""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from channels.json_fields import Fields, fields, text, whole
from channels.model import Account, Refusal, Refused
from channels.ports import AdapterTools
from core.errors import Unavailable
from core.outside_http import AccessDenied, Kind, Malformed, OutcomeUnknown, VendorHttp, VendorProfile
from core.rate_limits import Limit

BASE_URL = "https://chatapi.viber.com/pa"
SENDER = "Салон"
LIMITS = (Limit(50, 1.0),)
"""No number is documented; a salon never comes near."""


class Pause(StrEnum):
    LATER = "later"
    """Too many requests: a hundred unanswered messages an hour to one person, or ours in all."""
    SERVICE = "service"


_KEY_RU = "Токен Viber не подходит или отозван: возьмите действующий в кабинете партнёра Viber и введите его."
_ACCOUNT_RU = "Viber заблокировал или приостановил бота: обратитесь к партнёру, через которого он заведён."
_GONE_RU = "Человек не подписан на бота в Viber: напишите по другому каналу, пока он не напишет сам."
_OURS_RU = "Viber не принял сообщение: сообщите в поддержку код ошибки."
_PAID_RU = "Бесплатные сообщения Viber вне суток после письма клиента кончились: пополните счёт у партнёра."
_RIGHT_RU = "У бота нет права на такие сообщения: обратитесь к партнёру Viber."

STATUSES: dict[int, tuple[str, Refusal | Pause, str]] = {
    1: ("invalidUrl", Refusal.BAD_MESSAGE, _OURS_RU),
    2: ("invalidAuthToken", Refusal.ACCOUNT, _KEY_RU),
    3: ("badData", Refusal.BAD_MESSAGE, _OURS_RU),
    4: ("missingData", Refusal.BAD_MESSAGE, _OURS_RU),
    5: ("receiverNotRegistered", Refusal.UNREACHABLE, _GONE_RU),
    6: ("receiverNotSubscribed", Refusal.UNREACHABLE, _GONE_RU),
    7: ("publicAccountBlocked", Refusal.ACCOUNT, _ACCOUNT_RU),
    8: ("publicAccountNotFound", Refusal.ACCOUNT, _ACCOUNT_RU),
    9: ("publicAccountSuspended", Refusal.ACCOUNT, _ACCOUNT_RU),
    10: ("webhookNotSet", Refusal.ACCOUNT, "Viber не знает нашего адреса: подключите канал снова."),
    11: (
        "receiverNoSuitableDevice",
        Refusal.UNREACHABLE,
        "У клиента старый Viber: напишите по другому каналу.",
    ),
    12: ("tooManyRequests", Pause.LATER, ""),
    13: ("apiVersionNotSupported", Refusal.BAD_MESSAGE, _OURS_RU),
    14: ("incompatibleWithVersion", Refusal.BAD_MESSAGE, _OURS_RU),
    15: ("publicAccountNotAuthorized", Refusal.ACCOUNT, _RIGHT_RU),
    16: ("inchatReplyMessageNotAllowed", Refusal.BAD_MESSAGE, _OURS_RU),
    17: ("publicAccountIsNotInline", Refusal.BAD_MESSAGE, _OURS_RU),
    18: ("noPublicChat", Refusal.BAD_MESSAGE, _OURS_RU),
    19: ("cannotSendBroadcast", Refusal.BAD_MESSAGE, _OURS_RU),
    20: ("broadcastNotAllowed", Refusal.BAD_MESSAGE, _OURS_RU),
    21: ("unsupportedCountry", Refusal.POLICY, "Viber не даёт писать в страну этого клиента: выберите другой канал."),
    22: ("paymentUnsupported", Refusal.BAD_MESSAGE, _OURS_RU),
    23: ("freeMessagesExceeded", Refusal.WINDOW_CLOSED, _PAID_RU),
    24: ("noBalance", Refusal.WINDOW_CLOSED, _PAID_RU),
}
"""Code, name, meaning. Whatever else is a general error of Viber's own: nothing was sent, it may pass."""


@dataclass(frozen=True, slots=True)
class ViberError:
    status: int
    message: str

    @property
    def meaning(self) -> Refusal | Pause:
        return STATUSES[self.status][1] if self.status in STATUSES else Pause.SERVICE

    def refused(self) -> Refused:
        name, meaning, remedy = STATUSES.get(self.status, ("", Refusal.BAD_MESSAGE, _OURS_RU))
        why = meaning if isinstance(meaning, Refusal) else Refusal.BAD_MESSAGE
        return Refused(why, str(self.status), self.message or name, remedy)


class Bot:
    """The Bot API for one bot."""

    def __init__(self, account: Account, tools: AdapterTools) -> None:
        token = account.secrets.get("token", "")
        base = tools.guard.check_url(str(account.settings.get("base_url") or BASE_URL), "base_url")
        self.key = sha256(token.encode()).hexdigest()[:16]
        self._http = VendorHttp(
            tools.http,
            VendorProfile(
                name="viber",
                base_url=base,
                limit_key=self.key,
                limits=LIMITS,
                headers={"X-Viber-Auth-Token": token, "Accept": "application/json"},
                parallel=16,
            ),
            tools.limiter,
            timings=tools.timings,
            observe=tools.observe,
        )

    async def call(
        self, method: str, body: dict[str, Any], *, kind: Kind = Kind.REPEATABLE, deadline_s: float | None = None
    ) -> tuple[Fields, ViberError | None]:
        """Raises Unavailable (``sent=False`` for Viber's own general errors), OutcomeUnknown, RateLimited."""
        reply = await self._http.request(method, "POST", f"/{method}", kind=kind, json_body=body, deadline_s=deadline_s)
        try:
            answer = fields(reply.json())
            status = whole(answer, "status")
        except Malformed:
            answer, status = {}, None
        if status is None:
            if kind is Kind.WRITE:
                raise OutcomeUnknown("Viber's answer cannot be read", error="malformed")
            raise Malformed("Viber answered without a status", status=reply.status)
        if status == 0:
            return answer, None
        error = ViberError(status, text(answer, "status_message"))
        if error.meaning is Pause.SERVICE:
            raise Unavailable("Viber has a general error", sent=False, status=status)
        return {}, error


def denied(error: ViberError, operation: str) -> AccessDenied:
    refused = error.refused()
    return AccessDenied(
        f"Viber refuses {operation}: status {error.status}", refused.remedy_ru, operation=operation, status=error.status
    )
