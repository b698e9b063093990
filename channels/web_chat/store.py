"""The chat in PostgreSQL: threads, the keys of their sessions, messages by sequence, uploaded files.

The sequence of a thread is counted under the lock of its row, so it has no holes and what is committed later has the
higher number: a reader who has seen number n has seen everything up to n.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg

from channels.web_chat.identity import Identity
from channels.web_chat.model import (
    ChatFile,
    ChatMessage,
    Session,
    SessionUnknown,
    Site,
    ThreadId,
    new_token,
    token_hash,
)
from core.database import Connection, Database
from core.errors import InvalidInput, NotFound

EMPTY_KEPT = timedelta(days=1)
"""A session in which nothing was ever said."""
_SEEN_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Page:
    messages: Sequence[ChatMessage]
    last_seq: int
    read_seq: int
    earlier: bool
    """There are messages before the first of these."""


class ChatStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    # --- sessions ---

    async def begin(self, site: Site, language: str, page: str) -> str:
        """A new thread; the key of its first session."""
        token = new_token()
        async with self._database.company(site.scope) as conn:
            thread = await conn.fetchval(
                """insert into web_chat_threads (company_id, account_id, language, page)
                   values ($1, $2, $3, $4) returning id""",
                site.scope.company_id,
                site.account.id,
                language,
                page,
            )
            await conn.execute(
                "insert into web_chat_sessions (company_id, account_id, token_hash, thread_id) values ($1, $2, $3, $4)",
                site.scope.company_id,
                site.account.id,
                token_hash(token),
                thread,
            )
        return token

    async def session(self, site: Site, token: str) -> Session:
        """Raises SessionUnknown."""
        digest = token_hash(token)
        async with self._database.company(site.scope) as conn:
            row = await conn.fetchrow(
                """select t.id, t.name, t.phone, t.user_id, t.language, s.seen_at < now() - $4::interval as stale
                   from web_chat_sessions s
                   join web_chat_threads t on t.company_id = s.company_id and t.id = s.thread_id
                   where s.company_id = $1 and s.account_id = $2 and s.token_hash = $3""",
                site.scope.company_id,
                site.account.id,
                digest,
                _SEEN_EVERY,
            )
            if row is None:
                raise SessionUnknown("session: unknown or closed, begin a new one")
            if row["stale"]:
                await conn.execute(
                    """update web_chat_sessions set seen_at = now()
                       where company_id = $1 and account_id = $2 and token_hash = $3""",
                    site.scope.company_id,
                    site.account.id,
                    digest,
                )
        return Session(ThreadId(row["id"]), digest, row["name"], row["phone"], row["user_id"], row["language"])

    async def end(self, site: Site, session: Session) -> None:
        """The key opens nothing any more. The talk itself stays the salon's."""
        async with self._database.company(site.scope) as conn:
            await conn.execute(
                "delete from web_chat_sessions where company_id = $1 and account_id = $2 and token_hash = $3",
                site.scope.company_id,
                site.account.id,
                session.token_hash,
            )

    async def identify(self, site: Site, session: Session, who: Identity) -> ThreadId:
        """The session of a proven person belongs to that person's thread, on every device; the thread.

        A nameless thread becomes the person's when there is none yet; somebody else's thread is left.
        """
        company, account = site.scope.company_id, site.account.id
        async with self._database.company(site.scope) as conn:
            # two devices of one person at once would both make a thread
            await conn.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", f"{account} {who.user_id}")
            thread = await conn.fetchval(
                "select id from web_chat_threads where company_id = $1 and account_id = $2 and user_id = $3",
                company,
                account,
                who.user_id,
            )
            if thread is None and session.user_id:
                thread = await conn.fetchval(
                    """insert into web_chat_threads (company_id, account_id, language, user_id)
                       values ($1, $2, $3, $4) returning id""",
                    company,
                    account,
                    session.language,
                    who.user_id,
                )
            thread = thread or session.thread
            await conn.execute(
                "update web_chat_threads set user_id = $3, name = $4, phone = $5 where company_id = $1 and id = $2",
                company,
                thread,
                who.user_id,
                who.name,
                who.phone,
            )
            await conn.execute(
                """update web_chat_sessions set thread_id = $4
                   where company_id = $1 and account_id = $2 and token_hash = $3""",
                company,
                account,
                session.token_hash,
                thread,
            )
        return ThreadId(thread)

    # --- messages ---

    async def say(
        self,
        conn: Connection,
        site: Site,
        thread: ThreadId,
        author: str,
        key: str,
        text: str,
        body: Mapping[str, Any] | None = None,
    ) -> tuple[ChatMessage, bool]:
        """Stores a message once for each key, in the caller's transaction; it, and whether it is new.

        Raises NotFound when the thread is gone."""
        side = "v" if author == "visitor" else "o"  # a visitor's id can never be taken for one of ours
        company = site.scope.company_id
        last = await conn.fetchval(
            "select last_seq from web_chat_threads where company_id = $1 and account_id = $2 and id = $3 for update",
            company,
            site.account.id,
            thread,
        )
        if last is None:
            raise NotFound("the chat has no such thread")
        known = await conn.fetchrow(
            "select * from web_chat_messages where company_id = $1 and thread_id = $2 and key = $3",
            company,
            thread,
            f"{side}:{key}",
        )
        if known is not None:
            return _message(known), False
        await conn.execute(
            "update web_chat_threads set last_seq = $3, active_at = now() where company_id = $1 and id = $2",
            company,
            thread,
            last + 1,
        )
        row = await conn.fetchrow(
            """insert into web_chat_messages (company_id, thread_id, seq, id, author, key, text, body)
               values ($1, $2, $3, $4, $5, $6, $7, $8) returning *""",
            company,
            thread,
            last + 1,
            uuid4(),
            author,
            f"{side}:{key}",
            text,
            dict(body or {}),
        )
        return _message(row), True

    async def after(self, site: Site, thread: ThreadId, seq: int, limit: int) -> Page:
        """Messages with higher numbers, in order."""
        return await self._page(
            site,
            thread,
            """select * from web_chat_messages where company_id = $1 and thread_id = $2 and seq > $3
               order by seq limit $4""",
            seq,
            limit,
        )

    async def before(self, site: Site, thread: ThreadId, seq: int, limit: int) -> Page:
        """The last messages with lower numbers, in order."""
        return await self._page(
            site,
            thread,
            """select * from (select * from web_chat_messages where company_id = $1 and thread_id = $2 and seq < $3
                              order by seq desc limit $4) as last order by seq""",
            seq,
            limit,
        )

    async def _page(self, site: Site, thread: ThreadId, query: str, seq: int, limit: int) -> Page:
        async with self._database.company(site.scope) as conn:
            # the numbers first: a message that comes between is told as missing, never hidden
            state = await conn.fetchrow(
                "select last_seq, read_seq from web_chat_threads where company_id = $1 and id = $2",
                site.scope.company_id,
                thread,
            )
            if state is None:
                raise NotFound("the chat has no such thread")
            rows = await conn.fetch(query, site.scope.company_id, thread, seq, limit)
        messages = [_message(row) for row in rows]
        return Page(messages, state["last_seq"], state["read_seq"], bool(messages) and messages[0].seq > 1)

    async def read_up_to(self, conn: Connection, site: Site, thread: ThreadId, seq: int) -> ChatMessage | None:
        """The visitor has seen everything up to this number, in the caller's transaction.

        The newest message of ours among it, when that is news."""
        company = site.scope.company_id
        before = await conn.fetchval(
            "select read_seq from web_chat_threads where company_id = $1 and id = $2 for update", company, thread
        )
        if before is None or seq <= before:
            return None
        row = await conn.fetchrow(
            """select * from web_chat_messages where company_id = $1 and thread_id = $2 and seq <= $3 and seq > $4
                   and author <> 'visitor' order by seq desc limit 1""",
            company,
            thread,
            seq,
            before,
        )
        await conn.execute(
            "update web_chat_threads set read_seq = least($3, last_seq) where company_id = $1 and id = $2",
            company,
            thread,
            seq,
        )
        return _message(row) if row is not None else None

    # --- files ---

    async def keep_file(self, site: Site, thread: ThreadId, kind: str, type_: str, name: str, data: bytes) -> ChatFile:
        file_id = secrets.token_urlsafe(24)
        async with self._database.company(site.scope) as conn:
            await conn.execute(
                """insert into web_chat_files (company_id, id, thread_id, kind, type, name, data)
                   values ($1, $2, $3, $4, $5, $6, $7)""",
                site.scope.company_id,
                file_id,
                thread,
                kind,
                type_,
                name,
                data,
            )
        return ChatFile(file_id, kind, type_, name, len(data))

    async def files(self, site: Site, thread: ThreadId, ids: Sequence[str]) -> Sequence[ChatFile]:
        """Of this thread, in the order of the ids. Raises InvalidInput when one is not there."""
        if not ids:
            return []
        async with self._database.company(site.scope) as conn:
            rows = await conn.fetch(
                """select id, kind, type, name, length(data) as size from web_chat_files
                   where company_id = $1 and thread_id = $2 and id = any($3)""",
                site.scope.company_id,
                thread,
                list(ids),
            )
        found = {row["id"]: ChatFile(row["id"], row["kind"], row["type"], row["name"], row["size"]) for row in rows}
        if len(found) != len(set(ids)):
            raise InvalidInput("files: one of them was not uploaded in this chat")
        return [found[one] for one in ids]

    async def file(self, site: Site, file_id: str) -> tuple[ChatFile, bytes]:
        """Raises NotFound."""
        async with self._database.company(site.scope) as conn:
            row = await conn.fetchrow(
                """select f.* from web_chat_files f
                   join web_chat_threads t on t.company_id = f.company_id and t.id = f.thread_id
                   where f.company_id = $1 and t.account_id = $2 and f.id = $3""",
                site.scope.company_id,
                site.account.id,
                file_id,
            )
        if row is None:
            raise NotFound("the chat has no such file")
        data = bytes(row["data"])
        return ChatFile(row["id"], row["kind"], row["type"], row["name"], len(data)), data


