"""What the Bot API accepts as formatted text and as keyboards, and what it says of the rest."""

import re
from collections.abc import Mapping
from typing import Any

from channels.splitting import utf16


class Refused(Exception):
    """An answer with ok: false."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


def bad(description: str) -> Refused:
    return Refused(400, f"Bad Request: {description}")


_TAGS = {"b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "code", "pre", "tg-spoiler", "blockquote", "a"}
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_PIECE = re.compile(r"<(/?)([a-zA-Z-]*)([^>]*)>|&(#?\w+);|([<&])")


def visible(text: str, parse_mode: Any) -> str:
    """The text as people see it. parse_mode HTML only: the product uses no other."""
    if parse_mode is None:
        return text
    if parse_mode != "HTML":
        raise bad("unsupported parse_mode")
    open_tags: list[str] = []

    def piece(match: re.Match[str]) -> str:
        closing, tag, rest, entity, lone = match.groups()
        offset = len(text[: match.start()].encode())
        if lone == "<":
            raise bad(f"can't parse entities: Unclosed start tag at byte offset {offset}")
        if lone == "&" or entity:
            return _NAMED.get(entity or "", match[0])
        if tag.lower() not in _TAGS or (rest.strip() and tag.lower() != "a"):
            raise bad(f'can\'t parse entities: Unsupported start tag "{tag}" at byte offset {offset}')
        if closing:
            if not open_tags or open_tags.pop() != tag:
                raise bad(f"can't parse entities: Unexpected end tag at byte offset {offset}")
        else:
            open_tags.append(tag)
        return ""

    seen = _PIECE.sub(piece, text)
    if open_tags:
        raise bad(f"can't parse entities: Can't find end tag corresponding to start tag \"{open_tags[-1]}\"")
    return seen


def checked_text(text: Any, parse_mode: Any, most: int, *, empty: bool = False) -> str:
    if not isinstance(text, str):
        raise bad("message text must be a string")
    seen = visible(text, parse_mode).strip()
    if not seen and not empty:
        raise bad("message text is empty")
    if utf16(seen) > most:
        raise bad("message is too long" if most > 2000 else "message caption is too long")
    return seen


_TYPES = {"callback_data", "url", "web_app", "login_url", "switch_inline_query", "copy_text", "pay"}


def checked_keyboard(markup: Any, *, business: bool) -> tuple[list[dict[str, Any]], bool, str]:
    """Buttons in order, whether the telephone is asked, and what kind it is: inline, reply, remove or nothing."""
    if markup is None:
        return [], False, ""
    if not isinstance(markup, Mapping):
        raise bad("object expected as reply markup")
    if "inline_keyboard" in markup:
        if set(markup) != {"inline_keyboard"}:
            raise bad(f"unknown field in inline keyboard: {sorted(markup)}")
        return _inline(markup["inline_keyboard"]), False, "inline"
    if business:
        raise bad("reply keyboards can't be used in business chats")
    if "remove_keyboard" in markup:
        if markup["remove_keyboard"] is not True or set(markup) - {"remove_keyboard", "selective"}:
            raise bad("field remove_keyboard must be True")
        return [], False, "remove"
    if "keyboard" in markup:
        if set(markup) - {"keyboard", "resize_keyboard", "one_time_keyboard", "is_persistent", "selective",
                          "input_field_placeholder"}:  # fmt: skip
            raise bad("unknown field in reply keyboard")
        buttons = [button for row in _rows(markup["keyboard"]) for button in row]
        for button in buttons:
            if not isinstance(button, Mapping) or not isinstance(button.get("text"), str) or not button["text"]:
                raise bad("keyboard button text must be non-empty")
            if set(button) - {"text", "request_contact", "request_location"}:
                raise bad("unknown field in keyboard button")
        asks = any(button.get("request_contact") is True for button in buttons)
        return [dict(button) for button in buttons if not button.get("request_contact")], asks, "reply"
    raise bad("can't parse reply keyboard markup JSON object")


def _rows(rows: Any) -> list[list[Any]]:
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) and row for row in rows):
        raise bad("keyboard must be an array of arrays of buttons")
    return rows


def _inline(rows: Any) -> list[dict[str, Any]]:
    buttons = [button for row in _rows(rows) for button in row]
    if len(buttons) > 100:
        raise bad("reply markup is too long")
    for button in buttons:
        if not isinstance(button, Mapping) or not isinstance(button.get("text"), str) or not button["text"].strip():
            raise bad("inline keyboard button text must be non-empty")
        if set(button) - {"text"} - _TYPES or len(set(button) & _TYPES) != 1:
            raise bad("exactly one of the type fields must be used in an inline keyboard button")
        data = button.get("callback_data")
        if not isinstance(data, str) or not 1 <= len(data.encode()) <= 64:
            raise bad("BUTTON_DATA_INVALID")
    return [dict(button) for button in buttons]
