"""Companies (tenants) and how the edge finds the one that is meant: by slug or by the dialled number."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import asyncpg

from core.database import Database
from core.errors import InvalidInput, NotFound
from core.ids import CompanyId
from core.phone import Phone
from core.tenancy import CompanyScope

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_PHONE_LIKE = re.compile(r"\+?[\d\s()./-]{7,}")


@dataclass(frozen=True, slots=True)
class Company:
    id: CompanyId
    slug: str
    """Short name in addresses: lower-case Latin letters, digits, hyphens."""
    name: str
    region: str = "RU"
    """ISO 3166-1 alpha-2: how telephone numbers without a country code are read."""
    timezone: str = "Europe/Moscow"
    """IANA name."""
    language: str = "ru"
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scope(self) -> CompanyScope:
        return CompanyScope(self.id)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


def dialled_address(text: str, region: str = "RU") -> str:
    """One spelling for what was dialled: E.164 for telephone numbers, lower case for SIP users."""
    stripped = text.strip()
    if _PHONE_LIKE.fullmatch(stripped) and (phone := Phone.parse(stripped, region)):
        return phone.e164
    return stripped.lower()


class Companies:
    """The table of companies and the directory of their numbers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(
        self,
        slug: str,
        name: str,
        *,
        region: str = "RU",
        timezone: str = "Europe/Moscow",
        language: str = "ru",
        settings: Mapping[str, Any] | None = None,
    ) -> Company:
        """Creates the company or updates the one with this slug. Settings are kept when None is given.

        Raises InvalidInput that names the wrong field.
        """
        if not _SLUG.fullmatch(slug):
            raise InvalidInput("slug: use lower-case Latin letters, digits and hyphens, for example myata")
        if not name.strip():
            raise InvalidInput("name: must not be empty")
        if not re.fullmatch(r"[A-Z]{2}", region):
            raise InvalidInput("region: two capital letters of ISO 3166, for example RU")
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise InvalidInput("timezone: a name of the IANA list, for example Europe/Moscow") from None
        async with self._database.system() as conn:
            row = await conn.fetchrow(
                """insert into companies (slug, name, region, timezone, language, settings)
                   values ($1, $2, $3, $4, $5, coalesce($6, '{}'::jsonb))
                   on conflict (slug) do update set name = excluded.name, region = excluded.region,
                       timezone = excluded.timezone, language = excluded.language,
                       settings = coalesce($6, companies.settings)
                   returning *""",
                slug,
                name.strip(),
                region,
                timezone,
                language,
                None if settings is None else dict(settings),
            )
        assert row is not None
        return _company(row)

    async def get(self, scope: CompanyScope) -> Company:
        """Raises NotFound when the company was removed."""
        async with self._database.system() as conn:
            row = await conn.fetchrow("select * from companies where id = $1", scope.company_id)
        if row is None:
            raise NotFound("the company does not exist")
        return _company(row)

    async def by_slug(self, slug: str) -> Company | None:
        async with self._database.system() as conn:
            row = await conn.fetchrow("select * from companies where slug = $1", slug)
        return _company(row) if row else None

    async def all(self) -> Sequence[Company]:
        """For the operator's commands and background sweeps, by slug."""
        async with self._database.system() as conn:
            return [_company(row) for row in await conn.fetch("select * from companies order by slug")]

    async def assign_number(self, scope: CompanyScope, address: str, region: str = "RU") -> str:
        """Calls to this number or SIP user reach the company from now on. Returns the address as stored.

        Raises InvalidInput when it is empty or belongs to another company.
        """
        stored = dialled_address(address, region)
        if not stored:
            raise InvalidInput("number: must not be empty")
        try:
            async with self._database.company(scope) as conn:
                mine = await conn.fetchval("select true from company_numbers where address = $1", stored)
                if not mine:
                    await conn.execute(
                        "insert into company_numbers (address, company_id) values ($1, $2)", stored, scope.company_id
                    )
        except asyncpg.UniqueViolationError:
            raise InvalidInput("number: belongs to another company, remove it there first") from None
        return stored

    async def numbers(self, scope: CompanyScope) -> Sequence[str]:
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                "select address from company_numbers where company_id = $1 order by address", scope.company_id
            )
        return [row["address"] for row in rows]

    async def remove_number(self, scope: CompanyScope, address: str, region: str = "RU") -> bool:
        """False: the company had no such number."""
        async with self._database.company(scope) as conn:
            status = await conn.execute(
                "delete from company_numbers where company_id = $1 and address = $2",
                scope.company_id,
                dialled_address(address, region),
            )
        return status != "DELETE 0"

    async def by_number(self, dialled: str, region: str = "RU") -> Company | None:
        """The company that answers this number or SIP user; None when nobody does."""
        address = dialled_address(dialled, region)
        if not address:
            return None
        async with self._database.lookup(address) as conn:
            row = await conn.fetchrow(
                """select c.* from company_numbers n join companies c on c.id = n.company_id where n.address = $1""",
                address,
            )
        return _company(row) if row else None


def _company(row: "asyncpg.Record") -> Company:
    return Company(
        id=CompanyId(row["id"]),
        slug=row["slug"],
        name=row["name"],
        region=row["region"],
        timezone=row["timezone"],
        language=row["language"],
        settings=row["settings"],
    )
