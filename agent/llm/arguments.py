"""Arguments of the tools that a model may call: small, closed, and nothing in them that only the service may know.

No price, no phone, no client, no company. A time or a day is a wish to search by; what is booked is an offer's id.
"""

from datetime import date, time
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Id = Annotated[str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=60, strip_whitespace=True)]


class Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Arguments):
    pass


class FindTimes(Arguments):
    """What was not changed may be left out: the engine keeps what it knows."""

    service_ids: list[Id] | None = Field(None, max_length=6, description="Services of the visit, in the client's order")
    master_ids: list[Id] | None = Field(None, max_length=6, description="Acceptable masters; an empty list: anybody")
    first_day: date | None = Field(None, description="YYYY-MM-DD")
    last_day: date | None = Field(None, description="YYYY-MM-DD, the same as first_day when left out")
    at: time | None = Field(None, description="HH:MM when the client named a time")
    not_before: time | None = Field(None, description="HH:MM")
    start_by: time | None = Field(None, description="HH:MM, starts no later")
    done_by: time | None = Field(None, description="HH:MM, must be over by then")
    any_time: bool = Field(False, description="The client does not mind the time")


class Offer(Arguments):
    offer_id: Id = Field(description="Id of an offered time, for example o2")


class BookingAct(StrEnum):
    MOVE = "move"
    CANCEL = "cancel"
    CHANGE_SERVICES = "change_services"
    LATE = "late"


class ChooseBooking(Arguments):
    booking_id: Id = Field(description="Id of the client's own visit, for example b1")
    act: BookingAct
    service_ids: list[Id] | None = Field(None, max_length=6, description="For change_services: all services afterwards")
    late_min: int | None = Field(None, ge=1, le=240, description="For late: minutes")


class MoveBooking(Arguments):
    booking_id: Id
    offer_id: Id


class CancelBooking(Arguments):
    booking_id: Id


class AboutClient(Arguments):
    name: Name | None = Field(None, description="The client's name as she gave it in this talk")
    visitor_name: Name | None = Field(None, description="Name of the child or other person the visit is for")
    for_whom: Name | None = Field(None, description="Relation: сын, дочь, муж, мама, подруга")
    age: int | None = Field(None, ge=0, le=110)
    long_hair: bool | None = None


class FindServices(Arguments):
    words: Words = Field(description="How the client calls the service")


class WhoWorks(Arguments):
    day: date


class LeaveTask(Arguments):
    details: Words = Field(description="What the person of the salon must know, in the client's words")


class HandOver(Arguments):
    reason: Words
