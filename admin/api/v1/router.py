"""The company API put together. What it needs is given by the composition."""

from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter

from admin.api.v1.access import Gate, Right
from admin.api.v1.bookings import bookings_router
from admin.api.v1.catalogue import catalogue_router
from admin.api.v1.company import company_router
from admin.api.v1.connections import Connections, connections_router
from admin.api.v1.history import messages_router, persons_router, recordings_router
from admin.api.v1.keys import keys_router
from admin.api.v1.repeats import repeatable
from admin.api.v1.tasks import tasks_router
from admin.api.v1.users import users_router
from admin.api.v1.webhooks import webhooks_router
from core.api_answers import ApiAnswers
from core.api_keys import ApiKeys
from core.clock import Clock
from core.companies import Companies
from core.conversations import ConversationStore
from core.history import History
from core.personal import PersonalData
from core.signed_links import SignedLinks
from core.users import Users
from core.webhooks import Webhooks
from crm.ports import BookingDesk, Crm, SalonBook
from crm.task_list import TaskList


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything behind the company API."""

    gate: Gate
    answers: ApiAnswers
    clock: Clock
    companies: Companies
    keys: ApiKeys
    users: Users
    crm: Crm
    desk: BookingDesk
    book: SalonBook
    tasks: TaskList
    webhooks: Webhooks
    crm_connections: Connections
    channel_connections: Connections
    conversations: ConversationStore
    history: History
    persons: PersonalData
    links: SignedLinks
    data_dir: Path
    public_url: str


def company_api(parts: Parts) -> APIRouter:
    """Mounted under /api/v1."""
    router = APIRouter(route_class=repeatable(parts.gate, parts.answers))
    company_router(parts.gate, parts.companies, parts.keys, router)
    keys_router(parts.gate, parts.keys, router)
    users_router(parts.gate, parts.users, router)
    catalogue_router(parts.gate, parts.crm, parts.clock, router)
    bookings_router(parts.gate, parts.crm, parts.desk, parts.book, router)
    tasks_router(parts.gate, parts.tasks, router)
    webhooks_router(parts.gate, parts.webhooks, router)
    connections_router(parts.gate, "crm", Right.CRM_READ, Right.CRM_WRITE, parts.crm_connections, router)
    connections_router(
        parts.gate, "channels", Right.CHANNELS_READ, Right.CHANNELS_WRITE, parts.channel_connections, router
    )
    messages_router(parts.gate, parts.history, router)
    recordings_router(parts.gate, parts.conversations, parts.links, parts.data_dir, parts.public_url, router)
    persons_router(parts.gate, parts.persons, router)
    return router
