"""What a token of Planfix may, asked one by one and without writing anything."""

from collections.abc import Awaitable, Callable
from typing import Any

from core.outside_http import AccessDenied
from crm.adapters.planfix import records as r
from crm.adapters.planfix.wire import Declined, Wire
from crm.model import Capabilities
from crm.vendor.adapter import Connection, Probe
from crm.vendor.probing import answered

_REMEDY_RU = "Проверьте адрес аккаунта, номер шаблона и права токена, затем повторите."


async def probe(
    wire: Wire,
    connection: Connection,
    of_template: Any,
    marker_known: Callable[[], Awaitable[int | None]],
    capabilities: Capabilities,
) -> Probe:
    async def auth() -> str:
        await wire.ask("ping", "GET", "/ping")
        return ""

    async def services() -> str:
        return f"{len(connection.mapped('services'))} сопоставлено"

    async def staff() -> str:
        rows = await wire.listed("staff", "/user/list", "users", "id,name,midname,lastname")
        known = {r.bare(row.id("id")) for row in rows}
        wanted = [r.person(theirs) for theirs in connection.mapped("staff").values()]
        strange = [item for item in wanted if item.startswith("user:") and r.bare(item) not in known]
        return f"в аккаунте нет сотрудников {', '.join(strange)}" if strange else str(len(rows))

    async def fields() -> str:
        try:
            known = await marker_known()
        except (Declined, AccessDenied):
            return "поля недоступны токену: записи будем узнавать по метке в описании, это на один запрос дольше"
        return "" if known is not None else "поле «Метка AI-Admin» будет создано при первой записи"

    async def clients() -> str:
        await wire.ask("clients", "POST", "/contact/list", body={"offset": 0, "pageSize": 1, "fields": "id"})
        return ""

    async def book() -> str:
        body = {"offset": 0, "pageSize": 1, "fields": "id,template", "filters": [of_template]}
        await wire.ask("records", "POST", "/task/list", body=body)
        return ""

    questions = (("auth", auth), ("services", services), ("staff", staff), ("fields", fields), ("clients", clients),
                 ("book", book))  # fmt: skip
    items = [await answered(name, question, _REMEDY_RU) for name, question in questions]
    return Probe(tuple(items), capabilities)
