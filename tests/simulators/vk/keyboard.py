"""What messages.send takes as a keyboard (https://dev.vk.com/ru/api/bots/development/keyboard)."""

import json
from typing import Any


class Refused(Exception):
    """An answer with an `error`, HTTP 200."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(what: str) -> Refused:
    return Refused(911, f"Keyboard format is invalid: {what}")


_TYPES = {"text", "callback", "open_link", "location", "vkpay", "open_app", "open_photo"}
_COLOURS = {"primary", "secondary", "positive", "negative"}


def checked(text: str) -> tuple[list[dict[str, Any]], bool]:
    """Actions in order, and whether the keyboard stands in the message."""
    try:
        keyboard = json.loads(text)
    except ValueError:
        raise invalid("no JSON") from None
    if not isinstance(keyboard, dict) or set(keyboard) - {"one_time", "inline", "buttons", "author_id"}:
        raise invalid("unknown field")
    inline, rows = keyboard.get("inline", False), keyboard.get("buttons")
    if not isinstance(inline, bool) or not isinstance(rows, list):
        raise invalid("inline, buttons")
    if inline and keyboard.get("one_time"):
        raise invalid("one_time is not supported with inline")
    most_rows, most = (6, 10) if inline else (10, 40)
    if len(rows) > most_rows or any(not isinstance(row, list) or not 1 <= len(row) <= 5 for row in rows):
        raise invalid("rows")
    buttons = [button for row in rows for button in row]
    if len(buttons) > most:
        raise invalid("too many buttons")
    return [_action(button) for button in buttons], inline


def _action(button: Any) -> dict[str, Any]:
    if not isinstance(button, dict) or set(button) - {"action", "color"}:
        raise invalid("button")
    action = button.get("action")
    if not isinstance(action, dict) or action.get("type") not in _TYPES:
        raise invalid("action")
    if "color" in button and (button["color"] not in _COLOURS or action["type"] not in ("text", "callback")):
        raise invalid("color")
    if set(action) - {"type", "label", "payload", "link", "hash", "app_id", "owner_id"}:
        raise invalid("action field")
    label, payload = action.get("label"), action.get("payload", "{}")
    if action["type"] in ("text", "callback") and (not isinstance(label, str) or not 1 <= len(label) <= 40):
        raise invalid("label")
    if not isinstance(payload, str) or len(payload) > 255:
        raise invalid("payload")
    try:
        json.loads(payload)
    except ValueError:
        raise invalid("payload is no JSON") from None
    return action
