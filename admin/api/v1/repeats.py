"""Idempotency-Key on every request that changes something: sent twice, it is done once and answered the same.

The header's draft: draft-ietf-httpapi-idempotency-key-header. A request without the header is just done.
"""

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from admin.api.v1.access import Gate
from core.api_answers import Answer, ApiAnswers
from core.errors import InvalidInput
from core.tenancy import CompanyScope

HEADER = "idempotency-key"
MOST_LETTERS = 255
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def repeatable(gate: Gate, answers: ApiAnswers) -> type[APIRoute]:
    """The route class of the company API."""

    class RepeatableRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            work = super().get_route_handler()
            if not (self.methods or set()) & {"POST", "PATCH", "PUT", "DELETE"}:
                return work

            async def handle(request: Request) -> Response:
                key = request.headers.get(HEADER)
                if key is None:
                    return await work(request)
                if not 1 <= len(key) <= MOST_LETTERS or not key.isprintable():
                    raise InvalidInput(f"Idempotency-Key: 1 to {MOST_LETTERS} printable characters, best a UUID")
                holder = await gate.holder_of(request)
                if holder is None:
                    return await work(request)
                return await _once(request, work, answers, holder.scope, key)

            return handle

    return RepeatableRoute


async def _once(request: Request, work: Handler, answers: ApiAnswers, scope: CompanyScope, key: str) -> Response:
    content = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + await request.body()
    kept = await answers.claim(scope, key, hashlib.sha256(content).hexdigest())
    if kept is not None:
        return Response(kept.body, kept.status, {"Idempotency-Replayed": "true"}, kept.content_type or None)
    try:
        response = await work(request)
    except BaseException:
        # refusals are raised: nothing was done, so the mended request may come with the same key
        await answers.release(scope, key)
        raise
    if response.status_code >= 500:
        await answers.release(scope, key)
    else:
        body = bytes(response.body)
        await answers.keep(scope, key, Answer(response.status_code, body, response.headers.get("content-type", "")))
    return response
