"""The account's text field that carries our marker, so that a task is found by it.

It is given by its number, found by its name, or made. An account may refuse that, and a field that nobody has added to
the template may lose what is written to it: the marker stands in the description too, and the field is relied upon
alone only when it has been seen to keep a value.
"""

import structlog

from core.outside_http import AccessDenied
from crm.adapters.planfix.wire import Declined, Wire
from crm.vendor.storage import LinkStore

log = structlog.get_logger(__name__)

NAME = "Метка AI-Admin"
LINE = 0
"""Type of a short text field."""
LINK = "marker_field"


class MarkerField:
    def __init__(self, wire: Wire, links: LinkStore, number: int | None) -> None:
        self._wire = wire
        self._links = links
        self._number = number
        self._refused = False
        self._keeps = False

    async def known(self) -> int | None:
        """Its number; None: the account has none yet. Writes nothing. Raises Declined, AccessDenied."""
        if self._number is None:
            answer = await self._wire.ask("fields", "GET", "/customfield/task", params={"fields": "id,name,type"})
            for row in answer.records("customfields", optional=True):
                if row.text("name", "").strip().casefold() == NAME.casefold():
                    self._number = row.whole("id")
        return self._number

    async def number(self) -> int | None:
        """Its number, made where it is missing; None: the account does not let us."""
        if self._number is not None or self._refused:
            return self._number
        try:
            if await self.known() is None:
                made = await self._wire.create("fields", "/customfield/task/", {"name": NAME, "type": LINE})
                self._number = int(made)
        except (Declined, AccessDenied) as error:
            self._refused = True
            log.warning("planfix_without_marker_field", error=error.code)
        return self._number

    async def keeps(self) -> bool:
        """Whether it has been seen with a value, by this process or another."""
        if not self._keeps and self._number is not None:
            self._keeps = await self._links.get(LINK, str(self._number)) is not None
        return self._keeps

    async def seen(self) -> None:
        """A task has shown a value of it."""
        if not self._keeps and self._number is not None and not await self.keeps():
            await self._links.put(LINK, str(self._number), {"keeps": True})
            self._keeps = True
