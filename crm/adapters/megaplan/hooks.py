"""The event stream of a Megaplan application: https://dev.megaplan.ru/apps/events.html. Pure.

A refused event holds back all later ones, so that only what is surely not of this connection is refused: anything that
cannot be read is accepted and says nothing; the poll finds what it meant.
"""

import json
from collections.abc import Mapping
from typing import Any

import structlog

from core.errors import Forbidden
from crm.vendor.adapter import ChangeHint

log = structlog.get_logger(__name__)

_KINDS = {
    "Todo": "booking",
    "ContractorHuman": "client",
    "ContractorCompany": "client",
    "Employee": "staff",
    "Offer": "service",
}
_ACTIONS = {"on_after_create": "create", "on_after_update": "update", "on_after_drop": "delete"}


def read(body: bytes, integration_uuid: str) -> list[ChangeHint]:
    """Raises Forbidden for an event of another application, where the salon gave this one's uuid."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        log.warning("megaplan_event_unreadable", size=len(body))
        return []
    account = _object(event, "accountInfo")
    if integration_uuid and str(account.get("integrationUuid") or "").lower() != integration_uuid.lower():
        raise Forbidden("the event is of another application")
    data = _object(event, "data")
    model = account.get("model") or data.get("contentType") or event.get("model")
    number = str(data.get("id") or "")
    if not isinstance(model, str) or not number:
        # A business process sends {"data": {"deal": {"Id": …}}}: nothing of it is a booking here.
        log.info("megaplan_event_without_entity")
        return []
    action = _ACTIONS.get(str(event.get("event") or event.get("action") or ""), "update")
    uuid = str(account.get("uuid") or event.get("uuid") or "")
    return [ChangeHint(_KINDS.get(model, model.lower()), number, action, uuid)]


def _object(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}
