"""The order of rules: what happened, what must not wait, what was asked by the way, what the goal needs, goodbye."""

from agent.policy.announce import announce
from agent.policy.booking import book
from agent.policy.ending import goodbye, offer_help
from agent.policy.moves import Move, Rule, View, first_move
from agent.policy.opening import greet, greet_late, silence, unclear
from agent.state import Goal


def pursue(view: View) -> Move | None:
    match view.state.goal:
        case Goal.BOOK:
            return book(view)
        case _:
            return None


RULES: tuple[Rule, ...] = (greet, silence, unclear, announce, greet_late, pursue, goodbye, offer_help)


def decide(view: View) -> Move:
    move = first_move(RULES, view)
    assert move is not None, "the last rule always answers"
    return move
