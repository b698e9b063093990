"""Plays the conversation suite with one version of a prompt: what `ai-admin prompts check` measures."""

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.brain import Brain
from agent.language.understander import RuleUnderstander
from agent.llm.brain import LlmBrain
from agent.llm.health import Failure as ModelFailure
from agent.llm.model import Account
from agent.llm.ports import Prompts
from agent.prompts.model import Failure
from agent.scripted import ScriptedBrain
from agent.wording.catalogue import Catalogue
from app.cli.checkout import from_checkout
from app.cli.dialogue_brains import SCRIPTED, open_brain, sleepless
from core.errors import ConfigurationError, InvalidInput, Unavailable
from core.tenancy import CompanyScope

OWN = "own"
FOLDERS = ("scenarios", "own")
LEAST_ANSWERED = 0.5
"""Of the turns with a model. Fewer, because it does not answer, and the run says nothing about the prompt."""


@dataclass(frozen=True, slots=True)
class Suite:
    scenarios: tuple[dict[str, Any], ...]
    digest: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of a suite."""

    total: int
    failures: tuple[Failure, ...]
    turns: int
    unanswered: int


class _Fixed:
    def __init__(self, account: Account) -> None:
        self._account = account

    async def of(self, scope: CompanyScope) -> Account | None:
        return self._account


def suite_of(only: str = "") -> Suite:
    """The conversations of tests/dialogues whose id begins with `only`. Raises InvalidInput when there is none."""
    runner = from_checkout("tests.dialogues.runner")
    scenarios = [scenario for folder in FOLDERS for scenario in runner.load(folder)]
    chosen = tuple(scenario for scenario in scenarios if str(scenario["id"]).startswith(only))
    if not chosen:
        raise InvalidInput(f"--only: no conversation begins with {only!r}; the given ones are D01 to D30")
    text = json.dumps(chosen, ensure_ascii=False, default=str)
    return Suite(chosen, hashlib.sha256(text.encode()).hexdigest()[:12], len(chosen) == len(scenarios))


def brain_label(brain: str, account: Account | None) -> str:
    """As it is stored with a check. Raises InvalidInput for a brain that reads no prompt."""
    if brain == SCRIPTED:
        raise InvalidInput("--brain: the rules read no prompt; own, llm:PROVIDER (simulated) or llm:FILE.yaml")
    if brain == OWN:
        if account is None or not account.settings.models:
            raise ConfigurationError(
                "the company has no language model: add one with `ai-admin llm set`, or check with a simulated one: "
                "--brain llm:gemini"
            )
        return "own:" + ",".join(f"{model.name}={model.model}" for model in account.settings.models)
    name = brain.removeprefix("llm:")
    return f"file:{Path(name).name}" if name.endswith((".yaml", ".yml")) else f"simulated:{name}"


@contextlib.asynccontextmanager
async def checking_brain(
    brain: str, account: Account | None, understander: RuleUnderstander, prompts: Prompts
) -> AsyncIterator[Brain]:
    if brain != OWN:
        async with open_brain(brain, understander, prompts) as thinker:
            assert thinker is not None
            yield thinker
        return
    assert account is not None
    own = LlmBrain(ScriptedBrain(understander, Catalogue()), _Fixed(account), sleepless(), prompts=prompts)
    try:
        yield own
    finally:
        await own.close()


async def play_suite(
    suite: Suite, thinker: Brain, understander: RuleUnderstander, repeat: int, on_played: Callable[[], None]
) -> Outcome:
    """A conversation passes when every repetition does. Raises Unavailable when the model hardly answered: then the
    rules have talked, and their passing says nothing."""
    runner = from_checkout("tests.dialogues.runner")
    failures: list[Failure] = []
    told: list[str] = []
    for scenario in suite.scenarios:
        faults: dict[str, None] = {}
        for _ in range(repeat):
            played = await runner.play(scenario, understander, brain=thinker)
            told += [call.outcome for call in played.tools if call.name == "model"]
            faults |= dict.fromkeys(played.faults)
            on_played()
        if faults:
            failures.append(Failure(str(scenario["id"]), str(scenario.get("title", "")), tuple(faults)))
    away = sum(1 for outcome in told if outcome in set(ModelFailure))
    if told and 1 - away / len(told) < LEAST_ANSWERED:
        raise Unavailable(
            f"the model did not answer in {away} of {len(told)} turns, so this says nothing about the prompt; "
            "nothing was stored. Find out why with `ai-admin llm check`"
        )
    if not told:
        raise Unavailable("no model was asked in these conversations: nothing was stored")
    return Outcome(len(suite.scenarios), tuple(failures), len(told), sum(1 for outcome in told if outcome != "ok"))
