"""Where the company wants to be told what happened (Standard Webhooks)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from admin.api.v1.access import Caller, Gate, Right
from admin.api.v1.shapes import Limit, Shape, Text, errors, example
from core.webhooks import Delivery, Endpoint, Webhooks


class EndpointOut(BaseModel):
    id: UUID
    url: str
    events: list[str] = Field(description="Empty: all kinds.")
    state: str = Field(description="on, off, or failing: switched off after five days of failures.")
    created_at: datetime

    @classmethod
    def of(cls, endpoint: Endpoint) -> "EndpointOut":
        return cls(
            id=endpoint.id, url=endpoint.url, events=sorted(endpoint.events), state=endpoint.state,
            created_at=endpoint.created_at,
        )  # fmt: skip


class NewEndpoint(Shape):
    model_config = example({"url": "https://crm.salon.example/hooks", "events": ["booking.created"]})
    url: Text = Field(min_length=8, max_length=2000)
    events: list[Text] = Field(default_factory=list, max_length=20)


class NewEndpointOut(BaseModel):
    endpoint: EndpointOut
    secret: str = Field(description="Checks our signatures; shown this once.")


class EndpointChange(Shape):
    model_config = example({"on": False})
    on: bool


class DeliveryOut(BaseModel):
    id: str
    event: str
    attempts: int
    status: int | None = Field(description="The last HTTP status; null: no answer.")
    error: str
    created_at: datetime
    done_at: datetime | None
    failed_at: datetime | None
    next_try_at: datetime | None

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryOut":
        return cls(
            id=delivery.id, event=delivery.event, attempts=delivery.attempts, status=delivery.status,
            error=delivery.error, created_at=delivery.created_at, done_at=delivery.done_at,
            failed_at=delivery.failed_at, next_try_at=delivery.next_try_at,
        )  # fmt: skip


class TestOut(BaseModel):
    id: str = Field(description="`webhook-id` of the event that was sent.")


def webhooks_router(gate: Gate, webhooks: Webhooks, router: APIRouter) -> None:
    May = Annotated[Caller, Depends(gate.needs(Right.WEBHOOKS_WRITE))]  # noqa: N806 - a type, made here

    @router.get("/webhooks", tags=["webhooks"], responses=errors())
    async def list_endpoints(caller: May) -> list[EndpointOut]:
        return [EndpointOut.of(endpoint) for endpoint in await webhooks.list(caller.scope)]

    @router.post("/webhooks", tags=["webhooks"], status_code=201, responses=errors())
    async def add_endpoint(caller: May, asked: NewEndpoint) -> NewEndpointOut:
        """It gets what happens from now on, each event once or more with the same `webhook-id`."""
        endpoint, secret = await webhooks.add(caller.scope, asked.url, asked.events)
        return NewEndpointOut(endpoint=EndpointOut.of(endpoint), secret=secret)

    @router.patch("/webhooks/{endpoint_id}", tags=["webhooks"], responses=errors(404))
    async def switch_endpoint(caller: May, endpoint_id: UUID, change: EndpointChange) -> EndpointOut:
        return EndpointOut.of(await webhooks.switch(caller.scope, endpoint_id, change.on))

    @router.delete("/webhooks/{endpoint_id}", tags=["webhooks"], status_code=204, responses=errors(404))
    async def remove_endpoint(caller: May, endpoint_id: UUID) -> Response:
        await webhooks.remove(caller.scope, endpoint_id)
        return Response(status_code=204)

    @router.get("/webhooks/{endpoint_id}/deliveries", tags=["webhooks"], responses=errors(404))
    async def list_deliveries(caller: May, endpoint_id: UUID, limit: Limit = 50) -> list[DeliveryOut]:
        """Newest first."""
        return [DeliveryOut.of(one) for one in await webhooks.deliveries(caller.scope, endpoint_id, limit)]

    @router.post("/webhooks/{endpoint_id}/test", tags=["webhooks"], status_code=202, responses=errors(404))
    async def send_test(caller: May, endpoint_id: UUID) -> TestOut:
        return TestOut(id=await webhooks.test(caller.scope, endpoint_id))
