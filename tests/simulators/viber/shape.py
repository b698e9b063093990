"""What the Viber Bot API takes; everything else gets a status, with HTTP 200 as always."""

import html
import re
from collections.abc import Mapping
from typing import Any

MOST_BYTES = 30 * 1024
EVENTS = {"delivered", "seen", "failed", "subscribed", "unsubscribed", "conversation_started"}
BUTTON = {"Columns", "Rows", "ActionType", "ActionBody", "Text", "BgColor", "TextSize", "TextHAlign", "TextVAlign",
          "Silent", "Image"}  # fmt: skip
ACTIONS = {"reply", "open-url", "share-phone", "location-picker", "none"}
NAMES = {
    1: "invalidUrl", 2: "invalidAuthToken", 3: "badData", 4: "missingData", 5: "receiverNotRegistered",
    6: "receiverNotSubscribed", 7: "publicAccountBlocked", 10: "webhookNotSet", 12: "tooManyRequests",
    13: "apiVersionNotSupported", 21: "unsupportedCountry", 23: "freeMessagesExceeded", 99: "generalError",
}  # fmt: skip


class ViberError(Exception):
    def __init__(self, status: int, detail: str = "") -> None:
        super().__init__(detail)
        self.body = {
            "status": status,
            "status_message": NAMES.get(status, "failure") + (f": {detail}" if detail else ""),
        }


def must(condition: Any, detail: str, status: int = 3) -> None:
    if not condition:
        raise ViberError(status, detail)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def only(body: Any, allowed: set[str], where: str) -> None:
    must(isinstance(body, Mapping), f"{where} must be an object")
    must(set(body) <= allowed, f"{where}: unknown {sorted(set(body) - allowed)}")


def check_message(body: Any) -> None:
    only(
        body,
        {"receiver", "min_api_version", "sender", "tracking_data", "type", "text", "keyboard", "media", "auth_token"},
        "message",
    )
    must("receiver" in body, "receiver", 4)
    must(isinstance(body["receiver"], str), "receiver")
    must(body.get("type") == "text", "type")
    must(isinstance(body.get("min_api_version", 1), int), "min_api_version")
    must(isinstance(body.get("sender"), Mapping) and body["sender"].get("name"), "sender.name", 4)
    must(units(body["sender"]["name"]) <= 28, "sender.name: at most 28")
    text = body.get("text")
    must(text, "text", 4)
    must(isinstance(text, str) and units(text) <= 7000, "text: at most 7000")
    tracking = body.get("tracking_data", "")
    must(isinstance(tracking, str) and units(tracking) <= 4000, "tracking_data: at most 4000")
    if "keyboard" in body:
        _keyboard(body["keyboard"])


def _keyboard(keyboard: Any) -> None:
    only(keyboard, {"Type", "DefaultHeight", "Buttons", "BgColor", "InputFieldState"}, "keyboard")
    must(keyboard.get("Type") == "keyboard", "keyboard.Type")
    must(isinstance(keyboard.get("DefaultHeight", False), bool), "keyboard.DefaultHeight")
    buttons = keyboard.get("Buttons")
    must(isinstance(buttons, list) and buttons, "keyboard.Buttons")
    rows, used = 1, 0
    for button in buttons:
        only(button, BUTTON, "button")
        columns = button.get("Columns", 6)
        must(isinstance(columns, int) and 1 <= columns <= 6, "Columns: 1 to 6")
        must(button.get("Rows", 1) in (1, 2), "Rows: 1 or 2")
        must(
            button.get("ActionType", "reply") in ("reply", "open-url", "share-phone", "location-picker", "none"), "type"
        )
        must(isinstance(button.get("ActionBody"), str) and button["ActionBody"], "ActionBody", 4)
        must(units(button.get("Text", "")) <= 1200, "Text")
        if used + columns > 6:
            rows, used = rows + 1, 0
        used += columns
    must(rows <= 12, "at most 12 rows")


def label_of(button: Mapping[str, Any]) -> str:
    """`Text` is HTML."""
    must(not re.search(r"<(?!/?(b|i|u|font|br)\b)", button.get("Text", "")), "an unknown tag in Text")
    return html.unescape(re.sub(r"<[^>]*>", "", button.get("Text", "")))
