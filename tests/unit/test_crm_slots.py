"""Slot search against a brute-force oracle, on ordinary days and on days when the clock changes."""

import time as stopwatch
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from itertools import pairwise, permutations, product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, target
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.money import Money
from crm.model import (
    BookingId,
    Plan,
    PlannedPart,
    Price,
    SalonRules,
    Service,
    ServiceId,
    SlotQuery,
    StaffId,
    StaffOffer,
    VisitPart,
)
from crm.schedule import DayHours, Span, StaffSchedule, working_intervals
from crm.slot_book import Busy, SlotBook
from crm.slots import find_plans

MOSCOW = ZoneInfo("Europe/Moscow")
BERLIN = ZoneInfo("Europe/Berlin")
CAIRO = ZoneInfo("Africa/Cairo")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
TUESDAY = date(2026, 12, 1)


def span(text: str) -> Span:
    start, end = ((int(part[:2]) * 60 + int(part[3:])) for part in text.split("-"))
    return Span(start, end)


def every_day(staff: str, hours: str, *breaks: str) -> StaffSchedule:
    day = DayHours((span(hours),), tuple(span(text) for text in breaks))
    return StaffSchedule(StaffId(staff), dict.fromkeys(range(1, 8), day))


def service(name: str, minutes: int, *, buffer: int = 0, **masters: int | tuple[int, int]) -> Service:
    """Masters with their price, or with price and own length in minutes."""
    offers = []
    for staff, terms in masters.items():
        price, length = terms if isinstance(terms, tuple) else (terms, minutes)
        offers.append(StaffOffer(StaffId(staff), Price(Money.roubles(price)), timedelta(minutes=length)))
    return Service(
        ServiceId(name), name, timedelta(minutes=minutes), tuple(offers), buffer_after=timedelta(minutes=buffer)
    )


def book(services: list[Service], schedules: list[StaffSchedule], *busy: Busy, zone: ZoneInfo = MOSCOW) -> SlotBook:
    return SlotBook(
        zone,
        SalonRules(),
        {item.id: item for item in services},
        {item.staff_id: item for item in schedules},
        busy,
    )


def taken(staff: str, start: str, end: str, booking: str = "B1", zone: ZoneInfo = MOSCOW) -> Busy:
    return Busy(
        StaffId(staff),
        datetime.fromisoformat(start).replace(tzinfo=zone),
        datetime.fromisoformat(end).replace(tzinfo=zone),
        BookingId(booking),
    )


def wish(*parts: str, day: date = TUESDAY, last: date | None = None, **more: object) -> SlotQuery:
    """Each part: services joined by +, then masters after a colon."""
    made = []
    for part in parts:
        services, _, staff = part.partition(":")
        made.append(
            VisitPart(
                tuple(ServiceId(item) for item in services.split("+")),
                tuple(StaffId(item) for item in staff.split(",") if item),
            )
        )
    return SlotQuery(tuple(made), day, last or day, **({"limit": 1000} | more))  # type: ignore[arg-type]


def starts(plans: list[Plan]) -> list[str]:
    return [f"{plan.start:%H:%M}" for plan in plans]


def at(text: str, zone: ZoneInfo = MOSCOW) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


NIGHT_BEFORE = at("2026-11-30T20:00")
ONE = [service("cut", 60, anna=3500)]


def test_a_visit_never_crosses_the_break_or_a_booking() -> None:
    world = book(
        ONE, [every_day("anna", "10:00-16:00", "12:00-12:30")], taken("anna", "2026-12-01T14:00", "2026-12-01T14:30")
    )
    assert starts(find_plans(wish("cut"), world, NIGHT_BEFORE)) == [
        "10:00", "10:15", "10:30", "10:45", "11:00", "12:30", "12:45", "13:00", "14:30", "14:45", "15:00",
    ]  # fmt: skip


