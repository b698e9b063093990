"""The tools as a model calls them: they change the one state of the talk, and every answer is a new proposal.

The tools of a receptionist (agent.tools) do the work; here stands who may ask for what. A write runs only if the
rules, from the state as it is, come to that very write: after a read-back that was heard, and its yes.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from agent.llm import arguments as args
from agent.llm.draft import Draft, carry_out, work_out
from agent.llm.numbers import Numbers
from agent.llm.prompt import booking_facts, proposal
from agent.llm.refusals import Refusal, said_by_caller
from agent.model import Turn, TurnKind
from agent.policy.ending import outcome_of
from agent.policy.manage import changed_services
from agent.policy.moves import Finish, Use, View
from agent.policy.people import look_up
from agent.policy.search import search_facts
from agent.policy.whichone import know_bookings, movable, with_target
from agent.scripted import ScriptedTurn
from agent.state import DialogueState, Goal, MessageDraft, Question, VisitWish, Wanted
from agent.tools import Ok, Toolbox
from agent.understanding import DayWish, Intent, TimeWish
from crm.model import Plan, ServiceId, StaffId, TaskKind

ENDED = "ended"
"""Status of a tool after which the turn is over: what it said is said by the service itself."""


@dataclass(slots=True)
class Toolkit:
    """The tools of one turn."""

    turn: ScriptedTurn
    view: View
    """The turn as it was heard."""
    tools: Toolbox
    numbers: Numbers
    state: DialogueState
    """With everything that was heard and changed so far."""
    draft: Draft
    written: list[str] = field(default_factory=list)
    """Writes that this turn carried out, by tool."""
    ended: bool = False
    """The proposal is to be said and done as it stands."""

    # --- searching -----------------------------------------------------------------------------------------------

    async def find_times(self, wish: args.FindTimes) -> dict[str, Any]:
        state = self.state
        changed = self._wished(state.wish, wish)
        goal = state.goal if state.goal in (Goal.RESCHEDULE, Goal.CHANGE, Goal.WAITLIST) else Goal.BOOK
        if goal is not state.goal or search_facts(changed) != search_facts(state.wish):
            state = replace(state, chosen=None, offers=(), read_back=None, agreed=False, search=None)
        return await self._propose(replace(state, goal=goal, wish=changed))

    def _wished(self, wish: VisitWish, asked: args.FindTimes) -> VisitWish:
        salon, heard = self.view.salon, self.view.heard
        if asked.service_ids is not None:
            services = tuple(self._service(s) for s in asked.service_ids)
            if services != tuple(w.candidates[0] for w in wish.services if len(w.candidates) == 1):
                wish = replace(wish, services=tuple(Wanted(salon.service(s).name, (s,)) for s in services))
        if asked.master_ids is not None:
            staff = tuple(self._master(s) for s in asked.master_ids)
            named = {s for mention in heard.staff if not mention.negated for s in mention.candidates}
            if set(staff) != set(wish.staff):  # the same masters: whose wish they are was heard by the rules
                by_herself = bool(staff) and set(staff) <= named and not named <= set(self.state.suggested_staff)
                wish = replace(wish, staff=staff, staff_named=by_herself, staff_only=False)
        if asked.first_day is not None or asked.last_day is not None:
            wish = replace(wish, day=self._days(asked), other_days=(), any_day=False)
        if asked.any_time:
            wish = replace(wish, time=None, other_times=(), any_time=True)
        elif any(t is not None for t in (asked.at, asked.not_before, asked.start_by, asked.done_by)):
            moment = TimeWish(
                at=asked.at, not_before=asked.not_before, start_by=asked.start_by, done_by=asked.done_by,
            )  # fmt: skip
            same = wish.time is not None and replace(wish.time, phrase="", approximate=False) == moment
            wish = wish if same else replace(wish, time=moment, other_times=(), any_time=False)
        return wish

    def _days(self, asked: args.FindTimes) -> DayWish:
        first = asked.first_day or asked.last_day
        assert first is not None
        last = asked.last_day or first
        today = self.view.today
        horizon = today + timedelta(days=self.view.salon.rules.horizon_days)
        if last < today:
            raise Refusal("the day has passed; take a day of the calendar")
        if first > horizon:
            raise Refusal(f"too far ahead: the book is open until {horizon.isoformat()}")
        if last < first:
            raise Refusal("last_day is before first_day")
        known = self.state.wish.day
        days = DayWish(max(first, today), min(last, horizon), "")
        return known if known is not None and (known.first, known.last) == (days.first, days.last) else days

    async def find_services(self, asked: args.FindServices) -> dict[str, Any]:
        heard = self.turn.understand(Turn(TurnKind.WORDS, self.view.turn.at, asked.words), self.state)
        salon = self.view.salon
        found = list(dict.fromkeys(c for m in heard.services if not m.negated for c in m.candidates))[:8]
        services = [salon.service(s) for s in found if salon.has_service(s)]
        return {"status": "ok", "services": [
            {"id": s.id, "name": s.name, "prices": {o.staff_id: o.price.amount.minor // 100 for o in s.offers}}
            for s in services
        ]}  # fmt: skip

    async def who_works(self, asked: args.WhoWorks) -> dict[str, Any]:
        result = await self.tools.on_duty(asked.day)
        if not isinstance(result, Ok):
            return {"status": "unavailable"}
        return {"status": "ok", "masters": list(dict.fromkeys(shift.staff_id for shift in result.value))}

    # --- arranging -----------------------------------------------------------------------------------------------

    async def read_back(self, asked: args.Offer) -> dict[str, Any]:
        """The service itself reads the visit to the client: its words are the ones that a yes agrees to."""
        plan = self._plan(asked.offer_id)
        state = self.state
        if state.chosen != plan or state.read_back is None:
            day = self.view.salon.local(plan.start).date()
            wish = replace(state.wish, day=DayWish(day, day, ""), other_days=(), any_day=False)
            goal = state.goal if state.goal in (Goal.RESCHEDULE, Goal.CHANGE) else Goal.BOOK
            if goal is Goal.BOOK:
                wish = self._for_plan(wish, plan)
            state = replace(state, goal=goal, wish=wish, chosen=plan, offers=(), read_back=None, agreed=False)
        answer = await self._propose(state)
        if self.draft.question is Question.READ_BACK:
            self.ended = True
            return {"status": ENDED}
        return answer

    def _for_plan(self, wish: VisitWish, plan: Plan) -> VisitWish:
        services = {s for part in plan.parts for s in part.service_ids}
        if services == {c for w in wish.services for c in w.candidates[:1]}:
            return wish
        salon = self.view.salon
        return replace(wish, services=tuple(Wanted(salon.service(s).name, (s,)) for s in sorted(services)))

    async def book(self, asked: args.Offer) -> dict[str, Any]:
        plan = self._plan(asked.offer_id)
        return await self._carry_out("book", same=self.draft.state.chosen == plan)

    async def move_booking(self, asked: args.MoveBooking) -> dict[str, Any]:
        plan, booking_id = self._plan(asked.offer_id), self._booking(asked.booking_id)
        state = self.draft.state
        return await self._carry_out("reschedule", same=state.chosen == plan and state.target == booking_id)

    async def cancel_booking(self, asked: args.CancelBooking) -> dict[str, Any]:
        booking_id = self._booking(asked.booking_id)
        result = await self._carry_out("cancel", same=self.draft.state.target == booking_id)
        while self.draft.write == "cancel":  # a visit at several masters goes part by part
            result = await self._carry_out("cancel", same=True)
        return result

    async def my_bookings(self, _: args.Nothing) -> dict[str, Any]:
        """Of the client whose number it is; of nobody else."""
        if not self.view.salon.capabilities.knows_bookings:
            return {"status": "unknown", "why": "this salon's bookings cannot be read here: leave a task for a person"}
        await self._look_up()
        if self.state.caller.client_id is None:
            return {"status": "no_client", "why": "the number on the display belongs to no client of the salon"}
        if self.state.bookings is None:
            move = know_bookings(replace(self.view, state=self.state))
            if isinstance(move, Use):
                self.state = move.absorb(self.state, await move.run(self.tools))
        if self.state.bookings is None:
            return {"status": "unavailable"}
        coming = movable(replace(self.view, state=self.state))
        return {"status": "ok", "visits": [booking_facts(b, self.view, self.numbers) for b in coming]}

    async def choose_booking(self, asked: args.ChooseBooking) -> dict[str, Any]:
        booking_id = self._booking(asked.booking_id)
        booking = next(b for b in self.state.bookings or () if b.id == booking_id)
        goal = {
            args.BookingAct.MOVE: Goal.RESCHEDULE,
            args.BookingAct.CANCEL: Goal.CANCEL,
            args.BookingAct.CHANGE_SERVICES: Goal.CHANGE,
            args.BookingAct.LATE: Goal.LATE,
        }[asked.act]
        state = replace(self.state, goal=goal)
        if self.state.goal is not goal or self.state.target != booking_id:
            state = with_target(replace(state, agreed=False), booking, replace(self.view, state=state))
        if goal is Goal.CHANGE and asked.service_ids:
            services = tuple(self._service(s) for s in asked.service_ids)
            wanted = tuple(Wanted(self.view.salon.service(s).name, (s,)) for s in services)
            meant = changed_services(booking, replace(self.view, state=state))
            if meant is None or set(meant) != set(services):
                state = replace(state, wish=replace(state.wish, services=wanted))
        if goal is Goal.LATE and asked.late_min is not None:
            state = replace(state, late_min=asked.late_min)
        return await self._propose(state)

    async def about_client(self, asked: args.AboutClient) -> dict[str, Any]:
        """Facts about the person. A name must have been said in this talk; a known client keeps the CRM's."""
        state = self.state
        history = self.view.history
        for name in (asked.name, asked.visitor_name):
            if name is not None and not said_by_caller(name, history, self.view.turn.text):
                raise Refusal("the client did not say this name; ask for it")
        if asked.name is not None and not state.caller.known:
            state = replace(state, caller=replace(state.caller, name=asked.name))
        wish = state.wish
        wish = replace(
            wish,
            visitor_name=asked.visitor_name or wish.visitor_name,
            for_whom=asked.for_whom or wish.for_whom,
            age=asked.age if asked.age is not None else wish.age,
            hair_long=asked.long_hair if asked.long_hair is not None else wish.hair_long,
        )
        if search_facts(wish) != search_facts(state.wish):
            state = replace(state, chosen=None, offers=(), read_back=None, agreed=False, search=None)
        return await self._propose(replace(state, wish=wish))

    # --- people and the end --------------------------------------------------------------------------------------

    async def leave_task(self, asked: args.LeaveTask) -> dict[str, Any]:
        """A note for a person of the salon with a promised time; once a turn."""
        if "task" in self.written:
            raise Refusal("the task is written already")
        message = MessageDraft(TaskKind.CALLBACK, details=(asked.details,), reason="model")
        answer = await self._propose(replace(self.state, goal=Goal.TASK, message=message))
        return await self._carry_out("task", same=True) if self.draft.write == "task" else answer

    async def hand_over(self, _: args.HandOver) -> dict[str, Any]:
        await self._propose(replace(self.state, answered=(*self.state.answered, "human")))
        self.ended = True
        return {"status": ENDED}

    async def finish(self, _: args.Nothing) -> dict[str, Any]:
        """Goodbye, and the line is closed: only when the client takes leave or nothing is open."""
        leaves = self.view.hears(Intent.BYE, Intent.THANKS, Intent.DENY, Intent.SPAM, Intent.WRONG_NUMBER)
        if not isinstance(self.draft.end, Finish):
            if not leaves and not self.state.done:
                raise Refusal("the client has not taken leave: go on with the talk")
            say = self.turn.at(self.view, self.state).say
            end = Finish((say.goodbye(self.state),), outcome_of(self.state), self.state)
            self.draft = Draft((), end, self.state)
        self.ended = True
        return {"status": ENDED}

    async def go_on(self, _: args.Nothing) -> dict[str, Any]:
        self.ended = True
        return {"status": ENDED}

    # --- how it is done ------------------------------------------------------------------------------------------

    async def _propose(self, state: DialogueState) -> dict[str, Any]:
        self.state = state
        lines = self.draft.lines if self.written else ()
        self.draft = await work_out(self.turn, self.view, state, self.tools, lines)
        return {"status": "ok", "proposal": proposal(self.draft, self.view, self.numbers)}

    async def _carry_out(self, tool: str, *, same: bool) -> dict[str, Any]:
        if self.draft.write != tool or not same:
            return {
                "status": "refused",
                "why": "not agreed: it must be read back to the client first, and she must say yes",
                "proposal": proposal(self.draft, self.view, self.numbers),
            }
        calls = len(self.tools.calls)
        self.draft = await carry_out(self.draft, self.turn, self.view, self.tools)
        self.state = self.draft.state
        outcome = next((call.outcome for call in self.tools.calls[calls:] if call.name == tool), "ok")
        if outcome == "ok":
            self.written.append(tool)
        status = "done" if outcome == "ok" else outcome
        return {"status": status, "proposal": proposal(self.draft, self.view, self.numbers)}

    async def _look_up(self) -> None:
        caller = self.view.caller
        if self.state.caller.looked_up or caller is None:
            return
        move = look_up(caller)
        self.state = move.absorb(self.state, await move.run(self.tools))

    def _service(self, service_id: str) -> ServiceId:
        if not self.view.salon.has_service(ServiceId(service_id)):
            raise Refusal(f"unknown service id {service_id!r}; take an id of the price list, or find_services")
        return ServiceId(service_id)

    def _master(self, staff_id: str) -> StaffId:
        if self.view.salon.member(StaffId(staff_id)) is None:
            raise Refusal(f"unknown master id {staff_id!r}; take an id of the list of masters")
        return StaffId(staff_id)

    def _plan(self, offer_id: str) -> Plan:
        plan = self.numbers.plans.get(offer_id)
        if plan is None:
            known = ", ".join(list(self.numbers.plans)[-6:]) or "none yet: call find_times"
            raise Refusal(f"unknown offer id {offer_id!r}; offered in this talk: {known}")
        return plan

    def _booking(self, alias: str) -> Any:
        booking_id = self.numbers.bookings.get(alias)
        own = {b.id for b in self.state.bookings or ()}
        if booking_id is None or booking_id not in own:
            raise Refusal(f"unknown visit id {alias!r}; call my_bookings for the client's own")
        return booking_id


