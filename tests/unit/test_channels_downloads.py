"""Files from a vendor: bounded, and no key goes further than it must."""

import httpx
import pytest

from channels.downloads import download
from core.egress import EgressGuard
from core.errors import InvalidInput, NotFound, Unavailable
from core.rate_limits import RateLimited

KEY = {"Authorization": "Bearer of the vendor alone"}


def client(*answers: httpx.Response) -> tuple[httpx.AsyncClient, list[httpx.Request]]:
    seen: list[httpx.Request] = []
    waiting = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return httpx.AsyncClient(transport=httpx.MockTransport(answer)), seen


def moved(url: str) -> httpx.Response:
    return httpx.Response(302, headers={"location": url})


async def test_a_key_is_not_shown_to_another_host() -> None:
    http, seen = client(moved("/b"), moved("https://cdn.example/c"), httpx.Response(200, content=b"file"))
    async with http:
        assert await download(http, "https://files.example/a", 100, headers=KEY) == b"file"
    assert [request.url.host for request in seen] == ["files.example", "files.example", "cdn.example"]
    assert ["authorization" in request.headers for request in seen] == [True, True, False]


async def test_a_private_address_is_refused_also_behind_a_redirect() -> None:
    http, seen = client(moved("http://169.254.169.254/latest"), httpx.Response(200, content=b"secret"))
    async with http:
        with pytest.raises(InvalidInput):
            await download(http, "https://files.example/a", 100, guard=EgressGuard())
    assert len(seen) == 1


async def test_circles_end() -> None:
    http, seen = client(moved("https://files.example/a"))
    async with http:
        with pytest.raises(Unavailable):
            await download(http, "https://files.example/a", 100)
    assert len(seen) == 4


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_a_dead_address_is_gone(status: int) -> None:
    http, _ = client(httpx.Response(status))
    async with http:
        with pytest.raises(NotFound):
            await download(http, "https://files.example/a", 100)


async def test_other_answers_may_pass() -> None:
    for status, error in ((429, RateLimited), (500, Unavailable), (204, Unavailable)):
        http, _ = client(httpx.Response(status))
        async with http:
            with pytest.raises(error) as failed:
                await download(http, "https://files.example/a", 100)
        assert failed.value.facts["sent"] is False


@pytest.mark.parametrize("said", [None, "5"])
async def test_the_size_is_measured_and_not_believed(said: str | None) -> None:
    async def endless():
        for _ in range(1000):
            yield b"x" * 50

    headers = {"content-length": said} if said else {}
    http, _ = client(httpx.Response(200, headers=headers, content=endless()))
    async with http:
        with pytest.raises(InvalidInput):
            await download(http, "https://files.example/a", 100)


async def test_a_file_that_says_it_is_too_large_is_not_begun() -> None:
    http, _ = client(httpx.Response(200, headers={"content-length": "101"}, content=b"x" * 101))
    async with http:
        with pytest.raises(InvalidInput):
            await download(http, "https://files.example/a", 100)
