"""Gathers what the guard may let pass: from the state, the offers, the price list and the words so far. Pure."""

import re
from collections.abc import Iterable
from datetime import datetime, time
from functools import lru_cache

from agent.claims import Claim
from agent.language.text import lower, tokenize
from agent.llm.guard import Known, minutes_in, roubles_in
from agent.llm.model import LlmSettings
from agent.llm.past import stems
from agent.llm.prompt import own_text
from agent.llm.secrecy import PHONE_DIGITS, Private, quotation
from agent.llm.toolkit import Toolkit
from agent.model import Speaker
from agent.names import person_name
from agent.state import DialogueState, Goal
from agent.wording.en_words import latin
from crm.model import Plan

PROVEN_BY_TOOL: dict[str, frozenset[Claim]] = {
    "book": frozenset({Claim.BOOKED, Claim.DEED}),
    "reschedule": frozenset({Claim.MOVED, Claim.DEED}),
    "cancel": frozenset({Claim.CANCELLED}),
}
_TOOL_OF = {Goal.BOOK: "book", Goal.RESCHEDULE: "reschedule", Goal.CANCEL: "cancel"}


def known_now(kit: Toolkit, proven: Iterable[Claim], secret: str, settings: LlmSettings) -> Known:
    """`proven`: claims of earlier turns."""
    view, after = kit.view, kit.draft.after
    proposed = " ".join(kit.draft.text)
    agent_said = [line.text for line in view.history if line.speaker is not Speaker.CALLER]
    caller_said = [line.text for line in view.history if line.speaker is Speaker.CALLER]
    echo = set(minutes_in(" ".join((*caller_said, view.turn.text, view.heard.text))))
    for wish in (view.heard.time, view.heard.booked_time, after.wish.time, *view.heard.other_times):
        if wish is not None:
            echo |= {_minute(t) for t in (wish.at, wish.not_before, wish.start_by, wish.done_by) if t is not None}
    booked = {_local(kit, b.start) for b in after.bookings or ()}
    done = after.written or kit.written
    if after.last_plan is not None and done:
        booked.add(_local(kit, after.last_plan.start))
    return Known(
        today=view.today,
        minutes=frozenset(_minutes(kit, after) | set(minutes_in(" ".join((proposed, *agent_said))))),
        echo_minutes=frozenset(echo),
        roubles=frozenset(_sums(kit, after) | set(roubles_in(" ".join((proposed, *agent_said))))),
        proven=frozenset(proven) | _proofs(kit, after),
        booked_minutes=frozenset(booked),
        arranging=not kit.written and (after.chosen is not None or bool(after.offers) or after.read_back is not None),
        task_written=bool({"task", "waitlist", "note"} & set(kit.written)) or _was_told(after),
        said=proposed,
        free=0 in _sums(kit, after)
        or "бесплатн" in f"{view.salon.profile.parking} {view.salon.profile.address}".lower(),
        last=" ".join(kit.state.last_lines),
        secret=secret,
        private=private_now(kit, proposed, settings),
        prompt=" ".join(own_text(settings, "en" if after.language == "en" else "ru").lower().split()),
    )


def private_now(kit: Toolkit, proposed: str, settings: LlmSettings) -> Private:
    """Names, numbers and free things that belong to this talk; the note that does not."""
    view, after = kit.view, kit.draft.after
    salon, caller, wish = view.salon, after.caller, after.wish
    texts = [proposed, salon.profile.name, salon.profile.address, salon.profile.metro, salon.profile.parking]
    texts += [*salon.profile.payment, *(service.name for service in salon.services)]
    texts += [f"{member.name} {member.role}" for member in salon.staff]
    own = [person_name(caller.name), person_name(wish.visitor_name), wish.for_whom]
    phones = [p for p in (view.caller, caller.phone) if p is not None]
    spoken = " ".join(line.text for line in view.history) + f" {view.turn.text}"
    common = {word[:5] for word in _words(" ".join((*texts, spoken)))}
    return Private(
        language=after.language,
        names=frozenset(_words(" ".join((*texts, *own)))) | {lower(w) for t in own + texts for w in latin(t).split()},
        tails=frozenset(re.sub(r"\D", "", phone.e164)[-PHONE_DIGITS:] for phone in phones),
        note=frozenset(word[:5] for word in _words(caller.note) if len(word) >= 5 and word[:5] not in common),
        quoted=_quoted(own_text(settings, "en" if after.language == "en" else "ru")),
        done=bool(after.written or kit.written) or _was_told(after),
        for_other=bool(wish.for_whom or wish.visitor_name or (wish.people or 0) > 1),
        free=_free_words(kit),
        roubles=frozenset(_sums(kit, after) | set(roubles_in(proposed))),
        past_known=bool(after.visits) or after.left_off is not None,
        masters=stems(member.name for member in salon.staff),
        her_masters=stems(member.name for member in salon.staff if member.id in _her_staff(kit, after)),
        proposed=proposed,
    )


