"""One question of a probe: what came of it, and what the salon should do when it failed."""

from collections.abc import Awaitable, Callable

from core.errors import AppError
from core.outside_http import AccessDenied
from crm.vendor.adapter import ProbeItem, ProbeState

LATER_RU = "Повторите проверку позже."


async def answered(name: str, question: Callable[[], Awaitable[str]], remedy_ru: str = LATER_RU) -> ProbeItem:
    """`question` returns what to show beside "works". Refused keys and rights bring their own remedy."""
    try:
        return ProbeItem(name, ProbeState.WORKS, await question())
    except AccessDenied as denied:
        return ProbeItem(name, ProbeState.DENIED, denied.message, denied.remedy)
    except AppError as error:
        return ProbeItem(name, ProbeState.FAILED, error.message, remedy_ru)
