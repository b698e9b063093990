"""Events as JSON for the inbox and back. The row's `kind` says which class it is."""

from typing import Any

from pydantic import TypeAdapter

from channels.model import (
    AccountChanged,
    DeliveryReported,
    Event,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    Outgoing,
    ReachChanged,
    StaffReplied,
    ThreadMoved,
)
from core.errors import InvalidInput

_CLASSES: dict[str, type[Any]] = {
    "message": MessageReceived,
    "edit": MessageEdited,
    "delete": MessageDeleted,
    "staff": StaffReplied,
    "delivery": DeliveryReported,
    "reach": ReachChanged,
    "account": AccountChanged,
    "moved": ThreadMoved,
}


class EventCodec:
    """Builds pydantic's readers once; one object serves a process."""

    def __init__(self) -> None:
        self._adapters = {kind: TypeAdapter(cls) for kind, cls in _CLASSES.items()}
        self._kinds = {cls: kind for kind, cls in _CLASSES.items()}
        self._outgoing = TypeAdapter(Outgoing)

    def kind(self, event: Event) -> str:
        return self._kinds[type(event)]

    def dump(self, event: Event) -> dict[str, Any]:
        """Without fields that stand at their default. Raises InvalidInput for what JSON cannot hold."""
        try:
            data: dict[str, Any] = self._adapters[self.kind(event)].dump_python(
                event, mode="json", exclude_defaults=True
            )
        except ValueError:
            raise InvalidInput("event: an adapter gave something that is not JSON-able") from None
        return dict(without_zero(data))

    def load(self, kind: str, data: Any) -> Event:
        """Raises InvalidInput for a row that this version cannot read."""
        if kind not in self._adapters:
            raise InvalidInput("event: an unknown kind lies in the inbox")
        try:
            event: Event = self._adapters[kind].validate_python(data)
        except ValueError:
            raise InvalidInput("event: a row of the inbox cannot be read") from None
        return event

    def dump_outgoing(self, message: Outgoing) -> dict[str, Any]:
        """All but the voice, which is a file and no JSON."""
        data: dict[str, Any] = self._outgoing.dump_python(
            message, mode="json", exclude={"voice", "id"}, exclude_defaults=True
        )
        return dict(without_zero(data))

    def load_outgoing(self, data: Any, message_id: Any) -> Outgoing:
        try:
            return self._outgoing.validate_python({**data, "id": message_id})
        except ValueError:
            raise InvalidInput("message: its stored form cannot be read") from None


def without_zero(value: Any) -> Any:
    """PostgreSQL's JSON and text hold no zero character and no half of a surrogate pair; clients may send both."""
    if isinstance(value, str):
        if "\x00" not in value and value.isascii():
            return value
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {without_zero(key): without_zero(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_zero(item) for item in value]
    return value
