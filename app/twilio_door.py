"""Twilio's webhooks on our stores: what the web process adds to its application."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter

from app.bootstrap import Runtime, twilio_base_url, twilio_stream_url
from core.companies import Companies
from core.tenancy import CompanyScope
from telephony.twilio.plans import CallPlans
from telephony.twilio.signature import SignatureCheck
from telephony.twilio.store import RedisStore
from telephony.twilio.tokens import StreamTokens
from telephony.twilio.webhook import twilio_router


def twilio_webhook(runtime: Runtime) -> APIRouter:
    """The webhook's door, on the shared store of one-time tokens and call plans."""
    settings, store = runtime.settings, RedisStore(runtime.redis)
    return twilio_router(
        signatures=SignatureCheck([runtime.secrets.twilio_auth_token], twilio_base_url(settings)),
        stream_url=twilio_stream_url(settings),
        company_of=company_of_number(runtime.companies),
        tokens=StreamTokens(runtime.secrets.link_key, store, runtime.clock),
        plans=CallPlans(store),
        store=store,
    )


def company_of_number(companies: Companies) -> Callable[[str], Awaitable[CompanyScope | None]]:
    async def find(number: str) -> CompanyScope | None:
        company = await companies.by_number(number)
        return company.scope if company else None

    return find
