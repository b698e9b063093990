"""Which brain the conversation suite plays against: the rules, a simulated model, or a real one of a file."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import yaml

from agent.brain import Brain
from agent.language.understander import RuleUnderstander
from agent.llm.brain import LlmBrain
from agent.llm.model import Account, LlmSettings, LlmTimings
from agent.llm.ports import Prompts
from agent.llm.settings import settings_from_json
from agent.scripted import ScriptedBrain
from agent.wording.catalogue import Catalogue
from app.cli.checkout import from_checkout
from app.llm_accounts import llm_timings
from core.errors import InvalidInput
from core.tenancy import CompanyScope

SCRIPTED = "scripted"
KEY_VARIABLE = "AI_ADMIN_LLM_KEY"
"""The key of the models of a file; companies keep theirs encrypted."""
REGION_VARIABLE = "AI_ADMIN_LLM_REGION"


class _OfFile:
    def __init__(self, account: Account) -> None:
        self._account = account

    async def of(self, scope: CompanyScope) -> Account | None:
        return self._account


@contextlib.asynccontextmanager
async def open_brain(
    name: str, understander: RuleUnderstander, prompts: Prompts | None = None
) -> AsyncIterator[Brain | None]:
    """`scripted` (None), `llm:PROVIDER` or `llm:PROVIDER/TRICK` (simulated), `llm:FILE.yaml` (a real model).

    `prompts`: the version that a model is told; None: the shipped text. Raises InvalidInput for a name that is none.
    """
    if name == SCRIPTED:
        yield None
        return
    model = name.removeprefix("llm:")
    if model == name or not model:
        raise InvalidInput(f"--brain: scripted, llm:PROVIDER (simulated) or llm:FILE.yaml, got {name!r}")
    if model.endswith((".yaml", ".yml")):
        async with _real(Path(model), understander, prompts) as brain:
            yield brain
        return
    provider, _, trick = model.partition("/")
    simulated = from_checkout("tests.simulators.model_providers").SIMULATED
    tricks = from_checkout("tests.simulators.model_behaviours").ADVERSARIAL
    if provider not in simulated or (trick and trick not in tricks):
        known = f"{', '.join(simulated)}; tricks after a slash: {', '.join(tricks)}"
        raise InvalidInput(f"--brain: there is no simulated model {model!r}; there are {known}")
    async with from_checkout("tests.simulators.model_accounts").simulated_brain(model, understander, prompts) as brain:
        yield brain


def sleepless() -> LlmTimings:
    """For checks: a model that failed is asked again at once, so that no turn goes to the rules uncounted."""
    return replace(llm_timings(), rest_s=0.0, rest_refused_s=0.0)


def _settings_of(file: Path) -> LlmSettings:
    try:
        data = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise InvalidInput(f"--brain: cannot be read as YAML: {file}") from None
    return settings_from_json(data["llm"] if isinstance(data, dict) and "llm" in data else data)


@contextlib.asynccontextmanager
async def _real(file: Path, understander: RuleUnderstander, prompts: Prompts | None) -> AsyncIterator[Brain]:
    settings = await asyncio.to_thread(_settings_of, file)
    key = os.environ.get(KEY_VARIABLE, "")
    region = os.environ.get(REGION_VARIABLE, "RU")
    account = Account(settings, region, {model.name: key for model in settings.models})
    timings = llm_timings() if prompts is None else sleepless()
    brain = LlmBrain(ScriptedBrain(understander, Catalogue()), _OfFile(account), timings, prompts=prompts)
    try:
        yield brain
    finally:
        await brain.close()
