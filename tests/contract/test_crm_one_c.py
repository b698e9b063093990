"""1C beyond the common suite: other configurations, posting, silent losses, sessions; and the hs service."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from core.errors import ConfigurationError, Unavailable
from core.outside_http import AccessDenied, OutcomeUnknown, Timings
from core.phone import Phone
from core.rate_limits import RateLimiter
from crm.adapters.one_c.ledger import OneCLedger
from crm.adapters.one_c.proposing import propose_profile
from crm.model import BookingStatus, RefusalReason, Refused, Written
from crm.vendor.adapter import ProbeState, VendorCrm, check_settings
from crm.vendor.check import LiveCheck, Verdict
from crm.vendor.own_time_crm import EntryChange
from tests.contract.arrangements import Arranged, arrange, new_marker
from tests.simulators.one_c.configuration import FIRM, edmx
from tests.simulators.one_c.server import OneCSimulator
from tests.simulators.one_c_hs.server import HsSimulator
from tests.simulators.vendor.faults import Mode

WEDNESDAY = date(2026, 12, 9)
VISITS = "Document_ЗаказПокупателя"


@pytest.fixture
async def salon() -> AsyncIterator[Arranged]:
    async with arrange("one_c") as arranged:
        yield arranged


@pytest.fixture
async def firm() -> AsyncIterator[Arranged]:
    """A base like УНФ, posting its orders."""
    async with arrange("one_c", make=lambda file, now: OneCSimulator(file, now, FIRM)) as arranged:
        with_profile(arranged, {"visit": {"post": True}})
        yield arranged


@pytest.fixture
async def club() -> AsyncIterator[Arranged]:
    async with arrange("one_c:hs") as arranged:
        yield arranged


def base_of(salon: Arranged) -> OneCSimulator:
    assert isinstance(salon.sim, OneCSimulator)
    return salon.sim


def service_of(club: Arranged) -> HsSimulator:
    assert isinstance(club.sim, HsSimulator)
    return club.sim


def with_profile(salon: Arranged, changes: dict[str, dict[str, Any]]) -> None:
    """As after a person has confirmed and changed the proposal."""
    profile = json.loads(propose_profile(edmx(base_of(salon).base)).to_json())
    for part, values in changes.items():
        profile[part] |= values
    settings = {**salon.connection.settings, "profile": json.dumps(profile, ensure_ascii=False)}
    salon.connection = replace(salon.connection, settings=settings)
    salon.crm = rebuilt(salon)


def rebuilt(salon: Arranged, **settings: Any) -> VendorCrm:
    given = {**salon.connection.settings, **settings}
    return salon.vendor.build(replace(salon.connection, settings=given), salon.tools)


def row_of(salon: Arranged, booking_id: str) -> dict[str, Any]:
    base = base_of(salon)
    return base.tables[base.roles.visit][booking_id]


# --- another configuration ------------------------------------------------------------------------------------------


async def test_the_settings_of_both_ways_are_known(salon: Arranged, club: Arranged) -> None:
    for one in (salon, club):
        check_settings(one.vendor, one.connection.settings, one.connection.secrets)
    with pytest.raises(ConfigurationError, match="mode: odata or hs"):
        rebuilt(salon, mode="soap")


@pytest.mark.parametrize(("name", "left"), [("one_c", 0), ("one_c:hs", 1)])
async def test_the_live_check_passes_and_says_what_it_leaves(name: str, left: int) -> None:
    """Under the real limits: the price list of the service is many questions."""
    async with arrange(name) as salon:
        crm = salon.vendor.build(salon.connection, replace(salon.tools, limiter=RateLimiter(None)))
        report = await LiveCheck(crm, salon.scope, salon.clock).run()
        assert {row.verdict for row in report.rows} == {Verdict.PASSED}, report.rows
        assert len(report.left_behind) == left
        assert not [held for held in salon.sim.bookings() if held.phone == "+79000000000" and not held.cancelled]


async def test_a_posted_order_is_written_moved_and_cancelled(firm: Arranged) -> None:
    label = new_marker()
    booking = await firm.booked("S01", "maria", firm.at(WEDNESDAY, 12), label)
    row = row_of(firm, booking.id)
    assert row["Posted"] is True
    assert row["Длительность"] == "60", "an Int64 travels as text"
    assert row["Контрагент_Type"] == "StandardODATA.Catalog_Контрагенты"
    assert row["Запасы"][0]["Цена"] == 2500
    plan = await firm.plan_at("S01", "maria", firm.at(WEDNESDAY, 17))
    moved = await firm.crm.reschedule(firm.scope, booking.id, plan, new_marker())
    assert isinstance(moved, Written), moved
    assert (row["Date"], row["Posted"]) == ("2026-12-09T17:00:00", True)
    assert isinstance(await firm.crm.cancel(firm.scope, booking.id, late=True, reason="заболела"), Written)
    assert (row["DeletionMark"], row["Posted"]) == (True, False)
    assert "заболела" in row["Комментарий"]
    read = await firm.crm.get(firm.scope, booking.id)
    assert read is not None
    assert read.status is BookingStatus.CANCELLED


async def test_a_short_comment_keeps_the_mark_and_loses_the_end(firm: Arranged) -> None:
    draft = await firm.draft("S01", "maria", firm.at(WEDNESDAY, 12), comment="у окна, " * 20)
    label = new_marker()
    result = await firm.crm.book(firm.scope, draft, label)
    assert isinstance(result, Written), result
    assert len(row_of(firm, result.bookings[0].id)["Комментарий"]) == 60
    assert [b.id for b in await firm.crm.find_by_marker(firm.scope, label)] == [result.bookings[0].id]


async def test_bookings_of_a_client_of_several_types(firm: Arranged) -> None:
    booking = await firm.booked("S01", "maria", firm.at(WEDNESDAY, 12))
    assert booking.client_id is not None
    assert [b.id for b in await firm.crm.bookings_of(firm.scope, booking.client_id)] == [booking.id]


async def test_some_servers_want_brackets_after_post(firm: Arranged) -> None:
    base_of(firm).post_with_brackets = True
    booking = await firm.booked("S01", "maria", firm.at(WEDNESDAY, 12))
    assert row_of(firm, booking.id)["Posted"] is True


async def test_a_visit_that_cannot_be_posted_is_taken_back(firm: Arranged) -> None:
    draft = await firm.draft("S01", "maria", firm.at(WEDNESDAY, 12))
    base_of(firm).may_post = False
    label = new_marker()
    with pytest.raises(AccessDenied, match="post") as denied:
        await firm.crm.book(firm.scope, draft, label)
    assert "проводить" in denied.value.remedy
    assert denied.value.facts["sent"] is False
    assert [held.cancelled for held in firm.sim.bookings() if label in held.text] == [True]


async def test_masters_and_services_are_matched_by_name_where_the_map_is_silent(salon: Arranged) -> None:
    salon.crm = rebuilt(salon, map={})
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    assert (booking.staff_id, booking.service_ids) == ("maria", ("S01",))
    base = base_of(salon)
    base.tables[base.roles.staff][base.staff_refs["igor"]]["Description"] = "Сафин И. П."  # type: ignore[index]
    draft = await salon.draft("S03", "igor", salon.at(WEDNESDAY, 12))
    fresh = rebuilt(salon, map={})
    with pytest.raises(AccessDenied, match="igor") as denied:
        await fresh.book(salon.scope, draft, new_marker())
    assert "--map" in denied.value.remedy


async def test_a_map_that_points_to_nothing_is_shown_by_the_probe(salon: Arranged) -> None:
    known = dict(salon.connection.settings["map"])
    known["staff"] = {**known["staff"], "anna": "11111111-2222-3333-4444-555555555555"}
    probe = await rebuilt(salon, map=known).probe(salon.scope)
    (staff,) = [item for item in probe.items if item.what == "staff"]
    assert staff.state is ProbeState.FAILED
    assert "anna" in staff.detail


async def test_the_probe_shows_the_profile_to_be_confirmed(salon: Arranged) -> None:
    (item,) = [item for item in (await salon.crm.probe(salon.scope)).items if item.what == "profile"]
    assert "Document_ЗаписьКлиента" in item.detail
    assert "проверьте" in item.detail


# --- silent losses --------------------------------------------------------------------------------------------------


async def test_a_misspelt_field_is_no_success(salon: Arranged) -> None:
    with_profile(salon, {"visit": {"comment": "Коментарий"}})
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    before = [held for held in salon.sim.bookings() if not held.cancelled]
    with pytest.raises(AccessDenied) as denied:
        await salon.crm.book(salon.scope, draft, new_marker())
    assert "Коментарий" in denied.value.remedy
    assert [held for held in salon.sim.bookings() if not held.cancelled] == before, "it was taken back"
    (item,) = [item for item in (await salon.crm.probe(salon.scope)).items if item.what == "profile"]
    assert item.state is ProbeState.FAILED
    assert "Document_ЗаписьКлиента.Коментарий" in item.detail


async def test_a_number_that_1c_drops_is_no_success(firm: Arranged) -> None:
    profile = json.loads(firm.connection.settings["profile"])
    firm.crm = rebuilt(firm, profile=json.dumps({**profile, "int64": []}))
    draft = await firm.draft("S01", "maria", firm.at(WEDNESDAY, 12))
    with pytest.raises(AccessDenied) as denied:
        await firm.crm.book(firm.scope, draft, new_marker())
    assert "Длительность" in denied.value.remedy


async def test_a_refusal_in_words_is_a_refusal_and_nothing_is_written(salon: Arranged) -> None:
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    base_of(salon).refuses_writes = True
    before = len(salon.sim.bookings())
    result = await salon.crm.book(salon.scope, draft, new_marker())
    assert result == Refused(RefusalReason.REFUSED_BY_CRM)
    assert len(salon.sim.bookings()) == before


async def test_a_status_that_the_base_has_not_is_refused(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    refused = await salon.crm.set_status(salon.scope, booking.id, BookingStatus.CONFIRMED)
    assert refused == Refused(RefusalReason.NOT_SUPPORTED)


async def test_a_visit_that_people_cancel_by_its_status_is_no_visit(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    for word, status in (
        ("Подтверждена", BookingStatus.CONFIRMED),
        ("Неявка", BookingStatus.NO_SHOW),
        ("Отменена", BookingStatus.CANCELLED),
    ):
        row_of(salon, booking.id)["Статус"] = word
        read = await salon.crm.get(salon.scope, booking.id)
        assert read is not None
        assert read.status is status
    assert await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 12))


async def test_a_note_is_added_and_the_mark_stays(salon: Arranged) -> None:
    label = new_marker()
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12), label)
    assert isinstance(await salon.crm.add_note(salon.scope, booking.id, "опоздает на 10 минут"), Written)
    assert "опоздает" in row_of(salon, booking.id)["Комментарий"]
    assert [b.id for b in await salon.crm.find_by_marker(salon.scope, label)] == [booking.id]


async def test_a_visit_that_somebody_moves_meanwhile_is_left_alone(salon: Arranged) -> None:
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    plan = await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 17))
    ledger = salon.crm._ledger  # type: ignore[attr-defined]
    assert isinstance(ledger, OneCLedger)
    row_of(salon, booking.id)["ДатаНачала"] = "2026-12-10T11:00:00"
    catalogue = await salon.tools.catalogue.catalogue(salon.scope)
    with pytest.raises(Unavailable, match="moved") as raised:
        await ledger.change(catalogue, booking, EntryChange(part=plan.parts[0], marker=new_marker()))
    assert raised.value.facts["sent"] is False
    assert row_of(salon, booking.id)["ДатаНачала"] == "2026-12-10T11:00:00"


# --- publication and sessions ---------------------------------------------------------------------------------------


async def test_a_set_that_is_not_published_is_named(salon: Arranged) -> None:
    await salon.plans("S01", "maria", day=WEDNESDAY)
    base_of(salon).hidden.add("Document_ЗаписьКлиента")
    with pytest.raises(AccessDenied) as denied:
        await salon.plans("S01", "maria", day=WEDNESDAY)
    assert "Document_ЗаписьКлиента" in denied.value.remedy
    assert "REST" in denied.value.remedy


async def test_clients_are_found_where_the_part_is_no_set_of_its_own(salon: Arranged) -> None:
    salon.sim.add_clients(1200)
    base_of(salon).hidden.add("Catalog_Клиенты_КонтактнаяИнформация")
    for number in ("+79010000998", "+79010000999", "+79000000114"):
        found = await salon.crm.find_clients(salon.scope, Phone(number))
        assert [client.phone for client in found] == [Phone(number)]


async def test_a_new_client_has_the_kind_of_phone_that_the_base_uses(salon: Arranged) -> None:
    client = await salon.someone()
    base = base_of(salon)
    (line,) = base.tables[base.roles.clients][client.id]["КонтактнаяИнформация"]
    assert (line["Тип"], line["Вид_Key"], line["НомерТелефона"]) == ("Телефон", base.phone_kind, "79000000301")


async def test_sessions_are_reused_and_dead_ones_go_unnoticed(salon: Arranged) -> None:
    base = base_of(salon)
    for _ in range(6):
        await salon.crm.find_clients(salon.scope, Phone("+79000000101"))
    assert len(base.sessions) == 1
    for _ in range(3):  # 400, 404, 500
        base.drop_sessions()
        assert len(await salon.crm.find_clients(salon.scope, Phone("+79000000101"))) == 1
    booking = await salon.booked("S01", "maria", salon.at(WEDNESDAY, 12))
    base.drop_sessions()
    assert await salon.crm.get(salon.scope, booking.id) is not None, "a dead session is no absent booking"


async def test_writes_meet_a_dead_session_too(salon: Arranged) -> None:
    base = base_of(salon)
    draft = await salon.draft("S01", "maria", salon.at(WEDNESDAY, 12))
    results = []
    for minutes in (0, 60, 120):
        plan = await salon.plan_at("S01", "maria", salon.at(WEDNESDAY, 16) + timedelta(minutes=minutes))
        base.drop_sessions()
        results.append(await salon.crm.book(salon.scope, replace(draft, plan=plan), new_marker()))
    assert all(isinstance(result, Written) for result in results), results
    written = [b.id for result in results if isinstance(result, Written) for b in result.bookings]
    mine = [held.id for held in salon.sim.bookings() if held.phone == "+79000000301" and not held.cancelled]
    assert sorted(written) == sorted(mine)
    assert written


async def test_without_a_free_licence_it_is_later_not_nothing(salon: Arranged) -> None:
    quick = salon.vendor.build(salon.connection, replace(salon.tools, timings=Timings(0.6, 0.6, 0.05)))
    base_of(salon).most_sessions = 0
    with pytest.raises(Unavailable):
        await quick.find_clients(salon.scope, Phone("+79000000101"))


async def test_sessions_can_be_switched_off(salon: Arranged) -> None:
    plain = rebuilt(salon, sessions="no")
    assert await plain.find_clients(salon.scope, Phone("+79000000101"))
    assert base_of(salon).sessions == {}


async def test_a_base_that_cannot_be_understood_says_what_to_publish(salon: Arranged) -> None:
    base = base_of(salon)
    names = {name: item for name, item in base.base.sets.items() if name != "Catalog_Клиенты"}
    base.base = replace(base.base, sets=names)
    with pytest.raises(AccessDenied) as denied:
        await salon.crm.find_clients(salon.scope, Phone("+79000000101"))
    assert "Catalog_Контрагенты" in denied.value.remedy
    probe = await salon.crm.probe(salon.scope)
    assert not probe.usable
    assert all(item.remedy_ru for item in probe.items if item.state in (ProbeState.DENIED, ProbeState.FAILED))


async def test_metadata_is_read_once_for_all_processes(salon: Arranged) -> None:
    await salon.plans("S01", "maria", day=WEDNESDAY)
    await salon.another().find_clients(salon.scope, Phone("+79000000101"))
    assert salon.sim.faults.count(r"\$metadata") == 1


async def test_cancelled_and_moved_visits_are_seen_by_the_poll(salon: Arranged) -> None:
    kept = salon.sim.book_elsewhere("maria", "S01", salon.at(WEDNESDAY, 10))
    gone = salon.sim.book_elsewhere("maria", "S01", salon.at(WEDNESDAY, 12))
    cursor = (await salon.crm.changes_since(salon.scope, "")).cursor
    assert len(cursor) < 4000
    row_of(salon, gone)["DeletionMark"] = True
    changes = await salon.crm.changes_since(salon.scope, cursor)
    assert [(b.id, b.status) for b in changes.bookings] == [(gone, BookingStatus.CANCELLED)]
    row_of(salon, kept)["ДатаНачала"] = "2026-12-09T11:00:00"
    changes = await salon.crm.changes_since(salon.scope, changes.cursor)
    assert [(b.id, b.start) for b in changes.bookings] == [(kept, salon.at(WEDNESDAY, 11))]
    assert (await salon.crm.changes_since(salon.scope, changes.cursor)).bookings == ()


# --- hs/api/v3 ------------------------------------------------------------------------------------------------------


async def test_an_unpaid_reservation_is_not_called_firm(club: Arranged) -> None:
    service_of(club).needs_payment = True
    booking = await club.booked("S01", "maria", club.at(WEDNESDAY, 12))
    assert booking.status is BookingStatus.WAITING_PREPAY


async def test_a_refusal_for_another_reason_is_not_called_taken(club: Arranged) -> None:
    service_of(club).refuses_after_cancel = True
    booking = await club.booked("S01", "maria", club.at(WEDNESDAY, 12))
    assert isinstance(await club.crm.cancel(club.scope, booking.id, late=False, reason=""), Written)
    draft = await club.draft("S01", "maria", club.at(WEDNESDAY, 12))
    again = await club.crm.book(club.scope, draft, new_marker())
    assert again == Refused(RefusalReason.REFUSED_BY_CRM)


async def test_a_master_whom_the_salon_has_replaced_is_the_one_that_counts(club: Arranged) -> None:
    booking = await club.booked("S01", "maria", club.at(WEDNESDAY, 12))
    service = service_of(club)
    service.appointments[booking.id].replaced_by = service.staff_id("anna")
    read = await club.crm.get(club.scope, booking.id)
    assert read is not None
    assert read.staff_id == service.staff_id("anna")


async def test_tokens_that_ended_are_asked_for_again(club: Arranged) -> None:
    draft = await club.draft("S01", "maria", club.at(WEDNESDAY, 12))
    service_of(club).forget_tokens()
    assert isinstance(await club.crm.book(club.scope, draft, new_marker()), Written)
    service_of(club).forget_tokens()
    assert len(await club.crm.bookings_of(club.scope, draft.client_id)) == 1


async def test_wrong_keys_are_named(club: Arranged) -> None:
    with pytest.raises(AccessDenied) as denied:
        await club.another(sign_key="wrong").find_clients(club.scope, Phone("+79000000101"))
    assert "sign_key" in denied.value.remedy
    with pytest.raises(AccessDenied) as denied:
        await club.another(apikey="wrong").staff(club.scope)
    assert "apikey" in denied.value.remedy
    probe = await rebuilt(club, club_id="11111111-2222-3333-4444-555555555555").probe(club.scope)
    assert [item.what for item in probe.items if item.state is ProbeState.DENIED] == ["auth"]
    assert not probe.usable


async def test_a_move_that_broke_off_is_ended_when_it_is_looked_up(club: Arranged) -> None:
    booking = await club.booked("S01", "maria", club.at(WEDNESDAY, 12))
    plan = await club.plan_at("S01", "maria", club.at(WEDNESDAY, 17))
    quick = club.vendor.build(club.connection, replace(club.tools, timings=Timings(2.0, 0.5, 0.05)))
    club.sim.faults.add(Mode.HANG, r"^DELETE ", times=5, seconds=1.0)
    label = new_marker()
    with pytest.raises(OutcomeUnknown):
        await quick.reschedule(club.scope, booking.id, plan, label)
    club.sim.faults.clear()
    (found,) = await club.another().find_by_marker(club.scope, label)
    assert found.start == plan.start
    mine = [held for held in club.sim.bookings() if held.phone == "+79000000301" and not held.cancelled]
    assert [held.start for held in mine] == [plan.start]


async def test_two_services_at_one_master_are_cancelled_together(club: Arranged) -> None:
    booking = await club.booked("S01+S06", "maria", club.at(WEDNESDAY, 16))
    assert len(booking.id.split("+")) == 2
    assert [b.id for b in await club.crm.bookings_of(club.scope, booking.client_id)] == [booking.id]  # type: ignore[arg-type]
    assert isinstance(await club.crm.cancel(club.scope, booking.id, late=False, reason=""), Written)
    assert not [held for held in club.sim.bookings() if held.phone == "+79000000301" and not held.cancelled]


async def test_who_works_and_what_it_costs(club: Arranged) -> None:
    shifts = {shift.staff_id: shift for shift in await club.crm.on_duty(club.scope, WEDNESDAY)}
    assert shifts[service_of(club).staff_id("maria")].start == club.at(WEDNESDAY, 10)  # type: ignore[index]
    booking = await club.booked("S01", "maria", club.at(WEDNESDAY, 12))
    assert booking.price.amount.minor == 250000


async def test_the_only_club_needs_no_setting(club: Arranged) -> None:
    alone = rebuilt(club, club_id="")
    assert await alone.staff(club.scope)
