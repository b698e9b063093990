"""Accounts of simulated models, and a brain on top of them."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from agent.language.understander import RuleUnderstander
from agent.llm.brain import LlmBrain
from agent.llm.model import Account, Confirms, LlmSettings, LlmTimings, ModelChoice
from agent.llm.ports import Prompts
from agent.scripted import ScriptedBrain
from agent.wording.catalogue import Catalogue
from core.tenancy import CompanyScope

PATIENT = LlmTimings(hedge_s=20, scripted_s=30, gap_s=20, turn_s=40, rest_s=0.0, rest_refused_s=0.0)
"""For tests of what is said and done: a busy machine must not change who answers."""


@dataclass
class FixedAccounts:
    account: Account | None

    async def of(self, scope: CompanyScope) -> Account | None:
        return self.account


def account_of(*choices: ModelChoice, region: str = "RU", key: str = "k", **settings: Any) -> Account:
    chosen = replace(LlmSettings(models=choices, confirms=Confirms.MODEL), **settings)
    return Account(chosen, region, {choice.name: key for choice in choices})


@asynccontextmanager
async def llm_brain(
    account: Account | None, understander: Any = None, timings: LlmTimings = PATIENT, prompts: Prompts | None = None
):
    scripted = ScriptedBrain(understander or RuleUnderstander(), Catalogue())
    brain = LlmBrain(scripted, FixedAccounts(account), timings, prompts=prompts)
    try:
        yield brain
    finally:
        await brain.close()


@asynccontextmanager
async def simulated_brain(name: str, understander: Any = None, prompts: Prompts | None = None):
    """An LLM brain over a simulated provider: "gemini" is competent, "gemini/claims_booked" plays that trick.

    For the conversation suite and the attack suite: whatever they do with a brain they can do with this one.
    """
    from tests.simulators.model_behaviours import ADVERSARIAL, competent
    from tests.simulators.model_providers import SIMULATED
    from tests.simulators.model_server import model_server

    provider, _, trick = name.partition("/")
    sim = SIMULATED[provider]
    key = sim.key()
    async with model_server(sim.wire(key), ADVERSARIAL[trick] if trick else competent) as server:
        async with llm_brain(account_of(sim.choice(server.url), key=key), understander, prompts=prompts) as brain:
            yield brain
        assert not server.refused, server.refused[:3]