def test_wishes_for_start_and_end() -> None:
    world = book(ONE, [every_day("anna", "10:00-20:00")])

    def search(**more: object) -> list[str]:
        return starts(find_plans(wish("cut", **more), world, NIGHT_BEFORE))

    assert search(not_before=time(18))[0] == "18:00"
    assert search(done_by=time(11, 30)) == ["10:00", "10:15", "10:30"]
    assert search(not_before=time(12), start_by=time(12, 15)) == ["12:00", "12:15"]
    assert search(not_before=time(19, 1)) == []


def test_lead_time_and_horizon() -> None:
    world = book(ONE, [every_day("anna", "10:00-20:00")])
    assert starts(find_plans(wish("cut"), world, at("2026-12-01T10:50")))[0] == "11:30"
    assert starts(find_plans(wish("cut"), world, at("2026-12-01T11:00")))[0] == "11:30"
    assert find_plans(wish("cut", day=date(2027, 1, 30)), world, at("2026-12-01T11:00"))
    assert find_plans(wish("cut", day=date(2027, 1, 31)), world, at("2026-12-01T11:00")) == []
    assert find_plans(wish("cut", day=date(2026, 11, 1), last=date(2026, 11, 30)), world, at("2026-12-01T11:00")) == []


def test_moving_a_booking_may_overlap_its_own_old_place() -> None:
    world = book(ONE, [every_day("anna", "10:00-12:00")], taken("anna", "2026-12-01T10:00", "2026-12-01T11:00"))
    query = wish("cut", ignore_bookings=(BookingId("B1"),))
    assert starts(find_plans(query, world, NIGHT_BEFORE)) == ["10:00", "10:15", "10:30", "10:45", "11:00"]


def test_two_masters_without_a_gap_in_any_order() -> None:
    services = [service("nails", 90, svetlana=2300), service("cut", 60, maria=2500)]
    schedules = [every_day("svetlana", "10:00-20:00", "15:00-15:30"), every_day("maria", "10:00-20:00", "14:00-14:30")]
    world = book(services, schedules, taken("maria", "2026-12-01T11:00", "2026-12-01T12:00"))
    query = wish("nails", "cut", not_before=time(11, 45), start_by=time(13))
    plans = find_plans(query, world, NIGHT_BEFORE)
    assert [(f"{plan.parts[0].start:%H:%M}", plan.parts[0].service_ids[0]) for plan in plans] == [
        ("12:00", "cut"), ("12:00", "cut"), ("12:15", "cut"), ("12:15", "cut"), ("12:30", "cut"), ("12:45", "nails"),
        ("13:00", "nails"), ("13:00", "nails"),
    ]  # fmt: skip
    assert {plan.price.amount for plan in plans} == {Money.roubles(4800)}
    fixed = find_plans(wish("nails", "cut", any_order=False), world, NIGHT_BEFORE)
    assert fixed
    assert {plan.parts[0].service_ids for plan in fixed} == {("nails",)}


def test_neighbouring_parts_at_one_master_are_one_booking() -> None:
    services = [service("cut", 45, igor=1800), service("beard", 30, igor=1000)]
    world = book(services, [every_day("igor", "10:00-12:00")])
    plans = find_plans(wish("beard", "cut", max_gap=timedelta(0)), world, NIGHT_BEFORE)
    assert next(plan.parts for plan in plans) == (
        PlannedPart(
            StaffId("igor"),
            (ServiceId("beard"), ServiceId("cut")),
            at("2026-12-01T10:00"),
            at("2026-12-01T11:15"),
            Price(Money.roubles(2800)),
        ),
    )
    assert starts(plans) == ["10:00", "10:15", "10:30", "10:45"]


