"""The last good lists of an outside CRM, with their age, in PostgreSQL: an agent on the phone waits for no slow CRM.

Services, masters and abilities change a few times a month. They are read from the copy while it is fresh, asked for
live when it is not, and taken from the copy again when the CRM is down: for a day, then honesty is better.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog
from pydantic import TypeAdapter, ValidationError

from core.clock import Clock
from core.database import Database
from core.errors import Unavailable
from core.tenancy import CompanyScope
from crm.model import Capabilities, Service, Staff

T = TypeVar("T")
log = structlog.get_logger(__name__)

FRESH = timedelta(minutes=10)
GOOD_ENOUGH = timedelta(hours=24)

SERVICES: TypeAdapter[Sequence[Service]] = TypeAdapter(tuple[Service, ...])
STAFF: TypeAdapter[Sequence[Staff]] = TypeAdapter(tuple[Staff, ...])
CAPABILITIES: TypeAdapter[Capabilities] = TypeAdapter(Capabilities)


class Copies:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def through(
        self,
        scope: CompanyScope,
        kind: str,
        form: TypeAdapter[T],
        ask: Callable[[], Awaitable[T]],
        *,
        fresh: timedelta = FRESH,
    ) -> T:
        """The copy when it is younger than `fresh`, else the live answer, which becomes the copy.

        Raises Unavailable when the CRM is down and no copy of the last day is there.
        """
        kept = await self._read(scope, kind, form)
        now = self._clock.now()
        if kept is not None and now - kept[1] < fresh:
            return kept[0]
        try:
            answer = await ask()
        except Unavailable as error:
            if kept is None or now - kept[1] > GOOD_ENOUGH:
                raise
            age_s = int((now - kept[1]).total_seconds())
            log.warning("crm_list_from_copy", kind=kind, age_s=age_s, code=error.code)
            return kept[0]
        await self._write(scope, kind, form.dump_python(answer, mode="json"), now)
        return answer

    async def forget(self, scope: CompanyScope, *kinds: str) -> None:
        """The next question is asked live: a webhook said that something changed. The old answer stays for outages."""
        async with self._database.company(scope) as conn:
            await conn.execute(
                "update crm_copies set fetched_at = fetched_at - $3::interval where company_id = $1 and kind = any($2)",
                scope.company_id,
                list(kinds),
                FRESH,
            )

    async def _read(self, scope: CompanyScope, kind: str, form: TypeAdapter[T]) -> tuple[T, datetime] | None:
        async with self._database.company(scope) as conn:
            row = await conn.fetchrow(
                "select data, fetched_at from crm_copies where company_id = $1 and kind = $2", scope.company_id, kind
            )
        if row is None:
            return None
        try:
            return form.validate_python(row["data"]), row["fetched_at"]
        except ValidationError:
            log.warning("crm_copy_of_another_version", kind=kind)
            return None

    async def _write(self, scope: CompanyScope, kind: str, data: Any, now: datetime) -> None:
        async with self._database.company(scope) as conn:
            await conn.execute(
                """insert into crm_copies (company_id, kind, data, fetched_at) values ($1, $2, $3, $4)
                   on conflict (company_id, kind)
                   do update set data = excluded.data, fetched_at = excluded.fetched_at""",
                scope.company_id,
                kind,
                data,
                now,
            )
