"""The thirty conversations and our own paraphrases, judged by the salon's state before and after.

They run against the real journal on PostgreSQL. A scenario that does not pass yet stands in NOT_YET with the reason;
when it starts to pass, the strict mark fails and the entry must go.
"""

import pytest

from agent.language.understander import RuleUnderstander
from tests.dialogues.journal_world import journal_world
from tests.dialogues.runner import load, play

NOT_YET: dict[str, str] = {}


@pytest.fixture(scope="module")
def understander():
    return RuleUnderstander()


def _parameters(folder):
    parameters = []
    for scenario in load(folder):
        reason = NOT_YET.get(scenario["id"])
        marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
        parameters.append(pytest.param(scenario, id=scenario["id"], marks=marks))
    return parameters


@pytest.mark.parametrize("scenario", _parameters("scenarios"))
async def test_scenario(scenario, understander, database):
    played = await play(scenario, understander, journal_world(database))
    assert not played.faults, f"\n{played}"


@pytest.mark.parametrize("scenario", _parameters("own"))
async def test_paraphrase(scenario, understander, database):
    played = await play(scenario, understander, journal_world(database))
    assert not played.faults, f"\n{played}"
