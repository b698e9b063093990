"""Our label in a CRM's free-text field, where the vendor has no field for the keys of other systems.

у окна
ai:k3m9q2x7ab
"""

import re

_LABEL = re.compile(r"(?:^|\s)ai:([0-9A-Za-z]{6,40})(?!\S)")


def labelled(text: str, marker: str) -> str:
    """The text with this marker and no other."""
    plain = unlabelled(text)
    return f"{plain}\nai:{marker}" if plain else f"ai:{marker}"


def marker_of(text: str) -> str:
    """Empty: the text carries none."""
    found = _LABEL.findall(text)
    return found[-1] if found else ""


def unlabelled(text: str) -> str:
    """What a person reads: the text without our label."""
    return _LABEL.sub("", text).strip()
