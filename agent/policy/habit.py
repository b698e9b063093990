"""«Как обычно к Анне?»: her visits fill what she leaves unsaid, and her own master is looked at first.

Her visits are read only under the number on the display. A number that several people share says nothing until the
one who speaks has given her name; a hidden or a strange number says nothing at all.
"""

from dataclasses import replace

from agent.memory.model import Habits, habits_of, had_before, master_for, past_visit
from agent.model import Expect
from agent.policy import earlier
from agent.policy.moves import Ask, Move, Note, Tell, Use, View
from agent.policy.people import identify, known
from agent.policy.services import resolve
from agent.policy.visit import services
from agent.state import AsBefore, DialogueState, Goal, Question, VisitWish, Wanted
from agent.tools import Ok, ToolResult
from crm.model import Booking, Client, Outcome, ServiceId, VariantKind


def as_before(view: View) -> Move | None:
    """Services and master of «как обычно», said back; or that nothing is known, and the question goes on."""
    state, wish = view.state, view.state.wish
    if wish.as_before is None:
        return None
    if (lookup := know_visits(view, needed=True)) is not None:
        return lookup
    habits = habits_of(state.visits or (), view.salon, for_other=bool(wish.for_whom))
    filled = _filled(wish, habits, view)
    if filled is None:
        said = bool(wish.services) and (bool(wish.staff) or wish.as_before is not AsBefore.MASTER)
        after = replace(state.tell("no_history"), wish=replace(wish, as_before=None))
        return Note(after) if said or state.has_told("no_history") else Tell((view.say.no_history(),), after)
    after = replace(state, wish=filled, search=None, offers=(), chosen=None, read_back=None)
    if (filled.services, filled.staff) == (wish.services, wish.staff):
        return Note(after)  # all of it was said in words
    named = tuple(w.candidates[0] for w in filled.services) if filled.services != wish.services else ()
    staff = filled.staff[0] if filled.staff else None
    often = habits.services_often if named else habits.staff_often
    after = replace(after, answered=(*after.answered, "as_before"))
    return Tell((view.say.as_before(named, staff, often=often),), after)


def own_history(view: View) -> Move | None:
    """«когда я у вас была?», «к кому я хожу?»: told to whom the number is, and to nobody else."""
    state = view.state
    if not earlier.asks_last_visit(view.heard.text) or "history" in state.answered:
        return None
    if state.caller.looked_up and not state.caller.known and not state.caller.namesakes:
        lookup = None
    else:
        lookup = know_visits(view, needed=True)
    if lookup is not None:
        return lookup
    last = habits_of(state.visits or (), view.salon).last
    line = view.say.no_history() if last is None else view.say.last_visit(last)
    after = replace(state, answered=(*state.answered, "history"), outcome=state.outcome or Outcome.INFO)
    if state.goal is Goal.BOOK and state.wish.services:
        return Tell((line,), after)
    return Ask((line,), Question.NONE, Expect.FREE, after)


def _filled(wish: VisitWish, habits: Habits, view: View) -> VisitWish | None:
    """None: nothing to fill from. What was said in words stands."""
    last = habits.last
    if last is None:
        return None
    usual = wish.as_before is not AsBefore.LAST
    new = replace(wish, as_before=None)
    if wish.as_before is not AsBefore.MASTER and not wish.services:
        struck = {c for m in view.heard.services if m.negated for c in m.candidates}  # «…только без бороды»
        wanted = tuple(s for s in (habits.services if usual else last.service_ids) if s not in struck)
        names = [Wanted(view.salon.service(service_id).name.lower(), (service_id,)) for service_id in wanted]
        hair = next((h for s in wanted if (h := _hair(s, view)) is not None), None)
        new = replace(new, services=tuple(names), hair_long=hair if wish.hair_long is None else wish.hair_long)
    staff = habits.staff_id if usual else last.staff_id
    if not wish.staff and not wish.any_staff and staff is not None and staff not in wish.excluded_staff:
        new = replace(new, staff=(staff,), staff_named=True, staff_usual="")
    return new


def _hair(service_id: ServiceId, view: View) -> bool | None:
    """What a service says of the hair: True for the variant for long hair, False for the one beside it."""
    service = view.salon.service(service_id)
    if service.variant_kind is VariantKind.HAIR_LENGTH:
        return True
    long_ones = (s for s in view.salon.services if s.variant_kind is VariantKind.HAIR_LENGTH)
    return False if any(s.variant_of == service_id for s in long_ones) else None


