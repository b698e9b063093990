"""English wording at the desk: answers, bookings that exist, people who take over. Visits are in en_visits."""

from collections.abc import Sequence
from datetime import date, datetime

from agent.state import Caller, DialogueState, VisitWish
from agent.wording.en_memory import EnglishMemory
from agent.wording.en_visits import MONTHS, cap
from agent.wording.en_words import latin
from core.money import Money
from crm.model import Booking, Plan, SalonProfile, Service, Staff, TaskKind


class English(EnglishMemory):
    # --- side questions ------------------------------------------------------------------------------------------

    def prices(self, services: Sequence[Service]) -> str:
        lines = []
        for service in services:
            if len({o.price for o in service.offers}) == 1:
                lines.append(f"{cap(self._name(service))}: {self._price(service.offers[0].price)}.")
                continue
            offers = sorted(service.offers, key=lambda o: o.price.amount.minor)
            each = ", ".join(f"{self._price(o.price)} with {self._staff(o.staff_id)}" for o in offers)
            lines.append(f"{cap(self._name(service))}: {each}.")
        return " ".join(lines)

    def no_discount(self) -> str:
        return "The prices are those of our list; the administrator can tell about special offers."

    def one_by_one(self) -> str:
        return "I will book you one after another."

    def who_next(self) -> str:
        return "Who is next, and for which service?"

    def price_of_what(self) -> str:
        return "The price of which service?"

    def why_prices_differ(self, services: Sequence[Service]) -> str:
        return "The price depends on the master."

    def price_stays(self, services: Sequence[Service], *, again: bool) -> str:
        if again:
            return "I understand. It is up to you."
        offers = [o for s in services[:1] for o in sorted(s.offers, key=lambda o: o.price.amount.minor)]
        if offers and offers[0].price.amount != offers[-1].price.amount:
            who, price = self._staff(offers[0].staff_id), self._price(offers[0].price)
            return f"I understand. {who} is the least expensive: {price}."
        return "I understand. The price is fixed by our price list."

    def ask_the_master(self) -> str:
        return "The master will gladly tell you about that."

    def durations(self, services: Sequence[Service]) -> str:
        minutes = [(s, int(s.duration.total_seconds() // 60)) for s in services]
        return " ".join(f"{cap(self._name(s))} takes {self._length(m)}." for s, m in minutes)

    def address(self, profile: SalonProfile, *, parking: bool) -> str:
        return f"Our address: {latin(profile.address)}."

    def opening(self, profile: SalonProfile) -> str:
        return f"We are open daily from {self._clock(profile.opens)} to {self._clock(profile.closes)}."

    def payment(self, profile: SalonProfile) -> str:
        return "You can pay by card or in cash."

    def prepay_rule(self, amount: Money) -> str:
        return f"Usually no prepayment is needed. If it is, it is {self._money(amount)} and part of the price."

    def who_does(self, service: Service, members: Sequence[Staff]) -> str:
        return f"{cap(self._name(service))}: {', '.join(self._first(m.name) for m in members)}."

    def team(self, members: Sequence[Staff]) -> str:
        return f"Our masters are {', '.join(self._first(m.name) for m in members)}."

    def on_duty(self, day: date, members: Sequence[Staff], about: Staff | None) -> str:
        if about is not None:
            works = "works" if any(m.id == about.id for m in members) else "does not work"
            return f"{self._first(about.name)} {works} {self._date(day)}."
        return f"{cap(self._date(day))}: {', '.join(self._first(m.name) for m in members) or 'nobody'}."

    def i_speak(self, languages: Sequence[str]) -> str:
        return "Yes, I speak English."

    def i_am_robot(self) -> str:
        return "Yes, I am the automatic assistant of the salon. I can call a person if you like."

    def no_others_data(self) -> str:
        return "I cannot tell anything about other people."

    def cannot_do_that(self) -> str:
        return "I cannot help with that. I can book, move or cancel your visit."

    def i_wait(self) -> str:
        return "Sure, I will wait."

    def certificate_number(self) -> str:
        return "We take certificates: tell me the number, and I will check it."

    def certificate_good(self, until: date, left_minor: int, service: Service | None) -> str:
        what = f"for {self._name(service)}" if service is not None else f"of {self._money(Money(left_minor))}"
        return f"The certificate {what} is valid until {MONTHS[until.month - 1]} {until.day}, {until.year}."

    def certificate_bad(self) -> str:
        return "I see no valid certificate under this number. The administrator will look into it and contact you."

    def certificate_task(self, number: str) -> str:
        return f"Проверить сертификат {number} и связаться с клиентом (говорит по-английски)."

    def door_open(self) -> str:
        return "Sure, we will be glad to see you. Have a nice day!"

    def invite(self) -> str:
        return "Would you like to book?"

    # --- bookings that exist -------------------------------------------------------------------------------------

    def _booking(self, booking: Booking) -> str:
        names = " and ".join(self._name(self.salon.service(s)) for s in booking.service_ids)
        return f"{self._day(booking.start)} {self._at(booking.start)} with {self._staff(booking.staff_id)}, {names}"

    def your_time(self, start: datetime, staff_id: str) -> str:
        return f"You are booked {self._day(start)} {self._at(start)} with {self._staff(staff_id)}."

    def your_bookings(self, bookings: Sequence[Booking]) -> str:
        return f"You are booked {'; '.join(self._booking(b) for b in bookings[:3])}."

    def which_booking(self, bookings: Sequence[Booking], *, again: bool) -> str:
        return f"Which visit: {'; '.join(self._booking(b) for b in bookings[:3])}?"

    def no_bookings(self, *, hidden: bool) -> str:
        why = "Your number is hidden, so I see no bookings." if hidden else "I see no coming visits under your number."
        return f"{why} Shall I call the administrator?"

    def ask_new_time(self, booking: Booking, *, again: bool) -> str:
        return "Which day and time shall I move it to?"

    def ask_change(self, booking: Booking) -> str:
        return f"Your visit: {self._booking(booking)}. What should be changed?"

    def read_back_move(self, booking: Booking, plan: Plan) -> str:
        part = plan.parts[0]
        if part.service_ids != booking.service_ids:
            return (
                f"So: {self._day(plan.start)} {self._at(plan.start)}, {self._names(part)}, {self._price(plan.price)}."
            )
        return (
            f"Moving from {self._day(booking.start)} {self._at(booking.start)} to {self._day(plan.start)} "
            f"{self._at(plan.start)}, with {self._staff(part.staff_id)}."
        )

    def cancel_or_move(self, booking: Booking, *, again: bool) -> str:
        return f"I see your visit {self._booking(booking)}. Shall I cancel it, or move it to another day?"

    def cancel_sure(self, booking: Booking) -> str:
        return f"So I cancel your visit {self._booking(booking)}, right?"

    def whole_visit(self) -> str:
        return "This visit is at several masters; it goes as a whole."

    def stays(self, booking: Booking) -> str:
        return f"Fine, everything stays as it was: {self._booking(booking)}. See you!"

    def already_booked(self, start: datetime, staff_id: str) -> str:
        return (
            f"You are already booked for that time: {self._day(start)} {self._at(start)} with {self._staff(staff_id)}."
        )

    def kept(self) -> str:
        return "Fine, your visit stays. See you!"

    def sympathy(self) -> str:
        return "I am sorry to hear that."

    def cancel_message(self, booking: Booking) -> str:
        return f"Your visit {self._day(booking.start)} {self._at(booking.start)} is cancelled."

    def ask_late_by(self) -> str:
        return "How many minutes late will you be?"

    def late_note(self, minutes: int) -> str:
        return f"Клиент опаздывает на {minutes} мин."

    def late_task(self, minutes: int, booking: Booking) -> str:
        return f"Клиент опаздывает на {minutes} мин. Запись в {self._clock(self.salon.local(booking.start).time())}."

    def late_fine(self, name: str) -> str:
        return f"Thank you for telling us. {self._first(name)} knows, and the service will be done in full."

    def late_too_much(self, name: str, grace_min: int, booking: Booking) -> str:
        end = self._clock(self.salon.local(booking.end).time())
        return (
            f"After {grace_min} minutes the service cannot be done in full: the next client comes at {end}. "
            "Shall I move the visit or cancel it?"
        )

    def reminder_opening(self, caller: Caller) -> tuple[str, ...]:
        name = self._first(caller.name)
        return (f"Hello! This is the automatic assistant of {self._salon()}, the call is recorded.", f"Is that {name}?")

    def call_back_opening(self) -> tuple[str, ...]:
        return (
            f"Hello! This is the automatic assistant of {self._salon()}, the call is recorded.",
            "You called us and the line broke. How can I help?",
        )

    def reminder(self, booking: Booking) -> str:
        return f"You have a visit {self._day(booking.start)} {self._at(booking.start)}. Will you come?"

    def wrong_person(self) -> str:
        return "Sorry to bother you. Goodbye!"

    # --- people who take over, people who are sent off -----------------------------------------------------------

    def _until(self, due: datetime) -> str:
        local = self.salon.local(due)
        return f"{self._date(local.date())} by {self._clock(local.time())}"

    def transfer(self) -> tuple[str, ...]:
        return ("I am connecting you to the administrator.",)

    def apology_and_transfer(self, *, known: bool) -> tuple[str, ...]:
        return ("I am very sorry about that.", "I am passing you to the administrator.")

    def apology_and_promise(self, due: datetime) -> str:
        return f"I am very sorry about that. The administrator will contact you {self._until(due)}."

    def way_out(self, *, admin_now: bool) -> str:
        return 'If you prefer a person, say "administrator".'

    def stuck_transfer(self) -> tuple[str, ...]:
        return ("I do not want to get it wrong, so I am connecting you to the administrator.",)

    def card(self, state: DialogueState, text: str) -> str:
        return f"Клиент: {state.caller.name or 'не назвался'} (говорит по-английски)\nСказано: {text[:300]}"

    def complaint_task(self, name: str, text: str) -> str:
        return f"Жалоба. Клиент: {name or 'не назвался'} (говорит по-английски). Сказано: {text[:500]}"

    def task_intro(
        self, kind: TaskKind, services: Sequence[Service], *, admin_now: bool, ask_name: bool
    ) -> tuple[str, ...]:
        tail = " What is your name?" if ask_name else ""
        match kind:
            case TaskKind.MEDICAL_QUESTION:
                return (f"Only a specialist can answer questions of health; she will call you back.{tail}",)
            case TaskKind.GROUP_REQUEST:
                least = self.salon.rules.group_from
                return (f"Groups from {least} people are arranged by the administrator, who will call you back.{tail}",)
            case _:
                return (f"I will pass it on, and we will call you back.{tail}",)

    def task_text(self, kind: TaskKind, state: DialogueState, details: Sequence[str]) -> str:
        who = state.caller.name or "не назвался"
        if kind is TaskKind.MEDICAL_QUESTION:
            return f"Вопрос к специалисту. Перезвонить. Клиент: {who} (говорит по-английски)."
        return f"Клиент: {who} (говорит по-английски). Сказано: {' / '.join(details)[:800]}"

    def task_promised(self, kind: TaskKind, due: datetime) -> str:
        return f"I have passed it on. We will call you back {self._until(due)}."

    def request_only(self, link: str) -> str:
        if link:
            return f"You can book at once here: {link} Or I find a time and pass your request on to the administrator."
        return "I will find a time, and the administrator will confirm the visit."

    def request_left(self, plan: Plan, due: datetime, link: str) -> str:
        visit = ", then ".join(
            f"{self._names(part)} with {self._staff(part.staff_id)} {self._at(part.start)}" for part in plan.parts
        )
        text = f"I pass your request on to the administrator: {self._day(plan.start)}, {visit}."
        text = f"{text} It is not a booking yet: we will confirm it {self._until(due)}."
        return f"{text} Or book yourself at once: {link}" if link else text

    def request_lost(self, link: str) -> str:
        text = "I could not pass your request on just now."
        return f"{text} Please book here: {link}" if link else f"{text} Shall I connect you with the administrator?"

    def request_task(self, plan: Plan, state: DialogueState, *, link_sent: bool) -> str:
        parts = [
            f"{self.salon.local(part.start):%d.%m %H:%M} {self._names(part)}, {self._staff(part.staff_id)}"
            for part in plan.parts
        ]
        who = state.caller.name or "не назвался"
        sent = " Ссылка на запись отправлена: проверьте, нет ли уже записи." if link_sent else ""
        return f"Записать и подтвердить клиенту (говорит по-английски): {'; '.join(parts)}. Клиент: {who}.{sent}"

    def draft_task(self, state: DialogueState, text: str) -> str:
        who = state.caller.name or "не назвался"
        return f"Журнал не отвечал. Клиент: {who} (говорит по-английски). Сказано: {text[:300]}"

    def nothing_noted(self) -> str:
        return "We have a technical problem and I could not note your request. Please try again in a few minutes."

    def lost_transfer(self) -> tuple[str, ...]:
        return ("We have a technical problem and I could not note your request.", "I am connecting you to the desk.")

    def journal_down(self, due: datetime) -> str:
        return f"Our book does not answer right now. I passed your request on; we will contact you {self._until(due)}."

    def waitlist_intro(self) -> str:
        return "I will put you on the waiting list: it is not a booking, but we will tell you. What is your name?"

    def ask_other_time(self, wish: VisitWish) -> str:
        return "Which day and time would suit you?"

    def task_cancel_unknown(self, booking: Booking) -> str:
        return f"Проверить отмену и подтвердить клиенту: {self._booking(booking)}."

    def spam(self, profile: SalonProfile) -> str:
        return "Thank you, please send offers to the salon by e-mail. Goodbye!"

    def spam_goodbye(self) -> str:
        return "By e-mail only, please. Goodbye!"

    def wrong_number(self) -> str:
        return f"This is {self._salon()}; you have the wrong number."

    def abuse_warning(self) -> str:
        return "Let us talk calmly, and I will help."

    def abuse_goodbye(self) -> str:
        return "I am ending the call. Goodbye."
