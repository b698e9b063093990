"""What the MAX Bot API takes: the schema of July 2026 (API 0.0.32), field by field."""

import html
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from starlette.responses import JSONResponse, Response

UPDATE_TYPES = {
    "message_created", "message_callback", "message_edited", "message_removed", "bot_started", "bot_stopped",
    "bot_added", "bot_removed", "user_added", "user_removed", "chat_title_changed", "dialog_cleared", "dialog_muted",
    "dialog_unmuted", "dialog_removed", "message_chat_created",
}  # fmt: skip
TAGS = {"i", "em", "b", "strong", "del", "s", "ins", "u", "code", "pre", "a", "h1", "blockquote", "mark"}
BUTTONS = {
    "callback": {"type", "text", "payload", "intent"},
    "link": {"type", "text", "url"},
    "request_contact": {"type", "text"},
    "request_geo_location": {"type", "text", "quick"},
    "message": {"type", "text"},
}


class MaxError(Exception):
    def __init__(self, status: int, code: str, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        headers = {"retry-after": str(retry_after_s)} if retry_after_s is not None else None
        self.reply: Response = JSONResponse({"code": code, "message": message}, status, headers=headers)


def must(condition: Any, message: str) -> None:
    if not condition:
        raise MaxError(400, "proto.payload", message)


def only(body: Mapping[str, Any], allowed: set[str], where: str) -> None:
    must(isinstance(body, Mapping), f"{where} must be an object")
    must(set(body) <= allowed, f"{where}: unknown {sorted(set(body) - allowed)}")


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def check_message(body: Any) -> None:
    only(body, {"text", "attachments", "link", "notify", "format"}, "NewMessageBody")
    text, attachments = body.get("text"), body.get("attachments")
    must(text is None or isinstance(text, str), "text must be a string")
    must(units(text or "") <= 4000, "text: must be at most 4000")
    must(body.get("format") in (None, "markdown", "html"), "format")
    must(attachments is None or isinstance(attachments, list), "attachments must be an array")
    must(text or attachments or body.get("link"), "the message is empty")
    kinds = [item.get("type") for item in attachments or []]
    must("audio" not in kinds or len(kinds) == 1, "audio must be the only attachment")
    for item in attachments or []:
        only(item, {"type", "payload"}, "attachment")
        if item["type"] == "inline_keyboard":
            _keyboard(item.get("payload"))
        else:
            must(item["type"] in ("audio", "image", "video", "file"), f"attachment {item['type']!r}")
            must(isinstance(item.get("payload", {}).get("token"), str), "token is required")
    if body.get("link") is not None:
        only(body["link"], {"type", "mid"}, "link")
        must(body["link"].get("type") in ("forward", "reply"), "link.type")
        must(isinstance(body["link"].get("mid"), str), "link.mid")


def _keyboard(payload: Any) -> None:
    only(payload, {"buttons"}, "keyboard")
    rows = payload.get("buttons")
    must(isinstance(rows, list) and 1 <= len(rows) <= 30, "1 to 30 rows of buttons")
    for row in rows:
        must(isinstance(row, list) and 1 <= len(row) <= 7, "1 to 7 buttons in a row")
        for button in row:
            kind = button.get("type")
            must(kind in BUTTONS, f"button {kind!r}")
            only(button, BUTTONS[kind], "button")
            must(isinstance(button.get("text"), str) and 1 <= units(button["text"]) <= 128, "button.text: 1 to 128")
            if kind == "callback":
                payload = button.get("payload")
                must(isinstance(payload, str) and units(payload) <= 1024, "button.payload: at most 1024")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        must(tag in TAGS, f"tag <{tag}> is not known")

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(body: Mapping[str, Any]) -> str:
    """As a person reads it."""
    text = body.get("text") or ""
    if body.get("format") != "html":
        return text
    opened = re.findall(r"<(/?)(\w+)[^>]*>", text)
    must(sum(1 if not closing else -1 for closing, _ in opened) == 0, "a tag is not closed")
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return html.unescape(reader.text)


def check_subscription(body: Any) -> None:
    only(body, {"url", "update_types", "secret"}, "subscription")
    url = body.get("url", "")
    local = isinstance(url, str) and url.startswith("http://127.0.0.1:")
    must(local or re.fullmatch(r"https://[^/:\s]+(/\S*)?", str(url)), "url must be https without a port")
    must(set(body.get("update_types", [])) <= UPDATE_TYPES, "update_types")
    must(re.fullmatch(r"[a-zA-Z0-9_-]{5,256}", str(body.get("secret", "absent"))), "secret")
