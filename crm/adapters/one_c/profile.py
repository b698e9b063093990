"""Which sets and fields of one base are clients, masters, services and visits. Every configuration has its own.

Kept in the connection's setting `profile` as JSON. A misspelt field is silently ignored by 1C when it is written, so
unknown keys are refused here by name, and what was written is compared with what 1C answers.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from core.errors import InvalidInput
from crm.adapters.one_c.metadata import EntitySet, Metadata
from crm.model import BookingStatus

STATUSES = ("booked", "confirmed", "arrived", "no_show", "cancelled")


MEANINGS = (
    ("cancelled", ("отмен", "отказ")),
    ("no_show", ("неяв", "не яв", "непри", "не при")),
    ("confirmed", ("подтвержд",)),
    ("arrived", ("пришел", "пришёл", "пришла", "завершен", "выполнен", "оказан", "закрыт")),
    ("booked", ("запис", "запланир", "нов", "ожида", "открыт")),
)
"""What a status means by how its name begins."""


def meaning_of(name: str) -> str:
    """One of STATUSES; empty: the word tells nothing."""
    text = name.strip().casefold()
    return next((key for key, stems in MEANINGS if text.startswith(stems)), "")


@dataclass(frozen=True, slots=True)
class ListMap:
    """A catalogue of masters or services."""

    set: str
    name: str = "Description"


@dataclass(frozen=True, slots=True)
class ClientMap:
    set: str
    name: str = "Description"
    phone: str = ""
    """A field of the catalogue itself; or else `contacts`."""
    contacts: str = ""
    """The tabular part with contact information."""
    contact_type: str = "Тип"
    contact_type_phone: str = "Телефон"
    contact_kind: str = "Вид_Key"
    contact_kind_phone: str = ""
    """Reference of the kind «Телефон»; empty: taken from a phone that stands there already."""
    contact_digits: str = "НомерТелефона"
    contact_shown: str = "Представление"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Written into every new client as they stand."""


@dataclass(frozen=True, slots=True)
class VisitMap:
    set: str
    client: str
    """A reference: `Клиент_Key`; without _Key a field of several types, which has a second one `Клиент_Type`."""
    staff: str
    start: str = "Date"
    end: str = ""
    minutes: str = ""
    """Length; with neither `end` nor `minutes` it follows from the services."""
    service: str = ""
    """A reference in the document itself: one service a visit; or else `part`."""
    part: str = ""
    part_service: str = ""
    part_price: str = ""
    part_sum: str = ""
    part_count: str = ""
    comment: str = "Комментарий"
    """Carries our marker, unless `marker` is a field of its own."""
    marker: str = ""
    total: str = ""
    status: str = ""
    """A status field; empty: a cancelled visit is marked for deletion."""
    statuses: Mapping[str, str] = field(default_factory=dict)
    """booked, confirmed, arrived, no_show, cancelled to the value of `status`."""
    status_read: str = ""
    """A status that people set and we only read, by its words: «Отменена», «Неявка», «Подтверждена»."""
    post: bool = False
    """The document is posted after every write."""
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def status_value(self, status: BookingStatus) -> str:
        """Empty: this base has no such status."""
        key = "booked" if status is BookingStatus.WAITING_PREPAY else status.value
        return self.statuses.get(key, "") if self.status else ""


@dataclass(frozen=True, slots=True)
class Profile:
    clients: ClientMap
    staff: ListMap
    services: ListMap
    visit: VisitMap
    int64: tuple[str, ...] = ()
    """Fields that travel as text by the rule for Edm.Int64: a number there would be dropped silently."""

    def to_json(self) -> str:
        """Without what is as usual, so that a person can read it."""
        found: dict[str, Any] = {}
        for name in ("clients", "staff", "services", "visit"):
            part = getattr(self, name)
            given = asdict(part)
            usual = {item.name: {} if item.default is MISSING else item.default for item in fields(part)}
            found[name] = {key: value for key, value in given.items() if value != usual[key]}
        if self.int64:
            found["int64"] = list(self.int64)
        return json.dumps(found, ensure_ascii=False)


