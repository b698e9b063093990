"""Services and masters of the club. Who does what, at which price and how long, is asked piece by piece and kept."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from core.money import Money
from core.outside_http import AccessDenied
from crm.adapters.one_c.hs import records as r
from crm.adapters.one_c.hs.wire import PATIENT_S, HsRefusal, HsWire
from crm.model import Price, Service, ServiceId, Staff, StaffId, StaffOffer
from crm.vendor.parsing import Record, records

KEEP_S = 300.0
LENGTHS_S = 3600.0
LOOK_AHEAD = timedelta(days=14)
"""Lengths are only told by free times: so far ahead they are looked for."""
AT_ONCE = 3
"""Questions at the same time while the whole price list is read: each must get its turn within its deadline."""
UNKNOWN_LENGTH = timedelta(hours=1)
CLUB_RU = "Укажите club_id того филиала, для которого выдан ключ apikey."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lists:
    services: dict[ServiceId, Service]
    staff: dict[StaffId, Staff]


class ClubLists:
    def __init__(self, wire: HsWire, club: str) -> None:
        self._wire = wire
        self._club = club
        self._kept: dict[str, tuple[float, Any]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def club(self) -> str:
        """The setting's, or the only one there is."""
        if not self._club:
            ids = await self.clubs()
            if len(ids) != 1:
                raise AccessDenied(f"the apikey sees {len(ids)} clubs", CLUB_RU)
            self._club = ids[0]
        return self._club

    async def clubs(self) -> list[str]:
        return [item.id("id") for item in records(await self._wire.get("auth", "/clubs/"), "clubs")]

    async def _through(self, key: str, keep_s: float, ask: Callable[[], Awaitable[T]]) -> T:
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = self._kept.get(key)
            if known is None or time.monotonic() - known[0] > keep_s:
                known = (time.monotonic(), await ask())
                self._kept[key] = known
            found: T = known[1]
            return found

    async def service_rows(self) -> dict[str, Record]:
        async def ask() -> dict[str, Record]:
            data = await self._wire.get("services", "/appointment_services/", {"club_id": await self.club()})
            return {item.id("id"): item for item in records(data, "services")}

        return await self._through("services", KEEP_S, ask)

    async def trainers(self, service: str = "", deadline_s: float | None = None) -> dict[str, Staff]:
        """All masters, or those who do a service."""

        async def ask() -> dict[str, Staff]:
            params = {"club_id": await self.club(), "service_id": service}
            data = await self._wire.get("staff", "/appointment_trainers/", params, deadline_s=deadline_s)
            rows = records(data, "trainers")
            return {row.id("id"): _staff(row) for row in rows}

        return await self._through(f"trainers:{service}", KEEP_S, ask)

    async def prices(self, service: str, deadline_s: float | None = None) -> dict[str, Money]:
        """By master; without the masters whom the price list does not name."""

        async def ask() -> dict[str, Money]:
            params = {"item_id": service, "club_id": await self.club()}
            try:
                data = await self._wire.call(
                    "services", "GET", "/employee_choice", params=params, deadline_s=deadline_s
                )
            except HsRefusal:  # this edition has one price for all
                return {}
            rows = records(data or [], "employee_choice")
            return {row.id("id"): price for row in rows if (price := r.money(row.raw("price"))) is not None}

        return await self._through(f"prices:{service}", KEEP_S, ask)

    async def price(self, service: str, staff: str) -> Price:
        prices = await self.prices(service)
        row = (await self.service_rows()).get(service)
        shown = row.raw("price") if row else None
        starting = isinstance(shown, str) and shown.strip().casefold().startswith(("от", "from"))
        return Price(prices.get(staff) or r.money(shown) or Money(0), starting_at=starting and staff not in prices)

    async def starts(
        self, service: str, staff: str, first: date, last: date, zone: ZoneInfo, deadline_s: float | None = None
    ) -> list[r.Start]:
        """Never kept: free time is only true now."""
        params = {
            "club_id": await self.club(),
            "employee_id": staff,
            "service_id": service,
            "start_date": r.day_from(first),
            "end_date": r.day_until(last),
        }
        rows = records(
            await self._wire.get("slots", "/appointment_times/", params, deadline_s=deadline_s) or [], "times"
        )
        found = [start for row in rows if (start := r.start(row, zone)) is not None]
        return [start for start in found if first <= start.at.date() <= last]

    async def lists(self, today: date, zone: ZoneInfo) -> Lists:
        rows, staff = await self.service_rows(), await self.trainers()
        keys = list(rows)
        doing = dict(zip(keys, await _few([partial(self.trainers, key, PATIENT_S) for key in keys]), strict=True))
        await _few([partial(self.prices, key, PATIENT_S) for key in keys])  # kept for `price` below
        pairs = [(key, master) for key, masters in doing.items() for master in masters]
        asked = [partial(self._length, key, who, today, zone) for key, who in pairs]
        lengths = dict(zip(pairs, await _few(asked), strict=True))
        services = {}
        for key, row in rows.items():
            known = [length for who in doing[key] if (length := lengths[key, who]) is not None]
            usual = r.minutes(row, "duration", "seance_length") or max(known, default=UNKNOWN_LENGTH)
            offers = [
                StaffOffer(StaffId(who), await self.price(key, who), lengths[key, who] or usual) for who in doing[key]
            ]
            services[ServiceId(key)] = Service(ServiceId(key), row.text("title"), usual, tuple(offers))
        everybody = {**staff, **{who: member for masters in doing.values() for who, member in masters.items()}}
        return Lists(services, {StaffId(who): member for who, member in everybody.items()})

    async def _length(self, service: str, staff: str, today: date, zone: ZoneInfo) -> timedelta | None:
        """None: no free time within the next days tells it."""

        async def ask() -> timedelta | None:
            starts = await self.starts(service, staff, today, today + LOOK_AHEAD, zone, PATIENT_S)
            return max((start.length for start in starts), default=None)

        return await self._through(f"length:{service}:{staff}", LENGTHS_S, ask)


async def _few(questions: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(question: Callable[[], Awaitable[T]]) -> T:
        async with places:
            return await question()

    return await asyncio.gather(*(one(question) for question in questions))


def _staff(row: Record) -> Staff:
    position = row.raw("position")
    role = position.get("title") if isinstance(position, dict) else position
    return Staff(StaffId(row.id("id")), row.text("name"), role if isinstance(role, str) else "")
