"""The order of rules: what happened, what must not wait, what was asked by the way, what the goal needs, goodbye."""

from dataclasses import replace

from agent.model import Channel, Expect, TurnKind
from agent.policy.already import already_booked
from agent.policy.announce import announce
from agent.policy.answers import answer
from agent.policy.booking import book
from agent.policy.ending import goodbye, hang_up, invite, offer_help
from agent.policy.habit import own_history
from agent.policy.manage import left_alone, manage
from agent.policy.messenger import broke_off, to_messenger
from agent.policy.moves import Ask, Finish, Move, Rule, View, first_move
from agent.policy.opening import greet, greet_late, silence, unclear
from agent.policy.people import identify
from agent.policy.persons import persons
from agent.policy.remind import open_call, remind
from agent.policy.request import request_told
from agent.policy.resume import answer_to_resume, offer_to_resume, recall
from agent.policy.waiting import agreed, waitlist
from agent.state import Goal, Question
from agent.understanding import Intent
from crm.model import Outcome


def leaves_first(view: View) -> Move | None:
    """A farewell is stronger than an unfinished wish, and weaker than one voiced in the same breath. Bare thanks to
    a question mean «not now»: no second push, the door stays open."""
    unmoved = view.state.goal in (Goal.RESCHEDULE, Goal.CHANGE) and view.state.target_booking() is not None
    if unmoved and view.hears(Intent.BYE) and not _says_more(view) and not view.hears(Intent.AFFIRM):
        outcome = view.state.outcome or Outcome.INFO
        return Finish((view.say.kept(), view.say.goodbye(view.state)), outcome, replace(view.state, goal=Goal.NONE))
    if unmoved and view.hears(Intent.THANKS) and not _says_more(view) and view.state.question is Question.OFFER:
        booking = view.state.target_booking()
        assert booking is not None
        return Ask((view.say.stays(booking),), Question.NONE, Expect.FREE, left_alone(view.state))
    if not view.heard.intents or view.state.goal not in (Goal.NONE, Goal.BOOK, Goal.WAITLIST):
        return None
    if view.hears(Intent.BYE) and view.heard.intents[0] in (Intent.BYE, Intent.THANKS):
        return goodbye(view)
    if view.state.question is Question.READ_BACK and view.hears(Intent.THANKS) and not _says_more(view):
        return None  # «спасибо» to «всё верно?» is no refusal: the yes is asked for
    bare = set(view.heard.intents) <= {Intent.THANKS, Intent.SMALLTALK, Intent.DENY}
    if view.hears(Intent.THANKS) and bare and view.state.goal is not Goal.NONE and not _says_more(view):
        state = replace(view.state, goal=Goal.NONE, offers=(), chosen=None, read_back=None)
        return Ask((view.say.door_open(),), Question.NONE, Expect.FREE, state)
    return None


def _says_more(view: View) -> bool:
    heard = view.heard
    return bool(
        heard.services or heard.staff or heard.day or heard.time or heard.name or heard.phone or heard.phone_digits
    )


def pursue(view: View) -> Move | None:
    match view.state.goal:
        case Goal.BOOK:
            return book(view)
        case Goal.RESCHEDULE | Goal.CANCEL | Goal.CHANGE | Goal.LATE:
            return manage(view)
        case Goal.WAITLIST:
            return waitlist(view)
        case Goal.REMIND:
            return remind(view)
        case Goal.NONE | Goal.TASK:
            return None


def recall_late(view: View) -> Move | None:
    """A talk that begins with words: who it is is known before they are answered."""
    if view.state.recalled or view.turn.kind is not TurnKind.WORDS:
        return None
    lookup = identify(view) if view.channel is not Channel.PHONE_OUT else None
    return lookup or recall(view)


RULES: tuple[Rule, ...] = (
    broke_off, hang_up, open_call, greet, silence, unclear, announce, recall_late, greet_late, request_told,
    own_history, persons, to_messenger, answer_to_resume, offer_to_resume, leaves_first, already_booked, answer, agreed,
    pursue, goodbye, invite, offer_help,
)  # fmt: skip


def decide(view: View) -> Move:
    move = first_move(RULES, view)
    assert move is not None, "the last rule always answers"
    return move
