"""The mailbox: new mails of the inbox and of the folder of sent mails, as they come (IMAP IDLE, RFC 2177, and a look
every half minute besides, because NAT boxes drop silent connections).

IMAPClient is blocking, so every step runs in a thread; a step that hangs is ended by closing its socket.
"""

import asyncio
import json
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import structlog
from imapclient import IMAPClient, SocketTimeout  # type: ignore[import-untyped]
from imapclient.exceptions import IMAPClientError, LoginError  # type: ignore[import-untyped]
from imapclient.imapclient import SENT  # type: ignore[import-untyped]

from channels.adapters.email.mail import Mail, attachment_parts, parse_mail, payload
from channels.adapters.email.reading import events_of, sent_by_staff
from channels.model import Event
from core.clock import Clock
from core.errors import NotFound, Unavailable
from core.outside_http import AccessDenied

log = structlog.get_logger(__name__)

T = TypeVar("T")
INBOX = "INBOX"
CONNECT_S, READ_S = 10.0, 30.0
IDLE_S = 25.0
LOOK_S = 10.0
"""Between looks at a server without IDLE."""
BATCH = 20
MOST_BYTES = 30 * 1024 * 1024
"""A larger mail is read by its headers only: no provider takes more than about 35 MB."""
REBUILT_DAYS = 2
"""How far back a mailbox is read again whose UIDVALIDITY changed: its numbers mean nothing any more (RFC 9051)."""
LOGIN_REMEDY = (
    "Почта не принимает пароль. Создайте пароль приложения в настройках почты (Яндекс и Mail.ru: «Пароли приложений», "
    "там же включите IMAP; Gmail: двухэтапная проверка и пароль приложения) и введите его здесь."
)
_BROKEN = (IMAPClientError, OSError, EOFError, ssl.SSLError, ValueError)


@dataclass(frozen=True, slots=True)
class Server:
    host: str
    port: int
    tls: ssl.SSLContext | None
    """None: without TLS, for hosts that the operator allowed."""
    login: str
    password: str


@dataclass(slots=True)
class Place:
    """How far a folder has been read."""

    validity: int
    uid: int


