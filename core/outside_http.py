"""Requests to an outside service: one place for limits, deadlines, sizes, retries and the meaning of failures.

What may be repeated follows from what can have happened (facts of every vendor are the same here):

* nothing left this machine (refused, no route, name unknown, TLS): repeat, or raise with ``sent=False``;
* 429 and the vendor's own "later" answers: not done; wait as told, repeat within the deadline;
* a read that failed: repeat within the deadline;
* a write that timed out, broke off, or got a 5xx: the outcome is unknown. It is raised as `OutcomeUnknown` and never
  sent again from here.

Answers 2xx to 4xx come back as `Reply`: what a 404 or 422 means is the adapter's knowledge.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import httpx
import structlog

from core.breaker import Breaker
from core.errors import AppError, Unavailable
from core.rate_limits import Limit, RateLimited, RateLimiter

log = structlog.get_logger(__name__)

MAX_BODY = 2 * 1024 * 1024
"""Bytes of an answer. No page of a salon's data comes near it; a body without end would fill the memory."""
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Kind(StrEnum):
    READ = "read"
    WRITE = "write"
    """Changes something at the vendor and is not idempotent."""
    REPEATABLE = "repeatable"
    """Changes something, but twice is the same as once (PUT of a whole state, DELETE): repeated like a read."""


class OutcomeUnknown(Unavailable):
    """The vendor did not say whether the write was done. Look it up; never send it again blindly."""

    code = "outcome_unknown"


class Malformed(Unavailable):
    """The answer is not what the vendor's documentation promises: no JSON, a wrong type, a missing field."""

    code = "malformed_answer"


class AccessDenied(AppError):
    """Key, right or subscription are gone: only a person can repair it. `remedy` is shown to the salon."""

    code = "crm_access_denied"
    http_status = 502

    def __init__(self, message: str, remedy: str, **facts: str | int | float | bool | None) -> None:
        super().__init__(message, **facts)
        self.remedy = remedy


@contextlib.contextmanager
def before_writing() -> Iterator[None]:
    """Around the questions that come before a write: whatever fails here, nothing was sent yet."""
    try:
        yield
    except Unavailable as error:
        if error.facts.get("sent") is False:
            raise
        facts = {**error.facts, "sent": False}
        raise Unavailable(error.message, **facts) from error


@contextlib.contextmanager
def after_writing() -> Iterator[None]:
    """Around what comes after a write: "nothing was sent" of a later question says nothing about the write."""
    try:
        yield
    except OutcomeUnknown:
        raise
    except AppError as error:
        raise OutcomeUnknown("written, but the CRM did not answer the next question", error=error.code) from error


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: httpx.Headers
    body: bytes

    def json(self) -> Any:
        """Raises Malformed when the body is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Malformed("the service answered with something that is no JSON", status=self.status) from None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds. The booking desk waits 2 s for a read and 4 s for a write: a caller is on the line."""

    deadline_s: float = 1.9
    """A whole read, its repeats and the wait for the rate limit included."""
    write_deadline_s: float = 3.8
    first_pause_s: float = 0.15
    """Before the first repeat; doubles."""
    longest_retry_after_s: float = 30.0
    """A longer `Retry-After` is believed only so far."""


@dataclass(frozen=True, slots=True)
class VendorProfile:
    """What differs between vendors in how their servers are to be treated."""

    name: str
    """For metrics and rate-limit keys: yclients."""
    base_url: str
    limit_key: str
    """Who shares the limit by the vendor's rule: the address, the portal, the key."""
    limits: Sequence[Limit]
    headers: Mapping[str, str] = field(default_factory=dict)
    parallel: int = 4
    """Requests at once for one company, so that a crowd of one salon does not fill the vendor's limit."""
    is_later: Callable[[Reply], float | None] = lambda reply: None
    """For answers beside 429 that mean "not done, ask again": the pause in seconds (Bitrix24: 503 QUERY_LIMIT)."""
    is_final: Callable[[Reply], bool] = lambda reply: False
    """For 429 and 5xx that are a definite no, to be read by the adapter like a 4xx (Bitrix24: 503 OVERLOAD_LIMIT)."""


Observe = Callable[[str, str, str, float], None]
"""vendor, operation, outcome, seconds."""


