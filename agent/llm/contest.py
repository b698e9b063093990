"""Asks one model, and a second beside it when the first is slow; the first that begins to answer is listened to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import structlog

from agent.llm.failures import failure_of, retry_after_s
from agent.llm.health import Failure, Health
from agent.llm.model import LlmTimings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """A model ready to be asked."""

    key: str
    """Company and name: under it the health is kept."""
    name: str
    model: Any
    """pydantic_ai.models.Model"""
    settings: Any
    """pydantic_ai.settings.ModelSettings"""
    free: asyncio.Semaphore | None = None
    """Requests at once, where the contract limits them."""


@dataclass(frozen=True, slots=True)
class Text:
    piece: str


@dataclass(frozen=True, slots=True)
class Whole:
    """The answer is over."""

    response: Any
    """pydantic_ai.messages.ModelResponse"""
    line: Line


@dataclass(frozen=True, slots=True)
class _Begun:
    """Something came that is no text: a call, a thought."""


@dataclass(frozen=True, slots=True)
class _Failed:
    why: Failure


class NoAnswer(Exception):  # an expected outcome of asking, handled by the brain
    def __init__(self, why: Failure) -> None:
        super().__init__(why.value)
        self.why = why


Messages = Callable[[Line], list[Any]]
"""What a line is asked: another model must not be given the first one's signed thoughts."""


@dataclass(slots=True)
class Contest:
    lines: Sequence[Line]
    """In the order in which they are asked. At least one."""
    messages: Messages
    parameters: Any
    """pydantic_ai.models.ModelRequestParameters: the tools."""
    timings: LlmTimings
    health: Health
    _answers: "asyncio.Queue[tuple[int, object]]" = field(default_factory=asyncio.Queue)
    _tasks: dict[int, "asyncio.Task[None]"] = field(default_factory=dict)
    _asked: int = 0
    failed: set[str] = field(default_factory=set)
    """Keys of the lines that gave no answer."""
    winner: Line | None = None
    """Whose answer is listened to."""

    async def pieces(self) -> AsyncIterator[Text | Whole]:
        """Raises NoAnswer when nobody answers or the one that began falls silent. Closing it ends every request."""
        try:
            async with aclosing(_generator(self._listen())) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _listen(self) -> AsyncIterator[Text | Whole]:
        winner: int | None = None
        failed: list[Failure] = []
        self._ask()
        while True:
            try:
                async with asyncio.timeout(self._patience_s(winner)):
                    number, answer = await self._answers.get()
            except TimeoutError:
                if winner is not None:
                    self._note(winner, Failure.STALLED)
                    raise NoAnswer(Failure.STALLED) from None
                self._ask()
                continue
            if winner is not None and number != winner:
                continue
            if isinstance(answer, _Failed):
                self._tasks.pop(number).cancel()
                failed.append(answer.why)
                if winner is not None:
                    raise NoAnswer(answer.why)
                if not self._tasks and not self._ask():
                    raise NoAnswer(failed[0])
                continue
            if winner is None:
                winner, self.winner = number, self.lines[number]
                for other in [n for n in self._tasks if n != winner]:
                    self._tasks[other].cancel()
            if isinstance(answer, Text | Whole):
                yield answer
            if isinstance(answer, Whole):
                self.health.answered(answer.line.key)
                return

    def give_up(self) -> None:
        """Nobody answered in time: those that were asked rest a while."""
        for number in self._tasks if self.winner is None else ():
            self._note(number, Failure.STALLED)

    def _patience_s(self, winner: int | None) -> float | None:
        if winner is not None:
            return self.timings.gap_s
        return self.timings.hedge_s if self._asked < len(self.lines) else None

    def _ask(self) -> bool:
        """Begins with the next line. False: there is none left."""
        if self._asked >= len(self.lines):
            return False
        line = self.lines[self._asked]
        self._tasks[self._asked] = asyncio.create_task(self._read(self._asked, line), name=f"llm-{line.name}")
        self._asked += 1
        return True

    def _note(self, number: int, why: Failure, error: BaseException | None = None) -> None:
        line = self.lines[number]
        self.failed.add(line.key)
        # The text of a provider's error may hold what the caller said: only its kind is logged.
        log.warning("model_failed", model=line.name, reason=why.value, error=type(error).__name__ if error else "")
        wait_s = retry_after_s(error) if error is not None else None
        self.health.failed(line.key, why, asyncio.get_running_loop().time(), wait_s)

    async def _read(self, number: int, line: Line) -> None:
        try:
            if line.free is not None:
                async with line.free:
                    await self._stream(number, line)
            else:
                await self._stream(number, line)
        except Exception as error:
            # Whatever a foreign server and three client libraries can raise means the same here: no answer.
            why = failure_of(error)
            self._note(number, why, error)
            self._answers.put_nowait((number, _Failed(why)))

    async def _stream(self, number: int, line: Line) -> None:
        from pydantic_ai.direct import model_request_stream
        from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta

        request = model_request_stream(
            line.model, self.messages(line), model_settings=line.settings, model_request_parameters=self.parameters
        )
        async with request as stream:
            async for event in stream:
                match event:
                    case PartStartEvent(part=TextPart(content=text)) if text:
                        answer: object = Text(text)
                    case PartDeltaEvent(delta=TextPartDelta(content_delta=text)) if text:
                        answer = Text(text)
                    case PartStartEvent() | PartDeltaEvent():
                        answer = _Begun()
                    case _:
                        continue
                self._answers.put_nowait((number, answer))
            response = stream.get()
        self._answers.put_nowait((number, Whole(response, line)))


def _generator(pieces: AsyncIterator[Text | Whole]) -> Any:
    return pieces
