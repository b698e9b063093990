"""Viber from end to end: webhook, agent, answer; judged by the journal's state."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from channels.model import Delivery
from tests.integration.channel_dialogue import ANSWERS, Dialogue, dialogue


@pytest.fixture
async def talk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Dialogue]:
    async with dialogue(database_url, redis_url, tmp_path, "viber") as found:
        yield found


async def test_a_haircut_is_booked_with_a_number_said_in_words(talk: Dialogue) -> None:
    talk.sim.opens(talk.client, "site")
    (greeting,) = await talk.answers()
    assert "Мята" in greeting.text
    talk.courier.times = 2
    said = await talk.books("Запишите меня на мужскую стрижку на завтра", ANSWERS, most_turns=12)
    (booking,) = await talk.booked()
    assert booking["service_ids"] == ["S03"]
    assert any(talk.client.phone[-2:] in line for line in said if line.startswith("> ")), "the number was asked for"
    texts = [message.text for message in talk.sim.received(talk.client)]
    assert len(texts) == len(set(texts)), "each callback came twice and was answered once"
    last = talk.sim.received(talk.client)[-1]
    for _ in range(2):  # the telephone and the tablet
        talk.sim.reports(last.id, Delivery.READ, talk.client)
    await talk.settled()
    agents = [row["delivery"] for row in await talk.messages() if row["author"] == "agent"]
    assert set(agents) == {"read"}, "seen tells of everything before, too"
