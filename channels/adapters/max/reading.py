"""Updates of the MAX Bot API, from the webhook or the poll. Pure. Times are milliseconds, UTC."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from channels.json_fields import Fields, fields, number, rows, text, whole
from channels.model import (
    Event,
    Kind,
    Media,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    Person,
    ReachChanged,
)
from core.phone import Phone

UPDATE_TYPES = (
    "message_created",
    "message_callback",
    "message_edited",
    "message_removed",
    "bot_started",
    "bot_stopped",
)
"""What we ask for. `dialog_removed` comes with `bot_stopped`; groups and channels are no talks with a client."""
WORDS = "\n"
"""Parts a button's payload from its words, which a press does not bring along."""
_MEDIA = {
    "image": Kind.IMAGE,
    "video": Kind.VIDEO,
    "audio": Kind.VOICE,
    "file": Kind.FILE,
    "sticker": Kind.STICKER,
}
_TEL = re.compile(r"^(?:item\d+\.)?TEL[^:\r\n]*:(?:tel:)?(\+?[0-9 ()\-.]{5,25})\s*$", re.IGNORECASE | re.MULTILINE)
_NAME = re.compile(r"^FN[^:\r\n]*:([^\r\n]{1,200})", re.IGNORECASE | re.MULTILINE)


def events_of(update: Fields, now: datetime) -> Iterator[Event]:
    kind = text(update, "update_type")
    at = _at(update, now)
    stamp = whole(update, "timestamp") or 0
    match kind:
        case "message_created" | "message_edited":
            yield from _message(update, at, stamp, edited=kind == "message_edited")
        case "message_callback":
            yield from _pressed(update, at)
        case "message_removed":
            user, mid = text(update, "user_id"), text(update, "message_id")
            if user and mid:
                yield MessageDeleted(f"removed:{mid}", user, mid, at)
        case "bot_started" | "bot_stopped":
            person = fields(update, "user")
            user = text(person, "user_id")
            if not user:
                return
            started = kind == "bot_started"
            yield ReachChanged(f"{kind}:{user}:{stamp}:reach", user, at, reachable=started, reason=kind)
            if started:
                yield MessageReceived(
                    event_id=f"{kind}:{user}:{stamp}",
                    thread=user,
                    message_id="",
                    at=at,
                    person=_person(person, update),
                    start=text(update, "payload"),
                    meta={**_meta(text(update, "chat_id"), update), "command": "start"},
                )


def _at(row: Fields, now: datetime) -> datetime:
    stamp = whole(row, "timestamp")
    if stamp is None or not 0 < stamp < (now.timestamp() + 3600) * 1000:
        return now
    return datetime.fromtimestamp(stamp / 1000, UTC)


def _person(user: Fields, update: Fields, phone: Phone | None = None) -> Person:
    name = " ".join(filter(None, (text(user, "first_name"), text(user, "last_name")))) or text(user, "name")
    return Person(name, phone, text(update, "user_locale"))


def _meta(chat: str, update: Fields) -> dict[str, str]:
    return {name: value for name, value in (("chat_id", chat), ("language", text(update, "user_locale"))) if value}


def _message(update: Fields, at: datetime, stamp: int, *, edited: bool) -> Iterator[Event]:
    message = fields(update, "message")
    sender, recipient, body = fields(message, "sender"), fields(message, "recipient"), fields(message, "body")
    user, link = text(sender, "user_id"), fields(message, "link")
    if not user or sender.get("is_bot") is True or text(recipient, "chat_type") not in ("", "dialog"):
        return
    if not body:  # a pure forward: what was forwarded is what is said
        body = fields(link, "message")
    mid = text(body, "mid")
    if not mid:
        return
    media, words, own = _attachments(body, user)
    said = "\n".join(filter(None, (text(body, "text"), words)))
    when = _at(message, at)
    if edited:
        yield MessageEdited(f"edited:{mid}:{stamp}", user, mid, at, said)
        return
    answered = text(fields(link, "message"), "mid") if text(link, "type") == "reply" else ""
    yield MessageReceived(
        event_id=f"message:{mid}",
        thread=user,
        message_id=mid,
        at=when,
        text=said,
        media=media,
        person=_person(sender, update, own),
        reply_to=answered,
        order=whole(body, "seq") or 0,
        meta=_meta(text(recipient, "chat_id"), update),
    )


def _pressed(update: Fields, at: datetime) -> Iterator[Event]:
    callback, message = fields(update, "callback"), fields(update, "message")
    person = fields(callback, "user")
    user, callback_id = text(person, "user_id"), text(callback, "callback_id")
    if not user or not callback_id:
        return
    payload, parted, words = text(callback, "payload").partition(WORDS)
    if not parted:
        words = _label(fields(message, "body"), payload) or payload
    stamp = whole(callback, "timestamp") or whole(update, "timestamp") or 0
    yield MessageReceived(
        event_id=f"callback:{callback_id}:{stamp}",
        thread=user,
        message_id="",
        at=_at(callback, at),
        text=words,
        person=_person(person, update),
        reply_to=text(fields(message, "body"), "mid"),
        button=payload,
        callback=callback_id,
        meta=_meta(text(fields(message, "recipient"), "chat_id"), update),
    )


def _label(body: Fields, payload: str) -> str:
    """Of the pressed button, from the message that it stands in (absent when that was deleted)."""
    for attachment in rows(body, "attachments"):
        if text(attachment, "type") != "inline_keyboard":
            continue
        keyboard = fields(attachment, "payload").get("buttons")
        for row in keyboard if isinstance(keyboard, list) else ():
            for button in rows({"row": row}, "row"):
                if text(button, "payload") == payload:
                    return text(button, "text")
    return ""


def _attachments(body: Fields, user: str) -> tuple[tuple[Media, ...], str, Phone | None]:
    """Files, what they say in words, and the writer's own number when the card is theirs."""
    media: list[Media] = []
    words: list[str] = []
    own: Phone | None = None
    for item in rows(body, "attachments"):
        kind, payload = text(item, "type"), fields(item, "payload")
        if kind in _MEDIA:
            seconds = number(item, "duration")
            media.append(
                Media(
                    _MEDIA[kind],
                    text(payload, "url"),
                    size=whole(item, "size"),
                    name=text(item, "filename"),
                    duration_s=seconds,
                )
            )
        elif kind == "contact":
            card = text(payload, "vcf_info")
            phone = next((found for tel in _TEL.findall(card) if (found := Phone.parse(tel))), None)
            whose = fields(payload, "max_info")
            name = next(iter(_NAME.findall(card)), "") or text(whose, "first_name")
            if phone and text(whose, "user_id") == user:
                own = phone
            media.append(Media(Kind.CONTACT, "", name=name, caption=phone.e164 if phone else ""))
            words.append(", ".join(filter(None, (name, phone.e164 if phone else ""))))
        elif kind == "location":
            source = item if "latitude" in item else payload
            place = f"{number(source, 'latitude')},{number(source, 'longitude')}"
            media.append(Media(Kind.LOCATION, place))
        elif kind == "share":
            words.append(text(payload, "url"))
    return tuple(media), "\n".join(word for word in words if word and word not in text(body, "text")), own
