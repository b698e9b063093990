"""What the scripted brain remembers of a conversation: frozen data, and its JSON form.

A turn is a function (state, what was understood) -> new state. Nothing here decides and nothing here does I/O.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from agent.memory.model import PastVisit
from agent.model import Expect
from agent.understanding import DayWish, TimeWish
from core.phone import Phone
from crm.model import Booking, BookingId, ClientId, Outcome, Plan, ServiceId, StaffId, TaskKind


class Goal(StrEnum):
    """What the person wants of us now."""

    NONE = "none"
    BOOK = "book"
    RESCHEDULE = "reschedule"
    CANCEL = "cancel"
    CHANGE = "change"
    """Other services in a booking that exists."""
    LATE = "late"
    WAITLIST = "waitlist"
    TASK = "task"
    """Leave a message for a person of the salon."""
    REMIND = "remind"
    """We called about a visit."""


class Question(StrEnum):
    """What was asked last: says how the answer is read, and which failures are counted together."""

    NONE = "none"
    GOAL = "goal"
    SERVICE = "service"
    GENDER = "gender"
    HAIR = "hair"
    AGE = "age"
    VARIANT = "variant"
    """Which of several services with similar names."""
    CONSULTATION = "consultation"
    STAFF = "staff"
    DAY = "day"
    TIME = "time"
    OFFER = "offer"
    WAITLIST = "waitlist"
    NAME = "name"
    PHONE = "phone"
    PHONE_RIGHT = "phone_right"
    VISITOR = "visitor"
    READ_BACK = "read_back"
    WHAT_ELSE = "what_else"
    """The read-back was not right: what should be different."""
    WHICH_BOOKING = "which_booking"
    CANCEL_OR_MOVE = "cancel_or_move"
    LATE_BY = "late_by"
    TASK_DETAILS = "task_details"
    ARE_YOU = "are_you"
    WILL_YOU_COME = "will_you_come"
    HUMAN = "human"
    INVITE = "invite"
    RESUME = "resume"
    """Whether to go on where an earlier talk ended."""
    MESSENGER = "messenger"
    """Whether to write to her and go on in a messenger."""


class AsBefore(StrEnum):
    """What «как обычно» is said of."""

    LAST = "last"
    """«как в прошлый раз», «то же самое»"""
    USUAL = "usual"
    """«как обычно», «как всегда»"""
    MASTER = "master"
    """«к своему мастеру»: only whom to, not what."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One service the person wants: what it may mean, best first."""

    phrase: str
    candidates: tuple[ServiceId, ...]


@dataclass(frozen=True, slots=True)
class VisitWish:
    services: tuple[Wanted, ...] = ()
    staff: tuple[StaffId, ...] = ()
    staff_named: bool = False
    """The person named the master on her own: the booking is locked to the master."""
    staff_only: bool = False
    """«только к Ане»: nobody else may be offered."""
    excluded_staff: tuple[StaffId, ...] = ()
    day: DayWish | None = None
    other_days: tuple[DayWish, ...] = ()
    """Further acceptable days: «в четверг или в пятницу»."""
    refused_days: tuple[DayWish, ...] = ()
    any_day: bool = False
    time: TimeWish | None = None
    other_times: tuple[TimeWish, ...] = ()
    refused_times: tuple[TimeWish, ...] = ()
    any_time: bool = False
    for_whom: str = ""
    visitor_name: str = ""
    age: int | None = None
    gender: str = ""
    implied_gender: str = ""
    """By the caller's own name: used only where nothing else was said and the visit is for herself."""
    hair_long: bool | None = None
    people: int | None = None
    certificate: str = ""
    certificate_left_minor: int | None = None
    """What the certificate still holds, in minor units; None: no sum, or not looked up."""
    consultation_for: ServiceId | None = None
    as_before: AsBefore | None = None
    """«как обычно», still to be filled from her visits."""
    staff_usual: str = ""
    """"often" or "once": the master comes from her habit, not from her words, and is given up before the day is."""
    any_staff: bool = False
    """«к кому угодно»: no habit speaks against it."""


@dataclass(frozen=True, slots=True)
class Caller:
    looked_up: bool = False
    client_id: ClientId | None = None
    name: str = ""
    phone: Phone | None = None
    phone_confirmed: bool = False
    """From the trunk, or read back and agreed."""
    digits: str = ""
    """Dictated so far."""
    no_shows: int = 0
    note: str = ""
    known: bool = False
    """The CRM knew the number when the conversation began."""
    namesakes: bool = False
    """Several clients share the number: ask the name, reveal nothing."""


