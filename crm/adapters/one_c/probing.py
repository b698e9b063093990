"""What this 1C user may do: each set is asked once, nothing is written. The profile is shown to be confirmed."""

from collections.abc import Awaitable, Callable

from core.errors import ConfigurationError
from crm.adapters.one_c.entities import PROFILE_RU, Entities
from crm.adapters.one_c.wire import Wire
from crm.model import Capabilities
from crm.vendor.adapter import Probe, ProbeItem, ProbeState
from crm.vendor.probing import answered

MAP_RU = "Проверьте файл --map: значения Ref_Key мастеров и услуг должны быть из этой базы."
LATER_RU = "Проверьте адрес базы и доступность сервера 1С, затем повторите."


async def probe(wire: Wire, entities: Entities, capabilities: Capabilities) -> Probe:
    async def auth() -> str:
        return f"объектов опубликовано: {len(await wire.published())}"

    async def profile() -> str:
        found, wrong = await entities.looked_at_anew()
        if wrong:
            raise ConfigurationError(f"в базе не опубликовано: {', '.join(wrong)}")
        shown = found.to_json()
        return shown if entities.confirmed else f"предложен по метаданным, проверьте и сохраните: {shown}"

    async def first(what: str) -> str:
        found = await entities.profile()
        name = found.clients.set if what == "clients" else found.visit.set
        rows = await wire.listed(what, name, top=1, only_first=True)
        return f"{name}: {'есть' if rows else 'пусто'}"

    async def mapped(what: str) -> str:
        count, strange = await entities.mapping(what)
        if strange:
            raise ConfigurationError(f"map.{what}: в 1С нет того, на что указывают {', '.join(strange)}")
        return f"в 1С {count}"

    async def slots() -> str:
        return "график ведём мы, занятость по документам"

    questions: tuple[tuple[str, Callable[[], Awaitable[str]]], ...] = (
        ("auth", auth),
        ("profile", profile),
        ("services", lambda: mapped("services")),
        ("staff", lambda: mapped("staff")),
        ("slots", slots),
        ("clients", lambda: first("clients")),
        ("book", lambda: first("book")),
    )
    items = [await answered(name, question, _remedy(name)) for name, question in questions]
    items.append(ProbeItem("webhooks", ProbeState.ABSENT, "1С никого не вызывает, изменения узнаём опросом"))
    return Probe(tuple(items), capabilities)


def _remedy(what: str) -> str:
    return {"profile": PROFILE_RU, "services": MAP_RU, "staff": MAP_RU}.get(what, LATER_RU)
