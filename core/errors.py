"""The error tree. Expected outcomes (slot taken, client blocked) are values, not errors.

Every error carries a stable code, facts for the log, whether a retry may help, and the HTTP status of an API answer.
The message names the field and the remedy; it never holds personal data.
"""

from collections.abc import Mapping
from typing import ClassVar


class AppError(Exception):
    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, **facts: str | int | float | bool | None) -> None:
        super().__init__(message)
        self.message = message
        self.facts: Mapping[str, str | int | float | bool | None] = facts


class InvalidInput(AppError):
    """The request itself is wrong; the message says which field and what would be right."""

    code = "invalid_input"
    http_status = 422


class NotFound(AppError):
    code = "not_found"
    http_status = 404


class Forbidden(AppError):
    code = "forbidden"
    http_status = 403


class ConfigurationError(AppError):
    """A setting is missing or contradicts another; the message names it and the remedy."""

    code = "configuration"


class Unavailable(AppError):
    """An outside system does not answer or refuses for now."""

    code = "unavailable"
    retryable = True
    http_status = 503


class DeadlineExceeded(Unavailable):
    code = "deadline_exceeded"
    http_status = 504
