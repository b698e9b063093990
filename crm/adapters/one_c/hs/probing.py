"""What these keys may do: each question is asked once, nothing is written."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from core.outside_http import AccessDenied
from crm.adapters.one_c.hs.catalogue import CLUB_RU, ClubLists
from crm.model import Capabilities
from crm.vendor.adapter import Probe, ProbeItem, ProbeState
from crm.vendor.probing import answered


async def probe(
    lists: ClubLists,
    ask_for_client: Callable[[], Awaitable[None]],
    tomorrow: datetime,
    zone_of_club: Callable[[], Awaitable[ZoneInfo]],
    capabilities: Capabilities,
) -> Probe:
    async def auth() -> str:
        known, club = await lists.clubs(), await lists.club()
        if club not in known:
            raise AccessDenied("the apikey belongs to another club", CLUB_RU)
        return ""

    async def services() -> str:
        return str(len(await lists.service_rows()))

    async def staff() -> str:
        return str(len(await lists.trainers()))

    async def slots() -> str:
        zone = await zone_of_club()
        day = tomorrow.astimezone(zone).date()
        for key in await lists.service_rows():
            for who in await lists.trainers(key):
                await lists.starts(key, who, day, day, zone)
                return ""
        return "ни одну услугу никто не делает"

    async def clients() -> str:
        await ask_for_client()
        return ""

    questions = (("auth", auth), ("services", services), ("staff", staff), ("slots", slots), ("clients", clients))
    items = [await answered(name, question) for name, question in questions]
    items.append(ProbeItem("move", ProbeState.WORKS, "новая запись, затем отмена прежней"))
    items.append(ProbeItem("notes", ProbeState.ABSENT, "пожелания к записи эта служба 1С не хранит"))
    items.append(ProbeItem("webhooks", ProbeState.ABSENT, "чужие изменения служба не сообщает"))
    return Probe(tuple(items), capabilities)
