"""Messages into requests of the Bot API: limits, formatting, keyboards."""

import base64
import json
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from channels.adapters.telegram.composing import compose
from channels.model import Ask, Choice, MessageId, Outgoing, Part
from channels.splitting import utf16
from tests.simulators.telegram.markup import visible

ID = MessageId(UUID(int=7))


def parts(text: str, *choices: Choice, thread: str = "555", **more: Any) -> list[Part]:
    return list(compose(Outgoing(ID, thread, text, choices, **more)))


def params(text: str, *choices: Choice, **more: Any) -> dict[str, Any]:
    (part,) = parts(text, *choices, **more)
    assert part.body["method"] == "sendMessage"
    return dict(part.body["params"])


def test_a_plain_text_is_sent_as_it_is() -> None:
    assert params("2*3 < 7 & «да»") == {"chat_id": 555, "text": "2*3 < 7 & «да»"}


def test_bold_words_make_html_and_everything_else_is_escaped() -> None:
    assert params("*Итог:* 1 < 2 & *всё* https://a.b/c?x=1&y=*2*") == {
        "chat_id": 555,
        "text": "<b>Итог:</b> 1 &lt; 2 &amp; <b>всё</b> https://a.b/c?x=1&amp;y=*2*",
        "parse_mode": "HTML",
    }
    (part,) = parts("*Итог:* да")
    assert part.text == "Итог: да"


def test_a_business_chat_is_named_in_every_request() -> None:
    for part in parts("Да. " * 3000, thread="bc_1:555"):
        assert part.body["params"]["business_connection_id"] == "bc_1"
        assert part.body["params"]["chat_id"] == 555


def test_buttons_stand_under_the_last_part() -> None:
    found = parts("Слово. " * 1500, Choice("Да"), Choice("Нет", "no:1"))
    assert len(found) > 1
    assert all("reply_markup" not in part.body["params"] for part in found[:-1])
    (row,) = found[-1].body["params"]["reply_markup"]["inline_keyboard"]
    assert row == [{"text": "Да", "callback_data": "t=Да"}, {"text": "Нет", "callback_data": "no:1"}]


def test_callback_data_counts_bytes() -> None:
    long = Choice("Маникюр комбинированный с покрытием гель-лак")
    rows = params("?", long, Choice("x", "ы" * 32), Choice("y", "ы" * 33))["reply_markup"]["inline_keyboard"]
    data = [button["callback_data"] for row in rows for button in row]
    assert data == ["n=0", "ы" * 32, "n=2"]
    assert all(len(one.encode()) <= 64 for one in data)


def test_more_choices_than_buttons_stand_in_the_text() -> None:
    found = params("Выбирайте:", *(Choice(f"№{n}") for n in range(103)))
    buttons = [button for row in found["reply_markup"]["inline_keyboard"] for button in row]
    assert len(buttons) == 100
    assert found["text"].endswith("\n101. №100\n102. №101\n103. №102")


def test_the_phone_is_asked_by_a_reply_keyboard() -> None:
    markup = params("Ваш номер?", Choice("Не хочу"), ask=Ask.PHONE)["reply_markup"]
    assert markup["keyboard"][0] == [{"text": "📱 Отправить мой номер", "request_contact": True}]
    assert markup["keyboard"][1] == [{"text": "Не хочу"}]
    assert params("Your number?", ask=Ask.PHONE, meta={"language": "en-GB"})["reply_markup"]["keyboard"][0][0][
        "text"
    ] == ("📱 Share my phone number")
    assert "reply_markup" not in params("Ваш номер?", ask=Ask.PHONE, thread="bc_1:555")


def test_the_keyboard_goes_when_the_number_came() -> None:
    assert params("Спасибо", meta={"shared": True})["reply_markup"] == {"remove_keyboard": True}
    assert "inline_keyboard" in params("Спасибо", Choice("Да"), meta={"shared": True})["reply_markup"]
    assert "reply_markup" not in params("Спасибо", meta={"shared": True}, thread="bc_1:555")


def test_an_answer_to_a_message() -> None:
    found = parts("Да. " * 3000, reply_to="10")
    assert found[0].body["params"]["reply_parameters"] == {"message_id": 10, "allow_sending_without_reply": True}
    assert all("reply_parameters" not in part.body["params"] for part in found[1:])


def test_a_voice_message_has_its_words_below() -> None:
    (part,) = parts("Записала *вас*", voice=b"OggS...")
    assert part.body["method"] == "sendVoice"
    assert part.body["params"]["caption"] == "Записала <b>вас</b>"
    assert base64.b64decode(part.body["voice"]) == b"OggS..."
    voice, *texts = parts("Длинно. " * 200, voice=b"OggS...")
    assert "caption" not in voice.body["params"]
    assert "".join(part.text.replace(" ", "") for part in texts) == "Длинно." * 200


def test_nothing_to_say_is_nothing_to_send() -> None:
    assert parts("  \n ") == []


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from("*<>&💅 .\n"), max_size=300),
       st.integers(1, 60))  # fmt: skip
def test_every_part_is_taken_by_telegram(text: str, times: int) -> None:
    for part in parts(text * times):
        sent = part.body["params"]
        seen = visible(sent["text"], sent.get("parse_mode"))
        assert 0 < utf16(seen.strip()) <= 4096
        assert seen == part.text
        assert json.loads(json.dumps(part.body)) == part.body
