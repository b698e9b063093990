"""What only Viber has: statuses in the body, subscribers, buttons that speak, tokens beyond 2^53."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channels.adapters.viber.wire import STATUSES
from channels.model import Ask, Choice, Delivery, DeliveryReported, Kind, ReachChanged, Refusal, Refused, Sent
from channels.ports import ProbeState, WebhookRequest
from core.errors import Forbidden, Unavailable
from core.outside_http import AccessDenied
from core.rate_limits import RateLimited
from tests.contract.channel_arrangements import Arranged, arrange
from tests.simulators.channel.protocol import ANNA, BORIS
from tests.simulators.vendor.serving import served
from tests.simulators.viber.shape import ViberError


@pytest.fixture
async def at() -> AsyncIterator[Arranged]:
    async with arrange("viber") as arranged:
        yield arranged


# --- in


async def test_who_opens_the_chat_may_be_greeted_once(at: Arranged) -> None:
    at.sim.opens(ANNA, "salon_42")
    (begun,) = at.messages()
    assert (begun.start, begun.text, begun.message_id, begun.meta["command"]) == ("salon_42", "", "", "start")
    assert isinstance((await at.answer(begun, "Здравствуйте!"))[0], Sent)
    (refused,) = await at.answer(begun, "И ещё")
    assert isinstance(refused, Refused)
    assert (refused.why, refused.code) == (Refusal.UNREACHABLE, "6")
    at.sim.says("Добрый день")
    (event,) = at.messages()
    assert isinstance((await at.answer(event, "Чем помочь?"))[0], Sent)


async def test_the_greeting_has_five_minutes(at: Arranged) -> None:
    at.sim.opens(ANNA)
    (begun,) = at.messages()
    at.clock.advance(6 * 60)
    (refused,) = await at.answer(begun, "Здравствуйте!")
    assert isinstance(refused, Refused)


async def test_a_subscriber_who_only_looks_is_left_alone(at: Arranged) -> None:
    at.greeted()
    at.sim.opens(ANNA)
    assert at.events() == []
    at.sim.opens(ANNA, "promo")
    (begun,) = at.messages()
    assert begun.start == "promo"


async def test_the_callback_of_the_webhook_itself_is_answered_yes(at: Arranged) -> None:
    at.sim.callback("webhook")
    (webhook,) = at.told()
    events, reply = at.read(webhook)
    assert events == []
    assert reply.status == 200


async def test_a_signature_in_the_query_is_a_signature(at: Arranged) -> None:
    at.sim.signature_in_query = True
    at.sim.says("Здравствуйте!")
    (webhook,) = at.told()
    at.read(webhook)
    with pytest.raises(Forbidden):
        at.adapter.verify(replace(webhook, query={"sig": "0" * 64}).request(at.clock.now()))


async def test_tokens_keep_all_their_digits(at: Arranged) -> None:
    at.sim.says("Здравствуйте!")
    (webhook,) = at.told()
    token = json.loads(webhook.body)["message_token"]
    ((event,), _) = at.read(webhook)
    assert event.message_id == str(token)
    assert int(float(token)) != token, "a float would lose it"
    (sent,) = await at.answer(event, "Да")
    assert int(sent.message_id) > 2**53


async def test_each_device_reports_and_it_is_one_event(at: Arranged) -> None:
    event = at.greeted()
    (sent,) = await at.answer(event, "Ждём вас")
    at.told()
    for _ in range(3):
        at.sim.reports(sent.message_id, Delivery.READ)
    found = [event for event in at.events() if isinstance(event, DeliveryReported)]
    assert len(found) == 3
    assert len({report.event_id for report in found}) == 1
    assert all(report.up_to and report.thread == event.thread for report in found)


async def test_what_a_device_cannot_show_is_told_later(at: Arranged) -> None:
    event = at.greeted()
    (sent,) = await at.answer(event, "Ждём вас")
    at.told()
    at.sim.reports(sent.message_id, Delivery.FAILED)
    (report,) = [event for event in at.events() if isinstance(event, DeliveryReported)]
    assert (report.delivery, report.why, report.reason) == (
        Delivery.FAILED, Refusal.BAD_MESSAGE, "failure description",
    )  # fmt: skip


async def test_a_card_is_words_whoevers_it_is(at: Arranged) -> None:
    """Viber does not say whether it is the writer's own: nobody is recognised by it."""
    at.sim.sends_card(ANNA, of=ANNA)
    (event,) = at.messages()
    assert event.person.phone is None
    assert event.media[0].kind is Kind.CONTACT
    assert ANNA.phone in event.text
    await at.send(at.outgoing(event, "Подскажите телефон", ask=Ask.PHONE))
    assert "keyboard" not in at.sim.received()[-1].raw


