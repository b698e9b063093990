"""Callbacks of the Viber Bot API. Pure. Times are milliseconds, message tokens are whole numbers beyond 2^53."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from channels.json_fields import Fields, fields, number, text, whole
from channels.model import (
    Delivery,
    DeliveryReported,
    Event,
    Kind,
    Media,
    MessageReceived,
    Person,
    ReachChanged,
    Refusal,
)
from core.phone import Phone

_DELIVERY = {"delivered": Delivery.DELIVERED, "seen": Delivery.READ, "failed": Delivery.FAILED}
_MEDIA = {"picture": Kind.IMAGE, "video": Kind.VIDEO, "file": Kind.FILE, "sticker": Kind.STICKER}
_SOUNDS = (".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".wav", ".amr")
BUTTONS = "b"
"""In `tracking_data`, which comes back with the reply: payloads by the words of the buttons."""


def events_of(callback: Fields, now: datetime) -> Iterator[Event]:
    kind, token = text(callback, "event"), text(callback, "message_token")
    at = _at(callback, now)
    if kind == "message":
        yield from _message(callback, token, at)
    elif kind == "conversation_started":
        yield from _begun(callback, token, at)
    elif kind in ("subscribed", "unsubscribed"):
        user = text(fields(callback, "user"), "id") or text(callback, "user_id")
        if user and token:
            yield ReachChanged(f"{kind}:{token}", user, at, reachable=kind == "subscribed", reason=kind)
    elif kind in _DELIVERY:
        user, delivery = text(callback, "user_id"), _DELIVERY[kind]
        if user and token:
            failed = delivery is Delivery.FAILED
            yield DeliveryReported(
                event_id=f"{kind}:{token}:{user}",
                thread=user,
                message_id=token,
                at=at,
                delivery=delivery,
                reason=text(callback, "desc"),
                up_to=delivery is Delivery.READ,
                why=Refusal.BAD_MESSAGE if failed else None,
            )


def _at(callback: Fields, now: datetime) -> datetime:
    stamp = whole(callback, "timestamp")
    if stamp is None or not 0 < stamp < (now.timestamp() + 3600) * 1000:
        return now
    return datetime.fromtimestamp(stamp / 1000, UTC)


def _person(user: Fields) -> Person:
    return Person(text(user, "name"), None, text(user, "language"))


def _begun(callback: Fields, token: str, at: datetime) -> Iterator[Event]:
    """Opened the chat. Who is not subscribed may be sent one message, within five minutes; who is, and follows no link,
    only looks at what was written."""
    user = fields(callback, "user")
    thread, context = text(user, "id"), text(callback, "context")
    if not thread or not token or (callback.get("subscribed") is True and not context):
        return
    yield MessageReceived(
        event_id=f"conversation_started:{token}",
        thread=thread,
        message_id="",
        at=at,
        person=_person(user),
        start=context,
        meta={"command": "start", **_meta(user)},
    )


def _message(callback: Fields, token: str, at: datetime) -> Iterator[Event]:
    sender, message = fields(callback, "sender"), fields(callback, "message")
    thread = text(sender, "id")
    if not thread or not token or callback.get("chat_id"):  # a group: no talk with a client
        return
    words, media = _content(message)
    yield MessageReceived(
        event_id=f"message:{token}",
        thread=thread,
        message_id=token,
        at=at,
        text=words,
        media=media,
        person=_person(sender),
        button=_payload(text(message, "tracking_data"), words),
        order=0,
        meta=_meta(sender),
    )


def _meta(user: Fields) -> dict[str, Any]:
    found = {"language": text(user, "language"), "api_version": whole(user, "api_version")}
    return {name: value for name, value in found.items() if value}


def _content(message: Fields) -> tuple[str, tuple[Media, ...]]:
    kind, words = text(message, "type"), text(message, "text")
    if kind in _MEDIA:
        what, name = _MEDIA[kind], text(message, "file_name")
        if what is Kind.FILE and name.lower().endswith(_SOUNDS):
            what = Kind.AUDIO
        seconds = number(message, "duration")
        media = Media(
            what, text(message, "media"), size=whole(message, "size"), name=name, duration_s=seconds, caption=words
        )
        return words, (media,)
    if kind == "contact":
        card = fields(message, "contact")
        number_text = text(card, "phone_number")
        phone = Phone.parse(number_text if number_text.startswith("+") else f"+{number_text}") if number_text else None
        shown = ", ".join(filter(None, (text(card, "name"), phone.e164 if phone else "")))
        return shown, (Media(Kind.CONTACT, "", name=text(card, "name"), caption=phone.e164 if phone else ""),)
    if kind == "location":
        place = fields(message, "location")
        return words, (Media(Kind.LOCATION, f"{number(place, 'lat')},{number(place, 'lon')}"),)
    if kind == "url":
        return words or text(message, "media"), ()
    return words, ()


def _payload(tracking_data: str, words: str) -> str:
    """Of the pressed button: its words came as an ordinary message, our note beside them says the rest."""
    try:
        noted = json.loads(tracking_data) if tracking_data else None
    except (ValueError, RecursionError):
        return ""
    return text(fields(noted, BUTTONS), words)
