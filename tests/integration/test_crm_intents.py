"""Exactly one effect: sixty bookers at once, killed processes, lost answers, repeated wishes, impatient callers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from core.clock import FrozenClock
from core.database import Database
from core.errors import Unavailable
from core.ids import ConversationId
from core.outbox import Outbox
from core.tenancy import CompanyScope
from crm.booking_desk import Desk, DeskTimings
from crm.company_file import dump_company, load_company
from crm.intents import IntentState, wish_to_book
from crm.intents_repository import IntentRepository
from crm.journal.service import Journal
from crm.model import (
    BookingId,
    BookingStatus,
    ClientId,
    Plan,
    RefusalReason,
    Refused,
    ServiceId,
    SlotQuery,
    StaffId,
    Unknown,
    VisitDraft,
    VisitPart,
    Written,
)
from crm.resources import resource_id
from crm.salon_book import DatabaseSalonBook
from tests.simulators.faulty_crm import Fault, FaultyCrm

FIXTURE = Path(__file__).parents[2] / "app" / "demo" / "myata.yaml"
QUICK = DeskTimings(write_timeout_s=0.5, look_up_after_s=(0.0, 0.02), read_timeout_s=5.0)


@dataclass
class Salon:
    database: Database
    scope: CompanyScope
    clock: FrozenClock
    journal: Journal
    crm: FaultyCrm
    desk: Desk
    owner: Any

    def another_process(self, timings: DeskTimings = QUICK) -> Desk:
        book = DatabaseSalonBook(self.database, self.clock, Outbox(self.database))
        return Desk(self.database, self.crm, book, self.clock, timings)

    async def plan(self, service: str, staff: str, start: str) -> Plan:
        wanted = datetime.fromisoformat(start)
        part = VisitPart((ServiceId(service),), (StaffId(staff),))
        day = wanted.date()
        plans = await self.journal.slots(self.scope, SlotQuery((part,), day, day, limit=500))
        return next(plan for plan in plans if plan.start.replace(tzinfo=None) == wanted)

    async def draft(self, service: str = "S01", staff: str = "maria", start: str = "2026-12-09T12:00") -> VisitDraft:
        return VisitDraft(ClientId("C01"), await self.plan(service, staff, start), staff_locked=True)

    async def new_bookings(self) -> dict[str, Any]:
        state = await dump_company(self.database, self.scope)
        return {
            key: value
            for key, value in state["bookings"].items()
            if not key.startswith("B0") and not key.startswith("B1")
        }

    async def states(self) -> list[str]:
        rows = await self.owner.fetch(
            "select state from booking_intents where company_id = $1 order by created_at, generation",
            self.scope.company_id,
        )
        return [row["state"] for row in rows]

    async def holds(self) -> int:
        return int(
            await self.owner.fetchval("select count(*) from booking_holds where company_id = $1", self.scope.company_id)
        )


@pytest.fixture
async def salon(database_url: str, owner: Any) -> AsyncIterator[Salon]:
    async with await Database.open(database_url, max_size=60, acquire_timeout_s=30) as database:
        loaded = await load_company(database, FIXTURE, slug=f"salon-{uuid4().hex[:8]}")
        assert loaded.now is not None
        clock = FrozenClock(loaded.now)
        journal = Journal(database, clock)
        crm = FaultyCrm(journal)
        book = DatabaseSalonBook(database, clock, Outbox(database))
        desk = Desk(database, crm, book, clock, QUICK)
        yield Salon(database, loaded.scope, clock, journal, crm, desk, owner)
        await desk.close()


def talk() -> ConversationId:
    return ConversationId(uuid4())


async def test_a_wish_becomes_one_confirmed_booking(salon: Salon) -> None:
    draft = await salon.draft()
    result = await salon.desk.book(salon.scope, talk(), draft)
    assert isinstance(result, Written)
    assert result.bookings[0].start == draft.plan.start
    assert len(result.bookings[0].marker) == 10
    assert await salon.states() == ["confirmed"]
    assert await salon.holds() == 0, "the CRM itself holds the time now"
    assert [b["services"] for b in (await salon.new_bookings()).values()] == [["S01"]]


async def test_the_same_wish_in_one_conversation_is_one_booking(salon: Salon) -> None:
    draft, conversation = await salon.draft(), talk()
    first = await salon.desk.book(salon.scope, conversation, draft)
    in_other_words = replace(draft, comment="тот же визит", staff_locked=False)
    assert await salon.desk.book(salon.scope, conversation, in_other_words) == first
    assert await salon.another_process().book(salon.scope, conversation, draft) == first
    assert len(await salon.new_bookings()) == 1
    assert await salon.desk.book(salon.scope, talk(), draft) == Refused(RefusalReason.SLOT_TAKEN)


async def test_the_same_wish_at_the_same_moment_is_one_booking(salon: Salon) -> None:
    draft, conversation = await salon.draft(), talk()
    desks = [salon.desk, salon.another_process(), salon.another_process()]
    results = await asyncio.gather(*(desks[n % 3].book(salon.scope, conversation, draft) for n in range(12)))
    assert all(isinstance(result, Written) for result in results)
    assert len({result.bookings[0].id for result in results if isinstance(result, Written)}) == 1
    assert len(await salon.new_bookings()) == 1


async def test_a_wish_after_its_effect_was_undone_is_a_new_wish(salon: Salon) -> None:
    draft, conversation = await salon.draft(), talk()
    first = await salon.desk.book(salon.scope, conversation, draft)
    assert isinstance(first, Written)
    await salon.desk.cancel(salon.scope, conversation, first.bookings[0].id, reason="")
    second = await salon.desk.book(salon.scope, conversation, draft)
    assert isinstance(second, Written)
    assert second.bookings[0].id != first.bookings[0].id
    assert second.bookings[0].status is BookingStatus.BOOKED


async def test_a_refused_wish_may_be_repeated_when_the_time_is_free_again(salon: Salon) -> None:
    draft, mine, other = await salon.draft(), talk(), talk()
    taken = await salon.desk.book(salon.scope, other, draft)
    assert isinstance(taken, Written)
    assert await salon.desk.book(salon.scope, mine, draft) == Refused(RefusalReason.SLOT_TAKEN)
    await salon.desk.cancel(salon.scope, other, taken.bookings[0].id, reason="")
    assert isinstance(await salon.desk.book(salon.scope, mine, draft), Written)


# --- crowds ---------------------------------------------------------------------------------------------------------


async def overlaps(salon: Salon) -> list[tuple[str, str]]:
    """Looks at the rows themselves, past every constraint."""
    rows = await salon.owner.fetch(
        "select id, staff_id, starts_at, ends_at from journal_bookings where company_id = $1 and active",
        salon.scope.company_id,
    )
    by_staff: dict[str, list[Any]] = {}
    for row in sorted(rows, key=lambda r: r["starts_at"]):
        by_staff.setdefault(row["staff_id"], []).append(row)
    return [(a["id"], b["id"]) for day in by_staff.values() for a, b in pairwise(day) if b["starts_at"] < a["ends_at"]]


async def crowd_of_sixty(salon: Salon) -> list[Any]:
    """Everybody wants the same afternoon: overlapping places, and visits of two masters in both orders."""
    plans = []
    for shift in range(0, 120, 15):
        start = f"2026-12-09T{15 + shift // 60}:{shift % 60:02}"
        plans.append(await salon.plan("S01", "maria", start))
        plans.append(await salon.plan("S01", "anna", start))
    day = date(2026, 12, 9)
    pair = (VisitPart((ServiceId("S01"),), (StaffId("maria"),)), VisitPart((ServiceId("S06"),), (StaffId("anna"),)))
    chains = await salon.journal.slots(salon.scope, SlotQuery(pair, day, day, limit=400))
    plans += [plan for plan in chains if plan.start.hour >= 15][:14]
    drafts = [VisitDraft(ClientId("C01"), plans[n % len(plans)], staff_locked=False) for n in range(60)]
    desks = [salon.another_process(DeskTimings(write_timeout_s=30, read_timeout_s=30)) for _ in range(3)]
    return await asyncio.gather(*(desks[n % 3].book(salon.scope, talk(), draft) for n, draft in enumerate(drafts)))


async def test_sixty_bookers_never_overlap_and_never_fail(salon: Salon) -> None:
    results = await crowd_of_sixty(salon)
    assert all(isinstance(result, Written | Refused) for result in results)
    assert any(isinstance(result, Written) for result in results)
    assert {r.reason for r in results if isinstance(r, Refused)} == {RefusalReason.SLOT_TAKEN}
    assert await overlaps(salon) == []
    assert await salon.holds() == 0
    assert set(await salon.states()) == {"confirmed", "rejected"}
    deadlocks = await salon.owner.fetchval("select deadlocks from pg_stat_database where datname = current_database()")
    assert deadlocks == 0


async def test_the_exclusion_constraint_stands_behind_the_check(salon: Salon) -> None:
    """Somebody writes into the journal without asking: the constraint, not the code, says no, and it is an answer."""
    draft = await salon.draft()
    inserted = asyncio.Event()
    go_on = asyncio.Event()

    async def intruder() -> None:
        async with salon.owner.transaction():
            await salon.owner.execute("select set_config('app.company', $1, true)", str(salon.scope.company_id))
            await salon.owner.execute(
                """insert into journal_bookings (company_id, id, staff_id, service_ids, starts_at, ends_at, occupied,
                       resource_id, status, price_minor)
                   select company_id, 'intruder', staff_id, service_ids, $2, $3, tstzrange($2, $3), resource_id,
                       'booked', 0
                   from journal_bookings where company_id = $1 and id = 'B004'""",
                salon.scope.company_id, draft.plan.start, draft.plan.end,
            )  # fmt: skip
            inserted.set()
            await go_on.wait()

    task = asyncio.create_task(intruder())
    await inserted.wait()
    booking = asyncio.create_task(salon.journal.book(salon.scope, draft, "marker0001"))
    await asyncio.sleep(0.2)
    go_on.set()
    await task
    assert await booking == Refused(RefusalReason.SLOT_TAKEN)


async def test_a_masters_time_is_given_out_one_after_another(salon: Salon) -> None:
    """Whoever holds the master's lock goes first: the exclusion constraint alone would end crowds in deadlocks."""
    draft, other = await salon.draft(), await salon.draft(staff="anna")
    key = resource_id(salon.scope, StaffId("maria"))
    async with salon.owner.transaction():
        await salon.owner.execute("select pg_advisory_xact_lock($1)", key)
        by_desk = asyncio.create_task(salon.desk.book(salon.scope, talk(), draft))
        by_journal = asyncio.create_task(salon.journal.book(salon.scope, draft, "marker0002"))
        assert isinstance(await salon.desk.book(salon.scope, talk(), other), Written), "another master is free"
        await asyncio.sleep(0.2)
        assert not by_desk.done()
        assert not by_journal.done()
        assert await salon.states() == ["confirmed"]
    results = await asyncio.gather(by_desk, by_journal)
    assert sorted(type(result).__name__ for result in results) == ["Refused", "Written"]