class Mailbox:
    """One connection. Used by one task at a time."""

    def __init__(self, server: Server, own_address: str, clock: Clock) -> None:
        self._server = server
        self._own = own_address
        self._clock = clock
        self._client: IMAPClient | None = None
        self._sent_folder = ""

    async def open(self) -> None:
        """Raises AccessDenied with the remedy, Unavailable."""
        await self._step(self._open)

    async def close(self) -> None:
        """Ends a step under way, too."""
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(_shut, client)

    async def events(self, cursor: str) -> AsyncIterator[tuple[Sequence[Event], str]]:
        """Batches of events with the cursor behind them, for ever. The first time it begins with what comes from now
        on: a salon does not want its old mail answered."""
        places = _places(cursor)
        folders = (INBOX, *([self._sent_folder] if self._sent_folder else []))
        fresh = [folder for folder in folders if folder not in places]
        for folder in fresh:
            _, places[folder] = await self._look(folder, None)
        if fresh:
            yield (), _cursor(places)
        while True:
            for folder in folders:
                full = True
                while full:
                    mails, places[folder] = await self._look(folder, places[folder])
                    full = len(mails) == BATCH
                    read = self._received if folder == INBOX else sent_by_staff
                    if mails:
                        yield [event for mail, at in mails for event in read(mail, at)], _cursor(places)
            read_to = places[INBOX].uid
            await self._step(lambda: self._wait(read_to))  # noqa: B023 - awaited here and now

    async def _look(self, folder: str, place: Place | None) -> tuple[list[tuple[Mail, datetime]], Place]:
        return await self._step(lambda: self._newer(folder, place))

    def _received(self, mail: Mail, at: datetime) -> tuple[Event, ...]:
        return events_of(mail, self._own, at)

    async def fetch(self, place: str, most_bytes: int) -> bytes:
        """The file behind a reference made by `events`. Raises NotFound, InvalidInput."""
        where, _, number = place.rpartition("#")
        folder, validity, uid = _split_place(where)

        def read() -> bytes:
            client = self._live()
            selected = client.select_folder(folder, readonly=True)
            if int(selected[b"UIDVALIDITY"]) != validity:
                raise NotFound("the mailbox was rebuilt: the file cannot be found any more")
            found = client.fetch([uid], ["BODY.PEEK[]"])
            content = found.get(uid, {}).get(b"BODY[]")
            if not content:
                raise NotFound("the mail was deleted")
            parts = attachment_parts(parse_mail(content).source)
            if int(number) >= len(parts):
                raise NotFound("the mail has no such file")
            return payload(parts[int(number)])

        return await self._step(read)

    @property
    def sent_folder(self) -> str:
        """Empty: the mailbox has none, then people's own answers are not seen."""
        return self._sent_folder

    def _open(self) -> None:
        server = self._server
        self._client = client = IMAPClient(
            server.host, port=server.port, ssl=server.tls is not None, ssl_context=server.tls,
            timeout=SocketTimeout(CONNECT_S, READ_S),
        )  # fmt: skip
        client.login(server.login, server.password)
        folder = client.find_special_folder(SENT)
        self._sent_folder = str(folder) if folder else ""

    def _newer(self, folder: str, place: Place | None) -> tuple[list[tuple[Mail, datetime]], Place]:
        client = self._live()
        selected = client.select_folder(folder, readonly=True)
        validity = int(selected[b"UIDVALIDITY"])
        last = int(selected.get(b"UIDNEXT", 1)) - 1
        if place is None:
            return [], Place(validity, last)
        rebuilt = place.validity != validity
        if rebuilt:
            log.info("mailbox_rebuilt", folder=folder)
            since: date = (self._clock.now() - timedelta(days=REBUILT_DAYS)).date()
            uids = sorted(client.search(["SINCE", since]))[:BATCH]
        else:
            # "n:*" also gives the last message when there is none from n on
            uids = sorted(u for u in client.search(["UID", f"{place.uid + 1}:*"]) if u > place.uid)[:BATCH]
        found = []
        for uid in uids:
            sizes = client.fetch([uid], ["RFC822.SIZE", "INTERNALDATE"]).get(uid)
            if sizes is None:  # deleted meanwhile
                continue
            part = "BODY.PEEK[]" if int(sizes.get(b"RFC822.SIZE", 0)) <= MOST_BYTES else "BODY.PEEK[HEADER]"
            content = client.fetch([uid], [part]).get(uid, {})
            raw = content.get(b"BODY[]") or content.get(b"BODY[HEADER]")
            if raw:
                at = _aware(sizes.get(b"INTERNALDATE")) or self._clock.now()
                found.append((parse_mail(raw, f"imap:{folder}:{validity}:{uid}"), at))
        behind = last if rebuilt else place.uid
        return found, Place(validity, uids[-1] if uids else behind)

    def _wait(self, read_to: int) -> None:
        """Until something may have come to the inbox; at once when it came since the look."""
        client = self._live()
        selected = client.select_folder(INBOX, readonly=True)
        if int(selected.get(b"UIDNEXT", 1)) - 1 > read_to:
            return
        if not client.has_capability("IDLE"):
            time.sleep(LOOK_S)
            client.noop()
            return
        client.idle()
        try:
            client.idle_check(timeout=IDLE_S)
        finally:
            client.idle_done()

    def _live(self) -> IMAPClient:
        if self._client is None:
            raise Unavailable("the connection to the mailbox is closed", sent=False)
        return self._client

    async def _step(self, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(CONNECT_S + 2 * READ_S + IDLE_S):
                return await asyncio.to_thread(work)
        except LoginError:
            raise AccessDenied("the mailbox refuses the password", LOGIN_REMEDY) from None
        except (*_BROKEN, TimeoutError) as error:
            raise Unavailable("the mail server does not answer properly", error=type(error).__name__) from error


def _shut(client: IMAPClient) -> None:
    try:
        client.shutdown()
    except (*_BROKEN, AttributeError):
        pass


def _places(cursor: str) -> dict[str, Place]:
    stored: dict[str, Any] = json.loads(cursor) if cursor else {}
    return {folder: Place(int(validity), int(uid)) for folder, (validity, uid) in stored.items()}


def _cursor(places: dict[str, Place]) -> str:
    return json.dumps({folder: [place.validity, place.uid] for folder, place in places.items()}, ensure_ascii=False)


def _split_place(where: str) -> tuple[str, int, int]:
    found = re.fullmatch(r"imap:(.+):(\d+):(\d+)", where)
    if found is None:
        raise NotFound("the file is not kept anywhere")
    return found[1], int(found[2]), int(found[3])


def _aware(value: object) -> datetime | None:
    """IMAPClient gives the server's time as naive local time."""
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.astimezone()
