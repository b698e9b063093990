"""The company; and, for the operator of the installation, all companies."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from admin.api.v1.access import ALL, Caller, Gate, Right
from admin.api.v1.shapes import Shape, Text, errors, example
from core.api_keys import ApiKeys
from core.companies import Companies, Company
from core.errors import InvalidInput


class CompanyOut(BaseModel):
    id: UUID
    slug: str = Field(examples=["myata"])
    name: str = Field(examples=["Салон «Мята»"])
    region: str = Field(examples=["RU"], description="ISO 3166-1; where data may go follows from it.")
    timezone: str = Field(examples=["Europe/Moscow"])
    language: str = Field(examples=["ru"])

    @classmethod
    def of(cls, company: Company) -> "CompanyOut":
        return cls(
            id=company.id, slug=company.slug, name=company.name, region=company.region, timezone=company.timezone,
            language=company.language,
        )  # fmt: skip


class CompanyChange(Shape):
    model_config = example({"name": "Салон «Мята» на Чистых прудах"})
    name: Text | None = Field(None, min_length=1, max_length=200)
    timezone: Text | None = Field(None, max_length=64)
    language: str | None = Field(None, pattern="^(ru|en)$")


class NewCompany(Shape):
    model_config = example({"slug": "myata", "name": "Салон «Мята»"})
    slug: Text = Field(min_length=1, max_length=63)
    name: Text = Field(min_length=1, max_length=200)
    region: Text = Field("RU", max_length=2)
    timezone: Text = Field("Europe/Moscow", max_length=64)
    language: str = Field("ru", pattern="^(ru|en)$")


class NewCompanyOut(BaseModel):
    company: CompanyOut
    key: str = Field(description="Its first key, shown this once.")


def company_router(gate: Gate, companies: Companies, keys: ApiKeys, router: APIRouter) -> None:
    def may(right: Right) -> Any:
        return Depends(gate.needs(right))

    @router.get("/companies", tags=["companies"], responses=errors())
    async def list_companies(_caller: Annotated[Caller, may(Right.OPERATOR)]) -> list[CompanyOut]:
        """All companies of the installation; for keys of its operator."""
        return [CompanyOut.of(company) for company in await companies.all()]

    @router.post("/companies", tags=["companies"], status_code=201, responses=errors(409))
    async def make_company(_caller: Annotated[Caller, may(Right.OPERATOR)], asked: NewCompany) -> NewCompanyOut:
        """With a first key that may do everything in it."""
        if await companies.by_slug(asked.slug) is not None:
            raise InvalidInput("slug: another company has it")
        made = await companies.save(
            asked.slug, asked.name, region=asked.region, timezone=asked.timezone, language=asked.language
        )
        return NewCompanyOut(company=CompanyOut.of(made), key=await keys.create(made.scope, "first key", [ALL]))

    @router.get("/companies/me", tags=["companies"], responses=errors())
    async def my_company(caller: Annotated[Caller, may(Right.COMPANY_READ)]) -> CompanyOut:
        return CompanyOut.of(await companies.get(caller.scope))

    @router.patch("/companies/me", tags=["companies"], responses=errors())
    async def change_company(caller: Annotated[Caller, may(Right.COMPANY_WRITE)], change: CompanyChange) -> CompanyOut:
        """What is absent stays. The region is not changed here: data would have to move."""
        old = await companies.get(caller.scope)
        made = await companies.save(
            old.slug, change.name or old.name, region=old.region, timezone=change.timezone or old.timezone,
            language=change.language or old.language,
        )  # fmt: skip
        return CompanyOut.of(made)
