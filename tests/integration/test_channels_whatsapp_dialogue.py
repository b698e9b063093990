"""WhatsApp from end to end: webhook, agent, answer; judged by the journal's state."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from channels.model import Delivery
from tests.integration.channel_dialogue import ANSWERS, GUEST, OTHER_GUEST, Dialogue, dialogue
from tests.simulators.vendor.faults import Mode

WISH = "Здравствуйте! Запишите меня на мужскую стрижку на завтра"
MOSCOW = ZoneInfo("Europe/Moscow")


@pytest.fixture
async def talk(
    request: pytest.FixtureRequest, database_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[Dialogue]:
    async with dialogue(database_url, redis_url, tmp_path, "whatsapp", getattr(request, "param", GUEST)) as found:
        yield found


async def test_a_haircut_is_booked_although_everything_comes_three_times(talk: Dialogue) -> None:
    talk.courier.times = 3
    talk.sim.faults.add(Mode.COMMIT_THEN_500, talk.sim.send_write)
    said = await talk.books(WISH, ANSWERS)
    (booking,) = await talk.booked()
    assert booking["service_ids"] == ["S03"]
    assert booking["name"] == "Вероника"
    tomorrow = datetime.now(MOSCOW).date() + timedelta(days=1)
    assert booking["starts_at"].astimezone(MOSCOW).date() == tomorrow
    assert not any("телефон" in line for line in said), "WhatsApp vouches for the number"
    texts = [message.text for message in talk.sim.received(talk.client)]
    assert len(texts) == len(set(texts)), "nothing was sent twice, although an answer of Meta's was lost"
    last = talk.sim.received(talk.client)[-1]
    talk.sim.reports(last.id, Delivery.READ, talk.client)
    await talk.settled()
    rows = await talk.messages()
    assert [row["delivery"] for row in rows if row["author"] == "agent"][-1] == "read"
    assert sum(row["author"] == "client" for row in rows) == sum(line.startswith("> ") for line in said)


@pytest.mark.parametrize("talk", [OTHER_GUEST], indirect=True)
async def test_a_guest_without_a_number_is_asked_for_it_and_keeps_her_thread(talk: Dialogue) -> None:
    talk.sim.hidden.add(talk.client.key)
    asked = False
    await talk.says(WISH)
    for _ in range(8):
        last = talk.sim.received(talk.client)[-1]
        if last.asks_phone:
            asked = True
            talk.sim.answers_contact_request(talk.client)
            await talk.answers()
        elif await talk.booked():
            break
        else:
            await talk.replies(last, ANSWERS)
    assert asked
    (booking,) = await talk.booked()
    assert booking["service_ids"] == ["S03"]
    talk.sim.hidden.clear()
    await talk.says("Сколько стоит педикюр?")
    threads = await talk.rows("select * from channel_threads where account_id = $1", talk.stored.account.id)
    assert [thread["phone"] for thread in threads] == [talk.client.phone]
    talk.sim.echoes_name_user_ids = False
    talk.sim.staff_says("Здравствуйте, дальше отвечу сама", talk.client)
    talk.sim.says("Хорошо", talk.client)
    await talk.settled()
    threads = await talk.rows("select * from channel_threads where account_id = $1", talk.stored.account.id)
    assert [thread["holder"] for thread in threads] == ["human"], "the echo names her by number alone"
    assert talk.news() == 0
