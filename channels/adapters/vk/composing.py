"""Messages into calls of messages.send. Pure. VK has no markup in messages: words in stars lose their stars."""

import base64
import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from channels.adapters.vk.reading import BUTTON, WORDS
from channels.bold import plain
from channels.model import Choice, Outgoing, Part
from channels.splitting import shorten, split_text, utf16

LONGEST_TEXT = 4096
"""The schema says 9000; clients have shown no more than this for years."""
LONGEST_LABEL, LONGEST_PAYLOAD = 40, 255
INLINE, STANDARD = (10, 5), (40, 5)
"""Most buttons, most in a row (https://dev.vk.com/ru/api/bots/development/keyboard)."""
_ROWS = {True: 6, False: 10}
_WIDEST_ROW = 36


def compose(message: Outgoing) -> Sequence[Part]:
    choices = message.choices if message.meta.get("keyboard") is not False else ()
    rest = [f"{n}. {c.text}" for n, c in enumerate(message.choices, 1) if n > STANDARD[0] or not choices]
    text = plain("\n".join([message.text, *rest]))
    common: dict[str, Any] = {"peer_id": int(message.thread), "disable_mentions": 1}
    pieces = split_text(text, LONGEST_TEXT, utf16) or ([""] if message.voice else [])
    bodies: list[dict[str, Any]] = [
        {"params": {**common, **({"message": piece} if piece else {})}, "plain": piece} for piece in pieces
    ]
    if not bodies:
        return ()
    if message.reply_to.isdigit():
        bodies[0]["params"]["reply_to"] = int(message.reply_to)
    if message.voice:
        bodies[0]["voice"] = base64.b64encode(message.voice).decode()
    if choices:
        bodies[-1]["params"]["keyboard"] = _keyboard(choices, inline=message.meta.get("inline") is not False)
    return [Part(number, body, str(body["plain"])) for number, body in enumerate(bodies)]


def random_id(marker: str) -> int:
    """A number of 31 bits, always the same for the same part, never 0 (0 switches VK's check for repeats off)."""
    return int.from_bytes(sha256(marker.encode()).digest()[:4], "big") & 0x7FFFFFFF or 1


def _keyboard(choices: Sequence[Choice], *, inline: bool) -> str:
    """Text buttons: pressing one sends its words. Inline as long as they fit, else the keyboard below the input."""
    shown = choices[: STANDARD[0]]
    inline = inline and len(shown) <= INLINE[0] and len(_rows(shown, INLINE[1])) <= _ROWS[True]
    rows = _rows(shown, (INLINE if inline else STANDARD)[1])
    if len(rows) > _ROWS[inline]:
        rows = [list(shown[start : start + 5]) for start in range(0, len(shown), 5)]
    buttons = [
        [{"action": {"type": "text", "label": _label(c), "payload": _payload(c)}, "color": "secondary"} for c in row]
        for row in rows
    ]
    kind = {"inline": True} if inline else {"one_time": True, "inline": False}
    return json.dumps({**kind, "buttons": buttons}, ensure_ascii=False)


def _label(choice: Choice) -> str:
    return shorten(choice.text, LONGEST_LABEL, utf16)


def _payload(choice: Choice) -> str:
    """JSON text, as long as VK takes it: the words first, since without them a shortened label would be said."""
    words = {WORDS: choice.text} if _label(choice) != choice.text else {}
    for wanted in ({**({BUTTON: choice.payload} if choice.payload else {}), **words}, words, {}):
        found = json.dumps(wanted, ensure_ascii=False, separators=(",", ":"))
        if len(found) <= LONGEST_PAYLOAD:
            return found
    return "{}"


def _rows(choices: Sequence[Choice], most: int) -> list[list[Choice]]:
    longest = max((len(_label(choice)) for choice in choices), default=1)
    in_row = max(1, min(most, _WIDEST_ROW // (longest + 2)))
    return [list(choices[start : start + in_row]) for start in range(0, len(choices), in_row)]
