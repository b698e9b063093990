"""VK from end to end: callback and long poll, agent, answer; judged by the journal's state."""

from pathlib import Path
from typing import cast

from tests.integration.channel_dialogue import ANSWERS, Dialogue, dialogue
from tests.simulators.channel.protocol import ANNA, BORIS, Client
from tests.simulators.vendor.crm import until
from tests.simulators.vendor.faults import Mode
from tests.simulators.vk.server import VkSimulator

WISH = "Запишите меня на мужскую стрижку на завтра"
PHONE = "+79161230011"
OTHER_PHONE = "+79161230012"


def vk(talk: Dialogue) -> VkSimulator:
    return cast("VkSimulator", talk.sim)


def told(phone: str) -> dict[str, str]:
    """VK tells no number, so it is written."""
    return {
        r"телефон|ваш номер|по цифрам": phone,
        **{asked: said for asked, said in ANSWERS.items() if "телефон" not in asked},
    }


async def test_a_haircut_is_booked_once_although_answers_are_lost(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with dialogue(database_url, redis_url, tmp_path, "vk", Client(ANNA.key, "Вероника", PHONE)) as talk:
        talk.courier.times = 2
        talk.sim.says("site", talk.client, start=True)
        (greeting,) = await talk.answers()
        assert "Мята" in greeting.text
        assert [server["status"] for server in vk(talk).servers.values()] == ["ok"], "the string was answered"
        talk.sim.faults.add(Mode.COMMIT_THEN_500, talk.sim.send_write, times=2)
        await talk.books(WISH, told(PHONE))
        (booking,) = await talk.booked()
        assert booking["service_ids"] == ["S03"]
        texts = [message.text for message in talk.sim.received(talk.client)]
        assert len(texts) == len(set(texts)), "sent again with the same random_id, it is the same message"
        assert not await talk.value("select count(*) from channel_threads where holder = 'human'"), (
            "our own words come back and are nobody's"
        )
        vk(talk).staff_says("Вероника, это Ольга, жду вас", talk.client)
        await talk.settled()
        talk.sim.says("Спасибо! А парковка есть?", talk.client)
        await talk.settled()
        assert talk.news() == 0, "a person took over"


async def test_without_an_address_the_community_is_asked(database_url: str, redis_url: str, tmp_path: Path) -> None:
    client = Client(BORIS.key, "Борис", OTHER_PHONE)
    async with dialogue(database_url, redis_url, tmp_path, "vk", client, mode="poll") as talk:
        assert vk(talk).servers == {}
        await until(lambda: talk.sim.faults.count("GET /lp") > 0)
        await talk.books(f"Здравствуйте! {WISH}", told(OTHER_PHONE))
        (booking,) = await talk.booked()
        assert booking["service_ids"] == ["S03"]
        assert talk.courier.attempts == []