class VendorHttp:
    """The HTTP side of one company's connection to one vendor. The httpx client is shared and closed by its owner."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        profile: VendorProfile,
        limiter: RateLimiter,
        *,
        timings: Timings | None = None,
        breaker: Breaker | None = None,
        observe: Observe | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
        max_body: int = MAX_BODY,
    ) -> None:
        self._client = client
        self.profile = profile
        self._limiter = limiter
        self._timings = timings or Timings()
        self.breaker = breaker or Breaker()
        self._observe = observe
        self._now = monotonic_s
        self._max_body = max_body
        self._places = asyncio.Semaphore(profile.parallel)
        self._limit_key = f"{profile.name}:{profile.limit_key}"

    async def request(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        kind: Kind = Kind.READ,
        params: Any = None,
        json_body: Any = None,
        form: Mapping[str, Any] | None = None,
        files: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        deadline_s: float | None = None,
    ) -> Reply:
        """One operation. `path` is added to the base URL; a full URL is taken as it stands.

        Raises Unavailable (with ``sent=False`` when nothing can have been done), RateLimited, OutcomeUnknown.
        """
        limit_s = deadline_s or (self._timings.deadline_s if kind is Kind.READ else self._timings.write_deadline_s)
        request = self._client.build_request(
            method,
            path if path.startswith(("http://", "https://")) else self.profile.base_url + path,
            params=params,
            json=json_body,
            data=form,
            files=files,
            content=content,
            headers={**self.profile.headers, **(headers or {})},
            timeout=self._steps(limit_s),
        )
        started = self._now()
        outcome = "error"
        try:
            reply = await self._within(request, operation, kind, started + limit_s)
        except AppError as error:
            outcome = error.code
            raise
        else:
            outcome = f"{reply.status // 100}xx"
            return reply
        finally:
            if self._observe:
                self._observe(self.profile.name, operation, outcome, self._now() - started)

    def _steps(self, limit_s: float) -> httpx.Timeout:
        """The client's limits of single steps; of an answer that may take longer (a long poll), the whole limit."""
        steps = self._client.timeout
        if steps.read is None or steps.read >= limit_s:
            return steps
        return httpx.Timeout(connect=steps.connect, read=limit_s, write=limit_s, pool=steps.pool)

    async def _within(self, request: httpx.Request, operation: str, kind: Kind, deadline: float) -> Reply:
        pause_s = self._timings.first_pause_s
        perhaps_done = False  # an earlier try of a repeatable write may have been done: no later failure undoes that
        while True:
            try:
                wait_s, result = await self._in_turn(request, operation, kind, deadline)
            except Unavailable as error:
                if perhaps_done:
                    raise _perhaps_done(error) from error
                raise
            if wait_s is None and isinstance(result, Reply):
                return result
            wait_s = pause_s if wait_s is None else wait_s
            if isinstance(result, Reply):
                failure: AppError = RateLimited("the service asks to come back later", wait_s)
            else:
                failure = result
                perhaps_done |= kind is Kind.REPEATABLE and result.facts.get("sent") is not False
            if self._now() + wait_s >= deadline:
                raise _perhaps_done(failure) if perhaps_done else failure
            await asyncio.sleep(wait_s)
            pause_s *= 2

    async def _in_turn(
        self, request: httpx.Request, operation: str, kind: Kind, deadline: float
    ) -> tuple[float | None, Reply | AppError]:
        """One try in this company's place and under the vendor's limits."""
        try:
            async with asyncio.timeout(max(0.0, deadline - self._now())):
                await self._places.acquire()
        except TimeoutError:
            raise RateLimited("too many requests of this salon are waiting", 0.0) from None
        try:
            await self._wait_for_turn(deadline)
            return await self._attempt(request, operation, kind, deadline)
        finally:
            self._places.release()

    async def _wait_for_turn(self, deadline: float) -> None:
        """Under the vendor's limits. Raises RateLimited when the turn would come too late."""
        paused_s = await self._limiter.paused_s(self._limit_key)
        if paused_s >= deadline - self._now():
            raise RateLimited("the service asked to come back later", paused_s)
        if paused_s > 0:
            await asyncio.sleep(paused_s)
        await self._limiter.take(self._limit_key, self.profile.limits, max(0.0, deadline - self._now()))

    async def _attempt(
        self, request: httpx.Request, operation: str, kind: Kind, deadline: float
    ) -> tuple[float | None, Reply | AppError]:
        """One try: (None, reply) is final; (pause, reply) or (None, error) may be tried again. Else it raises."""
        if not self.breaker.allows(self._now()):
            raise Unavailable("the service failed several times in a row and is left alone for a moment", sent=False)
        try:
            async with asyncio.timeout(max(0.05, deadline - self._now())):
                reply = await self._send(request)
        except _NOT_SENT as error:
            self.breaker.failed(self._now())
            return None, Unavailable("the service cannot be reached", sent=False, error=type(error).__name__)
        except (httpx.HTTPError, TimeoutError) as error:
            self.breaker.failed(self._now())
            return None, self._unclear(kind, type(error).__name__)
        except BaseException:
            self.breaker.left_unused()
            raise
        if self.profile.is_final(reply):
            self.breaker.succeeded()
            return None, reply
        pause_s = self.profile.is_later(reply)
        if reply.status == 429 or pause_s is not None:
            self.breaker.succeeded()  # it answers, it is only full
            wait_s = _retry_after_s(reply) if pause_s is None else pause_s
            if wait_s is not None:
                wait_s = min(wait_s, self._timings.longest_retry_after_s)
                await self._limiter.pause(self._limit_key, wait_s)
            log.info("vendor_rate_limited", vendor=self.profile.name, operation=operation, wait_s=wait_s)
            return self._timings.first_pause_s * 4 if wait_s is None else wait_s, reply
        if reply.status >= 500:
            self.breaker.failed(self._now())
            return None, self._unclear(kind, f"http_{reply.status}")
        self.breaker.succeeded()
        return None, reply

    def _unclear(self, kind: Kind, what: str) -> AppError:
        if kind is Kind.WRITE:
            raise OutcomeUnknown("the service did not say whether it was done", error=what)
        return Unavailable("the service does not answer properly", error=what)

    async def _send(self, request: httpx.Request) -> Reply:
        response = await self._client.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._max_body:
                    raise httpx.DecodingError("the answer is too large", request=request)
            if response.num_bytes_downloaded > self._max_body:  # what follows the end of a compressed body
                raise httpx.DecodingError("the answer is too large", request=request)
            return Reply(response.status_code, response.headers, bytes(body))
        finally:
            await response.aclose()


def _perhaps_done(error: AppError) -> OutcomeUnknown:
    return OutcomeUnknown(
        "the service did not say whether it was done", error=str(error.facts.get("error", error.code))
    )


def _retry_after_s(reply: Reply) -> float | None:
    """Seconds of `Retry-After` (RFC 9110, 10.2.3), only its delta form: clocks of vendors are not ours."""
    try:
        return max(0.0, float(reply.headers.get("retry-after", "")))
    except ValueError:
        return None
