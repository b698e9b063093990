"""Is everything behind this process there? For /readyz; /healthz asks nothing but that the process answers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from redis.asyncio import Redis

from core.database import Database

Check = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class CheckResult:
    ok: bool
    ms: float
    """How long the check took, milliseconds."""
    error: str = ""
    """Class of the error; never its text."""


class Health:
    """Asks the database, Redis and whatever was added, all at once and bounded in time."""

    def __init__(
        self, database: Database, redis: Redis, *, timeout_s: float = 2.0, more: Mapping[str, Check] | None = None
    ) -> None:
        """`more`: further checks by name, for example `{"embedded": …}`; True is healthy."""

        async def database_answers() -> bool:
            async with database.system() as conn:
                return bool(await conn.fetchval("select true"))

        async def redis_answers() -> bool:
            return bool(await redis.ping())

        self._checks: dict[str, Check] = {"database": database_answers, "redis": redis_answers, **(more or {})}
        self._timeout_s = timeout_s

    async def report(self) -> Mapping[str, CheckResult]:
        """Each check with its time and error. Never raises and never takes longer than the timeout."""
        results = await asyncio.gather(*(self._run(check) for check in self._checks.values()))
        return dict(zip(self._checks, results, strict=True))

    async def check(self) -> dict[str, bool]:
        """The same in short."""
        return {name: result.ok for name, result in (await self.report()).items()}

    async def _run(self, check: Check) -> CheckResult:
        started_at = time.monotonic()
        error = ""
        ok = False
        try:
            async with asyncio.timeout(self._timeout_s):
                ok = await check()
        except Exception as problem:  # whatever it is, it is the answer
            error = type(problem).__name__
        return CheckResult(ok, round((time.monotonic() - started_at) * 1000, 1), error)
