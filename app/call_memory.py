"""Running conversations kept in Redis, so that another brain can go on when one dies in mid-call."""

import json
from datetime import datetime
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from agent.model import Channel, Conversation, DialogState, Speaker, Utterance
from core.ids import ConversationId
from core.phone import Phone
from core.tenancy import CompanyScope
from voice.ports import CallInfo, CompanyLine
from voice.service import conversation_id_of

log = structlog.get_logger(__name__)

KEPT_S = 3600
"""Longer than the longest call."""


class RedisCallMemory:
    """Implements voice.ports.CallMemory. A fault costs the resumption, never the call."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def keep(self, conversation: Conversation) -> None:
        try:
            await self._redis.set(
                _key(conversation.scope, conversation.id),
                json.dumps(_to_json(conversation), ensure_ascii=False),
                ex=KEPT_S,
            )
        except (RedisError, TimeoutError) as fault:
            log.warning("call_not_kept", conversation=str(conversation.id), fault=type(fault).__name__)

    async def recall(self, line: CompanyLine, info: CallInfo) -> Conversation | None:
        conversation_id = conversation_id_of(info)
        try:
            text = await self._redis.get(_key(line.scope, conversation_id))
        except (RedisError, TimeoutError) as fault:
            log.warning("call_not_recalled", call_id=info.call_id, fault=type(fault).__name__)
            return None
        return _from_json(line.scope, conversation_id, json.loads(text)) if text else None


def _key(scope: CompanyScope, conversation_id: ConversationId) -> str:
    return f"call:{scope.company_id}:{conversation_id}"


def _to_json(conversation: Conversation) -> dict[str, Any]:
    return {
        "channel": conversation.channel.value,
        "caller": conversation.caller.e164 if conversation.caller else None,
        "started_at": conversation.started_at.isoformat(),
        "state": conversation.state.data,
        "history": [
            {"speaker": line.speaker.value, "text": line.text, "at": line.at.isoformat(), "cut": line.cut}
            for line in conversation.history
        ],
    }


def _from_json(scope: CompanyScope, conversation_id: ConversationId, kept: dict[str, Any]) -> Conversation:
    return Conversation(
        id=conversation_id,
        scope=scope,
        channel=Channel(kept["channel"]),
        caller=Phone(kept["caller"]) if kept["caller"] else None,
        started_at=datetime.fromisoformat(kept["started_at"]),
        state=DialogState(kept["state"]),
        history=tuple(
            Utterance(Speaker(line["speaker"]), line["text"], datetime.fromisoformat(line["at"]), line["cut"])
            for line in kept["history"]
        ),
    )
