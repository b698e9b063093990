"""Calls that we make: a reminder of a visit, or a call back after a missed call. No advertising in either."""

from dataclasses import replace
from datetime import timedelta

from agent.model import Channel, Expect, TurnKind
from agent.policy import hints
from agent.policy.manage import FIND, write_confirmation
from agent.policy.moves import Ask, Move, View, first_move
from agent.policy.people import identify
from agent.policy.whichone import know_bookings
from agent.state import Goal, Question
from agent.understanding import Intent
from crm.model import BookingStatus, Outcome

REMIND_WITHIN = timedelta(hours=36)


def open_call(view: View) -> Move | None:
    """The first words of our own call: who calls and, to the right person, why."""
    state = view.state
    if view.turn.kind is not TurnKind.START or view.channel is not Channel.PHONE_OUT:
        return None
    if (lookup := identify(view)) is not None:
        return lookup
    if state.caller.client_id is not None and state.bookings is None:
        move_bookings = know_bookings(view)
        if move_bookings is not None:
            return move_bookings
    due = [b for b in state.bookings or () if view.now < b.start <= view.now + REMIND_WITHIN]
    due = [b for b in due if b.status is BookingStatus.BOOKED]
    state = replace(state, greeted=True)
    if due:
        state = replace(state, goal=Goal.REMIND, target=due[0].id)
        return Ask(view.say.reminder_opening(state.caller), Question.ARE_YOU, Expect.YES_NO, state)
    return Ask(view.say.call_back_opening(), Question.GOAL, Expect.FREE, state)


def remind(view: View) -> Move | None:
    state, booking = view.state, view.state.target_booking()
    if state.goal is not Goal.REMIND:
        return None
    if booking is None or state.question not in (Question.ARE_YOU, Question.WILL_YOU_COME):
        return first_move(FIND, view)
    if state.question is Question.ARE_YOU and hints.asks_who(view.heard.text) and not view.hears(Intent.AFFIRM):
        return Ask(view.say.reminder_opening(state.caller), Question.ARE_YOU, Expect.YES_NO, state)
    says_yes = state.question is Question.WILL_YOU_COME and view.hears(Intent.AFFIRM)
    if (says_yes or view.hears(Intent.CONFIRM_VISIT)) and not hints.cannot_come(view.heard.text):
        return write_confirmation(booking)
    if state.question is Question.ARE_YOU and view.hears(Intent.DENY, Intent.WRONG_NUMBER):
        state = replace(state, goal=Goal.NONE, target=None, bookings=None, outcome=Outcome.WRONG_NUMBER)
        return Ask((view.say.wrong_person(),), Question.NONE, Expect.FREE, state)
    if state.question is Question.WILL_YOU_COME and (view.hears(Intent.DENY) or hints.cannot_come(view.heard.text)):
        return Ask((view.say.cancel_or_move(booking, again=False),), Question.CANCEL_OR_MOVE, Expect.FREE,
                   replace(state, goal=Goal.CANCEL))  # fmt: skip
    return Ask((view.say.reminder(booking),), Question.WILL_YOU_COME, Expect.YES_NO, state)
