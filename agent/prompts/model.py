"""Versions of a company's prompt as frozen data, and the rules on them: what stands, who gets what, what may go live.

Versions, checks and changes are only ever added. What stands now follows from the changes, in order. Pure.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent.llm.settings import MAX_INSTRUCTIONS
from core.errors import InvalidInput

AS_SET = 0
"""The version that always exists: the shipped text and the instructions of the company's settings."""
MAX_TEXT = 16_000
MAX_NOTE = 400
MAX_NAME = 80
MORE_SILENT = 0.1
"""The suite passes by the rules alone: a text that makes a model speak what must be held back shows only here."""
BUCKETS = 10_000
"""Shares are told apart to a hundredth of a percent."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a version says. Empty texts: the shipped one of `LlmSettings.prompt`."""

    instructions: str = ""
    """The owner's words on manner; replaces the instructions of the settings."""
    text_ru: str = ""
    text_en: str = ""

    def to_json(self) -> dict[str, str]:
        return {"instructions": self.instructions, "text_ru": self.text_ru, "text_en": self.text_en}

    @classmethod
    def of(cls, instructions: str = "", text_ru: str = "", text_en: str = "") -> "Content":
        """Raises InvalidInput that names the field."""
        for name, text, most in (
            ("instructions", instructions, MAX_INSTRUCTIONS),
            ("text_ru", text_ru, MAX_TEXT),
            ("text_en", text_en, MAX_TEXT),
        ):
            if len(text) > most:
                raise InvalidInput(f"{name}: at most {most} characters, there are {len(text)}")
            if "\x00" in text:
                raise InvalidInput(f"{name}: holds a zero character: give plain text")
        return cls(instructions.strip(), text_ru.strip(), text_en.strip())


@dataclass(frozen=True, slots=True)
class Version:
    number: int
    content: Content
    note: str
    author: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """A conversation of the suite that did not end as it must."""

    id: str
    title: str
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One run of the suite with one version."""

    version: int
    brain: str
    """Which models talked: own:NAMES, file:NAME, or simulated:PROVIDER (reads the state, not the prompt's words)."""
    suite: str
    """Digest of the conversations that were played: runs of different suites say nothing about each other."""
    whole: bool
    """The whole suite, not a part of it."""
    total: int
    failures: tuple[Failure, ...]
    turns: int
    """In which a model was asked."""
    unanswered: int
    """Of them, where its words were held back or did not come and the rules spoke instead."""
    author: str
    at: datetime

    @property
    def passed(self) -> int:
        return self.total - len(self.failures)

    @property
    def unanswered_share(self) -> float:
        return self.unanswered / self.turns if self.turns else 0.0

    @property
    def simulated(self) -> bool:
        return self.brain.startswith("simulated:")


class Act(StrEnum):
    PUBLISHED = "published"
    ROLLED_BACK = "rolled_back"
    SPLIT = "split"
    """A share of the conversations gets a candidate."""
    SPLIT_ENDED = "split_ended"


@dataclass(frozen=True, slots=True)
class Change:
    """A line of the history: who did what, when and why."""

    id: int
    act: Act
    version: int
    share: float
    """Of a split: 0 < share < 1; else 0."""
    forced: bool
    """Against the rules below, with the reason given."""
    author: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Split:
    id: int
    """Id of the change that began it."""
    candidate: int
    share: float


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds now."""

    published: int = AS_SET
    split: Split | None = None


@dataclass(frozen=True, slots=True)
class Assigned:
    version: int
    split: int
    """0: no split was running."""


def standing(changes: Sequence[Change]) -> Standing:
    """`changes`: oldest first. A new version in force ends a split: its candidate was compared with the old one."""
    now = Standing()
    for change in changes:
        match change.act:
            case Act.PUBLISHED | Act.ROLLED_BACK:
                now = Standing(change.version)
            case Act.SPLIT:
                now = Standing(now.published, Split(change.id, change.version, change.share))
            case Act.SPLIT_ENDED:
                now = Standing(now.published)
    return now


def before(changes: Sequence[Change]) -> int | None:
    """The version that was in force before the present one; None when there was no other."""
    present = standing(changes).published
    earlier = [AS_SET, *(c.version for c in changes if c.act in (Act.PUBLISHED, Act.ROLLED_BACK))]
    return next((version for version in reversed(earlier) if version != present), None)


def assigned(now: Standing, person: str) -> Assigned:
    """Who gets what: the same person the same version for as long as a split runs, another draw in the next one.

    `person`: the client's number, or the conversation's id where there is none.
    """
    if now.split is None:
        return Assigned(now.published, 0)
    digest = hashlib.sha256(f"{now.split.id}|{person}".encode()).digest()
    bucket = int.from_bytes(digest[:8], "big") % BUCKETS
    chosen = bucket < round(now.split.share * BUCKETS)
    return Assigned(now.split.candidate if chosen else now.published, now.split.id)


def obstacle(version: int, published: int, checks: Sequence[Check]) -> str:
    """Why the version may not talk to callers yet, with the remedy; empty when it may.

    `checks`: of both versions, oldest first. With every brain that the version was checked with, its latest run of the
    whole suite must fail nowhere where the published version passes; a good run with one brain does not outweigh a bad
    one with another.
    """
    latest = _latest(checks, version)
    if not latest:
        return f"version {version} was not checked by the whole suite: ai-admin prompts check {version}"
    for brain, check in latest.items():
        base = next(
            (
                c for c in reversed(checks)
                if (c.version, c.brain, c.suite) == (published, brain, check.suite) and c.whole
            ),
            None,
        )  # fmt: skip
        if base is None:
            return (
                f"version {published} in force was not checked with {brain} and the same suite, there is nothing to "
                f"compare with: ai-admin prompts check {version}"
            )
        fresh = new_failures(check, base)
        if fresh:
            names = ", ".join(failure.id for failure in fresh)
            return f"version {version} fails with {brain} where version {published} passes: {names}"
        if check.unanswered_share - base.unanswered_share > MORE_SILENT:
            return (
                f"with version {version} the rules had to speak instead of {brain} in {check.unanswered} of "
                f"{check.turns} turns, with version {published} in {base.unanswered} of {base.turns}"
            )
    return ""


def new_failures(check: Check, base: Check) -> tuple[Failure, ...]:
    known = {failure.id for failure in base.failures}
    return tuple(failure for failure in check.failures if failure.id not in known)


def _latest(checks: Sequence[Check], version: int) -> dict[str, Check]:
    return {check.brain: check for check in checks if check.version == version and check.whole}


def valid_share(share: float) -> float:
    if not 1 / BUCKETS <= share <= 1 - 1 / BUCKETS:
        raise InvalidInput("share: a part of the conversations between 0 and 1, for example 0.2")
    return share


def valid_name(value: str, field: str = "by") -> str:
    stripped = " ".join(value.split())
    if not stripped or len(stripped) > MAX_NAME:
        raise InvalidInput(f"{field}: who does this, 1 to {MAX_NAME} characters")
    return stripped


def valid_note(value: str, field: str, *, needed: bool = False) -> str:
    stripped = value.strip()
    if needed and not stripped:
        raise InvalidInput(f"{field}: must not be empty here, say why")
    if len(stripped) > MAX_NOTE:
        raise InvalidInput(f"{field}: at most {MAX_NOTE} characters")
    return stripped
