"""Talks with a salon whose CRM cannot be written to: the real DIKIDI adapter before its simulator, real words."""

from uuid import UUID

import pytest

from agent.language.understander import RuleUnderstander
from core.ids import CompanyId
from core.tenancy import CompanyScope
from tests.contract.arrangements import arrange
from tests.dialogues.runner import World, play
from tests.dialogues.snapshot import of_memory
from tests.simulators.memory_crm import memory_salon

NEVER = ["вы записаны", "записала вас", "записей нет"]
TALKS = [
    {
        "id": "phone", "channel": "phone", "from": "+79000000401", "answers": {"name": "Фёдор"},
        "lines": ["запишите на мужскую стрижку к марии в пятницу в десять", "спасибо до свидания"],
        "crm": {}, "effects": ["task:callback", "outcome:handed_to_admin"],
        "say": ["подтвердит администратор", "заявку.*мужская стрижка.*10:00.*ещё не запись"], "never": [*NEVER, "http"],
    },
    {
        "id": "telegram", "channel": "telegram", "from": "+79000000402", "answers": {"name": "Фёдор"},
        "lines": ["запишите на мужскую стрижку к марии в пятницу в 10", "спасибо"],
        "crm": {}, "effects": ["task:callback", "outcome:handed_to_admin"],
        "say": ["dikidi.net/550001 или", r"dikidi.net/550001\?p=3.pi-po-ssm-si&o=7&s=333"], "never": NEVER,
    },
    {
        "id": "when", "channel": "phone", "from": "+79000000101", "answers": {"name": "Ирина"},
        "lines": ["на когда я записана", "спасибо до свидания"],
        "crm": {}, "effects": ["task:callback", "outcome:handed_to_admin"], "say": ["перезвонят"], "never": NEVER,
    },
    {
        "id": "cancel", "channel": "phone", "from": "+79000000101", "answers": {"name": "Ирина"},
        "lines": ["отмените мою запись на сегодня", "спасибо до свидания"],
        "crm": {}, "effects": ["task:callback", "outcome:handed_to_admin"], "say": ["перезвонят"],
        "never": [*NEVER, "отменена"],
    },
]  # fmt: skip


@pytest.mark.parametrize("scenario", TALKS, ids=lambda scenario: scenario["id"])
async def test_a_person_gets_the_draft_and_nobody_is_told_that_she_is_booked(scenario):
    async with arrange("dikidi") as arranged:

        async def world(clock, data):
            salon = memory_salon(data, clock)

            async def state():
                return of_memory(salon)

            async def outcome(conversation_id):
                found = salon.outcomes.get(conversation_id)
                return found.value if found is not None else None

            async def begin(conversation):
                return None

            return World(arranged.crm, salon, salon, CompanyScope(CompanyId(UUID(int=1))), state, outcome, begin)

        played = await play(scenario, RuleUnderstander(), world)
        assert not played.faults, f"\n{played}"
        assert {seen.method for seen in arranged.sim.faults.seen} == {"GET"}
