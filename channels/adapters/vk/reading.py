"""Events of the Callback API, and of the long poll, which have the same shape. Pure.

Only talks with one person count (peer_id below 2,000,000,000); the key of a thread is that number. What the community
itself wrote comes back as message_reply: by our token with our marker in its payload, or by a person in VK's own
window.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from channels import json_fields as read
from channels.json_fields import Fields
from channels.model import (
    Delivery,
    DeliveryReported,
    Event,
    Kind,
    Media,
    MessageEdited,
    MessageReceived,
    Person,
    ReachChanged,
    StaffReplied,
)

SUBSCRIBED = (
    "message_new", "message_reply", "message_edit", "message_allow", "message_deny", "message_read", "message_event",
    "user_block", "user_unblock",
)  # fmt: skip
BUTTON, WORDS, MARKER = "b", "w", "m"
"""Keys of the payloads that we give: of a button its own payload and its whole words; of a message our marker."""
_LANGUAGES = {0: "ru", 1: "uk", 2: "be", 3: "en"}
_GROUP_CHATS = 2_000_000_000
_EARLIEST = datetime(2006, 10, 10, tzinfo=UTC)


def events(body: Fields, arrived_at: datetime) -> Iterator[Event]:
    """Of one callback body or long-poll update; none for kinds that are not ours."""
    content, event_id = read.fields(body, "object"), _event_id(body)
    match read.text(body, "type"):
        case "message_new":
            yield from _message(read.fields(content, "message") or content, content, event_id, arrived_at)
        case "message_edit":
            yield from _edited(read.fields(content, "message") or content, event_id, arrived_at)
        case "message_reply":
            yield from _reply(read.fields(content, "message") or content, event_id, arrived_at)
        case "message_event":
            yield from _pressed(content, event_id, arrived_at)
        case "message_read":
            yield from _seen(content, event_id, arrived_at)
        case "message_allow" | "user_unblock":
            yield from _reach(content, event_id, arrived_at, reachable=True)
        case "message_deny" | "user_block":
            yield from _reach(content, event_id, arrived_at, reachable=False)


def _event_id(body: Fields) -> str:
    """A repeated value is to be ignored (VK's schema); servers of old versions give none."""
    given = read.text(body, "event_id")
    if given:
        return given
    same = json.dumps({name: body.get(name) for name in ("type", "object")}, sort_keys=True)
    return f"sha256:{sha256(same.encode('utf-8', 'replace')).hexdigest()[:32]}"


def _thread(number: int | None) -> str:
    """Empty: not a talk with one person."""
    return str(number) if number is not None and 0 < number < _GROUP_CHATS else ""


def message_key(message: Fields) -> str:
    """As messages.send tells it; where VK gives 0, the number inside the talk."""
    number = read.whole(message, "id")
    inside = read.text(message, "conversation_message_id")
    return str(number) if number else (f"c{inside}" if inside else "")


def _message(message: Fields, content: Fields, event_id: str, arrived_at: datetime) -> Iterator[Event]:
    thread = _thread(read.whole(message, "peer_id") or read.whole(message, "from_id"))
    if not thread or read.whole(message, "out") == 1 or (read.whole(message, "from_id") or 0) < 0:
        return
    payload = _payload(message.get("payload"))
    client = read.fields(content, "client_info")
    media = tuple(_media(message))
    text = read.text(payload, WORDS) or read.text(message, "text") or _forwarded(message)
    started = payload.get("command") == "start"
    if not text and not media and not started:
        return
    meta: dict[str, Any] = {}
    if client.get("inline_keyboard") is False:
        meta["inline"] = False
    if client.get("keyboard") is False:
        meta["keyboard"] = False
    yield MessageReceived(
        event_id=event_id,
        thread=thread,
        message_id=message_key(message),
        at=moment(message, "date", arrived_at),
        text="" if started else text,
        media=media,
        person=Person(language=_LANGUAGES.get(read.whole(client, "lang_id") or 0, "ru") if client else ""),
        reply_to=message_key(read.fields(message, "reply_message")),
        button=read.text(payload, BUTTON),
        start=read.text(message, "ref") or (read.text(payload, "ref") if started else ""),
        order=read.whole(message, "conversation_message_id") or read.whole(message, "id") or 0,
        meta=meta,
    )


def _edited(message: Fields, event_id: str, arrived_at: datetime) -> Iterator[Event]:
    thread, text = _thread(read.whole(message, "peer_id")), read.text(message, "text")
    if thread and text and read.text(message, "from_id") == thread:
        at = moment(message, "update_time", arrived_at)
        yield MessageEdited(event_id, thread, message_key(message), at, text)


def _reply(message: Fields, event_id: str, arrived_at: datetime) -> Iterator[Event]:
    """Ours when it has our marker; else the pipe compares ids, and what is none of ours was a person's."""
    if thread := _thread(read.whole(message, "peer_id")):
        yield StaffReplied(
            event_id,
            thread,
            message_key(message),
            moment(message, "date", arrived_at),
            read.text(message, "text"),
            read.text(_payload(message.get("payload")), MARKER),
        )


def _pressed(content: Fields, event_id: str, arrived_at: datetime) -> Iterator[Event]:
    """A callback button. Its payload is text in the schema and an object on the wire."""
    thread = _thread(read.whole(content, "peer_id"))
    query, user = read.text(content, "event_id"), read.text(content, "user_id")
    if not thread or not query:
        return
    payload = _payload(content.get("payload"))
    inside = read.text(content, "conversation_message_id")
    yield MessageReceived(
        event_id=event_id,
        thread=thread,
        message_id="",
        at=arrived_at,
        text=read.text(payload, WORDS),
        reply_to=f"c{inside}" if inside else "",
        button=read.text(payload, BUTTON),
        callback=f"{query}|{user}",
    )


def _seen(content: Fields, event_id: str, arrived_at: datetime) -> Iterator[Event]:
    thread = _thread(read.whole(content, "peer_id") or read.whole(content, "from_id"))
    if thread and read.text(content, "from_id") in ("", thread):
        newest = read.text(content, "read_message_id")
        yield DeliveryReported(event_id, thread, newest, arrived_at, Delivery.READ, up_to=True)


def _reach(content: Fields, event_id: str, arrived_at: datetime, *, reachable: bool) -> Iterator[Event]:
    if thread := _thread(read.whole(content, "user_id")):
        reason = "" if reachable else "the person or the community forbade messages"
        yield ReachChanged(event_id, thread, arrived_at, reachable, reason)


def _media(message: Fields) -> Iterator[Media]:
    for attachment in read.rows(message, "attachments"):
        kind = read.text(attachment, "type")
        content = read.fields(attachment, kind) if kind else {}
        match kind:
            case "audio_message":
                url = read.text(content, "link_ogg") or read.text(content, "link_mp3")
                mime = "audio/ogg" if content.get("link_ogg") else "audio/mpeg"
                yield Media(Kind.VOICE, url, mime, duration_s=read.number(content, "duration"))
            case "photo":
                yield Media(Kind.IMAGE, _largest(content), "image/jpeg", caption=read.text(content, "text"))
            case "doc":
                yield _document(content)
            case "audio":
                name = " — ".join(filter(None, (read.text(content, "artist"), read.text(content, "title"))))
                yield Media(Kind.AUDIO, read.text(content, "url"), "audio/mpeg", name=name)
            case "video":
                yield Media(Kind.VIDEO, "", name=read.text(content, "title"))
            case "sticker" | "ugc_sticker":
                yield Media(Kind.STICKER, _largest(content, "images"), "image/png")
            case "graffiti":
                yield Media(Kind.IMAGE, read.text(content, "url"), "image/png")
            case "":
                continue
            case _:  # link, market, wall…: shown by its name and address, never lost
                title = read.text(content, "title") or read.text(content, "text")
                yield Media(Kind.FILE, "", name=f"{kind}: {title}".strip(": "), caption=read.text(content, "url"))
    place = read.fields(read.fields(message, "geo"), "coordinates")
    latitude, longitude = read.number(place, "latitude"), read.number(place, "longitude")
    if latitude is not None and longitude is not None:
        title = read.text(read.fields(read.fields(message, "geo"), "place"), "title")
        yield Media(Kind.LOCATION, f"{latitude},{longitude}", caption=title)


def _document(content: Fields) -> Media:
    extension = read.text(content, "ext").lower()
    kind = Kind.IMAGE if extension in ("jpg", "jpeg", "png", "webp", "heic") else Kind.FILE
    return Media(kind, read.text(content, "url"), size=read.whole(content, "size"), name=read.text(content, "title"))


def _largest(content: Fields, name: str = "sizes") -> str:
    """The address of the largest size of a picture."""
    sizes = [size for size in read.rows(content, name) if read.text(size, "url")]
    best: Fields = max(sizes, key=lambda s: (read.whole(s, "width") or 0) * (read.whole(s, "height") or 0), default={})
    return read.text(read.fields(content, "orig_photo"), "url") or read.text(best, "url")


def _forwarded(message: Fields) -> str:
    """The words of messages that were passed on without any of one's own."""
    return "\n".join(filter(None, (read.text(one, "text") for one in read.rows(message, "fwd_messages"))))


def _payload(given: Any) -> Fields:
    """JSON text or an object; anything else is none."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return {}
    return read.fields(given)


def moment(message: Fields, name: str, arrived_at: datetime) -> datetime:
    seconds = read.whole(message, name)
    if not seconds or seconds > 10**11 or seconds < 0:
        return arrived_at
    found = datetime.fromtimestamp(seconds, UTC)
    return found if _EARLIEST <= found <= arrived_at + timedelta(days=1) else arrived_at
