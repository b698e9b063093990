"""The messengers' pipe on a real database: in order, once each, answered by the real agent, silent beside people."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.channel_stage import Stage, channel_stage
from tests.simulators.plain_channel import said


@pytest.fixture
async def stage(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with channel_stage(database_url, redis_url, tmp_path) as stage:
        yield stage


async def test_a_message_is_answered_by_the_agent(stage: Stage) -> None:
    await stage.tell(said("Сколько стоит мужская стрижка?", phone="+79000000103"))
    (text,) = stage.vendor.texts()
    assert "автоматический помощник" in text
    assert "рублей" in text
    rows = await stage.rows("select author, text, turn, delivery from messages order by at, position")
    assert [row["author"] for row in rows] == ["client", "agent"]
    assert [row["turn"] for row in rows] == [1, 1]
    assert rows[1]["delivery"] == "sent"
