"""A visit is booked by e-mail: mailbox asked by IMAP, answers by SMTP, quoted mails cut off; judged by the journal."""

from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from tests.integration.channel_dialogue import ANSWERS, Dialogue, dialogue


@pytest.fixture
async def talk(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Dialogue]:
    async with dialogue(database_url, redis_url, tmp_path, "email", mode="poll") as found:
        yield found


async def test_a_haircut_is_booked_by_mail(talk: Dialogue) -> None:
    # the mailbox is read from the moment of its first look on
    cursor = ""
    while not cursor:
        cursor = await talk.value("select cursor from channel_accounts where id = $1", talk.stored.account.id)
    await talk.books("Запишите меня на мужскую стрижку на завтра", ANSWERS, most_turns=12)
    (booking,) = await talk.booked()
    assert booking["service_ids"] == ["S03"]
    mails = [message_from_bytes(content, policy=policy.default) for _, _, content in talk.sim.store.sent]
    assert all(mail["Auto-Submitted"] == "auto-replied" for mail in mails)
    assert all(mail["In-Reply-To"] for mail in mails)
    assert len({mail["Message-ID"] for mail in mails}) == len(mails)
    clients = [row["text"] for row in await talk.messages() if row["author"] == "client"]
    assert clients
    assert not any(">" in text or "пишет" in text for text in clients), "quoted mails are no words of the client"
    assert talk.sim.problems == []
