"""Contacts by phone. How Planfix compares phones is documented nowhere: an account is asked once whether it finds a
known number by another spelling. Where it does, one question is enough; else each usual spelling is asked for."""

from enum import StrEnum

from core.phone import Phone
from crm.adapters.planfix import records as r
from crm.adapters.planfix.wire import Declined, Wire
from crm.model import Client, ClientId
from crm.vendor.parsing import Record, spellings
from crm.vendor.storage import LinkStore

BY_PHONE = 4003
WITNESSES = 20
KEPT = 500
"""Clients of this process whose answer is kept: one request a second leaves none for asking twice."""
LINK = "phones"


class Match(StrEnum):
    DIGITS = "digits"
    """Any spelling finds the number."""
    TYPED = "typed"
    """Only the spelling in which it was typed."""


class Contacts:
    def __init__(self, wire: Wire, links: LinkStore, template: int | None) -> None:
        self._wire = wire
        self._links = links
        self._template = template
        self._match: Match | None = None
        self._seen: dict[ClientId, Client] = {}

    async def find(self, phone: Phone) -> list[Client]:
        first, *others = spellings(phone)
        found = await self._asked(first, phone)
        if found or await self._compared() is Match.DIGITS:
            return found
        for spelling in others:
            if found := await self._asked(spelling, phone):
                break
        return found

    async def _asked(self, spelling: str, phone: Phone) -> list[Client]:
        found = []
        for row in await self._with_phone(spelling):
            person, phones = r.client(row)
            if phone in phones and not row.flag("isDeleted", False):
                found.append(self._keep(Client(person.id, person.name, phone)))
        return sorted(found, key=lambda client: (len(client.id), client.id))

    async def _with_phone(self, spelling: str) -> list[Record]:
        filters = [{"type": BY_PHONE, "operator": "equal", "value": spelling}]
        return await self._wire.listed("clients", "/contact/list", "contacts", r.CONTACT_FIELDS, filters)

    async def _compared(self) -> Match | None:
        """None: nobody there has a phone that could tell, so that asking on is cheap."""
        if self._match is None and (known := await self._links.get(LINK, "match")) is not None:
            self._match = Match(str(known["how"]))
        if self._match is None:
            body = {"offset": 0, "pageSize": WITNESSES, "fields": r.CONTACT_FIELDS}
            rows = (await self._wire.ask("clients", "POST", "/contact/list", body=body)).records("contacts")
            for row in rows:
                typed = {str(item.raw("number")) for item in row.records("phones", optional=True)}
                for phone in r.client(row)[1]:
                    other = next((text for text in spellings(phone)[:3] if text not in typed), None)
                    if other is None:
                        continue
                    shown = {item.id("id") for item in await self._with_phone(other)}
                    self._match = Match.DIGITS if row.id("id") in shown else Match.TYPED
                    await self._links.put(LINK, "match", {"how": self._match.value})
                    return self._match
        return self._match

    async def create(self, name: str, phone: Phone | None) -> Client:
        try:
            made = await self._made(name, phone)
        except Declined:
            if self._template is not None:
                raise
            self._template = await self._first_template()
            if self._template is None:
                raise
            made = await self._made(name, phone)  # refused for want of a template: nothing was made yet
        return self._keep(Client(ClientId(r.bare(made)), name, phone))

    async def _made(self, name: str, phone: Phone | None) -> str:
        body = r.new_contact(name, phone, self._template)
        return await self._wire.create("client_create", "/contact/", body)

    async def _first_template(self) -> int | None:
        params = {"offset": 0, "pageSize": WITNESSES, "fields": "id,name,isCompany"}
        answer = await self._wire.ask("templates", "GET", "/contact/templates", params=params)
        people = [row for row in answer.records("templates", optional=True) if not row.flag("isCompany", False)]
        return people[0].whole("id") if people else None

    async def get(self, client_id: ClientId) -> Client | None:
        """As this process has seen it before, else as it is."""
        if not client_id.isdigit():
            return None
        if client_id in self._seen:
            return self._seen[client_id]
        row = await self._wire.one("clients", f"/contact/{client_id}", "contact", r.CONTACT_FIELDS)
        return None if row is None or row.flag("isDeleted", False) else self._keep(r.client(row)[0])

    async def remove(self, client_id: ClientId) -> None:
        self._seen.pop(client_id, None)
        number = r.number(client_id, "client")
        await self._wire.update("client_remove", f"/contact/{number}", {"isDeleted": True})

    def _keep(self, client: Client) -> Client:
        if len(self._seen) >= KEPT:
            self._seen.pop(next(iter(self._seen)))
        self._seen[client.id] = client
        return client
