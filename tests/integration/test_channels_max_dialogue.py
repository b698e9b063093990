"""MAX from end to end: webhook, agent, answer; judged by the journal's state."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.channel_dialogue import ANSWERS, Dialogue, dialogue
from tests.simulators.vendor.faults import Mode


@pytest.fixture
async def talk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Dialogue]:
    async with dialogue(database_url, redis_url, tmp_path, "max") as found:
        yield found


async def test_a_haircut_is_booked_from_the_start_button_to_the_shared_number(talk: Dialogue) -> None:
    talk.sim.begins(talk.client, "site")
    (greeting,) = await talk.answers()
    assert "Мята" in greeting.text
    talk.courier.times = 2
    talk.sim.faults.add(Mode.TOO_MANY, talk.sim.send_write, seconds=1)
    await talk.says("Запишите меня на мужскую стрижку на завтра")
    asked = False
    for _ in range(8):
        last = talk.sim.received(talk.client)[-1]
        if last.asks_phone:
            asked = True
            talk.sim.shares_contact(talk.client)
            await talk.answers()
        elif await talk.booked():
            break
        else:
            await talk.replies(last, ANSWERS)
    assert asked
    (booking,) = await talk.booked()
    assert booking["service_ids"] == ["S03"]
    texts = [message.text for message in talk.sim.received(talk.client)]
    assert len(texts) == len(set(texts)), "each update came twice and was answered once"
    assert "Готово" in texts[-1] or "записаны" in texts[-1]
    talk.sim.blocks(talk.client)
    await talk.settled()
    reachable = await talk.value("select reachable from channel_threads where account_id = $1", talk.stored.account.id)
    assert reachable is False
