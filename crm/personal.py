"""What the salon's book keeps of a person: tasks, messages, wait-list, and her card in the built-in journal.

A visit that took place is the salon's accounting: it stays, without the person. Cards in an outside CRM are that
CRM's: the salon erases them there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from core.database import Database
from core.phone import Phone
from core.tenancy import CompanyScope

_CARDS = "select client_id from journal_client_phones where company_id = $1 and phone = $2"
ERASED = "(данные удалены)"


class BookOfPerson:
    """Implements core.personal.PersonalStore."""

    name = "salon book"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def export(self, scope: CompanyScope, phone: Phone) -> Sequence[Mapping[str, Any]]:
        async with self._database.company(scope) as conn:
            tasks = await conn.fetch(
                "select kind, text, created_at from salon_tasks where company_id = $1 and phone = $2",
                scope.company_id,
                phone.e164,
            )
            messages = await conn.fetch(
                "select kind, text, created_at from client_messages where company_id = $1 and phone = $2",
                scope.company_id,
                phone.e164,
            )
            cards = await conn.fetch(
                f"""select c.id, c.name, c.note, c.language, (select jsonb_agg(jsonb_build_object(
                        'start', b.starts_at, 'services', b.service_ids, 'status', b.status))
                        from journal_bookings b where b.company_id = $1 and b.client_id = c.id) as visits
                    from journal_clients c where c.company_id = $1 and c.id in ({_CARDS})""",  # noqa: S608
                scope.company_id,
                phone.e164,
            )
        return [
            *({"what": "task", "kind": r["kind"], "text": r["text"], "at": r["created_at"].isoformat()} for r in tasks),
            *({"what": "message", "kind": r["kind"], "text": r["text"], "at": r["created_at"].isoformat()}
              for r in messages),
            *({"what": "card", "name": r["name"], "note": r["note"], "language": r["language"],
               "visits": r["visits"] or []} for r in cards),
        ]  # fmt: skip

    async def erase(self, scope: CompanyScope, phone: Phone) -> int:
        async with self._database.company(scope) as conn:
            gone = 0
            for table in ("salon_tasks", "client_messages"):
                status = await conn.execute(
                    f"delete from {table} where company_id = $1 and phone = $2",  # noqa: S608 - ours
                    scope.company_id,
                    phone.e164,
                )
                gone += int(status.rpartition(" ")[2])
            cards = [row["client_id"] for row in await conn.fetch(_CARDS, scope.company_id, phone.e164)]
            # a card that a family shares keeps its other numbers and its name: only this number goes
            await conn.execute(
                "delete from journal_client_phones where company_id = $1 and phone = $2", scope.company_id, phone.e164
            )
            alone = [
                row["id"]
                for row in await conn.fetch(
                    """select id from journal_clients c where company_id = $1 and id = any($2) and not exists (
                           select from journal_client_phones p where p.company_id = $1 and p.client_id = c.id)""",
                    scope.company_id,
                    cards,
                )
            ]
            await conn.execute(
                "delete from waitlist where company_id = $1 and client_id = any($2)", scope.company_id, alone
            )
            await conn.execute(
                """update journal_bookings set for_whom = '', comment = '', cancel_reason = ''
                   where company_id = $1 and client_id = any($2)""",
                scope.company_id,
                alone,
            )
            await conn.execute(
                "update journal_clients set name = $3, note = '' where company_id = $1 and id = any($2)",
                scope.company_id,
                alone,
                ERASED,
            )
        return gone + len(cards)
