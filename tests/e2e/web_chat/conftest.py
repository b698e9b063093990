"""A salon's page, the chat's server, and Chromium."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tests.e2e.web_chat.world import ChatWorld, chat_world

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
SHOTS = Path(__file__).resolve().parents[3] / "var" / "screenshots" / "web_chat"


@pytest.fixture(scope="package")
def world() -> Iterator[ChatWorld]:
    folder = Path(tempfile.mkdtemp(prefix="ai-admin-web-chat-"))
    try:
        with chat_world(folder, Fernet.generate_key().decode()) as world:
            yield world
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
def browser(world: ChatWorld) -> Iterator[Any]:
    """After the world, which is made without a running loop: Playwright keeps one in this thread."""
    if not CHROMIUM:
        pytest.skip("no Chromium here: sudo make system-packages")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",  # as root there is none
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def visitor(browser: Any, world: ChatWorld) -> Iterator[Callable[..., Any]]:
    """Makes browser contexts: each is another person's device. Errors on the page fail the test."""
    contexts, errors = [], []

    def make(**options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1100, "height": 760}, "locale": "ru-RU", **options})
        context.set_default_timeout(20_000)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        context.on("console", lambda told: errors.append(told.text) if "Content Security Policy" in told.text else None)
        contexts.append(context)
        return context

    world.events.clear()
    world.answer = None
    yield make
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def shot() -> Callable[[Any, str], Path]:
    """Writes a picture of the page for people to look at."""

    def take(page: Any, name: str) -> Path:
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{name}.png"
        page.screenshot(path=str(path), animations="disabled")
        return path

    return take
