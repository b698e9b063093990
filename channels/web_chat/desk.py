"""What a visitor can do: write, read, upload, say who they are. One request is one transaction."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from channels.model import Delivery, DeliveryReported, Event, Kind, Media, MessageReceived, Person
from channels.web_chat.bus import Bus
from channels.web_chat.identity import Identity, read_proof
from channels.web_chat.model import MOST_FILES, MOST_TEXT, ChatFile, ChatMessage, Session, Site
from channels.web_chat.ports import EventSink
from channels.web_chat.store import ChatStore, Page
from channels.web_chat.uploads import clean_name, sniff
from core.clock import Clock
from core.database import Database
from core.errors import InvalidInput
from core.phone import Phone

IDENTITY_SECRET = "identity_secret"  # noqa: S105 - the name of a setting
_KINDS = {"image": Kind.IMAGE, "voice": Kind.VOICE}


class ChatDesk:
    def __init__(self, database: Database, store: ChatStore, bus: Bus, sink: EventSink, clock: Clock) -> None:
        self._database = database
        self.store = store
        self.bus = bus
        self._sink = sink
        self._clock = clock

    async def write(
        self, site: Site, session: Session, client_id: str, text: str, button: str, file_ids: Sequence[str]
    ) -> ChatMessage:
        """Takes a message of the visitor; the same id again gives the message that it was the first time.

        Raises InvalidInput that names the field.
        """
        words = _storable(text).strip()
        if len(words) > MOST_TEXT:
            raise InvalidInput(f"text: at most {MOST_TEXT} characters")
        if len(file_ids) > MOST_FILES:
            raise InvalidInput(f"files: at most {MOST_FILES}")
        if not words and not file_ids:
            raise InvalidInput("text: empty, and no file comes with it")
        files = await self.store.files(site, session.thread, file_ids)
        body: dict[str, Any] = {"files": [asdict(one) for one in files]} if files else {}
        async with self._database.company(site.scope) as conn:
            message, new = await self.store.say(conn, site, session.thread, "visitor", client_id, words, body)
            if new:
                await self._sink(conn, site, [_received(session, message, button, files)])
        if new:
            await self.bus.announce(session.thread, messages=True)
        return message

    async def read_up_to(self, site: Site, session: Session, seq: int) -> None:
        async with self._database.company(site.scope) as conn:
            newest = await self.store.read_up_to(conn, site, session.thread, seq)
            if newest is not None:
                event: Event = DeliveryReported(
                    event_id=f"read:{session.thread}:{newest.seq}",
                    thread=str(session.thread),
                    message_id=str(newest.id),
                    at=self._clock.now(),
                    delivery=Delivery.READ,
                    up_to=True,
                )
                await self._sink(conn, site, [event])
        if newest is not None:
            await self.bus.announce(session.thread, read=seq)

    async def upload(self, site: Site, session: Session, name: str, data: bytes) -> ChatFile:
        """Raises InvalidInput for what is neither a photo nor a voice note."""
        found = sniff(data)
        return await self.store.keep_file(
            site, session.thread, found.kind, found.type, _storable(clean_name(name)), data
        )

    async def identify(self, site: Site, session: Session, proof: str) -> tuple[Identity, bool]:
        """Who it is, and whether the session shows another thread from now on. Raises ProofRefused."""
        who = read_proof(proof, site.account.secrets.get(IDENTITY_SECRET, ""), self._clock.now())
        thread = await self.store.identify(site, session, who)
        moved = thread != session.thread
        if moved:
            await self.bus.announce(session.thread, closed=True)
        return who, moved

    async def leave(self, site: Site, session: Session) -> None:
        await self.store.end(site, session)
        await self.bus.announce(session.thread, closed=True)

    async def history(self, site: Site, session: Session, after: int | None, before: int | None, limit: int) -> Page:
        """After a number, before one, or the newest."""
        if after is not None:
            return await self.store.after(site, session.thread, after, limit)
        return await self.store.before(site, session.thread, before if before is not None else 2**62, limit)


def _received(session: Session, message: ChatMessage, button: str, files: Sequence[ChatFile]) -> MessageReceived:
    return MessageReceived(
        event_id=f"message:{session.thread}:{message.client_id}",
        thread=str(session.thread),
        message_id=str(message.id),
        at=message.at,
        text=message.text,
        media=tuple(Media(_KINDS[one.kind], one.id, one.type, one.size, one.name) for one in files),
        person=Person(session.name, Phone(session.phone) if session.phone else None, session.language),
        button=button,
        order=message.seq,
    )


def _storable(text: str) -> str:
    """PostgreSQL keeps no zero character, and half a surrogate pair is no text."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