async def test_a_lock_that_never_comes_free_is_an_answer(salon: Salon) -> None:
    draft = await salon.draft()
    async with salon.owner.transaction():
        await salon.owner.execute("select pg_advisory_xact_lock($1)", resource_id(salon.scope, StaffId("maria")))
        assert await salon.journal.book(salon.scope, draft, "marker0003") == Refused(RefusalReason.SLOT_TAKEN)


# --- lost answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.COMMIT_THEN_HANG, Fault.COMMIT_THEN_ERROR])
async def test_a_write_whose_answer_is_lost_is_found_by_its_marker(salon: Salon, fault: Fault) -> None:
    salon.crm.fault = fault
    draft = await salon.draft()
    result = await salon.desk.book(salon.scope, talk(), draft)
    assert isinstance(result, Written)
    assert len(salon.crm.sent) == 1, "never sent a second time"
    assert len(await salon.new_bookings()) == 1
    assert await salon.states() == ["confirmed"]


async def test_a_late_commit_is_adopted_by_the_sweep(salon: Salon) -> None:
    salon.crm.fault, salon.crm.delay_s = Fault.LATE_COMMIT, 0.3
    draft, conversation = await salon.draft(), talk()
    assert isinstance(await salon.desk.book(salon.scope, conversation, draft), Unknown)
    assert await salon.states() == ["unknown"]
    assert await salon.desk.book(salon.scope, talk(), draft) == Refused(RefusalReason.SLOT_TAKEN), "still promised"
    await salon.crm.settled()
    salon.clock.advance(60)
    assert (await salon.desk.sweep(salon.scope)).confirmed == 1
    result = await salon.desk.book(salon.scope, conversation, draft)
    assert isinstance(result, Written)
    assert len(salon.crm.sent) == 1
    assert len(await salon.new_bookings()) == 1