def parse_profile(given: str | Mapping[str, Any]) -> Profile:
    """Raises InvalidInput that names the field and what would be right."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            raise InvalidInput("profile: no JSON; take the proposal of the check and change it") from None
    if not isinstance(given, Mapping):
        raise InvalidInput("profile: an object with clients, staff, services and visit is needed")
    parts: dict[str, Any] = {
        name: _part(kind, given.get(name), name)
        for name, kind in (("clients", ClientMap), ("staff", ListMap), ("services", ListMap), ("visit", VisitMap))
    }
    int64 = given.get("int64", [])
    if not isinstance(int64, list) or not all(isinstance(item, str) for item in int64):
        raise InvalidInput("profile.int64: a list of field names is needed")
    if strange := sorted(set(given) - {*parts, "int64"}):
        raise InvalidInput(f"profile: there is no {', '.join(strange)}")
    profile = Profile(**parts, int64=tuple(int64))
    visit = profile.visit
    if not profile.clients.phone and not profile.clients.contacts:
        raise InvalidInput("profile.clients: name the field `phone` or the tabular part `contacts`")
    if bool(visit.part) == bool(visit.service):
        raise InvalidInput("profile.visit: name either `service` or the tabular part `part` with `part_service`")
    if visit.part and not visit.part_service:
        raise InvalidInput("profile.visit.part_service: which column of the part is the service?")
    if not visit.comment and not visit.marker:
        raise InvalidInput("profile.visit: name `comment` or `marker`: without our mark a lost answer is not found")
    if strange := sorted(set(visit.statuses) - set(STATUSES)):
        raise InvalidInput(f"profile.visit.statuses: unknown {', '.join(strange)}; there are {', '.join(STATUSES)}")
    if visit.status and not {"booked", "cancelled"} <= set(visit.statuses):
        raise InvalidInput("profile.visit.statuses: booked and cancelled are needed when `status` is named")
    return profile


def _part(kind: Any, given: Any, where: str) -> Any:
    if not isinstance(given, Mapping):
        raise InvalidInput(f"profile.{where}: an object is needed")
    known = {item.name: item for item in fields(kind)}
    if strange := sorted(set(given) - set(known)):
        raise InvalidInput(f"profile.{where}: there is no {', '.join(strange)}; there are {', '.join(known)}")
    for name, value in given.items():
        wanted = {"defaults": Mapping, "statuses": Mapping, "post": bool}.get(name, str)
        if not isinstance(value, wanted):
            raise InvalidInput(f"profile.{where}.{name}: {wanted.__name__.lower()} is needed")
    try:
        return kind(**given)
    except TypeError:
        wanted_names = [name for name in ("set", "client", "staff") if name in known and not given.get(name)]
        raise InvalidInput(f"profile.{where}: {', '.join(wanted_names)} must be named") from None


def contradictions(profile: Profile, metadata: Metadata) -> list[str]:
    """What the profile names and the base does not publish: `Document_Визит.Мастер_Key`."""
    wrong: list[str] = []

    def check(name: str, *wanted: str) -> EntitySet | None:
        found = metadata.sets.get(name)
        if found is None:
            wrong.append(name)
            return None
        wrong.extend(f"{name}.{item}" for item in wanted if item and item not in found.fields)
        return found

    def check_part(owner: EntitySet | None, part: str, *wanted: str) -> None:
        if owner is None or not part:
            return
        rows = owner.parts.get(part)
        if rows is None:
            wrong.append(f"{owner.name}.{part}")
            return
        wrong.extend(f"{owner.name}.{part}.{item}" for item in wanted if item and item not in rows.fields)

    clients, visit = profile.clients, profile.visit
    owner = check(clients.set, clients.name, clients.phone, *clients.defaults)
    check_part(owner, clients.contacts, clients.contact_type, clients.contact_digits, clients.contact_shown)
    check(profile.staff.set, profile.staff.name)
    check(profile.services.set, profile.services.name)
    owner = check(
        visit.set, visit.start, visit.end, visit.minutes, visit.client, visit.staff, visit.service, visit.comment,
        visit.marker, visit.total, visit.status, visit.status_read, *visit.defaults,
    )  # fmt: skip
    check_part(owner, visit.part, visit.part_service, visit.part_price, visit.part_sum, visit.part_count)
    return wrong
