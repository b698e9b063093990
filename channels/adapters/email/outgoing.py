"""A message becomes a mail: plain text and the same as simple HTML, in the thread of the mail that it answers. Pure."""

import html
import re
from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from typing import Any

from channels.adapters.email.automatic import OWN_HEADER
from channels.adapters.email.mail import answered_subject
from channels.model import Author, Outgoing, Part

_BOLD = re.compile(r"\*([^*\n]+)\*")
_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")


def compose(message: Outgoing, subject: str) -> Part:
    """One part: a mail has no limit that an answer could reach. Choices become lines that can be answered in words."""
    text = message.text.strip()
    if message.choices:
        lines = "\n".join(f"— {choice.text}" for choice in message.choices)
        text = f"{text}\n\nМожно ответить так:\n{lines}"
    meta = message.meta
    service = message.author is Author.SYSTEM
    body: dict[str, Any] = {
        "to": str(meta.get("reply_to") or message.thread),
        "subject": answered_subject(str(meta.get("subject", "")), subject) if meta.get("message_id") else subject,
        "text": text,
        "in_reply_to": str(meta.get("message_id", "")),
        "references": [str(item) for item in meta.get("references", ())],
        "auto": "auto-generated" if service else "auto-replied",
        "by_person": message.author is Author.HUMAN,
    }
    return Part(0, body, text)


def build(
    body: Mapping[str, Any], *, sender: str, sender_name: str, message_id: str, marker: str, at: datetime
) -> EmailMessage:
    """The mail as it goes out. `message_id` without brackets; the same for every try of the same part.

    Machine answers say so (RFC 3834): other machines do not answer them. A person's own words do not."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = formataddr((sender_name, sender), "utf-8")
    mail["To"] = str(body["to"])
    mail["Subject"] = re.sub(r"[\r\n]+", " ", str(body["subject"]))
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{message_id}>"
    if body["in_reply_to"]:
        mail["In-Reply-To"] = f"<{_safe(body['in_reply_to'])}>"
        mail["References"] = " ".join(f"<{_safe(item)}>" for item in body["references"])
    if not body["by_person"]:
        mail["Auto-Submitted"] = str(body["auto"])
        mail["X-Auto-Response-Suppress"] = "All"
    mail[OWN_HEADER] = marker
    mail.set_content(plain(str(body["text"])))
    mail.add_alternative(as_html(str(body["text"])), subtype="html")
    return mail


def plain(text: str) -> str:
    return _BOLD.sub(r"\1", text)


def as_html(text: str) -> str:
    """Escaped, with bold words and links; paragraphs by empty lines."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text):
        safe = html.escape(paragraph)
        safe = _LINK.sub(lambda found: f'<a href="{found.group()}">{found.group()}</a>', safe)
        bold = _BOLD.sub(r"<b>\1</b>", safe).replace("\n", "<br>")
        paragraphs.append(f"<p>{bold}</p>")
    return "<!doctype html><html><body>" + "".join(paragraphs) + "</body></html>"


def _safe(message_id: object) -> str:
    return re.sub(r"[<>\s]", "", str(message_id))
