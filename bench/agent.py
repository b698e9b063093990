"""How long the agent thinks: `python -m bench.agent [--turns N] [--no-llm]`.

A salon of 200 services and 30 masters, half booked for a month. Measured in this process, on one core:
  * a scripted reply, from the words to the last event, reading tools on a book in memory included (bar: p99 15 ms);
  * the journal's slot search for three services, one after another, over 30 days (bar: p99 50 ms);
  * what the LLM brain adds over a simulated server on loopback that answers at once (no bar).
Exits with 1 when a bar is missed. Bars hold for CPU time: there is nothing to wait for, so on a free core it is the
wall clock, and neighbours do not count.
"""

import argparse
import asyncio
import gc
import os
import platform
import random
import sys
import time
from datetime import date, datetime, timedelta
from datetime import time as clock
from typing import Any
from zoneinfo import ZoneInfo

from agent.brain import Brain
from agent.language.understander import RuleUnderstander
from agent.llm.model import ModelChoice, Provider
from agent.scripted import ScriptedBrain
from agent.service import BookingAgent
from agent.wording.catalogue import Catalogue
from core.clock import FrozenClock
from core.money import Money
from core.phone import Phone
from crm.model import (
    Capabilities,
    Plan,
    Price,
    SalonProfile,
    Service,
    ServiceId,
    SlotQuery,
    Staff,
    StaffId,
    StaffOffer,
    VisitPart,
)
from crm.schedule import DayHours, Span, StaffSchedule
from crm.slot_book import Busy, SlotBook
from crm.slots import find_plans
from tests.simulators.memory_crm import Hours, MemorySalon
from tests.simulators.small_salon import Table

ZONE = ZoneInfo("Europe/Moscow")
NOW = datetime(2026, 12, 1, 11, tzinfo=ZONE)
REPLY_BAR_MS = 15.0
SEARCH_BAR_MS = 50.0

KINDS = (
    "Стрижка", "Укладка", "Окрашивание", "Маникюр", "Педикюр", "Массаж лица", "Чистка лица", "Пилинг", "Брови",
    "Ресницы", "Депиляция", "Шугаринг", "Обёртывание", "Массаж спины", "Макияж", "Причёска", "Уход за волосами",
    "Мелирование", "Тонирование", "Наращивание",
)  # fmt: skip
VARIANTS = ("женская", "мужская", "детская", "экспресс", "премиум", "с покрытием", "классика", "вечерняя", "полная",
            "с уходом")  # fmt: skip
NAMES = (
    "Анна Белова", "Мария Крылова", "Игорь Сафин", "Ольга Ким", "Светлана Юрина", "Вера Дан", "Елена Соколова",
    "Наталья Громова", "Дмитрий Орлов", "Тимур Ахметов", "Ирина Павлова", "Алина Зуева", "Юлия Котова", "Павел Жуков",
    "Ксения Лапина", "Диана Марченко", "Роман Фомин", "Татьяна Шилова", "Оксана Рябова", "Глеб Титов", "Жанна Носова",
    "Лариса Гусева", "Марина Власова", "Артём Быков", "Полина Рогова", "Софья Карпова", "Кирилл Дроздов",
    "Валерия Мухина", "Инна Лебедева", "Степан Волков",
)  # fmt: skip
TALKS = (
    ("здравствуйте хочу записаться на маникюр с покрытием завтра после обеда", "к кому угодно", "давайте первое",
     "вадим", "да", "спасибо до свидания"),
    ("мне бы стрижку женскую к марии крыловой в пятницу часов в двенадцать", "а сколько это стоит", "а попозже есть",
     "нет не подходит", "тогда в субботу утром", "хорошо", "ольга", "да верно"),
    ("сколько стоит массаж спины", "а где вы находитесь", "а парковка есть", "спасибо пока"),
    ("запишите меня на педикюр и маникюр в один день на следующей неделе", "в среду", "после шести вечера", "да",
     "инна лебедева", "всё верно"),
    ("добрый день мужская стрижка сегодня в три часа дня", "ну давайте", "меня зовут пётр", "да", "до свидания"),
)  # fmt: skip


class BenchSalon(MemorySalon):
    """The book in memory, searched by the journal's own algorithm."""

    slot_book: SlotBook
    frozen: FrozenClock

    async def slots(self, scope: object, query: SlotQuery) -> list[Plan]:
        return find_plans(query, self.slot_book, self.clock.now())

    async def capabilities(self, scope: object) -> Capabilities:
        return Capabilities()