def test_cleaning_time_is_kept_free_but_is_no_part_of_the_visit() -> None:
    services = [service("peel", 30, buffer=15, vera=1000)]
    world = book(services, [every_day("vera", "10:00-12:00")], taken("vera", "2026-12-01T11:00", "2026-12-01T11:15"))
    plans = find_plans(wish("peel"), world, NIGHT_BEFORE)
    assert [(f"{plan.start:%H:%M}", f"{plan.end:%H:%M}") for plan in plans] == [
        ("10:00", "10:30"), ("10:15", "10:45"), ("11:15", "11:45"),
    ]  # fmt: skip


@pytest.mark.parametrize("hours_off", [-12, -5, 0, 3, 14])
def test_taken_time_counts_in_whatever_zone_it_is_given(hours_off: int) -> None:
    elsewhere = timezone(timedelta(hours=hours_off))
    busy = [
        taken("anna", "2026-12-01T10:00", "2026-12-01T12:00"),
        taken("anna", "2026-12-01T19:00", "2026-12-03T12:00"),  # over two midnights
        taken("anna", "2026-12-04T00:00", "2026-12-04T11:00"),
        taken("anna", "2026-11-28T00:00", "2026-12-01T11:00"),  # began before the first day that is searched
    ]
    moved = [replace(b, start=b.start.astimezone(elsewhere), end=b.end.astimezone(elsewhere)) for b in busy]
    days = wish("cut", last=TUESDAY + timedelta(days=4))
    world = [every_day("anna", "10:00-20:00")]
    found = find_plans(days, book(ONE, world, *moved), NIGHT_BEFORE)
    assert [f"{p.start:%d %H:%M}" for p in found if p.start.minute == 0] == [
        *(f"01 {hour}:00" for hour in range(12, 19)),
        *(f"03 {hour}:00" for hour in range(12, 20)),
        *(f"04 {hour}:00" for hour in range(11, 20)),
        *(f"05 {hour}:00" for hour in range(10, 20)),
    ]


def test_best_first_and_capped_per_start() -> None:
    services = [service("cut", 60, anna=3500, maria=2500)]
    world = book(services, [every_day("anna", "10:00-12:00"), every_day("maria", "10:00-12:00")])
    plans = find_plans(wish("cut", limit=4), world, NIGHT_BEFORE)
    assert [(f"{plan.start:%H:%M}", plan.parts[0].staff_id) for plan in plans] == [
        ("10:00", "maria"), ("10:00", "anna"), ("10:15", "maria"), ("10:15", "anna"),
    ]  # fmt: skip
    capped = find_plans(wish("cut", limit=3, per_start=1), world, NIGHT_BEFORE)
    assert [(f"{plan.start:%H:%M}", plan.parts[0].staff_id) for plan in capped] == [
        ("10:00", "maria"), ("10:15", "maria"), ("10:30", "maria"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (wish("cut", day=date(2026, 12, 2), last=date(2026, 12, 1)), "first_day"),
        (wish("no-such-service"), "no-such-service"),
        (SlotQuery((), TUESDAY, TUESDAY), "parts"),
        (wish(*["cut"] * 7), "parts"),
        (wish("cut", limit=0), "limit"),
    ],
)
def test_an_impossible_wish_names_its_field(query: SlotQuery, field: str) -> None:
    with pytest.raises(InvalidInput, match=field):
        find_plans(query, book(ONE, [every_day("anna", "10:00-20:00")]), NIGHT_BEFORE)


# --- the day on which the clock changes -----------------------------------------------------------------------------


def test_hours_follow_the_wall_clock_over_a_clock_change() -> None:
    spring = working_intervals(every_day("anna", "01:00-05:00"), date(2026, 3, 29), BERLIN)
    assert [(item.start, item.end) for item in spring] == [
        (datetime(2026, 3, 29, 0, tzinfo=UTC), datetime(2026, 3, 29, 3, tzinfo=UTC))
    ]
    autumn = working_intervals(every_day("anna", "01:00-05:00", "02:00-02:30"), date(2026, 10, 25), BERLIN)
    assert [(item.start.hour, item.end.hour) for item in autumn] == [(23, 0), (1, 4)]
    assert autumn[0].end == datetime(2026, 10, 25, 0, tzinfo=UTC)
    assert autumn[1].start == datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "both passes of the repeated break are free"


