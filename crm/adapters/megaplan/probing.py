"""What the employee under whom we work may, asked one by one and without writing anything."""

from core.outside_http import Malformed
from crm.adapters.megaplan import records
from crm.adapters.megaplan.clients import LIST_FIELDS
from crm.adapters.megaplan.wire import PAGE, Wire, link
from crm.model import Capabilities
from crm.vendor.adapter import Connection, Probe
from crm.vendor.probing import answered

_REMEDY_RU = "Проверьте адрес аккаунта и права сотрудника, под которым мы работаем, затем повторите."


async def probe(wire: Wire, connection: Connection, capabilities: Capabilities) -> Probe:
    async def auth() -> str:
        await wire.page("employees", "/employee", {"limit": 1})
        return ""

    async def services() -> str:
        return f"{len(connection.mapped('services'))} сопоставлено"

    async def staff() -> str:
        known: set[str] = set()
        query: dict[str, object] = {"limit": PAGE}
        while True:
            rows, more = await wire.page("employees", "/employee", query)
            new = {row.id("id") for row in rows} - known
            known |= new
            if not more:
                break
            if not new:
                raise Malformed("Megaplan repeats a page of the employees")
            query["pageAfter"] = link("Employee", rows[-1].id("id"))
        strange = [theirs for theirs in connection.mapped("staff").values() if theirs not in known]
        return f"в аккаунте нет сотрудников {', '.join(strange)}" if strange else str(len(known))

    async def clients() -> str:
        await wire.page("clients", "/contractorHuman", {"limit": 1, "fields": LIST_FIELDS})
        return ""

    async def book() -> str:
        await wire.page("records", "/todo", {"limit": 1, "fields": records.FIELDS})
        return ""

    questions = (("auth", auth), ("services", services), ("staff", staff), ("clients", clients), ("book", book))
    items = [await answered(name, question, _REMEDY_RU) for name, question in questions]
    return Probe(tuple(items), capabilities)
