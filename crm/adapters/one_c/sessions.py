"""1C sessions: each plain request starts one, takes a client licence and seconds; a kept one answers at once.

The first request carries `IBSession: start` and gets the cookie `ibsession`; the last one says `IBSession: finish`. A
session serves one request at a time, so each is lent to one request. One left idle is dropped by the server (20 s is
usual), after which its cookie is answered 400, 404 or 500.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

from core.rate_limits import RateLimited

MOST = 2
"""Sessions of one process: licences are the salon's, and its people need them too."""
IDLE_S = 15.0
LIFE_S = 300.0
_COOKIE = re.compile(r"(?:^|[;,\s])ibsession=([^;,\s]*)", re.IGNORECASE)


@dataclass(slots=True)
class Session:
    cookie: str = ""
    """Empty: the next request starts one."""
    born_s: float = 0.0
    used_s: float = 0.0
    failures: int = 0
    """Requests in a row that got no answer in it."""

    def forget(self) -> None:
        self.cookie, self.failures = "", 0


class Sessions:
    def __init__(self, *, enabled: bool = True, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._enabled = enabled
        self._now = monotonic_s
        self._idle: list[Session] = [Session() for _ in range(MOST)]
        self._free = asyncio.Semaphore(MOST)

    @contextlib.asynccontextmanager
    async def lent(self, within_s: float) -> AsyncIterator[Session]:
        """A session for one request. Raises RateLimited when none gets free in time.

        A session left behind keeps its licence for a while, so one that gave no answer gets a second chance, no third:
        its request may still be running.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._free.acquire()
        except TimeoutError:
            raise RateLimited("too many requests of this salon are waiting", 0.0) from None
        session = self._idle.pop()
        try:
            if session.cookie and self._now() - session.used_s > IDLE_S:
                session.forget()
            yield session
            session.failures = 0
        except BaseException:
            session.failures += 1
            if session.failures > 1:
                session.forget()
            raise
        finally:
            session.used_s = self._now()
            self._idle.append(session)
            self._free.release()

    def headers(self, session: Session) -> dict[str, str]:
        if not self._enabled:
            return {}
        if not session.cookie:
            return {"IBSession": "start"}
        if self._now() - session.born_s > LIFE_S:
            return {"IBSession": "finish", "Cookie": f"ibsession={session.cookie}"}
        return {"Cookie": f"ibsession={session.cookie}"}

    def learn(self, session: Session, sent: dict[str, str], set_cookies: Iterable[str]) -> None:
        """After an answer: the cookie of a new session, or the end of one."""
        if sent.get("IBSession") == "finish":
            session.forget()
            return
        for line in set_cookies:
            found = _COOKIE.search(line)
            if found and found[1] and self._enabled:
                session.cookie, session.born_s = found[1], self._now()
