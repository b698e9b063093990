"""Our errors as JSON answers: a stable code, a text that names the remedy, never a stack trace."""

import math

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from core.errors import AppError

log = structlog.get_logger(__name__)


def install_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)


async def _app_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AppError)
    if error.http_status >= 500:
        log.error("request_failed", path=request.url.path, code=error.code)
    wait_s = error.facts.get("wait_s")
    later = max(1, math.ceil(wait_s)) if isinstance(wait_s, int | float) else 2
    headers = {"Retry-After": str(later)} if error.retryable else None
    return _answer(error.http_status, error.code, error.message, headers)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = [f"{'.'.join(str(part) for part in row['loc'])}: {row['msg']}" for row in error.errors()]
    return _answer(422, "invalid_input", "; ".join(problems))


async def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    codes = {401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}
    headers = dict(error.headers) if error.headers else None
    return _answer(error.status_code, codes.get(error.status_code, "error"), str(error.detail), headers)


async def _gone(request: Request, _error: Exception) -> JSONResponse:
    """Hung up before the request was read: nobody hears the answer, and it is no fault of ours."""
    log.info("client_left", path=request.url.path)
    return _answer(400, "client_left", "the request was broken off")


def _answer(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)
