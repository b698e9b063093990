"""Who is speaking and for whom: look the caller up once, ask only what is missing."""

from dataclasses import replace

from agent.model import Expect
from agent.names import person_name
from agent.policy.moves import Ask, Move, Note, Use, View
from agent.policy.services import is_child_visit
from agent.state import Caller, DialogueState, Question
from agent.tools import Ok, ToolResult
from agent.understanding import Intent
from core.phone import Phone
from crm.model import Client


def identify(view: View) -> Move | None:
    """Looks up the number on the display, once. A dictated number is never looked up: it is not known to be hers, and
    finds her card at the write. When the CRM does not answer, the person counts as unknown."""
    caller = view.state.caller
    if caller.looked_up or view.caller is None:
        return None
    if caller.phone is not None and caller.phone != view.caller:
        return None
    return look_up(view.caller)


def look_up(phone: Phone) -> Use:
    def absorb(state: DialogueState, result: ToolResult[tuple[Client, ...]]) -> DialogueState:
        caller = replace(state.caller, looked_up=True, phone=phone, phone_confirmed=True)
        if isinstance(result, Ok) and len(result.value) == 1:
            caller = known(caller, result.value[0])
        elif isinstance(result, Ok) and result.value:
            caller = replace(caller, namesakes=True)
        return replace(state, caller=caller)

    return Use("clients_by_phone", lambda tools: tools.clients_by_phone(phone), absorb)


def writes_to(view: View) -> Phone | None:
    """Where a confirmation goes: a number that was said goes there only after it was read back and agreed."""
    caller = view.state.caller
    return caller.phone if caller.phone_confirmed else view.caller


def known(caller: Caller, client: Client) -> Caller:
    return replace(
        caller,
        client_id=client.id,
        name=person_name(client.name),
        no_shows=client.no_shows,
        note=client.note,
        known=True,
    )


def name_and_phone(view: View) -> Move | None:
    """Of a person whom the CRM does not know. The number on the display is not asked for."""
    state, caller = view.state, view.state.caller
    if caller.client_id is not None:
        return None
    if caller.phone is None:
        if caller.digits and state.question in (Question.PHONE, Question.PHONE_RIGHT):
            number = Phone.parse(caller.digits)
            if number is not None and len(caller.digits) >= 10:
                return Note(replace(state, caller=replace(caller, phone=number, digits="")))
            return Ask((view.say.ask_rest_of_phone(caller.digits),), Question.PHONE, Expect.PHONE, state)
        return Ask((view.say.ask_phone(again=state.question is Question.PHONE),), Question.PHONE, Expect.PHONE, state)
    if not caller.phone_confirmed:
        return Ask((view.say.phone_right(caller.phone),), Question.PHONE_RIGHT, Expect.YES_NO, state)
    if not caller.name:
        again = state.question is Question.NAME and not (view.heard.day or view.heard.time or view.heard.services)
        return Ask((view.say.ask_name(again=again),), Question.NAME, Expect.NAME, state)
    return None


def visitor(view: View) -> Move | None:
    """A child's name goes into the booking; the child is no client of its own."""
    wish = view.state.wish
    if not is_child_visit(wish, view.salon) or wish.visitor_name:
        return None
    if view.state.question is Question.VISITOR and (view.state.tries > 0 or view.hears(Intent.DENY)):
        return Note(replace(view.state, wish=replace(wish, visitor_name=wish.for_whom or "ребёнок")))
    return Ask((view.say.ask_visitor(wish),), Question.VISITOR, Expect.NAME, view.state)