async def test_what_is_never_found_is_given_up_and_a_very_late_commit_still_adopted(salon: Salon) -> None:
    salon.crm.fault = Fault.ERROR
    draft, conversation = await salon.draft(), talk()
    assert isinstance(await salon.desk.book(salon.scope, conversation, draft), Unknown)
    salon.clock.advance(60)
    assert (await salon.desk.sweep(salon.scope)).still_unknown == 1
    salon.clock.advance(1000)
    assert (await salon.desk.sweep(salon.scope)).lost == 1
    assert (await salon.states(), await salon.holds()) == (["rejected"], 0)
    marker = salon.crm.sent[0][1]
    await salon.journal.book(salon.scope, draft, marker)
    assert (await salon.desk.sweep(salon.scope)).confirmed == 1
    assert await salon.states() == ["confirmed"]


async def test_given_up_and_wished_again_uses_the_same_marker(salon: Salon) -> None:
    salon.crm.fault = Fault.ERROR
    draft, conversation = await salon.draft(), talk()
    assert isinstance(await salon.desk.book(salon.scope, conversation, draft), Unknown)
    salon.clock.advance(2000)
    salon.crm.fault = Fault.NONE
    assert isinstance(await salon.desk.book(salon.scope, conversation, draft), Written)
    assert len({marker for _, marker in salon.crm.sent}) == 1
    assert len(await salon.new_bookings()) == 1


