"""What a visit needs to remember in a CRM's plain description field: the salon's words first, our labels after them.

у окна
ai-services:S01,S06 ai-status:confirmed ai:k3m9q2x7ab

Labels are parted by any blank, so that they survive editors which lose line breaks or wrap everything in HTML.
"""

import html
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from crm.vendor.markers import labelled, marker_of, unlabelled

_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_BREAK = re.compile(r"<(?:br\s*/?|/p|/div|/li)\s*>", re.IGNORECASE)
_LABEL = re.compile(r"(?:^|\s)ai-(services|status):(\S+)")


@dataclass(frozen=True, slots=True)
class VisitNotes:
    words: str = ""
    """What people wrote and read."""
    services: tuple[str, ...] = ()
    """Our ids."""
    status: str = ""
    """Ours, where the CRM has no status for it; empty: none."""
    marker: str = ""


def written(notes: VisitNotes) -> str:
    labels = []
    if notes.services:
        labels.append("ai-services:" + ",".join(quote(service, safe="") for service in notes.services))
    if notes.status:
        labels.append(f"ai-status:{notes.status}")
    text = "\n".join(part for part in (notes.words.strip(), " ".join(labels)) if part)
    return labelled(text, notes.marker) if notes.marker else text


def read(text: str) -> VisitNotes:
    """Plain text or HTML; labels anywhere in it, the last of a kind counts."""
    plain = as_text(text)
    labels = dict(_LABEL.findall(plain))
    words = unlabelled(_LABEL.sub(" ", plain)).strip()
    services = tuple(unquote(item) for item in labels.get("services", "").split(",") if item)
    return VisitNotes(words, services, labels.get("status", ""), marker_of(plain))


def as_text(text: str) -> str:
    """HTML as its words; plain text stays as it is."""
    if not _TAG.search(text):
        return html.unescape(text) if "&" in text else text
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", text))).replace("\xa0", " ").strip()
