"""What happens to a message for a client once its job runs: a channel sends it, or it is marked as not deliverable.

No channel that can reach a telephone number is connected yet; the text stays in the salon's book, where the staff see
that it was not sent, and the agent's promise is kept by a person.
"""

import structlog

from core.database import Database
from core.outbox import Outbox, OutboxItem
from core.tenancy import CompanyScope
from crm.salon_book import MESSAGE_TOPIC

log = structlog.get_logger(__name__)


def register_delivery(outbox: Outbox, database: Database) -> None:
    async def deliver(scope: CompanyScope, item: OutboxItem) -> None:
        message_id = str(item.payload["message_id"])
        async with database.company(scope) as conn:
            channel = await conn.fetchval(
                """update client_messages set delivery = 'no_channel'
                   where company_id = $1 and id = $2 and delivery = 'waiting' returning channel""",
                scope.company_id,
                message_id,
            )
        log.warning("message_without_channel", message=message_id, channel=channel)

    outbox.handle(MESSAGE_TOPIC, deliver)