async def test_a_definite_no_and_an_unreachable_crm_leave_nothing_behind(salon: Salon) -> None:
    draft = await salon.draft()
    salon.crm.fault = Fault.REFUSE
    assert await salon.desk.book(salon.scope, talk(), draft) == Refused(RefusalReason.REFUSED_BY_CRM)
    salon.crm.fault = Fault.NOT_REACHED
    conversation = talk()
    with pytest.raises(Unavailable):
        await salon.desk.book(salon.scope, conversation, draft)
    assert (await salon.states(), await salon.holds()) == (["rejected", "rejected"], 0)
    salon.crm.fault = Fault.NONE
    assert isinstance(await salon.desk.book(salon.scope, conversation, draft), Written)


# --- killed in between ----------------------------------------------------------------------------------------------


async def test_killed_between_hold_and_send(salon: Salon) -> None:
    """The next process with the same wish goes on; for others the time is free again after the hold has run out."""
    draft, conversation = await salon.draft(), talk()
    repository = IntentRepository(salon.database)
    wish = wish_to_book(conversation, draft)
    intent = await repository.claim(salon.scope, wish, now=salon.clock.now(), hold=timedelta(minutes=3))
    assert intent.state is IntentState.HELD
    assert await salon.desk.book(salon.scope, talk(), draft) == Refused(RefusalReason.SLOT_TAKEN)
    salon.clock.advance(181)
    stranger = await salon.desk.book(salon.scope, talk(), draft)
    assert isinstance(stranger, Written)
    assert await repository.advance(salon.scope, intent, IntentState.SENDING, now=salon.clock.now()) is None
    assert await salon.desk.book(salon.scope, conversation, draft) == Refused(RefusalReason.SLOT_TAKEN)


async def test_a_hold_is_taken_over_by_the_same_wish(salon: Salon) -> None:
    draft, conversation = await salon.draft(), talk()
    await IntentRepository(salon.database).claim(
        salon.scope, wish_to_book(conversation, draft), now=salon.clock.now(), hold=timedelta(minutes=3)
    )
    assert isinstance(await salon.desk.book(salon.scope, conversation, draft), Written)
    assert await salon.states() == ["confirmed"]


@pytest.mark.parametrize("committed", [True, False])
async def test_killed_between_send_and_record(salon: Salon, committed: bool) -> None:
    draft, conversation = await salon.draft(), talk()
    repository, now = IntentRepository(salon.database), salon.clock.now()
    held = await repository.claim(salon.scope, wish_to_book(conversation, draft), now=now, hold=timedelta(minutes=3))
    sending = await repository.advance(salon.scope, held, IntentState.SENDING, now=now, deadline=now)
    assert sending is not None
    if committed:
        await salon.journal.book(salon.scope, draft, sending.marker)
    salon.clock.advance(60)
    result = await salon.desk.book(salon.scope, conversation, draft)
    assert isinstance(result, Written if committed else Unknown)
    assert salon.crm.sent == [], "looked up, not sent"
    assert len(await salon.new_bookings()) == committed


async def test_a_caller_who_gives_up_does_not_lose_the_result(salon: Salon) -> None:
    salon.crm.fault, salon.crm.delay_s = Fault.SLOW, 0.2
    draft, conversation = await salon.draft(), talk()
    caller = asyncio.create_task(salon.desk.book(salon.scope, conversation, draft))
    await salon.crm.reached.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    result = await salon.desk.book(salon.scope, conversation, draft)
    assert isinstance(result, Written)
    assert len(salon.crm.sent) == 1
    assert len(await salon.new_bookings()) == 1


