"""Messages into requests of the Bot API. Pure.

Texts go out plain, and as HTML only where words are bold, so that no sign of a plain text can be taken for markup
(https://core.telegram.org/bots/api#html-style). Limits count units of UTF-16, as Telegram counts entities.
"""

import base64
from collections.abc import Iterator, Sequence
from typing import Any

from channels.adapters.telegram.reading import NUMBERED, WORDS
from channels.bold import has_bold, plain, to_html
from channels.model import Ask, Choice, Outgoing, Part
from channels.splitting import split_text, utf8, utf16

LONGEST_TEXT = 4096
LONGEST_CAPTION = 1024
LONGEST_DATA = 64
"""Bytes of callback_data."""
MOST_BUTTONS = 100
_WIDEST_ROW = 32
"""Characters of all labels in one row that a telephone shows whole."""
_MOST_IN_ROW = 4
_SHARE = {"ru": "📱 Отправить мой номер", "en": "📱 Share my phone number"}


def compose(message: Outgoing) -> Sequence[Part]:
    connection, _, chat = message.thread.rpartition(":")
    common: dict[str, Any] = {"chat_id": int(chat)}
    if connection:
        common["business_connection_id"] = connection
    text, markup = _with_overflow(message), _markup(message, business=bool(connection))
    bodies = list(_bodies(message, text, common))
    if not bodies:
        return ()
    if message.reply_to.isdigit():
        reply = {"message_id": int(message.reply_to), "allow_sending_without_reply": True}
        bodies[0]["params"]["reply_parameters"] = reply
    if markup:
        bodies[-1]["params"]["reply_markup"] = markup
    return [Part(number, body, body["plain"]) for number, body in enumerate(bodies)]


def _bodies(message: Outgoing, text: str, common: dict[str, Any]) -> Iterator[dict[str, Any]]:
    pieces = split_text(text, LONGEST_TEXT, utf16)
    if message.voice:
        caption = pieces[0] if len(pieces) == 1 and utf16(pieces[0]) <= LONGEST_CAPTION else ""
        yield {
            "method": "sendVoice",
            "params": {**common, **(_formatted(caption, "caption") if caption else {})},
            "voice": base64.b64encode(message.voice).decode(),
            "plain": plain(caption),
        }
        if caption:
            return
    for piece in pieces:
        yield {"method": "sendMessage", "params": {**common, **_formatted(piece, "text")}, "plain": plain(piece)}


def _formatted(text: str, name: str) -> dict[str, Any]:
    return {name: to_html(text), "parse_mode": "HTML"} if has_bold(text) else {name: text}


def _with_overflow(message: Outgoing) -> str:
    """More choices than buttons: the rest stands in the text, to be written."""
    rest = [f"{number}. {choice.text}" for number, choice in enumerate(message.choices, 1) if number > MOST_BUTTONS]
    return "\n".join([message.text, *rest])


def _markup(message: Outgoing, *, business: bool) -> dict[str, Any] | None:
    """Business chats know no reply keyboards (https://core.telegram.org/bots/api#replykeyboardmarkup)."""
    if message.ask is Ask.PHONE and not business:
        language = "en" if str(message.meta.get("language", "")).startswith("en") else "ru"
        share = [{"text": _SHARE[language], "request_contact": True}]
        rows = [[{"text": choice.text} for _, choice in row] for row in _rows(message.choices)]
        return {"keyboard": [share, *rows], "resize_keyboard": True, "one_time_keyboard": True}
    if message.choices:
        rows = [
            [{"text": choice.text, "callback_data": _data(number, choice)} for number, choice in row]
            for row in _rows(message.choices)
        ]
        return {"inline_keyboard": rows}
    if message.meta.get("shared") and not business:
        return {"remove_keyboard": True}
    return None


def _data(number: int, choice: Choice) -> str:
    """What comes back when it is pressed: the payload, else the words, else the button's number."""
    if choice.payload and utf8(choice.payload) <= LONGEST_DATA:
        return choice.payload
    if not choice.payload and utf8(WORDS + choice.text) <= LONGEST_DATA:
        return WORDS + choice.text
    return f"{NUMBERED}{number}"


def _rows(choices: Sequence[Choice]) -> list[list[tuple[int, Choice]]]:
    """Short labels share a row."""
    rows: list[list[tuple[int, Choice]]] = []
    longest = max((len(choice.text) for choice in choices[:MOST_BUTTONS]), default=1)
    in_row = max(1, min(_MOST_IN_ROW, _WIDEST_ROW // (longest + 2)))
    for number, choice in enumerate(choices[:MOST_BUTTONS]):
        if not rows or len(rows[-1]) == in_row:
            rows.append([])
        rows[-1].append((number, choice))
    return rows
