"""Models scripted by the second, in the small salon, on a loop whose time jumps."""

import asyncio
from dataclasses import dataclass, field, replace

from pydantic_ai.models.function import DeltaToolCall, FunctionModel
from pydantic_ai.settings import ModelSettings

from agent.llm.brain import LlmBrain
from agent.llm.contest import Line
from agent.llm.model import Account, Confirms, LlmSettings, LlmTimings, ModelChoice, Provider
from agent.model import Say, Speaker, ToolCall, Turn, TurnKind, Utterance
from agent.scripted import ScriptedBrain
from agent.service import BookingAgent
from agent.understanding import Intent
from agent.wording.catalogue import Catalogue
from core.clock import FrozenClock
from tests.simulators.model_accounts import FixedAccounts
from tests.simulators.small_salon import NOW, Table, names, on, small_salon, usual_words, wants
from tests.simulators.small_salon import TOMORROW as DAY
from tests.simulators.virtual_time import VirtualTimeLoop

TIMINGS = LlmTimings(hedge_s=0.8, scripted_s=4.0, gap_s=2.0, turn_s=7.5, rest_s=30, rest_refused_s=300)


@dataclass
class Model:
    """A model that speaks by a script of (seconds, word or call) and records its requests."""

    script: list
    requests: list = field(default_factory=list)
    closed: int = 0

    def line(self, name: str) -> Line:
        async def stream(messages, info):
            self.requests.append(messages)
            script = self.script[min(len(self.requests), len(self.script)) - 1]
            try:
                for delay_s, item in script:
                    await asyncio.sleep(delay_s)
                    if isinstance(item, Exception):
                        raise item
                    yield item if isinstance(item, str) else {0: DeltaToolCall(name=item[0], json_args=item[1])}
            finally:
                self.closed += 1

        return Line(name, name, FunctionModel(stream_function=stream), ModelSettings())


@dataclass
class Pool:
    models: list

    async def lines(self, company, account):
        return [model.line(f"m{n}") for n, model in enumerate(self.models)]

    async def close(self):
        pass


def account(confirms=Confirms.MODEL, early=True):
    choice = ModelChoice("m0", Provider.OPENAI, "x")
    return Account(LlmSettings((choice,), confirms=confirms, early=early), "RU")


class Scene:
    """A conversation in the small salon with these models, on a loop whose time jumps."""

    def __init__(self, *models, confirms=Confirms.MODEL, early=True):
        self.clock = FrozenClock(NOW)
        self.salon = small_salon(self.clock)
        words = usual_words()
        words.means("к Марии завтра", Intent.BOOK, services=(wants("стрижку", "men"),), staff=(names("maria"),),
                    day=on(DAY))  # fmt: skip
        words.means("а парковка есть?", Intent.ASK_ADDRESS)
        scripted = ScriptedBrain(words, Catalogue())
        self.brain = LlmBrain(scripted, FixedAccounts(account(confirms, early)), TIMINGS, Pool(list(models)))
        self.agent = BookingAgent(crm=self.salon, desk=self.salon, book=self.salon, clock=self.clock, brain=self.brain,
                                  spoken_form=lambda t, _: t)  # fmt: skip
        self.table = Table(self.agent, self.clock)

    async def timed(self, text):
        """What is said, with the seconds since the turn began."""
        loop = asyncio.get_running_loop()
        began, heard = loop.time(), []
        history = (*self.table.conversation.history, Utterance(Speaker.CALLER, text, self.clock.now()))
        turn = Turn(TurnKind.WORDS, self.clock.now(), text)
        async for event in self.agent.reply(replace(self.table.conversation, history=history), turn):
            if isinstance(event, Say):
                heard.append((round(loop.time() - began, 2), event.text))
            if isinstance(event, ToolCall) and event.name == "model":
                self.verdict = event.outcome
        return heard

    async def close(self):
        await self.agent.close()
        await self.brain.close()


def run(scene_of, work):
    loop = VirtualTimeLoop()
    try:

        async def main():
            scene = scene_of()
            try:
                await scene.table.start()
                return await work(scene)
            finally:
                await scene.close()

        return loop.run_until_complete(main())
    finally:
        loop.close()
