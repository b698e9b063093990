"""Which rights and modules the portal has, asked one by one without writing anything."""

from collections.abc import Awaitable, Callable, Sequence

from core.errors import AppError
from core.outside_http import AccessDenied
from crm.model import Capabilities
from crm.vendor.adapter import Probe, ProbeItem, ProbeState

SWITCHED_OFF_RU = (
    "Онлайн-запись Битрикс24 выключена или у ключа нет права «booking»: включите модуль и право, либо подключите "
    "портал заново, тогда записи пойдут в сделки и календарь."
)
REMEDY_RU = "Проверьте адрес портала и права ключа в Битрикс24 (Разработчикам), затем повторите."

BOOKING = Capabilities(knows_history=True, waiting_prepay=False, staff_locked=False)
DEALS = Capabilities(knows_history=True, waiting_prepay=False, staff_locked=False, keeps_schedule=False)


class Missing(Exception):
    """The portal has no such thing, and can be worked with all the same."""


class Wrong(Exception):
    """It answers, but the salon must change something: what, and how."""

    def __init__(self, detail: str, remedy_ru: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy_ru = remedy_ru


Question = tuple[str, Callable[[], Awaitable[str]]]


async def asked(questions: Sequence[Question], capabilities: Capabilities) -> Probe:
    """The answers in order. Nothing that a portal can do makes it raise."""
    items = []
    for name, question in questions:
        try:
            items.append(ProbeItem(name, ProbeState.WORKS, await question()))
        except Missing as missing:
            items.append(ProbeItem(name, ProbeState.ABSENT, str(missing)))
        except Wrong as wrong:
            items.append(ProbeItem(name, ProbeState.FAILED, wrong.detail, wrong.remedy_ru))
        except AccessDenied as denied:
            items.append(ProbeItem(name, ProbeState.DENIED, denied.message, denied.remedy))
        except AppError as error:
            items.append(ProbeItem(name, ProbeState.FAILED, error.message, REMEDY_RU))
    return Probe(tuple(items), capabilities)
