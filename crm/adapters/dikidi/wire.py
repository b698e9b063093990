"""The questions that DIKIDI's booking widget asks, read only.

Private endpoints: they answer 200 to everything, sometimes with a page instead of data. Whatever is not the expected
JSON is "does not answer", never "nothing there".
"""

from collections.abc import Mapping
from typing import Any

from core.outside_http import Malformed, VendorHttp, VendorProfile
from core.rate_limits import Limit

BASE_URL = "https://dikidi.ru"
LINK_HOST = "https://dikidi.net"
LIMITS = (Limit(60, 60.0, burst=20),)
"""No limit is published; wrappers wait a second between questions. Per source address, as far as anybody knows."""
LIST_DEADLINE_S = 20.0
"""Lists are asked for once an hour, and may wait for the limit."""


def http_profile(base_url: str) -> VendorProfile:
    return VendorProfile(
        name="dikidi",
        base_url=base_url.rstrip("/"),
        limit_key=base_url.rstrip("/"),
        limits=LIMITS,
        headers={
            "Accept": "application/json",
            "X-Requested-With": "XMLHttpRequest",
            "User-Agent": "Mozilla/5.0 (compatible; AI-Admin; booking assistant of the salon)",
        },
        parallel=2,
    )


class Wire:
    def __init__(self, http: VendorHttp) -> None:
        self._http = http

    async def ask(
        self, operation: str, path: str, params: list[tuple[str, str]], *, deadline_s: float | None = None
    ) -> Mapping[str, Any]:
        """The answer's `data`, or the whole object where there is none. Raises Unavailable for everything else."""
        reply = await self._http.request(operation, "GET", path, params=params, deadline_s=deadline_s)
        if not reply.ok:
            raise Malformed("DIKIDI's widget does not answer as it does to clients", status=reply.status)
        return data_of(reply.json())


def data_of(answer: Any) -> Mapping[str, Any]:
    """Two conventions: {"error": {"code": 0}, "data": {…}}, or the data at the root with a falsy `error` or none."""
    if not isinstance(answer, Mapping):
        raise Malformed("DIKIDI's widget answered with something else than an object", got=type(answer).__name__)
    error = answer.get("error")
    code = error.get("code") if isinstance(error, Mapping) else error
    if code not in (None, False, 0, "0", "", []):
        raise Malformed("DIKIDI's widget refuses the question", refusal=str(code)[:20])
    if "data" in answer:
        data = answer["data"]
        if not isinstance(data, Mapping):
            raise Malformed("DIKIDI's widget answered without data", got=type(data).__name__)
        return data
    return answer
