"""A master of a company as one 64-bit number: for advisory locks and for exclusion constraints without extensions."""

from collections.abc import Sequence
from hashlib import blake2b

from core.database import Connection
from core.tenancy import CompanyScope
from crm.model import StaffId


def resource_id(scope: CompanyScope, staff_id: StaffId) -> int:
    """The same number in every process. Signed, as PostgreSQL's bigint.

    Two masters share one number with a chance of 1 to 10^9 among 100,000 masters; the price would be a slot refused.
    """
    digest = blake2b(scope.company_id.bytes + staff_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


async def lock_masters(conn: Connection, scope: CompanyScope, staff_ids: Sequence[StaffId]) -> None:
    """Holds each master's time until the transaction ends. Sorted, so that two visits never wait for each other."""
    keys = sorted({resource_id(scope, staff_id) for staff_id in staff_ids})
    statements = ["set local lock_timeout = '2s'", *(f"select pg_advisory_xact_lock({key})" for key in keys)]
    await conn.execute("; ".join(statements))
