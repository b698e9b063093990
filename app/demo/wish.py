"""What the synthetic caller will ask for: a man's haircut on the next working day with a master who has time then."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from agent.language.ru.phrases import RussianPhrases
from app.demo.caller_policy import Wish
from core.errors import ConfigurationError
from core.tenancy import CompanyScope
from crm.model import Plan, Service, SlotQuery, VisitPart
from crm.ports import Crm

WEEKDAYS = ("в понедельник", "во вторник", "в среду", "в четверг", "в пятницу", "в субботу", "в воскресенье")
HOURS = {
    10: "в десять утра", 11: "в одиннадцать утра", 12: "в двенадцать", 13: "в час дня", 14: "в два часа дня",
    15: "в три часа дня", 16: "в четыре часа", 17: "в пять вечера", 18: "в шесть вечера", 19: "в семь вечера",
}  # fmt: skip
SEARCH_DAYS = 14


@dataclass(frozen=True, slots=True)
class DemoWish:
    """The words of the caller, and the plan that must be in the database afterwards."""

    words: Wish
    plan: Plan
    service: Service
    staff_name: str


async def choose_wish(crm: Crm, scope: CompanyScope, phrases: RussianPhrases, now_local: datetime) -> DemoWish:
    """The first free full hour of the next working day. Raises ConfigurationError when the salon has none."""
    service = next((s for s in await crm.services(scope) if "мужск" in s.name.lower() and s.offers), None)
    if service is None:
        raise ConfigurationError("the demo books a man's haircut, and this salon has no such service: use chat instead")
    tomorrow = now_local.date() + timedelta(days=1)
    query = SlotQuery(
        parts=(VisitPart((service.id,)),),
        first_day=tomorrow,
        last_day=tomorrow + timedelta(days=SEARCH_DAYS),
        limit=500,
    )
    plans = [plan for plan in await crm.slots(scope, query) if plan.start.astimezone(now_local.tzinfo).minute == 0]
    plan = next((plan for plan in plans if plan.start.astimezone(now_local.tzinfo).hour in HOURS), None)
    if plan is None:
        raise ConfigurationError("the salon has no free full hour in two weeks: load another company file")
    start = plan.start.astimezone(now_local.tzinfo)
    staff = {member.id: member for member in await crm.staff(scope)}[plan.parts[0].staff_id]
    first_name = staff.name.split()[0]
    words = Wish(
        service="на мужскую стрижку",
        staff=phrases.to_master(first_name).lower(),
        day=_day(start.date(), now_local.date()),
        time=HOURS[start.hour],
        name="алексей",
    )
    return DemoWish(words, plan, service, staff.name)


def _day(day: date, today: date) -> str:
    if day - today == timedelta(days=1):
        return "завтра"
    if day - today == timedelta(days=2):
        return "послезавтра"
    return WEEKDAYS[day.weekday()]
