"""A mail becomes events. Pure.

A thread is an address: whoever answers from another address is another person to us, since a From line proves
nothing. That is also why `Person.phone` stays empty.
"""

import hashlib
from datetime import datetime

from channels.adapters.email.automatic import OWN_HEADER, Nature, delivery_report, nature, receipt_of
from channels.adapters.email.mail import Mail, address, header
from channels.model import Delivery, DeliveryReported, Event, MessageReceived, Person, StaffReplied


def event_id(mail: Mail) -> str:
    """The same for a mail that arrives twice, by another way or after the mailbox was rebuilt."""
    return "m:" + hashlib.sha256(mail.message_id.encode("utf-8", "replace")).hexdigest()[:40]


def events_of(mail: Mail, own_address: str, arrived_at: datetime) -> tuple[Event, ...]:
    """What a mail in the inbox means. Our own mail that came back means nothing."""
    match nature(mail.source, own_address):
        case Nature.OURS:
            return ()
        case Nature.BOUNCE:
            return _bounced(mail, arrived_at)
        case Nature.RECEIPT:
            about = receipt_of(mail.source)
            if not about:
                return ()
            return (DeliveryReported(event_id(mail), mail.sender, about, arrived_at, Delivery.READ),)
        case Nature.AUTOMATIC:
            return (_received(mail, arrived_at, automatic=True),) if mail.sender else ()
        case Nature.PERSON:
            return (_received(mail, arrived_at, automatic=False),)


def sent_by_staff(mail: Mail, arrived_at: datetime) -> tuple[Event, ...]:
    """A mail in the mailbox's own folder of sent mails. Ours are known by their header and mean nothing."""
    if header(mail.source, OWN_HEADER):
        return ()
    recipient = address(mail.source, "To")[1]
    if not recipient:
        return ()
    return (StaffReplied(event_id(mail), recipient, mail.message_id, arrived_at, mail.text),)


def _received(mail: Mail, arrived_at: datetime, *, automatic: bool) -> MessageReceived:
    return MessageReceived(
        event_id=event_id(mail),
        thread=mail.sender,
        message_id=mail.message_id,
        at=arrived_at,
        text=mail.text or (mail.subject if not mail.media else ""),
        media=mail.media,
        person=Person(name=mail.name),
        reply_to=mail.in_reply_to,
        automatic=automatic,
        meta={
            "message_id": mail.message_id,
            "references": [*mail.references, mail.message_id][-20:],
            "subject": mail.subject[:300],
            "reply_to": address(mail.source, "Reply-To")[1],
        },
    )


def _bounced(mail: Mail, arrived_at: datetime) -> tuple[Event, ...]:
    report = delivery_report(mail.source)
    if report is None or report.action != "failed" or not report.message_id:
        return ()  # "delayed" is not the end, and a bounce of somebody else's mail is not ours
    return (
        DeliveryReported(
            event_id(mail), report.recipient, report.message_id, arrived_at, Delivery.FAILED,
            code=report.status, reason=report.diagnostic,
        ),
    )  # fmt: skip