async def forget_thread(conn: Connection, account_id: Any, thread: str) -> bool:
    """Everything of one visitor: messages, files, keys. In the caller's transaction. False: there was nothing."""
    status = await conn.execute(
        """delete from web_chat_threads
           where company_id = current_setting('app.company')::uuid and account_id = $1 and id::text = $2""",
        account_id,
        thread,
    )
    return str(status) != "DELETE 0"


async def forget_before(conn: Connection, moment: datetime) -> int:
    """Messages and files older than the moment, of the transaction's company, and threads in which nothing was said
    for a day; how many messages. The salon's history has its own rule and keeps its own copy."""
    status = await conn.execute(
        "delete from web_chat_messages where company_id = current_setting('app.company')::uuid and at < $1", moment
    )
    await conn.execute(
        "delete from web_chat_files where company_id = current_setting('app.company')::uuid and at < $1", moment
    )
    await conn.execute(
        """delete from web_chat_threads where company_id = current_setting('app.company')::uuid
               and (active_at < $1 or (last_seq = 0 and user_id = '' and created_at < now() - $2::interval))""",
        moment,
        EMPTY_KEPT,
    )
    return int(str(status).split()[-1])


def _message(row: "asyncpg.Record | None") -> ChatMessage:
    assert row is not None, "an insert returns its row"
    side, _, key = row["key"].partition(":")
    return ChatMessage(
        row["seq"], row["id"], row["author"], row["text"], row["at"], key if side == "v" else "", row["body"]
    )
