"""Clients are CRM contacts, found by phone through the portal's own search for duplicates."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from core.errors import AppError
from core.outside_http import Kind, Malformed
from core.phone import Phone
from crm.adapters.bitrix24 import records
from crm.adapters.bitrix24.replies import Answer, Refusal
from crm.adapters.bitrix24.wire import Command, Wire
from crm.model import Client, ClientId
from crm.vendor.parsing import Record, spellings

log = structlog.get_logger(__name__)

CONTACT = 3
"""entityTypeId of contacts."""
MOST_VALUES = 20
"""Values of one search (crm.duplicate.findbycomm)."""
_FEW = 3


class Contacts:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def find(self, phone: Phone) -> list[Client]:
        """Whether the search normalises numbers is not documented: it is given every spelling that people use."""
        values = typed(phone)[:MOST_VALUES]
        answer = await self._wire.call(
            "clients",
            "crm.duplicate.findbycomm",
            {"type": "PHONE", "values": values, "entity_type": "CONTACT"},
        )
        found = []
        for row in await self._read(contact_ids(answer.result)):
            person, phones = records.client(row)
            if phone in phones or not records.has_phones(row):  # the portal's search has just matched this number
                found.append(Client(person.id, person.name, phone))
        return found

    async def _read(self, ids: Sequence[str]) -> list[Record]:
        if len(ids) <= _FEW:
            rows = await asyncio.gather(*(self._row(number) for number in ids))
            return [row for row in rows if row is not None]
        commands: dict[str, Command] = {f"c{number}": ("crm.item.get", _item(number)) for number in ids}
        answers = await self._wire.batch("clients", commands)
        return [row for answer in answers.values() if (row := _row_of(answer)) is not None]

    async def _row(self, number: str) -> Record | None:
        try:
            return _row_of(await self._wire.call("clients", "crm.item.get", _item(number)))
        except Refusal as refusal:
            return _row_of(refusal)

    async def get(self, client_id: ClientId) -> Client | None:
        if not client_id.isdigit():
            return None
        row = await self._row(client_id)
        return None if row is None else records.client(row)[0]

    async def create(self, name: str, phone: Phone | None) -> Client:
        first, _, last = name.partition(" ")
        fields: dict[str, Any] = {"name": first}
        if last:
            fields["lastName"] = last
        if phone is not None:
            fields["fm"] = {"n0": {"typeId": "PHONE", "valueType": "WORK", "value": phone.e164}}
        answer = await self._wire.call(
            "client_create", "crm.item.add", {"entityTypeId": CONTACT, "fields": fields}, kind=Kind.WRITE
        )
        return Client(ClientId(made_id(answer, "client_create")), name, phone)

    async def remove(self, client_id: ClientId) -> None:
        """For the live check: takes its test client away again."""
        try:
            await self._wire.call("client_delete", "crm.item.delete", _item(client_id), kind=Kind.REPEATABLE)
        except Refusal as refusal:
            if not refusal.absent:
                raise


def typed(phone: Phone) -> list[str]:
    """The number as it may stand in a card, most likely first."""
    found = list(spellings(phone))
    digits = phone.e164.removeprefix("+")
    if len(digits) == 11 and digits.startswith("7"):
        area, one, two, three = digits[1:4], digits[4:7], digits[7:9], digits[9:]
        for head in ("+7", "8", "7"):
            found += [f"{head} ({area}) {one}-{two}-{three}", f"{head} {area} {one}-{two}-{three}"]
            found += [f"{head}({area}){one}-{two}-{three}", f"{head} ({area}) {one}-{two}{three}"]
    return list(dict.fromkeys(found))


def contact_ids(result: Any) -> list[str]:
    """{"CONTACT": [275, 2297]}; nothing found is an empty object, which PHP writes as []."""
    if result in ([], None, False, {}):
        return []
    if not isinstance(result, Mapping):
        raise Malformed("clients: an object of ids was expected", got=type(result).__name__)
    ids = result.get("CONTACT") or result.get("contact") or []
    if isinstance(ids, Mapping):
        ids = list(ids.values())
    if not isinstance(ids, list):
        raise Malformed("clients.CONTACT: a list was expected", got=type(ids).__name__)
    return sorted({str(number) for number in ids}, key=lambda number: (len(number), number))


def made_id(answer: Answer, operation: str) -> str:
    """{"item": {"id": 5}} of crm.item.add, {"id": 5} of booking methods, or the bare number of older ones."""
    result = answer.result
    if isinstance(result, int | str) and not isinstance(result, bool) and str(result).isdigit():
        return str(result)
    record = Record(result, operation)
    return record.record("item").id("id") if "item" in record else record.id("id")


def _item(number: str) -> dict[str, Any]:
    return {"entityTypeId": CONTACT, "id": int(number)}


def _row_of(answer: Answer | AppError) -> Record | None:
    """None: the contact was deleted or merged while the search index still knows it."""
    if isinstance(answer, Refusal) and answer.absent:
        return None
    if isinstance(answer, AppError):
        raise answer
    record = answer.record("contact")
    return record.record("item") if "item" in record else record
