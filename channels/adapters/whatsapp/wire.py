"""Requests to the Graph API: the token in the header, the version in the address, errors by their code."""

import asyncio
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from channels.adapters.whatsapp.errors import GraphError, Pause, error_of
from channels.json_fields import Fields, fields
from channels.model import Account
from channels.ports import AdapterTools
from core.errors import Unavailable
from core.outside_http import AccessDenied, Kind, Malformed, OutcomeUnknown, Reply, VendorHttp, VendorProfile
from core.rate_limits import Limit, RateLimited

BASE_URL = "https://graph.facebook.com"
VERSION = "v26.0"
PER_NUMBER = (Limit(80, 1.0, burst=40),)
"""Meta's throughput of a number, in and out together: half of it may go at once."""
PER_PERSON = (Limit(1, 6.0, burst=20),)
"""About one in six seconds to the same person, more in a burst; how much more is not documented."""
PAUSES_S = {Pause.NUMBER: 2.0, Pause.APP: 30.0}
PAIR_WAIT_S = 2.0
"""Longer is left to the queue: this worker has others to serve."""
PAIR_PAUSES_S = (4.0, 16.0, 64.0)
"""4^X seconds, as Meta suggests."""


class Graph:
    """The Graph API for one phone number."""

    def __init__(self, account: Account, tools: AdapterTools) -> None:
        base = tools.guard.check_url(str(account.settings.get("base_url") or BASE_URL), "base_url")
        version = str(account.settings.get("graph_version") or VERSION).strip("/")
        self.number = str(account.settings.get("phone_number_id") or account.address)
        self.waba = str(account.settings.get("waba_id") or "")
        self.token = account.secrets.get("access_token", "")
        self.base_url = base
        self._limiter = tools.limiter
        self._pauses: dict[str, int] = {}
        self._http = VendorHttp(
            tools.http,
            VendorProfile(
                name="whatsapp",
                base_url=f"{base}/{version}",
                limit_key=sha256(self.number.encode()).hexdigest()[:16],
                limits=PER_NUMBER,
                headers={"Authorization": f"Bearer {self.token}", "Accept": "application/json"},
                parallel=16,
                is_later=_pause_of,
                is_final=_is_final,
            ),
            tools.limiter,
            timings=tools.timings,
            observe=tools.observe,
        )

    async def request(self, operation: str, method: str, path: str, **more: Any) -> tuple[Fields, GraphError | None]:
        """The answer, or the error that it holds. Raises Unavailable for Meta's own faults (nothing was done),
        RateLimited, OutcomeUnknown."""
        reply = await self._http.request(operation, method, path, **more)
        error = error_of(reply)
        if error is not None:
            meaning = error.meaning
            if meaning is not None and meaning.why is Pause.SERVICE:
                raise Unavailable("WhatsApp has a fault of its own and says so", sent=False, code=error.code)
            return {}, error
        try:
            return _answer_of(reply), None
        except Malformed:
            if more.get("kind") is Kind.WRITE:
                raise OutcomeUnknown("WhatsApp's answer cannot be read", error="malformed") from None
            raise

    async def ask(self, operation: str, path: str, params: Mapping[str, str] | None = None) -> Fields:
        """A plain question. Raises AccessDenied with the remedy when Meta refuses it."""
        answer, error = await self.request(operation, "GET", path, params=params)
        if error is not None:
            raise denied(error, operation)
        return answer

    async def tell(self, operation: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Fields:
        """A change that may be made twice. Raises AccessDenied with the remedy when Meta refuses it."""
        answer, error = await self.request(operation, method, path, kind=Kind.REPEATABLE, json_body=body)
        if error is not None:
            raise denied(error, operation)
        return answer

    async def wait_for_person(self, thread: str, within_s: float = PAIR_WAIT_S) -> None:
        """A place under the limit of this person. Raises RateLimited: others may go on meanwhile."""
        key = self._pair(thread)
        paused_s = await self._limiter.paused_s(key)
        if paused_s > within_s:
            raise RateLimited("WhatsApp asked to leave this person alone for a moment", paused_s)
        if paused_s:
            await asyncio.sleep(paused_s)
        await self._limiter.take(key, PER_PERSON, within_s)

    async def pause_person(self, thread: str) -> RateLimited:
        """After 131056: longer each time."""
        step = self._pauses.get(thread, 0)
        if len(self._pauses) > 1000:
            self._pauses.clear()
        self._pauses[thread] = step + 1
        pause_s = PAIR_PAUSES_S[min(step, len(PAIR_PAUSES_S) - 1)]
        await self._limiter.pause(self._pair(thread), pause_s)
        return RateLimited("WhatsApp lets no more messages through to this person for now", pause_s)

    def person_is_fine(self, thread: str) -> None:
        self._pauses.pop(thread, None)

    def _pair(self, thread: str) -> str:
        return f"whatsapp:pair:{sha256(f'{self.number}:{thread}'.encode()).hexdigest()[:24]}"


def _answer_of(reply: Reply) -> Fields:
    answer = fields(reply.json())
    if not answer or not reply.ok:
        raise Malformed("WhatsApp answered with no object", status=reply.status)
    return answer


def _pause_of(reply: Reply) -> float | None:
    """Errors that mean "not done, come back": they come with 400 as well as with 429."""
    error = error_of(reply) if reply.status >= 400 else None
    meaning = error.meaning if error else None
    pause_s = PAUSES_S.get(meaning.why) if meaning is not None and isinstance(meaning.why, Pause) else None
    if pause_s is None:
        return None
    said = reply.headers.get("retry-after", "")
    return float(said) if said.isdigit() else pause_s


def _is_final(reply: Reply) -> bool:
    """A code of Meta's says more than the status: 500 with a missing right is a no, 429 may be of one person."""
    if reply.status != 429 and reply.status < 500:
        return False
    error = error_of(reply)
    meaning = error.meaning if error else None
    return meaning is not None and meaning.why not in (Pause.NUMBER, Pause.APP)


def denied(error: GraphError, operation: str) -> AccessDenied:
    refused = error.refused()
    return AccessDenied(
        f"WhatsApp refuses {operation}: code {error.code}",
        refused.remedy_ru or "Проверьте права токена в Business Manager.",
        operation=operation,
        code=error.code,
    )
