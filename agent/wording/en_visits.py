"""English wording of a visit, for a caller who switches to English. The same facts as in Russian; services are
translated where the salon's own list gives no English name."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from zlib import crc32

from agent.memory.model import PastVisit
from agent.model import Channel, Conversation
from agent.policy.stages import Stage
from agent.salon import Salon
from agent.state import Caller, DialogueState, Question, VisitWish
from agent.wording.en_words import latin, service_name
from core.money import Money
from core.phone import Phone
from crm.model import Plan, PlannedPart, Price, Service, ServiceId, Staff, StaffId

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EnglishVisits:
    salon: Salon
    now: datetime
    conversation: Conversation
    turn: int
    language: str = "en"

    def pick(self, key: str, *options: str) -> str:
        return options[crc32(f"{self.conversation.id}{self.turn}{key}".encode()) % len(options)]

    def spoken(self, text: str) -> str:
        return text

    def gender_of(self, name: str) -> str:
        return ""

    # --- words for facts -----------------------------------------------------------------------------------------

    def _date(self, day: date) -> str:
        ahead = (day - self.now.date()).days
        text = f"{WEEKDAYS[day.weekday()]}, {MONTHS[day.month - 1]} {day.day}"
        return f"today, {text}" if ahead == 0 else f"tomorrow, {text}" if ahead == 1 else f"on {text}"

    def _day(self, moment: datetime) -> str:
        return self._date(self.salon.local(moment).date())

    def _clock(self, moment: time) -> str:
        return f"{moment.hour}:{moment.minute:02d}"

    def _at(self, moment: datetime) -> str:
        return f"at {self._clock(self.salon.local(moment).time())}"

    def _money(self, money: Money) -> str:
        if money.minor == 0:
            return "free"
        unit = "rubles" if money.currency == "RUB" else money.currency
        return f"{money.minor // 100} {unit}"

    def _price(self, price: Price) -> str:
        return f"from {self._money(price.amount)}" if price.starting_at else self._money(price.amount)

    def _length(self, minutes: int) -> str:
        hours, rest = divmod(minutes, 60)
        pieces = [f"{hours} hour{'s' if hours > 1 else ''}"] if hours else []
        if rest:
            pieces.append(f"{rest} minutes")
        return " ".join(pieces)

    def _name(self, service: Service) -> str:
        return service_name(service)

    def _names(self, part: PlannedPart) -> str:
        return " and ".join(self._name(self.salon.service(s)) for s in part.service_ids)

    def _staff(self, staff_id: str) -> str:
        member = next((m for m in self.salon.staff if m.id == staff_id), None)
        return self._first(member.name) if member else ""

    def _first(self, name: str) -> str:
        return latin(name.split()[0]) if name.split() else ""

    # --- opening and manner --------------------------------------------------------------------------------------

    def greeting(self, caller: Caller, channel: Channel) -> tuple[str, ...]:
        hello = f"Hello, {self._first(caller.name)}!" if caller.known and caller.name else "Hello!"
        record = " This call is recorded." if channel.spoken else ""
        return (f"{hello} This is the automatic assistant of {self._salon()}.{record}", "How can I help?")

    def _salon(self) -> str:
        return f"the beauty salon {latin(self.salon.profile.name)}"

    def disclosure(self, channel: Channel) -> str:
        return f"Hello! This is the automatic assistant of {self._salon()}."

    def how_can_i_help(self, tries: int) -> str:
        return (
            "How can I help?" if tries == 0 else "I can book, move or cancel a visit, or tell prices and the address."
        )

    def are_you_there(self, count: int) -> str:
        return "I am here." if count <= 1 else "I cannot hear you."

    def silent_goodbye(self) -> str:
        return "I cannot hear you, so I will end the call. Please call back. Goodbye!"

    def not_heard(self, tries: int) -> str:
        return "Sorry, I did not catch that." if tries == 0 else "The line is bad. Please say it in a few words."

    def one_moment(self) -> str:
        return "One moment, please."

    def lost(self) -> str:
        return "Please tell me once more what you need."

    def goodbye(self, state: DialogueState) -> str:
        return self.pick("bye", "Goodbye!", "Have a nice day, goodbye!")

    # --- what, who, when -----------------------------------------------------------------------------------------

    def ask_service(self, *, again: bool, staff: Sequence[str] = ()) -> str:
        if again:
            names = list(dict.fromkeys(self._name(s) for s in self.salon.services))[:5]
            return f"We offer, for example: {', '.join(names)}. What would you like?"
        return "Which service would you like?"

    def no_such_service(self, phrase: str) -> str:
        return f"We do not offer {phrase}, sorry."

    def ask_variant(self, question: Question, options: Sequence[Service], *, again: bool) -> str:
        match question:
            case Question.GENDER:
                return "Is it a women's or a men's haircut?"
            case Question.HAIR:
                return "How long is your hair: to the shoulders, or below the shoulder blades?"
            case Question.AGE:
                return "How old is the child?"
            case _:
                return f"Which one: {' or '.join(self._name(s) for s in options[:3])}?"

    def consultation_first(self, service: Service, visit: Service, *, first: bool) -> str:
        if not first:
            return "Shall I book the consultation?"
        price = min(service.offers, key=lambda o: o.price.amount.minor).price
        text = f"The price is {self._price(price)}; the exact sum is named by the master at a consultation, "
        text += f"which is {self._price(visit.offers[0].price)}."
        if service.deposit is not None:
            text += f" The work itself needs a deposit of {self._money(service.deposit)}."
        return f"{text} Shall I book the consultation?"

    def child_too_young(self, member: Staff, others: Sequence[str]) -> str:
        rule = f"{self._first(member.name)} takes children from the age of {member.child_from_age}."
        if not others:
            return f"{rule} We have nobody for this age, sorry. Anything else?"
        return f"{rule} I can book with {' or '.join(self._first(n) for n in others[:2])}. Is that fine?"

    def master_does_not(self, name: str, others: Sequence[str]) -> str:
        return f"{self._first(name)} does not do that. These masters do: {', '.join(self._first(n) for n in others)}."

    def no_such_day(self, phrase: str, *, past: bool) -> str:
        return "That day has already passed." if past else "There is no such date."

    def no_history(self) -> str:
        return "I do not see your earlier visits."

    def same_person(self, card: str, said: str) -> bool:
        known = {latin(word).lower() for word in card.split()} | set(card.lower().split())
        return bool(said.split()) and all(word.lower() in known for word in said.split())

    def as_before(self, services: Sequence[ServiceId], staff: StaffId | None, *, often: bool, lead: bool = True) -> str:
        names = " and ".join(self._name(self.salon.service(s)) for s in services)
        who = f" with {self._staff(staff)}" if staff is not None else ""
        words = "As usual" if often else "Like last time"
        if names and not lead:
            return f"{cap(names)}{who}."
        return f"{words}: {names}{who}." if names else f"{words}{who}."

    def last_visit(self, visit: PastVisit) -> str:
        names = " and ".join(self._name(self.salon.service(s)) for s in visit.service_ids)
        day = self.salon.local(visit.start).date()
        return f"Your last visit was on {MONTHS[day.month - 1]} {day.day}, {names} with {self._staff(visit.staff_id)}."

    def usual_master(self, staff: StaffId, *, often: bool) -> str:
        return f"With {self._staff(staff)}, {'as usual' if often else 'like last time'}."

    def why_needed(self, question: Question) -> str:
        if question is Question.PHONE:
            return "We need the number to send the confirmation."
        return "The master needs the name to know who is coming."

    def ask_staff(self) -> str:
        return "Which master would you like?"

    def too_far(self, until: date) -> str:
        return f"We book until {MONTHS[until.month - 1]} {until.day}. Which day before that?"

    def certificates_by_person(self) -> str:
        return "The administrator sells gift certificates. Shall I call the administrator?"

    def ask_day(self, *, with_time: bool, again: bool) -> str:
        if again:
            return "Please name a weekday or a date."
        return "Which day and time would suit you?" if with_time else "Which day?"

    def offer(self, plans: Sequence[Plan], stage: Stage, wish: VisitWish, *, again: bool) -> tuple[str, ...]:
        lead = {
            Stage.OTHER_TIME: "That time is taken. There is",
            Stage.OTHER_DAY: "That day is full. The nearest is",
            Stage.COLLEAGUE: "That master is full. I can offer",
        }.get(stage, f"With {self._staff(wish.staff[0])}, as before: " if wish.staff_usual else "I can offer")
        pieces = []
        for plan in plans:
            who = " and ".join(self._staff(p.staff_id) for p in plan.parts)
            pieces.append(f"{self._day(plan.start)} {self._at(plan.start)} with {who}, {self._price(plan.price)}")
        return (f"{lead} {', or '.join(pieces)}. {'Does it suit you?' if len(plans) == 1 else 'Which one?'}",)

    def is_free(self, plan: Plan) -> str:
        who = " and ".join(self._staff(p.staff_id) for p in plan.parts)
        return f"{cap(self._day(plan.start))} {self._at(plan.start)} with {who} is free."

    def which_offer(self, plans: Sequence[Plan]) -> str:
        pieces = [f"{self._at(p.start)} with {self._staff(p.parts[0].staff_id)}" for p in plans]
        return f"Which one: {' or '.join(pieces)}?"

    def nothing_free(self, wish: VisitWish) -> str:
        if wish.day is not None:
            return (
                f"Nothing is free {self._date(wish.day.first)}. I can put you on the waiting list: it is not a "
                "booking. Shall I?"
            )
        return "Nothing is free in the next days. Which other day would suit you?"

    def ask_phone(self, *, again: bool) -> str:
        if not again:
            return "What is your phone number?"
        if self.conversation.channel.spoken:
            return "Please tell me your phone number digit by digit."
        return "Please write your whole phone number, for example +7 916 123-45-67."

    def ask_rest_of_phone(self, digits: str) -> str:
        return f"{digits}, and then?"

    def phone_right(self, phone: Phone) -> str:
        return f"The number is {phone.e164}, is that right?"

    def ask_name(self, *, again: bool) -> str:
        return "Please tell me your name."

    def ask_visitor(self, wish: VisitWish) -> str:
        return "What is the child's name?"

    def for_whom(self, wish: VisitWish) -> str:
        who = wish.visitor_name or wish.for_whom
        return who if wish.age is None else f"{who}, {wish.age}"

    # --- read-back and result ------------------------------------------------------------------------------------

    def time_key(self, start: datetime) -> str:
        return self._clock(start.time())

    def read_back(self, plan: Plan, wish: VisitWish, *, again: bool) -> str:
        pieces = [f"{self._names(p)} with {self._staff(p.staff_id)} {self._at(p.start)}" for p in plan.parts]
        text = f"So: {self._day(plan.start)}, {', then '.join(pieces)}, {self._price(plan.price)}."
        if sum(len(p.service_ids) for p in plan.parts) > 1:
            text += f" It takes {self._length(int((plan.end - plan.start).total_seconds() // 60))}."
        return text

    def prepay(self, amount: Money) -> str:
        return (
            f"A prepayment of {self._money(amount)} is needed; it is part of the price and comes back if you cancel in "
            "time. I will send a link."
        )

    def prepay_maybe(self) -> str:
        return "If the salon's rules ask for a prepayment, the link will come to this number."

    def with_adult(self) -> str:
        return "A child comes with an adult."

    def all_right(self, *, prepay: bool) -> str:
        return "Shall I book it?"

    def shall_i(self, plan: Plan) -> str:
        return f"Shall I book you {self._day(plan.start)} {self._at(plan.start)}?"

    def what_else(self) -> str:
        return "What should be different?"

    def not_written(self) -> str:
        return "Fine, I am not making a booking. Glad to help another time."

    def slot_gone(self) -> str:
        return "That time has just been taken."

    def booked(self, state: DialogueState) -> tuple[str, ...]:
        assert state.last_plan is not None
        plan = state.last_plan
        who = self._staff(plan.parts[0].staff_id)
        return (
            f"Done, you are booked {self._day(plan.start)} {self._at(plan.start)} with {who}.",
            f"Our address: {latin(self.salon.profile.address)}."
            + (" A confirmation will come by message." if self.salon.profile.sends_messages else ""),
        )

    def moved(self, state: DialogueState) -> tuple[str, ...]:
        assert state.last_plan is not None
        return (f"Done, your visit is moved: {self._day(state.last_plan.start)} {self._at(state.last_plan.start)}.",)

    def changed(self, state: DialogueState) -> tuple[str, ...]:
        assert state.last_plan is not None
        part = state.last_plan.parts[0]
        return (f"Done, your visit is changed: {self._day(part.start)} {self._at(part.start)}, {self._names(part)}.",)

    def cancelled(self, state: DialogueState) -> tuple[str, ...]:
        return ("Your visit is cancelled. See you another time.",)

    def confirmed(self, state: DialogueState) -> tuple[str, ...]:
        return ("Thank you, noted. See you!",)

    def waitlisted(self, state: DialogueState) -> tuple[str, ...]:
        return ("You are on the waiting list. It is not a booking: we will tell you if a place opens.",)

    def unknown(self, state: DialogueState) -> tuple[str, ...]:
        return ("Your request is recorded, and the administrator will check and confirm it.",)

    # --- what is written down ------------------------------------------------------------------------------------

    def confirmation(self, plan: Plan, prepay: Money | None) -> str:
        lines = [
            f"{cap(self._day(p.start))} {self._at(p.start)}: {self._names(p)}, {self._staff(p.staff_id)}."
            for p in plan.parts
        ]
        lines.append(f"Price: {self._price(plan.price)}. {latin(self.salon.profile.address)}")
        if prepay is not None:
            lines.append(f"The prepayment of {self._money(prepay)} is part of the price.")
        return "\n".join(lines)

    def task_unknown(self, plan: Plan, name: str) -> str:
        start = self.salon.local(plan.start).strftime("%d.%m %H:%M")
        who = self._staff(plan.parts[0].staff_id)
        return f"Проверить запись и подтвердить клиенту (говорит по-английски): {start}, {who}."


def cap(text: str) -> str:
    return text[:1].upper() + text[1:]
