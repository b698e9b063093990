"""Files from a vendor's address: bounded in bytes and time, whatever the server says about its length."""

import asyncio
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

import httpx

from core.egress import EgressGuard
from core.errors import InvalidInput, NotFound, Unavailable
from core.rate_limits import RateLimited

DEADLINE_S = 60.0
MOST_REDIRECTS = 3


async def download(
    http: httpx.AsyncClient,
    url: str,
    most_bytes: int,
    *,
    headers: Mapping[str, str] | None = None,
    deadline_s: float = DEADLINE_S,
    guard: EgressGuard | None = None,
) -> bytes:
    """The file. `headers` go to the address itself, never to one that it redirects to on another host. With `guard`
    only https to public hosts, or what the operator allows.

    Raises NotFound (401, 403, 404, 410: such addresses die), InvalidInput (larger than `most_bytes`), RateLimited,
    Unavailable.
    """
    try:
        async with asyncio.timeout(deadline_s):
            for _ in range(MOST_REDIRECTS + 1):
                if guard is not None:
                    guard.check_url(url, "the file's address")
                found, url_next = await _once(http, url, most_bytes, headers or {})
                if url_next is None:
                    return found
                if urlsplit(url_next).netloc != urlsplit(url).netloc:
                    headers = None
                url = url_next
    except TimeoutError:
        raise Unavailable("the file does not come in time", sent=False) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable("the file cannot be fetched", sent=False, error=type(error).__name__) from None
    raise Unavailable("the address of the file leads round in circles", sent=False)


async def _once(
    http: httpx.AsyncClient, url: str, most_bytes: int, headers: Mapping[str, str]
) -> tuple[bytes, str | None]:
    async with http.stream("GET", url, headers=dict(headers)) as response:
        if response.is_redirect:
            return b"", urljoin(url, response.headers["location"])
        if response.status_code in (401, 403, 404, 410):
            raise NotFound("the vendor has the file no more", status=response.status_code)
        if response.status_code == 429:
            raise RateLimited("the vendor asks to come back later", 1.0)
        if response.status_code != 200:
            raise Unavailable("the file cannot be fetched", sent=False, status=response.status_code)
        said = response.headers.get("content-length", "")
        body = bytearray()
        if not (said.isdigit() and int(said) > most_bytes):
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > most_bytes:
                    break
            else:
                return bytes(body), None
    raise InvalidInput(f"the file is larger than {most_bytes} bytes")
