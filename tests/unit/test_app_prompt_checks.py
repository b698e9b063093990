"""The suite that a prompt is checked by: which conversations, told apart by digest; empty runs are refused."""

from typing import Any

import pytest

from agent.llm.model import Account, LlmSettings, ModelChoice, Provider
from agent.model import ToolCall
from app.cli import prompt_checks
from app.cli.prompt_checks import Suite, brain_label, play_suite, suite_of
from core.errors import ConfigurationError, InvalidInput, Unavailable
from tests.dialogues.runner import Played

MODEL = ModelChoice("main", Provider.GIGACHAT, "GigaChat-2")


def test_the_whole_suite_and_parts_of_it():
    whole = suite_of()
    assert whole.whole
    assert len(whole.scenarios) >= 30
    assert suite_of() == whole
    part = suite_of("D0")
    assert not part.whole
    assert [scenario["id"] for scenario in part.scenarios] == [f"D0{n}" for n in range(1, 10)]
    assert part.digest != whole.digest
    with pytest.raises(InvalidInput, match="no conversation begins"):
        suite_of("nothing")


def test_brains_have_names_that_tell_real_from_simulated():
    assert brain_label("own", Account(LlmSettings((MODEL,)), "RU")) == "own:main=GigaChat-2"
    assert brain_label("llm:gemini/leaks", None) == "simulated:gemini/leaks"
    assert brain_label("llm:/tmp/some/model.yaml", None) == "file:model.yaml"
    with pytest.raises(ConfigurationError, match="no language model"):
        brain_label("own", None)
    with pytest.raises(InvalidInput, match="the rules read no prompt"):
        brain_label("scripted", None)


class Runner:
    """Plays nothing: says what the model's turns came to, by name of the conversation."""

    def __init__(self, told: dict[str, list[str]], faults: dict[str, list[list[str]]]) -> None:
        self.told = told
        self.faults = faults

    async def play(self, scenario: dict[str, Any], understander: Any, brain: Any) -> Played:
        tools = [ToolCall("model", {}, outcome, 1.0, writes=False) for outcome in self.told[scenario["id"]]]
        repeats = self.faults.get(scenario["id"])
        return Played(tools=tools, faults=repeats.pop(0) if repeats else [])


async def outcome_of(monkeypatch: pytest.MonkeyPatch, runner: Runner, repeat: int = 1) -> prompt_checks.Outcome:
    monkeypatch.setattr(prompt_checks, "from_checkout", lambda name: runner)
    suite = Suite(tuple({"id": name, "title": ""} for name in runner.told), "s", whole=True)
    thinker: Any = None
    return await play_suite(suite, thinker, thinker, repeat, lambda: None)


async def test_a_conversation_passes_when_every_repetition_does(monkeypatch):
    runner = Runner({"A": ["ok"], "B": ["ok", "fault:price"]}, {"B": [[], ["no booking"], []]})
    outcome = await outcome_of(monkeypatch, runner, repeat=3)
    assert [(failure.id, failure.faults) for failure in outcome.failures] == [("B", ("no booking",))]
    assert (outcome.total, outcome.turns, outcome.unanswered) == (2, 9, 3)


@pytest.mark.parametrize("told", [["unreachable", "stalled", "ok"], ["auth", "auth"]])
async def test_a_model_that_is_away_proves_nothing(monkeypatch, told):
    with pytest.raises(Unavailable, match="did not answer in 2 of"):
        await outcome_of(monkeypatch, Runner({"A": told}, {}))


async def test_rules_alone_prove_nothing(monkeypatch):
    with pytest.raises(Unavailable, match="no model was asked"):
        await outcome_of(monkeypatch, Runner({"A": []}, {}))


async def test_sentences_held_back_are_the_prompts_fault_not_the_providers(monkeypatch):
    outcome = await outcome_of(monkeypatch, Runner({"A": ["fault:price", "fault:time", "ok"]}, {}))
    assert outcome.unanswered == 2
