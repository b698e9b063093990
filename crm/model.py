"""The words of a salon's book, the same for every CRM. Frozen data, no I/O.

Ids are opaque strings in the form the CRM itself uses. Times are aware datetimes. Expected refusals are values.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import NewType
from urllib.parse import quote

from core.money import Money
from core.phone import Phone

ServiceId = NewType("ServiceId", str)
StaffId = NewType("StaffId", str)
ClientId = NewType("ClientId", str)
BookingId = NewType("BookingId", str)


@dataclass(frozen=True, slots=True)
class Price:
    amount: Money
    starting_at: bool = False
    """True for "from 9000": the exact sum is named by the master only."""


@dataclass(frozen=True, slots=True)
class StaffOffer:
    """A service as one master does it: price and length may differ between masters."""

    staff_id: StaffId
    price: Price
    duration: timedelta


class VariantKind(StrEnum):
    """What the clarifying question asks when a service has variants of different length or price."""

    HAIR_LENGTH = "hair_length"
    AGE = "age"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Service:
    id: ServiceId
    name: str
    duration: timedelta
    offers: tuple[StaffOffer, ...]
    """Who does it, at which price. Empty: nobody, the service cannot be booked."""
    buffer_after: timedelta = timedelta(0)
    """Cleaning time that belongs to the master's calendar, not to the visit."""
    variant_of: ServiceId | None = None
    variant_kind: VariantKind | None = None
    max_age: int | None = None
    """Child service: for clients up to this age, years inclusive."""
    deposit: Money | None = None
    consultation_first: bool = False
    """May not be booked by the agent before a consultation."""

    def offer_by(self, staff_id: StaffId) -> StaffOffer | None:
        return next((offer for offer in self.offers if offer.staff_id == staff_id), None)


@dataclass(frozen=True, slots=True)
class Staff:
    id: StaffId
    name: str
    role: str = ""
    child_from_age: int | None = None
    """Takes children from this age, years; None: takes no children or the rule does not apply."""


@dataclass(frozen=True, slots=True)
class ServicePass:
    """A prepaid number of visits of one service."""

    service_id: ServiceId
    left: int


@dataclass(frozen=True, slots=True)
class Client:
    id: ClientId
    name: str
    phone: Phone | None
    note: str = ""
    no_shows: int = 0
    blocked: bool = False
    language: str = "ru"
    service_pass: ServicePass | None = None


class BookingStatus(StrEnum):
    BOOKED = "booked"
    WAITING_PREPAY = "waiting_prepay"
    CONFIRMED = "confirmed"
    """The client said that she will come."""
    CANCELLED = "cancelled"
    ARRIVED = "arrived"
    NO_SHOW = "no_show"


ACTIVE_STATUSES = frozenset(
    {BookingStatus.BOOKED, BookingStatus.WAITING_PREPAY, BookingStatus.CONFIRMED, BookingStatus.ARRIVED}
)


@dataclass(frozen=True, slots=True)
class Booking:
    """One client at one master, one or several services one after another."""

    id: BookingId
    client_id: ClientId | None
    """None: another client whose name is none of the agent's business."""
    staff_id: StaffId
    service_ids: tuple[ServiceId, ...]
    start: datetime
    end: datetime
    status: BookingStatus
    price: Price
    staff_locked: bool = False
    """The client asked for this master; the salon must not move her to another."""
    for_whom: str = ""
    certificate: str = ""
    comment: str = ""
    visit_id: str = ""
    """Bookings of one visit (several masters in a row) share it."""
    late_cancel: bool | None = None
    marker: str = ""
    """Our label of the last write to the CRM's record, by which an unknown write is found again."""


@dataclass(frozen=True, slots=True)
class VisitPart:
    """A wish for one stretch at one master."""

    service_ids: tuple[ServiceId, ...]
    staff_ids: tuple[StaffId, ...] = ()
    """Acceptable masters; empty: anybody who does all these services."""


