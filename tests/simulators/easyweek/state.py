"""What EasyWeek holds: a workspace with locations, services, staffers, customers, bookings; and its free time."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from crm.company_yaml import CompanyFile
from crm.schedule import from_minute, local_day, working_minutes
from tests.simulators.vendor.crm import Now

SPACE = UUID("6f1d2c1e-98a5-4b53-8f5e-0d6f1f3f7a10")


class Intervals(StrEnum):
    """How `intervals` are spelled: the reference is silent, clients differ."""

    FORMATTED = "formatted"
    """start_formatted "10:00"."""
    FORMATTED_SECONDS = "formatted_seconds"
    """start_formatted 36000, seconds since midnight."""
    SECONDS = "seconds"
    """start 36000."""
    ISO_LOCAL = "iso_local"
    """start "2026-12-09T10:00:00+03:00"."""
    ISO_UTC = "iso_utc"
    """start_time "2026-12-09T07:00:00Z"."""
    BOTH = "both"
    """start as seconds of the epoch beside start_formatted."""


class Envelope(StrEnum):
    PAGES = "pages"
    """Lists as Laravel's pages, objects bare."""
    DATA = "data"
    """Everything inside `data`."""
    BARE = "bare"
    """Lists bare, without a word about further pages."""
    NEXT_LINK = "next_link"
    """Pages with links.next only, without meta."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the ways in which the unknown wire may be."""

    intervals: Intervals = Intervals.FORMATTED
    envelope: Envelope = Envelope.PAGES
    zone_object: bool = True
    cancel: str = "PUT status/cancel"
    """Or "POST set-booking-cancel"."""
    newest_first: bool = True
    """Order of lists of bookings."""
    slash: bool = True
    """`time-slots/` with its last slash, to which the other spelling is redirected; or the other way round."""
    names_staff: bool = False
    """Bookings carry `staffer_uuid`."""
    names_offers: bool = False
    """Staffers carry their services."""
    words: str = "reserved_on: Выбранное время уже занято"
    """Of the refusal of a taken time: field and message."""


@dataclass
class Booked:
    uuid: str
    staff: str
    services: list[str]
    customer: str
    start: datetime
    length: timedelta
    notes: str
    timezone: str
    made: int
    canceled: bool = False

    @property
    def end(self) -> datetime:
        return self.start + self.length


@dataclass
class Workspace:
    file: CompanyFile
    now: Now
    bookings: dict[str, Booked] = field(default_factory=dict)
    customers: dict[str, dict[str, str]] = field(default_factory=dict)
    _made: int = 0

    def __post_init__(self) -> None:
        self.location = self.uuid("location")
        self.services = {self.uuid(f"service {s.id}"): s for s in self.file.services}
        self.staff = {self.uuid(f"staff {s.id}"): s for s in self.file.staff}
        self.service_keys = {str(s.id): key for key, s in self.services.items()}
        self.staff_keys = {str(s.id): key for key, s in self.staff.items()}
        self.client_keys = {}
        for client in self.file.clients:
            self.client_keys[str(client.id)] = self.add_customer(client.name, client.phone.e164 if client.phone else "")
        for booking in self.file.bookings:
            customer = self.client_keys[booking.client_id] if booking.client_id else ""
            self.write(
                self.staff_keys[booking.staff_id],
                [self.service_keys[s] for s in booking.service_ids],
                customer or self.add_customer("Кто-то", ""),
                booking.start,
                length=booking.end - booking.start,
            )

    def uuid(self, what: str) -> str:
        return str(uuid5(SPACE, what))

    def add_customer(self, name: str, phone: str) -> str:
        self._made += 1
        key = self.uuid(f"customer {self._made}")
        first, _, last = name.partition(" ")
        self.customers[key] = {"uuid": key, "first_name": first, "last_name": last, "phone": phone}
        return key

    def customer_by_phone(self, phone: str) -> str | None:
        return next((key for key, one in self.customers.items() if phone and one["phone"] == phone), None)

    def does(self, staff: str, service: str) -> bool:
        return self.services[service].offer_by(self.staff[staff].id) is not None

    def length(self, services: list[str]) -> timedelta:
        return sum((self.services[s].duration for s in services), timedelta(0))

    def free(self, staff: str, day: date) -> list[tuple[datetime, datetime]]:
        """Working time of the day without what is booked and without the past."""
        zone = self.file.zone
        schedule = next(s for s in self.file.schedules if s.staff_id == self.staff[staff].id)
        found = []
        for a, b in working_minutes(schedule, local_day(day, zone)):
            at, end = max(from_minute(a).astimezone(zone), self.now().astimezone(zone)), from_minute(b).astimezone(zone)
            taken = sorted(
                (row.start, row.end)
                for row in self.bookings.values()
                if row.staff == staff and not row.canceled and row.start < end and at < row.end
            )
            for start, stop in taken:
                if at < start:
                    found.append((at, start.astimezone(zone)))
                at = max(at, stop.astimezone(zone))
            if at < end:
                found.append((at, end))
        return found

    def is_free(self, staff: str, start: datetime, length: timedelta) -> bool:
        day = start.astimezone(self.file.zone).date()
        return any(a <= start and start + length <= b for a, b in self.free(staff, day))

    def write(
        self, staff: str, services: list[str], customer: str, start: datetime, *, notes: str = "",
        length: timedelta | None = None, timezone: str = "",
    ) -> Booked:  # fmt: skip
        self._made += 1
        key = self.uuid(f"booking {self._made}")
        zone = timezone or self.file.profile.timezone
        whole = self.length(services) if length is None else length
        self.bookings[key] = Booked(key, staff, services, customer, start, whole, notes, zone, self._made)
        return self.bookings[key]
