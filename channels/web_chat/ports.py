"""What the chat's server needs from the rest of the room and of the product."""

from collections.abc import Sequence
from typing import Protocol

from channels.model import Event
from channels.web_chat.model import Site
from core.database import Connection


class Sites(Protocol):
    async def find(self, token: str) -> Site | None:
        """The chat whose public token stands in a page; None: nobody's, or switched off."""
        ...


class EventSink(Protocol):
    async def __call__(self, conn: Connection, site: Site, events: Sequence[Event]) -> None:
        """Stores events in the transaction in which the chat stores the message: both or none."""
        ...
