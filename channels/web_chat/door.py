"""What the adapter does in the chat: say, show that we write, read an uploaded file."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from channels.model import Account
from channels.web_chat.bus import Bus
from channels.web_chat.model import Site, ThreadId
from channels.web_chat.ports import Sites
from channels.web_chat.store import ChatStore
from core.database import Database
from core.errors import InvalidInput, NotFound


class LocalDoor:
    """`channels.ports.WebChatDoor` on our own stores."""

    def __init__(self, database: Database, sites: Sites, store: ChatStore, bus: Bus) -> None:
        self._database = database
        self._sites = sites
        self._store = store
        self._bus = bus

    async def say(self, account: Account, body: Mapping[str, Any], marker: str) -> str:
        site, thread = await self._site(account), _thread(str(body["thread"]))
        shown = {name: body[name] for name in ("choices", "ask") if body.get(name)}
        async with self._database.company(site.scope) as conn:
            message, _ = await self._store.say(
                conn, site, thread, str(body["author"]), marker, str(body["text"]), shown
            )
        await self._bus.announce(thread, messages=True)  # a repeat too: perhaps the first notice was lost
        return str(message.id)

    async def typing(self, account: Account, thread: str) -> None:
        await self._bus.announce(_thread(thread), typing=True)

    async def file(self, account: Account, file_id: str, most_bytes: int) -> bytes:
        file, data = await self._store.file(await self._site(account), file_id)
        if file.size > most_bytes:
            raise InvalidInput(f"file: larger than {most_bytes} bytes")
        return data

    async def _site(self, account: Account) -> Site:
        site = await self._sites.find(account.address)
        if site is None or site.account.id != account.id:
            raise NotFound("the chat is switched off or not connected yet")
        return site


def _thread(text: str) -> ThreadId:
    try:
        return ThreadId(UUID(text))
    except ValueError:
        raise NotFound("the chat has no such thread") from None
