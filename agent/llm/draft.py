"""What the scripted brain would say and do now: worked out with reading tools only, nothing said, nothing written.

It is the proposal that the model is shown, and the answer that is ready when the model fails.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from agent.brain import BrainEvent
from agent.model import Expect, Say
from agent.policy.moves import Ask, Finish, HandOver, Move, Note, Tell, Use, View
from agent.scripted import MAX_STEPS, ScriptedTurn
from agent.state import DialogueState, Question
from agent.tools import Toolbox

READS = frozenset(
    {"find_slots", "clients_by_phone", "bookings_of_client", "visits_of_client", "on_duty", "certificate"}
)


@dataclass(frozen=True, slots=True)
class Draft:
    lines: tuple[str, ...]
    """To be said before the end."""
    end: Move
    """Ask, HandOver, Finish, or Use: a write that is due, because the client has agreed to it."""
    state: DialogueState
    """With which the end was decided."""

    @property
    def write(self) -> str:
        """The tool of the write that is due, or nothing."""
        return self.end.name if isinstance(self.end, Use) else ""

    @property
    def text(self) -> tuple[str, ...]:
        """Everything that would be said."""
        match self.end:
            case Ask(lines) | Finish(lines) | HandOver(lines):
                return (*self.lines, *lines)
            case _:
                return self.lines

    @property
    def after(self) -> DialogueState:
        """The state once the end has been said."""
        match self.end:
            case Ask(_, _, _, after) | Finish(_, _, after) | HandOver(_, _, _, after):
                return after
            case _:
                return self.state

    @property
    def question(self) -> Question:
        return self.end.question if isinstance(self.end, Ask) else Question.NONE

    @property
    def expect(self) -> Expect:
        match self.end:
            case Ask(_, _, expect, _):
                return expect
            case Finish() | HandOver():
                return Expect.NOTHING
            case _:
                return Expect.FREE


async def work_out(
    turn: ScriptedTurn, view: View, state: DialogueState, tools: Toolbox, lines: tuple[str, ...] = ()
) -> Draft:
    """Decides from the state until something is to be said last, or a write is due. `lines` are said before it.

    Raises core.errors.AppError only for what the reading tools do not turn into an answer themselves.
    """
    told = list(lines)
    for _ in range(MAX_STEPS):
        seen = turn.at(view, state)
        move = turn.decide(seen)
        match move:
            case Note(after):
                state = after
            case Tell(said, after):
                told.extend(said)
                state = after
            case Use(name, run, absorb) if name in READS:
                state = absorb(state, await run(tools))
            case _:
                return Draft(tuple(told), move, state)
    lost = Ask((turn.at(view, state).say.lost(),), Question.NONE, Expect.FREE, replace(state, question=Question.NONE))
    return Draft(tuple(told), lost, state)


async def carry_out(draft: Draft, turn: ScriptedTurn, view: View, tools: Toolbox) -> Draft:
    """Runs the write that is due and works out what is to be said after it.

    Raises agent.tools.CommitNeeded on a provisional turn.
    """
    assert isinstance(draft.end, Use)
    after = draft.end.absorb(draft.state, await draft.end.run(tools))
    return await work_out(turn, view, after, tools, draft.lines)


async def adopt(draft: Draft, turn: ScriptedTurn, view: View) -> AsyncIterator[BrainEvent]:
    """Says and does it, through the scripted brain; what is left to decide after a write included."""
    turn.state = draft.state
    for line in draft.lines:
        turn.said.append(line)
        yield Say(line, Expect.FREE, draft.state.language)
    if isinstance(draft.end, Use):
        async for event in turn.go_on(turn.at(view, draft.state)):
            yield event
    else:
        async for event in turn.end(draft.end):
            yield event
