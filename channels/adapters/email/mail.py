"""One mail, read from its bytes (RFC 5322, MIME) into what the salon needs of it. Pure; broken mail is read as far as
it goes: a wrong charset or a missing header is no reason to lose what a client wrote.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
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
    source: Message


def parse_mail(content: bytes, place: str = "") -> Mail:
    """`place`: where the mail can be fetched again, for the references of its files; empty: nowhere."""
    # the old policy on purpose: the new one's header parser raises a dozen kinds of errors on what people really send
    mail = message_from_bytes(content)
    name, sender = address(mail, "From")
    subject = header(mail, "Subject")
    text = _words(mail)
    message_id = bare_id(header(mail, "Message-ID"))
    if not message_id:
        seed = "\n".join((header(mail, "Date"), sender, subject, text))
        message_id = hashlib.sha256(seed.encode("utf-8", "replace")).hexdigest() + "@no-id"
    recipients = [address(mail, part)[1] for part in ("To", "Delivered-To")]
    return Mail(
        message_id=message_id,
        sender=sender,
        name=name,
        to=tuple(found for found in recipients if found),
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


def header(mail: Message, name: str) -> str:
    """Decoded (RFC 2047), on one line; empty when absent. Bytes without any encoding are read as UTF-8, then as
    Windows-1251; a broken encoded word stays as it is."""
    raw = next((value for key, value in mail.raw_items() if key.lower() == name.lower()), "")
    text = _readable(str(raw).encode("utf-8", "surrogateescape"), "utf-8")
    try:
        pieces = decode_header(text)
    except (HeaderParseError, ValueError):
        pieces = [(text, None)]
    words = [piece if isinstance(piece, str) else _readable(piece, charset) for piece, charset in pieces]
    return re.sub(r"\s+", " ", "".join(words)).strip()


def address(mail: Message, name: str) -> tuple[str, str]:
    """Name and address (lower case) of the first mailbox in a header; empty where it holds none."""
    try:
        found, where = parseaddr(header(mail, name))
    except (ValueError, IndexError):
        return "", ""
    return found.strip(), where.strip().lower()


def file_name(part: Message) -> str:
    try:
        return re.sub(r"[\x00-\x1f/\\]", "_", part.get_filename() or "")[:200]
    except (ValueError, LookupError, TypeError, IndexError):
        return ""


def ids(value: str) -> Iterator[str]:
    """Message ids of a header, without brackets; some senders leave the brackets out."""
    found = re.findall(r"<([^<>\s]+)>", value)
    yield from found or [word for word in value.split() if "@" in word]


def bare_id(value: str) -> str:
    return next(iter(ids(value)), "")


def _words(mail: Message) -> str:
    plain: list[str] = []
    html: list[str] = []
    for part in _bodies(mail):
        (plain if part.get_content_type() == "text/plain" else html).append(decoded(part))
    text = own_words("\n".join(plain))
    if text or not html:
        return text
    return own_words(text_of_html("\n".join(html)))


def _bodies(mail: Message) -> Iterator[Message]:
    for part in mail.walk():
        if part.is_multipart() or part.get_content_disposition() == "attachment":
            continue
        if part.get_content_type() in ("text/plain", "text/html"):
            yield part


def decoded(part: Message) -> str:
    """Text of a body part."""
    return _readable(payload(part), part.get_content_charset())


def payload(part: Message) -> bytes:
    try:
        raw = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        return b""
    return raw if isinstance(raw, bytes) else b""


def _readable(content: bytes, charset: str | None) -> str:
    """An unknown or lying charset falls back to UTF-8, then to Windows-1251 (Russian mail)."""
    for name in (charset, "utf-8", "windows-1251"):
        try:
            return content.decode(name or "utf-8")
        except (LookupError, UnicodeDecodeError, ValueError):
            continue
    return content.decode("utf-8", "replace")


def _attachments(mail: Message, place: str) -> Iterator[Media]:
    for number, part in enumerate(attachment_parts(mail)):
        data = payload(part)
        yield Media(
            kind_of(part.get_content_type()),
            ref=f"{place}#{number}" if place else in_the_message(data),
            mime_type=part.get_content_type(),
            size=len(data),
            name=file_name(part),
        )


def in_the_message(data: bytes) -> str:
    """Reference of a file that is nowhere else (it came with a webhook): small ones are carried along."""
    return "data:" + base64.b64encode(data).decode() if len(data) <= MOST_CARRIED else ""


def attachment_parts(mail: Message) -> list[Message]:
    """Files of a mail in order; small inline pictures of signatures are left out."""
    found: list[Message] = []
    for part in mail.walk():
        if part.is_multipart() or (part.get_content_type() in ("text/plain", "text/html") and not file_name(part)):
            continue
        if part.get_content_maintype() == "message" or part.get_content_type() == "application/ms-tnef":
            continue
        inline = part.get_content_disposition() == "inline" or (part["Content-ID"] and not file_name(part))
        if inline and len(payload(part)) < 10_000:
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