@dataclass(frozen=True, slots=True)
class SlotQuery:
    """A search for plans: every part, one after another, on one day.

    Neighbouring parts that one master does without a gap come back as one part of the plan, because they are one
    booking; so a plan may have fewer parts than the query.
    """

    parts: tuple[VisitPart, ...]
    first_day: date
    last_day: date
    """Inclusive."""
    not_before: time | None = None
    """Local time: the visit starts no earlier."""
    done_by: time | None = None
    """Local time: the visit ends no later."""
    start_by: time | None = None
    """Local time: the visit starts no later."""
    any_order: bool = True
    max_gap: timedelta = timedelta(minutes=15)
    limit: int = 50
    per_start: int | None = None
    """At most so many plans that begin at the same time (other masters, other order); None: all of them."""
    ignore_bookings: tuple[BookingId, ...] = ()
    """Bookings that count as free: those being moved."""


@dataclass(frozen=True, slots=True)
class PlannedPart:
    staff_id: StaffId
    service_ids: tuple[ServiceId, ...]
    start: datetime
    end: datetime
    price: Price


@dataclass(frozen=True, slots=True)
class Plan:
    """One offer: all parts of the visit with masters and times, in order of time."""

    parts: tuple[PlannedPart, ...]

    @property
    def start(self) -> datetime:
        return self.parts[0].start

    @property
    def end(self) -> datetime:
        return self.parts[-1].end

    @property
    def price(self) -> Price:
        total = self.parts[0].price.amount
        for part in self.parts[1:]:
            total = total + part.price.amount
        return Price(total, any(part.price.starting_at for part in self.parts))


@dataclass(frozen=True, slots=True)
class VisitDraft:
    """What the caller said yes to. Prices and times come from the plan that slot search made."""

    client_id: ClientId
    plan: Plan
    staff_locked: bool
    for_whom: str = ""
    certificate: str = ""
    comment: str = ""
    status: BookingStatus = BookingStatus.BOOKED


@dataclass(frozen=True, slots=True)
class Shift:
    """One master at work on one day."""

    staff_id: StaffId
    start: datetime
    end: datetime


class RefusalReason(StrEnum):
    SLOT_TAKEN = "slot_taken"
    OUTSIDE_SCHEDULE = "outside_schedule"
    TOO_SOON = "too_soon"
    """Closer to now than the salon's lead time, or in the past."""
    TOO_FAR = "too_far"
    CLIENT_BLOCKED = "client_blocked"
    NOT_OFFERED = "not_offered"
    """This master does not do this service, or the service may not be booked without consultation."""
    NOT_FOUND = "not_found"
    ALREADY_STARTED = "already_started"
    NOT_SUPPORTED = "not_supported"
    """The CRM cannot do it (see Capabilities)."""
    CLIENT_MUST_CONFIRM = "client_must_confirm"
    """The CRM wants a code from the client's phone or a captcha first: give the link or a person."""
    REFUSED_BY_CRM = "refused_by_crm"
    """A definite no that the CRM explains in words only."""


@dataclass(frozen=True, slots=True)
class Refused:
    reason: RefusalReason