def test_a_night_visit_over_the_spring_change_takes_its_real_length() -> None:
    world = book(ONE, [every_day("anna", "00:00-05:00")], zone=BERLIN)
    plans = find_plans(wish("cut", day=date(2026, 3, 29)), world, at("2026-03-28T12:00", BERLIN))
    assert "02:00" not in starts(plans)
    crossing = next(plan for plan in plans if f"{plan.start:%H:%M}" == "01:30")
    assert f"{crossing.end:%H:%M}" == "03:30"


# --- against the oracle ---------------------------------------------------------------------------------------------


def oracle(query: SlotQuery, world: SlotBook, now: datetime) -> set[Plan]:
    """Tries every minute of the day, every order and every choice of masters; reads wall clocks through zoneinfo."""
    zone, rules = world.zone, world.rules
    found = set()
    day = query.first_day
    while day <= query.last_day:
        for order in permutations(range(len(query.parts))) if query.any_order else [tuple(range(len(query.parts)))]:
            choices = [
                [s for s in world.schedules if (not query.parts[i].staff_ids or s in query.parts[i].staff_ids)]
                for i in order
            ]
            for staff in product(*choices):
                found |= _walk(query, world, zone, day, order, staff, now + timedelta(minutes=rules.lead_min))
        day += timedelta(days=1)
    today = now.astimezone(zone).date()
    last = today + timedelta(days=rules.horizon_days)
    return {plan for plan in found if today <= plan.start.astimezone(zone).date() <= last}


@lru_cache(maxsize=64)
def _grid(zone, day, grid_min):
    first = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    moments = [first + timedelta(minutes=m) for m in range(26 * 60)]
    walls = [(m, m.astimezone(zone)) for m in moments]
    return [m for m, wall in walls if wall.date() == day and (wall.hour * 60 + wall.minute) % grid_min == 0]


def _walk(query, world, zone, day, order, staff, earliest):
    grid = _grid(zone, day, world.rules.grid_min)
    partial = [()]
    for index, who in zip(order, staff, strict=True):
        services = [world.services[s] for s in query.parts[index].service_ids]
        offers = [s.offer_by(who) for s in services]
        if None in offers:
            return set()
        length = sum((o.duration for o in offers), timedelta())
        tail = max(s.buffer_after for s in services)
        price = sum(o.price.amount.minor for o in offers)
        longer = []
        for steps in partial:
            for start in grid:
                if steps:
                    gap = start - steps[-1][2]
                    if not timedelta(0) <= gap <= query.max_gap:
                        continue
                elif start < earliest:
                    continue
                if any(other == who and start < end + other_tail for _, other, end, other_tail, *_ in steps):
                    continue
                if _can_work(world, zone, day, who, start, start + length + tail, query.ignore_bookings):
                    longer.append((*steps, (start, who, start + length, tail, index, price)))
        partial = longer
        if not partial:
            return set()
    return {_as_plan(query, steps) for steps in partial if _as_wished(query, steps, zone, day)}


def _as_wished(query, steps, zone, day):
    begin, end = steps[0][0].astimezone(zone), steps[-1][2].astimezone(zone)
    end_wall = end.time() if end.date() == day else None  # midnight: later than any wall clock of the day
    return not (
        (query.not_before and begin.time() < query.not_before)
        or (query.start_by and begin.time() > query.start_by)
        or (query.done_by and (end_wall is None or end_wall > query.done_by))
    )


