"""A first mapping profile from a base's `$metadata`: typical names first, then what the structure shows. Pure.

It is a proposal: a person looks at it before the salon relies on it. What cannot be told is said by name, never guessed
away.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from core.errors import InvalidInput
from crm.adapters.one_c.metadata import EntitySet, Metadata, Rows, read_metadata
from crm.adapters.one_c.profile import ClientMap, ListMap, Profile, VisitMap, meaning_of

CLIENTS = ("Клиенты", "Контрагенты", "Партнеры", "ФизическиеЛица")
STAFF = ("Сотрудники", "Мастера", "Специалисты", "Исполнители")
SERVICES = ("Услуги", "Номенклатура")
CLIENT_STEMS = ("клиент", "контрагент", "покупател", "партнер", "заказчик", "гость", "посетител", "участник")
STAFF_STEMS = ("мастер", "сотрудник", "специалист", "исполнител", "работник", "ответственн", "автор")
SERVICE_STEMS = ("услуг", "номенклатур", "работ", "процедур")
VISIT_STEMS = (
    ("запис", 100), ("визит", 90), ("посещен", 85), ("сеанс", 80), ("бронир", 70), ("заказпокупател", 50),
    ("заказклиент", 50), ("заказнаряд", 45), ("событи", 40), ("заказ", 30),
)  # fmt: skip
STARTS = ("датаначала", "начало", "времяначала", "датавремяначала", "датавизита", "датазаписи", "времязаписи")
ENDS = ("датаокончания", "окончание", "времяокончания", "датавремяокончания", "датаконца", "конец")
LENGTHS = ("длительность", "продолжительность")
COMMENTS = ("комментарий", "примечание", "описание", "содержание")
MARKERS = ("меткаaiadmin", "внешнийидентификатор", "внешнийкод", "идентификаторвнешнейсистемы")
TOTALS = ("суммадокумента", "сумма", "стоимость")
PARTS = ("услуги", "работы", "запасы", "товары", "процедуры")
NUMBERS = ("Edm.Int16", "Edm.Int32", "Edm.Int64", "Edm.Double", "Edm.Decimal")
MOST = 4
"""Candidates of each kind that are tried together."""
NO_CLIENTS = (
    "clients: no catalogue of people with a phone (Catalog_Клиенты or Catalog_Контрагенты with a field Телефон or the "
    "part КонтактнаяИнформация) is published"
)
NO_VISIT = "visit: no document is published; publish the one in which the salon keeps its appointments"


class CannotPropose(InvalidInput):
    """The metadata does not show everything; `missing` says what, one sentence each."""

    code = "profile_incomplete"

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__("profile: " + "; ".join(missing))
        self.missing = tuple(missing)


@dataclass(frozen=True, slots=True)
class _Visit:
    score: int
    map: VisitMap
    int64: tuple[str, ...]


def propose_profile(metadata: Metadata | bytes | str) -> Profile:
    """The likeliest profile. Raises CannotPropose that names everything that was not found."""
    known = metadata if isinstance(metadata, Metadata) else read_metadata(metadata)
    clients = _clients(known)
    staff = _catalogues(known, STAFF, ("сотрудник", "мастер", "специалист"))
    services = _catalogues(known, SERVICES, ("услуг", "номенклатур"))
    missing = [
        sentence
        for sentence, found in (
            (NO_CLIENTS, clients),
            ("staff: no catalogue of masters (Catalog_Сотрудники) is published", staff),
            ("services: no catalogue of services (Catalog_Номенклатура, Catalog_Услуги) is published", services),
            (NO_VISIT, [name for name in known.sets if name.startswith("Document_")]),
        )
        if not found
    ]
    if missing:
        raise CannotPropose(missing)
    best: tuple[int, Profile] | None = None
    lacking = ""
    # The document decides: a base may have both Сотрудники and Мастера, and only one of them is in the appointment.
    for person, master, service in product(clients[:MOST], staff[:MOST], services[:MOST]):
        found, nearest = _visits(known, person.set, master, service)
        lacking = lacking or nearest
        for visit in found:
            if best is None or visit.score > best[0]:
                best = (visit.score, Profile(person, ListMap(master), ListMap(service), visit.map, visit.int64))
    if best is None:
        raise CannotPropose(
            [f"visit: no document has a client, a master, a service and a comment; nearest: {lacking or 'none'}"]
        )
    return best[1]


def _clients(known: Metadata) -> list[ClientMap]:
    maps = []
    for name in _catalogues(known, CLIENTS, CLIENT_STEMS):
        found = known.sets[name]
        part = next((p for p, rows in found.parts.items() if "контакт" in p.casefold() and _is_contacts(rows)), "")
        phone = _field(found.fields, ("телефон", "мобильныйтелефон", "номертелефона"), ("Edm.String",))
        if part:
            maps.append(_with_contacts(name, part, found.parts[part]))
        elif phone:
            maps.append(ClientMap(name, phone=phone))
    return maps


def _is_contacts(rows: Rows) -> bool:
    return any(name in rows.fields for name in ("НомерТелефона", "Представление"))


def _with_contacts(name: str, part: str, rows: Rows) -> ClientMap:
    """Columns that this base has not are left out of what is written."""

    def known(column: str) -> str:
        return column if column in rows.fields else ""

    return ClientMap(
        name,
        contacts=part,
        contact_type=known("Тип"),
        contact_kind=known("Вид_Key"),
        contact_digits=known("НомерТелефона"),
        contact_shown=known("Представление"),
    )


def _catalogues(known: Metadata, names: Sequence[str], stems: Sequence[str]) -> list[str]:
    usual = [f"Catalog_{name}" for name in names if f"Catalog_{name}" in known.sets]
    stemmed = [
        name
        for name, found in known.sets.items()
        if name.startswith("Catalog_")
        and name not in usual
        and "Description" in found.fields
        and "LineNumber" not in found.fields
        and any(name.removeprefix("Catalog_").casefold().startswith(stem) for stem in stems)
    ]
    return [*usual, *sorted(stemmed, key=len)]


def _visits(known: Metadata, clients: str, staff: str, services: str) -> tuple[list[_Visit], str]:
    """The documents that can hold a visit; and, when none can, what the nearest one lacks."""
    found: list[_Visit] = []
    nearest: tuple[int, str] = (99, "")
    for name, document in known.sets.items():
        if not name.startswith("Document_") or "LineNumber" in document.fields:
            continue
        client = _reference(document, clients, CLIENT_STEMS)
        master = _reference(document, staff, STAFF_STEMS)
        service = _reference(document, services, SERVICE_STEMS)
        part, rows = _part(document, services)
        comment = _field(document.fields, COMMENTS, ("Edm.String",))
        has = {"a client": client, "a master": master, "a service": service or part, "a comment": comment}
        absent = [what for what, given in has.items() if not given]
        if absent:
            nearest = min(nearest, (len(absent), f"{name} lacks {', '.join(absent)}"))
            continue
        visit = VisitMap(name, client, master, service="" if part else service, part=part, comment=comment)
        visit = _visit(known, document, _with_columns(visit, rows, services) if part else visit)
        int64 = [f for f in (visit.minutes, visit.total) if f and document.fields[f] == "Edm.Int64"]
        columns = (visit.part_price, visit.part_sum, visit.part_count)
        int64 += [column for column in columns if rows.fields.get(column) == "Edm.Int64"]
        found.append(_Visit(_score(visit), visit, tuple(dict.fromkeys(int64))))
    return found, nearest[1] if nearest[0] < 4 else ""


def _with_columns(visit: VisitMap, rows: Rows, services: str) -> VisitMap:
    return replace(
        visit,
        part_service=_reference(rows, services, SERVICE_STEMS),
        part_price=_field(rows.fields, ("цена",), NUMBERS),
        part_sum=_field(rows.fields, ("сумма",), NUMBERS),
        part_count=_field(rows.fields, ("количество",), NUMBERS),
    )


def _visit(known: Metadata, document: EntitySet, visit: VisitMap) -> VisitMap:
    fields = document.fields
    status, statuses = _status(known, document)
    return replace(
        visit,
        start=_field(fields, STARTS, ("Edm.DateTime",)) or "Date",
        end=_field(fields, ENDS, ("Edm.DateTime",)),
        minutes=_field(fields, LENGTHS, NUMBERS),
        marker=_field(fields, MARKERS, ("Edm.String",)),
        total=_field(fields, TOTALS, NUMBERS),
        status=status,
        statuses=statuses,
        status_read="" if status else _field(_about_the_visit(fields), ("статус", "состояние"), ("Edm.String",)),
    )


def _about_the_visit(fields: Mapping[str, str]) -> dict[str, str]:
    """Without the states of payment, delivery and the like."""
    others = ("оплат", "достав", "отгруз", "печат", "обмен", "эдо")
    return {name: kind for name, kind in fields.items() if not any(stem in name.casefold() for stem in others)}


def _score(visit: VisitMap) -> int:
    name = visit.set.removeprefix("Document_").casefold()
    named = max((points for stem, points in VISIT_STEMS if stem in name), default=0)
    return named + 20 * (visit.start != "Date") + 10 * bool(visit.end or visit.minutes) + 5 * bool(visit.part)


def _reference(owner: EntitySet | Rows, target: str, stems: Sequence[str]) -> str:
    """The field that points to this set: `Клиент_Key`, or `Клиент` of several types. Empty: none."""
    by_name = sorted(
        (name for name, aim in owner.targets.items() if aim == target), key=lambda name: _rank(name.casefold(), stems)
    )
    for name in by_name:
        if f"{name}_Key" in owner.fields:
            return f"{name}_Key"
    for stem in stems:
        for field in owner.fields:
            base = field.removesuffix("_Key")
            if not base.casefold().startswith(stem) or base in owner.targets:
                continue
            if field.endswith("_Key") or f"{field}_Type" in owner.fields:
                return field
    return ""


def _rank(name: str, stems: Sequence[str]) -> int:
    return next((index for index, stem in enumerate(stems) if name.startswith(stem)), len(stems))


def _part(document: EntitySet, services: str) -> tuple[str, Rows]:
    """The tabular part with the visit's services. Empty: none."""
    for name in sorted(document.parts, key=lambda name: _rank(name.casefold(), PARTS)):
        rows = document.parts[name]
        if _reference(rows, services, SERVICE_STEMS):
            return name, rows
    return "", Rows({})


def _status(known: Metadata, document: EntitySet) -> tuple[str, dict[str, str]]:
    """Only where the metadata lists the values: what «Отменена» is called in a catalogue a person must say."""
    for field, kind in document.fields.items():
        members = known.enums.get(kind.rsplit(".", 1)[-1])
        if not members or not field.casefold().startswith(("состояние", "статус")):
            continue
        statuses: dict[str, str] = {}
        for member in members:
            meaning = meaning_of(member)
            if meaning:
                statuses.setdefault(meaning, member)
        if {"booked", "cancelled"} <= set(statuses):
            return field, statuses
    return "", {}


def _field(fields: Mapping[str, str], wanted: Iterable[str], kinds: Sequence[str]) -> str:
    """The field of such a type whose name is one of these, or begins with one. Empty: none."""
    typed = [name for name, kind in fields.items() if kind in kinds]
    names = tuple(wanted)
    for name in names:
        exact = next((field for field in typed if field.casefold() == name), "")
        if exact:
            return exact
    return next((field for name in names for field in typed if field.casefold().startswith(name)), "")
