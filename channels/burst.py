"""A burst: what one person wrote in one go is answered once. Pure.

Which messages wait for an answer, until when more may come, and what turn of the agent they make together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from agent.model import Expect, TurnKind
from channels.inbox import Waiting
from channels.model import Kind, MessageReceived
from channels.timings import Timings
from channels.wording import NO_MARKS, SEEN_BY_STAFF, YES_MARKS, yes_no


@dataclass(frozen=True, slots=True)
class Item:
    """A message that the agent is to answer."""

    waiting: Waiting
    event: MessageReceived
    message_id: UUID
    """Of the history."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The same message with its words as the history holds them: edited, transcribed."""

    item: Item
    text: str
    unclear: bool = False
    """A voice note of which nothing was understood."""


@dataclass(frozen=True, slots=True)
class TurnOf:
    """What the agent gets."""

    kind: TurnKind | None
    """None: nothing to think about."""
    text: str = ""
    for_staff: Kind | None = None
    """Something that only a person can look at came with it."""
    voice: bool = False
    """Some of the words were spoken."""


def wait_s(items: Sequence[Item], now: datetime, timings: Timings) -> float:
    """Seconds until the burst is over; 0.0: it is. A pressed button is a whole answer and ends it."""
    if not items or items[-1].event.button or items[-1].event.callback:
        return 0.0
    newest = max(item.waiting.received_at for item in items)
    first = min(item.waiting.received_at for item in items)
    quiet = timings.quiet_s - (now - newest).total_seconds()
    longest = timings.longest_burst_s - (now - first).total_seconds()
    return max(0.0, min(quiet, longest))


def turn_of(heard: Sequence[Heard], *, fresh: bool, expect: Expect, language: str) -> TurnOf:
    """One turn from a burst. `fresh`: nothing was said in this conversation yet."""
    if not heard:
        return TurnOf(None)  # all of it was deleted before it was answered
    words: list[str] = []
    for one in heard:
        text = _words(one, expect, language)
        if text and text not in words:
            words.append(text)
    kinds = {media.kind for one in heard for media in one.item.event.media}
    voice = any(one.text for one in heard if Kind.VOICE in {m.kind for m in one.item.event.media})
    staff = next((kind for kind in SEEN_BY_STAFF if kind in kinds and not _own_contact(kind, heard)), None)
    if words:
        return TurnOf(TurnKind.WORDS, "\n".join(words), staff, voice)
    if any(one.unclear for one in heard):
        return TurnOf(TurnKind.UNCLEAR, "", staff)
    if staff is not None:
        return TurnOf(None, "", staff)
    return TurnOf(TurnKind.START if fresh else None)


def _words(one: Heard, expect: Expect, language: str) -> str:
    event = one.item.event
    text = one.text.strip()
    if text == "/start" or text.startswith("/start "):
        return ""  # the button with which every talk with a bot begins
    if not text and event.person.phone is not None and Kind.CONTACT in {m.kind for m in event.media}:
        return event.person.phone.e164
    marks = set(text) - {"\ufe0f"} if text else set()
    if expect is Expect.YES_NO and marks and marks & (YES_MARKS | NO_MARKS) and not any(c.isalnum() for c in text):
        return yes_no(language)[0 if marks & YES_MARKS else 1]
    if not any(c.isalnum() or c in "?!" for c in text):
        return ""  # a smile, a dot: nothing to answer
    return text


def _own_contact(kind: Kind, heard: Sequence[Heard]) -> bool:
    return kind is Kind.CONTACT and any(one.item.event.person.phone is not None for one in heard)
