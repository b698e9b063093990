"""A visitor books on a page of the running product: real browser, server, pipe, agent and journal."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.server import RunningServer, new_bookings
from tests.e2e.web_chat.test_web_chat_browser import launcher

ANSWERS = {
    r"как вас зовут|ваше имя": "Вероника",
    r"телефон|ваш номер": "+7 916 123-45-67",
    r"мастер": "Мне без разницы",
    r"удобн|во сколько|какое время|выбирайте|подойд": "Первое",
    r"верно|правильно|все так|всё так|записать вас|записываю": "Да",
}
BOOKED = r"записан|записал"
ANSWER_WITHIN_S = 60.0
"""The burst window, a turn of the agent, and a machine that does much else."""


@pytest.mark.timeout(400)
def test_a_visitor_books_in_the_browser(
    visitor: Callable[..., Any], server: RunningServer, shot: Callable[[Any, str], Path]
) -> None:
    before = server.company()
    page = visitor().new_page()
    page.goto(server.ready["chat"])
    expect(page.get_by_role("textbox")).to_be_focused(timeout=30_000)  # data-open
    said: list[str] = []
    for text in _turns(page, said, "Запишите меня на мужскую стрижку на завтра"):
        page.keyboard.type(text)
        page.keyboard.press("Enter")
    shot(page, "booking")
    assert re.search(BOOKED, said[-1].lower()), said
    created = new_bookings(before, server.company())
    assert len(created) == 1, said

    page.reload()
    expect(launcher(page)).to_be_visible()
    expect(page.get_by_text("Запишите меня на мужскую стрижку")).to_be_visible(timeout=30_000)
    talks = [row for row in server.api("/conversations") if row["channel"] == "web"]
    assert len(talks) == 1


def _turns(page: Any, said: list[str], first: str) -> Any:
    """What the visitor says, one by one; `said` gets the agent's answers. Ends when it is booked."""
    wish, heard = first, 0
    for _ in range(12):
        yield wish
        words, heard = _answer(page, heard)
        said.append(words)
        if re.search(BOOKED, words.lower()):
            return
        wish = next((answer for asked, answer in ANSWERS.items() if re.search(asked, words.lower())), "Да")
    raise AssertionError(f"no booking in twelve turns: {said}")


def _answer(page: Any, heard: int) -> tuple[str, int]:
    """What the agent says until it is silent for a moment. The first line is the standing greeting."""
    lines = page.locator("ai-admin-chat .line.agent .bubble")
    deadline, count = time.monotonic() + ANSWER_WITHIN_S, heard
    while True:
        page.wait_for_timeout(700)
        now = lines.count() - 1
        if now > heard and now == count:
            texts = [text.split(": ", 1)[1] for text in lines.all_text_contents()[1:]]
            return " ".join(texts[heard:]), now
        count = now
        assert time.monotonic() < deadline, "the agent does not answer"
