"""What a portal holds: contacts, deals, bookings, resources, calendars, users; and the fixture put into them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from crm.company_yaml import CompanyFile
from tests.simulators.vendor.crm import Now

CATEGORY = 9
"""The deal pipeline of visits."""
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass
class Visit:
    """A booking of the online-booking module."""

    id: int
    name: str
    description: str | None
    resources: list[int]
    start: int
    end: int
    zone: str
    clients: list[dict[str, Any]] = field(default_factory=list)
    external: list[dict[str, Any]] = field(default_factory=list)


class Portal:
    def __init__(self, file: CompanyFile, now: Now, *, booking_module: bool) -> None:
        self.file = file
        self.now = now
        self.booking_module = booking_module
        self.contacts: dict[int, dict[str, Any]] = {}
        self.deals: dict[int, dict[str, Any]] = {}
        self.visits: dict[int, Visit] = {}
        self.calendar: dict[int, dict[str, Any]] = {}
        self.user_fields: dict[str, dict[str, Any]] = {}
        self.resources = {31 + n: member.id for n, member in enumerate(file.staff)}
        self.users = {501 + n: member.id for n, member in enumerate(file.staff)}
        self.resource_names = {number: f"Кресло {number}" for number in self.resources}
        self.notifications = "N"
        self._next = 1000
        self.client_ids = {c.id: self.add_contact(c.name, c.phone.e164 if c.phone else "") for c in file.clients}
        for code in ("UF_CRM_AI_START", "UF_CRM_AI_STAFF"):  # the others the adapter must make
            self.add_user_field(code, "datetime" if code.endswith("START") else "string")
        for booking in file.bookings:
            contact = self.client_ids.get(booking.client_id) if booking.client_id else None
            self.put(str(booking.staff_id), [str(s) for s in booking.service_ids], booking.start, booking.end, contact)

    def id(self) -> int:
        self._next += 1
        return self._next

    def unix(self) -> int:
        return int(self.now().timestamp())

    # --- filling it

    def add_contact(self, name: str, phone: str) -> int:
        number = self.id()
        first, _, last = name.partition(" ")
        phones = [{"id": self.id(), "valueType": "WORK", "value": phone, "typeId": "PHONE"}] if phone else []
        self.contacts[number] = {
            "id": number, "name": first, "secondName": None, "lastName": last or None, "fm": phones,
            "originatorId": None, "originId": None, "createdTime": self.iso(), "updatedTime": self.iso(),
        }  # fmt: skip
        return number

    def add_user_field(self, code: str, kind: str) -> int:
        number = self.id()
        self.user_fields[code] = {"ID": str(number), "FIELD_NAME": code, "USER_TYPE_ID": kind, "ENTITY_ID": "CRM_DEAL"}
        return number

    def put(self, staff: str, services: list[str], start: datetime, end: datetime, contact: int | None) -> int:
        """A visit that a person has made in the portal itself."""
        names = ", ".join(s.name for s in self.file.services if s.id in services)
        if self.booking_module:
            number = self.id()
            resource = next(key for key, member in self.resources.items() if member == staff)
            clients = [{"id": contact, "type": {"module": "crm", "code": "CONTACT"}}] if contact else []
            zone = self.file.profile.timezone
            self.visits[number] = Visit(
                number, names, None, [resource], int(start.timestamp()), int(end.timestamp()), zone, clients
            )
            return number
        user = next(key for key, member in self.users.items() if member == staff)
        return self.add_deal(
            {
                "title": names, "categoryId": CATEGORY, "contactId": contact or 0,
                "UF_CRM_AI_START": start.isoformat(), "UF_CRM_AI_END": end.isoformat(),
                "UF_CRM_AI_STAFF": str(user), "UF_CRM_AI_SERVICES": ",".join(services),
            }
        )  # fmt: skip

    def add_deal(self, fields: dict[str, Any]) -> int:
        number = self.id()
        category = fields.get("categoryId", 0)
        self.deals[number] = {
            "id": number, "title": "", "categoryId": category, "contactId": 0, "companyId": 0, "opportunity": 0,
            "stageId": f"C{category}:NEW" if category else "NEW", "stageSemanticId": "P", "comments": "",
            "originatorId": None, "originId": None, "currencyId": "RUB", "isManualOpportunity": "N",
            "begindate": None, "closedate": None, "createdTime": self.iso(), "updatedTime": self.iso(),
            **dict.fromkeys(self.user_fields), **fields,
        }  # fmt: skip
        self.mean_stage(self.deals[number])
        return number

    def mean_stage(self, deal: dict[str, Any]) -> None:
        name = str(deal["stageId"]).rsplit(":", 1)[-1]
        deal["stageSemanticId"] = {"WON": "S", "LOSE": "F"}.get(name, "P")

    def iso(self) -> str:
        return self.now().astimezone(self.file.zone).isoformat(timespec="seconds")

    # --- hours

    def slot_settings(self, resource: int) -> list[dict[str, Any]]:
        schedule = next(s for s in self.file.schedules if s.staff_id == self.resources[resource])
        alike: dict[tuple[int, int], list[str]] = {}
        for day, hours in schedule.weekly.items():
            for span in hours.hours:
                at = span.start_min
                for rest in sorted(hours.breaks):
                    if span.start_min <= rest.start_min < span.end_min:
                        alike.setdefault((at, rest.start_min), []).append(DAYS[day - 1])
                        at = rest.end_min
                alike.setdefault((at, span.end_min), []).append(DAYS[day - 1])
        return [
            {
                "id": resource * 10 + n, "from": start, "to": end, "slotSize": 60, "weekDays": days,
                "timezone": self.file.profile.timezone,
            }
            for n, ((start, end), days) in enumerate(sorted(alike.items()))
        ]  # fmt: skip

    def in_hours(self, resource: int, start: int, end: int) -> bool:
        first = datetime.fromtimestamp(start, self.file.zone)
        last = datetime.fromtimestamp(end, self.file.zone)
        midnight = first.replace(hour=0, minute=0, second=0)
        begin, finish = (int((moment - midnight) / timedelta(minutes=1)) for moment in (first, last))
        return any(
            DAYS[first.weekday()] in s["weekDays"] and s["from"] <= begin and finish <= s["to"]
            for s in self.slot_settings(resource)
        )
