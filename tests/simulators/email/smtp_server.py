"""The SMTP side: AUTH PLAIN and LOGIN, one mail at a time, faults at every step."""

import asyncio
import base64
from dataclasses import dataclass, field
from email import message_from_bytes, policy

from tests.simulators.email.line_server import LineServer
from tests.simulators.email.store import MailStore


@dataclass(slots=True)
class SmtpFaults:
    """Each is used up by one connection."""

    greylist: int = 0
    """450 to RCPT."""
    unknown: set[str] = field(default_factory=set)
    """Recipients that do not exist (550 5.1.1), for good."""
    spam: int = 0
    """554 5.7.1 to the mail itself."""
    lost_answer: int = 0
    """Takes the mail and closes before the answer."""
    cut_before_data: int = 0
    refuse_connection: bool = False


class SmtpServer(LineServer):
    def __init__(self, store: MailStore) -> None:
        super().__init__()
        self._store = store
        self.faults = SmtpFaults()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: C901
        def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")

        if self.faults.refuse_connection:
            say("421 4.3.2 closing")
            return
        say("220 mail.simulated ESMTP")
        logged_in, sender, recipient = False, None, ""
        while True:
            await writer.drain()
            line = (await reader.readline()).decode().rstrip("\r\n")
            if not line:
                return
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            if verb == "EHLO":
                for item in ("250-mail.simulated", "250-8BITMIME", "250-SMTPUTF8", "250 AUTH PLAIN LOGIN"):
                    say(item)
            elif verb == "AUTH":
                logged_in = await self._login(reader, writer, rest)
                say("235 2.7.0 ok" if logged_in else "535 5.7.8 bad credentials")
            elif verb == "MAIL" and logged_in:
                sender = rest.partition(":")[2].split(" ")[0].strip("<>")
                if sender.lower() != self._store.address:
                    self.problems.append(f"a foreign envelope sender {sender}")
                    say("553 5.7.1 sender address rejected: not owned by auth user")
                else:
                    say("250 2.1.0 ok")
            elif verb == "RCPT" and sender is not None:
                recipient = rest.partition(":")[2].split(" ")[0].strip("<>").lower()
                say(self._recipient(recipient))
            elif verb == "DATA" and recipient:
                if self.faults.cut_before_data:
                    self.faults.cut_before_data -= 1
                    return
                say("354 go ahead")
                await writer.drain()
                if not await self._mail(reader, say, sender or "", recipient):
                    return
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                self.problems.append(f"{verb} here")
                say("503 5.5.1 bad sequence of commands")

    async def _login(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rest: str) -> bool:
        kind, _, first = rest.partition(" ")
        if kind.upper() == "PLAIN":
            _, user, password = base64.b64decode(first).decode().split("\0")
        else:
            answers = [first] if first else []
            for prompt in ("Username:", "Password:")[len(answers) :]:
                writer.write(f"334 {base64.b64encode(prompt.encode()).decode()}\r\n".encode())
                await writer.drain()
                answers.append((await reader.readline()).decode().strip())
            user, password = (base64.b64decode(item).decode() for item in answers)
        return (user, password) == (self._store.address, self._store.password)

    def _recipient(self, recipient: str) -> str:
        if recipient in self.faults.unknown:
            return "550 5.1.1 no such user"
        if self.faults.greylist:
            self.faults.greylist -= 1
            return "450 4.7.1 greylisted, try again"
        return "250 2.1.5 ok"

    async def _mail(self, reader: asyncio.StreamReader, say, sender: str, recipient: str) -> bool:
        lines = []
        while (line := await reader.readline()) != b".\r\n":
            if not line:
                return False
            if not line.endswith(b"\r\n"):
                self.problems.append("a bare line feed in a mail (RFC 5321, 2.3.8)")
            lines.append(line[1:] if line.startswith(b"..") else line)
        content = b"".join(lines)
        self._check(content)
        if self.faults.spam:
            self.faults.spam -= 1
            say("554 5.7.1 message rejected as spam")
            return True
        self._store.sent.append((sender, recipient, content))
        self._store.on_sent(recipient, content)
        if self.faults.lost_answer:
            self.faults.lost_answer -= 1
            return False
        say("250 2.0.0 queued")
        return True

    def _check(self, content: bytes) -> None:
        """RFC 5322, 3.6: what must be there, and once."""
        mail = message_from_bytes(content, policy=policy.default)
        for name in ("From", "Date", "Message-ID", "To", "Subject"):
            if len(mail.get_all(name, [])) != 1:
                self.problems.append(f"{name} must stand once")
        self.problems += [f"a line of {len(line)} bytes" for line in content.split(b"\r\n") if len(line) > 998]
