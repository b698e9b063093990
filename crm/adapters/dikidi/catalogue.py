"""Services and masters as the widget shows them to clients; asked for once an hour."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from core.money import Money
from core.outside_http import Malformed
from core.tenancy import CompanyScope
from crm.adapters.dikidi.wire import LIST_DEADLINE_S, Wire
from crm.model import Price, Service, ServiceId, Staff, StaffId, StaffOffer
from crm.vendor.adapter import CatalogueSource
from crm.vendor.own_facts import with_own_facts
from crm.vendor.parsing import Record

KEEP_S = 3600.0
_CURRENCIES = {"₽": "RUB", "руб": "RUB", "руб.": "RUB", "р.": "RUB", "BYN": "BYN", "Br": "BYN", "₸": "KZT", "₴": "UAH"}


@dataclass(frozen=True, slots=True)
class Lists:
    services: dict[ServiceId, Service]
    staff: dict[StaffId, Staff]


class WidgetLists:
    def __init__(self, wire: Wire, company: str, source: CatalogueSource) -> None:
        self._wire = wire
        self._company = company
        self._source = source
        self._kept: tuple[float, Lists] | None = None
        self._lock = asyncio.Lock()

    async def company(self) -> str:
        """The company's name. Raises Malformed when the widget knows no such company."""
        params = [("company", self._company), ("social_key", ""), ("session", "")]
        data = await self._wire.ask("company", "/ru/mobile/ajax/newrecord/project_options/", params)
        found = Record(data, "project_options").record("company")
        if found.id("id") != self._company:
            raise Malformed("the widget answered for another company")
        return found.text("name", "")

    async def lists(self, scope: CompanyScope, *, fresh: bool = False) -> Lists:
        async with self._lock:
            if fresh or self._kept is None or time.monotonic() - self._kept[0] > KEEP_S:
                self._kept = (time.monotonic(), await self._ask(scope))
            return self._kept[1]

    async def _ask(self, scope: CompanyScope) -> Lists:
        params = [("lang", "ru"), ("array", "1"), ("company", self._company), ("master", ""), ("share", "")]
        listed, masters, own = await asyncio.gather(
            self._wire.ask("services", "/mobile/ajax/newrecord/company_services/", params, deadline_s=LIST_DEADLINE_S),
            self._wire.ask(
                "staff",
                "/ru/ajax/newrecord/to_master_get_masters/",
                [("company_id", self._company)],
                deadline_s=LIST_DEADLINE_S,
            ),
            self._source.catalogue(scope),
        )
        staff = members(masters)
        cards = await asyncio.gather(*(self._card(staff_id) for staff_id in staff))
        services = _services(listed, dict(zip(staff, cards, strict=True)))
        return Lists(with_own_facts(services, own), staff)

    async def _card(self, staff_id: StaffId) -> Record:
        params = [("company_id", self._company), ("master_id", staff_id), ("social_key", "")]
        data = await self._wire.ask(
            "master", "/ru/mobile/ajax/newrecord/master_info/", params, deadline_s=LIST_DEADLINE_S
        )
        return Record(data, "master_info")


def members(data: Mapping[str, Any]) -> dict[StaffId, Staff]:
    """`masters_order` gives the order, `masters` the cards by id (or as a list)."""
    given = data.get("masters")
    if isinstance(given, list):
        given = {Record(item, "masters").id("id"): item for item in given}
    if not isinstance(given, Mapping):
        raise Malformed("masters: they were expected", got=type(given).__name__)
    order = data.get("masters_order")
    keys = [str(key) for key in order] if isinstance(order, list) else [str(key) for key in given]
    cards = {str(key): Record(card, "masters") for key, card in given.items()}
    found = {}
    for key in keys:
        if key not in cards:
            raise Malformed("masters_order: it names a master without a card")
        card = cards[key]
        name = card.text("username", "") or card.text("name", "")
        if not name:
            raise Malformed("masters: a master without a name")
        staff_id = StaffId(card.id("id"))
        found[staff_id] = Staff(staff_id, name, card.text("post", ""))
    return found


def _services(listed: Mapping[str, Any], cards: Mapping[StaffId, Record]) -> dict[ServiceId, Service]:
    found = {}
    offered = {staff_id: _offers(card) for staff_id, card in cards.items()}
    for category in Record(listed, "company_services").records("list"):
        for item in category.records("services", optional=True):
            key = ServiceId(item.id("id"))
            offers = tuple(StaffOffer(staff_id, *mine[key]) for staff_id, mine in offered.items() if key in mine)
            length = timedelta(minutes=item.whole("time", 0)) or max(
                (offer.duration for offer in offers), default=timedelta(0)
            )
            found[key] = Service(key, item.text("name").strip(), length, offers)
    return found


def _offers(card: Record) -> dict[ServiceId, tuple[Price, timedelta]]:
    currency = card.maybe("currency")
    code = _currency(currency)
    return {
        ServiceId(item.id("id")): (_price(item, code), timedelta(minutes=item.whole("time")))
        for item in card.records("services", optional=True)
    }


def _price(item: Record, currency: str) -> Price:
    """`cost` in whole units, as a number or text; "1500 - 2000" and "от 1500" begin at their first number."""
    given = item.raw("cost")
    if isinstance(given, str):
        text = given.replace("\u00a0", " ").strip()
        first = (
            text.casefold().removeprefix("от").split("-")[0].split("–")[0].strip().replace(" ", "").replace(",", ".")
        )
        plain = text.replace(" ", "").replace(",", ".")
        return Price(Money(Record({"cost": first or "0"}, "service").minor("cost"), currency), plain != first)
    return Price(Money(item.minor("cost", 0), currency))


def _currency(record: Record | None) -> str:
    if record is None:
        return "RUB"
    for name in ("iso", "abbr", "title"):
        value = record.raw(name)
        if isinstance(value, str) and value.strip() in _CURRENCIES:
            return _CURRENCIES[value.strip()]
        if isinstance(value, str) and len(value.strip()) == 3 and value.strip().isascii() and value.strip().isalpha():
            return value.strip().upper()
    return "RUB"