def _as_plan(query, steps):
    groups = []
    for step in steps:
        if groups and groups[-1][-1][1] == step[1] and groups[-1][-1][2] == step[0]:
            groups[-1].append(step)
        else:
            groups.append([step])
    return Plan(
        tuple(
            PlannedPart(
                group[0][1],
                tuple(s for i in sorted(g[4] for g in group) for s in query.parts[i].service_ids),
                group[0][0],
                group[-1][2],
                Price(Money(sum(g[5] for g in group))),
            )
            for group in groups
        )
    )


def _can_work(world, zone, day, who, start, end, ignored):
    hours = world.schedules[who].of_day(day)
    work, rests = _real(hours.hours, day, zone), _real(hours.breaks, day, zone, last=True)
    moment = start
    while moment < end:
        if not any(a <= moment < b for a, b in work) or any(a <= moment < b for a, b in rests):
            return False
        moment += timedelta(minutes=5)
    return not any(
        item.staff_id == who and item.booking_id not in ignored and item.start < end and start < item.end
        for item in world.busy
    )


@lru_cache(maxsize=256)
def _real(spans, day, zone, *, last=False):
    """Wall-clock spans as instants, worked out with zoneinfo alone."""

    def instant(minute: int, fold: int) -> datetime:
        naive = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001
        moment = naive.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None, fold=0) == naive:
            return moment
        low = naive.replace(tzinfo=zone, fold=1).astimezone(UTC)  # skipped by the clock: find the change itself
        while low.astimezone(zone).replace(tzinfo=None, fold=0) < naive:
            low += timedelta(minutes=1)
        return low

    return [(instant(s.start_min, 0), instant(s.end_min, 1 if last else 0)) for s in spans]


MINUTES_5 = st.integers(0, 287).map(lambda n: n * 5)


@st.composite
def worlds(draw: st.DrawFn, zone: ZoneInfo, day: date) -> tuple[SlotQuery, SlotBook, datetime]:
    staff = [StaffId(name) for name in ("a", "b", "c")[: draw(st.integers(1, 3))]]
    names = [ServiceId(name) for name in ("x", "y", "z")[: draw(st.integers(1, 3))]]
    services = {}
    for name in names:
        doers = draw(st.lists(st.sampled_from(staff), min_size=1, unique=True))
        offers = tuple(
            StaffOffer(
                who,
                Price(Money.roubles(draw(st.integers(0, 5)))),
                timedelta(minutes=draw(st.sampled_from([20, 30, 45, 60, 90]))),
            )
            for who in doers
        )
        tail = timedelta(minutes=draw(st.sampled_from([0, 0, 0, 10, 15])))
        services[name] = Service(name, name, timedelta(minutes=30), offers, buffer_after=tail)

    def spans(most: int, shortest: int) -> tuple[Span, ...]:
        found = []
        for _ in range(draw(st.integers(0, most))):
            start = draw(MINUTES_5)
            found.append(Span(start, min(1440, start + draw(st.integers(shortest, shortest * 3)) * 5)))
        return tuple(found)

    schedules = {who: StaffSchedule(who, {day.isoweekday(): DayHours(spans(2, 24), spans(1, 4))}) for who in staff}
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    busy = []
    for number in range(draw(st.integers(0, 4))):
        start = midnight + timedelta(minutes=draw(st.integers(-60, 1500)))
        length = timedelta(minutes=draw(st.integers(5, 120)))
        busy.append(Busy(draw(st.sampled_from(staff)), start, start + length, BookingId(f"B{number}")))
    bound = st.none() | MINUTES_5.map(lambda m: time(m // 60, m % 60))
    parts = tuple(
        VisitPart(
            tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))),
            tuple(draw(st.lists(st.sampled_from(staff), max_size=2, unique=True))),
        )
        for _ in range(draw(st.integers(1, 3)))
    )
    query = SlotQuery(
        parts, day, day, draw(bound), draw(bound), draw(bound),
        any_order=draw(st.booleans()),
        max_gap=timedelta(minutes=draw(st.sampled_from([0, 15, 30]))),
        limit=100_000,
        ignore_bookings=(BookingId("B0"),) if draw(st.booleans()) else (),
    )  # fmt: skip
    rules = SalonRules(grid_min=draw(st.sampled_from([15, 30, 20])), lead_min=draw(st.sampled_from([0, 30])))
    now = midnight + timedelta(minutes=draw(st.sampled_from([-600, 0, 605])))
    return query, SlotBook(zone, rules, services, schedules, tuple(busy)), now


