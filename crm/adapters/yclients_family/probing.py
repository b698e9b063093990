"""What this key may do: each method that is needed is asked once, nothing is written."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any

from crm.adapters.yclients_family.catalogue import BranchLists
from crm.adapters.yclients_family.wire import Wire, data_of
from crm.model import Capabilities
from crm.vendor.adapter import Probe, ProbeItem, ProbeState
from crm.vendor.probing import answered

CAPABILITIES = Capabilities(knows_history=True, waiting_prepay=False, staff_locked=False, notifies_clients=True)


async def probe(wire: Wire, company: str, lists: BranchLists, today: date) -> Probe:
    async def clients() -> str:
        body = {"page": 1, "page_size": 1, "fields": ["id"], "filters": []}
        data_of(await wire.send("clients", "POST", f"/company/{company}/clients/search", body=body))
        return ""

    async def slots() -> str:
        service = next((s for s in (await lists.lists()).services.values() if s.offers), None)
        if service is None:
            return "ни одну услугу никто не делает"
        path = f"/book_times/{company}/{service.offers[0].staff_id}/{today + timedelta(1)}"
        await wire.get("slots", path, user=False, params=[("service_ids[]", service.id)])
        return ""

    async def counted(what: str) -> str:
        found = await lists.lists(fresh=what == "services")
        return str(len(getattr(found, what)))

    async def asked(question: Awaitable[Any]) -> str:
        await question
        return ""

    questions: list[tuple[str, Callable[[], Awaitable[str]]]] = [
        ("auth", lambda: asked(wire.get("company", f"/company/{company}", user=True))),
        ("services", lambda: counted("services")),
        ("staff", lambda: counted("staff")),
        ("slots", slots),
        ("clients", clients),
        ("book", lambda: asked(wire.get("records", f"/records/{company}", params={"page": 1, "count": 1}))),
    ]
    items = [await answered(name, question) for name, question in questions]
    hooks = await answered("webhooks", lambda: asked(wire.get("hooks", f"/hooks_settings/{company}")))
    if hooks.state is ProbeState.DENIED:
        hooks = ProbeItem("webhooks", ProbeState.ABSENT, "нет права, изменения узнаём опросом")
    return Probe((*items, hooks), CAPABILITIES)
