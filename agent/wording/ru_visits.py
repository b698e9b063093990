"""Russian wording of a visit: greeting, questions, offers, read-back, result."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from zlib import crc32

from agent.language.ru.morph import Case, Gender
from agent.language.ru.name_words import name_words
from agent.language.ru.phrases import MONTHS_GENITIVE, RussianPhrases, join_and, lower_first
from agent.language.ru.spoken import to_speech
from agent.memory.model import PastVisit
from agent.model import Channel, Conversation
from agent.policy.stages import Stage
from agent.salon import Salon
from agent.state import Caller, DialogueState, Question, VisitWish
from core.money import Money
from core.phone import Phone
from crm.model import Plan, PlannedPart, Service, ServiceId, Staff, StaffId


@dataclass(frozen=True, slots=True)
class RussianVisits:
    phrases: RussianPhrases
    salon: Salon
    now: datetime
    conversation: Conversation
    turn: int
    language: str = "ru"

    # --- small helpers -------------------------------------------------------------------------------------------

    def pick(self, key: str, *options: str) -> str:
        """A variant, the same for the same conversation, turn and place."""
        return options[crc32(f"{self.conversation.id}{self.turn}{key}".encode()) % len(options)]

    def spoken(self, text: str) -> str:
        return to_speech(text)

    def gender_of(self, name: str) -> str:
        gender = self.phrases.gender_of(name)
        return "" if gender is None else "female" if gender is Gender.FEMININE else "male"

    def same_person(self, card: str, said: str) -> bool:
        known, given = _lowered(card), _lowered(said)
        if not known or not given or not set(given[1:]) <= set(known):
            return False
        full = {name.lower().replace("ё", "е") for name in name_words().full_names(given[0])}
        return given[0] in known or known[0] in full or bool(full & set(known))

    @property
    def today(self) -> date:
        return self.now.date()

    def _first(self, name: str) -> str:
        return self.phrases.first_name(name)

    def _staff(self, staff_id: str) -> str:
        member = next((m for m in self.salon.staff if m.id == staff_id), None)
        return self._first(member.name) if member else ""

    def _day(self, moment: datetime, preposition: str = "в") -> str:
        return self.phrases.say_date(self.salon.local(moment).date(), self.today, preposition=preposition)

    def _at(self, moment: datetime) -> str:
        return self.phrases.say_time(self.salon.local(moment).time())

    def _names(self, part: PlannedPart, case: Case = Case.NOMINATIVE) -> str:
        return join_and([self.phrases.service_in(short(self.salon.service(s).name), case) for s in part.service_ids])

    # --- opening and manner --------------------------------------------------------------------------------------

    def greeting(self, caller: Caller, channel: Channel) -> tuple[str, ...]:
        salon = self.salon.profile.name
        hello = f"Здравствуйте, {self._first(caller.name)}!" if caller.known and caller.name else "Здравствуйте!"
        if channel.spoken:
            return (
                f"{hello} Салон «{salon}», автоматический помощник, разговор записывается.",
                self.pick("help", "Чем помочь?", "Слушаю вас.", "Чем могу помочь?"),
            )
        return (f"{hello} Это автоматический помощник салона «{salon}».", "Чем помочь?")

    def disclosure(self, channel: Channel) -> str:
        return f"Здравствуйте! Это автоматический помощник салона «{self.salon.profile.name}»."

    def how_can_i_help(self, tries: int) -> str:
        if tries == 0:
            return self.pick("help", "Чем могу помочь?", "Слушаю вас.", "Подскажите, что вас интересует?")
        return "Могу записать, перенести или отменить запись, подсказать цены и адрес. Что нужно?"

    def are_you_there(self, count: int) -> str:
        return "Я на линии." if count <= 1 else "Вас не слышно."

    def silent_goodbye(self) -> str:
        return "Вас не слышно, я завершаю звонок. Перезвоните, пожалуйста, когда будет удобно. До свидания!"

    def not_heard(self, tries: int) -> str:
        return "Плохо слышно. Повторите, пожалуйста." if tries == 0 else "Связь плохая. Скажите, пожалуйста, коротко."

    def one_moment(self) -> str:
        return self.pick("moment", "Секунду, смотрю.", "Сейчас посмотрю.", "Минутку, проверяю.")

    def lost(self) -> str:
        return "Повторите, пожалуйста, ещё раз, что нужно сделать."

    def goodbye(self, state: DialogueState) -> str:
        return self.pick("bye", "До свидания!", "Всего доброго!", "Хорошего дня, до свидания!")

    # --- what, who, when -----------------------------------------------------------------------------------------

    def ask_service(self, *, again: bool, staff: Sequence[str] = ()) -> str:
        if again:
            plain = [s for s in self.salon.services if s.variant_of is None]
            mine = [s for s in plain if any(o.staff_id in staff for o in s.offers)] or plain
            names = list(dict.fromkeys(lower_first(short(s.name)) for s in mine))
            shown = names[self.turn * 3 % len(names) :][:4] if len(names) > 5 else names  # others each time
            return f"Например, {join_and(shown)}. Что вам записать?"
        return self.pick("service", "На какую услугу вас записать?", "Что будем делать?", "Какая услуга нужна?")

    def no_such_service(self, phrase: str) -> str:
        return f"Такой услуги, «{phrase}», у нас нет."

    def ask_variant(self, question: Question, options: Sequence[Service], *, again: bool) -> str:
        match question:
            case Question.GENDER:
                return "Стрижка женская или мужская?"
            case Question.HAIR:
                return (
                    "Скажите, волосы ниже лопаток или короче?"
                    if again
                    else self.pick(
                        "hair", "Какой длины волосы: до плеч или ниже лопаток?", "Волосы до лопаток или длиннее?"
                    )
                )
            case Question.AGE:
                return "Сколько лет ребёнку?"
            case _:
                names = [lower_first(short(s.name)) for s in options][:3]
                if again:
                    numbered = zip(("Первое", "второе", "третье"), names, strict=False)
                    return f"{', '.join(f'{number} — {name}' for number, name in numbered)}. Что из этого?"
                return f"Уточните, пожалуйста: {' или '.join(names)}?"

    def consultation_first(self, service: Service, visit: Service, *, first: bool) -> str:
        if not first:
            return "Записать вас на консультацию?"
        price = min(service.offers, key=lambda o: o.price.amount.minor).price
        free = visit.offers[0].price
        cost = "она бесплатная" if free.amount.minor == 0 else f"она стоит {self.phrases.say_price(free)}"
        text = (
            f"{short(service.name)} стоит {self.phrases.say_price(price)}, "
            f"точную сумму назовёт мастер на консультации, {cost}."
        )
        if service.deposit is not None:
            text += f" Для самого окрашивания нужна предоплата {self.phrases.say_money(service.deposit)}."
        return f"{text} Записать вас на консультацию?"

    def child_too_young(self, member: Staff, others: Sequence[str]) -> str:
        name = self._first(member.name)
        rule = (
            f"{name} берёт детей с {member.child_from_age} лет."
            if member.child_from_age
            else f"{name} детей не стрижёт."
        )
        if not others:
            return f"{rule} Для такого возраста мастера у нас, к сожалению, нет. Чем ещё помочь?"
        who = " или ".join(self.phrases.to_master(self._first(n)) for n in others[:2])
        return f"{rule} Могу записать {who}. Подойдёт?"

    def master_does_not(self, name: str, others: Sequence[str]) -> str:
        does = "делает" if len(others) == 1 else "делают"
        return f"{self._first(name)} этого не делает. Это {does} {join_and([self._first(n) for n in others])}."

    def no_such_day(self, phrase: str, *, past: bool) -> str:
        if past:
            return self.pick("past", "Этот день уже прошёл.", "Этот день уже позади.")
        return self.pick("baddate", "Такого числа нет.", "Такого дня в календаре нет.")

    def no_history(self) -> str:
        return "Прошлые визиты мне не видны."

    def as_before(self, services: Sequence[ServiceId], staff: StaffId | None, *, often: bool, lead: bool = True) -> str:
        names = join_and([lower_first(short(self.salon.service(s).name)) for s in services])
        who = self.phrases.at_master(self._staff(staff)) if staff is not None else ""
        words = "Как обычно" if often else "Как в прошлый раз"
        if not names:
            return f"{words}, {self.phrases.to_master(self._staff(staff))}." if staff is not None else f"{words}."
        return (f"{words}: {names} {who}" if lead else f"{cap(names)} {who}").strip() + "."

    def last_visit(self, visit: PastVisit) -> str:
        names = join_and([lower_first(short(self.salon.service(s).name)) for s in visit.service_ids])
        day = self.salon.local(visit.start).date()
        when = f"{day.day} {MONTHS_GENITIVE[day.month - 1]}" + (
            f" {day.year} года" if day.year != self.today.year else ""
        )
        return f"В последний раз вы были {when} {self.phrases.at_master(self._staff(visit.staff_id))}: {names}."

    def usual_master(self, staff: StaffId, *, often: bool) -> str:
        who = self.phrases.to_master(self._staff(staff))
        return f"{cap(who)}, {'как обычно' if often else 'как в прошлый раз'}."

    def why_needed(self, question: Question) -> str:
        if question is Question.PHONE:
            return "Номер нужен, чтобы прислать подтверждение."
        return "Имя нужно мастеру, чтобы знать, кто придёт."

    def ask_staff(self) -> str:
        return "К какому мастеру записать?"

    def too_far(self, until: date) -> str:
        return f"Запись открыта до {until.day} {MONTHS_GENITIVE[until.month - 1]}. На какой день до этого числа?"

    def certificates_by_person(self) -> str:
        return "Подарочный сертификат оформит администратор. Соединить?"

    def ask_day(self, *, with_time: bool, again: bool) -> str:
        if again:
            return "Назовите, пожалуйста, день недели или число."
        if with_time:
            return self.pick("day", "На какой день и время?", "Когда вам удобно прийти?", "На когда вас записать?")
        return "На какой день?"

    def offer(self, plans: Sequence[Plan], stage: Stage, wish: VisitWish, *, again: bool) -> tuple[str, ...]:
        lead = "Могу предложить" if again else self._lead(plans, stage, wish)
        named = self.phrases.at_master(self._staff(wish.staff[0])) if wish.staff else ""
        told = named in lead or (bool(wish.staff_usual) and not again)
        options = self._options(plans, named if named and told and stage is not Stage.COLLEAGUE else "")
        if len(plans) == 1:
            return (f"{lead} {options}. Подойдёт?".strip(),)
        return (f"{lead} {options}. Что удобнее?".strip(),)

    def _lead(self, plans: Sequence[Plan], stage: Stage, wish: VisitWish) -> str:
        who = f" у {self.phrases.name_in(self._staff(wish.staff[0]), Case.GENITIVE)}" if wish.staff else ""
        wished = wish.day.first if wish.day else None
        day = self.phrases.say_date(wished, self.today) if wished else ""
        wanted = wish.time.at if wish.time is not None else None
        if stage is Stage.AS_WISHED and wanted is not None and not any(self._is_at(p, wanted) for p in plans):
            return f"{cap(self.phrases.say_time(wanted))}{who} занято. Есть"
        match stage:
            case Stage.OTHER_TIME:
                return f"На это время{who} занято. Есть"
            case Stage.OTHER_DAY:
                return f"{self._when_lead(day)}{who} всё занято. Ближайшее{who}:"
            case Stage.COLLEAGUE if wanted is not None and not any(self._is_at(p, wanted) for p in plans):
                return f"{cap(self.phrases.say_time(wanted))} занято. Могу предложить"
            case Stage.COLLEAGUE:
                return f"{self._when_lead(day)}{who} мест нет. Могу предложить"
            case _ if wish.staff_usual:
                who = cap(self.phrases.to_master(self._staff(wish.staff[0])))
                return f"{who}, как {'обычно' if wish.staff_usual == 'often' else 'в прошлый раз'}, могу записать"
            case _:
                return self.pick("offer", "Могу предложить", "Есть время", "Свободно")

    def _when_lead(self, day: str) -> str:
        return f"{cap(day)}," if day else "На это время"

    def _is_at(self, plan: Plan, moment: time) -> bool:
        return self.salon.local(plan.start).time() == moment

    def _options(self, plans: Sequence[Plan], said_staff: str = "") -> str:
        """«завтра, 2 декабря, в 14:30 у Марии, 2500 рублей, или в 16:00 у Анны, 3500 рублей»"""
        pieces = []
        previous_day, previous_staff, previous_price = "", said_staff, ""
        for plan in plans:
            day = self._day(plan.start)
            staff = join_and([self.phrases.at_master(self._staff(p.staff_id)) for p in plan.parts])
            price = self.phrases.say_price(plan.price)
            words = [w for w in (day if day != previous_day else "", f"{self._at(plan.start)}") if w]
            text = " ".join(words) if len(words) == 1 else f"{words[0]}, {words[1]}"
            if staff != previous_staff:
                text += f" {staff}"
            if price != previous_price:
                text += f", {price}"
            pieces.append(text)
            previous_day, previous_staff, previous_price = day, staff, price
        return ", или ".join(pieces)

    def is_free(self, plan: Plan) -> str:
        who = join_and([self.phrases.at_master(self._staff(p.staff_id)) for p in plan.parts])
        return f"{cap(self._day(plan.start))}, {self._at(plan.start)} {who} свободно."

    def which_offer(self, plans: Sequence[Plan]) -> str:
        lead = "Записать " if self.turn % 2 else "Вам удобнее "
        return f"{lead}{' или '.join(self._when_and_who(plan, plans) for plan in plans)}?"

    def _when_and_who(self, plan: Plan, plans: Sequence[Plan]) -> str:
        same_day = len({self.salon.local(p.start).date() for p in plans}) == 1
        same_staff = len({tuple(part.staff_id for part in p.parts) for p in plans}) == 1
        day = "" if same_day else f"{self._day(plan.start, 'на')}, "
        who = "" if same_staff else f" {self.phrases.to_master(self._staff(plan.parts[0].staff_id))}"
        return f"{day}{self.phrases.say_time(self.salon.local(plan.start).time(), preposition='на')}{who}"

    def nothing_free(self, wish: VisitWish) -> str:
        if wish.day is not None:
            day = self.phrases.say_period(wish.day.first, wish.day.last, self.today)
            return (
                f"{cap(day)} свободного времени нет. Могу внести вас в лист ожидания: это не запись, "
                "но если место освободится, сообщим. Внести?"
            )
        return "Свободного времени в ближайшие дни нет. Назовите, пожалуйста, другой день."

    def ask_phone(self, *, again: bool) -> str:
        if not again:
            return "Подскажите ваш номер телефона."
        if self.conversation.channel.spoken:
            return "Продиктуйте, пожалуйста, номер телефона по цифрам."
        return "Напишите, пожалуйста, номер телефона целиком, например 8 916 123-45-67."

    def ask_rest_of_phone(self, digits: str) -> str:
        return f"{digits}, и дальше?"

    def phone_right(self, phone: Phone) -> str:
        return f"Номер {grouped(phone)}, верно?"

    def ask_name(self, *, again: bool) -> str:
        return (
            "Назовите, пожалуйста, ваше имя."
            if again
            else self.pick("name", "Как вас зовут?", "Подскажите, как вас зовут?")
        )

    def ask_visitor(self, wish: VisitWish) -> str:
        return "Как зовут ребёнка?"

    def for_whom(self, wish: VisitWish) -> str:
        from agent.language.ru.plural import plural

        who = wish.visitor_name or wish.for_whom
        return who if wish.age is None else f"{who}, {wish.age} {plural(wish.age, 'год', 'года', 'лет')}"

    # --- read-back and result ------------------------------------------------------------------------------------

    def time_key(self, start: datetime) -> str:
        return self.phrases.say_time(start.time(), preposition="")

    def read_back(self, plan: Plan, wish: VisitWish, *, again: bool) -> str:
        lead = self.pick("record", "Записываю", "Проверим", "Итак")
        day = self._day(plan.start)
        pieces = []
        for index, part in enumerate(plan.parts):
            who = self.phrases.at_master(self._staff(part.staff_id))
            joint = "" if index == 0 else "затем "
            pieces.append(f"{joint}{self._names(part)} {who} {self._at(part.start)}")
        text = f"{lead}: {day}, {', '.join(pieces)}"
        count = sum(len(part.service_ids) for part in plan.parts)
        cost = self.phrases.say_price(plan.price)
        left = wish.certificate_left_minor
        if wish.certificate and left is not None and left >= plan.price.amount.minor:
            rest = self.phrases.say_money(Money(left - plan.price.amount.minor))
            return f"{text}, {cost} по сертификату, остаток {rest} сохранится."
        if count > 1:
            length = self.phrases.say_duration(plan.end - plan.start)
            return f"{text}. Всего {length}, {cost}."
        if wish.age is not None:
            return f"{text}, {self.phrases.say_duration(plan.end - plan.start)}, {cost}."
        return f"{text}, {cost}."

    def prepay(self, amount: Money) -> str:
        return (
            f"Понадобится предоплата {self.phrases.say_money(amount)}, она войдёт в стоимость. "
            "Если отменить заранее, деньги вернём. Пришлю ссылку."
        )

    def prepay_maybe(self) -> str:
        return "Если по правилам салона понадобится предоплата, ссылка придёт на этот номер."

    def with_adult(self) -> str:
        return "Ребёнок приходит со взрослым."

    def all_right(self, *, prepay: bool) -> str:
        return "Записать?" if prepay else self.pick("right", "Всё верно?", "Верно?", "Всё правильно?")

    def shall_i(self, plan: Plan) -> str:
        return f"Записываю вас {self._day(plan.start, 'на')}, {self._at(plan.start)}?"

    def what_else(self) -> str:
        return self.pick("else", "Что поменять?", "Что изменить: время, мастера или услугу?")

    def not_written(self) -> str:
        return "Хорошо, запись не оформляю. Будем рады помочь в другой раз."

    def slot_gone(self) -> str:
        return "Это время только что заняли."

    def booked(self, state: DialogueState) -> tuple[str, ...]:
        assert state.last_plan is not None
        plan = state.last_plan
        who = self.phrases.to_master(self._staff(plan.parts[0].staff_id))
        when = f"{self._day(plan.start, 'на')}, {self._at(plan.start)}"
        if not self.salon.profile.sends_messages:
            return (f"Готово, вы записаны {when}, {who}.", self.pick("sent", "Ждём вас!", "До встречи!"))
        return (
            f"Готово, вы записаны {when}, {who}.",
            self.pick(
                "sent", "Подтверждение придёт сообщением. Ждём вас!", "Подтверждение пришлю сообщением. До встречи!"
            ),
        )

    def moved(self, state: DialogueState) -> tuple[str, ...]:
        assert state.last_plan is not None
        return (
            f"Готово, запись перенесена {self._day(state.last_plan.start, 'на')}, {self._at(state.last_plan.start)}.",
            *self._message_follows(),
        )

    def changed(self, state: DialogueState) -> tuple[str, ...]:
        assert state.last_plan is not None
        part = state.last_plan.parts[0]
        when = f"{self._day(part.start)} {self._at(part.start)}"
        return (f"Готово, запись изменена: {when}, {self._names(part)}.", *self._message_follows())

    def _message_follows(self) -> tuple[str, ...]:
        """Promised only where a channel can carry it."""
        return ("Подтверждение пришлю сообщением.",) if self.salon.profile.sends_messages else ()

    def cancelled(self, state: DialogueState) -> tuple[str, ...]:
        return ("Запись отменена. Будем рады видеть вас в другой раз.",)

    def confirmed(self, state: DialogueState) -> tuple[str, ...]:
        return ("Спасибо, отмечено. Ждём вас!",)

    def waitlisted(self, state: DialogueState) -> tuple[str, ...]:
        return ("Вы в листе ожидания. Это не запись: если место освободится, сообщим.",)

    def unknown(self, state: DialogueState) -> tuple[str, ...]:
        return ("Заявка записана, администратор проверит её и подтвердит.",)


def _lowered(name: str) -> list[str]:
    return name.lower().replace("ё", "е").split()


def short(name: str) -> str:
    """Without the note in brackets, which is for the eye."""
    return name.split("(", 1)[0].strip().rstrip(",")


def cap(text: str) -> str:
    return text[:1].upper() + text[1:]


def grouped(phone: Phone) -> str:
    """«8 900 000-02-13» for Russian numbers, international groups otherwise."""
    digits = phone.e164
    if digits.startswith("+7") and len(digits) == 12:
        return f"8 {digits[2:5]} {digits[5:8]}-{digits[8:10]}-{digits[10:12]}"
    return digits
