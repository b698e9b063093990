"""The two things we ask of Twilio during a call: end it, or give it other TwiML.

Source: twilio.com/docs/voice/api/call-resource. Both may lose the race against the caller's own hang-up; that is an
expected outcome, told apart by the vendor's error code and not by its text.
"""

from enum import StrEnum

import httpx

from core.errors import Forbidden, Unavailable

API_URL = "https://api.twilio.com"
TIMEOUT_S = 5.0
ATTEMPTS = 2
CODE_CALL_NOT_IN_PROGRESS = 21220
CODE_NOT_FOUND = 20404


class UpdateOutcome(StrEnum):
    DONE = "done"
    CALL_OVER = "call_over"
    """The call ended before the request arrived."""


class TwilioRest:
    """user and password: account SID and auth token, or API key SID and its secret."""

    def __init__(
        self,
        account_sid: str,
        user: str,
        password: str,
        base_url: str = API_URL,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._account_sid = account_sid
        self._http = httpx.AsyncClient(
            base_url=base_url, auth=(user, password), timeout=TIMEOUT_S, transport=transport, follow_redirects=False
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def hang_up(self, call_sid: str) -> UpdateOutcome:
        return await self._update(call_sid, {"Status": "completed"})

    async def redirect(self, call_sid: str, twiml: str) -> UpdateOutcome:
        """twiml: at most 4000 characters. The media stream of the call ends with it."""
        return await self._update(call_sid, {"Twiml": twiml})

    async def _update(self, call_sid: str, form: dict[str, str]) -> UpdateOutcome:
        """Both updates are idempotent, so an attempt that got no answer is repeated once."""
        path = f"/2010-04-01/Accounts/{self._account_sid}/Calls/{call_sid}.json"
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = await self._http.post(path, data=form)
            except httpx.HTTPError as error:
                if attempt == ATTEMPTS:
                    raise Unavailable("Twilio REST does not answer", error=type(error).__name__) from error
                continue
            if response.status_code < 500 or attempt == ATTEMPTS:
                break
        return _outcome(response)


def _outcome(response: httpx.Response) -> UpdateOutcome:
    if response.is_success:
        return UpdateOutcome.DONE
    code = _error_code(response)
    if code in (CODE_CALL_NOT_IN_PROGRESS, CODE_NOT_FOUND):
        return UpdateOutcome.CALL_OVER
    facts: dict[str, str | int | None] = {
        "provider": "twilio",
        "http_status": response.status_code,
        "provider_code": code,
    }
    if response.status_code in (401, 403):
        raise Forbidden("Twilio refuses the credentials: check account SID and auth token", **facts)
    raise Unavailable("Twilio refuses the request", **facts)


def _error_code(response: httpx.Response) -> int | None:
    try:
        body = response.json()
    except ValueError:
        return None
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, int) else None
