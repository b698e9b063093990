"""What one message of WhatsApp holds, whatever its type."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from channels.adapters.whatsapp.identity import Identity
from channels.json_fields import Fields, fields, number, rows, text
from channels.model import Kind, Media
from core.phone import Phone

SAY = "say:"
"""Begins the id of a button that stands for its words alone: the whole words follow, though the title is short."""
_MEDIA = {
    "image": Kind.IMAGE,
    "audio": Kind.AUDIO,
    "video": Kind.VIDEO,
    "document": Kind.FILE,
    "sticker": Kind.STICKER,
}
_UNSHOWN = (Media(Kind.FILE, "", name="unsupported"),)
"""What WhatsApp does not hand over: only a person with the telephone can see it."""
_VCARD_PHONE = re.compile(
    r"^(?:item\d+\.)?TEL[^:\r\n]*:(?:tel:)?(\+?[0-9 ()\-.]{5,25})\s*$", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Content:
    words: str = ""
    media: tuple[Media, ...] = ()
    button: str = ""
    reply_to: str = ""
    own_phone: Phone | None = None
    """From a contact card that WhatsApp says is the writer's own."""
    automatic: bool = False
    nothing: bool = False
    """Nothing was said: a reaction taken back."""
    meta: Mapping[str, str | bool] = field(default_factory=dict)


def content_of(message: Fields, who: Identity) -> Content:
    kind = text(message, "type")
    inner = fields(message, kind)
    if kind == "text":
        return Content(text(inner, "body"))
    if kind in _MEDIA:
        return _media(kind, inner)
    match kind:
        case "interactive":
            return _interactive(inner)
        case "button":
            return _pressed(text(inner, "payload"), text(inner, "text"))
        case "reaction":
            emoji = text(inner, "emoji")
            return Content(
                emoji, reply_to=text(inner, "message_id"), automatic=True, nothing=not emoji, meta={"reaction": True}
            )
        case "contacts":
            return _contacts(message, who)
        case "location":
            place = f"{number(inner, 'latitude')},{number(inner, 'longitude')}"
            caption = ", ".join(filter(None, (text(inner, "name"), text(inner, "address"))))
            return Content(caption, (Media(Kind.LOCATION, place, name=text(inner, "name"), caption=caption),))
        case "order":
            return Content(text(inner, "text"), _UNSHOWN, meta={"unsupported": True})
        case _:  # unsupported, unknown, and what is yet to come: somebody did send something
            return Content(media=_UNSHOWN, meta={"unsupported": True})


def _media(kind: str, inner: Fields) -> Content:
    what = Kind.VOICE if kind == "audio" and inner.get("voice") is True else _MEDIA[kind]
    caption = text(inner, "caption")
    digest = text(inner, "sha256")
    media = Media(
        what,
        f"{text(inner, 'id')}#{digest}" if digest else text(inner, "id"),
        mime_type=text(inner, "mime_type"),
        name=text(inner, "filename"),
        caption=caption,
    )
    return Content(caption, (media,))


def _interactive(inner: Fields) -> Content:
    kind = text(inner, "type")
    reply = fields(inner, kind)
    if kind in ("button_reply", "list_reply"):
        return _pressed(text(reply, "id"), text(reply, "title"), text(reply, "description"))
    return Content(text(reply, "body"), _UNSHOWN, meta={"unsupported": True})  # a Flow's form: we send none


def _pressed(payload: str, title: str, description: str = "") -> Content:
    if payload.startswith(SAY):
        return Content(payload.removeprefix(SAY))
    if title.endswith("…") and description.startswith(title[:-1].rstrip()):
        title = description  # the row was too short for its words, which stand whole below it
    return Content(title or payload, button=payload)


def _contacts(message: Fields, who: Identity) -> Content:
    """Cards. One is the writer's own when WhatsApp itself asked for it, or when it holds their very number."""
    media: list[Media] = []
    own: Phone | None = None
    words: list[str] = []
    asked = text(message, "origin") == "contact_request"
    for card in rows(message, "contacts"):
        name = text(fields(card, "name"), "formatted_name")
        phones = [
            (Phone.parse(text(row, "phone") or f"+{text(row, 'wa_id')}"), text(row, "wa_id"))
            for row in rows(card, "phones")
        ]
        phones = phones or [(Phone.parse(found), "") for found in _VCARD_PHONE.findall(text(card, "vcard"))]
        for phone, wa_id in phones:
            if phone and own is None and (asked or (wa_id and wa_id == who.wa_id) or phone == who.phone):
                own = phone
        first = next((phone for phone, _ in phones if phone), None)
        media.append(Media(Kind.CONTACT, "", name=name, caption=first.e164 if first else ""))
        words.append(", ".join(filter(None, (name, first.e164 if first else ""))))
    return Content("\n".join(filter(None, words)), tuple(media), own_phone=own)
