"""Bookings: looked up, made, moved and cancelled over the same desk as the agent's, so with exactly one effect."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import NAMESPACE_URL, uuid4, uuid5
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, Field

from admin.api.v1.access import Caller, Gate, Right
from admin.api.v1.catalogue import Sum, known
from admin.api.v1.shapes import Shape, Text, errors, example
from core.errors import AppError, InvalidInput, NotFound
from core.ids import ConversationId
from core.phone import Phone
from crm.model import (
    Booking,
    BookingId,
    Plan,
    RefusalReason,
    Refused,
    ServiceId,
    SlotQuery,
    StaffId,
    Unknown,
    VisitDraft,
    VisitPart,
    WriteResult,
)
from crm.ports import BookingDesk, Crm, SalonBook

Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", max_length=255, description="Sent again with the same key it is done once."),
]


class BookingOut(BaseModel):
    id: str
    client_id: str | None
    staff_id: str
    service_ids: list[str]
    start: datetime
    end: datetime
    status: str = Field(examples=["booked"])
    price: Sum
    staff_locked: bool = Field(description="The client asked for this master.")
    for_whom: str
    comment: str
    visit_id: str = Field(description="Bookings of one visit share it.")

    @classmethod
    def of(cls, booking: Booking) -> "BookingOut":
        return cls(
            id=booking.id, client_id=booking.client_id, staff_id=booking.staff_id,
            service_ids=list(booking.service_ids), start=booking.start, end=booking.end, status=booking.status.value,
            price=Sum.of(booking.price), staff_locked=booking.staff_locked, for_whom=booking.for_whom,
            comment=booking.comment, visit_id=booking.visit_id,
        )  # fmt: skip


class BookingsOut(BaseModel):
    bookings: list[BookingOut] = Field(description="A visit at several masters is several bookings.")


class Waiting(BaseModel):
    status: str = Field("unknown", description="The CRM has not said whether it was done. It is being looked up.")


class Refusal(AppError):
    """The salon's book says no; the code is the reason."""

    http_status = 409

    def __init__(self, reason: RefusalReason) -> None:
        super().__init__(f"the booking was refused: {reason.value}")
        self.code = reason.value  # type: ignore[misc]


class Wish(Shape):
    """A visit: services one after another, from this moment on."""

    model_config = example(
        {"service_ids": ["S01"], "start": "2026-12-03T15:00:00+03:00", "staff_id": "anna", "client_name": "Ольга",
         "client_phone": "+79161234567"}
    )  # fmt: skip
    service_ids: list[Text] = Field(min_length=1, max_length=8)
    start: AwareDatetime
    staff_id: Text | None = Field(None, description="Absent: anybody who is free.")
    client_name: Text = Field(min_length=1, max_length=120)
    client_phone: Text = Field(min_length=5, max_length=32)
    for_whom: Text = Field("", max_length=120)
    comment: Text = Field("", max_length=500)


class Move(Shape):
    model_config = example({"start": "2026-12-03T16:00:00+03:00"})
    start: AwareDatetime
    staff_id: Text | None = Field(None, description="Absent: the same master.")


