"""Updates of the Bot API into events. Pure; a field of a wrong type is an absent field.

Only private chats talk: what is said in groups and channels is not for the salon's receptionist and is passed over.
The key of a thread is the chat's id; in the chats of a business account it is "<connection>:<chat id>", since the same
person may have both (https://core.telegram.org/bots/api#business-connection).
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from channels import json_fields as read
from channels.adapters.telegram.wire import LONGEST_FILE
from channels.json_fields import Fields
from channels.model import (
    AccountChanged,
    Event,
    Kind,
    Media,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    Person,
    ReachChanged,
    StaffReplied,
)
from core.phone import Phone

ALLOWED_UPDATES = (
    "message", "edited_message", "callback_query", "my_chat_member",
    "business_connection", "business_message", "edited_business_message", "deleted_business_messages",
)  # fmt: skip
WORDS = "t="
"""Before the words of a button without a payload, in its callback_data."""
NUMBERED = "n="
"""Before the number of a button whose words are too long for callback_data."""
_START = re.compile(r"/start(?:@\w+)?(?:\s+(\S{1,64}))?\s*")
_EARLIEST = datetime(2013, 8, 14, tzinfo=UTC)
"""Telegram began; an earlier date is no date."""
_FILES = {
    "voice": Kind.VOICE, "audio": Kind.AUDIO, "video_note": Kind.VIDEO, "animation": Kind.VIDEO, "video": Kind.VIDEO,
    "document": Kind.FILE, "sticker": Kind.STICKER,
}  # fmt: skip


def events(update: Fields, arrived_at: datetime) -> Iterator[Event]:
    """Of one update; none for kinds and chats that are not ours."""
    number = read.whole(update, "update_id")
    if number is None:
        return
    event_id = str(number)
    if "message" in update:
        yield from _message(read.fields(update, "message"), event_id, arrived_at)
    elif "business_message" in update:
        yield from _business_message(read.fields(update, "business_message"), event_id, arrived_at)
    elif "edited_message" in update:
        yield from _edited(read.fields(update, "edited_message"), event_id, arrived_at)
    elif "edited_business_message" in update:
        yield from _edited(read.fields(update, "edited_business_message"), event_id, arrived_at)
    elif "callback_query" in update:
        yield from _pressed(read.fields(update, "callback_query"), event_id, arrived_at)
    elif "my_chat_member" in update:
        yield from _reach(read.fields(update, "my_chat_member"), event_id, arrived_at)
    elif "business_connection" in update:
        yield from _connection(read.fields(update, "business_connection"), event_id, arrived_at)
    elif "deleted_business_messages" in update:
        yield from _deleted(read.fields(update, "deleted_business_messages"), event_id, arrived_at)


def thread_of(message: Fields) -> str:
    """Empty when the chat is not private."""
    chat = read.fields(message, "chat")
    number = read.whole(chat, "id")
    if number is None or number <= 0 or chat.get("type", "private") != "private":
        return ""
    connection = read.text(message, "business_connection_id")
    return f"{connection}:{number}" if connection else str(number)


def _message(message: Fields, event_id: str, arrived_at: datetime) -> Iterator[Event]:
    thread = thread_of(message)
    if not thread:
        return
    sender = read.fields(message, "from")
    media = tuple(_media(message, sender))
    text = read.text(message, "text") or read.text(message, "caption")
    if not text and "poll" in message:
        text = read.text(read.fields(message, "poll"), "question")
    if not text and not media:
        return  # a service message: pinned, joined, changed a picture
    started = _START.fullmatch(text)
    phone = _own_phone(message, sender)
    meta: dict[str, Any] = {}
    if connection := read.text(message, "business_connection_id"):
        meta["business"] = connection
    if phone is not None:
        meta["shared"] = True
    if started:
        meta["command"] = "start"
    if album := read.text(message, "media_group_id"):
        meta["album"] = album
    if language := read.text(sender, "language_code"):
        meta["language"] = language
    yield MessageReceived(
        event_id=event_id,
        thread=thread,
        message_id=read.text(message, "message_id"),
        at=moment(message, "date", arrived_at),
        text="" if started else text,
        media=media,
        person=Person(_name(sender), phone, language),
        reply_to=read.text(read.fields(message, "reply_to_message"), "message_id"),
        start=(started[1] or "") if started else "",
        order=int(event_id),
        automatic=sender.get("is_bot") is True,
        meta=meta,
    )


def _business_message(message: Fields, event_id: str, arrived_at: datetime) -> Iterator[Event]:
    """In a private chat of the owner: the client's id is the chat's, everybody else there is the salon."""
    thread = thread_of(message)
    if not thread or not read.text(message, "business_connection_id"):
        return
    chat, sender = read.fields(message, "chat"), read.fields(message, "from")
    if message.get("sender_business_bot") is not None or message.get("is_from_offline") is True:
        return  # our own, or the account's greeting and away message: nobody took over
    if read.whole(sender, "id") == read.whole(chat, "id"):
        yield from _message(message, event_id, arrived_at)
        return
    yield StaffReplied(
        event_id=event_id,
        thread=thread,
        message_id=read.text(message, "message_id"),
        at=moment(message, "date", arrived_at),
        text=read.text(message, "text") or read.text(message, "caption"),
    )


def _edited(message: Fields, event_id: str, arrived_at: datetime) -> Iterator[Event]:
    thread = thread_of(message)
    text = read.text(message, "text") or read.text(message, "caption")
    mine = read.whole(read.fields(message, "from"), "id") == read.whole(read.fields(message, "chat"), "id")
    if thread and text and mine:  # an edit may also touch what bots do not see: then there is no text
        at = moment(message, "edit_date", arrived_at)
        yield MessageEdited(event_id, thread, read.text(message, "message_id"), at, text)


def _pressed(query: Fields, event_id: str, arrived_at: datetime) -> Iterator[Event]:
    """The words come from the keyboard under the message; a message too old for that (date 0) has only its ids."""
    message, sender = read.fields(query, "message"), read.fields(query, "from")
    thread, data = thread_of(message), read.text(query, "data")
    if not thread:
        return
    label = _label(message, data)
    words = data.removeprefix(WORDS) if data.startswith(WORDS) else ""
    ours = data.startswith((WORDS, NUMBERED))
    language = read.text(sender, "language_code")
    meta: dict[str, Any] = {"language": language} if language else {}
    if connection := read.text(message, "business_connection_id"):
        meta["business"] = connection
    yield MessageReceived(
        event_id=event_id,
        thread=thread,
        message_id="",
        at=arrived_at,
        text=label or words,
        person=Person(_name(sender), None, language),
        reply_to=read.text(message, "message_id"),
        button="" if ours else data,
        callback=read.text(query, "id"),
        order=int(event_id),
        meta=meta,
    )


def _label(message: Fields, data: str) -> str:
    rows = read.fields(message, "reply_markup").get("inline_keyboard")
    for row in rows if isinstance(rows, list) else ():
        for button in row if isinstance(row, list) else ():
            if data and read.text(read.fields(button), "callback_data") == data:
                return read.text(button, "text")
    return ""


def _reach(change: Fields, event_id: str, arrived_at: datetime) -> Iterator[Event]:
    thread = thread_of(change)
    status = read.text(read.fields(change, "new_chat_member"), "status")
    if thread and status:
        reachable = status not in ("kicked", "left")
        at = moment(change, "date", arrived_at)
        yield ReachChanged(event_id, thread, at, reachable, "" if reachable else "the person stopped the bot")


def _connection(connection: Fields, event_id: str, arrived_at: datetime) -> Iterator[Event]:
    if not (key := read.text(connection, "id")):
        return
    rights = read.fields(connection, "rights")
    may_reply = rights.get("can_reply") is True or connection.get("can_reply") is True
    yield AccountChanged(
        event_id,
        moment(connection, "date", arrived_at),
        f"business:{key}",
        {
            "connection": key,
            "owner": read.text(read.fields(connection, "user"), "id"),
            "enabled": connection.get("is_enabled") is True,
            "may_reply": may_reply,
        },
    )


def _deleted(deletion: Fields, event_id: str, arrived_at: datetime) -> Iterator[Event]:
    thread, found = thread_of(deletion), deletion.get("message_ids")
    if not thread or not isinstance(found, list):
        return
    for message_id in found:
        if isinstance(message_id, int) and not isinstance(message_id, bool):
            yield MessageDeleted(f"{event_id}:{message_id}", thread, str(message_id), arrived_at)


def _media(message: Fields, sender: Fields) -> Iterator[Media]:
    caption = read.text(message, "caption")
    for name, kind in _FILES.items():
        file = read.fields(message, name)
        if not file or (name == "document" and "animation" in message):  # an animation comes as both
            continue
        mime = read.text(file, "mime_type")
        yield Media(
            kind=Kind.IMAGE if kind is Kind.FILE and mime.startswith("image/") else kind,
            ref=read.text(file, "file_id"),
            mime_type=mime or ("audio/ogg" if name == "voice" else ""),
            size=read.whole(file, "file_size"),
            name=read.text(file, "file_name"),
            duration_s=read.number(file, "duration"),
            caption=read.text(file, "emoji") if kind is Kind.STICKER else caption,
        )
    if photo := _largest(message):
        yield Media(Kind.IMAGE, read.text(photo, "file_id"), "image/jpeg", read.whole(photo, "file_size"),
                    caption=caption)  # fmt: skip
    if dice := read.fields(message, "dice"):
        yield Media(Kind.STICKER, "", caption=f"{read.text(dice, 'emoji')} {read.text(dice, 'value')}".strip())
    yield from _place(message)
    if contact := read.fields(message, "contact"):
        number = read.text(contact, "phone_number")
        yield Media(Kind.CONTACT, "", name=_name(contact), caption=number)


def _place(message: Fields) -> Iterator[Media]:
    venue = read.fields(message, "venue")
    place = read.fields(message, "location") or read.fields(venue, "location")
    latitude, longitude = read.number(place, "latitude"), read.number(place, "longitude")
    if latitude is not None and longitude is not None:
        caption = ", ".join(filter(None, (read.text(venue, "title"), read.text(venue, "address"))))
        yield Media(Kind.LOCATION, f"{latitude},{longitude}", caption=caption)


def _largest(message: Fields) -> Fields:
    """Of the sizes of a photo that bots may fetch."""
    sizes = [size for size in read.rows(message, "photo") if (read.whole(size, "file_size") or 0) <= LONGEST_FILE]
    return max(sizes, key=lambda s: (read.whole(s, "width") or 0) * (read.whole(s, "height") or 0), default={})


def _own_phone(message: Fields, sender: Fields) -> Phone | None:
    """Cards of other people can be sent as well: only the sender's own is theirs. The plus may be missing."""
    contact, number = read.fields(message, "contact"), read.text(read.fields(message, "contact"), "phone_number")
    owner = read.whole(contact, "user_id")
    if not number or owner is None or owner != read.whole(sender, "id"):
        return None
    return Phone.parse(number if number.startswith("+") else f"+{number}")


def _name(person: Fields) -> str:
    return " ".join(filter(None, (read.text(person, "first_name"), read.text(person, "last_name"))))


def moment(message: Fields, name: str, arrived_at: datetime) -> datetime:
    """The vendor's time in seconds; what can be none (0, far future) is the time of arrival."""
    seconds = read.whole(message, name)
    if not seconds or seconds > 10**11:
        return arrived_at
    found = datetime.fromtimestamp(seconds, UTC)
    return found if _EARLIEST <= found <= arrived_at + timedelta(days=1) else arrived_at