async def test_closing_the_desk_waits_for_a_running_write(salon: Salon) -> None:
    salon.crm.fault, salon.crm.delay_s = Fault.SLOW, 0.2
    caller = asyncio.create_task(salon.desk.book(salon.scope, talk(), await salon.draft()))
    await salon.crm.reached.wait()
    caller.cancel()
    await salon.desk.close()
    assert await salon.states() == ["confirmed"]


# --- moving and cancelling ------------------------------------------------------------------------------------------


async def test_a_move_keeps_the_old_time_until_the_new_one_is_confirmed(salon: Salon) -> None:
    plan = await salon.plan("S11", "olga", "2026-12-04T14:00")
    old = await salon.journal.get(salon.scope, BookingId("B032"))
    assert old is not None
    salon.crm.fault = Fault.ERROR
    conversation = talk()
    assert isinstance(await salon.desk.reschedule(salon.scope, conversation, old.id, plan), Unknown)
    assert await salon.journal.get(salon.scope, old.id) == old, "nothing was given away"
    salon.crm.fault = Fault.NONE
    salon.clock.advance(1000)
    moved = await salon.desk.reschedule(salon.scope, conversation, old.id, plan)
    assert isinstance(moved, Written)
    assert (moved.bookings[0].id, moved.bookings[0].start) == (old.id, plan.start)
    assert await salon.new_bookings() == {}
    again = await salon.desk.reschedule(salon.scope, conversation, old.id, plan)
    assert again == moved
    free = await salon.plan("S11", "olga", "2026-12-02T17:00")
    assert free.start == old.start, "the old time is free after the move"


async def test_a_move_onto_taken_time_changes_nothing(salon: Salon) -> None:
    free = await salon.plan("S11", "olga", "2026-12-04T14:00")
    part = replace(free.parts[0], start=free.start - timedelta(hours=3), end=free.end - timedelta(hours=3))
    before = await dump_company(salon.database, salon.scope)
    result = await salon.desk.reschedule(salon.scope, talk(), BookingId("B032"), Plan((part,)))
    assert result == Refused(RefusalReason.SLOT_TAKEN)
    assert (await dump_company(salon.database, salon.scope)) == before


async def test_a_move_whose_answer_is_lost_is_found(salon: Salon) -> None:
    salon.crm.fault = Fault.COMMIT_THEN_HANG
    plan = await salon.plan("S11", "olga", "2026-12-04T14:00")
    result = await salon.desk.reschedule(salon.scope, talk(), BookingId("B032"), plan)
    assert isinstance(result, Written)
    assert len(salon.crm.sent) == 1


@pytest.mark.parametrize(("booking", "late"), [("B027", False), ("B002", True)])
async def test_cancelling_follows_the_salons_rule_for_lateness(salon: Salon, booking: str, late: bool) -> None:
    conversation = talk()
    result = await salon.desk.cancel(salon.scope, conversation, BookingId(booking), reason="командировка")
    assert isinstance(result, Written)
    assert (result.bookings[0].status, result.bookings[0].late_cancel) == (BookingStatus.CANCELLED, late)
    assert await salon.desk.cancel(salon.scope, conversation, BookingId(booking), reason="") == result
    state = (await dump_company(salon.database, salon.scope))["bookings"][booking]
    assert (state["status"], state["late_cancel"], state["cancel_reason"]) == ("cancelled", late, "командировка")


async def test_cancelling_with_a_lost_answer_and_what_does_not_exist(salon: Salon) -> None:
    salon.crm.fault = Fault.COMMIT_THEN_ERROR
    assert isinstance(await salon.desk.cancel(salon.scope, talk(), BookingId("B027"), reason=""), Written)
    salon.crm.fault = Fault.ERROR
    conversation = talk()
    assert isinstance(await salon.desk.cancel(salon.scope, conversation, BookingId("B002"), reason=""), Unknown)
    salon.crm.fault = Fault.NONE
    assert isinstance(await salon.desk.cancel(salon.scope, conversation, BookingId("B002"), reason=""), Written)
    nothing = await salon.desk.cancel(salon.scope, talk(), BookingId("B999"), reason="")
    assert nothing == Refused(RefusalReason.NOT_FOUND)
    started = await salon.desk.cancel(salon.scope, talk(), BookingId("B001"), reason="")
    assert started == Refused(RefusalReason.ALREADY_STARTED)
