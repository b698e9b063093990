"""English wording of what lies between talks: a visit left half arranged, and the way into a messenger."""

from agent.model import Channel
from agent.state import LeftOff
from agent.wording.en_visits import EnglishVisits


class EnglishMemory(EnglishVisits):
    def left_off(self, left: LeftOff) -> str:
        spoken = Channel(left.channel).spoken
        where = "on the phone" if spoken else "in the chat"
        lead = "Last time we did not finish"
        if spoken != self.conversation.channel.spoken:
            lead = f"We did not finish {where}"
        return f"{lead}: {self._left_visit(left)}. {'Shall I book it?' if left.chosen else 'Shall we go on?'}"

    def _left_visit(self, left: LeftOff) -> str:
        if left.chosen is not None:
            part = left.chosen.parts[0]
            names = " and ".join(self._names(p) for p in left.chosen.parts)
            when = f"{self._day(part.start)} {self._at(part.start)}"
            return f"{names} with {self._staff(part.staff_id)}, {when}, {self._price(left.chosen.price)}"
        names = " and ".join(self._name(self.salon.service(w.candidates[0])) for w in left.wish.services)
        return f"{names} with {self._staff(left.wish.staff[0])}" if left.wish.staff else names

    def resume_declined(self) -> str:
        return "All right. How can I help?"

    def offer_messenger(self) -> str:
        return "I can write to you on this number and we finish there. Shall I?"

    def asked_to_write(self) -> str:
        return "The client asked to be written to."

    def will_write(self) -> str:
        return "All right, I will write to this number and we go on there."

    def write_to_us(self) -> str:
        return "Messages cannot be sent from here yet. Write to us from this number and we go on from this point."

    def goes_on_here(self) -> str:
        return "All right, let us go on here."

    def cannot_write_hidden(self) -> str:
        return "Your number is hidden, so I cannot write to you. Please write to us and I will help you there."

    def follow_up(self, left: LeftOff | None) -> str:
        salon = self.salon.profile.name
        hello = f"Hello! This is the automatic assistant of {salon}, going on with our talk on the phone."
        if left is None:
            return f"{hello} How can I help?"
        return f"{hello} {self._left_visit(left)}. {'Shall I book it?' if left.chosen else 'Shall we go on?'}"
