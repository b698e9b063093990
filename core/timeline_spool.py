"""A file for timeline events that the database does not take for now: one JSON object a line, appended and synced."""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from core.ids import CompanyId, ConversationId
from core.tenancy import CompanyScope
from core.timeline import EventKind, TimelineEvent


@dataclass(frozen=True, slots=True)
class StampedEvent:
    """An event on its way to the database."""

    event_id: UUID
    """Makes storing it twice harmless."""
    scope: CompanyScope
    event: TimelineEvent


class Spool:
    """Events go in by `put`, come out by `take`, and leave the disk by `forget_taken` once they are stored.

    Blocking; a crash between `take` and `forget_taken` gives them again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._taken = path.with_name(path.name + ".taken")

    @property
    def holds_events(self) -> bool:
        """Events that nobody took in this life of the process."""
        return self._path.exists()

    def put(self, events: Sequence[StampedEvent]) -> None:
        """Raises OSError when the disk does not take them."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(_to_line(event) for event in events)
        with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def take(self) -> list[StampedEvent]:
        """Everything in the file, oldest first; lines that a crash cut short are left out."""
        if self._taken.exists():
            with self._taken.open("a") as taken:
                taken.write(self._path.read_text())
            self._path.unlink()
        else:
            self._path.rename(self._taken)
        return [event for line in self._taken.read_text().splitlines() if (event := _from_line(line))]

    def recover(self) -> None:
        """At start: what an earlier life had taken but not stored is to be taken again."""
        if self._taken.exists():
            newer = self._path.read_text() if self._path.exists() else ""
            with self._taken.open("a") as taken:
                taken.write(newer)
            self._taken.replace(self._path)

    def forget_taken(self) -> None:
        self._taken.unlink(missing_ok=True)


def clean_data(value: Any) -> Any:
    """The nearest thing that JSON and PostgreSQL's jsonb can hold: no zero characters, no NaN, no other types."""
    if isinstance(value, dict):
        return {clean_data(str(key)): clean_data(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean_data(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    return str(value).replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _to_line(stamped: StampedEvent) -> str:
    event = stamped.event
    return (
        json.dumps(
            {
                "event_id": str(stamped.event_id),
                "company": str(stamped.scope.company_id),
                "conversation": str(event.conversation_id),
                "kind": event.kind.value,
                "at": event.at.isoformat(),
                "call_ms": event.call_ms,
                "data": clean_data(event.data),
            },
            ensure_ascii=False,
        )
        + "\n"
    )


def _from_line(line: str) -> StampedEvent | None:
    try:
        row = json.loads(line)
        return StampedEvent(
            UUID(row["event_id"]),
            CompanyScope(CompanyId(UUID(row["company"]))),
            TimelineEvent(
                ConversationId(UUID(row["conversation"])),
                EventKind(row["kind"]),
                datetime.fromisoformat(row["at"]),
                row["call_ms"],
                row["data"],
            ),
        )
    except (ValueError, KeyError, TypeError):
        return None