async def test_files_places_and_stickers(at: Arranged) -> None:
    url = f"{at.sim.base_url}/files/x"
    at.sim.writes(ANNA, {"type": "file", "media": url, "file_name": "голос.m4a", "size": 10})
    at.sim.writes(ANNA, {"type": "file", "media": url, "file_name": "справка.pdf", "size": 10})
    at.sim.writes(ANNA, {"type": "video", "media": url, "size": 10, "duration": 7})
    at.sim.writes(ANNA, {"type": "sticker", "sticker_id": 46105})
    at.sim.writes(ANNA, {"type": "location", "location": {"lat": 55.75, "lon": 37.61}})
    at.sim.writes(ANNA, {"type": "url", "media": "https://salon.example/x"})
    *media, link = at.messages()
    assert [event.media[0].kind for event in media] == [
        Kind.AUDIO, Kind.FILE, Kind.VIDEO, Kind.STICKER, Kind.LOCATION,
    ]  # fmt: skip
    assert link.text == "https://salon.example/x"


async def test_unsubscribed_and_back(at: Arranged) -> None:
    event = at.greeted()
    at.sim.blocks()
    (left,) = [event for event in at.events() if isinstance(event, ReachChanged)]
    assert (left.thread, left.reachable) == (event.thread, False)
    at.sim.unblocks()
    (back,) = [event for event in at.events() if isinstance(event, ReachChanged)]
    assert (back.thread, back.reachable) == (event.thread, True)


# --- buttons


async def test_a_button_says_its_words_and_its_payload_travels_beside(at: Arranged) -> None:
    event = at.greeted()
    await at.answer(event, "Когда?", [Choice("10:00", "slot:1000"), Choice("<11:00> & позже", "slot:1100")])
    raw = at.sim.received()[-1].raw
    assert [button["ActionBody"] for button in raw["keyboard"]["Buttons"]] == ["10:00", "<11:00> & позже"]
    assert at.sim.received()[-1].buttons == ("10:00", "<11:00> & позже")
    at.told()
    at.sim.presses("<11:00> & позже")
    (pressed,) = at.messages()
    assert (pressed.text, pressed.button) == ("<11:00> & позже", "slot:1100")


async def test_words_that_are_no_button_have_no_payload(at: Arranged) -> None:
    event = at.greeted()
    await at.answer(event, "Когда?", [Choice("10:00", "slot:1000")])
    at.told()
    at.sim.says("а в 10:00 можно?")
    (event,) = at.messages()
    assert event.button == ""


@pytest.mark.parametrize("noted", ["step:time", "{", "[]", '{"b": 5}', '{"b": {"Да": {}}}', '{"b": {"Да": "x"}}'])
async def test_foreign_notes_are_no_payload(at: Arranged, noted: str) -> None:
    at.sim.writes(ANNA, {"type": "text", "text": "Да"})
    (webhook,) = at.told()
    body = json.loads(webhook.body)
    body["message"]["tracking_data"] = noted
    (event,) = at.adapter.read(WebhookRequest("POST", {}, {}, json.dumps(body).encode(), at.clock.now())).events
    assert event.button == ("x" if noted.endswith('"x"}}') else "")


