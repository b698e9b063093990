"""Asks for everything that a booking needs, one by one, and writes nothing."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from core.errors import AppError, ConfigurationError
from core.outside_http import AccessDenied, Malformed
from crm.adapters.moysklad.orders import OrderFields, States
from crm.adapters.moysklad.wire import Wire
from crm.model import Capabilities
from crm.vendor.adapter import Connection, Probe, ProbeItem, ProbeState

CAPABILITIES = Capabilities(knows_history=True, waiting_prepay=False, staff_locked=False, keeps_schedule=False)
ORGANIZATION_RU = "Заведите юрлицо в МоёмСкладе или дайте сотруднику, чей ключ введён, право его видеть."
MAP_RU = (
    "Исправьте сопоставление (--map): номер берётся из адреса карточки в МоёмСкладе. Если карточка на месте, "
    "сотруднику, чей ключ введён, не хватает права её видеть: МойСклад тогда отвечает пустым списком."
)
OTHER_RU = "Проверьте адрес, ключ и права в МоёмСкладе, затем повторите."


class Asked(Protocol):
    async def states(self) -> States: ...

    async def organization(self) -> str: ...


class _Wrong(Exception):
    """An answer that needs a person."""

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(detail)
        self.remedy = remedy


async def probe(ledger: Asked, wire: Wire, fields: OrderFields, connection: Connection) -> Probe:
    async def organization() -> str:
        rows = await wire.listed("auth", "/entity/organization")
        wanted = await ledger.organization()
        if wanted not in {row.id("id") for row in rows}:
            raise _Wrong("юрлица из настроек в МоёмСкладе не видно", ORGANIZATION_RU)
        return ""

    async def mapped(what: str, path: str) -> str:
        rows = await wire.listed(what, path)
        known = {row.id("id") for row in rows}
        given = connection.mapped(what)
        if strange := [ours for ours, theirs in given.items() if theirs not in known]:
            raise _Wrong(f"в МоёмСкладе не видно: {', '.join(sorted(strange))}", MAP_RU)
        return f"{len(given)} сопоставлено из {len(rows)}"

    async def states() -> str:
        found = await ledger.states()
        return "" if found.cancelled else "нет статуса для отмены: отменённый заказ будет удаляться"

    async def wanted_fields() -> str:
        known = await fields.known()
        missing = [name for name in fields.wanted if name not in known]
        return f"будут созданы при первой записи: {', '.join(missing)}" if missing else ""

    async def readable(what: str, path: str) -> str:
        if await wire.get(what, path, [("limit", 1)]) is None:
            raise Malformed("МойСклад has no such list")
        return ""

    questions: tuple[tuple[str, Callable[[], Awaitable[str]]], ...] = (
        ("auth", organization),
        ("services", lambda: mapped("services", "/entity/service")),
        ("staff", lambda: mapped("staff", "/entity/employee")),
        ("states", states),
        ("fields", wanted_fields),
        ("clients", lambda: readable("clients", "/entity/counterparty")),
        ("book", lambda: readable("records", "/entity/customerorder")),
    )
    return Probe(tuple([await _item(name, question) for name, question in questions]), CAPABILITIES)


async def _item(name: str, question: Callable[[], Awaitable[str]]) -> ProbeItem:
    try:
        return ProbeItem(name, ProbeState.WORKS, await question())
    except _Wrong as wrong:
        return ProbeItem(name, ProbeState.FAILED, str(wrong), wrong.remedy)
    except AccessDenied as denied:
        return ProbeItem(name, ProbeState.DENIED, denied.message, denied.remedy)
    except ConfigurationError as error:
        return ProbeItem(name, ProbeState.FAILED, error.message, "Исправьте эту настройку подключения и повторите.")
    except AppError as error:
        return ProbeItem(name, ProbeState.FAILED, error.message, OTHER_RU)