def bookings_router(gate: Gate, crm: Crm, desk: BookingDesk, book: SalonBook, router: APIRouter) -> None:
    Reads = Annotated[Caller, Depends(gate.needs(Right.BOOKINGS_READ))]  # noqa: N806 - types, made here
    Writes = Annotated[Caller, Depends(gate.needs(Right.BOOKINGS_WRITE))]  # noqa: N806
    tags: Any = ["bookings"]
    unclear: dict[int | str, dict[str, Any]] = {202: {"model": Waiting, "description": "Not known yet"}}

    @router.get("/bookings", tags=tags, responses=errors())
    async def list_bookings(
        caller: Reads, phone: Annotated[Text, Query(min_length=5, max_length=32, description="Of the client")]
    ) -> list[BookingOut]:
        """What is still to come for the clients with this telephone number."""
        found: list[BookingOut] = []
        for client in await crm.find_clients(caller.scope, _phone(phone)):
            found += [BookingOut.of(booking) for booking in await crm.bookings_of(caller.scope, client.id)]
        return sorted(found, key=lambda booking: booking.start)

    @router.get("/bookings/{booking_id}", tags=tags, responses=errors(404))
    async def get_booking(caller: Reads, booking_id: Text) -> BookingOut:
        booking = await crm.get(caller.scope, BookingId(booking_id))
        if booking is None:
            raise NotFound("this company has no such booking")
        return BookingOut.of(booking)

    @router.post("/bookings", tags=tags, status_code=201, response_model=BookingsOut,
                 responses={**errors(409), **unclear})  # fmt: skip
    async def make_booking(caller: Writes, wish: Wish, key: Key = None) -> Any:
        """409 with the reason when the time is taken or against the salon's rules."""
        await known(crm, caller, wish.service_ids, [wish.staff_id] if wish.staff_id else [])
        staff = (StaffId(wish.staff_id),) if wish.staff_id else ()
        parts = tuple(VisitPart((ServiceId(one),), staff) for one in wish.service_ids)
        plan = await _plan_at(crm, caller, book, parts, wish.start)
        client = await crm.find_or_create_client(caller.scope, wish.client_name.strip(), _phone(wish.client_phone))
        draft = VisitDraft(client.id, plan, wish.staff_id is not None, for_whom=wish.for_whom, comment=wish.comment)
        return _answer(await desk.book(caller.scope, _source(caller, key), draft), 201)

    @router.post("/bookings/{booking_id}/move", tags=tags, response_model=BookingsOut,
                 responses={**errors(404, 409), **unclear})  # fmt: skip
    async def move_booking(caller: Writes, booking_id: Text, move: Move, key: Key = None) -> Any:
        """The old time stays until the new one is sure."""
        booking = await crm.get(caller.scope, BookingId(booking_id))
        if booking is None:
            raise NotFound("this company has no such booking")
        staff = StaffId(move.staff_id) if move.staff_id else booking.staff_id
        parts = (VisitPart(booking.service_ids, (staff,)),)
        plan = await _plan_at(crm, caller, book, parts, move.start, ignoring=booking.id)
        return _answer(await desk.reschedule(caller.scope, _source(caller, key), booking.id, plan), 200)

    @router.post("/bookings/{booking_id}/cancel", tags=tags, response_model=BookingsOut,
                 responses={**errors(404, 409), **unclear})  # fmt: skip
    async def cancel_booking(
        caller: Writes, booking_id: Text, reason: Annotated[Text, Query(max_length=300)] = "", key: Key = None
    ) -> Any:
        """Cancelling what is cancelled changes nothing and is no error."""
        if await crm.get(caller.scope, BookingId(booking_id)) is None:
            raise NotFound("this company has no such booking")
        result = await desk.cancel(caller.scope, _source(caller, key), BookingId(booking_id), reason=reason)
        return _answer(result, 200)


async def _plan_at(
    crm: Crm, caller: Caller, book: SalonBook, parts: tuple[VisitPart, ...], start: datetime,
    ignoring: BookingId | None = None,
) -> Plan:  # fmt: skip
    """The plan that slot search itself offers at this moment: prices and lengths are never the caller's."""
    zone = ZoneInfo((await book.profile(caller.scope)).timezone)
    if not datetime(2000, 1, 1, tzinfo=zone) < start < datetime(2100, 1, 1, tzinfo=zone):
        raise InvalidInput("start: a moment of this century")
    local = start.astimezone(zone)
    query = SlotQuery(
        parts, local.date(), local.date(), not_before=local.time().replace(tzinfo=None),
        start_by=local.time().replace(tzinfo=None), any_order=False, max_gap=timedelta(0), limit=20,
        ignore_bookings=(ignoring,) if ignoring else (),
    )  # fmt: skip
    plan = next((plan for plan in await crm.slots(caller.scope, query) if plan.start == start), None)
    if plan is None:
        raise Refusal(RefusalReason.SLOT_TAKEN)
    return plan


def _source(caller: Caller, key: str | None) -> ConversationId:
    """The desk knows a wish by its conversation and content: here the request with its key stands for it."""
    if key is None:
        return ConversationId(uuid4())
    return ConversationId(uuid5(NAMESPACE_URL, f"api:{caller.scope.company_id}:{key}"))


def _answer(result: WriteResult, status: int) -> JSONResponse:
    if isinstance(result, Refused):
        raise Refusal(result.reason)
    if isinstance(result, Unknown):
        return JSONResponse(Waiting(status="unknown").model_dump(), 202)
    out = BookingsOut(bookings=[BookingOut.of(booking) for booking in result.bookings])
    return JSONResponse(out.model_dump(mode="json"), status)


def _phone(text: str) -> Phone:
    phone = Phone.parse(text)
    if phone is None:
        raise InvalidInput("phone: a whole number with its country, for example +79161234567")
    return phone
