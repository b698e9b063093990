"""One message of ours as requests to WhatsApp. Pure.

Limits are counted in UTF-16, the stricter reading of "characters".
WhatsApp's own *bold* is ours; links are shown as they stand.
"""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from channels.adapters.whatsapp.content import SAY
from channels.adapters.whatsapp.identity import address
from channels.adapters.whatsapp.templates import Template, component_list
from channels.model import Ask, Choice, Outgoing, Part
from channels.splitting import shorten, split_text, utf16

MOST_TEXT = 4096
MOST_BODY = 1024
"""Of a text with buttons or a list."""
MOST_BUTTONS, MOST_ROWS = 3, 10
BUTTON_TITLE, ROW_TITLE, ROW_DESCRIPTION = 20, 24, 72
BUTTON_ID, ROW_ID = 256, 200
MOST_VOICE_NOTE = 512 * 1024
"""Bytes: larger recordings are shown as a file of sound, without the sign of a voice message."""
MOST_AUDIO = 16 * 1024 * 1024
LIST_LABEL = "Выбрать"
NO_WORDS = "Выберите, пожалуйста:"

Body = dict[str, Any]


def compose(message: Outgoing, now: datetime, templates: Sequence[Template], language: str) -> list[Part]:
    """Parts in order. A template only where free text is not allowed any more, or we cannot know."""
    to = address(message.thread, message.meta)
    if message.template and not window_open(message.meta, now):
        return [Part(0, _template(message, to, templates, language), message.text)]
    bodies: list[tuple[Body, str]] = []
    if message.voice and len(message.voice) <= MOST_AUDIO:
        bodies.append((_voice(message.voice, to, message.text), message.text))
    choices = unique(message.choices)
    if not bodies or choices:
        bodies += _texts(message, to, choices)
    if message.reply_to and bodies:
        bodies[0][0]["context"] = {"message_id": message.reply_to}
    return [Part(number, body, text) for number, (body, text) in enumerate(bodies)]


def window_open(meta: Mapping[str, Any], now: datetime) -> bool:
    try:
        return now < datetime.fromisoformat(str(meta.get("window_until", "")))
    except (ValueError, TypeError):
        return False


def unique(choices: Sequence[Choice]) -> list[Choice]:
    """Titles and ids must differ; a second button with the same words says nothing new."""
    found: dict[str, Choice] = {}
    for choice in choices:
        words = " ".join(choice.text.split())
        if words and words.casefold() not in found:
            found[words.casefold()] = Choice(words, choice.payload.strip())
    ids = [choice.payload for choice in found.values() if choice.payload]
    if len(ids) != len(set(ids)):
        return [Choice(choice.text) for choice in found.values()]
    return list(found.values())


def text_body(to: Mapping[str, str], text: str) -> Body:
    return {**_envelope(to, "text"), "text": {"preview_url": False, "body": text}}


def _envelope(to: Mapping[str, str], kind: str) -> Body:
    return {"messaging_product": "whatsapp", "recipient_type": "individual", **to, "type": kind}


def _texts(message: Outgoing, to: Mapping[str, str], choices: Sequence[Choice]) -> list[tuple[Body, str]]:
    asks_phone = message.ask is Ask.PHONE and "recipient" in to and not choices
    text = message.text
    if len(choices) > MOST_ROWS:
        listed = "\n".join(f"{number}. {choice.text}" for number, choice in enumerate(choices, 1))
        text, choices = f"{text}\n\n{listed}".strip(), ()
    if not choices and not asks_phone:
        return [(text_body(to, piece), piece) for piece in split_text(text, MOST_TEXT)]
    *first, last = _with_short_end(text or NO_WORDS)
    interactive = _ask_phone(last) if asks_phone else _interactive(last, choices)
    return [
        *((text_body(to, piece), piece) for piece in first),
        ({**_envelope(to, "interactive"), "interactive": interactive}, last),
    ]


def _with_short_end(text: str) -> list[str]:
    """Pieces of which the last one may carry buttons."""
    if utf16(text) <= MOST_BODY:
        return [text]
    pieces = split_text(text, MOST_TEXT)
    return [*pieces[:-1], *split_text(pieces[-1], MOST_BODY)]


def _interactive(text: str, choices: Sequence[Choice]) -> Body:
    if len(choices) <= MOST_BUTTONS and all(utf16(choice.text) <= BUTTON_TITLE for choice in choices):
        ids = _ids(choices, BUTTON_ID)
        buttons = [
            {"type": "reply", "reply": {"id": id_, "title": choice.text}}
            for id_, choice in zip(ids, choices, strict=True)
        ]
        return {"type": "button", "body": {"text": text}, "action": {"buttons": buttons}}
    rows = [_row(id_, choice) for id_, choice in zip(_ids(choices, ROW_ID), choices, strict=True)]
    return {
        "type": "list",
        "body": {"text": text},
        "action": {"button": LIST_LABEL, "sections": [{"title": LIST_LABEL, "rows": rows}]},
    }


def _row(row_id: str, choice: Choice) -> Body:
    row = {"id": row_id, "title": shorten(choice.text, ROW_TITLE)}
    if row["title"] != choice.text:
        row["description"] = shorten(choice.text, ROW_DESCRIPTION)
    return row


def _ids(choices: Sequence[Choice], most: int) -> list[str]:
    """Payloads, or the words; numbered when two are the same in their first letters."""
    found = [shorten(choice.payload or SAY + choice.text, most).strip() for choice in choices]
    if len(set(found)) == len(found):
        return found
    return [f"{shorten(value, most - 4)} {number}" for number, value in enumerate(found)]


def _ask_phone(text: str) -> Body:
    """A button that shares the number: only for somebody whose number WhatsApp hides."""
    return {"type": "request_contact_info", "body": {"text": text}, "action": {"name": "request_contact_info"}}


def _voice(voice: bytes, to: Mapping[str, str], text: str) -> Body:
    audio: Body = {"voice": True} if len(voice) <= MOST_VOICE_NOTE else {}
    return {
        **_envelope(to, "audio"),
        "audio": audio,
        "_upload": base64.b64encode(voice).decode(),  # sent as a file first; its id goes into `audio`
        "_fallback": text,
    }


def _template(message: Outgoing, to: Mapping[str, str], templates: Sequence[Template], language: str) -> Body:
    known = best(templates, message.template, language)
    components = component_list(known, message.parameters, unique(message.choices))
    return {
        **_envelope(to, "template"),
        "template": {
            "name": message.template,
            "language": {"code": known.language if known else language},
            **({"components": components} if components else {}),
        },
    }


def best(templates: Sequence[Template], name: str, language: str) -> Template | None:
    """Approved, in the salon's language, else in a variant of it, else in any."""
    named = [template for template in templates if template.name == name and template.status == "APPROVED"]
    base = language.split("_")[0]
    for fits in (
        lambda template: template.language == language,
        lambda template: template.language.split("_")[0] == base,
        lambda template: True,
    ):
        found = next((template for template in named if fits(template)), None)
        if found:
            return found
    return None