def _her_staff(kit: Toolkit, state: DialogueState) -> set[str]:
    """Masters of her visits and of what is being arranged."""
    plans = [*kit.numbers.plans.values(), *state.offers, *(p for p in (state.chosen, state.last_plan) if p is not None)]
    found = {visit.staff_id for visit in state.visits or ()} | set(state.wish.staff)
    found |= {booking.staff_id for booking in state.bookings or ()} | {p.staff_id for plan in plans for p in plan.parts}
    return found | set(state.left_off.wish.staff if state.left_off is not None else ())


def _words(text: str) -> list[str]:
    return [token.text for token in tokenize(text)]


@lru_cache(maxsize=8)
def _quoted(text: str) -> frozenset[str]:
    return quotation(text)


def _free_words(kit: Toolkit) -> tuple[str, ...]:
    """«консультация» when it costs nothing, «парковка» when the profile says so."""
    salon = kit.view.salon
    free = [s.name for s in salon.services if any(o.price.amount.minor == 0 for o in s.offers)]
    paid = {w[:6] for s in salon.services if s.name not in free for w in _words(s.name)}
    found = {word[:6] for name in free for word in _words(name) if len(word) >= 5 and word[:6] not in paid}
    if "консул" in found:
        found.add("consul")
    if "бесплатн" in f"{salon.profile.parking} {salon.profile.address}".lower():
        found |= {"парков", "стоян", "parkin"}
    return tuple(sorted(found))


def _proofs(kit: Toolkit, state: DialogueState) -> frozenset[Claim]:
    tools = {_TOOL_OF[goal] for goal in state.written if goal in _TOOL_OF} | set(kit.written)
    found = {claim for tool in tools for claim in PROVEN_BY_TOOL.get(tool, ())}
    if state.bookings:
        found.add(Claim.BOOKED)
    return frozenset(found)


def _was_told(state: DialogueState) -> bool:
    people = any(fact.startswith("task:") or fact in ("complaint", "late_noted") for fact in state.told)
    return people or Goal.WAITLIST in state.written or Goal.LATE in state.written


def _minutes(kit: Toolkit, state: DialogueState) -> set[int]:
    plans: list[Plan] = [*kit.numbers.plans.values(), *state.offers]
    plans += [plan for plan in (state.chosen, state.last_plan) if plan is not None]
    moments = [m for plan in plans for part in plan.parts for m in (part.start, part.end)]
    moments += [m for booking in state.bookings or () for m in (booking.start, booking.end)]
    profile = kit.view.salon.profile
    fixed = (profile.opens, profile.closes, profile.admin_from, profile.admin_until)
    return {_local(kit, moment) for moment in moments} | {_minute(t) for t in fixed}


def _sums(kit: Toolkit, state: DialogueState) -> set[int]:
    salon = kit.view.salon
    amounts = [offer.price.amount for service in salon.services for offer in service.offers]
    amounts += [service.deposit for service in salon.services if service.deposit is not None]
    amounts.append(salon.rules.prepay_sum)
    amounts += [plan.price.amount for plan in (*kit.numbers.plans.values(), *state.offers)]
    amounts += [plan.price.amount for plan in (state.chosen, state.last_plan) if plan is not None]
    return {amount.minor // 100 for amount in amounts}


def _local(kit: Toolkit, moment: datetime) -> int:
    return _minute(kit.view.salon.local(moment).time())


def _minute(moment: time) -> int:
    return moment.hour * 60 + moment.minute
