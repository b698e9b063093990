"""What messengers keep of a person: threads and all in them, found by the number that the channel vouched for."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.database import Database
from core.phone import Phone
from core.tenancy import CompanyScope


class ThreadsOfPerson:
    """Implements core.personal.PersonalStore. Erase conversations before: they are found through these threads."""

    name = "messengers"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def export(self, scope: CompanyScope, phone: Phone) -> Sequence[Mapping[str, Any]]:
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                """select t.id, a.channel, t.thread, t.person_name, t.language, t.last_inbound_at,
                       (select jsonb_agg(jsonb_build_object('at', m.at, 'author', m.author, 'text', m.text,
                            'kind', m.kind) order by m.at)
                        from messages m where m.company_id = $1 and m.thread_id = t.id) as messages,
                       (select count(*) from channel_inbox i where i.company_id = $1 and i.thread_id = t.id) as events
                   from channel_threads t join channel_accounts a on a.company_id = t.company_id and a.id = t.account_id
                   where t.company_id = $1 and t.phone = $2""",
                scope.company_id,
                phone.e164,
            )
            chats = await conn.fetch(
                "select id, name, user_id, page, created_at from web_chat_threads where company_id = $1 and phone = $2",
                scope.company_id,
                phone.e164,
            )
        found = [
            {
                "channel": row["channel"],
                "thread": row["thread"],
                "name": row["person_name"],
                "language": row["language"],
                "last_message_at": row["last_inbound_at"].isoformat() if row["last_inbound_at"] else None,
                "messages": row["messages"] or [],
                "events": row["events"],
            }
            for row in rows
        ]
        return [
            *found,
            *({"channel": "web", "name": chat["name"], "user_id": chat["user_id"], "page": chat["page"],
               "created_at": chat["created_at"].isoformat()} for chat in chats),
        ]  # fmt: skip

    async def erase(self, scope: CompanyScope, phone: Phone) -> int:
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                "select id from channel_threads where company_id = $1 and phone = $2 for update",
                scope.company_id,
                phone.e164,
            )
            ids = [row["id"] for row in rows]
            gone = len(ids)
            for table in ("messages", "channel_inbox", "channel_parts"):
                status = await conn.execute(
                    f"delete from {table} where company_id = $1 and thread_id = any($2)",  # noqa: S608 - ours
                    scope.company_id,
                    ids,
                )
                gone += int(status.rpartition(" ")[2])
            await conn.execute("delete from channel_threads where company_id = $1 and id = any($2)",
                               scope.company_id, ids)  # fmt: skip
            status = await conn.execute(
                "delete from web_chat_threads where company_id = $1 and phone = $2", scope.company_id, phone.e164
            )
            return gone + int(status.rpartition(" ")[2])
