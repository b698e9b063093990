"""Mailboxes of the simulated provider, seen from both protocols."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(slots=True)
class Stored:
    uid: int
    content: bytes
    at: datetime


@dataclass(slots=True)
class Folder:
    name: str
    use: str = ""
    """Special use (RFC 6154): \\Sent."""
    validity: int = 1_700_000_000
    next_uid: int = 1
    mails: list[Stored] = field(default_factory=list)


class MailStore:
    def __init__(self, address: str, password: str) -> None:
        self.address = address
        self.password = password
        self.folders = {
            "INBOX": Folder("INBOX"),
            "Отправленные": Folder("Отправленные", "\\Sent"),
            "Спам": Folder("Спам", "\\Junk"),
        }
        self.sent: list[tuple[str, str, bytes]] = []
        """(envelope sender, recipient, mail) of everything that SMTP took."""
        self.on_sent: Callable[[str, bytes], None] = lambda recipient, content: None
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def deliver(self, content: bytes, folder: str = "INBOX") -> int:
        """A mail arrives. Lines end with CRLF on the wire, whatever the caller wrote."""
        place = self.folders[folder]
        content = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        place.mails.append(Stored(place.next_uid, content, self.now()))
        place.next_uid += 1
        return place.next_uid - 1

    def rebuild(self, folder: str = "INBOX") -> None:
        """The provider restored the mailbox: new numbers, new UIDVALIDITY."""
        place = self.folders[folder]
        place.validity += 1
        for number, mail in enumerate(place.mails, 1):
            mail.uid = number
        place.next_uid = len(place.mails) + 1