@dataclass(frozen=True, slots=True)
class Written:
    """The CRM has it: the bookings as read back after the write."""

    bookings: tuple[Booking, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """The CRM did not say whether it has it. Never resend blindly: look up by marker, reconcile."""

    detail: str


WriteResult = Written | Refused | Unknown


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the connected CRM can do, probed at connection; the agent offers only what works."""

    reschedule: bool = True
    cancel: bool = True
    several_masters: bool = True
    waiting_prepay: bool = True
    staff_locked: bool = True
    changes: bool = True
    searchable_marker: bool = True
    book: bool = True
    """False: read only. The agent gives `booking_link` or hands over."""
    booking_link: str = ""
    """Where the client can book herself; empty: nowhere."""
    service_link: str = ""
    """The same with the service chosen beforehand, `{service}` standing for its id; empty: there is none."""
    staff_link: str = ""
    """The same with the master chosen beforehand, `{staff}` standing for the id; empty: there is none."""
    knows_bookings: bool = True
    """False: a client's bookings cannot be read. Nobody may tell her that she has none."""
    knows_history: bool = False
    """Visits that are over can be read: «как обычно» has an answer."""
    keeps_schedule: bool = True
    """False: the CRM knows no working hours and accepts overlaps; hours and the conflict check are ours."""
    notifies_clients: bool = False
    """The CRM sends its own confirmations: ours would be the second."""

    def link_to(self, plan: Plan) -> str:
        """The booking link with as much of the plan chosen beforehand as it can carry; empty: there is no link."""
        services = {service_id for part in plan.parts for service_id in part.service_ids}
        staff = {part.staff_id for part in plan.parts}
        if self.service_link and len(services) == 1:
            return self.service_link.replace("{service}", quote(services.pop(), safe=""))
        if self.staff_link and len(staff) == 1:
            return self.staff_link.replace("{staff}", quote(staff.pop(), safe=""))
        return self.booking_link


@dataclass(frozen=True, slots=True)
class Changes:
    """Bookings that changed after a cursor, oldest first."""

    bookings: tuple[Booking, ...]
    cursor: str
    """Give it to the next call."""
    more: bool = False


# --- the salon beside its CRM: profile, rules, and what a receptionist writes down -----------------------------


@dataclass(frozen=True, slots=True)
class SalonRules:
    grid_min: int = 15
    lead_min: int = 30
    horizon_days: int = 60
    free_cancel_hours: int = 4
    late_grace_min: int = 15
    prepay_no_shows: int = 2
    prepay_sum: Money = field(default_factory=lambda: Money.roubles(1000))
    group_from: int = 4
    child_max_age: int = 10
    dye_min_age_without_parent: int = 16


@dataclass(frozen=True, slots=True)
class SalonProfile:
    name: str
    timezone: str
    """IANA name: Europe/Moscow."""
    address: str = ""
    metro: str = ""
    parking: str = ""
    opens: time = time(10)
    closes: time = time(21)
    payment: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("ru",)
    admin_from: time = time(10)
    admin_until: time = time(20)
    transfer_to: Phone | None = None
    email: str = ""
    sends_messages: bool = False
    """A channel that reaches clients is connected: the agent may promise a written confirmation."""
    rules: SalonRules = field(default_factory=SalonRules)


@dataclass(frozen=True, slots=True)
class Certificate:
    number: str
    valid_until: date
    amount: Money | None = None
    service_id: ServiceId | None = None
    used: Money = field(default_factory=lambda: Money(0))


class TaskKind(StrEnum):
    CALLBACK = "callback"
    COMPLAINT = "complaint"
    GROUP_REQUEST = "group_request"
    CERTIFICATE_CHECK = "certificate_check"
    MEDICAL_QUESTION = "medical_question"
    MESSAGE_TO_STAFF = "message_to_staff"
    PAYMENT_QUESTION = "payment_question"
    DATA_REQUEST = "data_request"


class MessageKind(StrEnum):
    CONFIRMATION = "confirmation"
    PREPAY_LINK = "prepay_link"
    FOLLOW_UP = "follow_up"
    """Goes on where a talk broke off: only with the client's consent."""
    ADDRESS = "address"
    REMINDER = "reminder"


class Outcome(StrEnum):
    """How a conversation is filed: a closed list."""

    BOOKED = "booked"
    RESCHEDULED = "rescheduled"
    CHANGED = "changed"
    CANCELLED = "cancelled"
    CONFIRMED = "confirmed"
    WAITLISTED = "waitlisted"
    LATE_NOTICE = "late_notice"
    PRICE_QUESTION = "price_question"
    INFO = "info"
    HANDED_TO_ADMIN = "handed_to_admin"
    SPAM = "spam"
    WRONG_NUMBER = "wrong_number"
    SILENT = "silent"
    ABUSIVE = "abusive"
    TECHNICAL_FAILURE = "technical_failure"


@dataclass(frozen=True, slots=True)
class WaitlistWish:
    client_id: ClientId
    service_ids: tuple[ServiceId, ...]
    day: date
    staff_ids: tuple[StaffId, ...] = ()
    not_before: time | None = None
    done_by: time | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """Work for a person, with a promised time."""

    kind: TaskKind
    text: str
    due: datetime | None = None
    phone: Phone | None = None
    booking_id: BookingId | None = None
    staff_id: StaffId | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """Text to the client, delivered by the outbox."""

    kind: MessageKind
    to: Phone | None
    text: str
    channel: str = "phone"
    not_before: datetime | None = None
    choices: tuple[str, ...] = ()
    """Words that messengers show as buttons."""
    template: str = ""
    """Name of the approved form, with `parameters`, for messengers that take no free text out of the blue."""
    parameters: tuple[str, ...] = ()
