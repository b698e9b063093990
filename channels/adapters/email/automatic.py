"""Mails that no person waits for an answer to: machine mail, lists, bounces, our own. RFC 3834, 3464, 8098; pure.

`X-Auto-Response-Suppress` does not mark machine mail: Exchange puts it on ordinary mail of people.
"""

from dataclasses import dataclass
from email.message import Message
from enum import StrEnum

from channels.adapters.email.mail import address, header

OWN_HEADER = "X-AI-Admin-Message"
"""On every mail that we send, with our part's marker: our own mail is known again wherever it comes back."""

_ROBOTS = ("mailer-daemon", "postmaster", "noreply", "no-reply", "do-not-reply", "donotreply", "bounce", "bounces")
_CONVENTIONS = (
    "X-Autoreply",
    "X-Autorespond",
    "X-Autoresponse",
    "X-AutoReply-From",
    "X-Auto-Reply-From",
    "X-Mail-Autoreply",
)
_MASS = ("List-Id", "List-Unsubscribe", "Feedback-ID")


class Nature(StrEnum):
    PERSON = "person"
    OURS = "ours"
    """A loop: our own mail came back."""
    AUTOMATIC = "automatic"
    """Kept and shown, never answered."""
    BOUNCE = "bounce"
    RECEIPT = "receipt"
    """A read receipt."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a delivery status notification says of one of our mails."""

    action: str
    """failed, delayed, delivered, relayed, expanded (RFC 3464, 2.3.3)."""
    status: str
    """5.1.1"""
    diagnostic: str
    message_id: str
    """Of our mail, without brackets; empty when the report does not carry its headers."""
    recipient: str


def nature(mail: Message, own_address: str) -> Nature:
    """What kind of mail it is, judged by its headers alone."""
    kind = str(mail.get_content_type()).lower()
    report = str(mail.get_param("report-type") or "").lower() if kind == "multipart/report" else ""
    if report == "delivery-status":
        return Nature.BOUNCE
    if report == "disposition-notification":
        return Nature.RECEIPT
    sender = address(mail, "From")[1]
    if header(mail, OWN_HEADER) or sender == own_address.lower():
        return Nature.OURS
    submitted = header(mail, "Auto-Submitted").split(";")[0].strip().lower()
    if submitted and submitted != "no":
        return Nature.AUTOMATIC
    if header(mail, "Return-Path").strip() == "<>":
        return Nature.AUTOMATIC
    if any(word in ("auto_reply", "bulk", "junk") for word in header(mail, "Precedence").lower().split()):
        return Nature.AUTOMATIC
    if any(header(mail, name) for name in (*_MASS, *_CONVENTIONS)):
        return Nature.AUTOMATIC
    local = sender.partition("@")[0]
    if not sender or local in _ROBOTS or local.startswith(("bounce+", "bounces+", "noreply+", "no-reply+")):
        return Nature.AUTOMATIC
    return Nature.PERSON


def delivery_report(mail: Message) -> Report | None:
    """The first recipient's part of a report (RFC 3464); None when it holds none."""
    for part in mail.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        blocks = part.get_payload()
        for block in blocks if isinstance(blocks, list) else []:
            if isinstance(block, Message) and header(block, "Action"):
                recipient = header(block, "Final-Recipient") or header(block, "Original-Recipient")
                return Report(
                    header(block, "Action").lower(),
                    header(block, "Status").partition(" ")[0],
                    header(block, "Diagnostic-Code")[:300],
                    _original_id(mail),
                    recipient.partition(";")[2].strip().lower(),
                )
    return None


def receipt_of(mail: Message) -> str:
    """The message id that a read receipt (RFC 8098) is about; empty: it does not say."""
    for part in mail.walk():
        if part.get_content_type() == "message/disposition-notification":
            inner = part.get_payload()
            return _field(_inner(inner), "original-message-id")
    return ""


def _original_id(mail: Message) -> str:
    for part in mail.walk():
        if part.get_content_type() in ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers"):
            return _field(_inner(part.get_payload()), "message-id")
    return ""


def _inner(payload: object) -> str:
    """Text of what a part encloses, whichever way the parser gave it."""
    if isinstance(payload, list):
        return payload[0].as_string() if payload and isinstance(payload[0], Message) else ""
    return str(payload)


def _field(text: str, wanted: str) -> str:
    """A message id in a block of header lines, without brackets."""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == wanted:
            return value.strip().strip("<>")
    return ""
