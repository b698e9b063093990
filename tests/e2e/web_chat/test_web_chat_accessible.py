"""The widget by the rules of axe (WCAG 2.2 A and AA, best practices), in every look; pictures of it for people."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.web_chat.test_web_chat_browser import launcher, opened, write
from tests.e2e.web_chat.world import ChatWorld, eventually

AXE = Path(__file__).resolve().parents[3] / "channels" / "web_chat" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True},
    "phone_dark": {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark", "has_touch": True},
    # 1280 x 1024 at 400 %: what is left of the window (WCAG 2.2, 1.4.10)
    "zoom_400": {"viewport": {"width": 320, "height": 256}},
}

pytestmark = pytest.mark.timeout(180)


def violations(page: Any) -> list[str]:
    """Of the whole page with the widget's shadow tree; the page itself is clean."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("rules => axe.run(document, { runOnly: rules })", RULES)
    assert len(found["passes"]) > 20, "axe has looked at little"
    undecided = [one["id"] for one in found["incomplete"] if one["id"] == "color-contrast"]
    return [f"{one['id']}: {[node['html'][:120] for node in one['nodes']]}" for one in found["violations"]] + undecided


@pytest.mark.parametrize("look", LOOKS)
def test_no_rule_of_axe_is_broken(
    look: str, visitor: Callable[..., Any], world: ChatWorld, shot: Callable[[Any, str], Path]
) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: make widget")
    page = visitor(reduced_motion="reduce", **LOOKS[look]).new_page()
    page.goto(world.page.url())
    expect(launcher(page)).to_be_visible()
    assert violations(page) == [], "closed"
    shot(page, f"{look}_1_closed")
    launcher(page).click()
    expect(page.get_by_role("textbox")).to_be_focused()
    assert violations(page) == [], "the greeting with its choices"
    shot(page, f"{look}_2_greeting")
    write(page, "Здравствуйте! Хочу на маникюр с гель-лаком завтра после шести, к Анне, если можно")
    eventually(lambda: world.messages, "no message")
    world.say("Завтра у *Анны* свободно в 18:30 и в 19:15. Когда удобнее?", choices=["18:30", "19:15", "Другой день"])
    world.say("Адрес: https://yandex.ru/maps/-/salon-myata", author="human")
    page.get_by_role("textbox").fill("В половине седьмого")
    expect(page.get_by_text("Администратор", exact=True)).to_be_attached()
    assert violations(page) == [], "a talk"
    shot(page, f"{look}_3_talk")
    world.say("Завтра в 18:30, маникюр с гель-лаком, Анна, 2 500 ₽. Записать?", choices=["Да", "Нет"])
    expect(page.get_by_role("button", name="Да", exact=True)).to_be_attached()
    page.context.set_offline(True)
    write(page, "Да")
    expect(page.get_by_text("отправляется")).to_be_attached()
    expect(page.get_by_text("Нет связи")).to_be_visible()
    assert violations(page) == [], "without a connection"
    shot(page, f"{look}_4_offline")
    page.context.set_offline(False)


def test_everything_can_be_hit_with_a_finger_and_nothing_is_cut(visitor: Callable[..., Any], world: ChatWorld) -> None:
    """Targets of 24 x 24 at least (2.5.8), no sideways scrolling at 320 pixels (1.4.10), texts of 16 pixels."""
    page = opened(visitor(viewport={"width": 320, "height": 256}), world)
    write(page, "ш" * 300)
    eventually(lambda: world.messages, "no message")
    world.say("https://salon.ru/" + "длинно/" * 30, choices=["Очень длинная кнопка, " * 6, "Да"])
    expect(page.get_by_role("button", name="Да", exact=True)).to_be_attached()
    measured = page.evaluate(
        """() => { const root = document.querySelector('ai-admin-chat').shadowRoot
          const seen = [...root.querySelectorAll('button,a,textarea')]
            .filter(e => e.offsetParent || e.matches('.launcher'))
          const box = e => { const b = e.getBoundingClientRect(); return [e.className || e.tagName, b.width, b.height] }
          return { small: seen.filter(e => !e.closest('.bubble')).map(box)
                     .filter(([, w, h]) => w && (w < 24 || h < 24)),
                   sideways: ['.scroll', '.panel', '.foot'].filter(s => { const e = root.querySelector(s)
                     return e.scrollWidth > e.clientWidth + 1 }),
                   page: document.documentElement.scrollWidth,
                   font: getComputedStyle(root.querySelector('.input')).fontSize,
                   log: root.querySelector('.scroll').clientHeight } }"""
    )
    assert measured["small"] == []
    assert measured["sideways"] == []
    assert measured["page"] <= 320
    assert measured["font"] == "16px"
    assert measured["log"] >= 90, "something of the talk is seen at 400 %"


def test_over_the_whole_screen_focus_stays_inside(visitor: Callable[..., Any], world: ChatWorld) -> None:
    page = opened(visitor(viewport={"width": 360, "height": 740}), world)
    expect(page.get_by_role("dialog")).to_have_attribute("aria-modal", "true")
    whole = {"x": 0, "y": 0, "width": 360, "height": 740}
    eventually(lambda: page.get_by_role("dialog").bounding_box() == whole, "the panel does not fill the screen", 10)
    stops = []
    for _ in range(12):
        page.keyboard.press("Tab")
        stops.append(
            page.evaluate(
                """() => { let e = document.activeElement
                           while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement
                           return e.getAttribute('aria-label') || e.textContent }"""
            )
        )
    assert "Закрыть чат" in stops
    assert stops.count("Отправить") >= 1
    assert "Цены" not in " ".join(one for one in stops if one != "Цены"), "the page behind is out of reach"
    assert page.evaluate("document.activeElement.tagName") == "AI-ADMIN-CHAT"


def test_motion_and_the_salons_colour(visitor: Callable[..., Any], world: ChatWorld) -> None:
    context = visitor(reduced_motion="reduce")
    page = opened(context, world)
    still = page.evaluate(
        "getComputedStyle(document.querySelector('ai-admin-chat').shadowRoot.querySelector('.panel')).animationName"
    )
    assert still == "none"
    world.configure(color="#ffe066")
    eventually(lambda: _accent(context, world) == "rgb(255, 224, 102) rgb(0, 0, 0)", "the colour does not come", 30)
    world.configure(color="")


def _accent(context: Any, world: ChatWorld) -> str:
    page = context.new_page()
    page.goto(world.page.url())
    expect(launcher(page)).to_be_visible()
    found: str = launcher(page).evaluate("e => getComputedStyle(e).backgroundColor + ' ' + getComputedStyle(e).color")
    page.close()
    return found
