"""One message of ours as requests to MAX. Pure."""

import base64
from typing import Any

from channels.adapters.max.reading import WORDS
from channels.bold import has_bold, plain, to_html
from channels.model import Ask, Choice, Outgoing, Part
from channels.splitting import shorten, split_text, utf16

MOST_TEXT = 4000
MOST_LABEL = 128
MOST_PAYLOAD = 1024
MOST_ROWS, MOST_IN_ROW = 30, 7
MOST_AUDIO = 256 * 1024 * 1024
_FITS_IN_ROW = ((3, 4), (5, 3), (10, 2))
"""Letters of the longest label, and how many such labels are shown whole in a row (the documentation's advice)."""
_SHARE = {"ru": "Отправить номер", "en": "Share my number"}
_NO_WORDS = {"ru": "Выберите, пожалуйста:", "en": "Please choose:"}


def compose(message: Outgoing) -> list[Part]:
    """Body: `user`, `request` (NewMessageBody), and for recordings `voice` in base64 with `fallback`."""
    language = "en" if str(message.meta.get("language", "")).startswith("en") else "ru"
    requests: list[tuple[dict[str, Any], str]] = []
    if message.voice and len(message.voice) <= MOST_AUDIO:
        voice = {"request": {}, "voice": base64.b64encode(message.voice).decode(), "fallback": message.text}
        requests.append((voice, message.text))
    keyboard, rest = _keyboard(message, language)
    if not requests or keyboard:
        words = "\n".join(filter(None, (message.text.strip(), rest))) or (_NO_WORDS[language] if keyboard else "")
        requests += [({"request": text_of(piece)}, plain(piece)) for piece in split_text(words, MOST_TEXT, _measured)]
        if keyboard and requests:
            requests[-1][0]["request"]["attachments"] = [{"type": "inline_keyboard", "payload": {"buttons": keyboard}}]
    if message.reply_to and requests:
        requests[0][0]["request"]["link"] = {"type": "reply", "mid": message.reply_to}
    return [Part(n, {"user": message.thread, **body}, text) for n, (body, text) in enumerate(requests)]


def text_of(text: str) -> dict[str, Any]:
    """Marked up only when something is bold: other text stands as it is, whatever signs it holds."""
    if not has_bold(text):
        return {"text": text}
    return {"text": to_html(text), "format": "html"}


def _measured(text: str) -> int:
    """The longer of both forms: whether tags count is not documented."""
    return max(utf16(text), utf16(to_html(text))) if has_bold(text) else utf16(text)


def _keyboard(message: Outgoing, language: str) -> tuple[list[list[dict[str, str]]], str]:
    """Rows of buttons, and in words what finds no place among them."""
    asks = message.ask is Ask.PHONE
    choices = [choice for choice in message.choices if choice.text.strip()]
    places = MOST_ROWS - asks
    longest = max((len(choice.text) for choice in choices), default=1)
    in_row = next((count for letters, count in _FITS_IN_ROW if longest <= letters), 1)
    if len(choices) > in_row * places:
        in_row = min(MOST_IN_ROW, -(-len(choices) // places))
    shown, left = choices[: in_row * places], choices[in_row * places :]
    buttons = [_button(choice) for choice in shown]
    rows = [buttons[start : start + in_row] for start in range(0, len(buttons), in_row)]
    if asks:
        rows.insert(0, [{"type": "request_contact", "text": _SHARE[language]}])
    numbered = [f"{number}. {choice.text}" for number, choice in enumerate(left, len(shown) + 1)]
    return rows, "\n".join(numbered)


def _button(choice: Choice) -> dict[str, str]:
    words = " ".join(choice.text.split())
    payload = shorten(f"{choice.payload}{WORDS}{words}", MOST_PAYLOAD)
    return {"type": "callback", "text": shorten(words, MOST_LABEL), "payload": payload}


def voice_request(token: str, request: dict[str, Any]) -> dict[str, Any]:
    """The recording is the only attachment that a message with it may have."""
    return {**request, "attachments": [{"type": "audio", "payload": {"token": token}}]}
