"""A person's conversations with everything that hangs on them: timeline, history, recording."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.database import Database
from core.phone import Phone
from core.tenancy import CompanyScope

_CONVERSATIONS = """select id from conversations where company_id = $1 and (caller = $2 or id in (
    select conversation_id from channel_threads where company_id = $1 and phone = $2 and conversation_id is not null
    union select m.conversation_id from messages m join channel_threads t
        on t.company_id = m.company_id and t.id = m.thread_id
        where t.company_id = $1 and t.phone = $2 and m.conversation_id is not null))"""


class ConversationsOfPerson:
    """Implements core.personal.PersonalStore. A conversation stays as a row without the person, for the statistics."""

    name = "conversations"

    def __init__(self, database: Database, data_dir: Path) -> None:
        self._database = database
        self._data_dir = data_dir

    async def export(self, scope: CompanyScope, phone: Phone) -> Sequence[Mapping[str, Any]]:
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                f"""select c.id, c.channel, c.started_at, c.outcome, c.recording,
                       (select jsonb_agg(jsonb_build_object('at', m.at, 'author', m.author, 'text', m.text)
                            order by m.at) from messages m
                        where m.company_id = $1 and m.conversation_id = c.id) as messages,
                       (select count(*) from timeline_events e
                        where e.company_id = $1 and e.conversation_id = c.id) as events
                    from conversations c where c.company_id = $1 and c.id in ({_CONVERSATIONS})""",  # noqa: S608
                scope.company_id,
                phone.e164,
            )
        return [
            {
                "id": str(row["id"]),
                "channel": row["channel"],
                "started_at": row["started_at"].isoformat(),
                "outcome": row["outcome"],
                "recording": bool(row["recording"]),
                "messages": row["messages"] or [],
                "events": row["events"],
            }
            for row in rows
        ]

    async def erase(self, scope: CompanyScope, phone: Phone) -> int:
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(_CONVERSATIONS, scope.company_id, phone.e164)
            ids = [row["id"] for row in rows]
            files = await conn.fetch(
                "select recording from conversations where company_id = $1 and id = any($2) and recording is not null",
                scope.company_id,
                ids,
            )
            for file in files:  # before the row forgets where it is: a crash in between erases again
                for suffix in (".ogg", ".journal"):
                    (self._data_dir / file["recording"]).with_suffix(suffix).unlink(missing_ok=True)
            await conn.execute("select erase_timeline($1)", ids)
            await conn.execute(
                "delete from messages where company_id = $1 and conversation_id = any($2)", scope.company_id, ids
            )
            await conn.execute(
                """update conversations set caller = '', state = '{}', recording = null, version = version + 1
                   where company_id = $1 and id = any($2)""",
                scope.company_id,
                ids,
            )
        return len(ids)
