"""Contacts by phone. How Planfix compares phones is documented nowhere, so each usual spelling is asked for."""

from core.phone import Phone
from crm.adapters.planfix import records as r
from crm.adapters.planfix.wire import Wire
from crm.model import Client, ClientId
from crm.vendor.parsing import spellings

BY_PHONE = 4003
KEPT = 500
"""Clients of this process whose answer is kept: one request a second leaves none for asking twice."""


class Contacts:
    def __init__(self, wire: Wire, template: int | None) -> None:
        self._wire = wire
        self._template = template
        self._normalises = False
        self._seen: dict[ClientId, Client] = {}

    async def find(self, phone: Phone) -> list[Client]:
        for spelling in spellings(phone):
            filters = [{"type": BY_PHONE, "operator": "equal", "value": spelling}]
            rows = await self._wire.listed("clients", "/contact/list", "contacts", r.CONTACT_FIELDS, filters)
            found = []
            for row in rows:
                person, phones = r.client(row)
                if phone in phones and not row.flag("isDeleted", False):
                    found.append(self._keep(Client(person.id, person.name, phone)))
                    numbers = {str(item.raw("number") or "") for item in row.records("phones", optional=True)}
                    self._normalises = self._normalises or spelling not in numbers
            if found or self._normalises:  # it has found a number that was typed otherwise: one question is enough
                return sorted(found, key=lambda client: int(client.id) if client.id.isdigit() else 0)
        return []

    async def create(self, name: str, phone: Phone | None) -> Client:
        body = r.new_contact(name, phone, self._template)
        made = await self._wire.create("client_create", "/contact/", body)
        return self._keep(Client(ClientId(r.bare(made)), name, phone))

    async def get(self, client_id: ClientId, *, fresh: bool) -> Client | None:
        """`fresh` False: what this process has seen before is good enough."""
        if not client_id.isdigit():
            return None
        if not fresh and client_id in self._seen:
            return self._seen[client_id]
        row = await self._wire.one("clients", f"/contact/{client_id}", "contact", r.CONTACT_FIELDS)
        if row is None or row.flag("isDeleted", False):
            self._seen.pop(client_id, None)
            return None
        return self._keep(r.client(row)[0])

    async def remove(self, client_id: ClientId) -> None:
        self._seen.pop(client_id, None)
        number = r.number(client_id, "client")
        await self._wire.update("client_remove", f"/contact/{number}", {"isDeleted": True})

    def _keep(self, client: Client) -> Client:
        if len(self._seen) >= KEPT:
            self._seen.pop(next(iter(self._seen)))
        self._seen[client.id] = client
        return client
