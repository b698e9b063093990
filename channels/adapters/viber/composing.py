"""One message of ours as requests to Viber. Pure.

A pressed button comes back as a message with its words. The payloads travel in `tracking_data`, which Viber returns
with the reply, so that nothing unreadable is ever shown in the chat.
"""

import html
import json
from collections.abc import Sequence
from typing import Any

from channels.adapters.viber.reading import BUTTONS
from channels.bold import plain
from channels.model import Choice, Outgoing, Part
from channels.splitting import shorten, split_text, utf8, utf16

MOST_TEXT = 7000
MOST_TEXT_WITH_BUTTONS = 3000
MOST_SENDER = 28
MOST_TRACKING = 4000
MOST_LABEL = 250
MOST_ROWS = 12
KEYBOARD_BYTES = 15 * 1024
"""Of the 30 KB that one request may have; the text takes the rest."""
WIDTH = 6
_COLUMNS = ((7, 2), (13, 3))
"""Letters of the longest label, and how many of six columns show it whole."""
NO_WORDS = {"ru": "Выберите, пожалуйста:", "en": "Please choose:"}


def compose(message: Outgoing, sender: str) -> list[Part]:
    shown, left = _shown(message.choices)
    text = plain(message.text).strip()
    if left:
        listed = [f"{number}. {choice.text}" for number, choice in enumerate(left, len(shown) + 1)]
        text = "\n".join(filter(None, (text, *listed)))
    if not text and shown:
        text = NO_WORDS["en" if str(message.meta.get("language", "")).startswith("en") else "ru"]
    pieces = split_text(text, MOST_TEXT)
    if shown and pieces and utf16(pieces[-1]) > MOST_TEXT_WITH_BUTTONS:
        pieces = [*pieces[:-1], *split_text(pieces[-1], MOST_TEXT_WITH_BUTTONS)]
    bodies = [_body(message.thread, sender, piece) for piece in pieces]
    if shown and bodies:
        bodies[-1] |= {"keyboard": _keyboard(shown), **_tracking(shown)}
    return [Part(number, body, piece) for number, (body, piece) in enumerate(zip(bodies, pieces, strict=True))]


def _body(receiver: str, sender: str, text: str) -> dict[str, Any]:
    return {
        "receiver": receiver,
        "min_api_version": 1,
        "sender": {"name": shorten(sender, MOST_SENDER)},
        "type": "text",
        "text": text,
    }


def _shown(choices: Sequence[Choice]) -> tuple[list[Choice], list[Choice]]:
    """As many as twelve rows hold and the request's size allows, each words once; and the rest."""
    unique: dict[str, Choice] = {}
    for choice in choices:
        if words := " ".join(choice.text.split()):
            unique.setdefault(words, Choice(words, choice.payload))
    wanted = list(unique.values())
    columns = _columns(wanted)
    taken, size = 0, 0
    for choice in wanted[: MOST_ROWS * (WIDTH // columns)]:
        size += utf8(json.dumps(_button(choice, columns), ensure_ascii=False)) + 1
        if size > KEYBOARD_BYTES:
            break
        taken += 1
    return wanted[:taken], wanted[taken:]


def _columns(choices: Sequence[Choice]) -> int:
    longest = max((len(choice.text) for choice in choices), default=1)
    columns = next((columns for letters, columns in _COLUMNS if longest <= letters), WIDTH)
    while columns > 1 and len(choices) > MOST_ROWS * (WIDTH // columns):
        columns -= 1
    return columns


def _keyboard(choices: Sequence[Choice]) -> dict[str, Any]:
    columns = _columns(choices)
    return {"Type": "keyboard", "DefaultHeight": False, "Buttons": [_button(choice, columns) for choice in choices]}


def _button(choice: Choice, columns: int) -> dict[str, Any]:
    """`Text` is HTML at Viber, `ActionBody` is what the person says by pressing."""
    return {
        "Columns": columns,
        "Rows": 1,
        "ActionType": "reply",
        "ActionBody": choice.text,
        "Text": html.escape(shorten(choice.text, MOST_LABEL), quote=False),
    }


def _tracking(choices: Sequence[Choice]) -> dict[str, str]:
    payloads: dict[str, str] = {}
    for choice in choices:
        if choice.payload:
            more = {**payloads, choice.text: choice.payload}
            if utf8(_noted(more)) > MOST_TRACKING:
                break
            payloads = more
    return {"tracking_data": _noted(payloads)} if payloads else {}


def _noted(payloads: dict[str, str]) -> str:
    return json.dumps({BUTTONS: payloads}, ensure_ascii=False, separators=(",", ":"))
