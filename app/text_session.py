"""One conversation by text with the same agent as on the phone: state, history, timeline, outcome."""

from dataclasses import replace
from typing import Any

from agent.model import Channel, Conversation, Speaker, Turn, TurnKind, Utterance
from agent.ports import Agent
from agent.text_reply import TextReply as Reply
from agent.text_reply import collect
from core.clock import Clock
from core.conversations import ConversationStore
from core.ids import new_conversation_id
from core.phone import Phone
from core.tenancy import CompanyScope
from core.timeline import EventKind, Timeline, TimelineEvent

__all__ = ["Reply", "TextSession"]


class TextSession:
    def __init__(
        self, agent: Agent, store: ConversationStore, timeline: Timeline, clock: Clock, scope: CompanyScope,
        channel: Channel, caller: Phone | None,
    ) -> None:  # fmt: skip
        self._agent = agent
        self._store = store
        self._timeline = timeline
        self._clock = clock
        self.conversation = Conversation(new_conversation_id(), scope, channel, caller, clock.now())

    async def open(self) -> Reply:
        """Starts the conversation; the reply is the greeting."""
        conversation = self.conversation
        await self._store.start(
            conversation.scope, conversation.id, channel=conversation.channel.value,
            started_at=conversation.started_at, caller=conversation.caller.e164 if conversation.caller else "",
        )  # fmt: skip
        self._log(EventKind.STARTED, channel=conversation.channel.value)
        return await self._reply(TurnKind.START, "")

    async def say(self, text: str) -> Reply:
        self._remember(Speaker.CALLER, text)
        self._log(EventKind.CALLER_TURN, turn_kind=TurnKind.WORDS.value, pii_text=text)
        return await self._reply(TurnKind.WORDS, text)

    async def close(self, *, left: bool) -> None:
        """left: the person went away without a goodbye; the agent files the outcome."""
        if left:
            await self._reply(TurnKind.HANG_UP, "")
        conversation = self.conversation
        reason = "left" if left else "agent"
        await self._store.end(conversation.scope, conversation.id, ended_at=self._clock.now(), reason=reason)
        self._log(EventKind.ENDED, reason=reason)

    async def _reply(self, kind: TurnKind, text: str) -> Reply:
        reply = Reply()
        try:
            await collect(self._agent, self.conversation, Turn(kind, self._clock.now(), text), self._clock, reply)
        finally:
            for event in reply.timeline(self.conversation.id):
                self._timeline.append(self.conversation.scope, event)
        if reply.state is not None:
            self.conversation = replace(self.conversation, state=reply.state)
        for said in reply.texts:
            self._remember(Speaker.AGENT, said)
        conversation = self.conversation
        await self._store.save_state(conversation.scope, conversation.id, conversation.state.data)
        return reply

    def _remember(self, speaker: Speaker, text: str) -> None:
        line = Utterance(speaker, text, self._clock.now())
        self.conversation = replace(self.conversation, history=(*self.conversation.history, line))

    def _log(self, kind: EventKind, **data: Any) -> None:
        event = TimelineEvent(self.conversation.id, kind, self._clock.now(), None, data)
        self._timeline.append(self.conversation.scope, event)
