"""Clients of a base: found by phone in any spelling, made with a phone, in the catalogue that the profile names."""

from collections.abc import Sequence

import structlog

from core.outside_http import AccessDenied, Malformed, OutcomeUnknown
from core.phone import Phone
from crm.adapters.one_c import odata, rows
from crm.adapters.one_c.entities import Entities
from crm.adapters.one_c.profile import ClientMap
from crm.adapters.one_c.wire import NotPublished, NotUnderstood, RefusedWrite, Wire
from crm.model import Client, ClientId
from crm.vendor.parsing import Record

log = structlog.get_logger(__name__)

FEW = 25
"""Candidates of one search that are looked at one by one; more are read with the whole list."""
CHECK_RU = "Проверьте в профиле 1С раздел clients: телефон нового клиента там не сохраняется."


class Clients:
    def __init__(self, wire: Wire, entities: Entities) -> None:
        self._wire = wire
        self._entities = entities
        self._kind: str | None = None

    async def find(self, phone: Phone) -> Sequence[Client]:
        clients = (await self._entities.profile()).clients
        try:
            found = await self._searched(clients, phone)
        except (NotPublished, NotUnderstood):  # the part is no set of its own here, or the base knows no substringof
            found = None
        if found is None:
            found = await self._wire.listed("clients", clients.set)
        mine = [row for row in found if rows.is_alive(row) and phone in rows.phones_of(row, clients)]
        return [rows.client(row, clients, phone) for row in mine]

    async def _searched(self, clients: ClientMap, phone: Phone) -> list[Record] | None:
        """Candidates by the base's own search; None: too many, read all."""
        if not clients.contacts:
            return await self._wire.listed("clients", clients.set, where=rows.phone_filter(phone, "", clients.phone))
        part = f"{clients.set}_{clients.contacts}"
        where = rows.phone_filter(phone, clients.contact_digits, clients.contact_shown)
        lines = await self._wire.listed("clients", part, where=where)
        refs = dict.fromkeys(row.id("Ref_Key") for row in lines if phone in rows.contact_phones(row, clients))
        if len(refs) > FEW:
            return None
        found = [await self._wire.one("clients", clients.set, ref) for ref in refs]
        return [row for row in found if row is not None]

    async def get(self, client_id: ClientId) -> Client | None:
        if not odata.is_guid(client_id):
            return None
        clients = (await self._entities.profile()).clients
        row = await self._wire.one("clients", clients.set, client_id)
        if row is None or not rows.is_alive(row):
            return None
        return rows.client(row, clients)

    async def create(self, name: str, phone: Phone | None) -> Client:
        clients = (await self._entities.profile()).clients
        body = rows.new_client(name, phone, clients, await self._phone_kind(clients) if phone else "")
        try:
            made = await self._wire.create("client_create", clients.set, body)
        except RefusedWrite as refused:
            if refused.certain:
                raise Malformed("1C refuses the new client", status=refused.status, sent=False) from None
            raise OutcomeUnknown("1C failed while it made a client", status=refused.status) from None
        ref = made.id("Ref_Key").lower()
        if phone is not None and phone not in rows.phones_of(made, clients):
            read = await self._wire.one("clients", clients.set, ref)
            if read is None or phone not in rows.phones_of(read, clients):
                await self._wire.change("client_delete", clients.set, ref, {"DeletionMark": True})
                raise AccessDenied("1C does not keep the phone of a new client", CHECK_RU)
        return Client(ClientId(ref), name, phone)

    async def remove(self, client_id: ClientId) -> None:
        clients = (await self._entities.profile()).clients
        await self._wire.change("client_delete", clients.set, client_id, {"DeletionMark": True})

    async def _phone_kind(self, clients: ClientMap) -> str:
        """The kind of contact information that the base's own phones have. Empty: none is known."""
        if not clients.contacts or not clients.contact_kind:
            return ""
        if clients.contact_kind_phone:
            return clients.contact_kind_phone
        if self._kind is None:
            where = (
                f"{clients.contact_type} eq {odata.string(clients.contact_type_phone)}" if clients.contact_type else ""
            )
            part = f"{clients.set}_{clients.contacts}"
            try:
                lines = await self._wire.listed("clients", part, where=where, top=1, only_first=True)
            except (NotPublished, NotUnderstood):
                lines = [
                    item
                    for row in await self._wire.listed("clients", clients.set, top=50, only_first=True)
                    for item in row.records(clients.contacts, optional=True)
                    if rows.contact_phones(item, clients)
                ]
            kinds = [str(line.raw(clients.contact_kind) or "") for line in lines]
            self._kind = next((kind for kind in kinds if odata.is_guid(kind) and kind != odata.EMPTY_REF), "")
            if not self._kind:
                log.info("one_c_phone_kind_unknown")
        return self._kind