DAYS = [
    (MOSCOW, TUESDAY),
    (BERLIN, date(2026, 3, 29)),
    (BERLIN, date(2026, 10, 25)),
    (CAIRO, date(2026, 4, 24)),  # the clock skips midnight itself
    (LORD_HOWE, date(2026, 10, 4)),  # half an hour forward
    (LORD_HOWE, date(2026, 4, 5)),  # half an hour back
]


@pytest.mark.parametrize(("zone", "day"), DAYS, ids=[f"{zone.key} {day}" for zone, day in DAYS])
def test_search_finds_exactly_what_brute_force_finds(zone: ZoneInfo, day: date) -> None:
    @settings(max_examples=40, deadline=None)
    @given(worlds(zone, day))
    def check(case: tuple[SlotQuery, SlotBook, datetime]) -> None:
        query, world, now = case
        plans = find_plans(query, world, now)
        assert len(plans) == len({_instants(plan) for plan in plans})
        assert {_instants(plan) for plan in plans} == oracle(query, world, now)
        target(float(min(len(plans), 50)))
        keys = [(plan.start.astimezone(UTC), _gaps(plan), plan.price.amount.minor) for plan in plans]
        assert keys == sorted(keys)

    check()


def _instants(plan: Plan) -> Plan:
    """In UTC: datetimes of one zone compare by wall clock, blind for the hour that comes twice."""
    return Plan(
        tuple(replace(part, start=part.start.astimezone(UTC), end=part.end.astimezone(UTC)) for part in plan.parts)
    )


def _gaps(plan: Plan) -> timedelta:
    parts = _instants(plan).parts
    return sum((later.start - earlier.end for earlier, later in pairwise(parts)), timedelta())


# --- speed ----------------------------------------------------------------------------------------------------------


def crowded_month() -> tuple[SlotQuery, SlotBook, datetime]:
    """Thirty masters, thirty days, and a wish that fits nowhere: every day must be looked at."""
    staff = [f"m{number}" for number in range(30)]
    services = [service(name, 60, **dict.fromkeys(staff, 1000)) for name in ("x", "y", "z")]
    busy = [
        taken(name, f"2026-12-{day:02}T{hour:02}:00", f"2026-12-{day:02}T{hour:02}:45")
        for name in staff
        for day in range(1, 31)
        for hour in range(10, 20)
        if (hour + int(name[1:])) % 5
    ]
    world = book(services, [every_day(name, "10:00-20:00", "14:00-14:30") for name in staff], *busy)
    query = wish("x", "y", "z", last=date(2026, 12, 30), done_by=time(12, 30), not_before=time(10, 45), limit=50)
    return query, world, NIGHT_BEFORE


def test_a_chain_of_three_over_a_month_of_thirty_masters_is_quick() -> None:
    query, world, now = crowded_month()
    assert find_plans(query, world, now) == []
    took = []
    for _ in range(5):
        begin = stopwatch.thread_time()
        find_plans(query, world, now)
        took.append(stopwatch.thread_time() - begin)
    assert min(took) < 0.05


def test_a_wide_open_month_does_not_explode() -> None:
    _, world, now = crowded_month()
    free = SlotBook(world.zone, world.rules, world.services, world.schedules)
    begin = stopwatch.thread_time()
    plans = find_plans(wish("x", "y", "z", last=date(2026, 12, 30), limit=50, per_start=2), free, now)
    assert len(plans) == 50
    assert stopwatch.thread_time() - begin < 0.5
