"""What the vendor holds: a branch with services, masters, clients, records; and its rules of time."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from crm.company_yaml import CompanyFile
from crm.schedule import from_minute, local_day, working_minutes
from tests.simulators.vendor.crm import Now

GRID = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Dialect:
    name: str
    accept: str
    zone_fields: bool
    """Altegio: number in `timezone`, name in `timezone_name`."""
    put_status: int
    messages: dict[str, str]


YCLIENTS = Dialect(
    "yclients",
    "application/vnd.yclients.v2+json",
    False,
    201,
    {
        "auth": "Необходима авторизация",
        "rights": "Недостаточно прав",
        "licence": "Необходимо продлить лицензию в филиале с id: {company}",
        "taken": "К сотруднику {name}({staff}) нельзя записаться на {day} в {time}. "
        "Выбранное время уже занято или является нерабочим.",
        "absent": "Не найдено.",
    },
)
ALTEGIO = Dialect(
    "altegio",
    "application/vnd.api.v2+json",
    True,
    200,
    {
        "auth": "Authentication needed.",
        "rights": "Not enough rights",
        "licence": "License of the location {company} has ended",
        "taken": "{name}({staff}) is not available on {day} at {time}: the time is busy or not a working time.",
        "absent": "Not found.",
    },
)


@dataclass
class Row:
    """A record of the journal."""

    id: int
    staff: int
    services: list[int]
    client: int | None
    start: datetime
    length: timedelta
    comment: str
    api_id: str
    hash: str
    created: datetime
    changed: datetime
    attendance: int = 0
    deleted: bool = False
    online: bool = False

    @property
    def end(self) -> datetime:
        return self.start + self.length


class Taken(Exception):
    """The time is busy or not worked."""


@dataclass
class Branch:
    file: CompanyFile
    now: Now
    company: int = 4564
    rows: dict[int, Row] = field(default_factory=dict)
    clients: dict[int, dict[str, Any]] = field(default_factory=dict)
    _next: int = 1000

    def __post_init__(self) -> None:
        self.services = {331 + n: s for n, s in enumerate(self.file.services)}
        self.staff = {77 + n: s for n, s in enumerate(self.file.staff)}
        self.service_keys = {s.id: n for n, s in self.services.items()}
        self.staff_keys = {s.id: n for n, s in self.staff.items()}
        self.client_keys = {}
        for client in self.file.clients:
            self.client_keys[client.id] = self.add_client(client.name, client.phone.e164 if client.phone else "")
        for booking in self.file.bookings:
            client_id = self.client_keys.get(booking.client_id) if booking.client_id else None
            self.write(
                self.staff_keys[booking.staff_id],
                [self.service_keys[s] for s in booking.service_ids],
                client_id,
                booking.start.astimezone(self.file.zone),
                force=True,
                length=booking.end - booking.start,
            )

    def new_id(self) -> int:
        self._next += 1
        return self._next

    def add_client(self, name: str, phone: str) -> int:
        number = self.new_id()
        self.clients[number] = {"id": number, "name": name, "phone": phone, "email": "", "comment": ""}
        return number

    def client_by_phone(self, digits: str) -> int | None:
        return next((n for n, c in self.clients.items() if c["phone"] == f"+{digits}"), None)

    def length(self, staff: int, services: list[int]) -> timedelta:
        offers = [self.services[s].offer_by(self.staff[staff].id) for s in services]
        if not offers or any(offer is None for offer in offers):
            raise KeyError("this master does not do this service")
        return sum((offer.duration for offer in offers if offer), timedelta(0))

    def free(self, staff: int, start: datetime, length: timedelta, ignore: int = 0) -> bool:
        schedule = next(s for s in self.file.schedules if s.staff_id == self.staff[staff].id)
        worked = [
            (from_minute(a), from_minute(b))
            for a, b in working_minutes(schedule, local_day(start.astimezone(self.file.zone).date(), self.file.zone))
        ]
        end = start + length
        if not any(a <= start and end <= b for a, b in worked) or start < self.now():
            return False
        return not any(
            row.staff == staff and not row.deleted and row.id != ignore and row.start < end and start < row.end
            for row in self.rows.values()
        )

    def starts(self, staff: int, services: list[int], day: date) -> list[datetime]:
        length = self.length(staff, services)
        at = datetime(day.year, day.month, day.day, tzinfo=self.file.zone)
        found = []
        while at.date() == day:
            if self.free(staff, at, length):
                found.append(at)
            at += GRID
        return found

    def write(
        self,
        staff: int,
        services: list[int],
        client: int | None,
        start: datetime,
        *,
        force: bool = False,
        length: timedelta | None = None,
        comment: str = "",
        api_id: str = "",
        online: bool = False,
    ) -> Row:
        length = length or self.length(staff, services)
        if not force and not self.free(staff, start, length):
            raise Taken
        now = self.now()
        number = self.new_id()
        row = Row(
            number, staff, services, client, start, length, comment, api_id, f"{number:x}" * 4, now, now, online=online
        )
        self.rows[number] = row
        return row
