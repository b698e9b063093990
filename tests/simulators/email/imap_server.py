"""The IMAP side, as much as a client that reads new mail needs, and no more."""

import asyncio
import base64
import re
from datetime import UTC, datetime

from tests.simulators.email.line_server import LineServer
from tests.simulators.email.store import Folder, MailStore

_CAPABILITIES = "IMAP4rev1 IDLE SPECIAL-USE"


class ImapServer(LineServer):
    """`without_idle`: an old server. `cut`: closes every connection at its next command."""

    def __init__(self, store: MailStore, *, without_idle: bool = False) -> None:
        super().__init__()
        self._store = store
        self._idle = not without_idle
        self.cut = False

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Session(self, self._store, self._idle, reader, writer).run()


class _Session:
    def __init__(
        self,
        server: ImapServer,
        store: MailStore,
        idle: bool,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._server, self._store, self._idle = server, store, idle
        self._reader, self._writer = reader, writer
        self._logged_in = False
        self._folder: Folder | None = None

    async def run(self) -> None:
        self._say("* OK ready")
        while True:
            await self._writer.drain()
            line = await self._reader.readline()
            if not line or self._server.cut:
                return
            if not line.endswith(b"\r\n"):
                self._server.problems.append("a line without CRLF")
            text = line.decode().rstrip("\r\n")
            while (literal := re.search(r"\{(\d+)\}$", text)) is not None:
                self._say("+ go on")
                await self._writer.drain()
                content = await self._reader.readexactly(int(literal[1]))
                rest = await self._reader.readline()
                text = text[: literal.start()] + '"' + content.decode() + '"' + rest.decode().rstrip("\r\n")
            tag, _, command = text.partition(" ")
            name, _, rest_ = command.partition(" ")
            if name.upper() == "LOGOUT":
                self._say("* BYE bye", f"{tag} OK done")
                await self._writer.drain()
                return
            await self._do(tag, name.upper(), rest_)

    async def _do(self, tag: str, name: str, rest: str) -> None:
        if name == "CAPABILITY":
            caps = _CAPABILITIES if self._idle else _CAPABILITIES.replace(" IDLE", "")
            self._say(f"* CAPABILITY {caps}", f"{tag} OK done")
        elif name == "NOOP":
            self._say(f"{tag} OK done")
        elif name == "LOGIN":
            user, password = _strings(rest)
            self._logged_in = (user, password) == (self._store.address, self._store.password)
            self._say(f"{tag} OK done" if self._logged_in else f"{tag} NO [AUTHENTICATIONFAILED] invalid credentials")
        elif not self._logged_in:
            self._bad(tag, f"{name} before LOGIN")
        elif name in ("LIST", "XLIST"):
            for folder in self._store.folders.values():
                flags = f"\\HasNoChildren {folder.use}".strip()
                self._say(f'* LIST ({flags}) "/" "{_utf7(folder.name)}"')
            self._say(f"{tag} OK done")
        elif name == "EXAMINE":
            self._select(tag, rest)
        elif name == "SELECT":
            self._bad(tag, "SELECT marks mails as recent for the salon's own programs: EXAMINE")
        elif name == "IDLE" and self._idle and self._folder:
            await self._idling(tag)
        elif name == "UID" and self._folder:
            self._uid(tag, rest, self._folder)
        else:
            self._bad(tag, f"{name} here")

    def _select(self, tag: str, rest: str) -> None:
        wanted = _strings(rest)[0]
        folder = next((f for f in self._store.folders.values() if wanted in (f.name, _utf7(f.name))), None)
        if folder is None:
            self._say(f"{tag} NO no such mailbox")
            return
        self._folder = folder
        self._say(
            "* FLAGS (\\Seen)",
            f"* {len(folder.mails)} EXISTS",
            "* 0 RECENT",
            f"* OK [UIDVALIDITY {folder.validity}] valid",
            f"* OK [UIDNEXT {folder.next_uid}] next",
            f"{tag} OK [READ-ONLY] done",
        )

    async def _idling(self, tag: str) -> None:
        assert self._folder
        known = len(self._folder.mails)
        self._say("+ idling")
        await self._writer.drain()
        done = asyncio.create_task(self._reader.readline())
        try:
            while not done.done():
                await asyncio.wait({done}, timeout=0.02)
                if len(self._folder.mails) > known:
                    known = len(self._folder.mails)
                    self._say(f"* {known} EXISTS")
                    await self._writer.drain()
            if done.result().strip().upper() != b"DONE":
                self._bad(tag, "something else than DONE")
                return
            self._say(f"{tag} OK done")
        finally:
            done.cancel()

    def _uid(self, tag: str, rest: str, folder: Folder) -> None:
        name, _, arguments = rest.partition(" ")
        if name.upper() == "SEARCH":
            self._say("* SEARCH " + " ".join(str(uid) for uid in self._found(arguments, folder)), f"{tag} OK done")
        elif name.upper() == "FETCH":
            wanted, _, items = arguments.partition(" ")
            for uid in [int(part) for part in wanted.split(",")]:
                self._fetch(uid, items.strip("()").upper(), folder)
            self._say(f"{tag} OK done")
        else:
            self._bad(tag, f"UID {name}")

    def _found(self, arguments: str, folder: Folder) -> list[int]:
        arguments = re.sub(r"^CHARSET \S+ ", "", arguments)
        if since := re.fullmatch(r"SINCE (\d{1,2}-\w{3}-\d{4})", arguments):
            day = datetime.strptime(since[1], "%d-%b-%Y").replace(tzinfo=UTC).date()
            return [mail.uid for mail in folder.mails if mail.at.date() >= day]
        span = re.fullmatch(r"UID (\d+):\*", arguments)
        if not span:
            self._server.problems.append(f"search {arguments}")
            return []
        first = int(span[1])
        uids = [mail.uid for mail in folder.mails]
        if uids and first > uids[-1]:  # RFC 9051: n:* always holds the last message
            return [uids[-1]]
        return [uid for uid in uids if uid >= first]

    def _fetch(self, uid: int, items: str, folder: Folder) -> None:
        mail = next((m for m in folder.mails if m.uid == uid), None)
        if mail is None:
            return
        number = folder.mails.index(mail) + 1
        if "BODY[" in items:
            self._server.problems.append("BODY[] without PEEK marks the salon's mail as seen")
        answer = [f"UID {uid}"]
        if "RFC822.SIZE" in items:
            answer.append(f"RFC822.SIZE {len(mail.content)}")
        if "INTERNALDATE" in items:
            answer.append(f'INTERNALDATE "{mail.at.strftime("%d-%b-%Y %H:%M:%S +0000")}"')
        if "BODY.PEEK[HEADER]" in items:
            head = mail.content.split(b"\r\n\r\n")[0] + b"\r\n\r\n"
            self._body(number, answer, "BODY[HEADER]", head)
        elif "BODY.PEEK[]" in items:
            self._body(number, answer, "BODY[]", mail.content)
        else:
            self._say(f"* {number} FETCH ({' '.join(answer)})")

    def _body(self, number: int, answer: list[str], name: str, content: bytes) -> None:
        self._writer.write(f"* {number} FETCH ({' '.join(answer)} {name} {{{len(content)}}}\r\n".encode())
        self._writer.write(content + b")\r\n")

    def _bad(self, tag: str, what: str) -> None:
        self._server.problems.append(what)
        self._say(f"{tag} BAD {what}")

    def _say(self, *lines: str) -> None:
        for line in lines:
            self._writer.write(line.encode() + b"\r\n")


def _strings(text: str) -> list[str]:
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', text)
    return [re.sub(r"\\(.)", r"\1", quoted) if quoted or not bare else bare for quoted, bare in found]


def _utf7(name: str) -> str:
    """Modified UTF-7 of mailbox names (RFC 3501, 5.1.3)."""
    if name.isascii():
        return name
    coded = base64.b64encode(name.encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
    return f"&{coded}-"
