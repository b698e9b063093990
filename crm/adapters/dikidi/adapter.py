"""The CRM port where there is nothing to write to: read what the widget shows, refuse the rest honestly.

Bookings and clients are known only from an export that a person loaded, and only while it is fresh; without one the
capabilities say that nobody can be asked when she is booked.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core.clock import Clock
from core.errors import AppError, ConfigurationError, InvalidInput
from core.outside_http import VendorHttp
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.adapters.dikidi.catalogue import Lists, WidgetLists
from crm.adapters.dikidi.exports import ExportRow, coming, read_export
from crm.adapters.dikidi.free_time import MOST_DAYS, FreeTime, Told
from crm.adapters.dikidi.wire import BASE_URL, LINK_HOST, Wire, http_profile
from crm.catalogue import best_match, check_order, total
from crm.model import (
    Booking,
    BookingId,
    BookingStatus,
    Capabilities,
    Changes,
    Client,
    ClientId,
    Plan,
    PlannedPart,
    Price,
    RefusalReason,
    Refused,
    Service,
    Shift,
    SlotQuery,
    Staff,
    VisitDraft,
    WriteResult,
)
from crm.slots import validate_query
from crm.vendor.adapter import AdapterTools, ChangeHint, Connection, Imported, Probe, ProbeItem, ProbeState
from crm.vendor.chain import chained

EXPORT, ALL = "export", "bookings"
"""Kind and key of the link that holds the last export."""
FRESH = timedelta(hours=30)
"""A daily export, and a morning on which somebody was late."""
REMEDY = "Откройте свою ссылку записи DIKIDI в браузере: если она работает, повторите проверку позже."


class DikidiCrm:
    """One company by its booking link."""

    def __init__(self, connection: Connection, tools: AdapterTools) -> None:
        """Raises ConfigurationError for a company id that is no number, InvalidInput for a wrong address."""
        base_url = tools.guard.check_url(connection.setting("base_url", BASE_URL), "base_url")
        link_host = connection.setting("link_host", LINK_HOST).rstrip("/")
        self._company = connection.setting("company_id").strip().removeprefix(f"{link_host}/")
        if not self._company.isdigit():
            raise ConfigurationError("company_id: write the number of the booking link, as in dikidi.net/550001")
        http = VendorHttp(
            tools.http, http_profile(base_url), tools.limiter, timings=tools.timings, observe=tools.observe
        )
        self._wire = Wire(http)
        self._tools = tools
        self._clock: Clock = tools.clock
        self._lists = WidgetLists(self._wire, self._company, tools.catalogue)
        self._free = FreeTime(self._wire, self._company)
        self._link = f"{link_host}/{self._company}"
        self._prefilled = connection.setting("prefilled_links", "yes").casefold() in ("yes", "да", "true", "1")

    # --- reading

    async def capabilities(self, scope: CompanyScope) -> Capabilities:
        fresh = await self._export(await self._zone(scope)) is not None
        return Capabilities(
            reschedule=False,
            cancel=False,
            waiting_prepay=False,
            staff_locked=False,
            changes=False,
            searchable_marker=False,
            book=False,
            booking_link=self._link,
            service_link=f"{self._link}?p=3.pi-po-ssm-si&o=7&s={{service}}" if self._prefilled else "",
            staff_link=f"{self._link}?p=2.pi-po-sm-mi&o=1&m={{staff}}" if self._prefilled else "",
            knows_bookings=fresh,
            notifies_clients=True,
        )

    async def services(self, scope: CompanyScope) -> Sequence[Service]:
        return tuple((await self._lists.lists(scope)).services.values())

    async def staff(self, scope: CompanyScope) -> Sequence[Staff]:
        return tuple((await self._lists.lists(scope)).staff.values())

    async def slots(self, scope: CompanyScope, query: SlotQuery) -> Sequence[Plan]:
        validate_query(query)
        lists, zone, now = await self._lists.lists(scope), await self._zone(scope), self._clock.now()
        for part in query.parts:
            for service_id in part.service_ids:
                if service_id not in lists.services:
                    raise InvalidInput(f"parts: the salon has no service {service_id}; take an id from the list")
        first = max(query.first_day, now.astimezone(zone).date())
        if first > query.last_day:
            return []
        taken = [row for row in await self._export(zone) or () if not row.cancelled]
        plans: list[Plan] = []
        told: Told = {}
        for day in (await self._days(query, lists, first, zone, told))[:MOST_DAYS]:
            free = [await self._free.parts(lists, part, [day], zone, now, told) for part in query.parts]
            parts = [[one for one in stretches if not _overlaps(one, taken)] for stretches in free]
            plans += chained(parts, query, zone)
            if len(plans) >= query.limit:
                break
        return plans[: query.limit]

    async def _days(self, query: SlotQuery, lists: Lists, first: date, zone: ZoneInfo, told: Told) -> list[date]:
        """Days of the query on which somebody is free for its first service, as far as the widget tells."""
        if first == query.last_day:
            return [first]
        part = query.parts[0]
        service = lists.services[part.service_ids[0]]
        days: set[date] = set()
        for offer in service.offers:
            if not part.staff_ids or offer.staff_id in part.staff_ids:
                _, listed = await self._free.day(offer.staff_id, service.id, first, zone, told)
                days |= set(listed)
        return sorted(day for day in days if first <= day <= query.last_day)

    async def on_duty(self, scope: CompanyScope, day: date) -> Sequence[Shift]:
        """Masters with free time on that day: the widget tells no working hours."""
        lists, zone = await self._lists.lists(scope), await self._zone(scope)
        shifts = []
        for staff_id in lists.staff:
            service = next((s for s in lists.services.values() if s.offer_by(staff_id) is not None), None)
            if service is None:
                continue
            starts, _ = await self._free.day(staff_id, service.id, day, zone)
            if starts:
                shifts.append(Shift(staff_id, starts[0], starts[-1] + service.duration))
        return shifts

    # --- clients: only those of the export

    async def find_clients(self, scope: CompanyScope, phone: Phone) -> Sequence[Client]:
        rows = await self._export(await self._zone(scope)) or ()
        names = dict.fromkeys(row.name for row in rows if row.phone == phone.e164)
        return [Client(_client_id(phone, name), name, phone) for name in names]

    async def find_or_create_client(self, scope: CompanyScope, name: str, phone: Phone | None) -> Client:
        """DIKIDI makes clients with their booking; here the id carries phone and name."""
        if phone is None:
            raise InvalidInput("phone: DIKIDI knows clients by their phone; ask for it")
        name = " ".join(name.split())
        return best_match(name, await self.find_clients(scope, phone)) or Client(_client_id(phone, name), name, phone)

    async def client(self, scope: CompanyScope, client_id: ClientId) -> Client | None:
        phone, _, name = client_id.partition(" ")
        return Client(client_id, name, Phone(phone)) if phone.startswith("+") else None

    # --- writing: never

    async def check(self, scope: CompanyScope, draft: VisitDraft) -> RefusalReason | None:
        check_order(draft.plan.parts)
        return RefusalReason.NOT_SUPPORTED

    async def book(self, scope: CompanyScope, draft: VisitDraft, marker: str) -> WriteResult:
        return Refused(RefusalReason.NOT_SUPPORTED)

    async def reschedule(self, scope: CompanyScope, booking_id: BookingId, plan: Plan, marker: str) -> WriteResult:
        return Refused(RefusalReason.NOT_SUPPORTED)

    async def cancel(self, scope: CompanyScope, booking_id: BookingId, *, late: bool, reason: str) -> WriteResult:
        return Refused(RefusalReason.NOT_SUPPORTED)

    async def set_status(self, scope: CompanyScope, booking_id: BookingId, status: BookingStatus) -> WriteResult:
        return Refused(RefusalReason.NOT_SUPPORTED)

    async def add_note(self, scope: CompanyScope, booking_id: BookingId, note: str) -> WriteResult:
        return Refused(RefusalReason.NOT_SUPPORTED)

    # --- reading back: the export

    async def get(self, scope: CompanyScope, booking_id: BookingId) -> Booking | None:
        lists, rows = await self._lists.lists(scope), await self._export(await self._zone(scope)) or ()
        return next((_booking(row, lists) for row in rows if row.id == booking_id), None)

    async def find_by_marker(self, scope: CompanyScope, marker: str) -> Sequence[Booking]:
        return []  # nothing was ever written

    async def bookings_of(self, scope: CompanyScope, client_id: ClientId) -> Sequence[Booking]:
        lists, now = await self._lists.lists(scope), self._clock.now()
        rows = await self._export(await self._zone(scope)) or ()
        phone = client_id.partition(" ")[0]
        mine = [row for row in rows if row.phone and row.phone == phone and row.end > now and not row.cancelled]
        return sorted((_booking(row, lists) for row in mine), key=lambda booking: booking.start)

    async def visits_of(
        self, scope: CompanyScope, client_id: ClientId, *, since: datetime, limit: int
    ) -> Sequence[Booking]:
        raise InvalidInput("DIKIDI's export holds no history that can be relied on; see the capabilities")

    async def changes_since(self, scope: CompanyScope, cursor: str) -> Changes:
        return Changes((), cursor or "-")

    # --- the export

    async def import_bookings(self, scope: CompanyScope, content: bytes) -> Imported:
        """Takes the place of the export before. Raises InvalidInput when the file is no export of bookings."""
        zone = await self._zone(scope)
        export = read_export(content, await self._lists.lists(scope), zone)
        now = self._clock.now()
        rows = coming(export.rows, now.astimezone(zone).date())
        await self._tools.links.put(EXPORT, ALL, {"at": now.isoformat(), "rows": [row.to_json() for row in rows]})
        return Imported(len(rows), export.skipped)

    async def _export(self, zone: ZoneInfo) -> list[ExportRow] | None:
        """None: none was loaded, or it has grown too old to be believed."""
        stored: Mapping[str, Any] | None = await self._tools.links.get(EXPORT, ALL)
        if stored is None or self._clock.now() - datetime.fromisoformat(stored["at"]) > FRESH:
            return None
        return [ExportRow.from_json(row, zone) for row in stored["rows"]]

    # --- connection

    async def probe(self, scope: CompanyScope) -> Probe:
        async def slots() -> str:
            lists, zone = await self._lists.lists(scope), await self._zone(scope)
            service = next((s for s in lists.services.values() if s.offers), None)
            if service is None:
                return "ни одну услугу никто не делает"
            day = self._clock.now().astimezone(zone).date() + timedelta(days=1)
            _, days = await self._free.day(service.offers[0].staff_id, service.id, day, zone)
            return f"«{service.name}»: свободных дней {len(days)}"

        async def counted(what: str) -> str:
            return str(len(getattr(await self._lists.lists(scope, fresh=what == "services"), what)))

        items = []
        for name, question in (
            ("auth", self._lists.company),
            ("services", lambda: counted("services")),
            ("staff", lambda: counted("staff")),
            ("slots", slots),
        ):
            try:
                items.append(ProbeItem(name, ProbeState.WORKS, await question()))
            except AppError as error:
                items.append(ProbeItem(name, ProbeState.FAILED, error.message, REMEDY))
        able = await self.capabilities(scope)
        known = "по загруженной выгрузке" if able.knows_bookings else "загрузите выгрузку: ai-admin crm import"
        items.append(ProbeItem("clients", ProbeState.WORKS if able.knows_bookings else ProbeState.ABSENT, known))
        instead = "у DIKIDI нет API: ссылка клиенту и задача администратору"
        items += [ProbeItem(name, ProbeState.ABSENT, instead) for name in ("book", "move", "cancel")]
        return Probe((*items, ProbeItem("webhooks", ProbeState.ABSENT, "у DIKIDI их нет")), able)

    async def subscribe(self, scope: CompanyScope, url: str) -> bool:
        return False

    async def unsubscribe(self, scope: CompanyScope, url: str) -> None:
        return None

    def read_webhook(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Sequence[ChangeHint]:
        raise InvalidInput("DIKIDI sends no events; nobody should call this address")

    async def _zone(self, scope: CompanyScope) -> ZoneInfo:
        return (await self._tools.catalogue.catalogue(scope)).zone


def _client_id(phone: Phone, name: str) -> ClientId:
    return ClientId(f"{phone.e164} {name}".rstrip())


def _overlaps(part: PlannedPart, taken: Sequence[ExportRow]) -> bool:
    return any(row.staff == part.staff_id and row.start < part.end and part.start < row.end for row in taken)


def _booking(row: ExportRow, lists: Lists) -> Booking:
    prices = [
        offer.price for s in row.services if s in lists.services and (offer := lists.services[s].offer_by(row.staff))
    ]
    price: Price = total(prices)
    return Booking(
        id=BookingId(row.id),
        client_id=_client_id(Phone(row.phone), row.name) if row.phone else None,
        staff_id=row.staff,
        service_ids=row.services,
        start=row.start,
        end=row.end,
        status=BookingStatus.CANCELLED if row.cancelled else BookingStatus.BOOKED,
        price=price,
    )
