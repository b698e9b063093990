"""Telegram from end to end: spoken and written, by webhook and by long poll; judged by the journal's state."""

from datetime import date, timedelta
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

from core.clock import Clock
from tests.integration.channel_dialogue import ANSWERS, Dialogue, dialogue
from tests.simulators.channel.protocol import ANNA, BORIS, Client
from tests.simulators.channel.voice import spoken
from tests.simulators.telegram.server import TelegramSimulator
from tests.simulators.vendor.faults import Mode

WISH = "Запишите меня на мужскую стрижку на завтра"
MOSCOW = ZoneInfo("Europe/Moscow")
ANNA_AS = Client(ANNA.key, "Вероника", "+79161230001")
BORIS_AS = Client(BORIS.key, "Борис", "+79161230002")


def telegram(talk: Dialogue) -> TelegramSimulator:
    return cast("TelegramSimulator", talk.sim)


def tomorrow(clock: Clock) -> date:
    return (clock.now().astimezone(MOSCOW) + timedelta(days=1)).date()


async def through(talk: Dialogue, most_turns: int = 10) -> list[str]:
    """Answers what is asked until the visit stands: by the contact button, by buttons, else by words."""
    used: list[str] = []
    for _ in range(most_turns):
        if await talk.booked():
            return used
        last = talk.sim.received(talk.client)[-1]
        if last.asks_phone:
            used.append("contact")
            talk.sim.shares_contact(talk.client)
            await talk.answers()
        elif "Да" in last.buttons:
            used.append("button")
            await talk.presses("Да")
        else:
            used.append("words")
            await talk.replies(last, ANSWERS)
    raise AssertionError("nothing was booked:\n" + "\n".join(m.text for m in talk.sim.received(talk.client)))


async def test_a_voice_note_becomes_a_visit_with_buttons_and_the_shared_number(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    note = await spoken(WISH)
    async with dialogue(database_url, redis_url, tmp_path, "telegram", ANNA_AS, ears=True) as talk:
        talk.courier.times = 2
        talk.sim.says("site", talk.client, start=True)
        (greeting,) = await talk.answers()
        assert "Мята" in greeting.text
        talk.sim.speaks(note, talk.client)
        await talk.answers(100.0)
        (heard,) = [m for m in await talk.messages() if m["kind"] == "voice"]
        assert "стрижк" in heard["text"].lower(), "the embedded recogniser heard what espeak said"
        used = await through(talk)
        assert {"contact", "button"} <= set(used)
        (booking,) = await talk.booked()
        assert booking["service_ids"] == ["S03"]
        assert booking["starts_at"].astimezone(MOSCOW).date() == tomorrow(talk.runtime.clock)
        assert booking["status"] in ("booked", "confirmed", "new", "pending")
        texts = [message.text for message in talk.sim.received(talk.client)]
        assert "записаны" in " ".join(texts[-2:])
        assert len(texts) == len(set(texts)), "each update came twice and had one effect"
        assert talk.sim.presses_answered() == used.count("button"), "no button spins"
        assert talk.sim.typing_seen(talk.client) > 0
        (thread,) = await talk.rows("select * from channel_threads where account_id = $1", talk.stored.account.id)
        assert (thread["phone"], thread["person_name"]) == (ANNA_AS.phone, ANNA_AS.name)
        telegram(talk).blocks(talk.client)
        await talk.settled()
        assert not await talk.value("select reachable from channel_threads where id = $1", thread["id"])


async def test_without_an_address_the_bot_is_asked_and_books_as_well(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with dialogue(database_url, redis_url, tmp_path, "telegram", BORIS_AS, mode="poll") as talk:
        assert telegram(talk).hook == ""
        talk.sim.faults.add(Mode.ERROR_500, "getUpdates")
        talk.sim.faults.add(Mode.TOO_MANY, talk.sim.send_write, seconds=1)
        await talk.says(f"Здравствуйте! {WISH}")
        await through(talk)
        (booking,) = await talk.booked()
        assert booking["service_ids"] == ["S03"]
        cursor = await talk.value("select cursor from channel_accounts where id = $1", talk.stored.account.id)
        assert int(cursor.split("@")[0]) == telegram(talk).update_id + 1
        assert talk.courier.attempts == []


async def test_the_owners_word_in_her_own_chat_silences_the_agent_there_alone(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    client = Client("anna", "Анна", "+79161230003")
    async with dialogue(database_url, redis_url, tmp_path, "telegram", client) as talk:
        sim = telegram(talk)
        sim.connects_business()
        sim.writes_owner({"text": "Здравствуйте! Сколько стоит педикюр?"}, client)
        (price,) = [m for m in await talk.answers() if "рубл" in m.text]
        assert price.raw["business_connection_id"] == sim.connection
        sim.staff_says("Анна, это Ольга, я вам сама отвечу", client)
        sim.writes_owner({"text": "Хорошо, а маникюр?"}, client)
        await talk.settled()
        assert talk.news() == 0, "a person took over"
        sim.says("А сколько стоит мужская стрижка?", client)
        (direct, *_) = await talk.answers()
        assert "business_connection_id" not in direct.raw, "the bot's own chat is another talk"
