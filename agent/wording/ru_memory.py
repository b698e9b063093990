"""Russian wording of what lies between talks: a visit left half arranged, and the way into a messenger."""

from agent.language.ru.phrases import join_and, lower_first
from agent.model import Channel
from agent.state import LeftOff
from agent.wording.ru_visits import RussianVisits, cap, short


class RussianMemory(RussianVisits):
    def left_off(self, left: LeftOff) -> str:
        """«Мы не закончили по телефону: женская стрижка у Анны в четверг, в 15:00, 3500 рублей. Записать?»"""
        what = self._left_visit(left)
        return f"{self._left_where(left)}: {what}. {'Записать?' if left.chosen is not None else 'Продолжим?'}"

    def _left_where(self, left: LeftOff) -> str:
        spoken = Channel(left.channel).spoken
        if spoken == self.conversation.channel.spoken:
            return self.pick("left", "В прошлый раз мы не закончили", "Мы с вами не закончили запись")
        return "Мы не закончили по телефону" if spoken else "Мы не закончили в переписке"

    def _left_visit(self, left: LeftOff) -> str:
        if left.chosen is not None:
            pieces = []
            for index, part in enumerate(left.chosen.parts):
                who = self.phrases.at_master(self._staff(part.staff_id))
                when = f"{self._day(part.start)}, {self._at(part.start)}" if index == 0 else self._at(part.start)
                pieces.append(f"{'затем ' if index else ''}{self._names(part)} {who} {when}")
            return f"{', '.join(pieces)}, {self.phrases.say_price(left.chosen.price)}"
        wish = left.wish
        named = [self.salon.service(w.candidates[0]).name for w in wish.services if w.candidates]
        sure = [len(w.candidates) == 1 for w in wish.services if w.candidates]
        # of several candidates only the common head is said: «стрижка», not one of its variants
        names = [lower_first(short(n)) if ok else _head(short(n)) for n, ok in zip(named, sure, strict=True)]
        text = join_and(names)
        if wish.staff:
            text += f" {self.phrases.at_master(self._staff(wish.staff[0]))}"
        if wish.day is not None:
            text += f", {self.phrases.say_period(wish.day.first, wish.day.last, self.today)}"
        return text

    def resume_declined(self) -> str:
        return self.pick("declined", "Хорошо. Чем помочь?", "Понятно. Тогда чем помочь?")

    def offer_messenger(self) -> str:
        return "Могу написать вам на этот номер, и закончим в переписке. Написать?"

    def asked_to_write(self) -> str:
        return "Клиент сам попросил написать ему."

    def will_write(self) -> str:
        return "Хорошо, напишу на этот номер, продолжим там. До связи!"

    def write_to_us(self) -> str:
        return "Написать первым пока не могу. Напишите нам в мессенджер с этого же номера, и продолжим с этого места."

    def goes_on_here(self) -> str:
        return "Хорошо, продолжим здесь."

    def cannot_write_hidden(self) -> str:
        return "Ваш номер скрыт, написать не смогу. Напишите нам сами, и я помогу в переписке."

    def follow_up(self, left: LeftOff | None) -> str:
        salon = self.salon.profile.name
        hello = f"Здравствуйте! Это автоматический помощник салона «{salon}», продолжаем разговор по телефону."
        if left is None:
            return f"{hello} Чем помочь?"
        ask = "Записать?" if left.chosen is not None else "Продолжим?"
        return f"{hello} {cap(self._left_visit(left))}. {ask}"


def _head(name: str) -> str:
    """«Женская стрижка» and «Маникюр с гель-лаком» by the thing alone: «стрижка», «маникюр»."""
    words = name.lower().split()
    adjective = words[0].endswith(("ая", "яя", "ый", "ий", "ое", "ее")) and len(words) > 1
    return words[1] if adjective else words[0]
