"""Bookings out of a file that a person exported: CSV with a line of titles, or an iCalendar (RFC 5545). Pure.

DIKIDI documents no form of its exports, so columns are found by their titles, in any order, Russian or English. A line
that cannot be read is told with its number and the reason; the others are taken.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import InvalidInput
from core.phone import Phone
from crm.adapters.dikidi.catalogue import Lists
from crm.catalogue import name_words
from crm.model import ServiceId, StaffId

MOST_BYTES = 20 * 1024 * 1024
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "start": ("дата и время", "начало", "дата записи", "start", "datetime", "дата"),
    "time": ("время", "время начала", "time"),
    "end": ("окончание", "конец", "время окончания", "end"),
    "minutes": ("длительность", "продолжительность", "duration", "минут"),
    "staff": ("мастер", "сотрудник", "специалист", "исполнитель", "master", "staff"),
    "services": ("услуга", "услуги", "service", "services", "наименование услуги"),
    "name": ("клиент", "имя", "имя клиента", "фио", "client", "name"),
    "phone": ("телефон", "телефон клиента", "номер телефона", "phone"),
    "status": ("статус", "status", "состояние"),
    "id": ("id", "номер записи", "номер", "№"),
}
_CANCELLED = ("отмен", "удал", "cancel", "не приш", "неявк")
_DATES = ("%d.%m.%Y", "%Y-%m-%d", "%d/%m/%Y", "%d.%m.%y")
_CLOCKS = ("%H:%M", "%H:%M:%S")


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One booking of the file."""

    id: str
    staff: StaffId
    services: tuple[ServiceId, ...]
    start: datetime
    end: datetime
    name: str
    phone: str
    """E.164; empty: none."""
    cancelled: bool

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "staff": self.staff,
            "services": list(self.services),
            "start": self.start.astimezone(UTC).isoformat(),
            "end": self.end.astimezone(UTC).isoformat(),
            "name": self.name,
            "phone": self.phone,
            "cancelled": self.cancelled,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], zone: ZoneInfo) -> "ExportRow":
        return cls(
            data["id"],
            StaffId(data["staff"]),
            tuple(ServiceId(s) for s in data["services"]),
            datetime.fromisoformat(data["start"]).astimezone(zone),
            datetime.fromisoformat(data["end"]).astimezone(zone),
            data["name"],
            data["phone"],
            data["cancelled"],
        )


@dataclass(frozen=True, slots=True)
class Export:
    rows: tuple[ExportRow, ...]
    skipped: tuple[str, ...]
    """A line's number and why it was not taken; no personal data."""


class _Wrong(Exception):
    """A line that cannot be taken."""


def read_export(content: bytes, lists: Lists, zone: ZoneInfo) -> Export:
    """Raises InvalidInput when the file as a whole is no such export."""
    if len(content) > MOST_BYTES:
        raise InvalidInput(f"file: it is larger than {MOST_BYTES // 1024 // 1024} MiB; export a shorter time")
    text = _text(content)
    cells = _events(text) if text.lstrip().startswith("BEGIN:VCALENDAR") else _lines(text)
    rows: list[ExportRow] = []
    skipped: list[str] = []
    try:
        for number, given in cells:
            try:
                rows.append(_row(given, lists, zone))
            except _Wrong as wrong:
                skipped.append(f"{number}: {wrong}")
    except csv.Error:
        raise InvalidInput("file: it is no table; save the export as CSV (UTF-8) with a line of titles") from None
    if not rows and not skipped:
        raise InvalidInput("file: there is no booking in it; export the bookings once more")
    return Export(tuple(rows), tuple(skipped))