def usual_variant(view: View) -> Move | None:
    """«на маникюр»: of several the one she has had last, said aloud instead of asked. Only for herself."""
    state, wish = view.state, view.state.wish
    found = resolve(wish, view.salon)
    if not found.open or wish.for_whom or (wish.people or 0) > 1 or found.open[0].question is Question.AGE:
        return None
    question = found.open[0]
    mark = f"variant:{','.join(question.options)}"
    if state.has_told(mark):
        return None
    if (lookup := know_visits(view, needed=False)) is not None:
        return lookup
    had = had_before(state.visits or (), question.options)
    if had is None:
        return Note(state.tell(mark)) if state.visits is not None else None
    narrowed = tuple(replace(w, candidates=(had,)) if w == question.wanted else w for w in wish.services)
    hair = wish.hair_long if wish.hair_long is not None else _hair(had, view)
    after = replace(state.tell(mark), wish=replace(wish, services=narrowed, hair_long=hair), search=None)
    if question.question is Question.GENDER:
        return Note(after)
    lead = "as_before" not in state.answered
    return Tell((view.say.as_before((had,), None, often=False, lead=lead),), after)


def usual_master(view: View) -> Move | None:
    """Nobody was named: her master of these services first, said in half a sentence. Given up before the day is."""
    state, wish = view.state, view.state.wish
    wanted = services(view)
    if wish.staff_usual and not set(wish.staff) & set(view.salon.staff_for(wanted)):
        return Note(replace(state, wish=replace(wish, staff=(), staff_usual=""), search=None))
    mark = f"usual:{','.join(wanted)}"
    if wish.staff or wish.any_staff or not wanted or state.has_told(mark) or (wish.people or 0) > 1:
        return None
    if (lookup := know_visits(view, needed=False)) is not None:
        return lookup
    staff, often = master_for(state.visits or (), wanted, view.salon, for_other=bool(wish.for_whom))
    if staff is None or staff in wish.excluded_staff or len(view.salon.staff_for(wanted)) == 1:
        return Note(state.tell(mark)) if state.visits else None
    usual = replace(wish, staff=(staff,), staff_usual="often" if often else "once", staff_named=False)
    after = replace(state.tell(mark), wish=usual, suggested_staff=(staff,), search=None)
    if wish.day is not None or wish.any_day:
        return Note(after)  # said with the times that are found
    return Tell((view.say.usual_master(staff, often=often),), after)


def know_visits(view: View, *, needed: bool) -> Move | None:
    """Reads her visits once; `needed`: asks for the name first where several share the number."""
    state, caller = view.state, view.state.caller
    if state.visits is not None or view.caller is None or (caller.phone is not None and caller.phone != view.caller):
        return None
    if not caller.looked_up:
        return identify(view)
    if caller.client_id is None and caller.namesakes and needed:
        if not caller.name:
            return Ask((view.say.ask_name(again=False),), Question.NAME, Expect.NAME, state)
        return _whose(view)
    client_id = caller.client_id
    if client_id is None or not caller.known:
        return None

    def absorb(before: DialogueState, result: ToolResult[tuple[Booking, ...]]) -> DialogueState:
        if isinstance(result, Ok):
            return replace(before, visits=tuple(past_visit(booking) for booking in result.value))
        return replace(before, visits=tuple(v for v in before.own_visits if v.start < view.now))

    return Use("visits_of_client", lambda tools: tools.visits_of(client_id), absorb)


def _whose(view: View) -> Move:
    """Of the people who share the number on the display the one whose name was given; nobody: nothing is known."""
    name, phone = view.state.caller.name, view.caller
    assert phone is not None

    def absorb(before: DialogueState, result: ToolResult[tuple[Client, ...]]) -> DialogueState:
        fitting = [c for c in result.value if view.say.same_person(c.name, name)] if isinstance(result, Ok) else []
        if len(fitting) != 1:
            return replace(before, visits=())
        return replace(before, caller=known(replace(before.caller, namesakes=False), fitting[0]))

    return Use("clients_by_phone", lambda tools: tools.clients_by_phone(phone), absorb)
