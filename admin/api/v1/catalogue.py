"""Services, masters and free time, as the company's CRM has them."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime, time
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from admin.api.v1.access import Caller, Gate, Right
from admin.api.v1.shapes import Text, errors
from core.clock import Clock
from core.errors import InvalidInput
from crm.model import Plan, PlannedPart, Price, Service, ServiceId, SlotQuery, Staff, StaffId, VisitPart
from crm.ports import Crm

MOST_DAYS = 31
Ids = Annotated[list[Text], Query(max_length=8)]
Now = Callable[[], datetime]
Call = Callable[[], Awaitable[None]]


class Sum(BaseModel):
    minor: int = Field(examples=[250000], description="In kopecks (the currency's smallest unit).")
    currency: str = Field(examples=["RUB"])
    starting_at: bool = Field(description="True: a price 'from'; the master names the exact one.")

    @classmethod
    def of(cls, price: Price) -> "Sum":
        return cls(minor=price.amount.minor, currency=price.amount.currency, starting_at=price.starting_at)


class OfferOut(BaseModel):
    staff_id: str
    price: Sum
    minutes: int


class ServiceOut(BaseModel):
    id: str = Field(examples=["S01"])
    name: str = Field(examples=["Стрижка женская"])
    minutes: int
    variant_of: str | None
    consultation_first: bool
    offers: list[OfferOut]

    @classmethod
    def of(cls, service: Service) -> "ServiceOut":
        return cls(
            id=service.id,
            name=service.name,
            minutes=int(service.duration.total_seconds() // 60),
            variant_of=service.variant_of,
            consultation_first=service.consultation_first,
            offers=[
                OfferOut(
                    staff_id=offer.staff_id,
                    price=Sum.of(offer.price),
                    minutes=int(offer.duration.total_seconds() // 60),
                )
                for offer in service.offers
            ],
        )


class StaffOut(BaseModel):
    id: str = Field(examples=["anna"])
    name: str = Field(examples=["Анна"])
    role: str

    @classmethod
    def of(cls, staff: Staff) -> "StaffOut":
        return cls(id=staff.id, name=staff.name, role=staff.role)


class PartOut(BaseModel):
    staff_id: str
    service_ids: list[str]
    start: datetime
    end: datetime
    price: Sum

    @classmethod
    def of(cls, part: PlannedPart) -> "PartOut":
        return cls(
            staff_id=part.staff_id, service_ids=list(part.service_ids), start=part.start, end=part.end,
            price=Sum.of(part.price),
        )  # fmt: skip


class SlotOut(BaseModel):
    start: datetime
    end: datetime
    price: Sum
    parts: list[PartOut]

    @classmethod
    def of(cls, plan: Plan) -> "SlotOut":
        return cls(
            start=plan.start, end=plan.end, price=Sum.of(plan.price), parts=[PartOut.of(part) for part in plan.parts]
        )


def catalogue_router(gate: Gate, crm: Crm, clock: Clock, router: APIRouter) -> None:
    May = Annotated[Caller, Depends(gate.needs(Right.CATALOGUE_READ))]  # noqa: N806 - a type, made here
    tags: list[str | object] = ["services, staff, free time"]

    @router.get("/services", tags=tags, responses=errors())  # type: ignore[arg-type]
    async def list_services(caller: May) -> list[ServiceOut]:
        """With what each master takes for them."""
        return [ServiceOut.of(service) for service in await crm.services(caller.scope)]

    @router.get("/staff", tags=tags, responses=errors())  # type: ignore[arg-type]
    async def list_staff(caller: May) -> list[StaffOut]:
        return [StaffOut.of(staff) for staff in await crm.staff(caller.scope)]

    @router.get("/slots", tags=tags, responses=errors())  # type: ignore[arg-type]
    async def list_slots(
        caller: May,
        service: Annotated[list[Text], Query(min_length=1, max_length=8, description="One after another, in a visit")],
        first_day: Annotated[date | None, Query(description="Today when absent")] = None,
        last_day: Annotated[date | None, Query(description="The same day when absent; at most a month")] = None,
        staff: Ids = [],  # noqa: B006 - FastAPI copies it
        not_before: time | None = None,
        done_by: time | None = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> list[SlotOut]:
        """Free time, best first. Times are the salon's own; answers carry the zone."""
        await known(crm, caller, service, staff)
        first = first_day or clock.now().date()
        last = last_day or first
        if last < first or (last - first).days >= MOST_DAYS:
            raise InvalidInput(f"last_day: not before first_day and within {MOST_DAYS} days")
        if not date(2000, 1, 1) <= first <= date(2100, 1, 1):
            raise InvalidInput("first_day: a day of this century")
        staff_ids = tuple(StaffId(one) for one in staff)
        query = SlotQuery(
            tuple(VisitPart((ServiceId(one),), staff_ids) for one in service), first, last,
            not_before=_local(not_before, "not_before"), done_by=_local(done_by, "done_by"), limit=limit,
        )  # fmt: skip
        return [SlotOut.of(plan) for plan in await crm.slots(caller.scope, query)]


async def known(crm: Crm, caller: Caller, services: list[str], staff: list[str]) -> None:
    """Raises InvalidInput for an id that the CRM does not have: it must not become an empty list."""
    there = {service.id for service in await crm.services(caller.scope)}
    if strange := [one for one in services if one not in there]:
        raise InvalidInput(f"service: the salon has no {', '.join(strange)[:200]}; take an id from /services")
    people = {one.id for one in await crm.staff(caller.scope)} if staff else set()
    if strange := [one for one in staff if one not in people]:
        raise InvalidInput(f"staff: the salon has no {', '.join(strange)[:200]}; take an id from /staff")


def _local(value: time | None, name: str) -> time | None:
    if value is not None and value.tzinfo is not None:
        raise InvalidInput(f"{name}: the salon's own time, without a zone, for example 18:00")
    return value
