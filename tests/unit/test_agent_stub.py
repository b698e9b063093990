"""The measuring stub keeps the promised rhythm: 5 words, then 7, first after first_word_ms, one each word_ms."""

import asyncio
from uuid import uuid4

from agent.model import Channel, Conversation, Say, StateChanged, Turn, TurnKind
from agent.stub_brain import StubAgent
from core.clock import SystemClock
from core.ids import CompanyId, new_conversation_id
from core.tenancy import CompanyScope


async def test_two_sentences_in_order_and_on_time(monkeypatch):
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    now = SystemClock().now()
    conversation = Conversation(new_conversation_id(), CompanyScope(CompanyId(uuid4())), Channel.PHONE, None, now)
    events = [event async for event in StubAgent(150, 30).reply(conversation, Turn(TurnKind.WORDS, now, "раз"))]

    said = [event.text.split() for event in events if isinstance(event, Say)]
    assert [len(words) for words in said] == [5, 7]
    assert waits == [0.150 + 4 * 0.030, 0.030 + 6 * 0.030]
    assert isinstance(events[-1], StateChanged)
