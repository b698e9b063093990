"""The order of rules: what happened, what must not wait, what was asked by the way, what the goal needs, goodbye."""

from agent.policy.announce import announce
from agent.policy.answers import answer
from agent.policy.booking import book
from agent.policy.ending import goodbye, hang_up, invite, offer_help
from agent.policy.manage import manage
from agent.policy.moves import Move, Rule, View, first_move
from agent.policy.opening import greet, greet_late, silence, unclear
from agent.policy.persons import persons
from agent.policy.remind import open_call, remind
from agent.policy.waiting import agreed, waitlist
from agent.state import Goal


def leaves_first(view: View) -> Move | None:
    """A farewell is stronger than an unfinished wish, and weaker than one that was voiced in the same breath."""
    from agent.understanding import Intent

    if view.hears(Intent.BYE) and view.heard.intents[0] in (Intent.BYE, Intent.THANKS):
        return goodbye(view)
    return None


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


RULES: tuple[Rule, ...] = (
    hang_up, open_call, greet, silence, unclear, announce, greet_late, persons, leaves_first, answer, agreed, pursue,
    goodbye, invite, offer_help,
)  # fmt: skip


def decide(view: View) -> Move:
    move = first_move(RULES, view)
    assert move is not None, "the last rule always answers"
    return move
