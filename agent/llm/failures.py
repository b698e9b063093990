"""Errors of providers, in whatever shape they come, as one of our few reasons."""

import asyncio
import re
from collections.abc import Iterator

from agent.llm.health import Failure

_REGION = re.compile(r"location is not supported|unsupported_country|region|country", re.I)
_MONEY = re.compile(r"insufficient_quota|billing|payment required|credit balance|exceeded your current quota", re.I)
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s?$")


def failure_of(error: BaseException) -> Failure:
    from pydantic_ai import exceptions as ai

    status = getattr(error, "status_code", None)
    text = f"{getattr(error, 'body', '')} {getattr(error, 'provider_error_code', '')}"
    match error:
        case ai.ContentFilterError():
            return Failure.FILTERED
        case ai.ModelRequestTimeout() | ai.ModelTimeoutError() | TimeoutError() | asyncio.TimeoutError():
            return Failure.STALLED
        case ai.UnexpectedModelBehavior():
            return Failure.GARBAGE
    if isinstance(error, ai.ModelQuotaExceededError) or status == 402 or _MONEY.search(text):
        return Failure.MONEY
    if status in (400, 403) and _REGION.search(text):
        return Failure.REGION
    if isinstance(error, ai.ModelAuthenticationError) or status in (401, 403):
        return Failure.AUTH
    if isinstance(error, ai.ModelNotFoundError) or status == 404:
        return Failure.NO_MODEL
    if isinstance(error, ai.ModelRateLimitError) or status == 429:
        return Failure.LIMIT
    if isinstance(error, ai.ModelConnectionError):
        return Failure.UNREACHABLE
    if isinstance(error, ai.ModelUnavailableError | ai.ModelServerError) or (status is not None and status >= 500):
        return Failure.OVERLOADED
    if status is not None:
        return Failure.BAD_REQUEST
    names = {type(cause).__name__ for cause in _chain(error)}
    if names & {"ConnectError", "ConnectTimeout", "ReadError", "RemoteProtocolError", "APIConnectionError", "OSError"}:
        return Failure.UNREACHABLE
    if names & {"ReadTimeout", "APITimeoutError", "PoolTimeout"}:
        return Failure.STALLED
    return Failure.GARBAGE


def retry_after_s(error: BaseException) -> float | None:
    """From the header, or from Google's RetryInfo."""
    headers = getattr(error, "headers", None) or {}
    for value in (headers.get("retry-after"), _google_delay(getattr(error, "body", None))):
        found = _SECONDS.match(str(value or ""))
        if found:
            return float(found[1])
    return None


def _google_delay(body: object) -> object:
    if not isinstance(body, dict):
        return None
    error = body.get("error", body)
    details = error.get("details", ()) if isinstance(error, dict) else ()
    return next((d["retryDelay"] for d in details if isinstance(d, dict) and "retryDelay" in d), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(8):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__
