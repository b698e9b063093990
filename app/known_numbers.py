"""Which numbers are answered here, known to the edge without asking the database at each INVITE."""

import asyncio

import structlog

from core.companies import Companies, dialled_address
from core.errors import AppError

log = structlog.get_logger(__name__)

READ_EVERY_S = 5.0
"""A number added to a company is answered after this time at most."""


class KnownNumbers:
    def __init__(self, companies: Companies) -> None:
        self._companies = companies
        self._numbers: frozenset[str] | None = None

    def answers(self, dialled: str) -> bool:
        """True also while the numbers could not be read yet: the brain asks again and says so to the caller."""
        return self._numbers is None or dialled_address(dialled) in self._numbers

    async def read(self) -> None:
        numbers: set[str] = set()
        for company in await self._companies.all():
            numbers.update(await self._companies.numbers(company.scope))
        self._numbers = frozenset(numbers)

    async def keep_reading(self) -> None:
        """Until cancelled. While the database is away the last list stands."""
        while True:
            try:
                await self.read()
            except AppError as error:
                log.warning("numbers_not_read", code=error.code)
            await asyncio.sleep(READ_EVERY_S)
