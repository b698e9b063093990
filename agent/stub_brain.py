"""An agent of fixed delays, for measuring the framework around it: no understanding, no CRM."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from agent.model import Conversation, DialogState, EndCall, Expect, ReplyEvent, Say, StateChanged, Turn, TurnKind
from crm.model import Outcome

SENTENCES = (
    ("Хорошо,", "сейчас", "всё", "посмотрю", "внимательно."),
    ("Подскажите,", "пожалуйста,", "какое", "время", "вам", "будет", "удобно?"),
)
"""12 words, 5 + 7."""


@dataclass(frozen=True, slots=True)
class StubAgent:
    first_word_ms: float = 150.0
    word_ms: float = 30.0
    greeting: str = "Здравствуйте, вас слушает автоматический помощник."

    async def reply(self, conversation: Conversation, turn: Turn) -> AsyncIterator[ReplyEvent]:
        match turn.kind:
            case TurnKind.START:
                yield Say(self.greeting)
            case TurnKind.HANG_UP:
                pass
            case TurnKind.SILENCE if turn.silence_count > 2:
                yield Say("До свидания.", Expect.NOTHING)
                yield EndCall(Outcome.SILENT)
            case _:
                delay_s = self.first_word_ms / 1000
                for words in SENTENCES:
                    await asyncio.sleep(delay_s + self.word_ms / 1000 * (len(words) - 1))
                    yield Say(" ".join(words))
                    delay_s = self.word_ms / 1000
        yield StateChanged(DialogState({"turns": int(conversation.state.data.get("turns", 0)) + 1}))

    def spoken(self, text: str, language: str) -> str:
        return text
