"""Requests to the MAX Bot API: the bare token in the header, refusals by their string code and the status."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from channels.json_fields import Fields, fields, text
from channels.model import Account, Refusal, Refused
from channels.ports import AdapterTools
from core.errors import Unavailable
from core.outside_http import AccessDenied, Kind, Malformed, OutcomeUnknown, Reply, VendorHttp, VendorProfile
from core.rate_limits import Limit

BASE_URL = "https://platform-api2.max.ru"
LIMITS = (Limit(25, 1.0),)
"""MAX lets 30 a second through; the rest is for whoever else uses the bot."""
UPLOAD_DEADLINE_S = 30.0
NOT_READY = "attachment.not.ready"
_REVOKED_RU = (
    "Токен бота MAX не подходит или отозван: business.max.ru → бот → «Интеграция», выпустите новый и введите его."
)
_GONE_RU = "Человек остановил бота или удалил чат: напишите по другому каналу, пока он не напишет сам."
_OURS_RU = "MAX не принял сообщение: сообщите в поддержку код ошибки."


@dataclass(frozen=True, slots=True)
class MaxError:
    status: int
    code: str
    message: str

    def refused(self) -> Refused:
        """The status decides: codes are not listed in the documentation, and words change."""
        code = self.code or str(self.status)
        if self.status == 401:
            return Refused(Refusal.ACCOUNT, code, self.message, _REVOKED_RU)
        if self.status in (403, 404):
            return Refused(Refusal.UNREACHABLE, code, self.message, _GONE_RU)
        return Refused(Refusal.BAD_MESSAGE, code, self.message, _OURS_RU)


class Bot:
    """The Bot API for one bot."""

    def __init__(self, account: Account, tools: AdapterTools) -> None:
        self.base_url = tools.guard.check_url(str(account.settings.get("base_url") or BASE_URL), "base_url")
        token = account.secrets.get("token", "")
        self._http = VendorHttp(
            tools.http,
            VendorProfile(
                name="max",
                base_url=self.base_url,
                limit_key=sha256(token.encode()).hexdigest()[:16],
                limits=LIMITS,
                headers={"Authorization": token, "Accept": "application/json"},
                parallel=16,
            ),
            tools.limiter,
            timings=tools.timings,
            observe=tools.observe,
        )
        self._files = VendorHttp(  # other hosts: the token is none of theirs
            tools.http,
            VendorProfile("max_upload", "", f"upload:{sha256(token.encode()).hexdigest()[:16]}", LIMITS),
            tools.limiter,
            timings=tools.timings,
            observe=tools.observe,
        )
        self._guard = tools.guard

    async def request(self, operation: str, method: str, path: str, **more: Any) -> tuple[Fields, MaxError | None]:
        """The answer, or the refusal. Raises Unavailable, RateLimited, OutcomeUnknown."""
        reply = await self._http.request(operation, method, path, **more)
        if not reply.ok:
            return {}, _error_of(reply)
        try:
            return _object(reply), None
        except Malformed:
            if more.get("kind") is Kind.WRITE:
                raise OutcomeUnknown("MAX's answer cannot be read", error="malformed") from None
            raise

    async def ask(self, operation: str, path: str, **more: Any) -> Fields:
        """Raises AccessDenied with the remedy when MAX refuses."""
        answer, error = await self.request(operation, "GET", path, **more)
        if error is not None:
            raise denied(error, operation)
        return answer

    async def tell(self, operation: str, method: str, path: str, **more: Any) -> None:
        """A change that may be made twice. Raises AccessDenied with MAX's reason when it is refused."""
        answer, error = await self.request(operation, method, path, kind=Kind.REPEATABLE, **more)
        if error is not None:
            raise denied(error, operation)
        if answer.get("success") is False:
            raise AccessDenied(
                f"MAX refuses {operation}", f"MAX ответил: {text(answer, 'message') or 'нет'}", operation=operation
            )

    async def upload(self, content: bytes) -> str | None:
        """A recording; the token to attach it by. None: MAX does not take it."""
        answer, error = await self.request(
            "upload_address", "POST", "/uploads", params={"type": "audio"}, kind=Kind.REPEATABLE
        )
        if error is not None:
            if error.status == 401:
                raise denied(error, "uploads")
            return None
        url, token = text(answer, "url"), text(answer, "token")
        if not url:
            raise Malformed("MAX named no address for an upload")
        self._guard.check_url(url, "upload")
        reply = await self._files.request(
            "upload",
            "POST",
            url,
            kind=Kind.REPEATABLE,
            files={"data": ("voice.ogg", content, "audio/ogg")},
            deadline_s=UPLOAD_DEADLINE_S,
        )
        if not reply.ok:
            return None
        return token or _uploaded(reply)


def _object(reply: Reply) -> Fields:
    answer = reply.json()
    if not isinstance(answer, Mapping):
        raise Malformed("MAX answered with no object", status=reply.status)
    return answer


def _uploaded(reply: Reply) -> str | None:
    """For audio the token comes with the address; newer servers may answer with it after the upload."""
    try:
        return text(fields(reply.json()), "token") or None
    except Malformed:
        return None


def _error_of(reply: Reply) -> MaxError:
    try:
        body = fields(reply.json())
    except Malformed:
        body = {}
    return MaxError(reply.status, text(body, "code"), text(body, "message") or text(body, "error"))


def denied(error: MaxError, operation: str) -> AccessDenied:
    refused = error.refused()
    remedy = refused.remedy_ru if error.status == 401 else f"MAX не разрешил: {error.message or error.code}"
    return AccessDenied(f"MAX refuses {operation}: {error.status}", remedy, operation=operation, code=error.code)


def not_ready(error: MaxError) -> bool:
    """The file that was just uploaded is still being looked at."""
    return error.code == NOT_READY


def lost() -> Unavailable:
    return Unavailable("MAX did not finish looking at the recording in time", sent=False)
