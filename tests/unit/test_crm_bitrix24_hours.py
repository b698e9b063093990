"""Slot settings of a portal's resources as hours of the salon's masters."""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.outside_http import Malformed
from crm.adapters.bitrix24.portal_hours import SlotSetting, schedule, slot_setting
from crm.model import StaffId
from crm.schedule import local_day, working_intervals, working_minutes
from crm.vendor.parsing import Record

MOSCOW, WEDNESDAY = ZoneInfo("Europe/Moscow"), date(2026, 12, 9)
ALL_DAYS = frozenset(range(1, 8))


def hours(settings: list[SlotSetting], day: date, zone: ZoneInfo = MOSCOW) -> list[str]:
    found = schedule(StaffId("anna"), settings, zone, day - timedelta(days=3), day + timedelta(days=3))
    return [
        f"{i.start.astimezone(zone):%d %H:%M}-{i.end.astimezone(zone):%H:%M}"
        for i in working_intervals(found, day, zone)
    ]


def setting(start: int, end: int, zone: str = "Europe/Moscow", days: frozenset[int] = ALL_DAYS) -> SlotSetting:
    return SlotSetting(days, start, end, zone)


def test_a_break_is_the_gap_between_two_settings() -> None:
    assert hours([setting(900, 1140), setting(600, 840)], WEDNESDAY) == ["09 10:00-14:00", "09 15:00-19:00"]


def test_settings_that_touch_or_overlap_are_one_stretch() -> None:
    assert hours([setting(600, 840), setting(840, 900), setting(660, 720)], WEDNESDAY) == ["09 10:00-15:00"]


def test_other_weekdays_are_days_off() -> None:
    mondays = frozenset({1})
    assert hours([setting(600, 840, days=mondays)], WEDNESDAY) == []
    assert hours([], WEDNESDAY) == []


def test_hours_of_another_zone_are_laid_on_the_salons_clock() -> None:
    assert hours([setting(540, 1080, "Europe/Kaliningrad")], WEDNESDAY) == ["09 10:00-19:00"]
    assert hours([setting(540, 1080, "Asia/Vladivostok")], WEDNESDAY) == ["09 02:00-11:00"]


def test_hours_of_another_zone_may_cross_midnight_here() -> None:
    assert hours([setting(360, 600, "Asia/Vladivostok")], WEDNESDAY) == ["09 00:00-03:00", "09 23:00-00:00"]
    only_wednesday = frozenset({3})
    night = [setting(360, 600, "Asia/Vladivostok", only_wednesday)]
    assert hours(night, WEDNESDAY - timedelta(days=1)) == ["08 23:00-00:00"]
    assert hours(night, WEDNESDAY) == ["09 00:00-03:00"]


def test_a_clock_that_changes_there_and_not_here() -> None:
    berlin = [setting(600, 1080, "Europe/Berlin")]
    assert hours(berlin, date(2026, 10, 24)) == ["24 11:00-19:00"], "summer time there"
    assert hours(berlin, date(2026, 10, 26)) == ["26 12:00-20:00"]


def test_a_whole_day_is_a_whole_day() -> None:
    found = schedule(StaffId("a"), [setting(0, 1440)], MOSCOW, WEDNESDAY, WEDNESDAY)
    ((start, end),) = working_minutes(found, local_day(WEDNESDAY, MOSCOW))
    assert end - start == 1440


def row(**changes: Any) -> Record:
    plain = {
        "id": 171,
        "from": 540,
        "to": 1080,
        "slotSize": 60,
        "timezone": "Europe/Moscow",
        "weekDays": ["Mon", "Tue"],
    }
    return Record({**plain, **changes}, "slots")


def test_settings_are_read_liberally() -> None:
    assert slot_setting(row(), "Asia/Omsk") == SlotSetting(frozenset({1, 2}), 540, 1080, "Europe/Moscow")
    assert slot_setting(row(**{"from": "540", "weekDays": {"0": "monday"}}), "x").days == frozenset({1})
    assert slot_setting(row(timezone=None), "Asia/Omsk").zone == "Asia/Omsk"
    assert slot_setting(row(**{"from": 540, "to": 540}), "x").to_min == 540


@pytest.mark.parametrize(
    "wrong",
    [{"weekDays": ["Moonday"]}, {"weekDays": "Mon"}, {"weekDays": [1]}, {"from": 1500}, {"to": 100}, {"from": None},
     {"timezone": "Mars/Base"}, {"timezone": "../etc/passwd"}],
)  # fmt: skip
def test_what_is_no_setting_is_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        slot_setting(row(**wrong), "Europe/Moscow")
