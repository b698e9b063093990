"""Webhooks of the WhatsApp Business Account: what was said, what became of our messages. Pure.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks. One POST may hold several entries,
changes, messages and statuses, of several numbers of the same app, in any order, up to seven days late.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from channels.adapters.whatsapp.content import content_of
from channels.adapters.whatsapp.errors import refusal_of
from channels.adapters.whatsapp.identity import Identity, identity_of, is_user_id
from channels.json_fields import Fields, fields, parsed, rows, text, whole
from channels.model import (
    AccountChanged,
    Delivery,
    DeliveryReported,
    Event,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    Person,
    StaffReplied,
    ThreadMoved,
)
from channels.ports import Reading, WebhookRequest

WINDOW = timedelta(hours=24)
_DELIVERY = {
    "sent": Delivery.SENT,
    "delivered": Delivery.DELIVERED,
    "read": Delivery.READ,
    "played": Delivery.PLAYED,
    "failed": Delivery.FAILED,
}
_ACCOUNT_FIELDS = {
    "message_template_status_update": "template",
    "message_template_quality_update": "template",
    "template_category_update": "template",
    "phone_number_quality_update": "quality",
    "phone_number_name_update": "name",
    "account_update": "account",
    "account_alerts": "account",
    "account_review_update": "account",
}
"""Of the business account, not of a talk: shown to the salon, nothing follows for clients."""


def read(request: WebhookRequest, address: str) -> Reading:
    """`address`: our phone number id, for what names none."""
    found: list[tuple[str, Event]] = []
    body = parsed(request.body)
    if body.get("object") in ("whatsapp_business_account", None):
        for entry in rows(body, "entry"):
            for change in rows(entry, "changes"):
                value = fields(change, "value")
                number = text(fields(value, "metadata"), "phone_number_id") or address
                found += [(number, event) for event in _events(text(change, "field"), value, entry, request)]
    return Reading(tuple(event for _, event in found), addresses=tuple(number for number, _ in found))


def _events(field: str, value: Fields, entry: Fields, request: WebhookRequest) -> Iterator[Event]:
    now = request.arrived_at
    if field == "messages":
        people = list(rows(value, "contacts"))
        for message in rows(value, "messages"):
            yield from _message(message, people, now)
        for status in rows(value, "statuses"):
            yield from _status(status, now)
        for error in rows(value, "errors"):
            yield _account(f"error:{text(error, 'code')}", "error", error, now)
    elif field in ("smb_message_echoes", "message_echoes"):
        for echo in rows(value, "message_echoes"):
            yield from _echo(echo, now)
    elif field == "user_id_update":
        for update in rows(value, "user_id_update"):
            ids = fields(update, "user_id")
            yield from _moved(text(ids, "previous"), text(ids, "current"), text(update, "timestamp"), update, now)
    elif field in _ACCOUNT_FIELDS:
        about = text(value, "message_template_id") or text(value, "display_phone_number") or text(entry, "id")
        key = f"{field}:{about}:{text(value, 'event')}:{text(entry, 'time')}"
        yield _account(key, _ACCOUNT_FIELDS[field], value, now)


def _at(row: Fields, now: datetime) -> datetime:
    """Seconds since 1970, as text. What lies in the future is a wrong clock: of arrival then."""
    seconds = whole(row, "timestamp")
    if seconds is None or seconds > now.timestamp() + 3600:
        return now
    return datetime.fromtimestamp(seconds, UTC)


def _person(message: Fields, people: list[Fields]) -> tuple[Identity, str]:
    """Who wrote, with the name from the contacts of the same change."""
    wa_id, user_id = text(message, "from"), text(message, "from_user_id")
    about = next(
        (
            person
            for person in people
            if (user_id and text(person, "user_id") == user_id) or (wa_id and text(person, "wa_id") == wa_id)
        ),
        people[0] if len(people) == 1 and not (wa_id or user_id) else {},
    )
    if is_user_id(wa_id) and not user_id:  # a named user's `from` may be the user id itself
        wa_id, user_id = "", wa_id
    profile = fields(about, "profile")
    who = identity_of(wa_id or text(about, "wa_id"), user_id or text(about, "user_id"))
    return who, text(profile, "name") or text(profile, "username").lstrip("@")


def _message(message: Fields, people: list[Fields], now: datetime) -> Iterator[Event]:
    event_id, kind, at = text(message, "id"), text(message, "type"), _at(message, now)
    if message.get("group_id"):
        return  # of a group chat: an agent has no business there
    if kind == "system":
        yield from _system(message, event_id, at)
        return
    who, name = _person(message, people)
    if not event_id or not who.thread:
        return
    if kind == "revoke":
        original = text(fields(message, "revoke"), "original_message_id")
        if original:
            yield MessageDeleted(event_id, who.thread, original, at)
        return
    if kind == "edit":
        change = fields(message, "edit")
        inner = fields(change, "message")
        original = text(change, "original_message_id")
        if original:
            yield MessageEdited(event_id, who.thread, original, at, content_of(inner, who).words)
        return
    content = content_of(message, who)
    if content.nothing:
        return
    meta: dict[str, Any] = {**who.meta, "window_until": (at + WINDOW).isoformat(), **content.meta}
    if who.aliases:
        meta["aliases"] = list(who.aliases)
    yield MessageReceived(
        event_id=event_id,
        thread=who.thread,
        message_id=event_id,
        at=at,
        text=content.words,
        media=content.media,
        person=Person(name=name, phone=content.own_phone or who.phone),
        reply_to=content.reply_to or text(fields(message, "context"), "id"),
        button=content.button,
        automatic=content.automatic,
        meta=meta,
        aliases=who.aliases,
    )


def _system(message: Fields, event_id: str, at: datetime) -> Iterator[Event]:
    """A new number, or a new user id, of somebody known."""
    system = fields(message, "system")
    old_number, old_id = text(message, "from"), text(message, "from_user_id") or text(system, "previous_user_id")
    new_number = text(system, "wa_id") or text(system, "new_wa_id")
    new_id = text(system, "user_id")
    old, new = old_id or old_number, new_id or new_number
    if old and new and old != new:
        yield ThreadMoved(event_id, old, at, new)
    if old_id and old_number and new and old_number != new:  # the talk may still go under the old number
        yield ThreadMoved(f"{event_id}:number", old_number, at, new)


def _moved(old: str, new: str, seconds: str, update: Fields, now: datetime) -> Iterator[Event]:
    if old and new and old != new:
        yield ThreadMoved(f"user_id_update:{old}:{new}:{seconds}", old, _at(update, now), new)


def _status(status: Fields, now: datetime) -> Iterator[Event]:
    """Order is not promised, `delivered` may be skipped and may follow `failed`: the journal of messages decides."""
    message_id, name = text(status, "id"), text(status, "status")
    delivery = _DELIVERY.get(name)
    if not message_id or delivery is None:
        return
    error = next(rows(status, "errors"), {})
    code = text(error, "code")
    details = text(fields(error, "error_data"), "details") or text(error, "message") or text(error, "title")
    who = identity_of(text(status, "recipient_id"), text(status, "recipient_user_id"))
    yield DeliveryReported(
        event_id=f"{message_id}:{name}",
        thread=who.thread,
        message_id=message_id,
        at=_at(status, now),
        delivery=delivery,
        marker=text(status, "biz_opaque_callback_data"),
        code=code,
        reason=details,
        why=refusal_of(whole(error, "code")) if delivery is Delivery.FAILED else None,
        aliases=who.aliases,
    )


def _echo(echo: Fields, now: datetime) -> Iterator[Event]:
    """Somebody of the salon wrote in the WhatsApp Business app, which shares the number with us."""
    who = identity_of(text(echo, "to"), text(echo, "to_user_id") or text(echo, "recipient_user_id"))
    message_id = text(echo, "id")
    if not message_id or not who.thread:
        return
    at = _at(echo, now)
    if text(echo, "type") in ("revoke", "edit", "reaction"):
        return  # of their own earlier words: who talks was decided by those
    words = content_of(echo, who).words
    yield StaffReplied(message_id, who.thread, message_id, at, words, aliases=who.aliases)


def _account(key: str, what: str, value: Fields, now: datetime) -> AccountChanged:
    """No event of an account has an id: what says the same is the same."""
    plain = {name: item for name, item in value.items() if isinstance(item, str | int | float | bool)}
    digest = sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
    return AccountChanged(f"{key}:{digest}", now, what, plain)
