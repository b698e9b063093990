"""What a repeatable write says when one of its tries may have been done and the next ones fail otherwise."""

import gzip
from collections.abc import Callable

import httpx
import pytest

from core.errors import Unavailable
from core.outside_http import Kind, OutcomeUnknown, Timings, VendorHttp, VendorProfile
from core.rate_limits import RateLimiter

PROFILE = VendorProfile("test", "http://crm.test", "key", ())


def http(answer: Callable[[httpx.Request], httpx.Response], deadline_s: float = 0.2) -> VendorHttp:
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return VendorHttp(client, PROFILE, RateLimiter(None), timings=Timings(deadline_s, deadline_s, 0.01))


@pytest.mark.parametrize("later", ["refused connection", "429", "500"])
async def test_a_try_that_may_have_been_done_is_not_forgotten(later: str) -> None:
    tries = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal tries
        tries += 1
        if tries == 1:
            return httpx.Response(500)
        if later == "refused connection":
            raise httpx.ConnectError("refused")
        return httpx.Response(int(later))

    with pytest.raises(OutcomeUnknown) as failed:
        await http(answer).request("move", "PUT", "/order", kind=Kind.REPEATABLE)
    assert tries > 1
    assert failed.value.facts.get("sent") is not False


async def test_what_never_left_is_said_to_have_never_left() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(Unavailable) as failed:
        await http(answer).request("move", "PUT", "/order", kind=Kind.REPEATABLE)
    assert failed.value.facts["sent"] is False


async def test_what_follows_a_compressed_body_counts_as_its_size() -> None:
    body = gzip.compress(b"{}") + b" " * 5_000_000

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(body))

    with pytest.raises(Unavailable):
        await http(answer).request("list", "GET", "/orders")
