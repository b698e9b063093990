"""Russian wording of a hand-over: people who take over, messages left for them, people who are sent off."""

from collections.abc import Sequence
from datetime import datetime

from agent.language.ru.phrases import join_and, lower_first
from agent.state import DialogueState, VisitWish
from agent.wording.ru_memory import RussianMemory
from agent.wording.ru_visits import cap, short
from core.money import Money
from crm.model import Plan, SalonProfile, Service, TaskKind


class RussianPeople(RussianMemory):
    # --- people who take over, people who are sent off -----------------------------------------------------------

    def _hour(self, moment: datetime) -> str:
        local = self.salon.local(moment)
        day = self.phrases.say_date(local.date(), self.today)
        return f"{day} {self.phrases.say_time(local.time().replace(second=0, microsecond=0), preposition='до')}"

    def transfer(self) -> tuple[str, ...]:
        return ("Соединяю с администратором.",)

    def apology_and_transfer(self, *, known: bool) -> tuple[str, ...]:
        sees = "он уже видит вашу запись" if known else "он поможет"
        return ("Мне очень жаль, что так вышло.", f"Перевожу на администратора, {sees}.")

    def apology_and_promise(self, due: datetime) -> str:
        return f"Мне очень жаль, что так вышло. Передам администратору, с вами свяжутся {self._hour(due)}."

    def way_out(self, *, admin_now: bool) -> str:
        spoken = self.conversation.channel.spoken
        say, then = ("скажите", "соединю") if spoken else ("напишите", "позову его")
        if admin_now:
            return f"Если удобнее, {say} «администратор», и я {then}."
        return f"Если удобнее, {say} «администратор», и я передам вашу просьбу."

    def stuck_transfer(self) -> tuple[str, ...]:
        return ("Боюсь ошибиться, поэтому соединяю с администратором.",)

    def card(self, state: DialogueState, text: str) -> str:
        parts = [f"Клиент: {state.caller.name or 'не назвался'}"]
        names = [self.salon.service(w.candidates[0]).name for w in state.wish.services if w.candidates]
        if names:
            parts.append(f"Услуги: {', '.join(names)}")
        if state.wish.day is not None:
            parts.append(f"День: {self.phrases.say_period(state.wish.day.first, state.wish.day.last, self.today)}")
        parts.append(f"Сказано: {text[:300]}")
        return "\n".join(parts)

    def complaint_task(self, name: str, text: str) -> str:
        return f"Жалоба. Клиент: {name or 'не назвался'}. Сказано: {text[:500]}"

    def task_intro(
        self, kind: TaskKind, services: Sequence[Service], *, admin_now: bool, ask_name: bool
    ) -> tuple[str, ...]:
        tail = " Как вас зовут?" if ask_name else ""
        match kind:
            case TaskKind.MEDICAL_QUESTION:
                dye = any("окраш" in s.name.lower() for s in services)
                example = ", например только без краски" if dye else ""
                text = f"По здоровью подскажет только специалист: он перезвонит и скажет, что возможно{example}."
                return (text, "Как вас зовут?" if ask_name else "Передать ему вопрос?")
            case TaskKind.GROUP_REQUEST:
                least = self.salon.rules.group_from
                text = f"Группы от {least} человек собирает администратор, он вам перезвонит."
                when = (
                    "Как вас зовут и когда удобно принять звонок?" if ask_name else "Когда вам удобно принять звонок?"
                )
                return (text, when)
            case TaskKind.DATA_REQUEST:
                return (f"Передам вашу просьбу ответственному.{tail}",)
            case _:
                hours = self.phrases.say_time(self.salon.profile.admin_from, preposition="с")
                where = "" if admin_now else f"Администратор на месте {hours}. "
                return (f"{where}Передам, и вам перезвонят.{tail}",)

    def task_text(self, kind: TaskKind, state: DialogueState, details: Sequence[str]) -> str:
        who = state.caller.name or "не назвался"
        if kind is TaskKind.MEDICAL_QUESTION:
            # Health details are not stored without written consent: the specialist asks herself.
            names = [
                lower_first(short(self.salon.service(w.candidates[0]).name))
                for w in state.wish.services
                if w.candidates
            ]
            return f"Вопрос к специалисту: {join_and(names) or 'услуга'}. Перезвонить. Клиент: {who}."
        people = f" Человек: {state.wish.people}." if state.wish.people else ""
        day = state.wish.day
        when = f" День: {self.phrases.say_period(day.first, day.last, self.today)}." if day is not None else ""
        return f"Клиент: {who}.{people}{when} Сказано: {' / '.join(details)[:800]}"

    def task_promised(self, kind: TaskKind, due: datetime) -> str:
        who = "Специалист перезвонит" if kind is TaskKind.MEDICAL_QUESTION else "Вам перезвонят"
        return f"Передано. {who} {self._hour(due)}."

    def draft_task(self, state: DialogueState, text: str) -> str:
        names = [short(self.salon.service(w.candidates[0]).name) for w in state.wish.services if w.candidates]
        day = state.wish.day
        pieces = [f"Журнал не отвечал, заявка записана. Клиент: {state.caller.name or 'не назвался'}."]
        if names:
            pieces.append(f"Услуги: {', '.join(names)}.")
        if day is not None:
            pieces.append(f"День: {self.phrases.say_period(day.first, day.last, self.today)}.")
        if state.wish.time is not None and state.wish.time.phrase:
            pieces.append(f"Время: {state.wish.time.phrase}.")
        pieces.append(f"Сказано: {text[:300]}")
        return " ".join(pieces)

    def request_only(self, link: str) -> str:
        if link:
            return f"Записаться сразу можно по ссылке: {link} Или подберу время и передам заявку администратору."
        return "Время подберу, а запись подтвердит администратор."

    def request_left(self, plan: Plan, due: datetime, link: str) -> str:
        pieces = []
        for index, part in enumerate(plan.parts):
            who = self.phrases.at_master(self._staff(part.staff_id))
            pieces.append(f"{'затем ' if index else ''}{self._names(part)} {who} {self._at(part.start)}")
        text = f"Передаю администратору заявку: {self._day(plan.start)}, {', '.join(pieces)}."
        text = f"{text} Это ещё не запись: её подтвердят {self._hour(due)}."
        return f"{text} Или запишитесь сразу по ссылке: {link}" if link else text

    def request_lost(self, link: str) -> str:
        text = "Передать заявку сейчас не получилось."
        return f"{text} Запишитесь, пожалуйста, по ссылке: {link}" if link else f"{text} Позвать администратора?"

    def request_task(self, plan: Plan, state: DialogueState, *, link_sent: bool) -> str:
        visit = [
            f"{self.salon.local(part.start):%d.%m %H:%M} {self._names(part)}, мастер {self._staff(part.staff_id)}"
            for part in plan.parts
        ]
        lines = [f"Записать и подтвердить клиенту: {'; '.join(visit)}, {self.phrases.say_price(plan.price)}."]
        lines.append(f"Клиент: {state.caller.name or 'не назвался'}.")
        if state.wish.for_whom or state.wish.visitor_name:
            lines.append(f"Для кого: {self.for_whom(state.wish)}.")
        if state.wish.certificate:
            lines.append(f"Сертификат: {state.wish.certificate}.")
        if state.wish.staff_named:
            lines.append("Клиент выбрал этого мастера.")
        if link_sent:
            lines.append("Ссылка на запись отправлена: проверьте, нет ли уже записи.")
        return " ".join(lines)

    def nothing_noted(self) -> str:
        return (
            "У нас технический сбой: записать просьбу сейчас не получилось. "
            "Пожалуйста, обратитесь ещё раз через несколько минут."
        )

    def lost_transfer(self) -> tuple[str, ...]:
        return ("У нас технический сбой, записать просьбу не получилось.", "Соединяю с администратором.")

    def journal_down(self, due: datetime) -> str:
        return f"Журнал записи сейчас не отвечает. Заявка передана, администратор свяжется с вами {self._hour(due)}."

    def waitlist_intro(self) -> str:
        return (
            "Внесу вас в лист ожидания: это не запись, но если место освободится, сообщим на этот номер. Как вас зовут?"
        )

    def ask_other_time(self, wish: VisitWish) -> str:
        return self.pick("other", "Какой день и время вам удобны?", "Когда вам было бы удобно?")

    def spam(self, profile: SalonProfile) -> str:
        where = f": {profile.email}" if profile.email else " салона"
        return f"Спасибо, предложения можно прислать на почту{where}. Всего доброго!"

    def spam_goodbye(self) -> str:
        return "Пожалуйста, только письмом на почту салона. До свидания!"

    def wrong_number(self) -> str:
        return f"Это салон красоты «{self.salon.profile.name}», вы ошиблись номером."

    def abuse_warning(self) -> str:
        return "Давайте говорить спокойно, и я помогу."

    def abuse_goodbye(self) -> str:
        return "Я завершаю разговор. До свидания."

    # --- what is written down ------------------------------------------------------------------------------------

    def confirmation(self, plan: Plan, prepay: Money | None) -> str:
        lines = [
            f"{cap(self._day(part.start))}, {self._at(part.start)}: {self._names(part)}, "
            f"мастер {self._staff(part.staff_id)}."
            for part in plan.parts
        ]
        lines.append(f"Стоимость {self.phrases.say_price(plan.price)}. {self.salon.profile.address}")
        if prepay is not None:
            lines.append(f"Предоплата {self.phrases.say_money(prepay)} войдёт в стоимость.")
        return "\n".join(lines)

    def task_unknown(self, plan: Plan, name: str) -> str:
        parts = "; ".join(f"{self._names(part)}, {self._staff(part.staff_id)}" for part in plan.parts)
        return f"Проверить запись и подтвердить клиенту: {parts}, {self._day(plan.start)} {self._at(plan.start)}."
