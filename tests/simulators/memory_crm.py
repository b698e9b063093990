"""A salon's book in memory: the Crm, BookingDesk and SalonBook ports for unit tests of the agent.

Strict where the real journal is: a booking that overlaps, lies outside the hours or at an unknown id is refused. Its
slot search is a plain enumeration, written apart from the journal's, so that neither can hide a fault of the other.
Faults are switched on by a test: `down`, `unknown_next`, `refuse_next`, `delay_s`.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from itertools import permutations, product
from typing import Any
from zoneinfo import ZoneInfo

from core.clock import Clock
from core.errors import Unavailable
from core.ids import ConversationId
from core.money import Money
from core.phone import Phone
from core.tenancy import CompanyScope
from crm.model import (
    ACTIVE_STATUSES,
    Booking,
    BookingId,
    BookingStatus,
    Capabilities,
    Certificate,
    Changes,
    Client,
    ClientId,
    Message,
    Outcome,
    Plan,
    PlannedPart,
    Price,
    RefusalReason,
    Refused,
    SalonProfile,
    SalonRules,
    Service,
    ServiceId,
    ServicePass,
    Shift,
    SlotQuery,
    Staff,
    StaffId,
    StaffOffer,
    Task,
    Unknown,
    VariantKind,
    VisitDraft,
    WaitlistWish,
    WriteResult,
    Written,
)


@dataclass
class Hours:
    days: tuple[int, ...]
    start: time
    end: time
    rest: tuple[time, time] | None = None


@dataclass
class MemorySalon:
    clock: Clock
    profile_data: SalonProfile
    service_list: list[Service]
    staff_list: list[Staff]
    hours: dict[StaffId, Hours]
    clients: dict[ClientId, Client] = field(default_factory=dict)
    bookings: dict[BookingId, Booking] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    waitlist: list[WaitlistWish] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    outcomes: dict[ConversationId, Outcome] = field(default_factory=dict)
    notes: list[tuple[BookingId, str]] = field(default_factory=list)
    wishes: dict[tuple[Any, ...], WriteResult] = field(default_factory=dict)
    able: Capabilities = field(default_factory=lambda: Capabilities(knows_history=True))
    down: bool = False
    unknown_next: bool = False
    refuse_next: RefusalReason | None = None
    delay_s: float = 0.0
    calls: list[str] = field(default_factory=list)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.profile_data.timezone)

    async def _touch(self, name: str) -> None:
        self.calls.append(name)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.down:
            raise Unavailable("the memory CRM is switched off")

    # --- Crm -----------------------------------------------------------------------------------------------------

    async def capabilities(self, scope: CompanyScope) -> Capabilities:
        await self._touch("capabilities")
        return self.able

    async def services(self, scope: CompanyScope) -> Sequence[Service]:
        await self._touch("services")
        return list(self.service_list)

    async def staff(self, scope: CompanyScope) -> Sequence[Staff]:
        await self._touch("staff")
        return list(self.staff_list)

    async def slots(self, scope: CompanyScope, query: SlotQuery) -> Sequence[Plan]:
        await self._touch("slots")
        plans: list[Plan] = []
        day = query.first_day
        while day <= query.last_day:
            plans.extend(self._plans_on(day, query))
            day += timedelta(days=1)
        plans.sort(key=lambda p: (p.start, p.end - p.start, p.price.amount.minor))
        return plans[: query.limit]

    async def on_duty(self, scope: CompanyScope, day: date) -> Sequence[Shift]:
        await self._touch("on_duty")
        return [
            Shift(s, self._at(day, h.start), self._at(day, h.end))
            for s, h in self.hours.items()
            if day.isoweekday() in h.days
        ]

    async def find_clients(self, scope: CompanyScope, phone: Phone) -> Sequence[Client]:
        await self._touch("find_clients")
        return [c for c in self.clients.values() if c.phone == phone]

    async def find_or_create_client(self, scope: CompanyScope, name: str, phone: Phone | None) -> Client:
        await self._touch("find_or_create_client")
        found = [c for c in self.clients.values() if phone is not None and c.phone == phone]
        if found:
            return found[0]
        client = Client(ClientId(f"N{len(self.clients) + 1}"), name, phone)
        self.clients[client.id] = client
        return client

    async def check(self, scope: CompanyScope, draft: VisitDraft) -> RefusalReason | None:
        await self._touch("check")
        return self._check(draft.plan, ())

    async def get(self, scope: CompanyScope, booking_id: BookingId) -> Booking | None:
        await self._touch("get")
        return self.bookings.get(booking_id)

    async def find_by_marker(self, scope: CompanyScope, marker: str) -> Sequence[Booking]:
        return [b for b in self.bookings.values() if b.marker == marker]

    async def bookings_of(self, scope: CompanyScope, client_id: ClientId) -> Sequence[Booking]:
        await self._touch("bookings_of")
        now = self.clock.now()
        own = [
            b
            for b in self.bookings.values()
            if b.client_id == client_id and b.status in ACTIVE_STATUSES and b.end > now
        ]
        return sorted(own, key=lambda b: b.start)

    async def visits_of(
        self, scope: CompanyScope, client_id: ClientId, *, since: datetime, limit: int
    ) -> Sequence[Booking]:
        await self._touch("visits_of")
        own = [
            b
            for b in self.bookings.values()
            if b.client_id == client_id and b.status is not BookingStatus.CANCELLED
            and b.end <= self.clock.now() and b.start >= since
        ]  # fmt: skip
        return sorted(own, key=lambda b: b.start, reverse=True)[:limit]

    async def changes_since(self, scope: CompanyScope, cursor: str) -> Changes:
        return Changes((), cursor)

    async def set_status(self, scope: CompanyScope, booking_id: BookingId, status: BookingStatus) -> WriteResult:
        await self._touch("set_status")
        return self._change(booking_id, status=status)

    async def add_note(self, scope: CompanyScope, booking_id: BookingId, note: str) -> WriteResult:
        await self._touch("add_note")
        self.notes.append((booking_id, note))
        return self._change(booking_id)

    # --- BookingDesk ---------------------------------------------------------------------------------------------

    async def book(self, scope: CompanyScope, conversation_id: ConversationId, draft: VisitDraft) -> WriteResult:
        await self._touch("book")
        return self._once(("book", conversation_id, draft), lambda: self._book(draft))

    async def reschedule(
        self, scope: CompanyScope, conversation_id: ConversationId, booking_id: BookingId, plan: Plan
    ) -> WriteResult:
        await self._touch("reschedule")
        return self._once(("move", conversation_id, booking_id, plan), lambda: self._move(booking_id, plan))

    async def cancel(
        self, scope: CompanyScope, conversation_id: ConversationId, booking_id: BookingId, *, reason: str
    ) -> WriteResult:
        await self._touch("cancel")

        def write() -> WriteResult:
            booking = self.bookings.get(booking_id)
            if booking is None or booking.status not in ACTIVE_STATUSES:
                return Refused(RefusalReason.NOT_FOUND)
            free_until = booking.start - timedelta(hours=self.profile_data.rules.free_cancel_hours)
            late = self.clock.now() > free_until
            return self._change(booking_id, status=BookingStatus.CANCELLED, late_cancel=late)

        return self._once(("cancel", conversation_id, booking_id), write)

    # --- SalonBook -----------------------------------------------------------------------------------------------

    async def profile(self, scope: CompanyScope) -> SalonProfile:
        await self._touch("profile")
        return self.profile_data

    async def certificate(self, scope: CompanyScope, number: str) -> Certificate | None:
        await self._touch("certificate")
        return self.certificates.get(number)

    async def add_to_waitlist(self, scope: CompanyScope, conversation_id: ConversationId, wish: WaitlistWish) -> None:
        await self._touch("add_to_waitlist")
        self.waitlist.append(wish)

    async def add_task(self, scope: CompanyScope, conversation_id: ConversationId, task: Task) -> None:
        self.calls.append("add_task")  # our own book stays up when the CRM is down
        self.tasks.append(task)

    async def add_message(self, scope: CompanyScope, conversation_id: ConversationId, message: Message) -> None:
        self.calls.append("add_message")
        self.messages.append(message)

    async def file_outcome(self, scope: CompanyScope, conversation_id: ConversationId, outcome: Outcome) -> None:
        self.calls.append("file_outcome")
        self.outcomes[conversation_id] = outcome

    # --- the book itself -----------------------------------------------------------------------------------------

    def _once(self, wish: tuple[Any, ...], write: Any) -> WriteResult:
        key = (wish[0], wish[1], repr(wish[2:]))
        if key in self.wishes:
            return self.wishes[key]
        if self.refuse_next is not None:
            reason, self.refuse_next = self.refuse_next, None
            return Refused(reason)
        if self.unknown_next:
            self.unknown_next = False
            result: WriteResult = Unknown("no answer in time")
        else:
            result = write()
        self.wishes[key] = result
        return result

    def _book(self, draft: VisitDraft) -> WriteResult:
        if draft.client_id not in self.clients:
            return Refused(RefusalReason.NOT_FOUND)
        reason = self._check(draft.plan, ())
        if reason is not None:
            return Refused(reason)
        visit = f"V{len(self.bookings) + 1}" if len(draft.plan.parts) > 1 else ""
        made = []
        for part in draft.plan.parts:
            booking = Booking(
                BookingId(f"NB{len(self.bookings) + 1}"), draft.client_id, part.staff_id, part.service_ids, part.start,
                part.end, draft.status, part.price, draft.staff_locked, draft.for_whom, draft.certificate,
                draft.comment,
                visit,
            )  # fmt: skip
            self.bookings[booking.id] = booking
            made.append(booking)
        return Written(tuple(made))

    def _move(self, booking_id: BookingId, plan: Plan) -> WriteResult:
        booking = self.bookings.get(booking_id)
        if booking is None or booking.status not in ACTIVE_STATUSES:
            return Refused(RefusalReason.NOT_FOUND)
        reason = self._check(plan, (booking_id,))
        if reason is not None:
            return Refused(reason)
        part = plan.parts[0]
        return self._change(
            booking_id,
            staff_id=part.staff_id,
            service_ids=part.service_ids,
            start=part.start,
            end=part.end,
            price=part.price,
        )

    def _change(self, booking_id: BookingId, **changes: Any) -> WriteResult:
        booking = self.bookings.get(booking_id)
        if booking is None:
            return Refused(RefusalReason.NOT_FOUND)
        self.bookings[booking_id] = replace(booking, **changes)
        return Written((self.bookings[booking_id],))

    def _check(self, plan: Plan, ignore: Iterable[BookingId]) -> RefusalReason | None:
        for part in plan.parts:
            if any(self._service(s).offer_by(part.staff_id) is None for s in part.service_ids):
                return RefusalReason.NOT_OFFERED
            if not self._free(part.staff_id, part.start, part.end, tuple(ignore)):
                return RefusalReason.SLOT_TAKEN
        return None

    def _service(self, service_id: ServiceId) -> Service:
        return next(s for s in self.service_list if s.id == service_id)

    def _at(self, day: date, moment: time) -> datetime:
        return datetime.combine(day, moment, self.zone)

    def _free(self, staff_id: StaffId, start: datetime, end: datetime, ignore: tuple[BookingId, ...]) -> bool:
        hours = self.hours[staff_id]
        day = start.astimezone(self.zone).date()
        if day.isoweekday() not in hours.days:
            return False
        if start < self._at(day, hours.start) or end > self._at(day, hours.end):
            return False
        if hours.rest and start < self._at(day, hours.rest[1]) and end > self._at(day, hours.rest[0]):
            return False
        return not any(
            b.staff_id == staff_id
            and b.status in ACTIVE_STATUSES
            and b.id not in ignore
            and b.start < end
            and start < b.end
            for b in self.bookings.values()
        )

    def _plans_on(self, day: date, query: SlotQuery) -> list[Plan]:
        rules = self.profile_data.rules
        now = self.clock.now()
        horizon = now + timedelta(days=rules.horizon_days)
        plans = []
        orders = list(permutations(query.parts)) if query.any_order and len(query.parts) > 1 else [query.parts]
        for minute in range(0, 1440, rules.grid_min):
            start = self._at(day, time(minute // 60, minute % 60))
            if start < now + timedelta(minutes=rules.lead_min) or start > horizon:
                continue
            local = start.time()
            if query.not_before is not None and local < query.not_before:
                continue
            if query.start_by is not None and local > query.start_by:
                continue
            for order in orders:
                plans.extend(self._chains(start, tuple(order), query))
        return plans

    def _chains(self, start: datetime, order: tuple[Any, ...], query: SlotQuery) -> list[Plan]:
        found = []
        choices = [
            [s for s in self.hours if (not part.staff_ids or s in part.staff_ids) and self._does(s, part.service_ids)]
            for part in order
        ]
        gaps = range(0, int(query.max_gap.total_seconds() // 60) + 1, self.profile_data.rules.grid_min)
        for staff in product(*choices):
            for gap_set in product(gaps, repeat=len(order) - 1):
                parts: list[PlannedPart] = []
                at = start
                for index, (part, staff_id) in enumerate(zip(order, staff, strict=True)):
                    if index:
                        at = parts[-1].end + timedelta(minutes=gap_set[index - 1])
                    planned = self._planned(staff_id, part.service_ids, at)
                    if not self._free(staff_id, planned.start, planned.end, query.ignore_bookings):
                        break
                    parts.append(planned)
                else:
                    end = parts[-1].end.astimezone(self.zone)
                    if query.done_by is None or end <= self._at(start.date(), query.done_by):
                        found.append(Plan(tuple(parts)))
        return found

    def _does(self, staff_id: StaffId, services: tuple[ServiceId, ...]) -> bool:
        return all(self._service(s).offer_by(staff_id) is not None for s in services)

    def _planned(self, staff_id: StaffId, services: tuple[ServiceId, ...], start: datetime) -> PlannedPart:
        offers = [self._service(s).offer_by(staff_id) for s in services]
        assert all(offers)
        length = sum((o.duration for o in offers if o), timedelta())
        total = sum(o.price.amount.minor for o in offers if o)
        price = Price(Money(total), any(o.price.starting_at for o in offers if o))
        return PlannedPart(staff_id, services, start, start + length, price)


def memory_salon(data: dict[str, Any], clock: Clock) -> MemorySalon:
    """Builds the salon from the fixture's YAML (see app/demo/myata.yaml)."""
    zone = ZoneInfo("Europe/Moscow")
    salon, rules, admin = data["salon"], data["rules"], data["admin"]
    opens, closes = (time.fromisoformat(t) for t in salon["open"].split()[0].split("-"))
    admin_from, admin_until = (time.fromisoformat(t) for t in admin["hours"].split("-"))
    profile = SalonProfile(
        salon["name"], "Europe/Moscow", salon["address"], salon["metro"], salon["parking"], opens, closes,
        tuple(salon["pay"]), tuple(salon["languages"]), admin_from, admin_until, Phone.parse(admin["transfer_to"]),
        salon.get("email", ""), rules=SalonRules(**{**rules, "prepay_sum": Money.roubles(rules["prepay_sum"])}),
    )  # fmt: skip
    services = _services(data["services"], rules)
    staff = [Staff(StaffId(k), v["name"], v["role"], v.get("child_from")) for k, v in data["staff"].items()]
    hours = {}
    for key, value in data["staff"].items():
        start, end = (time.fromisoformat(t) for t in value["hours"].split("-"))
        rest = tuple(time.fromisoformat(t) for t in value["break"].split("-")) if "break" in value else None
        hours[StaffId(key)] = Hours(tuple(value["days"]), start, end, rest)  # type: ignore[arg-type]
    memory = MemorySalon(clock, profile, services, staff, hours)
    for key, value in data["clients"].items():
        service_pass = (
            ServicePass(ServiceId(value["pass"]["service"]), value["pass"]["left"]) if "pass" in value else None
        )
        memory.clients[ClientId(key)] = Client(
            ClientId(key), value["name"], Phone.parse(value["phone"]), value.get("note", ""), value["no_shows"],
            service_pass=service_pass,
        )  # fmt: skip
    for key, value in data["certificates"].items():
        memory.certificates[key] = Certificate(
            key, date.fromisoformat(str(value["until"])), Money.roubles(value["sum"]) if "sum" in value else None,
            ServiceId(value["service"]) if "service" in value else None,
        )  # fmt: skip
    for key, (client, staff_id, service_ids, start) in data["bookings"].items():
        ids = tuple(ServiceId(s) for s in service_ids)
        part = memory._planned(StaffId(staff_id), ids, datetime.fromisoformat(start).replace(tzinfo=zone))
        memory.bookings[BookingId(key)] = Booking(
            BookingId(key), None if client == "-" else ClientId(client), part.staff_id, ids, part.start, part.end,
            BookingStatus.BOOKED, part.price,
        )  # fmt: skip
    return memory


def _services(data: dict[str, Any], rules: dict[str, Any]) -> list[Service]:
    names = {value["name"]: ServiceId(key) for key, value in data.items()}
    services = []
    for key, value in data.items():
        starting_at = "price_from" in value
        prices = value.get("price_from") or value["price"]
        length = timedelta(minutes=value["min"])
        offers = tuple(StaffOffer(StaffId(s), Price(Money.roubles(p), starting_at), length) for s, p in prices.items())
        base = next((names[n] for n in names if n != value["name"] and value["name"].startswith(f"{n},")), None)
        child = "до 10 лет" in value["name"]
        services.append(
            Service(
                ServiceId(key), value["name"], length, offers,
                variant_of=base, variant_kind=VariantKind.HAIR_LENGTH if base else VariantKind.AGE if child else None,
                max_age=rules["child_max_age"] if child else None,
                deposit=Money.roubles(value["deposit"]) if "deposit" in value else None,
                consultation_first=value.get("consultation_first", False),
            )
        )  # fmt: skip
    return services
