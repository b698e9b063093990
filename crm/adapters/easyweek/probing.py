"""What this key may do: each method that is needed is asked once, nothing is written."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from core.clock import Clock
from core.errors import AppError
from core.outside_http import AccessDenied, Malformed
from core.tenancy import CompanyScope
from crm.adapters.easyweek.catalogue import LocationLists
from crm.adapters.easyweek.free_time import FreeTime
from crm.adapters.easyweek.wire import Wire
from crm.model import Capabilities
from crm.vendor.adapter import Probe, ProbeItem, ProbeState
from crm.vendor.parsing import Record

NO_SUCH_PHONE = "+79000000000"


async def probe(
    wire: Wire, lists: LocationLists, free: FreeTime, clock: Clock, scope: CompanyScope, able: Capabilities
) -> Probe:
    async def auth() -> str:
        answer = Record(await wire.get("ping", "/ping"), "ping")
        if answer.raw("ping") != "pong":  # a proxy's page is 200 too
            raise Malformed("ping was not answered with pong")
        return (await lists.location()).text("name", "")

    async def services() -> str:
        return str(len((await lists.lists(scope, fresh=True)).services))

    async def staff() -> str:
        return str(len((await lists.lists(scope)).staff))

    async def slots() -> str:
        found = await lists.lists(scope)
        service = next((service for service in found.services.values() if service.offers), None)
        if service is None:
            return "ни одну услугу никто не делает"
        day = clock.now().astimezone(found.zone).date() + timedelta(days=1)
        await free.intervals(found, (service.id,), service.offers[0].staff_id, day, day)
        return ""

    async def clients() -> str:
        await wire.page("clients", "/customers", {"phone": NO_SUCH_PHONE, "per_page": "1"}, 1)
        return ""

    async def bookings() -> str:
        member = next(iter((await lists.lists(scope)).staff), None)
        if member is None:
            return "нет мастеров"
        await wire.page("bookings", "/bookings", {"staffer_uuid": member, "per_page": "1"}, 1)
        return ""

    questions: list[tuple[str, Callable[[], Awaitable[str]]]] = [
        ("auth", auth),
        ("services", services),
        ("staff", staff),
        ("slots", slots),
        ("clients", clients),
        ("book", bookings),
    ]
    items = [await _asked(name, question) for name, question in questions]
    hooks = ProbeItem("webhooks", ProbeState.ABSENT, "вписываются вручную в EasyWeek; без них узнаём опросом")
    return Probe((*items, hooks), able)


async def _asked(name: str, question: Callable[[], Awaitable[str]]) -> ProbeItem:
    try:
        return ProbeItem(name, ProbeState.WORKS, await question())
    except AccessDenied as denied:
        return ProbeItem(name, ProbeState.DENIED, denied.message, denied.remedy)
    except AppError as error:
        return ProbeItem(name, ProbeState.FAILED, error.message, "Повторите проверку позже.")