# --- sending


async def test_too_many_for_one_person_hold_up_nobody_else(at: Arranged) -> None:
    anna, boris = at.greeted(ANNA), at.greeted(BORIS)
    at.sim.most_unanswered = 1
    assert isinstance((await at.answer(anna, "раз"))[0], Sent)
    with pytest.raises(RateLimited) as limited:
        await at.answer(anna, "два")
    assert limited.value.wait_s == 5.0
    assert isinstance((await at.answer(boris, "раз"))[0], Sent)
    before = at.sim.faults.count(at.sim.send_write)
    with pytest.raises(RateLimited):
        await at.answer(anna, "три")
    assert at.sim.faults.count(at.sim.send_write) == before


async def test_every_status_has_its_meaning(at: Arranged) -> None:
    event = at.greeted()
    part = at.one_part(event)
    assert set(range(1, 25)) == set(STATUSES)
    for status in (*range(1, 25), 99):
        at.sim._send = lambda body, status=status: _raise(status)
        if status == 99:
            with pytest.raises(Unavailable) as failed:
                await at.adapter.send(part, "m-0")
            assert failed.value.facts["sent"] is False
        elif status != 12:
            result = await at.adapter.send(part, "m-0")
            assert isinstance(result, Refused)
            assert result.code == str(status)
            assert any("а" <= letter <= "я" for letter in result.remedy_ru)


def _raise(status: int) -> None:
    raise ViberError(status)


async def test_the_senders_name_is_the_salons(at: Arranged) -> None:
    event = at.greeted()
    await at.answer(event, "Да")
    assert at.sim.received()[-1].raw["sender"] == {"name": "Мята"}
    account = replace(at.account, settings={**at.account.settings, "sender_name": "Салон красоты «Мята на Садовой»"})
    await at.vendor.build(account, at.tools).send(at.vendor.build(account, at.tools).compose(
        at.outgoing(event, "Да"))[0], "m-0")  # fmt: skip
    assert len(at.sim.received()[-1].raw["sender"]["name"]) <= 28


# --- the account


async def test_viber_calls_us_while_the_webhook_is_set(at: Arranged) -> None:
    calls: list[bytes] = []

    async def answer(request: Request) -> Response:
        body = await request.body()
        asked = WebhookRequest("POST", dict(request.headers), dict(request.query_params), body, at.clock.now())
        at.adapter.verify(asked)
        calls.append(body)
        return Response(status_code=at.adapter.read(asked).reply.status)

    async with served(Starlette(routes=[Route("/hook", answer, methods=["POST"])])) as url:
        await at.adapter.connect(f"{url}/hook")
        assert len(calls) == 1
        assert at.sim.hook == f"{url}/hook"
        with pytest.raises(AccessDenied) as no:
            await at.adapter.connect(f"{url}/elsewhere")
    assert "https" in no.value.remedy


async def test_a_bot_without_an_address_is_told_so(at: Arranged) -> None:
    await at.adapter.disconnect()
    probe = await at.adapter.probe()
    (hook,) = [item for item in probe.items if item.what == "webhook"]
    assert hook.state is ProbeState.DENIED
    at.sim.says("не слышно")
    assert at.told() == []


async def test_the_longest_message_with_the_largest_keyboard_stays_under_thirty_kilobytes(at: Arranged) -> None:
    event = at.greeted()
    choices = [Choice(f'{"Ш" * 200} «{number}» "{number}"', f"{number:032d}") for number in range(80)]
    results = await at.answer(event, "界" * 2990, choices)
    assert all(isinstance(result, Sent) for result in results), results
    shown = " ".join(message.text + " ".join(message.buttons) for message in at.sim.received())
    assert all(f"«{number}»" in shown for number in range(80))
