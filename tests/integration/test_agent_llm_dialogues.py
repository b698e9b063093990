"""Whole conversations with a simulated model over the real wire of each provider: the book at the end is what counts.

The model is competent, or plays every trick, or its provider breaks at any step; what is booked must be right and
booked once, whoever has said it.
"""

import re

import pytest

from agent.language.understander import RuleUnderstander
from agent.llm.model import Confirms, LlmTimings
from tests.dialogues.journal_world import journal_world
from tests.dialogues.runner import load, play
from tests.integration.conftest import database, database_url, embedded_stack, migrated_template  # noqa: F401
from tests.simulators.model_accounts import PATIENT, account_of, llm_brain
from tests.simulators.model_behaviours import ADVERSARIAL, Broken, competent
from tests.simulators.model_providers import SIMULATED
from tests.simulators.model_server import model_server

BRISK = LlmTimings(hedge_s=0.1, scripted_s=0.8, gap_s=0.3, turn_s=20, rest_s=0.0, rest_refused_s=0.0)
"""A stalled stream is given up soon; a busy machine still decides nothing."""
USELESS = ("no created booking", "missing effect", "unexpected effect outcome:info")
ALL = {scenario["id"]: scenario for scenario in load("scenarios")}
SOME = ("D04", "D06", "D14", "D26")
"""A chain of two masters, a move, a child, English."""


@pytest.fixture(scope="module")
def understander():
    return RuleUnderstander()


def told(played):
    return [call.outcome for call in played.tools if call.name == "model"]


@pytest.mark.parametrize("name", [name for name in SIMULATED if name != "gemini"])
async def test_every_provider_holds_conversations(name, understander):
    sim = SIMULATED[name]
    key = sim.key()
    async with model_server(sim.wire(key), competent) as server:
        async with llm_brain(account_of(sim.choice(server.url), key=key), understander) as brain:
            for scenario_id in SOME:
                played = await play(ALL[scenario_id], understander, brain=brain)
                assert not played.faults, f"{scenario_id}\n{played}"
                assert set(told(played)) <= {"ok"}
        assert server.refused == server.failures == []
        assert "find_times" in {call.name for asked in server.asked for call in asked.calls}


@pytest.mark.parametrize("scenario_id", sorted(ALL))
async def test_gemini_holds_the_thirty(scenario_id, understander):
    sim = SIMULATED["gemini"]
    key = sim.key()
    async with model_server(sim.wire(key), competent, seed=int(scenario_id[1:])) as server:
        async with llm_brain(account_of(sim.choice(server.url), key=key), understander) as brain:
            played = await play(ALL[scenario_id], understander, brain=brain)
        assert not played.faults, f"\n{played}"
        assert set(told(played)) <= {"ok"}
        assert server.refused == server.failures == []


async def test_the_journal_is_written_by_the_models_own_tools(database, understander):  # noqa: F811
    sim = SIMULATED["openai"]
    key = sim.key()
    async with model_server(sim.wire(key), competent) as server:
        async with llm_brain(account_of(sim.choice(server.url), key=key), understander) as brain:
            for scenario_id in ("D01", "D06", "D08"):
                played = await play(ALL[scenario_id], understander, journal_world(database), brain)
                assert not played.faults, f"{scenario_id}\n{played}"
        used = {call.name for asked in server.asked for call in asked.calls}
        assert {"find_times", "book", "move_booking", "cancel_booking"} <= used


@pytest.mark.parametrize("name", sorted(ADVERSARIAL))
async def test_a_model_that_must_not_be_trusted_changes_nothing(name, understander):
    """What is in the book afterwards is right, or nothing; a model that is merely useless costs the visit at worst."""
    sim = SIMULATED["openai"]
    confirms = Confirms.CODE if name == "claims_booked" else Confirms.MODEL
    key = sim.key()
    async with model_server(sim.wire(key), ADVERSARIAL[name]) as server:
        account = account_of(sim.choice(server.url), key=key, confirms=confirms)
        async with llm_brain(account, understander) as brain:
            for scenario_id in ("D03", "D08"):
                played = await play(ALL[scenario_id], understander, brain=brain)
                useless = ("never said", "said", *(USELESS if name in ("books_at_once", "leaks") else ()))
                book = [fault for fault in played.faults if not fault.startswith(useless)]
                assert not book, f"{scenario_id}\n{played}"
                text = played.agent_text
                assert not re.search(r"03:17|[{}<>]|скидк|99 руб", text), text
                if name not in ("foreign_ids", "extra_arguments"):
                    assert set(told(played)) - {"ok"} or name in ("books_at_once",), told(played)


@pytest.mark.parametrize(
    "fault", [{"cut_at": 260}, {"stall_at": 420}, {"status": 503}, {"error_inside": True}], ids=str
)
async def test_the_provider_breaks_at_any_step_and_the_visit_is_booked_once(fault, understander):
    sim = SIMULATED["openai"]
    key = sim.key()
    counted = Broken(0, {})
    async with model_server(sim.wire(key), counted) as server:
        async with llm_brain(account_of(sim.choice(server.url), key=key), understander) as brain:
            await play(ALL["D03"], understander, brain=brain)
        steps = counted.count
        assert steps >= 5
        for number in range(1, steps + 1, 1 if "cut_at" in fault else 3):
            behaviour = Broken(number, fault)
            server.behave = behaviour
            async with llm_brain(account_of(sim.choice(server.url), key=key), understander, BRISK) as brain:
                played = await play(ALL["D03"], understander, brain=brain)
            assert behaviour.hit == 1
            assert not played.faults, f"step {number}\n{played}"
            assert [c.name for c in played.tools if c.writes and c.name == "book"] == ["book"], f"step {number}"


async def test_the_provider_dies_for_good_in_the_middle_of_a_sentence(understander):
    """The rules go on from the same state, to the end of the conversation."""
    sim = SIMULATED["gemini"]
    key = sim.key()
    for last_good in range(5):
        count = 0

        def dying(asked, last_good=last_good):
            nonlocal count
            count += 1
            reply = competent(asked)
            if count <= last_good:
                return reply
            return type(reply)(words="Хорошо, сейчас посмотрю, какое время у нас", finish="none", cut_at=330)

        async with model_server(sim.wire(key), dying) as server:
            dead = LlmTimings(**{f: getattr(BRISK, f) for f in BRISK.__dataclass_fields__} | {"rest_s": 3600.0})
            async with llm_brain(account_of(sim.choice(server.url), key=key), understander, dead) as brain:
                played = await play(ALL["D03"], understander, brain=brain)
            assert not played.faults, f"after {last_good}\n{played}"
            assert "какое время у нас" not in played.agent_text
            assert count == last_good + 1, "a dead model is not asked again while it rests"


async def test_the_second_provider_goes_on_where_the_first_was_refused(understander):
    first, second = SIMULATED["gemini"], SIMULATED["anthropic"]
    keys = {"gemini": first.key(), "anthropic": second.key()}

    def exhausted(asked):
        reply = competent(asked)
        return type(reply)(status=429, retry_after_s=30) if asked.results else reply

    async with (
        model_server(first.wire(keys["gemini"]), exhausted) as one,
        model_server(second.wire(keys["anthropic"]), competent) as two,
    ):
        account = account_of(first.choice(one.url), second.choice(two.url))
        account.keys.update(keys)
        async with llm_brain(account, understander, PATIENT) as brain:
            played = await play(ALL["D03"], understander, brain=brain)
        assert not played.faults, f"\n{played}"
        assert set(told(played)) == {"ok"}
        assert two.asked
        assert one.refused == two.refused == []
