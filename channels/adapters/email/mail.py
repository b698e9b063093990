"""One mail, read from its bytes (RFC 5322, MIME) into what the salon needs of it. Pure; broken mail is read as far as
it goes: a wrong charset or a missing header is no reason to lose what a client wrote.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr, parsedate_to_datetime

from channels.adapters.email.quotes import own_words, text_of_html
from channels.model import Kind, Media

MOST_TEXT = 20_000
"""Characters of a mail that go on; nobody writes more to a salon."""
MOST_CARRIED = 1024 * 1024
"""Bytes of a file that came with a webhook and is kept; a larger one is named, not kept."""
_REPLY = re.compile(r"^\s*(?:(?:re|fwd?|fw|ответ|отв|на|aw|sv|antw)(?:\[\d+\])?\s*:\s*)+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mail:
    message_id: str
    """Without brackets; made from the content where the sender gave none."""
    sender: str
    """Address in lower case."""
    name: str
    to: tuple[str, ...]
    subject: str
    """As written, with its Re:."""
    at: datetime | None
    """As the sender's clock says: for people to see, not to order by."""
    in_reply_to: str
    references: tuple[str, ...]
    text: str
    """The person's own words."""
    media: tuple[Media, ...]
    source: EmailMessage


def parse_mail(content: bytes, place: str = "") -> Mail:
    """`place`: where the mail can be fetched again, for the references of its files; empty: nowhere."""
    mail = message_from_bytes(content, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    name, sender = parseaddr(header(mail, "From"))
    subject = header(mail, "Subject")
    text = _words(mail)
    message_id = bare_id(header(mail, "Message-ID"))
    if not message_id:
        seed = "\n".join((header(mail, "Date"), sender, subject, text))
        message_id = hashlib.sha256(seed.encode("utf-8", "replace")).hexdigest() + "@no-id"
    recipients = [parseaddr(part)[1].lower() for part in (header(mail, "To"), header(mail, "Delivered-To"))]
    return Mail(
        message_id=message_id,
        sender=sender.strip().lower(),
        name=name.strip(),
        to=tuple(address for address in recipients if address),
        subject=subject,
        at=_date(header(mail, "Date")),
        in_reply_to=next(iter(ids(header(mail, "In-Reply-To"))), ""),
        references=tuple(ids(header(mail, "References")))[-20:],
        text=text[:MOST_TEXT],
        media=tuple(_attachments(mail, place)),
        source=mail,
    )


def answered_subject(subject: str, fallback: str) -> str:
    """With one `Re: `."""
    bare = _REPLY.sub("", subject).strip()
    return f"Re: {bare}" if bare else fallback


def header(mail: EmailMessage, name: str) -> str:
    """Decoded (RFC 2047), on one line; empty when absent."""
    try:
        value = mail.get(name)
    except (ValueError, IndexError, KeyError, AttributeError):  # the parser's own errors on broken headers
        return ""
    return "" if value is None else re.sub(r"\s+", " ", str(value)).strip()


def ids(value: str) -> Iterator[str]:
    """Message ids of a header, without brackets; some senders leave the brackets out."""
    found = re.findall(r"<([^<>\s]+)>", value)
    yield from found or [word for word in value.split() if "@" in word]


def bare_id(value: str) -> str:
    return next(iter(ids(value)), "")


def _words(mail: EmailMessage) -> str:
    plain: list[str] = []
    html: list[str] = []
    for part in _bodies(mail):
        (plain if part.get_content_type() == "text/plain" else html).append(decoded(part))
    text = own_words("\n".join(plain))
    if text or not html:
        return text
    return own_words(text_of_html("\n".join(html)))


def _bodies(mail: EmailMessage) -> Iterator[EmailMessage]:
    for part in mail.walk():
        if part.is_multipart() or part.get_content_disposition() == "attachment":
            continue
        if part.get_content_type() in ("text/plain", "text/html"):
            yield part


def decoded(part: EmailMessage) -> str:
    """Text of a body part. An unknown or lying charset falls back to UTF-8, then to Windows-1251 (Russian mail)."""
    raw = part.get_payload(decode=True)
    content = raw if isinstance(raw, bytes) else b""
    for charset in (part.get_content_charset(), "utf-8", "windows-1251"):
        try:
            return content.decode(charset or "utf-8")
        except (LookupError, UnicodeDecodeError):
            continue
    return content.decode("utf-8", "replace")


def _attachments(mail: EmailMessage, place: str) -> Iterator[Media]:
    for number, part in enumerate(attachment_parts(mail)):
        content = part.get_payload(decode=True)
        data = content if isinstance(content, bytes) else b""
        yield Media(
            kind_of(part.get_content_type()),
            ref=f"{place}#{number}" if place else in_the_message(data),
            mime_type=part.get_content_type(),
            size=len(data),
            name=part.get_filename() or "",
        )


def in_the_message(data: bytes) -> str:
    """Reference of a file that is nowhere else (it came with a webhook): small ones are carried along."""
    return "data:" + base64.b64encode(data).decode() if len(data) <= MOST_CARRIED else ""


def attachment_parts(mail: EmailMessage) -> list[EmailMessage]:
    """Files of a mail in order; small inline pictures of signatures are left out."""
    found: list[EmailMessage] = []
    for part in mail.walk():
        if part.is_multipart() or (part.get_content_type() in ("text/plain", "text/html") and not part.get_filename()):
            continue
        if part.get_content_maintype() == "message" or part.get_content_type() == "application/ms-tnef":
            continue
        content = part.get_payload(decode=True)
        inline = part.get_content_disposition() == "inline" or (part["Content-ID"] and not part.get_filename())
        if inline and isinstance(content, bytes) and len(content) < 10_000:
            continue
        found.append(part)
    return found


def kind_of(mime: str) -> Kind:
    kinds = {"image": Kind.IMAGE, "audio": Kind.AUDIO, "video": Kind.VIDEO}
    return kinds.get(mime.partition("/")[0], Kind.FILE)


def _date(value: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