def _text(content: bytes) -> str:
    for encoding in ("utf-8-sig", "cp1251"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InvalidInput("file: it is no text; save the export as CSV (UTF-8) or as a calendar (.ics)")


def _lines(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    first = text.split("\n", 1)[0]
    delimiter = max(";,\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter)
    titles = [title.strip().casefold() for title in next(reader, [])]
    places = {
        name: next((titles.index(title) for title in known if title in titles), None) for name, known in COLUMNS.items()
    }
    missing = [COLUMNS[name][0] for name in ("start", "staff", "services") if places[name] is None]
    if missing:
        raise InvalidInput(f"file: columns are missing: {', '.join(missing)}; export the bookings with these columns")
    for number, line in enumerate(reader, 2):
        if any(cell.strip() for cell in line):
            yield (
                number,
                {
                    name: line[place].strip() if place is not None and place < len(line) else ""
                    for name, place in places.items()
                },
            )


def _events(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """VEVENTs; master, services, client and phone stand in the description as «Мастер: …», services else in SUMMARY."""
    unfolded = re.sub(r"\r?\n[ \t]", "", text)
    for number, block in enumerate(re.findall(r"BEGIN:VEVENT\r?\n(.*?)END:VEVENT", unfolded, re.DOTALL), 1):
        fields: dict[str, tuple[str, str]] = {}
        for line in block.splitlines():
            head, sign, value = line.partition(":")
            name, _, parameters = head.partition(";")
            if sign:
                fields.setdefault(name.upper(), (parameters, value))
        described = _unescaped(fields.get("DESCRIPTION", ("", ""))[1])
        told = {}
        for line in described.splitlines():
            title, sign, value = line.partition(":")
            if sign:
                told[title.strip().casefold()] = value.strip()
        found: dict[str, Any] = {
            name: next((told[t] for t in known if t in told), "") for name, known in COLUMNS.items()
        }
        found["services"] = found["services"] or _unescaped(fields.get("SUMMARY", ("", ""))[1])
        found["id"] = fields.get("UID", ("", ""))[1]
        found["status"] = fields.get("STATUS", ("", found["status"]))[1]
        found["at"], found["until"] = fields.get("DTSTART"), fields.get("DTEND")
        yield number, found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([nN,;\\])", lambda m: "\n" if m[1] in "nN" else m[1], text)


def _row(given: Mapping[str, Any], lists: Lists, zone: ZoneInfo) -> ExportRow:
    staff_id = _staff(given["staff"], lists)
    services = _services(given["services"], lists)
    if given.get("at"):
        start, end = _stamp(given["at"], zone), _stamp(given["until"], zone) if given.get("until") else None
    else:
        start, end = _start(given["start"], given["time"], zone), None
        if given["end"]:
            end = _start(
                given["end"] if ":" in given["end"] and " " in given["end"] else given["start"], given["end"], zone
            )
    length = _minutes(given["minutes"]) or _length(services, staff_id, lists)
    if end is None or end <= start:
        end = (start.astimezone(UTC) + length).astimezone(zone)
    phone = Phone.parse(given["phone"]) if given["phone"] else None
    cancelled = any(word in given["status"].casefold() for word in _CANCELLED)
    key = given["id"] or f"{staff_id}-{start.astimezone(UTC):%Y%m%dT%H%M}"
    return ExportRow(key, staff_id, services, start, end, given["name"], phone.e164 if phone else "", cancelled)


def _staff(name: str, lists: Lists) -> StaffId:
    wanted = name_words(name)
    found = [member.id for member in lists.staff.values() if wanted and wanted <= name_words(member.name)]
    if len(found) != 1:
        raise _Wrong("такого мастера в виджете нет" if not found else "имя подходит нескольким мастерам")
    return found[0]


def _services(text: str, lists: Lists) -> tuple[ServiceId, ...]:
    """One name, or several divided by commas, semicolons, plus signs or lines; commas may also be part of a name."""
    by_name = {service.name.casefold().replace("ё", "е"): service.id for service in lists.services.values()}
    left = text.casefold().replace("ё", "е").strip()
    found = []
    while left:
        name = next(
            (n for n in sorted(by_name, key=len, reverse=True) if re.match(re.escape(n) + r"\s*([,;+\n]|$)", left)),
            None,
        )
        if name is None:
            raise _Wrong("такой услуги в виджете нет")
        found.append(by_name[name])
        left = left[len(name) :].lstrip(" ,;+\n\t")
    if not found:
        raise _Wrong("услуга не указана")
    return tuple(found)


def _start(day_text: str, clock_text: str, zone: ZoneInfo) -> datetime:
    day_part, _, rest = day_text.strip().replace("T", " ").partition(" ")
    clock_part = rest.strip() or clock_text.strip()
    clock_part = clock_part.split(" ")[-1].split("-")[0].split("–")[0].split("+")[0].removesuffix("Z")
    day = _parsed(day_part, _DATES, "дата")
    clock = _parsed(clock_part, _CLOCKS, "время")
    return datetime(day.year, day.month, day.day, clock.hour, clock.minute, tzinfo=zone)


def _parsed(text: str, forms: Sequence[str], what: str) -> datetime:
    for form in forms:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - its date or its clock is taken, the zone comes later
        except ValueError:
            continue
    raise _Wrong(f"{what} не читается")


def _stamp(given: tuple[str, str], zone: ZoneInfo) -> datetime:
    """DTSTART: UTC with Z, a zone by TZID, or the salon's wall clock (RFC 5545, 3.3.5)."""
    parameters, value = given
    utc = value.endswith("Z")
    try:
        found = datetime.strptime(value.removesuffix("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007 - the zone follows
        named = re.search(r"TZID=\"?([^;:\"]+)", parameters)
        own = ZoneInfo(named[1]) if named else zone
    except (ValueError, ZoneInfoNotFoundError):
        raise _Wrong("время не читается") from None
    return found.replace(tzinfo=UTC if utc else own).astimezone(zone)


def _minutes(text: str) -> timedelta | None:
    """«90», «90 мин», «1 ч 30 мин», «1:30»; None: nothing is said."""
    found = re.fullmatch(r"(?:(\d+)\s*(?:ч\w*|h\w*|:)\s*)?(?:(\d+)\s*(?:мин\w*|m\w*)?\.?)?", text.strip().casefold())
    if found is None or not any(found.groups()):
        return None
    return timedelta(hours=int(found[1] or 0), minutes=int(found[2] or 0))


def _length(services: Sequence[ServiceId], staff_id: StaffId, lists: Lists) -> timedelta:
    lengths = [(lists.services[s].offer_by(staff_id) or lists.services[s]).duration for s in services]
    return sum(lengths, timedelta(0))


def coming(rows: Sequence[ExportRow], today: date) -> list[ExportRow]:
    """What is worth keeping: nothing of the past but yesterday."""
    return [row for row in rows if row.end.date() >= today - timedelta(days=1)]
