"""The rules of booking intents: which wishes are the same, which steps exist, when an effect still stands."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from core.ids import ConversationId
from core.money import Money
from crm.intents import (
    MOVES,
    OPEN,
    IntentState,
    fulfils,
    plan_from_json,
    plan_to_json,
    sort_out,
    still_stands,
    wish_to_book,
    wish_to_cancel,
    wish_to_move,
)
from crm.model import (
    Booking,
    BookingId,
    BookingStatus,
    ClientId,
    Plan,
    PlannedPart,
    Price,
    ServiceId,
    StaffId,
    VisitDraft,
)
from crm.short_ids import new_id, new_marker

TALK = ConversationId(uuid4())
NOON = datetime(2026, 12, 9, 12, tzinfo=ZoneInfo("Europe/Moscow"))


def part(staff: str = "maria", start: datetime = NOON, service: str = "S01") -> PlannedPart:
    price = Price(Money.roubles(2500))
    return PlannedPart(StaffId(staff), (ServiceId(service),), start, start + timedelta(hours=1), price)


def draft(*parts: PlannedPart, **more: object) -> VisitDraft:
    return VisitDraft(ClientId("C01"), Plan(parts or (part(),)), staff_locked=True, **more)  # type: ignore[arg-type]


def booking(of: PlannedPart, key: str = "B1", status: BookingStatus = BookingStatus.BOOKED) -> Booking:
    return Booking(BookingId(key), ClientId("C01"), of.staff_id, of.service_ids, of.start, of.end, status, of.price)


def test_other_words_are_the_same_wish_other_facts_are_not() -> None:
    wish = wish_to_book(TALK, draft())
    utc = part(start=NOON.astimezone(UTC))
    same = [draft(comment="у окна"), replace(draft(), staff_locked=False), draft(utc)]
    other = [
        draft(part("anna")),
        draft(part(start=NOON + timedelta(minutes=15))),
        draft(for_whom="сын"),
        draft(certificate="G-1"),
        replace(draft(), client_id=ClientId("C02")),
        replace(draft(), status=BookingStatus.WAITING_PREPAY),
    ]
    assert {wish_to_book(TALK, d).digest for d in same} == {wish.digest}
    digests = {wish_to_book(TALK, d).digest for d in other}
    assert len(digests) == len(other)
    assert wish.digest not in digests
    assert wish_to_cancel(TALK, BookingId("B1")).digest != wish_to_cancel(TALK, BookingId("B2")).digest


def test_the_state_machine_has_no_way_back_from_confirmed() -> None:
    assert MOVES[IntentState.CONFIRMED] == frozenset()
    reachable = {IntentState.HELD}
    while more := {step for state in reachable for step in MOVES[state]} - reachable:
        reachable |= more
    assert reachable == set(IntentState)
    assert all(any(step not in OPEN for step in MOVES[state]) for state in OPEN), "every open state can be settled"


def test_a_plan_survives_storage() -> None:
    plan = Plan((part(), part("anna", NOON + timedelta(hours=1), "S06")))
    stored = plan_from_json(plan_to_json(plan))
    assert stored == plan
    assert plan_from_json(plan_to_json(None)) is None


def test_one_record_a_part_the_rest_is_surplus() -> None:
    first, second = part(), part("anna", NOON + timedelta(hours=1), "S06")
    plan = Plan((first, second))
    oldest, copy, other = booking(first, "B1"), booking(first, "B2"), booking(second, "B3")
    assert sort_out(plan, [oldest, copy, other]) == ([oldest, other], [copy])
    assert fulfils(plan, [other, oldest])
    assert not fulfils(plan, [oldest, copy, other])
    assert not fulfils(plan, [oldest])
    assert not fulfils(plan, [oldest, replace(other, status=BookingStatus.CANCELLED)])
    assert not fulfils(Plan((first,)), [replace(oldest, staff_id=StaffId("anna"))])


@pytest.mark.parametrize(
    ("status", "start", "books", "moves", "cancels"),
    [
        (BookingStatus.BOOKED, NOON, True, True, False),
        (BookingStatus.BOOKED, NOON + timedelta(days=1), True, False, False),
        (BookingStatus.CANCELLED, NOON, False, False, True),
    ],
)
def test_when_an_effect_still_stands(
    status: BookingStatus, start: datetime, books: bool, moves: bool, cancels: bool
) -> None:
    now = [booking(part(start=start), status=status)]
    assert still_stands(wish_to_book(TALK, draft()), now) is books
    assert still_stands(wish_to_move(TALK, BookingId("B1"), Plan((part(),))), now) is moves
    assert still_stands(wish_to_cancel(TALK, BookingId("B1")), now) is cancels
    assert still_stands(wish_to_cancel(TALK, BookingId("B1")), [None])
    assert not still_stands(wish_to_book(TALK, draft()), [None])


def test_ids_are_short_and_markers_fit_a_text_search() -> None:
    assert len(new_marker()) == 10
    assert new_marker().isalnum()
    assert not set("ilou") & set("".join(new_marker() for _ in range(50)))
    assert new_id("B").startswith("B-")
    assert len({new_id("B") for _ in range(1000)}) == 1000
