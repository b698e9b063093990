"""The sending half of the pipe: the parts of a thread, one after the other, by the vendor's rules.

A part is marked as being sent before anything leaves this machine, so that after a kill it is known that the vendor
may have it. What then happens is the vendor's: who drops a second sending with the same marker gets it again at once;
who tells our marker in his statuses is waited for; with the others one repeat is worth more than a lost answer.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import structlog

from channels import history
from channels.adapters_open import OpenAccount, OpenAccounts
from channels.codec import EventCodec
from channels.marks import OnRefused, nobody_cares
from channels.model import AccountId, Author, Delivery, Moved, Part, Refusal, Refused, SendResult, Sent
from channels.outbound import Outbound
from channels.ports import Capability
from channels.threads import HANDED_OVER, Thread, Threads
from channels.timings import Timings
from channels.wording import NOT_DELIVERED_TASK
from core.clock import Clock
from core.database import Connection, Database
from core.errors import AppError
from core.ids import ConversationId
from core.jobs import backoff_s
from core.metrics import Metrics
from core.outside_http import AccessDenied, OutcomeUnknown
from core.rate_limits import RateLimited
from core.tenancy import CompanyScope
from crm.model import Task, TaskKind
from crm.salon_book import DatabaseSalonBook

log = structlog.get_logger(__name__)

UNSURE_MOST = 3
"""Repeats of a part whose fate is unknown, at vendors that drop or report repeats; one at the others."""


@dataclass(frozen=True, slots=True)
class _Next:
    """The part whose turn it is."""

    thread: Thread
    part: "asyncpg.Record"
    message: "asyncpg.Record"

    @property
    def author(self) -> Author:
        return Author(self.message["author"])


class Sender:
    """`step` and `pending` are what a ThreadRunner needs."""

    def __init__(
        self,
        *,
        database: Database,
        accounts: OpenAccounts,
        threads: Threads,
        outbound: Outbound,
        codec: EventCodec,
        book: DatabaseSalonBook,
        clock: Clock,
        timings: Timings,
        on_refused: OnRefused = nobody_cares,
        metrics: Metrics | None = None,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._threads = threads
        self._outbound = outbound
        self._codec = codec
        self._book = book
        self._clock = clock
        self._timings = timings
        self._on_refused = on_refused
        self._metrics = metrics

    async def pending(self, scope: CompanyScope, thread_id: UUID) -> bool:
        async with self._database.company(scope) as conn:
            found = await conn.fetchrow(
                """select next_try_at from channel_parts where company_id = $1 and thread_id = $2
                   and state in ('waiting', 'sending', 'unsure') order by seq limit 1""",
                scope.company_id,
                thread_id,
            )
        return found is not None and (found["next_try_at"] is None or found["next_try_at"] <= self._clock.now())

    async def due_threads(
        self, conn: Connection, scope: CompanyScope, now: datetime, older_than_s: float
    ) -> list[UUID]:
        rows = await conn.fetch(
            """select thread_id from channel_parts where company_id = $1 and state in ('waiting', 'sending', 'unsure')
               group by thread_id
               having min(coalesce(next_try_at, created_at + make_interval(secs => $3))) <= $2 limit 500""",
            scope.company_id,
            now,
            older_than_s,
        )
        return [row["thread_id"] for row in rows]

    async def step(self, scope: CompanyScope, thread_id: UUID, woken: asyncio.Event) -> float | None:
        """Sends until nothing is left or something must wait."""
        async with self._database.company(scope) as conn:
            taken = await self._next(conn, scope, thread_id)
        while isinstance(taken, _Next):
            opened = await self._accounts.of(scope, taken.thread.account_id)
            part = Part(taken.part["number"] % 1000, taken.part["body"], taken.part["text"])
            try:
                async with asyncio.timeout(self._timings.send_s):
                    result = await opened.adapter.send(part, taken.part["marker"])
            except TimeoutError:
                wait_s = await self._unknown(opened, taken)
            except AppError as error:
                wait_s = await self._raised(opened, taken, error)
            else:
                taken = await self._answered(opened, taken, result)
                continue
            if wait_s > 0:
                return wait_s
            async with self._database.company(scope) as conn:
                taken = await self._next(conn, scope, thread_id)
        return taken

    async def _next(self, conn: Connection, scope: CompanyScope, thread_id: UUID) -> _Next | float | None:
        """The next part to send; what need not be sent is settled on the way."""
        while (taken := await self._take(conn, scope, thread_id)) == 0.0:
            continue
        return taken

    # --- before ----------------------------------------------------------------------------------------------------

    async def _take(self, conn: Connection, scope: CompanyScope, thread_id: UUID) -> _Next | float | None:
        """The next part, marked as being sent; seconds to wait for it; 0.0: one was settled without sending."""
        now = self._clock.now()
        thread = await self._threads.get(conn, scope, thread_id, lock=True)
        part = await conn.fetchrow(
            """select * from channel_parts where company_id = $1 and thread_id = $2
               and state in ('waiting', 'sending', 'unsure') order by seq limit 1""",
            scope.company_id,
            thread_id,
        )
        if thread is None or part is None:
            return None
        if part["next_try_at"] is not None and part["next_try_at"] > now:
            return float((part["next_try_at"] - now).total_seconds())
        message = await conn.fetchrow(
            "select * from messages where company_id = $1 and id = $2 and at = $3",
            scope.company_id,
            part["message_id"],
            part["message_at"],
        )
        if message is None:  # its month was dropped
            await self._settle(conn, scope, part, "cancelled", "no message")
            return 0.0
        found = _Next(thread, part, message)
        if part["state"] == "sending":  # its sender died with the answer
            return await self._orphaned(conn, scope, found, now)
        if part["state"] == "waiting" and await self._overtaken(conn, scope, found, now):
            return 0.0
        await conn.execute(
            """update channel_parts set state = 'sending', attempts = attempts + 1, sending_at = $4, next_try_at = null
               where company_id = $1 and message_id = $2 and number = $3""",
            scope.company_id,
            part["message_id"],
            part["number"],
            now,
        )
        return found

    async def _overtaken(self, conn: Connection, scope: CompanyScope, found: _Next, now: datetime) -> bool:
        """Whether it is not to be sent any more: a person took over, she blocked us, it is stale."""
        begun = await conn.fetchval(
            """select true from channel_parts where company_id = $1 and message_id = $2
               and state in ('sent', 'unsure') limit 1""",
            scope.company_id,
            found.part["message_id"],
        )
        if found.author is Author.AGENT and not begun and _taken_over(found.thread, now):
            await self._settle(conn, scope, found.part, "cancelled", "a person took over")
            await history.delivered(conn, scope, found.message["id"], found.message["at"], Delivery.CANCELLED, at=now)
            return True
        if not found.thread.reachable:
            await self._give_up(conn, scope, found, Refused(Refusal.UNREACHABLE), now, told=False)
            return True
        if now - found.part["created_at"] > timedelta(seconds=self._timings.give_up_s):
            await self._give_up(conn, scope, found, Refused(Refusal.ACCOUNT, "stale", found.part["error"]), now)
            return True
        return False

    async def _orphaned(self, conn: Connection, scope: CompanyScope, found: _Next, now: datetime) -> float:
        opened = await self._accounts.of(scope, found.thread.account_id)
        alive_until = found.part["sending_at"] + timedelta(seconds=self._timings.dead_sender_s)
        if alive_until > now:
            return float((alive_until - now).total_seconds())
        return await self._note_unknown(conn, scope, opened, found, now) or 0.0

    # --- after -----------------------------------------------------------------------------------------------------

    async def _answered(self, opened: OpenAccount, found: _Next, result: SendResult) -> _Next | float | None:
        """Records it and takes the next part in the same transaction."""
        scope = opened.scope
        async with self._database.company(scope) as conn:
            wait_s = await self._record(conn, scope, opened, found, result)
            return wait_s if wait_s > 0 else await self._next(conn, scope, found.thread.id)

    async def _record(
        self, conn: Connection, scope: CompanyScope, opened: OpenAccount, found: _Next, result: SendResult
    ) -> float:
        now = self._clock.now()
        match result:
            case Sent(message_id, delivery):
                await self._sent(conn, scope, found, message_id, delivery, now)
                self._count(opened, "sent")
                return 0.0
            case Moved(key):
                return await self._moved(conn, scope, opened, found, key)
            case Refused(Refusal.ACCOUNT):
                await self._account_problem(conn, scope, opened, result.reason or result.code, result.remedy_ru)
                self._count(opened, "refused")
                return await self._later(conn, scope, found, self._timings.account_retry_s, result.code, now)
            case Refused():
                await self._give_up(conn, scope, found, result, now)
                self._count(opened, "refused")
                return 0.0

    async def _sent(
        self, conn: Connection, scope: CompanyScope, found: _Next, vendor_id: str, delivery: Delivery, now: datetime
    ) -> None:
        part = found.part
        await conn.execute(
            """update channel_parts set state = 'sent', vendor_id = $4, next_try_at = null, error = ''
               where company_id = $1 and message_id = $2 and number = $3""",
            scope.company_id,
            part["message_id"],
            part["number"],
            vendor_id,
        )
        more = await conn.fetchval(
            """select true from channel_parts where company_id = $1 and message_id = $2
               and state in ('waiting', 'sending', 'unsure') limit 1""",
            scope.company_id,
            part["message_id"],
        )
        await history.delivered(
            conn, scope, found.message["id"], found.message["at"], Delivery.SENDING if more else delivery, at=now,
            vendor_id=vendor_id,
        )  # fmt: skip

    async def _moved(self, conn: Connection, scope: CompanyScope, opened: OpenAccount, found: _Next, key: str) -> float:
        """The thread's new key is in the body of every part: what is left is composed anew."""
        await self._threads.rename(conn, scope, found.thread, key)
        generation = found.part["number"] // 1000 + 1
        if generation > 3:
            await self._give_up(conn, scope, found, Refused(Refusal.BAD_MESSAGE, "moved_again"), self._clock.now())
            return 0.0
        message = self._codec.load_outgoing({**found.message["extra"]["outgoing"], "thread": key}, found.message["id"])
        left = await conn.fetchval(
            """select count(*) from channel_parts where company_id = $1 and message_id = $2
               and state in ('waiting', 'sending', 'unsure')""",
            scope.company_id,
            found.message["id"],
        )
        await conn.execute(
            """update channel_parts set state = 'cancelled', error = 'moved' where company_id = $1 and message_id = $2
               and state in ('waiting', 'sending', 'unsure')""",
            scope.company_id,
            found.message["id"],
        )
        parts = opened.adapter.compose(message)[-left:]
        await self._outbound.add_parts(
            conn, scope, found.thread.id, opened, found.message["id"], found.message["at"], parts,
            generation=generation,
        )  # fmt: skip
        return 0.0

    async def _raised(self, opened: OpenAccount, found: _Next, error: AppError) -> float:
        if isinstance(error, OutcomeUnknown):
            return await self._unknown(opened, found)
        scope, now = opened.scope, self._clock.now()
        log.warning("message_not_sent", channel=opened.channel.value, code=error.code, part=found.part["marker"])
        async with self._database.company(scope) as conn:
            if isinstance(error, AccessDenied):
                await self._account_problem(conn, scope, opened, error.message, error.remedy)
                return await self._later(conn, scope, found, self._timings.account_retry_s, error.code, now)
            if not error.retryable:
                await self._give_up(conn, scope, found, Refused(Refusal.BAD_MESSAGE, error.code), now)
                self._count(opened, "refused")
                return 0.0
            self._count(opened, "later")
            if isinstance(error, RateLimited):
                return await self._later(conn, scope, found, error.wait_s + backoff_s(0, first_s=0.3), error.code, now)
            if error.facts.get("sent") is False:
                wait_s = backoff_s(found.part["attempts"], most_s=self._timings.longest_retry_s)
                return await self._later(conn, scope, found, wait_s, error.code, now)
        return await self._unknown(opened, found)

    async def _unknown(self, opened: OpenAccount, found: _Next) -> float:
        async with self._database.company(opened.scope) as conn:
            return await self._note_unknown(conn, opened.scope, opened, found, self._clock.now())

    async def _note_unknown(
        self, conn: Connection, scope: CompanyScope, opened: OpenAccount, found: _Next, now: datetime
    ) -> float:
        """The vendor may have it. Seconds until it is sent once more; 0.0: it is given up."""
        self._count(opened, "unknown")
        can = opened.adapter.capabilities
        known = bool(can & {Capability.IDEMPOTENT_SEND, Capability.MARKER})
        if found.part["unsure"] >= (UNSURE_MOST if known else 1):
            await self._give_up(conn, scope, found, Refused(Refusal.BAD_MESSAGE, "outcome_unknown"), now)
            return 0.0
        wait_s = self._timings.resend_s
        if Capability.IDEMPOTENT_SEND not in can and Capability.MARKER in can:
            wait_s = self._timings.marker_wait_s
        log.warning("message_fate_unknown", channel=opened.channel.value, part=found.part["marker"], again_s=wait_s)
        # a status with our marker may have come meanwhile: then it is sent, and stays so
        await conn.execute(
            """update channel_parts set state = 'unsure', unsure = unsure + 1, next_try_at = $4,
                   error = 'outcome_unknown'
               where company_id = $1 and message_id = $2 and number = $3 and state in ('sending', 'unsure')""",
            scope.company_id,
            found.part["message_id"],
            found.part["number"],
            now + timedelta(seconds=wait_s),
        )
        return wait_s

    # --- ends ------------------------------------------------------------------------------------------------------

    async def _later(
        self, conn: Connection, scope: CompanyScope, found: _Next, wait_s: float, error: str, now: datetime
    ) -> float:
        await conn.execute(
            """update channel_parts set state = 'waiting', next_try_at = $4, error = $5
               where company_id = $1 and message_id = $2 and number = $3 and state = 'sending'""",
            scope.company_id,
            found.part["message_id"],
            found.part["number"],
            now + timedelta(seconds=wait_s),
            error,
        )
        return wait_s

    async def _give_up(
        self, conn: Connection, scope: CompanyScope, found: _Next, why: Refused, now: datetime, *, told: bool = True
    ) -> None:
        """The rest of the message is not sent. `told`: the vendor said so, or we could not reach him for too long."""
        await self._settle(conn, scope, found.part, "failed", f"{why.why.value} {why.code}".strip())
        problem = why.remedy_ru or f"{why.code} {why.reason}".strip() or why.why.value
        await history.delivered(
            conn, scope, found.message["id"], found.message["at"], Delivery.FAILED, at=now, problem=problem
        )
        if why.why is Refusal.UNREACHABLE and told:
            await self._threads.set_reachable(conn, scope, found.thread.id, reachable=False, reason=why.reason)
        if await self._on_refused(conn, scope, found.thread, found.message["id"], why):
            return
        log.warning("message_given_up", message=str(found.message["id"]), why=why.why.value, code=why.code)
        if self._metrics:
            self._metrics.channel_parked_total.labels(found.message["channel"], "out").inc()
        conversation = found.message["conversation_id"]
        if conversation is not None and why.why is not Refusal.UNREACHABLE:
            task = Task(TaskKind.MESSAGE_TO_STAFF, NOT_DELIVERED_TASK, now, found.thread.phone)
            await self._book.add_task_in(conn, scope, ConversationId(conversation), task)

    async def _settle(
        self, conn: Connection, scope: CompanyScope, part: "asyncpg.Record", state: str, error: str
    ) -> None:
        await conn.execute(
            """update channel_parts set state = $3, error = $4, next_try_at = null
               where company_id = $1 and message_id = $2 and state in ('waiting', 'sending', 'unsure')""",
            scope.company_id,
            part["message_id"],
            state,
            error,
        )

    async def _account_problem(
        self, conn: Connection, scope: CompanyScope, opened: OpenAccount, problem: str, remedy: str
    ) -> None:
        await conn.execute(
            """update channel_accounts set problem = $3, remedy = $4, updated_at = now()
               where company_id = $1 and id = $2""",
            scope.company_id,
            AccountId(opened.id),
            problem or "the vendor refuses the account",
            remedy,
        )

    def _count(self, opened: OpenAccount, result: str) -> None:
        if self._metrics:
            self._metrics.channel_sent_total.labels(opened.channel.value, result).inc()


def _taken_over(thread: Thread, now: datetime) -> bool:
    """By a person. What the agent wrote before it handed over itself is still sent."""
    return thread.held_by_human(now) and thread.holder_by != HANDED_OVER
