"""OData version 3 as 1C speaks it: literals, keys, percent-encoding. Pure.

Source: https://1cfresh.com/articles/data_odata and the platform's own names of sets and fields. A literal without its
prefix (`guid`, `datetime`) is refused with 400; in a filter a space is %20, since a plus is not understood.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

from core.errors import InvalidInput
from core.outside_http import Malformed

ROOT = "/odata/standard.odata"
EMPTY_REF = "00000000-0000-0000-0000-000000000000"
EMPTY_DATE = "0001-01-01T00:00:00"
NAMESPACE = "StandardODATA"
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def is_guid(text: str) -> bool:
    return _GUID.fullmatch(text) is not None


def guid(ref: str) -> str:
    """Raises InvalidInput for what is no reference: it must not slip into a filter as text."""
    if not is_guid(ref):
        raise InvalidInput("reference: a 1C reference looks like 6f9619ff-8b86-d011-b42d-00cf4fc964ff")
    return f"guid'{ref.lower()}'"


def string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def wall(at: datetime, zone: ZoneInfo) -> str:
    """A moment as 1C keeps it: wall clock of the base, no zone, whole seconds."""
    return at.astimezone(zone).replace(tzinfo=None).isoformat(timespec="seconds")


def moment(at: datetime, zone: ZoneInfo) -> str:
    return f"datetime'{wall(at, zone)}'"


def read_wall(text: str, zone: ZoneInfo, where: str) -> datetime | None:
    """None: the empty date. A zone in the text is believed, though 1C writes none. Raises Malformed."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Malformed(f"{where}: a date was expected") from None
    if found.year <= 1:
        return None
    return found.replace(tzinfo=zone) if found.tzinfo is None else found.astimezone(zone)


def contains(needle: str, field: str) -> str:
    return f"substringof({string(needle)},{field})"


def both(parts: Iterable[str]) -> str:
    return " and ".join(part for part in parts if part)


def either(parts: Iterable[str]) -> str:
    return " or ".join(parts)


def reference(field: str, ref: str, target: str) -> str:
    """`Клиент_Key eq guid'…'`; a field of several types has no _Key and needs the cast."""
    if field.endswith("_Key"):
        return f"{field} eq {guid(ref)}"
    return f"{field} eq cast({guid(ref)},{string(target)})"


def entity(name: str, ref: str, action: str = "") -> str:
    """Path of one object: /Catalog_X(guid'…'), or of an action on it."""
    return f"/{quote(name, safe='_')}({guid(ref)}){f'/{action}' if action else ''}"


def collection(name: str) -> str:
    return f"/{quote(name, safe='_')}"


def query(
    *, where: str = "", select: Sequence[str] = (), order: str = "", top: int | None = None, skip: int = 0
) -> str:
    """The query string with everything percent-encoded as UTF-8, `$format=json` in front."""
    pairs = [("$format", "json")]
    if where:
        pairs.append(("$filter", where))
    if select:
        pairs.append(("$select", ",".join(select)))
    if order:
        pairs.append(("$orderby", order))
    if top is not None:
        pairs.append(("$top", str(top)))
        pairs.append(("$skip", str(skip)))
    return "&".join(f"{name}={quote(value, safe='(),:')}" for name, value in pairs)
