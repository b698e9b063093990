"""What happens to a message for a client once its job runs: a messenger takes it, or it is marked as not deliverable.

It goes into the thread of its conversation, else into the messenger in which the person with that number wrote last.
Where there is none the text stays in the salon's book, and the staff see that it was not sent.
"""

from collections.abc import Awaitable, Callable

import structlog

from core.database import Database
from core.outbox import Outbox, OutboxItem
from core.tenancy import CompanyScope
from crm.salon_book import MESSAGE_TOPIC

log = structlog.get_logger(__name__)


Deliver = Callable[[CompanyScope, str], Awaitable[bool]]
"""Hands the message to a messenger. False: the person is in none."""


def register_delivery(outbox: Outbox, database: Database, by_messenger: Deliver | None = None) -> None:
    async def deliver(scope: CompanyScope, item: OutboxItem) -> None:
        message_id = str(item.payload["message_id"])
        if by_messenger is not None and await by_messenger(scope, message_id):
            return
        async with database.company(scope) as conn:
            channel = await conn.fetchval(
                """update client_messages set delivery = 'no_channel'
                   where company_id = $1 and id = $2 and delivery = 'waiting' returning channel""",
                scope.company_id,
                message_id,
            )
        log.warning("message_without_channel", message=message_id, channel=channel)

    outbox.handle(MESSAGE_TOPIC, deliver)
