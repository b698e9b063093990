"""Identifiers as types of their own, so that no id can stand where another is meant."""

from typing import NewType
from uuid import UUID, uuid4

CompanyId = NewType("CompanyId", UUID)
ConversationId = NewType("ConversationId", UUID)
IntentId = NewType("IntentId", UUID)
CallId = NewType("CallId", str)
"""Id of a call leg: the same as the leg's conversation id in text form, safe as a file name."""


def new_conversation_id() -> ConversationId:
    return ConversationId(uuid4())


def new_intent_id() -> IntentId:
    return IntentId(uuid4())