def salon(seed: int = 7) -> BenchSalon:
    dice = random.Random(seed)
    staff = [Staff(StaffId(f"m{n}"), name) for n, name in enumerate(NAMES)]
    services = []
    for n in range(200):
        kind, variant = KINDS[n % len(KINDS)], VARIANTS[n // len(KINDS)]
        length = timedelta(minutes=dice.choice((30, 45, 60, 90)))
        price = Price(Money.roubles(dice.randrange(10, 60) * 100))
        able = dice.sample(staff, 6)
        offers = tuple(StaffOffer(member.id, price, length) for member in able)
        services.append(Service(ServiceId(f"s{n}"), f"{kind} {variant}", length, offers))
    profile = SalonProfile("Роса", "Europe/Moscow", address="Тверь, Лесная, 3", parking="во дворе")
    day = DayHours((Span(600, 1260),), (Span(840, 870),))
    schedules = {m.id: StaffSchedule(m.id, dict.fromkeys(range(1, 8), day)) for m in staff}
    busy = []
    for member in staff:
        for shift in range(32):
            midnight = datetime.combine(date(2026, 12, 1) + timedelta(days=shift), clock(), ZONE)
            at = 600
            while at < 1200:
                length_min = dice.choice((30, 45, 60, 90))
                if dice.random() < 0.5:
                    start = midnight + timedelta(minutes=at)
                    busy.append(Busy(member.id, start, start + timedelta(minutes=length_min)))
                at += length_min
    hours = {member.id: Hours((1, 2, 3, 4, 5, 6, 7), clock(10), clock(21)) for member in staff}
    frozen = FrozenClock(NOW)
    made = BenchSalon(frozen, profile, services, staff, hours)
    made.frozen = frozen
    made.slot_book = SlotBook(ZONE, profile.rules, {s.id: s for s in services}, schedules, tuple(busy))
    return made


async def replies(brain: Brain, turns: int) -> tuple[list[float], list[float]]:
    """Wall and CPU milliseconds of each worded turn."""
    wall: list[float] = []
    cpu: list[float] = []
    number = 0
    while len(wall) < turns:
        book = salon()
        crm: Any = book  # its cancel() is the desk's, so that one object may stand for all three
        agent = BookingAgent(crm=crm, desk=crm, book=book, clock=book.clock, brain=brain, spoken_form=lambda t, _: t)
        for lines in TALKS:
            number += 1
            table = Table(agent, book.frozen, Phone(f"+79000{number % 1000000:06d}"))
            await table.start()
            for line in lines:
                started, busy = time.perf_counter(), time.process_time()
                await table.says(line)
                wall.append((time.perf_counter() - started) * 1000)
                cpu.append((time.process_time() - busy) * 1000)
        await agent.close()
    return wall[:turns], cpu[:turns]


def searches(count: int) -> tuple[list[float], list[float]]:
    book, dice = salon().slot_book, random.Random(3)
    ids = sorted(book.services)
    wall, cpu = [], []
    for _ in range(count):
        parts = tuple(VisitPart((service,)) for service in dice.sample(ids, 3))
        first = date(2026, 12, 1)
        query = SlotQuery(parts, first, first + timedelta(days=29), not_before=clock(10), limit=400)
        started, busy = time.perf_counter(), time.process_time()
        find_plans(query, book, NOW)
        wall.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - busy) * 1000)
    return wall, cpu


async def with_model(turns: int) -> tuple[list[float], list[float]]:
    from tests.simulators.model_accounts import account_of, llm_brain
    from tests.simulators.model_behaviours import competent
    from tests.simulators.model_server import model_server
    from tests.simulators.openai_compatible import ChatWire

    async with model_server(ChatWire("bench"), competent) as server:
        choice = ModelChoice("sim", Provider.OPENAI, "sim-model", base_url=server.url + "/v1")
        async with llm_brain(account_of(choice, key="bench")) as brain:
            await replies(brain, 6)  # imports and connections are made once a process
            asked = len(server.asked)
            measured = await replies(brain, turns)
            print(f"  requests a turn: {(len(server.asked) - asked) / turns:.2f}")
            assert not server.refused, server.refused[:2]
            return measured


def row(name: str, wall: list[float], cpu: list[float], bar_ms: float | None) -> bool:
    def at(values: list[float], share: float) -> float:
        return sorted(values)[min(len(values) - 1, int(len(values) * share))]

    ok = bar_ms is None or at(cpu, 0.99) <= bar_ms
    verdict = "" if bar_ms is None else f"  bar p99 {bar_ms:.0f}: {'met' if ok else 'MISSED'}"
    print(
        f"{name:<34} n={len(wall):<5} p50 {at(wall, 0.5):7.2f}  p95 {at(wall, 0.95):7.2f}  p99 {at(wall, 0.99):7.2f}  "
        f"max {max(wall):7.2f} ms   cpu p50 {at(cpu, 0.5):7.2f} p99 {at(cpu, 0.99):7.2f}{verdict}"
    )
    return ok


def one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=600)
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--no-llm", action="store_true")
    options = parser.parse_args()
    one_core()
    gc.freeze()  # as app.process does once its modules are loaded
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, load {os.getloadavg()}")
    scripted = ScriptedBrain(RuleUnderstander(), Catalogue())
    asyncio.run(replies(scripted, 20))  # caches of words and models are warm in a running process
    wall, cpu = asyncio.run(replies(scripted, options.turns))
    good = [row("scripted reply", wall, cpu, REPLY_BAR_MS)]
    good.append(row("slots: 3 services, 30 days", *searches(options.searches), SEARCH_BAR_MS))
    if not options.no_llm:
        with_llm, cpu_llm = asyncio.run(with_model(min(options.turns, 200)))
        row("reply with a model that is instant", with_llm, cpu_llm, None)
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
