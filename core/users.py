"""People of a salon and their roles."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg

from core.database import Database
from core.errors import AppError, InvalidInput, NotFound
from core.tenancy import CompanyScope


class Role(StrEnum):
    OWNER = "owner"
    """Money, keys, people."""
    ADMIN = "admin"
    """Journal, inbox, recordings, settings."""
    STAFF = "staff"
    """A master: own visits only."""


@dataclass(frozen=True, slots=True)
class User:
    id: UUID
    email: str
    name: str
    role: Role
    staff_id: str
    """The master in the CRM who this is; empty: none."""
    created_at: datetime
    disabled_at: datetime | None


class AlreadyThere(AppError):
    code = "already_exists"
    http_status = 409


class Users:
    """The table of users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, scope: CompanyScope, email: str, name: str, role: Role, staff_id: str = "") -> User:
        """Raises InvalidInput, AlreadyThere."""
        address = email.strip().lower()
        if address.count("@") != 1 or not all(address.split("@")) or any(ch.isspace() for ch in address):
            raise InvalidInput("email: an address such as olga@salon.ru")
        try:
            async with self._database.company(scope) as conn:
                row = await conn.fetchrow(
                    """insert into users (company_id, email, name, role, staff_id) values ($1, $2, $3, $4, $5)
                       returning *""",
                    scope.company_id,
                    address,
                    name.strip(),
                    role.value,
                    staff_id,
                )
        except asyncpg.UniqueViolationError:
            raise AlreadyThere("email: the company has a user with this address") from None
        assert row is not None
        return _user(row)

    async def list(self, scope: CompanyScope) -> Sequence[User]:
        """In order of making, disabled ones included."""
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                "select * from users where company_id = $1 order by created_at, id", scope.company_id
            )
        return [_user(row) for row in rows]

    async def change(
        self, scope: CompanyScope, user_id: UUID, *, name: str | None = None, role: Role | None = None,
        staff_id: str | None = None, disabled: bool | None = None,
    ) -> User:  # fmt: skip
        """None leaves as it is. Raises NotFound; InvalidInput when the company would be left without an owner."""
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                """update users set name = coalesce($3, name), role = coalesce($4, role),
                       staff_id = coalesce($5, staff_id),
                       disabled_at = case when $6::boolean is null then disabled_at
                                          when $6 then coalesce(disabled_at, now()) end
                   where company_id = $1 and id = $2 returning *""",
                scope.company_id,
                user_id,
                name,
                role.value if role else None,
                staff_id,
                disabled,
            )
            if row is None:
                raise NotFound("the company has no such user")
            if role is not None or disabled:
                owners = await conn.fetchrow(
                    """select count(*) filter (where role = 'owner' and disabled_at is null) as living,
                              count(*) filter (where role = 'owner') as any
                       from users where company_id = $1""",
                    scope.company_id,
                )
                if owners is not None and owners["any"] and not owners["living"]:
                    raise InvalidInput("role: the company needs an owner; name another one first")
        return _user(row)


def _user(row: "asyncpg.Record") -> User:
    return User(
        row["id"], row["email"], row["name"], Role(row["role"]), row["staff_id"], row["created_at"], row["disabled_at"]
    )
