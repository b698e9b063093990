"""Whatever the agent says, WhatsApp takes it: the vendor's own checks are asked."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.adapters.whatsapp.composing import compose, window_open
from channels.adapters.whatsapp.content import content_of
from channels.adapters.whatsapp.identity import Identity
from channels.adapters.whatsapp.templates import template_of
from channels.model import Ask, Choice, MessageId, Outgoing
from tests.simulators.whatsapp.graph import check_message

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
OPEN = {"wa_id": "79161234567", "window_until": (NOW + timedelta(hours=1)).isoformat()}
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=90).filter(
    lambda text: text.strip()
)
CHOICES = st.lists(st.builds(Choice, WORDS, st.sampled_from(["", "a:1", "b:2", " c ", "ы" * 32])), max_size=14)


def outgoing(text: str, **more: Any) -> Outgoing:
    more.setdefault("meta", OPEN)
    return Outgoing(MessageId(UUID(int=1)), "79161234567", text, **more)


@settings(max_examples=60, deadline=None)
@given(text=WORDS, times=st.integers(1, 80), choices=CHOICES, ask=st.sampled_from(Ask), hidden=st.booleans())
def test_every_part_passes_the_vendors_checks(
    text: str, times: int, choices: list[Choice], ask: Ask, *, hidden: bool
) -> None:
    meta = {"user_id": "RU.42", "window_until": OPEN["window_until"]} if hidden else OPEN
    thread = "RU.42" if hidden else "79161234567"
    message = Outgoing(MessageId(UUID(int=1)), thread, text * times, tuple(choices), ask, "wamid.x", meta=meta)
    parts = compose(message, NOW, (), "ru")
    assert parts
    for part in parts:
        check_message(dict(part.body))
    assert "context" in parts[0].body
    assert not any("context" in part.body for part in parts[1:])


@settings(max_examples=60, deadline=None)
@given(choices=st.lists(st.builds(Choice, WORDS), min_size=1, max_size=10))
def test_a_button_without_payload_says_its_very_words(choices: list[Choice]) -> None:
    (part,) = compose(outgoing("Что выбираете?", choices=tuple(choices)), NOW, (), "ru")
    action = part.body["interactive"]["action"]
    rows = action["sections"][0]["rows"] if "sections" in action else [b["reply"] for b in action["buttons"]]
    kind = "list_reply" if "sections" in action else "button_reply"
    said = [
        content_of({"type": "interactive", "interactive": {"type": kind, kind: row}}, Identity()).words for row in rows
    ]
    wanted = list(dict.fromkeys(" ".join(choice.text.split()).casefold() for choice in choices))
    assert [words.casefold() for words in said] == wanted


def test_the_number_is_written_to_while_it_is_known() -> None:
    meta = {**OPEN, "user_id": "RU.42"}
    (part,) = compose(Outgoing(MessageId(UUID(int=1)), "RU.42", "Да", meta=meta), NOW, (), "ru")
    assert part.body["to"] == "+79161234567"
    assert "recipient" not in part.body


@pytest.mark.parametrize(
    ("thread", "receiver"), [("RU.43", {"recipient": "RU.43"}), ("79990001122", {"to": "+79990001122"})]
)
def test_after_a_move_the_old_number_is_not_written_to(thread: str, receiver: dict[str, str]) -> None:
    meta = {**OPEN, "user_id": "RU.42"}
    (part,) = compose(Outgoing(MessageId(UUID(int=1)), thread, "Да", meta=meta), NOW, (), "ru")
    assert {name: part.body[name] for name in ("to", "recipient") if name in part.body} == receiver


def test_an_empty_message_is_nothing() -> None:
    assert compose(outgoing("  "), NOW, (), "ru") == []


def test_parameters_are_cleaned() -> None:
    message = outgoing("x", template="t", parameters=("a\nb\tc     d", ""), meta={})
    (part,) = compose(message, NOW, (), "ru")
    check_message(dict(part.body))
    values = [parameter["text"] for parameter in part.body["template"]["components"][0]["parameters"]]
    assert values == ["a b c d", "—"]


@pytest.mark.parametrize("until", ["", "soon", (NOW - timedelta(seconds=1)).isoformat(), NOW.isoformat()])
def test_a_window_that_is_unknown_or_over_is_closed(until: str) -> None:
    assert not window_open({"window_until": until}, NOW)


def test_places_of_a_template_are_counted_once_and_in_order() -> None:
    row = {
        "name": "t", "language": "ru", "status": "approved",
        "components": [
            {"type": "HEADER", "format": "TEXT", "text": "Мята"},
            {"type": "BODY", "text": "{{2}} и {{1}}, снова {{2}}"},
            {"type": "BUTTONS", "buttons": [{"type": "URL"}, {"type": "QUICK_REPLY"}, {"type": "QUICK_REPLY"}]},
        ],
    }  # fmt: skip
    template = template_of(row)
    assert template.places == ("1", "2")
    assert template.quick_replies == (1, 2)


def test_two_long_choices_that_begin_alike_stay_two() -> None:
    choices = tuple(Choice("Маникюр " * 40 + ending) for ending in ("короткий", "длинный"))
    (part,) = compose(outgoing("Что выбираете?", choices=choices), NOW, (), "ru")
    check_message(dict(part.body))
