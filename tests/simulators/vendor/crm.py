"""What a CRM simulator offers to the tests that try an adapter against it, and to `ai-admin simulate`."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from crm.company_yaml import CompanyFile, parse_company
from tests.simulators.vendor.faults import App, FaultPlan

FIXTURE = Path(__file__).parents[3] / "app" / "demo" / "myata.yaml"

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Held:
    """A booking as it stands at the vendor, in the fixture's keys."""

    id: str
    staff: str
    services: tuple[str, ...]
    start: datetime
    phone: str
    """E.164 of its client; empty: none."""
    text: str
    """Whatever free text it carries: the marker must be somewhere in it."""
    cancelled: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook as the vendor sends it."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict)


class CrmSimulator(Protocol):
    """A stateful, strict server. It is made with the salon's file and a clock and holds its own copy of everything."""

    app: App
    """Behind its faults."""
    faults: FaultPlan
    deliveries: list[Delivery]
    """Webhooks that went out (to subscribed addresses), oldest first. They are also posted when the address is real."""

    booking_write: str
    """Regular expression on "METHOD /path?query" of the request that makes a booking: where a lost answer hurts."""

    def settings(self, base_url: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Settings and secrets with which `ai-admin crm connect` reaches this simulator."""
        ...

    def service_id(self, key: str) -> str:
        """The adapter's ServiceId of the fixture's service (S01)."""
        ...

    def staff_id(self, key: str) -> str: ...

    def client_id(self, key: str) -> str: ...

    def bookings(self) -> list[Held]:
        """Everything at the vendor that takes a master's time or was cancelled."""
        ...

    def book_elsewhere(self, staff: str, service: str, start: datetime) -> str:
        """A person books in the vendor's own site. Returns the vendor's id."""
        ...

    def add_clients(self, count: int) -> None:
        """So many more clients with names and phones +7901…: pages must be followed."""
        ...

    def revoke(self) -> None:
        """The key, right or subscription is taken away: every request is refused as the vendor refuses."""
        ...

    def expire_tokens(self) -> bool:
        """Access tokens end now. False: this vendor has none that end."""
        ...

    def renewals(self) -> int:
        """How often tokens were renewed."""
        ...


@dataclass(frozen=True, slots=True)
class VendorSimulator:
    """One simulator by name, for `ai-admin simulate`: each package tests.simulators.<name> has a SIMULATOR."""

    name: str
    make: Callable[[CompanyFile, Now], CrmSimulator]


def fixture() -> CompanyFile:
    return parse_company(FIXTURE.read_text())


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Waits for something that must come; fails when it does not."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition lives in another program
            await asyncio.sleep(0.01)
