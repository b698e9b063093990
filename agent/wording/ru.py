"""Russian wording at the desk: answers, bookings that exist, people who take over. Visits are in ru_visits."""

from collections.abc import Sequence
from datetime import date, datetime
from itertools import groupby

from agent.language.ru.morph import Case
from agent.language.ru.phrases import MONTHS_GENITIVE, join_and, lower_first
from agent.language.ru.plural import plural
from agent.state import Caller
from agent.wording.ru_people import RussianPeople
from agent.wording.ru_visits import cap, short
from core.money import Money
from crm.model import Booking, Plan, SalonProfile, Service, Staff

LANGUAGES = {"ru": "по-русски", "en": "по-английски"}


class Russian(RussianPeople):
    # --- side questions ------------------------------------------------------------------------------------------

    def prices(self, services: Sequence[Service]) -> str:
        """«Женская стрижка: у Марии 2500 рублей, у Анны, топ-стилиста, 3500 рублей.»"""
        lines = []
        for service in services:
            offers = sorted(service.offers, key=lambda o: o.price.amount.minor)
            by_price = [(k, list(g)) for k, g in groupby(offers, key=lambda o: o.price)]
            name = cap(short(service.name))
            if len(by_price) == 1:
                lines.append(f"{name} — {self.phrases.say_price(by_price[0][0])}.")
                continue
            pieces = []
            for price, group in by_price:
                who = join_and([self._with_role(o.staff_id, top=price == by_price[-1][0]) for o in group])
                pieces.append(f"{who} {self.phrases.say_price(price)}")
            lines.append(f"{name}: {', '.join(pieces)}.")
        return " ".join(lines)

    def _with_role(self, staff_id: str, *, top: bool) -> str:
        member = next((m for m in self.salon.staff if m.id == staff_id), None)
        if member is None:
            return ""
        who = self.phrases.at_master(self._first(member.name))
        role = member.role.split(",", 1)[0]
        if top and role.startswith("топ-"):
            return f"{who}, {self.phrases.service_in(role, Case.GENITIVE)},"
        return who

    def no_discount(self) -> str:
        return "Цены у нас по прайсу, об акциях подскажет администратор."

    def one_by_one(self) -> str:
        return "Запишу вас по очереди."

    def who_next(self) -> str:
        return "Кого и на что записать следующим?"

    def price_of_what(self) -> str:
        return "На какую услугу подсказать цену?"

    def why_prices_differ(self, services: Sequence[Service]) -> str:
        roles = []
        for service in services[:1]:
            for offer in sorted(service.offers, key=lambda o: o.price.amount.minor):
                member = next((m for m in self.salon.staff if m.id == offer.staff_id), None)
                if member is not None:
                    role = member.role.split(",", 1)[0]
                    roles.append(f"{self._first(member.name)} — {role}")
        if len(roles) > 1 and len({o.price for o in services[0].offers}) > 1:
            return f"Цена зависит от мастера: {', '.join(roles)}."
        if services and not any(o.price.starting_at for o in services[0].offers):
            return "Цена по прайсу, она фиксированная."
        return "Цена зависит от объёма работы, её подтверждает мастер до начала."

    def price_stays(self, services: Sequence[Service], *, again: bool) -> str:
        """To «дорого»: no argument, no discount; the cheapest way if there is a choice."""
        if again:
            return self.pick("stays2", "Понимаю. Решать вам, я на связи.", "Понимаю вас. Цена, к сожалению, такая.")
        offers = [o for s in services[:1] for o in sorted(s.offers, key=lambda o: o.price.amount.minor)]
        if offers and offers[0].price.amount != offers[-1].price.amount:
            who = self.phrases.at_master(self._staff(offers[0].staff_id))
            return f"Понимаю. Дешевле всего {who}: {self.phrases.say_price(offers[0].price)}."
        if offers and offers[0].price.starting_at:
            return "Понимаю. Точную сумму мастер назовёт до начала работы."
        return "Понимаю. Цена по прайсу, она фиксированная."

    def ask_the_master(self) -> str:
        return self.pick("master", "Это лучше спросить у мастера на месте.", "Об этом подробно расскажет мастер.")

    def durations(self, services: Sequence[Service]) -> str:
        return " ".join(f"{cap(short(s.name))} длится {self.phrases.say_duration(s.duration)}." for s in services)

    def address(self, profile: SalonProfile, *, parking: bool) -> str:
        text = f"Наш адрес: {profile.address}."
        if profile.metro:
            text += f" {cap(profile.metro)}."
        if parking:
            text += f" Парковка: {profile.parking}." if profile.parking else " О парковке подскажет администратор."
        return text

    def opening(self, profile: SalonProfile) -> str:
        start = self.phrases.say_time(profile.opens, preposition="с")
        return f"Работаем ежедневно {start} {self.phrases.say_time(profile.closes, preposition='до')}."

    def payment(self, profile: SalonProfile) -> str:
        return (
            f"Оплатить можно так: {', '.join(profile.payment)}."
            if profile.payment
            else "Об оплате подскажет администратор."
        )

    def prepay_rule(self, amount: Money) -> str:
        return (
            "Обычно предоплата не нужна. Если нужна, это "
            f"{self.phrases.say_money(amount)}: они входят в стоимость и возвращаются при отмене заранее."
        )

    def who_does(self, service: Service, members: Sequence[Staff]) -> str:
        names = join_and([self._first(m.name) for m in members])
        return f"{cap(short(service.name))}: {names}." if members else "Эту услугу сейчас никто не делает."

    def team(self, members: Sequence[Staff]) -> str:
        return (
            "У нас работают " + join_and([f"{self._first(m.name)}, {m.role.split(',', 1)[0]}" for m in members]) + "."
        )

    def on_duty(self, day: date, members: Sequence[Staff], about: Staff | None) -> str:
        when = cap(self.phrases.say_date(day, self.today))
        if about is not None:
            works = "работает" if any(m.id == about.id for m in members) else "не работает"
            return f"{when}, {self._first(about.name)} {works}."
        if not members:
            return f"{when}, мастеров в салоне нет."
        return f"{when}, работают {join_and([self._first(m.name) for m in members])}."

    def i_speak(self, languages: Sequence[str]) -> str:
        return f"Говорю {join_and([LANGUAGES[code] for code in languages if code in LANGUAGES] or ['по-русски'])}."

    def i_am_robot(self) -> str:
        return "Да, я автоматический помощник салона. Если хотите, позову администратора."

    def no_others_data(self) -> str:
        return "Сведения о других людях я не сообщаю."

    def cannot_do_that(self) -> str:
        return "С этим помочь не могу. Могу записать, перенести или отменить вашу запись."

    def i_wait(self) -> str:
        return self.pick("wait", "Конечно, подожду.", "Хорошо, жду.")

    def certificate_number(self) -> str:
        return "Сертификаты принимаем: назовите номер, и я проверю."

    def certificate_good(self, until: date, left_minor: int, service: Service | None) -> str:
        when = _day_month(until) + (f" {until.year} года" if until.year != self.today.year else "")
        if service is not None:
            return f"Сертификат на услугу «{short(service.name)}» действует до {when}."
        money = self.phrases.say_money(Money(left_minor))
        return f"Сертификат на {money} действует до {when}. Остаток сохраняется по правилам салона."

    def certificate_bad(self) -> str:
        return "По этому номеру действующего сертификата не видно. Вопрос решит администратор, он с вами свяжется."

    def certificate_task(self, number: str) -> str:
        return f"Проверить сертификат {number} и связаться с клиентом."

    def door_open(self) -> str:
        return self.pick(
            "door", "Хорошо, будем рады видеть вас. Всего доброго!", "Конечно. Надумаете, звоните. Всего доброго!"
        )

    def invite(self) -> str:
        return self.pick("invite", "Записать вас?", "Подобрать вам время?")

    # --- bookings that exist -------------------------------------------------------------------------------------

    def _booking(self, booking: Booking, *, services: bool = True) -> str:
        when = f"{self._day(booking.start)} {self._at(booking.start)}"
        if not services:
            return f"{when} {self.phrases.to_master(self._staff(booking.staff_id))}"
        names = join_and([lower_first(short(self.salon.service(s).name)) for s in booking.service_ids])
        return f"{when} {self.phrases.to_master(self._staff(booking.staff_id))}: {names}"

    def your_time(self, start: datetime, staff_id: str) -> str:
        return f"Вы записаны {self._day(start)} {self._at(start)} {self.phrases.to_master(self._staff(staff_id))}."

    def your_bookings(self, bookings: Sequence[Booking]) -> str:
        return f"Вы записаны {'; '.join(self._booking(b) for b in bookings[:3])}."

    def which_booking(self, bookings: Sequence[Booking], *, again: bool) -> str:
        listed = "; ".join(self._booking(b) for b in bookings[:3])
        return f"Какую из записей: {listed}?" if again else f"У вас несколько записей: {listed}. О какой речь?"

    def no_bookings(self, *, hidden: bool) -> str:
        if hidden:
            return "Ваш номер скрыт, поэтому записи мне не видны. Позвать администратора?"
        return "На ваш номер будущих записей нет. Позвать администратора?"

    def ask_new_time(self, booking: Booking, *, again: bool) -> str:
        if again:
            return "Назовите, пожалуйста, день и время, на которые перенести."
        return f"Вы записаны {self._booking(booking)}. На какой день и время перенести?"

    def ask_change(self, booking: Booking) -> str:
        return f"Вы записаны {self._booking(booking)}. Что изменить в услугах?"

    def read_back_move(self, booking: Booking, plan: Plan) -> str:
        part = plan.parts[0]
        if part.service_ids != booking.service_ids:
            names = join_and([lower_first(short(self.salon.service(s).name)) for s in part.service_ids])
            length = self.phrases.say_duration(plan.end - plan.start)
            who = self.phrases.to_master(self._staff(part.staff_id))
            when = f"{self._day(plan.start)} {self._at(plan.start)}"
            return f"Меняю запись: {when} {who}, {names}, {length}, {self.phrases.say_price(plan.price)}."
        old = f"{self._day(booking.start)} {self._at(booking.start)}"
        new = f"{self._day(plan.start)} {self._at(plan.start)}"
        who = self.phrases.to_master(self._staff(part.staff_id))
        if self.salon.local(booking.start).date() == self.salon.local(plan.start).date():
            start, target = self.salon.local(booking.start).time(), self.salon.local(plan.start).time()
            hours = f"{self.phrases.say_time(start, preposition='с')} {self.phrases.say_time(target, preposition='на')}"
            return f"Переношу: {self._day(plan.start)}, {hours}, {who}."
        return f"Переношу: было {old}, будет {new}, {who}."

    def cancel_or_move(self, booking: Booking, *, again: bool) -> str:
        if again:
            return f"Отменить запись {self._booking(booking, services=False)} или перенести на другой день?"
        return f"Вижу запись {self._booking(booking)}. Отменить или перенести на другой день?"

    def cancel_sure(self, booking: Booking) -> str:
        return f"Отменяю запись {self._booking(booking, services=False)}, верно?"

    def whole_visit(self) -> str:
        return "Это визит у нескольких мастеров, отменяется он целиком."

    def stays(self, booking: Booking) -> str:
        return f"Хорошо, всё остаётся как было: {self._booking(booking, services=False)}. Ждём вас!"

    def already_booked(self, start: datetime, staff_id: str) -> str:
        who = self.phrases.to_master(self._staff(staff_id))
        return f"Вы уже записаны на это время: {self._day(start)} {self._at(start)} {who}."

    def kept(self) -> str:
        return "Хорошо, запись остаётся. Ждём вас!"

    def sympathy(self) -> str:
        return self.pick(
            "sympathy", "Сочувствую, пусть всё скорее наладится.", "Очень сочувствую, скорейшего выздоровления."
        )

    def cancel_message(self, booking: Booking) -> str:
        return f"Запись {self._booking(booking, services=False)} отменена. Будем рады видеть вас снова."

    def task_cancel_unknown(self, booking: Booking) -> str:
        return f"Проверить отмену и подтвердить клиенту: {self._booking(booking)}."

    def ask_late_by(self) -> str:
        return "На сколько минут задержитесь?"

    def late_note(self, minutes: int) -> str:
        return f"Клиент опаздывает на {minutes} {plural(minutes, 'минуту', 'минуты', 'минут')}."

    def late_task(self, minutes: int, booking: Booking) -> str:
        return f"{self.late_note(minutes)} Запись {self._at(booking.start)}."

    def late_fine(self, name: str) -> str:
        told = "предупреждена" if self._feminine(name) else "предупреждён"
        return f"Спасибо, что предупредили. {self._first(name)} {told}, услуга пройдёт полностью."

    def _feminine(self, name: str) -> bool:
        gender = self.phrases.gender_of(name)
        return gender is None or gender.name == "FEMININE"

    def late_too_much(self, name: str, grace_min: int, booking: Booking) -> str:
        end = self.phrases.say_time(self.salon.local(booking.end).time())
        return (
            f"При опоздании больше {grace_min} минут услугу целиком выполнить не успеют: {end} следующий клиент. "
            "Перенести запись на другое время или отменить?"
        )

    def reminder_opening(self, caller: Caller) -> tuple[str, ...]:
        name = self._first(caller.name)
        salon = self.salon.profile.name
        return (
            f"Здравствуйте! Салон «{salon}», автоматический помощник, разговор записывается.",
            f"{name}, это вы?" if name else "Удобно говорить?",
        )

    def call_back_opening(self) -> tuple[str, ...]:
        salon = self.salon.profile.name
        return (
            f"Здравствуйте! Салон «{salon}», автоматический помощник, разговор записывается.",
            "Вы нам звонили, связь прервалась. Чем помочь?",
        )

    def reminder(self, booking: Booking) -> str:
        return f"Вы записаны {self._booking(booking, services=False)}. Сможете прийти?"

    def wrong_person(self) -> str:
        return "Извините за беспокойство. До свидания!"


def _day_month(day: date) -> str:
    return f"{day.day} {MONTHS_GENITIVE[day.month - 1]}"
