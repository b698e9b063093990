"""The company's CRM and its messengers: what can be connected, what is, connect, check, disconnect.

The rooms behind are seen by their form only: what a form asks, what a connection says of itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from admin.api.v1.access import Caller, Gate, Right
from admin.api.v1.shapes import Shape, Text, errors, example
from core.forms import SettingField
from core.tenancy import CompanyScope


@dataclass(frozen=True, slots=True)
class Offered:
    """Something that can be connected."""

    name: str
    title: str
    fields: Sequence[SettingField]
    note_ru: str
    setup_ru: Sequence[str]
    foreign: bool


@dataclass(frozen=True, slots=True)
class Connected:
    id: str
    name: str
    """Of what is connected: yclients, telegram."""
    title: str
    """Who we are there, as far as known."""
    settings: Mapping[str, Any]
    """Without secrets."""
    problem: str
    remedy_ru: str
    checked_at: datetime | None
    webhook_url: str = ""
    """Shown once, when it is made; empty later."""


@dataclass(frozen=True, slots=True)
class Checked:
    what: str
    state: str
    """works, denied, absent, failed."""
    detail: str
    remedy_ru: str


class Connections(Protocol):
    """One kind of connections. Raises core.errors; a refused key as an error with the remedy in its message."""

    def offered(self) -> Sequence[Offered]: ...

    async def connected(self, scope: CompanyScope) -> Sequence[Connected]: ...

    async def connect(self, scope: CompanyScope, name: str, given: Mapping[str, Any]) -> Connected: ...

    async def check(self, scope: CompanyScope, connection_id: str) -> Sequence[Checked]:
        """Raises NotFound."""
        ...

    async def disconnect(self, scope: CompanyScope, connection_id: str) -> None:
        """Raises NotFound."""
        ...


class FieldOut(BaseModel):
    name: str
    title_ru: str
    title_en: str
    secret: bool
    required: bool
    default: str
    help_ru: str


class OfferedOut(BaseModel):
    name: str = Field(examples=["telegram"])
    title: str
    fields: list[FieldOut]
    note_ru: str
    setup_ru: list[str]
    foreign: bool = Field(description="Data leave Russia.")

    @classmethod
    def of(cls, offered: Offered) -> "OfferedOut":
        fields = [
            FieldOut(
                name=one.name, title_ru=one.title_ru, title_en=one.title_en, secret=one.secret, required=one.required,
                default=one.default, help_ru=one.help_ru,
            )
            for one in offered.fields
        ]  # fmt: skip
        return cls(
            name=offered.name, title=offered.title, fields=fields, note_ru=offered.note_ru,
            setup_ru=list(offered.setup_ru), foreign=offered.foreign,
        )  # fmt: skip


class ConnectedOut(BaseModel):
    id: str
    name: str
    title: str
    settings: dict[str, Any] = Field(description="Secrets are never shown.")
    problem: str
    remedy_ru: str
    checked_at: datetime | None
    webhook_url: str

    @classmethod
    def of(cls, one: Connected) -> "ConnectedOut":
        return cls(
            id=one.id, name=one.name, title=one.title, settings=dict(one.settings), problem=one.problem,
            remedy_ru=one.remedy_ru, checked_at=one.checked_at, webhook_url=one.webhook_url,
        )  # fmt: skip


class NewConnection(Shape):
    model_config = example({"name": "telegram", "given": {"token": "as BotFather gave it"}})
    name: Text = Field(min_length=1, max_length=40)
    given: dict[Text, Any] = Field(default_factory=dict, description="By field name, secrets among them.")


class CheckedOut(BaseModel):
    what: str
    state: str = Field(description="works, denied, absent, failed")
    detail: str
    remedy_ru: str

    @classmethod
    def of(cls, one: Checked) -> "CheckedOut":
        return cls(what=one.what, state=one.state, detail=one.detail, remedy_ru=one.remedy_ru)


def connections_router(
    gate: Gate, kind: str, reads: Right, writes: Right, connections: Connections, router: APIRouter
) -> None:
    """`kind` is the path: crm or channels."""
    Reads = Annotated[Caller, Depends(gate.needs(reads))]  # noqa: N806 - types, made here
    Writes = Annotated[Caller, Depends(gate.needs(writes))]  # noqa: N806
    tags: Any = [kind]

    @router.get(f"/{kind}/offered", tags=tags, responses=errors(), operation_id=f"{kind}_offered")
    async def list_offered(_caller: Reads) -> list[OfferedOut]:
        """What can be connected and what is asked for it."""
        return [OfferedOut.of(one) for one in connections.offered()]

    @router.get(f"/{kind}", tags=tags, responses=errors(), operation_id=f"{kind}_list")
    async def list_connected(caller: Reads) -> list[ConnectedOut]:
        return [ConnectedOut.of(one) for one in await connections.connected(caller.scope)]

    @router.post(f"/{kind}", tags=tags, status_code=201, responses=errors(404), operation_id=f"{kind}_connect")
    async def connect(caller: Writes, asked: NewConnection) -> ConnectedOut:
        """Stored only when it works; else the error says what to mend."""
        return ConnectedOut.of(await connections.connect(caller.scope, asked.name, asked.given))

    @router.post(f"/{kind}/{{connection_id}}/check", tags=tags, responses=errors(404), operation_id=f"{kind}_check")
    async def check(caller: Writes, connection_id: Text) -> list[CheckedOut]:
        return [CheckedOut.of(one) for one in await connections.check(caller.scope, connection_id)]

    @router.delete(
        f"/{kind}/{{connection_id}}", tags=tags, status_code=204, responses=errors(404), operation_id=f"{kind}_remove"
    )
    async def disconnect(caller: Writes, connection_id: Text) -> Response:
        await connections.disconnect(caller.scope, connection_id)
        return Response(status_code=204)