Run = Callable[[Toolkit, Any], Awaitable[dict[str, Any]]]

TOOLS: dict[str, tuple[type[args.Arguments], Run, str]] = {
    "go_on": (args.Nothing, Toolkit.go_on, "Say and do exactly what the proposal says. Ends the turn."),
    "find_times": (args.FindTimes, Toolkit.find_times, "Search free times. Give only what differs from `talk`."),
    "find_services": (args.FindServices, Toolkit.find_services, "Find services by the client's words."),
    "who_works": (args.WhoWorks, Toolkit.who_works, "Masters at work on a day."),
    "about_client": (args.AboutClient, Toolkit.about_client, "Note what the client said about the visitor."),
    "read_back": (args.Offer, Toolkit.read_back, "The chosen time is read back to the client. Ends the turn."),
    "book": (args.Offer, Toolkit.book, "Write the booking. Only after the client's yes to the read-back."),
    "my_bookings": (args.Nothing, Toolkit.my_bookings, "Coming visits of this client."),
    "choose_booking": (args.ChooseBooking, Toolkit.choose_booking, "Which visit is meant, and what to do with it."),
    "move_booking": (args.MoveBooking, Toolkit.move_booking, "Move the visit. Only after the yes to the read-back."),
    "cancel_booking": (args.CancelBooking, Toolkit.cancel_booking, "Cancel the visit. Only once the client agreed."),
    "leave_task": (args.LeaveTask, Toolkit.leave_task, "Leave a note for a person of the salon, who will call back."),
    "hand_over": (args.HandOver, Toolkit.hand_over, "Give the talk to a person of the salon. Ends the turn."),
    "finish": (args.Nothing, Toolkit.finish, "Say goodbye and close the line. Ends the turn."),
}  # fmt: skip
