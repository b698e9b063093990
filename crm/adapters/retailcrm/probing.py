"""Asks for everything that a booking needs, one by one, and writes nothing."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from core.errors import AppError, ConfigurationError
from core.outside_http import AccessDenied
from crm.adapters.retailcrm.orders import Statuses
from crm.adapters.retailcrm.wire import RIGHT_RU, Refusal, Wire, strange
from crm.model import Capabilities
from crm.vendor.adapter import Connection, Probe, ProbeItem, ProbeState
from crm.vendor.parsing import Record

CAPABILITIES = Capabilities(knows_history=True, waiting_prepay=False, staff_locked=False, keeps_schedule=False)
SCOPES = ("order_read", "order_write", "customer_read", "customer_write", "reference_read", "user_read")
OTHER_RU = "Проверьте адрес, ключ и его права в RetailCRM, затем повторите."
SITE_RU = "Впишите символьный код магазина: Настройки → Магазины → Магазины, колонка «Символьный код»."
MAP_RU = "Исправьте сопоставление мастеров (--map): номер пользователя стоит в адресе его карточки в RetailCRM."
STATUS_RU = "Создайте в RetailCRM статус в группе «Отменен» или впишите код статуса отмены в настройки подключения."


class Asked(Protocol):
    async def statuses(self) -> Statuses: ...


class _Wrong(Exception):
    """An answer that needs a person."""

    def __init__(self, state: ProbeState, detail: str, remedy: str) -> None:
        super().__init__(detail)
        self.state = state
        self.remedy = remedy


async def probe(ledger: Asked, wire: Wire, connection: Connection) -> Probe:
    async def auth() -> str:
        found = await wire.credentials()
        if found is None:
            await ledger.statuses()
            return "аккаунт не говорит, что разрешено ключу"
        scopes = _words(found, "scopes")
        if scopes & set(SCOPES) and (missing := [scope for scope in SCOPES if scope not in scopes]):
            raise _Wrong(ProbeState.DENIED, f"ключу не разрешено: {', '.join(missing)}", RIGHT_RU)
        sites = _words(found, "sitesAvailable")
        if wire.site and sites and wire.site not in sites:
            raise _Wrong(ProbeState.DENIED, f"ключу не виден магазин «{wire.site}»", SITE_RU)
        if not wire.site and len(sites) > 1:
            raise _Wrong(ProbeState.FAILED, f"магазинов несколько: {', '.join(sorted(sites))}", SITE_RU)
        return ""

    async def services() -> str:
        return f"{len(connection.mapped('services'))} сопоставлено, остальные пишутся по названию"

    async def staff() -> str:
        rows = await _listed(wire, "staff", "/users", "users")
        given = connection.mapped("staff")
        known = {row.id("id") for row in rows if row.flag("active", True)}
        strange_ones = [ours for ours, theirs in given.items() if theirs not in known]
        if strange_ones and not connection.settings.get("staff_field"):
            raise _Wrong(ProbeState.FAILED, f"нет таких пользователей: {', '.join(sorted(strange_ones))}", MAP_RU)
        return f"{len(given)} сопоставлено из {len(rows)}"

    async def statuses() -> str:
        found = await ledger.statuses()
        if not found.cancelled:
            raise _Wrong(ProbeState.FAILED, "нет статуса для отмены", STATUS_RU)
        return f"отмена — «{found.cancelled}»"

    async def clients() -> str:
        await _one(wire, "clients", "/customers")
        return ""

    async def orders() -> str:
        await _one(wire, "records", "/orders")
        return ""

    async def changes() -> str:
        await _one(wire, "changes", "/orders/history")
        return ""

    questions: tuple[tuple[str, Callable[[], Awaitable[str]]], ...] = (
        ("auth", auth), ("services", services), ("staff", staff), ("statuses", statuses), ("clients", clients),
        ("book", orders), ("changes", changes),
    )  # fmt: skip
    return Probe(tuple([await _item(name, question) for name, question in questions]), CAPABILITIES)


async def _item(name: str, question: Callable[[], Awaitable[str]]) -> ProbeItem:
    try:
        return ProbeItem(name, ProbeState.WORKS, await question())
    except _Wrong as wrong:
        return ProbeItem(name, wrong.state, str(wrong), wrong.remedy)
    except AccessDenied as denied:
        return ProbeItem(name, ProbeState.DENIED, denied.message, denied.remedy)
    except ConfigurationError as error:
        return ProbeItem(name, ProbeState.FAILED, error.message, "Исправьте эту настройку подключения и повторите.")
    except AppError as error:
        return ProbeItem(name, ProbeState.FAILED, error.message, OTHER_RU)


async def _one(wire: Wire, operation: str, path: str) -> None:
    """The shortest page that the vendor has."""
    try:
        await wire.send(operation, "GET", path, params=[("limit", 20), ("page", 1)])
    except Refusal as refusal:
        raise strange(refusal) from None


async def _listed(wire: Wire, operation: str, path: str, what: str) -> list[Record]:
    try:
        return await wire.listed(operation, path, what)
    except Refusal as refusal:
        raise strange(refusal) from None


def _words(answer: Record, name: str) -> set[str]:
    found = answer.raw(name)
    return {str(item) for item in found} if isinstance(found, list) else set()
