"""What one turn means: the border between language (words in) and dialogue policy (facts out).

Language code fills it, the brain reads it. Nothing here is a decision; several intents may stand in one turn.
"""

from dataclasses import dataclass
from datetime import date, time, timedelta
from enum import StrEnum
from typing import Protocol

from agent.model import Expect, Turn
from core.phone import Phone
from crm.model import Service, ServiceId, Staff, StaffId


class Intent(StrEnum):
    """Names follow the labels of the utterance collection, so that understanding can be measured on it."""

    BOOK = "book"
    RESCHEDULE = "reschedule"
    CANCEL = "cancel"
    CANCEL_PART = "cancel_part"
    ADD_SERVICE = "add_service"
    CHANGE_WISH = "change_wish"
    CORRECT = "correct"
    """Corrects what was just said or read back: «нет, не двенадцать»."""
    WAITLIST = "waitlist"
    LATE = "late"
    CONFIRM_VISIT = "confirm_visit"
    ARRIVED = "arrived"
    ASK_PRICE = "ask_price"
    ASK_ADDRESS = "ask_address"
    ASK_HOURS = "ask_hours"
    ASK_SLOTS = "ask_slots"
    ASK_ANY_TIME = "ask_any_time"
    ASK_STAFF = "ask_staff"
    ASK_SERVICE_INFO = "ask_service_info"
    ASK_DURATION = "ask_duration"
    ASK_PAYMENT = "ask_payment"
    PREPAYMENT = "prepayment"
    CERTIFICATE = "certificate"
    GROUP_BOOK = "group_book"
    CHILD = "child"
    HEALTH = "health"
    AFFIRM = "affirm"
    DENY = "deny"
    CHOOSE = "choose"
    GIVE_NAME = "give_name"
    GIVE_PHONE = "give_phone"
    GIVE_DATE = "give_date"
    GIVE_TIME = "give_time"
    GREET = "greet"
    THANKS = "thanks"
    BYE = "bye"
    REPEAT = "repeat"
    WAIT = "wait"
    HUMAN = "human"
    COMPLAINT = "complaint"
    ABUSE = "abuse"
    SPAM = "spam"
    WRONG_NUMBER = "wrong_number"
    JOB = "job"
    OFFICIAL = "official"
    ARE_YOU_ROBOT = "are_you_robot"
    NO_RECORDING = "no_recording"
    DATA_REQUEST = "data_request"
    OTHER_CLIENT_DATA = "other_client_data"
    OTHER_LANGUAGE = "other_language"
    ATTACK = "attack"
    LOST_ITEM = "lost_item"
    SMALLTALK = "smalltalk"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class ServiceMention:
    """A wish for a service: the candidates it may mean, best first. Several of one family need a question."""

    phrase: str
    candidates: tuple[ServiceId, ...]
    """Empty: the salon has no such service."""
    negated: bool = False
    """«без бороды», «маникюр не надо»"""


@dataclass(frozen=True, slots=True)
class StaffMention:
    phrase: str
    candidates: tuple[StaffId, ...]
    """Several: namesakes. Empty: a name nobody here has."""
    negated: bool = False
    only: bool = False
    """«только к Ане»"""


@dataclass(frozen=True, slots=True)
class DayWish:
    first: date
    last: date
    """The same as first for a single day; a week or a weekend otherwise."""
    phrase: str
    doubtful: bool = False
    """Must be said back: «завтра» after midnight, «в следующую пятницу»."""


@dataclass(frozen=True, slots=True)
class TimeWish:
    """Local time of the salon. Exactly one of `at`, or any of the bounds."""

    at: time | None = None
    """«в три», «полтретьего», «к пяти»: wants to start then."""
    approximate: bool = False
    """«часов в двенадцать», «около трёх»"""
    not_before: time | None = None
    """«после шести», «вечером»"""
    start_by: time | None = None
    """«вечером» has an end too: the start lies inside the part of the day."""
    done_by: time | None = None
    """«мне надо уйти до половины двенадцатого»"""
    later: bool = False
    """«попозже» than what was offered or booked"""
    earlier: bool = False
    phrase: str = ""


@dataclass(frozen=True, slots=True)
class Understood:
    text: str
    """Normalised: lower case, ё as е, number words as digits where they are numbers."""
    language: str
    """ru or en: the language the person spoke in this turn."""
    intents: tuple[Intent, ...] = ()
    """Strongest first."""
    services: tuple[ServiceMention, ...] = ()
    staff: tuple[StaffMention, ...] = ()
    any_staff: bool = False
    day: DayWish | None = None
    any_day: bool = False
    time: TimeWish | None = None
    any_time: bool = False
    booked_day: DayWish | None = None
    """Of a booking that exists: «я записана на завтра на пять, хочу перенести на пятницу» has завтра here, Friday in
    day. Only when the turn names both, or says «я записана на…», «запись на…»."""
    booked_time: TimeWish | None = None
    """The same for the time: five here."""
    bad_date: str = ""
    """The phrase of a date that cannot be or has passed («32 декабря», «вчера»); no day comes from it."""
    other_days: tuple[DayWish, ...] = ()
    """Further acceptable days: «в четверг или в пятницу»."""
    refused_days: tuple[DayWish, ...] = ()
    """«в пятницу не могу», «только не завтра»"""
    other_times: tuple[TimeWish, ...] = ()
    refused_times: tuple[TimeWish, ...] = ()
    """«в три не могу»"""
    name: str | None = None
    """As it should be written: «Инна Лебедева». Only when a name was given, not when a master is named."""
    phone: Phone | None = None
    phone_digits: str = ""
    """Digits of a number or a part of it, also when they are no complete number yet."""
    phone_is_caller: bool = False
    """«да, этот, с которого звоню»"""
    age: int | None = None
    for_whom: str = ""
    """Relation of the person the visit is for: сын, дочь, муж, мама, подруга; empty: the caller."""
    gender: str = ""
    """female or male haircut, when said: «женская», «мужская»"""
    hair_long: bool | None = None
    """True: long (below the shoulder blades), False: short or medium"""
    people: int | None = None
    certificate: str = ""
    """Number as printed: G-1001 for «гэ один ноль ноль один»"""
    late_by: timedelta | None = None
    choice: int | None = None
    """0 for «первое», 1 for «второе», -1 for «последнее»"""
    order_any: bool = False
    complete: bool = True
    """False: the words break off («в», «на», «ну…», an open number): more is to come."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The words of one salon, made from its services and staff."""

    services: tuple[Service, ...]
    staff: tuple[Staff, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """What the dialogue knows that changes how words are read: «три» is a time or an age."""

    expect: Expect
    timezone: str
    offered_times: tuple[time, ...] = ()
    offered_days: tuple[date, ...] = ()
    opens: time = time(10)
    closes: time = time(21)
    """Opening hours, local: «в пять» is 17:00 where nobody works at five in the morning."""
    language: str = ""
    """The language spoken so far, "en" or "ru": settles short turns such as «Sunday at two». Empty: unknown."""
    phone_known: str = ""
    """Digits of a phone number gathered in earlier turns: with them the number may be whole."""


class Understander(Protocol):
    def understand(self, turn: Turn, lexicon: Lexicon, context: Context) -> Understood:
        """Pure and deterministic; below 5 ms."""
        ...