@dataclass(frozen=True, slots=True)
class Search:
    key: str
    """Of the wish that was searched: another key means search again."""
    stage: int = 0
    done: bool = False
    """The plans below belong to the stage; False: the stage was not asked yet."""
    plans: tuple[Plan, ...] = ()
    nothing: bool = False
    """Every stage was empty."""


@dataclass(frozen=True, slots=True)
class ReadBack:
    goal: Goal
    keys: tuple[str, ...]
    """Pieces of the text that must have been heard before a yes counts: time, day, service."""


@dataclass(frozen=True, slots=True)
class LeftOff:
    """A visit that was being arranged when an earlier talk ended, in whatever channel."""

    wish: VisitWish
    chosen: Plan | None
    """What was to be written; None: the time was still open."""
    channel: str
    name: str = ""
    """As she gave it, where the CRM does not know her."""
    invited: bool = False
    """We wrote to her, with consent, and asked whether to go on: a bare yes answers that."""


@dataclass(frozen=True, slots=True)
class MessageDraft:
    """A task being taken down for a person of the salon."""

    kind: TaskKind
    details: tuple[str, ...] = ()
    asked: bool = False
    written: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DialogueState:
    language: str = "ru"
    turn: int = 0
    greeted: bool = False
    goal: Goal = Goal.NONE
    wish: VisitWish = VisitWish()
    caller: Caller = Caller()
    question: Question = Question.NONE
    expect: Expect = Expect.FREE
    tries: int = 0
    """How often in a row the question got no usable answer."""
    search: Search | None = None
    offers: tuple[Plan, ...] = ()
    suggested_staff: tuple[StaffId, ...] = ()
    """Masters that we proposed: naming one of them is consent, not a wish of her own."""
    refused: tuple[datetime, ...] = ()
    """Starts that were offered and declined."""
    colleague_refused: bool = False
    chosen: Plan | None = None
    read_back: ReadBack | None = None
    agreed: bool = False
    """The read-back was heard and got its yes: write now."""
    bookings: tuple[Booking, ...] | None = None
    """The client's own; None: not looked up."""
    visits: tuple[PastVisit, ...] | None = None
    """Hers that are over, newest first; None: not looked up."""
    recalled: bool = False
    """What we remember under the number on the display has been read."""
    own_visits: tuple[PastVisit, ...] = ()
    """Booked in our own talks: stand in where the CRM keeps no history."""
    left_off: LeftOff | None = None
    """Of an earlier talk, not yet taken up nor declined."""
    may_write: bool = False
    """She has agreed, now or earlier, to be written to when a talk breaks off."""
    target: BookingId | None = None
    asked_booking: bool = False
    move_offered: bool = False
    late_min: int | None = None
    message: MessageDraft | None = None
    written: tuple[Goal, ...] = ()
    """What has been done, in order: only after the desk said so."""
    last_plan: Plan | None = None
    last_for: str = ""
    """For whom it was: empty for the caller herself."""
    outcome: Outcome | None = None
    invited: bool = False
    told: tuple[str, ...] = ()
    """Facts that are said once in a conversation."""
    last_lines: tuple[str, ...] = ()
    """For «повторите»: what was said last, question included."""
    answered: tuple[str, ...] = ()
    """Side questions answered in this turn; emptied at its start."""
    heard_turns: int = 0
    """How many of the caller's lines in the history this state knows."""
    spam_turns: int = 0
    warned: bool = False
    handed: bool = False
    ended: bool = False

    @property
    def done(self) -> bool:
        """The wish has been fulfilled and no other has been voiced since."""
        return bool(self.written) and self.goal is Goal.NONE

    def has_told(self, fact: str) -> bool:
        return fact in self.told

    def tell(self, fact: str) -> "DialogueState":
        return self if fact in self.told else replace(self, told=(*self.told, fact))

    def target_booking(self) -> Booking | None:
        return next((b for b in self.bookings or () if b.id == self.target), None)


@lru_cache(maxsize=1)
def _left_off_adapter() -> TypeAdapter[LeftOff]:
    return TypeAdapter(LeftOff)


def left_off_to_json(left: LeftOff) -> dict[str, Any]:
    data: dict[str, Any] = _left_off_adapter().dump_python(left, mode="json", exclude_defaults=True)
    return data


def left_off_from_json(data: dict[str, Any]) -> LeftOff:
    """Raises pydantic.ValidationError for data that no version of this class wrote."""
    return _left_off_adapter().validate_python(data)


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[DialogueState]:
    return TypeAdapter(DialogueState)


def to_json(state: DialogueState) -> dict[str, Any]:
    data: dict[str, Any] = _adapter().dump_python(state, mode="json", exclude_defaults=True)
    return data


def from_json(data: dict[str, Any]) -> DialogueState:
    """Raises pydantic.ValidationError for data that no version of this class wrote."""
    return _adapter().validate_python(data)
