"""Shapes that every resource of the company API shares: errors, pages, cursors."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.errors import InvalidInput

T = TypeVar("T")
S = TypeVar("S")


class Shape(BaseModel):
    """Requests with unknown fields are refused: a misspelt name must not be ignored."""

    model_config = ConfigDict(extra="forbid")


def _stored_text(value: str) -> str:
    if "\x00" in value or any(0xD800 <= ord(ch) <= 0xDFFF for ch in value):
        raise ValueError("text without NUL characters and lone surrogates")
    return value


Text = Annotated[str, AfterValidator(_stored_text)]
"""What a database can store."""


class Problem(BaseModel):
    code: str = Field(examples=["not_found"], description="Stable, for programs.")
    message: str = Field(examples=["this company has no such booking"], description="For people: what to mend.")


class ErrorBody(BaseModel):
    error: Problem


_MEANINGS = {
    400: "The body cannot be read",
    401: "No living key",
    403: "The key lacks the right",
    404: "The company has no such thing",
    409: "Against the present state",
    422: "A field is wrong; the message names it",
    429: "Too many requests: wait for the seconds of Retry-After",
    503: "An outside system does not answer: try again after Retry-After",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: the given ones and those that every route has."""
    every = (400, 401, 403, 422, 429, 503, *statuses)
    return {status: {"model": ErrorBody, "description": _MEANINGS[status]} for status in sorted(set(every))}


class Page(BaseModel, Generic[T]):
    items: list[T]
    next: str | None = Field(None, description="Give it as `cursor` to get what follows; null: this is the end.")


_WRONG_CURSOR = "cursor: give `next` of the page before, unchanged"
Limit = Annotated[int, Query(ge=1, le=200, description="At most so many items.")]
Cursor = Annotated[str | None, Query(max_length=400, description="`next` of the page before.")]


def page(rows: Sequence[S], limit: int, shape: Callable[[S], T], place: Callable[[S], tuple[Any, ...]]) -> Page[T]:
    """Of `limit` + 1 rows read; `place` is what the next page starts behind."""
    shown = rows[:limit]
    behind = write_cursor(place(shown[-1])) if len(rows) > limit else None
    return Page(items=[shape(row) for row in shown], next=behind)


def write_cursor(place: tuple[Any, ...]) -> str:
    content = [item.isoformat() if isinstance(item, datetime) else str(item) for item in place]
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Time and id. Raises InvalidInput for what we did not write."""
    found = read_text_cursor(cursor)
    if found is None:
        return None
    try:
        return found[0], UUID(found[1])
    except ValueError:
        raise InvalidInput(_WRONG_CURSOR) from None


def read_text_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    """The same where ids are texts."""
    if cursor is None:
        return None
    try:
        content: Any = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        at, id_ = content
        moment, text = datetime.fromisoformat(at), _stored_text(id_)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise InvalidInput(_WRONG_CURSOR) from None
    if moment.tzinfo is None:
        raise InvalidInput(_WRONG_CURSOR)
    return moment, text


def example(value: Mapping[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [dict(value)]})
