"""The widget in Chromium: keyboard alone, a lost network, two tabs, a strict page, files, the page's own calls."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from channels.model import MessageReceived
from tests.e2e.web_chat.pictures import PNG
from tests.e2e.web_chat.world import ChatWorld, eventually

Visitor = Callable[..., Any]


def opened(context: Any, world: ChatWorld, **query: str) -> Any:
    page = context.new_page()
    page.goto(world.page.url(**query))
    launcher(page).click()
    return page


def launcher(page: Any) -> Any:
    return page.locator("ai-admin-chat .launcher")


def write(page: Any, text: str) -> None:
    page.get_by_role("textbox").fill(text)
    page.keyboard.press("Enter")


def bubbles(page: Any) -> list[str]:
    """What is said, without the standing greeting."""
    return [text.split(": ", 1)[1] for text in page.locator("ai-admin-chat .bubble").all_text_contents()][1:]


def test_a_talk_by_keyboard_alone(visitor: Visitor, world: ChatWorld) -> None:
    page = visitor().new_page()
    page.goto(world.page.url())
    expect(launcher(page)).to_be_visible()
    page.keyboard.press("Tab")  # the page's own link
    page.keyboard.press("Tab")
    expect(launcher(page)).to_be_focused()
    assert launcher(page).get_attribute("aria-expanded") == "false"
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Чат: Салон «Мята»")).to_be_visible()
    expect(page.get_by_role("textbox")).to_be_focused()
    assert launcher(page).get_attribute("aria-expanded") == "true"

    page.keyboard.type("Запишите на маникюр")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("завтра")
    page.keyboard.press("Enter")
    eventually(lambda: world.texts == ["Запишите на маникюр\nзавтра"], "the message does not arrive")
    world.say("Во сколько?", choices=["В 12:00", "В 15:00"])
    expect(page.get_by_role("button", name="В 15:00")).to_be_visible()
    page.keyboard.press("Shift+Tab")  # attach
    page.keyboard.press("Shift+Tab")  # the second choice
    expect(page.get_by_role("button", name="В 15:00")).to_be_focused()
    page.keyboard.press("Enter")
    eventually(lambda: world.texts[1:] == ["В 15:00"], "the pressed choice does not arrive")
    expect(page.get_by_role("textbox")).to_be_focused()
    expect(page.get_by_role("button", name="В 12:00")).to_have_count(0)

    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(launcher(page)).to_be_focused()


def test_what_is_said_is_announced_once_and_history_is_not(visitor: Visitor, world: ChatWorld) -> None:
    context = visitor()
    page = opened(context, world)
    write(page, "Здравствуйте")
    eventually(lambda: world.messages, "no message")
    world.say("Добрый день!")
    expect(page.get_by_text("Добрый день!")).to_be_visible()
    log = page.get_by_role("log")
    assert (log.get_attribute("aria-live"), log.get_attribute("aria-relevant")) == ("polite", "additions")

    page.add_init_script(
        """window.live = []; new MutationObserver(() => {
             const log = document.querySelector('ai-admin-chat')?.shadowRoot.querySelector('[role=log]')
             if (log && !log.watched) { log.watched = true; new MutationObserver(all => {
               for (const m of all) for (const n of m.addedNodes) if (log.getAttribute('aria-live') === 'polite')
                 window.live.push(n.textContent) }).observe(log, { childList: true }) }
           }).observe(document, { childList: true, subtree: true })"""
    )
    page.reload()
    launcher(page).click()
    expect(page.get_by_text("Добрый день!")).to_be_visible()
    world.say("Чем помочь?")
    expect(page.get_by_text("Чем помочь?")).to_be_visible()
    assert [text for text in page.evaluate("window.live") if "Добрый" in text or "Здравствуйте" in text] == []
    assert len([text for text in page.evaluate("window.live") if "Чем помочь?" in text]) == 1


def test_nothing_is_kept_before_the_visitor_writes_and_never_a_cookie(visitor: Visitor, world: ChatWorld) -> None:
    context = visitor()
    page = opened(context, world)
    expect(page.get_by_role("textbox")).to_be_focused()
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    write(page, "Есть место на сегодня?")
    eventually(lambda: world.messages, "no message")
    expect(page.get_by_text("отправляется")).to_have_count(0)
    assert page.evaluate("Object.keys(localStorage)") == [f"ai-admin-chat:{world.site}"]
    assert len(page.evaluate("localStorage.getItem(Object.keys(localStorage)[0])")) >= 43, "256 bits in base64"
    assert context.cookies() == []


def test_history_is_there_after_a_reload(visitor: Visitor, world: ChatWorld) -> None:
    page = opened(visitor(), world)
    for number in range(3):
        write(page, f"вопрос {number}")
        eventually(lambda n=number: len(world.messages) > n, "no message")
        world.say(f"ответ {number}")
        expect(page.get_by_text(f"ответ {number}")).to_be_visible()
    page.get_by_role("textbox").fill("не отправлено ещё")
    page.reload()
    launcher(page).click()
    expect(page.get_by_text("ответ 2")).to_be_visible()
    assert bubbles(page) == [f"{kind} {number}" for number in range(3) for kind in ("вопрос", "ответ")]
    assert page.get_by_role("textbox").input_value() == "не отправлено ещё"


def test_offline_messages_wait_and_go_once(visitor: Visitor, world: ChatWorld) -> None:
    context = visitor()
    page = opened(context, world)
    write(page, "первое")
    eventually(lambda: world.texts == ["первое"], "no message")
    context.set_offline(True)
    expect(page.get_by_text("Нет связи")).to_be_visible()
    write(page, "второе")
    write(page, "третье")
    expect(page.get_by_text("отправляется")).to_have_count(2)
    world.say("сказано, пока связи не было")
    assert world.texts == ["первое"]
    context.set_offline(False)
    eventually(lambda: len(world.texts) >= 3, "messages that waited do not arrive")
    expect(page.get_by_text("сказано, пока связи не было")).to_be_visible()
    expect(page.get_by_text("отправляется")).to_have_count(0)
    assert world.texts == ["первое", "второе", "третье"]
    assert bubbles(page) == ["первое", "сказано, пока связи не было", "второе", "третье"]
    assert page.evaluate("Object.keys(localStorage)") == [f"ai-admin-chat:{world.site}"], "the outbox is empty"


def test_a_message_written_offline_survives_a_closed_tab(visitor: Visitor, world: ChatWorld) -> None:
    context = visitor()
    page = opened(context, world)
    write(page, "первое")
    eventually(lambda: world.texts == ["первое"], "no message")
    world.stop_serving()
    try:
        write(page, "написано без сервера")
        expect(page.get_by_text("отправляется")).to_have_count(1)
        page.close()
    finally:
        world.serve()
    page = opened(context, world)
    eventually(lambda: len(world.texts) >= 2, "the kept message does not arrive")
    expect(page.get_by_text("написано без сервера")).to_be_visible()
    assert world.texts == ["первое", "написано без сервера"]


def test_lost_answers_double_nothing(visitor: Visitor, world: ChatWorld) -> None:
    """The server takes the message, the answer is lost on the way, the browser sends it again."""
    context = visitor()
    page = opened(context, world)
    lost = []

    def lose(route: Any) -> None:
        if len(lost) >= 2:
            route.continue_()
            return
        if route.request.method == "POST":
            lost.append(route.fetch().status)
        route.abort()

    page.route("**/messages*", lose)
    # the confirmation by the live connection or the history would be enough: without them only the repeat can tell
    page.route_web_socket("**/live", lambda socket: socket.close())
    write(page, "ровно один раз")
    expect(page.get_by_text("отправляется")).to_have_count(0)
    assert lost == [200, 200]
    assert world.texts == ["ровно один раз"]
    assert bubbles(page) == ["ровно один раз"]


def test_where_sockets_do_not_pass_the_history_is_asked_for(visitor: Visitor, world: ChatWorld) -> None:
    page = visitor().new_page()
    page.route_web_socket("**/live", lambda socket: socket.close())
    page.goto(world.page.url())
    launcher(page).click()
    write(page, "есть кто?")
    eventually(lambda: world.messages, "no message")
    world.say("да, конечно")
    expect(page.get_by_text("да, конечно")).to_be_visible(timeout=30_000)


def test_two_tabs_show_the_same(visitor: Visitor, world: ChatWorld) -> None:
    context = visitor()
    first, second = opened(context, world), opened(context, world)
    write(first, "из первой вкладки")
    expect(second.get_by_text("из первой вкладки")).to_be_visible()
    write(second, "из второй вкладки")
    expect(first.get_by_text("из второй вкладки")).to_be_visible()
    eventually(lambda: len(world.messages) == 2, "two messages")
    assert len({message.thread for message in world.messages}) == 1
    world.say("обеим")
    for page in (first, second):
        expect(page.get_by_text("обеим")).to_be_visible()
        assert bubbles(page) == ["из первой вкладки", "из второй вкладки", "обеим"]


def test_two_visitors_see_nothing_of_each_other(visitor: Visitor, world: ChatWorld) -> None:
    first, second = opened(visitor(), world), opened(visitor(), world)
    write(first, "я первая")
    eventually(lambda: len(world.messages) == 1, "one message")
    write(second, "я вторая")
    eventually(lambda: len(world.messages) == 2, "two messages")
    threads = {message.text: message.thread for message in world.messages}
    world.say("только первой", thread=threads["я первая"])
    expect(first.get_by_text("только первой")).to_be_visible()
    world.say("только второй", thread=threads["я вторая"])
    expect(second.get_by_text("только второй")).to_be_visible()
    assert bubbles(first) == ["я первая", "только первой"]
    assert bubbles(second) == ["я вторая", "только второй"]


def test_a_page_of_the_strictest_policy(visitor: Visitor, world: ChatWorld) -> None:
    """Scripts by nonce, no styles, no eval, Trusted Types: what the policy forbids would be told on the console."""
    page = opened(visitor(), world, csp="strict")
    page.evaluate("document.addEventListener('securitypolicyviolation', e => window.broken = e.violatedDirective)")
    write(page, "привет")
    eventually(lambda: world.messages, "no message")
    world.say("здравствуйте", choices=["Да"])
    page.get_by_role("button", name="Да").click()
    eventually(lambda: len(world.messages) == 2, "the choice does not arrive")
    box = page.get_by_role("dialog").bounding_box()
    assert box is not None
    assert box["width"] == 384, "the styles are in force"
    assert page.evaluate("window.broken") is None


def test_unread_is_counted_in_the_name_until_it_is_read(visitor: Visitor, world: ChatWorld) -> None:
    context = visitor()
    page = opened(context, world)
    write(page, "вопрос")
    eventually(lambda: world.messages, "no message")
    page.keyboard.press("Escape")
    world.say("первое")
    world.say("второе")
    expect(launcher(page)).to_have_accessible_name("Открыть чат, 2 новых сообщения")
    assert world.reads == []
    page.reload()
    expect(launcher(page)).to_have_accessible_name("Открыть чат, 2 новых сообщения")
    launcher(page).click()
    marks = eventually(lambda: world.reads, "nothing is marked as read")
    assert all(mark.up_to for mark in marks)
    page.keyboard.press("Escape")
    expect(launcher(page)).to_have_accessible_name("Открыть чат")


def test_typing_is_shown_and_ends_with_the_message(visitor: Visitor, world: ChatWorld) -> None:
    page = opened(visitor(), world)
    write(page, "вопрос")
    eventually(lambda: world.messages, "no message")
    eventually(
        lambda: page.evaluate("1") and (world.typing() or page.get_by_text("Помощник печатает…").count()), "no typing"
    )
    world.say("ответ")
    expect(page.get_by_text("ответ")).to_be_visible()
    expect(page.get_by_text("Помощник печатает…")).to_have_count(0)


def test_what_a_person_writes_is_never_markup(visitor: Visitor, world: ChatWorld) -> None:
    page = opened(visitor(), world)
    nasty = '<img src=x onerror="window.broken=1"> <b>жирно</b> javascript:alert(1) https://a.ru/"><script>window.broken=1</script>'
    write(page, nasty)
    eventually(lambda: world.messages, "no message")
    assert world.texts == [nasty]
    world.say(nasty)
    expect(page.locator("ai-admin-chat .line.agent .bubble")).to_have_count(2)
    assert bubbles(page) == [nasty, nasty]
    assert page.evaluate("window.broken") is None
    assert page.locator("ai-admin-chat .bubble img").count() == 0
    hrefs = page.locator("ai-admin-chat .bubble a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert hrefs == ["https://a.ru/", "https://a.ru/"]


def test_a_photo_and_a_voice_note(visitor: Visitor, world: ChatWorld) -> None:
    page = opened(visitor(permissions=["microphone"]), world, csp="strict")
    page.locator("ai-admin-chat input[type=file]").set_input_files(
        {"name": "../мои ногти.png", "mimeType": "image/png", "buffer": PNG}
    )
    eventually(lambda: world.messages, "the photo does not arrive")
    photo = world.messages[0].media[0]
    assert (photo.kind, photo.mime_type, photo.size, photo.name) == ("image", "image/png", len(PNG), "мои ногти.png")
    assert world.run(world.chat.door.file(world.account.account, photo.ref, 10**7)) == PNG
    picture = page.locator("ai-admin-chat .bubble img")
    expect(picture).to_be_visible()
    eventually(lambda: picture.evaluate("image => image.naturalWidth") == 24, "the picture is not shown")

    page.get_by_role("button", name="Записать голосовое сообщение").click()
    expect(page.get_by_role("timer")).to_have_text("0:01")
    page.get_by_role("button", name="Отправить запись").click()
    eventually(lambda: len(world.messages) == 2, "the voice note does not arrive")
    voice = world.messages[1].media[0]
    assert (voice.kind, voice.mime_type) == ("voice", "audio/webm")
    assert voice.size > 1000
    expect(page.locator("ai-admin-chat audio")).to_have_count(1)

    page.locator("ai-admin-chat input[type=file]").set_input_files(
        {"name": "a.svg", "mimeType": "image/svg+xml", "buffer": b"<svg onload='alert(1)'/>"}
    )
    expect(page.get_by_text("Такой файл не принимается")).to_be_visible()
    assert len(world.messages) == 2


def test_a_refused_file_can_be_removed(visitor: Visitor, world: ChatWorld) -> None:
    page = opened(visitor(), world)
    page.locator("ai-admin-chat input[type=file]").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": b"<html>not a picture</html>"}
    )
    expect(page.get_by_text("не отправлено")).to_be_visible()
    page.get_by_role("button", name="Убрать").click()
    expect(page.get_by_text("не отправлено")).to_have_count(0)
    write(page, "дальше")
    eventually(lambda: world.texts == ["дальше"], "the next message does not go")


def test_the_page_commands_the_chat(visitor: Visitor, world: ChatWorld) -> None:
    page = visitor().new_page()
    page.add_init_script(
        """window.told = []
           for (const n of ['ready','open','close','message','unread','call'])
             window.addEventListener('ai-admin-chat:' + n, e => window.told.push([n, e.detail]))
           Object.defineProperty(window, 'AiAdminChat', { configurable: true, set(api) {
             Object.defineProperty(window, 'AiAdminChat', { value: api, writable: true }); api.open() } })"""
    )
    page.goto(world.page.url())
    expect(page.get_by_role("dialog")).to_be_visible()  # the call came before the rest was loaded
    page.evaluate("AiAdminChat.on('message', message => window.last = message.text)")
    write(page, "вопрос")
    eventually(lambda: world.messages, "no message")
    world.say("ответ")
    expect(page.get_by_text("ответ")).to_be_visible()
    assert page.evaluate("window.last") == "ответ"
    page.evaluate("AiAdminChat.close()")
    expect(page.get_by_role("dialog")).to_have_count(0)
    names = [name for name, _ in page.evaluate("window.told")]
    assert names[:2] == ["ready", "open"] or names[:2] == ["open", "ready"]
    assert {"message", "close"} <= set(names)

    page.evaluate("AiAdminChat.open()")
    call = page.get_by_role("link", name="Позвонить нам")
    assert call.get_attribute("href") == "tel:+74950000001"
    page.evaluate(
        "window.addEventListener('ai-admin-chat:call', e => { e.preventDefault(); window.rung = e.detail.phone })"
    )
    call.click()
    assert page.evaluate("window.rung") == "+74950000001"

    page.evaluate("AiAdminChat.reset()")
    expect(page.get_by_text("ответ")).to_have_count(0)
    assert page.evaluate("localStorage.length") == 0
    write(page, "новый разговор")
    eventually(lambda: len(world.messages) == 2, "no message after the reset")
    assert world.messages[0].thread != world.messages[1].thread


def test_a_second_tag_and_a_replaced_body_leave_one_chat(visitor: Visitor, world: ChatWorld) -> None:
    page = opened(visitor(), world)
    page.evaluate(
        """src => { const tag = document.createElement('script'); tag.src = src; tag.dataset.site = 'x'
                   document.body.append(tag) }""",
        world.base + "widget.js",
    )
    page.evaluate("document.documentElement.replaceChild(document.createElement('body'), document.body)")
    expect(launcher(page)).to_have_count(1)
    expect(launcher(page)).to_be_visible()
    write(page, "я всё ещё тут")
    eventually(lambda: world.texts == ["я всё ещё тут"], "no message")


def test_a_page_elsewhere_has_no_chat(visitor: Visitor, world: ChatWorld) -> None:
    page = visitor().new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.goto(world.page.url().replace("127.0.0.1", "localhost"))
    eventually(lambda: page.evaluate("1") and "among the addresses" in " ".join(told), f"not refused: {told}")
    expect(launcher(page)).to_have_count(0)


def test_english_by_the_page_or_the_tag(visitor: Visitor, world: ChatWorld) -> None:
    page = opened(visitor(), world, lang="en-GB")
    expect(page.get_by_role("dialog", name="Chat: Салон «Мята»")).to_be_visible()
    expect(page.get_by_text("automated assistant").first).to_be_visible()
    page = opened(visitor(), world, data_lang="en")
    expect(page.get_by_role("button", name="Book a visit")).to_be_visible()


def test_a_telephone_is_asked_for_with_its_keyboard(visitor: Visitor, world: ChatWorld) -> None:
    page = opened(visitor(), world)
    write(page, "запишите")
    eventually(lambda: world.messages, "no message")
    world.say("Ваш телефон?", ask="phone")
    box = page.get_by_role("textbox")
    expect(box).to_have_attribute("autocomplete", "tel")
    assert box.get_attribute("inputmode") == "tel"
    write(page, "+7 916 123-45-67")
    eventually(lambda: len(world.messages) == 2, "no message")
    expect(box).to_have_attribute("autocomplete", "off")


def test_a_long_history_is_shown_in_pages(visitor: Visitor, world: ChatWorld) -> None:
    page = opened(visitor(), world)
    write(page, "начало")
    eventually(lambda: world.messages, "no message")
    for number in range(60):
        world.say(f"запись {number}")
    expect(page.get_by_text("запись 59")).to_be_visible()
    page.reload()
    launcher(page).click()
    expect(page.get_by_text("запись 59")).to_be_visible()
    assert page.get_by_text("начало", exact=True).count() == 0
    page.get_by_role("button", name="Показать более ранние").click()
    expect(page.get_by_text(re.compile("^Вы: начало$|^начало$")).first).to_be_attached()
    said = bubbles(page)
    assert said == ["начало", *(f"запись {number}" for number in range(60))]


def test_an_agent_that_answers_at_once(visitor: Visitor, world: ChatWorld) -> None:
    """Ten quick messages and ten quick answers: every one of them once, in one order in the browser and the store."""

    async def answer(event: MessageReceived) -> None:
        await asyncio.sleep(0)
        body = {"thread": event.thread, "text": f"на «{event.text}»", "author": "agent"}
        await world.chat.door.say(world.account.account, body, f"answer-{event.message_id}")

    world.answer = answer
    page = opened(visitor(), world)
    for number in range(8):
        write(page, f"слово {number}")
    eventually(lambda: len(world.messages) == 8, "eight messages")
    expect(page.get_by_text("на «слово 7»")).to_be_visible()
    expect(page.get_by_text("на «слово 0»")).to_be_attached()
    expect(page.locator("ai-admin-chat .bubble")).to_have_count(17)
    said = bubbles(page)
    assert sorted(said) == sorted([f"слово {n}" for n in range(8)] + [f"на «слово {n}»" for n in range(8)])
    page.reload()
    launcher(page).click()
    expect(page.get_by_text("на «слово 7»")).to_be_visible()
    assert bubbles(page) == said, "the order after a reload is the order that was seen"


pytestmark = pytest.mark.timeout(180)
