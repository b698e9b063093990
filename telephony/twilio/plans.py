"""How a call goes on when our socket has closed: the stream's process writes it, the webhook reads it.

When the socket of <Connect><Stream> closes, Twilio runs the next TwiML verb. Ours asks the webhook, and only this
record tells a call that is over from one whose process died.
"""

import json
from dataclasses import dataclass
from enum import StrEnum

import structlog

from core.errors import Unavailable
from telephony.twilio.store import ExpiringStore

KEPT_S = 3600
"""A transferred call may come back when nobody answers; the longest ring is minutes."""

_log = structlog.get_logger(__name__)


class PlanKind(StrEnum):
    HANG_UP = "hang_up"
    TRANSFER = "transfer"
    FAILED = "failed"
    """Our side cannot serve this call any more: say so and hang up."""


@dataclass(frozen=True, slots=True)
class Plan:
    kind: PlanKind
    target: str = ""
    """TRANSFER: E.164 number or SIP URI."""


class CallPlans:
    def __init__(self, store: ExpiringStore) -> None:
        self._store = store

    async def put(self, call_sid: str, plan: Plan) -> None:
        try:
            await self._store.put(f"plan:{call_sid}", json.dumps([plan.kind, plan.target]), KEPT_S)
        except Unavailable:
            _log.warning("twilio_plan_not_recorded", call_sid=call_sid, plan=plan.kind)

    async def get(self, call_sid: str) -> Plan | None:
        """None: nobody decided, the socket was lost."""
        try:
            text = await self._store.get(f"plan:{call_sid}")
        except Unavailable:
            return None
        if text is None:
            return None
        kind, target = json.loads(text)
        return Plan(PlanKind(kind), target)

    async def drop(self, call_sid: str) -> None:
        try:
            await self._store.forget(f"plan:{call_sid}")
        except Unavailable:
            _log.warning("twilio_plan_not_dropped", call_sid=call_sid)
