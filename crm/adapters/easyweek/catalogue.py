"""The location, its services and its masters.

EasyWeek does not say who does what, and keeps one price and length a service. Where a list of masters stands beside a
service (or of services beside a master), it is believed; else the salon's own price list with us decides, by the names
of services and masters; else every master is taken for every service, and the free time says no.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from core.outside_http import AccessDenied, Malformed
from core.tenancy import CompanyScope
from crm.adapters.easyweek.formats import length_of, price_of, zone_of
from crm.adapters.easyweek.wire import PER_PAGE, Wire
from crm.catalogue import Catalogue, name_words
from crm.model import Price, Service, ServiceId, Staff, StaffId, StaffOffer
from crm.vendor.adapter import CatalogueSource
from crm.vendor.own_facts import with_own_facts
from crm.vendor.parsing import Record

KEEP_S = 300.0
_SERVICES_OF = ("services", "service_uuids", "services_uuids")
_STAFF_OF = ("staffers", "staffer_uuids", "staff", "staffs")


@dataclass(frozen=True, slots=True)
class Lists:
    zone: ZoneInfo
    zone_name: str
    grid_min: int
    services: dict[ServiceId, Service]
    staff: dict[StaffId, Staff]

    def services_named(self, name: str) -> list[ServiceId]:
        wanted = name_words(name)
        return [service.id for service in self.services.values() if name_words(service.name) == wanted]


class LocationLists:
    """Asked once and kept for some minutes."""

    def __init__(self, wire: Wire, location: str, source: CatalogueSource) -> None:
        self._wire = wire
        self._location = location
        self._source = source
        self._kept: tuple[float, Lists] | None = None
        self._lock = asyncio.Lock()

    @property
    def path(self) -> str:
        return f"/locations/{self._location}"

    async def lists(self, scope: CompanyScope, *, fresh: bool = False) -> Lists:
        async with self._lock:
            if fresh or self._kept is None or time.monotonic() - self._kept[0] > KEEP_S:
                self._kept = (time.monotonic(), await self._ask(scope))
            return self._kept[1]

    async def location(self) -> Record:
        """Raises AccessDenied that lists the locations when none has the UUID of the settings."""
        found = await self._wire.rows("location", "/locations")
        for item in found:
            if item.id("uuid").casefold() == self._location.casefold():
                return item
        choice = "; ".join(f"{item.text('name', 'без названия')} — {item.id('uuid')}" for item in found[:20])
        raise AccessDenied(
            "the workspace has no location with this UUID",
            f"Укажите в настройках UUID своего филиала: {choice or 'в пространстве нет филиалов'}.",
        )

    async def _ask(self, scope: CompanyScope) -> Lists:
        location, services, staffers, own = await asyncio.gather(
            self.location(),
            self._wire.rows("services", f"{self.path}/services"),
            self._wire.rows("staff", f"{self.path}/staffers", {"per_page": str(PER_PAGE)}),
            self._source.catalogue(scope),
        )
        zone = zone_of(location.raw("timezone")) or own.zone
        staff = {StaffId(item.id("uuid")): _member(item) for item in staffers}
        by_staff = {StaffId(item.id("uuid")): _uuids(item, _SERVICES_OF) for item in staffers}
        offers = _Offers(own, staff, by_staff)
        return Lists(
            zone,
            zone.key,
            max(5, own.profile.rules.grid_min),
            with_own_facts({ServiceId(item.id("uuid")): offers.service(item) for item in services}, own),
            staff,
        )


def _member(item: Record) -> Staff:
    parts = [item.text("first_name", ""), item.text("last_name", "")]
    name = " ".join(part.strip() for part in parts if part.strip()) or item.text("name", "")
    if not name:
        raise Malformed("staffers: a master without a name")
    position = item.raw("position")
    if isinstance(position, Mapping):
        position = position.get("name")
    return Staff(StaffId(item.id("uuid")), name, position if isinstance(position, str) else "")


def _uuids(item: Record, names: Sequence[str]) -> set[str] | None:
    """The UUIDs of a list beside a record, as texts or objects; None: there is no such list."""
    for name in names:
        given = item.raw(name)
        if isinstance(given, list):
            return {_uuid(one) for one in given} - {""}
    return None


def _uuid(given: Any) -> str:
    if isinstance(given, Mapping):
        given = given.get("uuid") or given.get("service_uuid") or given.get("staffer_uuid")
    return given if isinstance(given, str) else ""


class _Offers:
    def __init__(
        self, own: Catalogue, staff: dict[StaffId, Staff], by_staff: Mapping[StaffId, set[str] | None]
    ) -> None:
        self._own = own
        self._staff = staff
        self._by_staff = by_staff
        self._says = any(found is not None for found in by_staff.values())
        ours = {frozenset(name_words(member.name)): key for key, member in own.staff.items()}
        self._ours = {key: ours.get(frozenset(name_words(member.name))) for key, member in staff.items()}

    def service(self, item: Record) -> Service:
        key, name, length = ServiceId(item.id("uuid")), item.text("name"), length_of(item)
        price = Price(price_of(item))
        mine = self._own_service(name)
        listed = _uuids(item, _STAFF_OF)
        offers = tuple(
            StaffOffer(staff_id, self._price(price, mine, staff_id), length)
            for staff_id in self._staff
            if self._does(key, staff_id, listed, mine)
        )
        return Service(key, name, length, offers)

    def _own_service(self, name: str) -> Service | None:
        wanted = name_words(name)
        return next((service for service in self._own.services.values() if name_words(service.name) == wanted), None)

    def _does(self, key: ServiceId, staff_id: StaffId, listed: set[str] | None, mine: Service | None) -> bool:
        if listed is not None:
            return staff_id in listed
        if self._says:
            return key in (self._by_staff[staff_id] or set())
        ours = self._ours[staff_id]
        if mine is None or ours is None:
            return True
        return mine.offer_by(ours) is not None

    def _price(self, price: Price, mine: Service | None, staff_id: StaffId) -> Price:
        """EasyWeek has one price. Our price a master counts while EasyWeek's is one of ours: else ours are old."""
        ours = self._ours[staff_id]
        if mine is None or ours is None or price.amount not in [offer.price.amount for offer in mine.offers]:
            return price
        offer = mine.offer_by(ours)
        return price if offer is None else offer.price
