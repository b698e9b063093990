"""Message templates: how Meta lists them, what we need of each, and how one is filled."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from channels.json_fields import Fields, rows, text
from channels.model import Choice

_PLACE = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
MOST_PARAMETER = 1024


@dataclass(frozen=True, slots=True)
class Template:
    name: str
    language: str
    status: str
    category: str
    places: tuple[str, ...]
    """Of the body, in order: numbers, or names."""
    quick_replies: tuple[int, ...]
    """Places of the quick-reply buttons among all buttons."""


def template_of(row: Fields) -> Template:
    """From a row of `GET /<WABA_ID>/message_templates`, or of what was kept of it."""
    places: list[str] = []
    quick: list[int] = []
    for component in rows(row, "components"):
        kind = text(component, "type").upper()
        if kind == "BODY":
            found = dict.fromkeys(_PLACE.findall(text(component, "text")))
            places = sorted(found, key=int) if all(name.isdigit() for name in found) else list(found)
        elif kind == "BUTTONS":
            buttons = list(rows(component, "buttons"))
            quick = [n for n, button in enumerate(buttons) if text(button, "type").upper() == "QUICK_REPLY"]
    return Template(
        text(row, "name"),
        text(row, "language"),
        text(row, "status").upper(),
        text(row, "category").upper(),
        tuple(places),
        tuple(quick),
    )


def kept(row: Fields) -> Mapping[str, Any]:
    """What is stored of a template."""
    return {name: row[name] for name in ("id", "name", "language", "status", "category", "components") if name in row}


def component_list(
    known: Template | None, parameters: Sequence[str], choices: Sequence[Choice]
) -> list[dict[str, Any]]:
    """`components` of a sending. Unknown templates are filled by position, with a button for each choice."""
    found: list[dict[str, Any]] = []
    values = [_value(parameter) for parameter in parameters]
    if known is not None:
        values = values[: len(known.places)]
    if values:
        named = known is not None and not all(place.isdigit() for place in known.places)
        found.append(
            {
                "type": "body",
                "parameters": [
                    {"type": "text", **({"parameter_name": known.places[n]} if known and named else {}), "text": value}
                    for n, value in enumerate(values)
                ],
            }
        )
    places = known.quick_replies if known is not None else tuple(range(len(choices)))
    found += [
        {
            "type": "button",
            "sub_type": "quick_reply",
            "index": str(place),
            "parameters": [{"type": "payload", "payload": choice.payload or choice.text}],
        }
        for place, choice in zip(places, choices, strict=False)
    ]
    return found


def _value(parameter: str) -> str:
    """Neither empty nor with line breaks, tabs or rows of blanks: Meta refuses those (132012)."""
    return " ".join(parameter.split())[:MOST_PARAMETER] or "—"
