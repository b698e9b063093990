"""Mails that no person waits for an answer to: machine mail, lists, bounces, our own. RFC 3834, 3464, 8098; pure.

`X-Auto-Response-Suppress` does not mark machine mail: Exchange puts it on ordinary mail of people.
"""

from dataclasses import dataclass
from email.message import EmailMessage, Message
from email.utils import parseaddr
from enum import StrEnum

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


def nature(mail: EmailMessage, own_address: str) -> Nature:
    """What kind of mail it is, judged by its headers alone."""
    kind = str(mail.get_content_type()).lower()
    report = str(mail.get_param("report-type") or "").lower() if kind == "multipart/report" else ""
    if report == "delivery-status":
        return Nature.BOUNCE
    if report == "disposition-notification":
        return Nature.RECEIPT
    sender = parseaddr(_text(mail, "From"))[1].lower()
    if mail[OWN_HEADER] is not None or sender == own_address.lower():
        return Nature.OURS
    submitted = _text(mail, "Auto-Submitted").split(";")[0].strip().lower()
    if submitted and submitted != "no":
        return Nature.AUTOMATIC
    if _text(mail, "Return-Path").strip() == "<>":
        return Nature.AUTOMATIC
    if any(word in ("auto_reply", "bulk", "junk") for word in _text(mail, "Precedence").lower().split()):
        return Nature.AUTOMATIC
    if any(mail[name] is not None for name in (*_MASS, *_CONVENTIONS)):
        return Nature.AUTOMATIC
    local = sender.partition("@")[0]
    if not sender or local in _ROBOTS or local.startswith(("bounce+", "bounces+", "noreply+", "no-reply+")):
        return Nature.AUTOMATIC
    return Nature.PERSON


def delivery_report(mail: EmailMessage) -> Report | None:
    """The first recipient's part of a report (RFC 3464); None when it holds none."""
    for part in mail.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        blocks = part.get_payload()
        for block in blocks if isinstance(blocks, list) else []:
            if block.get("Action"):  # type: ignore[union-attr]
                recipient = str(block.get("Final-Recipient") or block.get("Original-Recipient") or "")  # type: ignore[union-attr]
                return Report(
                    str(block.get("Action")).strip().lower(),  # type: ignore[union-attr]
                    str(block.get("Status") or "").split(" ")[0].strip(),  # type: ignore[union-attr]
                    str(block.get("Diagnostic-Code") or "")[:300],  # type: ignore[union-attr]
                    _original_id(mail),
                    recipient.partition(";")[2].strip().lower(),
                )
    return None


def receipt_of(mail: EmailMessage) -> str:
    """The message id that a read receipt (RFC 8098) is about; empty: it does not say."""
    for part in mail.walk():
        if part.get_content_type() == "message/disposition-notification":
            inner = part.get_payload()
            return _field(_inner(inner), "original-message-id")
    return ""


def _original_id(mail: EmailMessage) -> str:
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


def _text(mail: EmailMessage, name: str) -> str:
    value = mail.get(name)
    return "" if value is None else str(value)
