"""A salon's file: the short form, the richer keys, and a complaint that names the field for everything else."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import InvalidInput
from core.money import Money
from crm.company_yaml import parse_company, shifted
from crm.model import BookingStatus, StaffId, VariantKind
from crm.profile import profile_from_json, profile_to_json
from crm.schedule import Span, working_intervals

FIXTURE = (Path(__file__).parents[2] / "app" / "demo" / "myata.yaml").read_text()

RICH: dict[str, Any] = {
    "company": {
        "slug": "les",
        "salon": {"name": "Лес", "open": "09:00-21:00", "timezone": "Asia/Yekaterinburg", "email": "a@b.example"},
        "rules": {"grid_min": 30},
        "services": {
            "cut": {"name": "Стрижка", "min": 60, "price": {"anna": 2000, "boris": 1500}, "minutes": {"boris": 45},
                    "buffer": 10},
            "kid": {"name": "Стрижка, до 7 лет", "min": 30, "price": {"anna": 900}, "variant_of": "cut",
                    "variant_kind": "age", "max_age": 7},
        },
        "staff": {
            "anna": {"name": "Анна", "days": [1, 2], "hours": "10:00-19:00", "breaks": ["12:00-12:30", "16:00-16:15"],
                     "exceptions": {"2026-12-31": "10:00-14:00", "2027-01-01": "off"}},
            "boris": {"name": "Борис", "week": {6: ["10:00-13:00", "15:00-20:00"]}},
        },
        "clients": {"c": {"name": "Ян", "phones": ["+79000000101", "8 900 000-01-02"], "blocked": True,
                          "language": "en"}},
        "bookings": {"b": {"client": "c", "staff": "boris", "services": ["cut"], "start": "2026-12-05T10:00",
                           "status": "confirmed", "comment": "у окна", "price": 1200}},
    }
}  # fmt: skip


def test_the_demo_salon_as_it_stands() -> None:
    file = parse_company(FIXTURE)
    services = {service.id: service for service in file.services}
    assert (file.slug, len(file.services), len(file.staff), len(file.clients)) == ("myata", 17, 6, 12)
    assert (services["S02"].variant_of, services["S02"].variant_kind) == ("S01", VariantKind.HAIR_LENGTH)
    assert services["S04"].max_age == 10
    assert services["S08"].offers[0].price.starting_at
    assert services["S09"].offers[0].price.amount == Money.roubles(0)
    assert [s.id for s in file.services if s.variant_of] == ["S02"]
    b067 = next(booking for booking in file.bookings if booking.id == "B067")
    assert b067.client_id is None
    assert b067.end - b067.start == timedelta(minutes=75)
    assert (file.profile.opens.hour, file.profile.closes.hour) == (10, 21)
    assert profile_from_json(profile_to_json(file.profile)) == file.profile


def test_the_demo_salons_bookings_fit_its_own_hours() -> None:
    file = parse_company(FIXTURE)
    schedules = {schedule.staff_id: schedule for schedule in file.schedules}
    for booking in file.bookings:
        hours = working_intervals(schedules[booking.staff_id], booking.start.date(), file.zone)
        assert any(h.start <= booking.start and booking.end <= h.end for h in hours), booking.id


def test_the_richer_keys() -> None:
    file = parse_company(yaml.safe_dump(RICH, allow_unicode=True))
    cut, kid = file.services
    assert [offer.duration for offer in cut.offers] == [timedelta(hours=1), timedelta(minutes=45)]
    assert cut.buffer_after == timedelta(minutes=10)
    assert (kid.variant_of, kid.variant_kind, kid.max_age) == ("cut", VariantKind.AGE, 7)
    anna, boris = file.schedules
    assert anna.of_day(date(2026, 12, 1)).breaks == (Span(720, 750), Span(960, 975))
    assert anna.of_day(date(2026, 12, 31)).hours == (Span(600, 840),)
    assert anna.of_day(date(2027, 1, 1)).hours == ()
    assert boris.of_day(date(2026, 12, 5)).hours == (Span(600, 780), Span(900, 1200))
    client = file.clients[0]
    assert (client.blocked, client.language) == (True, "en")
    assert [p.e164 for p in file.more_phones[client.id]] == ["+79000000102"]
    booking = file.bookings[0]
    assert (booking.status, booking.price.amount) == (BookingStatus.CONFIRMED, Money.roubles(1200))
    assert booking.end - booking.start == timedelta(minutes=45)
    assert f"{booking.start:%z}" == "+0500"


def test_moving_to_another_week_keeps_weekdays_and_wall_clocks() -> None:
    file = parse_company(FIXTURE)
    moved = shifted(file, date(2027, 7, 11))  # a Sunday: its week begins on Monday the fifth
    assert moved.now == datetime.fromisoformat("2027-07-06T11:00+03:00")
    for before, after in zip(file.bookings, moved.bookings, strict=True):
        assert (after.start.weekday(), after.start.time()) == (before.start.weekday(), before.start.time())
    assert shifted(file, date(2026, 12, 6)) == file
    with pytest.raises(InvalidInput, match="now"):
        shifted(parse_company(yaml.safe_dump(RICH)), date(2027, 1, 1))


def broken(path: str, value: Any) -> str:
    document = yaml.safe_load(yaml.safe_dump(RICH))
    node = document
    *parents, last = path.split("/")
    for key in parents:
        node = node[key]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return yaml.safe_dump(document, allow_unicode=True)


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("company/colour", "green", r"company\.colour: unknown field; known here: .*services"),
        ("company/services/cut/prise", {"anna": 1}, r"services\.cut\.prise: unknown field"),
        ("company/services/cut/min", "час", r"services\.cut\.min: must be a whole number, at least 1, got 'час'"),
        ("company/services/cut/min", None, r"services\.cut\.min: .* it is missing"),
        ("company/services/cut/price", {"nobody": 1}, r"services\.cut\.price\.nobody: master 'nobody' is not in"),
        ("company/services/cut/price", {"anna": -5}, r"services\.cut\.price\.anna: .*at least 0"),
        ("company/services/cut/minutes", {"anna": 60, "x": 1}, r"services\.cut\.minutes\.x: this master has no price"),
        ("company/services/kid/variant_of", "nothing", r"services\.kid\.variant_of: service 'nothing'"),
        ("company/services/kid/variant_kind", "mood", r"services\.kid\.variant_kind: one of hair_length"),
        ("company/staff/anna/hours", "10-19", r"staff\.anna\.hours: must be hours like"),
        ("company/staff/anna/hours", "19:00-10:00", r"staff\.anna\.hours: must begin before it ends"),
        ("company/staff/anna/days", [0, 8], r"staff\.anna\.days: a list of weekdays"),
        ("company/staff/anna/exceptions", {"31.12": "off"}, r"staff\.anna\.exceptions: must be a day"),
        ("company/salon/timezone", "Moscow", r"salon\.timezone: a name of the IANA list"),
        ("company/salon/name", None, r"salon\.name: needs a text, it is missing"),
        ("company/rules/grid_min", 0, r"rules\.grid_min: minutes between possible starts"),
        ("company/clients/c/phones", ["12"], r"clients\.c\.phones: must be a telephone number"),
        ("company/bookings/b/start", "2026-12-05", r"bookings\.b\.start: the time of day is missing"),
        ("company/bookings/b/start", "2026-12-05T10:00+03:00", r"bookings\.b\.start: .*without a zone"),
        ("company/bookings/b/services", ["kid"], r"bookings\.b\.services: boris does not do kid"),
        ("company/bookings/b/client", "z", r"bookings\.b\.client: client 'z' is not in this file"),
        ("company/bookings/b/status", "maybe", r"bookings\.b\.status: one of booked"),
        ("company/bookings/b", ["-", "boris", ["cut"]], r"bookings\.b: the short form is"),
        ("company/certificates", {"G": {"until": "2026-12-01"}}, r"certificates\.G: needs either sum or service"),
        ("company/services", {}, r"company\.services: a salon needs at least one service"),
        ("company/staff", "anna", r"company\.staff: must be a mapping"),
    ],
)
def test_a_fault_is_named_with_its_field(path: str, value: Any, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        parse_company(broken(path, value))


@pytest.mark.parametrize("text", ["", "[]", "salon: {}", "company: 5", "a: [", "fixture: {}\ncompany: {}", "\x00"])
def test_what_is_no_company_file_at_all(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_company(text)


def test_a_phone_is_not_repeated_in_the_complaint() -> None:
    with pytest.raises(InvalidInput) as error:
        parse_company(broken("company/clients/c/phones", "+7 900 000"))
    assert "900" not in error.value.message


def test_a_schedule_belongs_to_each_master() -> None:
    assert {schedule.staff_id for schedule in parse_company(FIXTURE).schedules} >= {StaffId("anna"), StaffId("vera")}
