"""YandexGPT speaks chat completions; only its key travels in another way.

Source: yandex.cloud/docs/ai-studio (authentication): `Api-Key` for keys of service accounts, `Bearer` for IAM tokens.
"""

import httpx2

IAM_PREFIX = "t1."
"""Beginning of an IAM token, which lives twelve hours at most."""


class ApiKeyTransport(httpx2.AsyncBaseTransport):
    def __init__(self, inner: httpx2.AsyncBaseTransport, key: str) -> None:
        self._inner = inner
        self._authorization = f"{'Bearer' if key.startswith(IAM_PREFIX) else 'Api-Key'} {key}"

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["authorization"] = self._authorization
        request.headers["x-data-logging-enabled"] = "false"  # the vendor keeps no copy of what people say
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()
