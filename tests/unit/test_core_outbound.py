"""Guarded egress, shared limits without Redis, the circuit breaker."""

import asyncio

import httpx
import pytest

from core.breaker import Breaker
from core.egress import EgressGuard, Forbidden, guarded_client
from core.errors import InvalidInput
from core.rate_limits import Limit, RateLimited, RateLimiter

PRIVATE = [
    "https://127.0.0.1", "https://localhost.localdomain@127.0.0.1", "https://[::1]", "https://10.1.2.3",
    "https://192.168.0.1", "https://169.254.169.254/latest/meta-data", "https://2130706433", "https://0x7f.1",
    "https://0177.0.0.1", "https://[::ffff:127.0.0.1]", "https://[fd00::1]", "https://100.64.0.1", "https://0.0.0.0",
    "http://crm.example.ru", "https://crm.example.ru:22", "ftp://crm.example.ru", "file:///etc/passwd",
    "gopher://crm.example.ru", "https://", "crm.example.ru", "https://crm.example.ru:port",
]  # fmt: skip


@pytest.mark.parametrize("url", PRIVATE)
def test_addresses_that_a_tenant_may_not_give(url: str) -> None:
    with pytest.raises(InvalidInput, match="base_url"):
        EgressGuard().check_url(url, "base_url")


def test_public_addresses_and_those_the_operator_allows() -> None:
    assert EgressGuard().check_url("https://crm.example.ru/api/") == "https://crm.example.ru/api"
    assert EgressGuard().check_url("https://8.8.8.8:8443") == "https://8.8.8.8:8443"
    office = EgressGuard(["1c.office.local", "10.0.0.0/8", "127.0.0.1"])
    assert office.check_url("http://1c.office.local:8080/base") == "http://1c.office.local:8080/base"
    assert office.check_url("http://10.2.3.4/base") == "http://10.2.3.4/base"
    with pytest.raises(InvalidInput):
        office.check_url("http://192.168.1.1/base")


async def test_a_name_that_resolves_to_a_private_address_is_not_connected_to() -> None:
    """DNS rebinding: the check is made on the address that is connected to."""
    connections = 0

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, guarded_client(EgressGuard()) as client:
        with pytest.raises(Forbidden):
            await client.get(f"http://localhost:{port}/")
    assert connections == 0
    async with guarded_client(EgressGuard(["localhost"])) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://localhost:{port}/")


async def test_a_redirect_is_not_followed() -> None:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, guarded_client(EgressGuard(["127.0.0.1"])) as client:
        assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 302


async def test_a_limit_lets_a_burst_go_and_then_one_at_a_time() -> None:
    limiter, limits = RateLimiter(None), [Limit(5, 1.0), Limit(200, 60.0)]
    assert [await limiter.try_take("a", limits) for _ in range(5)] == [0.0] * 5
    assert 0.0 < await limiter.try_take("a", limits) <= 0.2
    assert await limiter.try_take("b", limits) == 0.0, "another key has places of its own"
    with pytest.raises(RateLimited) as refused:
        await limiter.take("a", limits, within_s=0.0)
    assert refused.value.facts["sent"] is False


async def test_a_longer_limit_holds_when_the_shorter_one_has_places() -> None:
    limiter, limits = RateLimiter(None), [Limit(100, 1.0), Limit(3, 60.0)]
    assert [await limiter.try_take("a", limits) for _ in range(3)] == [0.0] * 3
    assert await limiter.try_take("a", limits) > 15


async def test_a_pause_is_kept() -> None:
    limiter = RateLimiter(None)
    assert await limiter.paused_s("a") == 0.0
    await limiter.pause("a", 5)
    assert 4 < await limiter.paused_s("a") <= 5


def test_the_breaker_opens_probes_once_and_closes() -> None:
    breaker = Breaker(failures_to_open=3, pause_s=5, longest_pause_s=8)
    for _ in range(3):
        assert breaker.allows(0.0)
        breaker.failed(0.0)
    assert not breaker.allows(4.9)
    assert breaker.allows(5.0)
    assert not breaker.allows(5.0), "one probe at a time"
    breaker.failed(5.0)
    assert not breaker.allows(12.9), "twice the pause, at most the longest"
    assert breaker.allows(13.0)
    breaker.left_unused()
    assert breaker.allows(13.0)
    breaker.succeeded()
    assert breaker.allows(13.0)
    assert breaker.allows(13.0)


async def test_a_cookie_of_one_company_is_never_kept_for_another() -> None:
    async with guarded_client(EgressGuard()) as http:
        for host in ("crm.example.ru", "localhost", "127.0.0.1"):
            request = httpx.Request("GET", f"https://{host}/base")
            answer = httpx.Response(200, headers={"set-cookie": "ibsession=secret; path=/"}, request=request)
            http.cookies.extract_cookies(answer)
            assert "cookie" not in http.build_request("GET", f"https://{host}/base").headers
        assert not list(http.cookies.jar)
