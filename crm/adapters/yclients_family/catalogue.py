"""Services and masters of the branch. Price and length differ between masters, so each master is asked for."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.money import Money
from crm.adapters.yclients_family.wire import Wire
from crm.model import Price, Service, ServiceId, Staff, StaffId, StaffOffer
from crm.vendor.parsing import Record, records

KEEP_S = 300.0


@dataclass(frozen=True, slots=True)
class Branch:
    """The salon's branch as far as booking needs it."""

    zone: ZoneInfo | None
    """None: the vendor gave no usable name; the salon's own zone counts."""
    currency: str
    needs_code: bool
    """Online booking wants a code from the client's phone: bookings go through the journal instead."""


@dataclass(frozen=True, slots=True)
class Lists:
    services: dict[ServiceId, Service]
    staff: dict[StaffId, Staff]


class BranchLists:
    """Asked once and kept for some minutes: prices change rarely, and a search needs them at every turn."""

    def __init__(self, wire: Wire, company: str) -> None:
        self._wire = wire
        self._company = company
        self._kept: tuple[float, Lists] | None = None
        self._branch: Branch | None = None
        self._lock = asyncio.Lock()

    @property
    def currency(self) -> str:
        """ISO 4217; roubles until the branch was read."""
        return self._branch.currency if self._branch else "RUB"

    async def branch(self) -> Branch:
        if self._branch is None:
            data = Record(await self._wire.get("company", f"/company/{self._company}", user=False), "company")
            names = [data.raw("timezone"), data.raw("timezone_name")]
            self._branch = Branch(
                zone=next((zone for name in names if (zone := _zone(name)) is not None), None),
                currency=_currency(data.raw("currency_short_title")),
                needs_code=bool(data.raw("phone_confirmation")),
            )
        return self._branch

    async def lists(self, *, fresh: bool = False) -> Lists:
        async with self._lock:
            if fresh or self._kept is None or time.monotonic() - self._kept[0] > KEEP_S:
                self._kept = (time.monotonic(), await self._ask())
            return self._kept[1]

    async def _ask(self) -> Lists:
        currency = (await self.branch()).currency
        listed = await self._wire.get("staff", f"/book_staff/{self._company}", user=False)
        staff = {}
        for item in records(listed, "book_staff"):
            if item.flag("bookable", True) and not item.flag("fired", False) and not item.flag("hidden", False):
                staff[StaffId(item.id("id"))] = Staff(
                    StaffId(item.id("id")), item.text("name"), item.text("specialization", "")
                )
        answers = await asyncio.gather(
            self._wire.get("services", f"/book_services/{self._company}", user=False),
            *(
                self._wire.get("services", f"/book_services/{self._company}", user=False, params={"staff_id": key})
                for key in staff
            ),
        )
        by_staff = {key: _services(answer) for key, answer in zip(staff, answers[1:], strict=True)}
        services = {key: _service(item, by_staff, currency) for key, item in _services(answers[0]).items()}
        return Lists(services, staff)


def _services(data: object) -> dict[ServiceId, Record]:
    found = Record(data, "book_services").records("services")
    return {ServiceId(item.id("id")): item for item in found if item.flag("active", True)}


def _service(item: Record, by_staff: Mapping[StaffId, Mapping[ServiceId, Record]], currency: str) -> Service:
    key = ServiceId(item.id("id"))
    offers = []
    for staff_id, services in by_staff.items():
        mine = services.get(key)
        if mine is not None:
            length = timedelta(seconds=mine.whole("seance_length"))
            offers.append(StaffOffer(staff_id, _price(mine, currency), length))
    longest = max((offer.duration for offer in offers), default=timedelta(0))
    usual = timedelta(seconds=item.whole("seance_length", 0)) or longest
    return Service(key, item.text("title"), usual, tuple(offers))


def _price(item: Record, currency: str) -> Price:
    low, high = item.minor("price_min", 0), item.minor("price_max", 0)
    return Price(Money(low, currency), starting_at=high > low)


def _zone(name: object) -> ZoneInfo | None:
    if not isinstance(name, str) or "/" not in name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None


def _currency(title: object) -> str:
    known = {"₽": "RUB", "руб": "RUB", "руб.": "RUB", "р.": "RUB", "€": "EUR", "$": "USD", "₸": "KZT", "₴": "UAH"}
    if isinstance(title, str):
        if title.strip() in known:
            return known[title.strip()]
        if len(title.strip()) == 3 and title.strip().isalpha():
            return title.strip().upper()
    return "RUB"
