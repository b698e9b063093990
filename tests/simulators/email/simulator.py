"""The mail provider as one messenger among others: people write mails, the mailbox is asked for them."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from typing import Any

from starlette.applications import Starlette

from tests.simulators.channel.base import ChannelSimulatorBase
from tests.simulators.channel.protocol import ANNA, Client, Now, Received
from tests.simulators.email.imap_server import ImapServer
from tests.simulators.email.smtp_server import SmtpServer
from tests.simulators.email.store import MailStore

ADDRESS = "zapis@salon.example"


class EmailSimulator(ChannelSimulatorBase):
    name = "email"
    polls = True
    most_text = 20_000

    def __init__(self, now: Now) -> None:
        super().__init__(now)
        self.app = self.behind_faults(Starlette())
        self.store = MailStore(ADDRESS, secrets.token_urlsafe(12))
        self.store.now = now
        self.store.on_sent = self._sent
        self._imap, self._smtp = ImapServer(self.store), SmtpServer(self.store)
        self._ports = (0, 0)
        self._last: dict[str, EmailMessage] = {}
        """The salon's newest mail to each client: theirs answer it."""

    @contextlib.asynccontextmanager
    async def open(self, base_url: str) -> AsyncIterator[None]:
        self._ports = (await self._imap.start(), await self._smtp.start())
        try:
            yield
        finally:
            await self._imap.stop()
            await self._smtp.stop()

    @property
    def problems(self) -> list[str]:
        """What the product did wrong in either protocol."""
        return [*self._imap.problems, *self._smtp.problems]

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        imap, smtp = self._ports
        settings = {
            "address": ADDRESS, "name": "Салон «Мята»", "imap_host": "127.0.0.1", "imap_port": imap,
            "smtp_host": "127.0.0.1", "smtp_port": smtp, "security": "none",
        }  # fmt: skip
        return settings, {"password": self.store.password}

    def revoke(self) -> None:
        super().revoke()
        self.store.password = secrets.token_urlsafe(12)

    def says(self, text: str, client: Client = ANNA, *, start: bool = False) -> str:
        """As a mail program writes an answer: the salon's mail quoted below."""
        mail = EmailMessage()
        mail["From"] = formataddr((client.name, self.address(client)), "utf-8")
        mail["To"] = ADDRESS
        mail["Date"] = format_datetime(self.now())
        mail["Message-ID"] = f"<{secrets.token_hex(8)}@client.example>"
        before = self._last.get(client.key)
        mail["Subject"] = str(before["Subject"]) if before is not None else "Запись"
        quoted = ""
        if before is not None:
            mail["In-Reply-To"] = before["Message-ID"]
            mail["References"] = f"{before['References'] or ''} {before['Message-ID']}".strip()
            body = before.get_body(("plain",))
            lines = body.get_content().splitlines() if body is not None else []
            when = f"{self.now():%d.%m.%Y, %H:%M}"
            quoted = f"\n\n{when}, Салон «Мята» <{ADDRESS}> пишет:\n" + "\n".join(f"> {line}" for line in lines)
        mail.set_content(text + quoted)
        self.store.deliver(mail.as_bytes())
        return str(mail["Message-ID"])

    @staticmethod
    def address(client: Client) -> str:
        return f"{client.key}@client.example"

    def _sent(self, recipient: str, content: bytes) -> None:
        mail = message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        client = next((one for one in self.clients.values() if self.address(one) == recipient), None)
        if client is None:
            return
        self._last[client.key] = mail
        body = mail.get_body(("plain",))
        text = body.get_content().strip() if body is not None else ""
        self.receive(Received(client.key, str(mail["Message-ID"]).strip("<>"), text))
