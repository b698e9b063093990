"""Gathers what the guard may let pass: from the state, the offers, the price list and the words so far. Pure."""

from collections.abc import Iterable
from datetime import datetime, time

from agent.claims import Claim
from agent.llm.guard import Known, minutes_in, roubles_in
from agent.llm.model import LlmSettings
from agent.llm.prompt import own_text
from agent.llm.toolkit import Toolkit
from agent.model import Speaker
from agent.state import DialogueState, Goal
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
        prompt=" ".join(own_text(settings, "en" if after.language == "en" else "ru").lower().split()),
    )


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
