"""Contractors by phone. The quick search is ignored on some lists and empty on accounts whose index is not built, so it
is trusted only as far as it has proved itself; else the whole list is read and compared here."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from core.outside_http import Malformed
from core.phone import Phone
from crm.adapters.megaplan.wire import MOST_PAGES as MOST
from crm.adapters.megaplan.wire import PAGE, WHOLE, Declined, Wire, link
from crm.model import Client, ClientId
from crm.vendor.parsing import Record, spellings
from crm.vendor.storage import LinkStore

HUMAN = "ContractorHuman"
PEOPLE, UNION = "/contractorHuman", "/contractor"
LIST_FIELDS = ["firstName", "middleName", "lastName", "contactInfo"]
UNION_FIELDS = ["name", "firstName", "lastName", "contactInfo"]
TRUST_S = 3600.0
"""How long a search that has found what it must is believed when it finds nothing."""
LINK = "client"


class Contractors:
    def __init__(self, wire: Wire, links: LinkStore, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._wire = wire
        self._links = links
        self._now = monotonic_s
        self._trusted_until = 0.0
        self._path = PEOPLE

    async def find(self, phone: Phone) -> list[Client]:
        found = await self._made_here(phone)
        if found:
            return found
        for spelling in _asked_spellings(phone):
            rows = await self._searched(spelling)
            found = _with_phone(rows, phone)
            if found:
                return found
            if rows:  # the search was not heeded: these are just the first of all
                return _with_phone(await self.everybody(), phone)
        if self._now() < self._trusted_until:
            return []
        return await self._without_search(phone)

    async def _made_here(self, phone: Phone) -> list[Client]:
        """Whom we have made lately: the search may be behind."""
        known = await self._links.get(LINK, phone.e164)
        if known is None:
            return []
        client = await self.get(ClientId(str(known["id"])))
        return [client] if client is not None and client.phone == phone else []

    async def _searched(self, text: str) -> list[Record]:
        query = {"q": text, "limit": PAGE, "fields": UNION_FIELDS}
        return (await self._wire.page("clients", UNION, query))[0]

    async def _without_search(self, phone: Phone) -> list[Client]:
        """Nothing was found: by a search that works, or by one that does not? Somebody who is there tells."""
        first, more = await self._listed(None)
        if not more:
            return _with_phone(first, phone)
        witness = next((p for row in first for p in contact(row)[1]), None)
        if witness is not None:
            for spelling in _asked_spellings(witness):
                if _with_phone(await self._searched(spelling), witness):
                    self._trusted_until = self._now() + TRUST_S
                    return []
        return _with_phone(await self.everybody(), phone)

    async def everybody(self) -> list[Record]:
        """All people, page after page; in one piece where the list cannot be paged."""
        found: dict[str, Record] = {}
        after: Record | None = None
        for _ in range(MOST):
            try:
                rows, more = await self._listed(after)
            except Declined:
                if after is None:
                    raise
                rows, more = await self._listed(None, WHOLE)
                if more or len(rows) <= PAGE:
                    raise Malformed("Megaplan gives no second page of the clients") from None
                return rows
            new = {row.id("id"): row for row in rows if row.id("id") not in found}
            found |= new
            if not more:
                return list(found.values())
            if not new:
                raise Malformed("Megaplan repeats a page of the clients")
            after = rows[-1]
        raise Malformed("the list has no end")

    async def _listed(self, after: Record | None, limit: int = PAGE) -> tuple[list[Record], bool]:
        """People alone; people and companies together where the account has no list of people."""
        query: dict[str, Any] = {"limit": limit, "fields": LIST_FIELDS if self._path == PEOPLE else UNION_FIELDS}
        if after is not None:
            query["pageAfter"] = link(after.text("contentType", HUMAN), after.id("id"))
        try:
            return await self._wire.page("clients", self._path, query)
        except Declined as declined:
            if after is not None or self._path == UNION or declined.facts.get("status") not in (404, 405):
                raise
        self._path = UNION
        return await self._listed(None, limit)

    async def create(self, name: str, phone: Phone | None) -> Client:
        first, _, last = name.partition(" ")
        body: dict[str, Any] = {"contentType": HUMAN, "firstName": first}
        if last:
            body["lastName"] = last
        if phone is not None:
            value = phone.e164.removeprefix("+")
            body["contactInfo"] = [{"contentType": "ContactInfo", "type": "phone", "value": value}]
        made = await self._wire.write("client_create", PEOPLE, body)
        client_id = ClientId(made.id("id"))
        if phone is not None:
            await self._links.put(LINK, phone.e164, {"id": client_id})
        return Client(client_id, name, phone)

    async def get(self, client_id: ClientId) -> Client | None:
        if not client_id.isdigit():
            return None
        row = await self._wire.one("clients", f"{PEOPLE}/{client_id}")
        return None if row is None or row.flag("isDropped", False) else contact(row)[0]

    async def remove(self, client_id: ClientId) -> None:
        client = await self.get(client_id)
        if client is None:
            return
        await self._wire.delete("client_remove", f"{PEOPLE}/{client_id}")
        if client.phone is not None:
            await self._links.delete(LINK, client.phone.e164)


def contact(row: Record) -> tuple[Client, tuple[Phone, ...]]:
    """A person and all her phones."""
    phones: list[Phone] = []
    for item in row.records("contactInfo", optional=True):
        if item.text("type", "phone") in ("phone", "mobile", "mobilePhone", "workPhone", "homePhone"):
            found = item.phone("value")
            if found is not None and found not in phones:
                phones.append(found)
    parts = [row.text(part, "").strip() for part in ("firstName", "middleName", "lastName")]
    name = " ".join(part for part in parts if part) or row.text("name", "")
    return Client(ClientId(row.id("id")), name, phones[0] if phones else None), tuple(phones)


def _with_phone(rows: Sequence[Record], phone: Phone) -> list[Client]:
    found = []
    for row in rows:
        if row.text("contentType", HUMAN) != HUMAN:
            continue
        person, phones = contact(row)
        if phone in phones:
            found.append(Client(person.id, person.name, phone))
    return sorted(found, key=lambda client: (len(client.id), client.id))


def _asked_spellings(phone: Phone) -> tuple[str, ...]:
    """As the vendor shows phones first (7916…), then as people type them."""
    return tuple(sorted(spellings(phone), key=lambda text: (text.startswith("+"), not text.startswith("7"))))
