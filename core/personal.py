"""A person's data over all stores: handed over, erased with a receipt (152-FZ art. 14 and 21; GDPR art. 15 and 17).

A person is a telephone number inside one company. Each room brings a store for what it keeps; the service asks all of
them, erases in all of them, and asks again: what is found then stands in the receipt.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from core.clock import Clock
from core.database import Database
from core.phone import Phone
from core.tenancy import CompanyScope


class PersonalStore(Protocol):
    """What one room keeps of people."""

    @property
    def name(self) -> str:
        """Stable, for the receipt."""
        ...

    async def export(self, scope: CompanyScope, phone: Phone) -> Sequence[Mapping[str, Any]]:
        """JSON-able rows that are about this person; empty: none."""
        ...

    async def erase(self, scope: CompanyScope, phone: Phone) -> int:
        """How many rows went or lost the person. Twice is no error."""
        ...


@dataclass(frozen=True, slots=True)
class Receipt:
    id: UUID
    asked_at: datetime
    done_at: datetime | None
    erased: Mapping[str, int]
    """By store."""
    left_over: Mapping[str, int]
    """Found again after the erasure, by store; empty: nothing is left."""

    @property
    def proven(self) -> bool:
        return self.done_at is not None and not self.left_over


class PersonalData:
    def __init__(self, database: Database, stores: Sequence[PersonalStore], key: bytes, clock: Clock) -> None:
        """`key`: of the installation; a receipt names nobody but can be found again with the number. Stores are erased
        in the given order: those that are found through others come before them."""
        self._database = database
        self._stores = stores
        self._key = key
        self._clock = clock

    async def export(self, scope: CompanyScope, phone: Phone) -> dict[str, list[Mapping[str, Any]]]:
        """Everything, by store."""
        return {store.name: list(await store.export(scope, phone)) for store in self._stores}

    async def erase(self, scope: CompanyScope, phone: Phone, asked_by: str) -> Receipt:
        asked_at = self._clock.now()
        async with self._database.company(scope) as conn:
            receipt_id = await conn.fetchval(
                """insert into erasures (company_id, subject_key, asked_by, asked_at) values ($1, $2, $3, $4)
                   returning id""",
                scope.company_id,
                self._subject(scope, phone),
                asked_by[:200],
                asked_at,
            )
        erased = {store.name: await store.erase(scope, phone) for store in self._stores}
        left = {store.name: len(await store.export(scope, phone)) for store in self._stores}
        left = {name: count for name, count in left.items() if count}
        done_at = self._clock.now()
        async with self._database.company(scope) as conn:
            await conn.execute(
                "update erasures set done_at = $3, erased = $4, left_over = $5 where company_id = $1 and id = $2",
                scope.company_id,
                receipt_id,
                done_at,
                erased,
                left,
            )
        return Receipt(receipt_id, asked_at, done_at, erased, left)

    async def receipts(self, scope: CompanyScope, phone: Phone) -> Sequence[Receipt]:
        """Of earlier erasures for this number, newest first."""
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                """select * from erasures where company_id = $1 and subject_key = $2 order by asked_at desc""",
                scope.company_id,
                self._subject(scope, phone),
            )
        return [Receipt(r["id"], r["asked_at"], r["done_at"], r["erased"], r["left_over"]) for r in rows]

    def _subject(self, scope: CompanyScope, phone: Phone) -> bytes:
        return hmac.digest(self._key, f"erasure {scope.company_id} {phone.e164}".encode(), hashlib.sha256)
