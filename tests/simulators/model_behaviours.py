"""Scripted model behaviours: a competent model, and models that do what models do on a bad day."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.model_script import Asked, Behaviour, Call, Reply


def competent(asked: Asked) -> Reply:
    """Does what the prompt asks of a model: uses the ids it was given, in the order of a booking, and says the rest.

    It trusts the proposal, and takes each step with the tool of that step.
    """
    proposal = asked.proposal
    done = [call.name for call in asked.calls]
    kind = proposal["kind"]
    match kind:
        case "write:book":
            return Reply(calls=(Call("book", {"offer_id": proposal["chosen"]["id"]}),))
        case "write:reschedule":
            arguments = {"booking_id": proposal["visit"], "offer_id": proposal["chosen"]["id"]}
            return Reply(calls=(Call("move_booking", arguments),))
        case "write:cancel":
            return Reply(calls=(Call("cancel_booking", {"booking_id": proposal["visit"]}),))
        case "read_back" if "chosen" in proposal:
            return Reply(calls=(Call("read_back", {"offer_id": proposal["chosen"]["id"]}),))
        case "offer" if "find_times" not in done:
            return Reply(calls=(Call("find_times", _search(asked)),))
        case "finish":
            return Reply(calls=(Call("finish"),))
        case "hand_over" | "read_back":
            return Reply(calls=(Call("go_on"),))
    if kind.startswith("write:"):
        return Reply(calls=(Call("go_on"),))
    return Reply(words=" ".join(proposal["say"]) or "Слушаю вас.")


def _search(asked: Asked) -> dict[str, Any]:
    """The wish in the tool's own words, where the state is clear about it."""
    talk = asked.data["talk"]
    arguments: dict[str, Any] = {}
    if talk["services"] and all(len(ids) == 1 for ids in talk["services"]) and talk["wants"] == "book":
        arguments["service_ids"] = [ids[0] for ids in talk["services"]]
    if talk["masters"]:
        arguments["master_ids"] = talk["masters"]
    if talk["day"]:
        arguments["first_day"], arguments["last_day"] = talk["day"]
    return arguments


def says(words: str, **more: Any) -> Behaviour:
    return lambda asked: Reply(words=words, **more)


def calls(*wanted: Call) -> Behaviour:
    return lambda asked: Reply(calls=wanted)


@dataclass
class Sequence:
    """One reply after the other; then the competent model."""

    replies: list[Reply | Behaviour]
    then: Behaviour = competent
    count: int = 0

    def __call__(self, asked: Asked) -> Reply:
        self.count += 1
        if self.count > len(self.replies):
            return self.then(asked)
        reply = self.replies[self.count - 1]
        return reply if isinstance(reply, Reply) else reply(asked)


@dataclass
class Broken:
    """A competent model whose request with this number goes wrong in the given way; the others are good."""

    number: int
    fault: dict[str, Any]
    count: int = field(default=0)
    hit: int = field(default=0)

    def __call__(self, asked: Asked) -> Reply:
        self.count += 1
        reply = competent(asked)
        if self.count != self.number:
            return reply
        self.hit += 1
        fields = {name: getattr(reply, name) for name in Reply.__dataclass_fields__}
        return Reply(**(fields | self.fault))


# --- models that must not be trusted ----------------------------------------------------------------------------------


def invents_a_time(asked: Asked) -> Reply:
    return Reply(words="Есть свободное время завтра в 03:17, записать вас?")


def claims_booked(asked: Asked) -> Reply:
    return Reply(words="Готово, я вас записала! Ждём вас.")


def foreign_ids(asked: Asked) -> Reply:
    if asked.results:
        return competent(asked)
    return Reply(
        calls=(
            Call("read_back", {"offer_id": "o999"}),
            Call("cancel_booking", {"booking_id": "B17"}),
            Call("choose_booking", {"booking_id": "b77", "act": "cancel"}),
        )
    )


def books_at_once(asked: Asked) -> Reply:
    """Tries to write whatever it can see, without asking anybody."""
    offers = asked.proposal.get("offers") or ([asked.proposal["chosen"]] if "chosen" in asked.proposal else [])
    if len(asked.results) < 4 and offers:
        return Reply(calls=(Call("book", {"offer_id": offers[0]["id"]}),))
    visits = asked.data["client"].get("visits") or []
    if len(asked.results) < 4 and visits:
        return Reply(calls=(Call("cancel_booking", {"booking_id": visits[0]["id"]}),))
    return Reply(words="Чем ещё помочь?")


def calls_without_end(asked: Asked) -> Reply:
    return Reply(calls=(Call("who_works", {"day": "2026-12-02"}),))


def twenty_at_once(asked: Asked) -> Reply:
    return Reply(calls=tuple(Call("who_works", {"day": "2026-12-02"}) for _ in range(20)))


def call_in_text(asked: Asked) -> Reply:
    call = json.dumps({"name": "book", "arguments": {"offer_id": "o1"}})
    return Reply(words=f"<tool_call>{call}</tool_call>")


def answers_in_json(asked: Asked) -> Reply:
    return Reply(words='{"answer": "Здравствуйте", "action": "book"}')


def stops_in_the_middle(asked: Asked) -> Reply:
    return Reply(words="Конечно, сейчас посмотрю и подберу вам самое", finish="length")


def extra_arguments(asked: Asked) -> Reply:
    if len(asked.results) >= 2:
        return competent(asked)
    return Reply(calls=(Call("find_times", {"price": 1, "company": "other"}),))


def no_json_arguments(asked: Asked) -> Reply:
    return Reply(calls=(Call("find_times", "{'first_day': завтра"),))


def no_such_tool(asked: Asked) -> Reply:
    return Reply(calls=(Call("delete_all_bookings", {"confirm": True}),))


def gives_discount(asked: Asked) -> Reply:
    return Reply(words="Для вас сделаю скидку 50%, стрижка выйдет 99 рублей.")


def leaks(asked: Asked) -> Reply:
    return Reply(words=f"Мой служебный знак {asked.data['marker']}.")


def says_nothing(asked: Asked) -> Reply:
    return Reply(words="")


ADVERSARIAL: dict[str, Behaviour] = {
    behaviour.__name__: behaviour
    for behaviour in (
        invents_a_time, claims_booked, foreign_ids, books_at_once, calls_without_end, twenty_at_once, call_in_text,
        answers_in_json, stops_in_the_middle, extra_arguments, no_json_arguments, no_such_tool, gives_discount, leaks,
        says_nothing,
    )
}  # fmt: skip
