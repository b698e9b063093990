"""When a burst is over and what turn it makes; the order in which notes are cut. No I/O."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model import Expect, TurnKind
from app.voice_notes import PIECE_S, pieces
from channels.burst import Heard, Item, turn_of, wait_s
from channels.codec import EventCodec, without_zero
from channels.inbox import Waiting
from channels.model import AccountId, Kind, Media, MessageReceived, Person
from channels.outbound import after
from channels.timings import Timings
from core.errors import InvalidInput
from core.phone import Phone
from media_models.audio_decoding import RATE_HZ, container_of

NOW = datetime(2026, 12, 1, 11, 0, tzinfo=UTC)
TIMINGS = Timings(quiet_s=1.5, longest_burst_s=6.0)


def item(text: str = "", ago_s: float = 0.0, **more: object) -> Item:
    event = MessageReceived("e", "t", "m", NOW, text, **more)
    at = NOW - timedelta(seconds=ago_s)
    waiting = Waiting(AccountId(uuid4()), "e", event, at, 0, 1, 0, None, at)
    return Item(waiting, event, uuid4())


def heard(text: str = "", *, unclear: bool = False, **more: object) -> Heard:
    return Heard(item(text, **more), text, unclear)


def turn(*burst: Heard, fresh: bool = False, expect: Expect = Expect.FREE, language: str = "ru"):
    return turn_of(burst, fresh=fresh, expect=expect, language=language)


def test_a_burst_ends_with_silence_or_after_its_longest_time() -> None:
    assert wait_s([item("a", 0.0)], NOW, TIMINGS) == pytest.approx(1.5)
    assert wait_s([item("a", 1.0)], NOW, TIMINGS) == pytest.approx(0.5)
    assert wait_s([item("a", 4.0), item("b", 0.5)], NOW, TIMINGS) == pytest.approx(1.0)
    assert wait_s([item("a", 5.8), item("b", 0.5)], NOW, TIMINGS) == pytest.approx(0.2)
    assert wait_s([item("a", 9.0), item("b", 0.0)], NOW, TIMINGS) == 0.0
    assert wait_s([item("a", 0.0, button="slot")], NOW, TIMINGS) == 0.0


def test_words_are_joined_and_repeats_said_once() -> None:
    assert (
        turn(heard("Здравствуйте"), heard("хочу стрижку"), heard("хочу стрижку")).text == "Здравствуйте\nхочу стрижку"
    )


def test_signs_answer_a_yes_or_no_and_nothing_else() -> None:
    assert turn(heard("👍"), expect=Expect.YES_NO).text == "Да"
    assert turn(heard("👍🏻"), expect=Expect.YES_NO, language="en").text == "Yes"
    assert turn(heard("❌"), expect=Expect.YES_NO).text == "Нет"
    assert turn(heard("👍")).kind is None
    assert turn(heard("👍"), fresh=True).kind is TurnKind.START
    assert turn(heard("?!")).kind is TurnKind.WORDS, "she is impatient"


def test_a_note_that_was_not_understood_is_asked_again_unless_words_came_too() -> None:
    note = heard(unclear=True, media=(Media(Kind.VOICE, "f"),))
    assert turn(note).kind is TurnKind.UNCLEAR
    assert turn(note, heard("на завтра")).text == "на завтра"
    spoken = replace(note, text="запишите", unclear=False)
    assert turn(spoken).voice
    assert not turn(heard("запишите")).voice


def test_only_ones_own_contact_is_a_number() -> None:
    card = (Media(Kind.CONTACT, "c"),)
    own = heard(media=card, person=Person("", Phone("+79161234567")))
    assert turn(own).text == "+79161234567"
    assert turn(own).for_staff is None
    other = turn(heard(media=card))
    assert (other.kind, other.for_staff) == (None, Kind.CONTACT)


def test_nothing_is_left_of_a_deleted_burst() -> None:
    assert turn(fresh=True).kind is None


def test_an_answer_is_never_earlier_than_what_it_answers() -> None:
    assert after(None, NOW) == NOW
    assert after(NOW - timedelta(seconds=1), NOW) == NOW
    assert after(NOW + timedelta(seconds=2), NOW) > NOW + timedelta(seconds=2)


@given(st.recursive(st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=8))
@settings(max_examples=60, deadline=None)
def test_what_the_database_cannot_hold_is_taken_out_and_nothing_else(value: object) -> None:
    clean = without_zero(value)
    assert "\x00" not in repr(clean)
    assert without_zero(clean) == clean
    str(clean).encode()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
@settings(max_examples=40, deadline=None)
def test_an_event_comes_back_from_the_inbox_as_it_went_in(text: str) -> None:
    codec = EventCodec()
    event = MessageReceived("e", "t", "m", NOW, text, (Media(Kind.IMAGE, "f", size=3),), Person(text), order=7)
    assert codec.load(codec.kind(event), codec.dump(event)) == event


def test_a_row_of_another_version_is_told_apart() -> None:
    codec = EventCodec()
    with pytest.raises(InvalidInput):
        codec.load("telepathy", {})
    with pytest.raises(InvalidInput):
        codec.load("message", {"event_id": 1})


def test_long_notes_are_cut_where_it_is_quiet() -> None:
    rng = np.random.default_rng(3)
    samples = rng.integers(-8000, 8000, int(RATE_HZ * 45), np.int16)
    samples[17 * RATE_HZ : 17 * RATE_HZ + RATE_HZ // 2] = 0
    cut = pieces(samples.tobytes())
    assert b"".join(cut) == samples.tobytes()
    assert all(len(piece) <= PIECE_S * RATE_HZ * 2 for piece in cut)
    assert 17.0 <= len(cut[0]) / 2 / RATE_HZ <= 17.5
    assert pieces(b"") == []


def test_only_recordings_are_opened() -> None:
    assert container_of(b"OggS....") == "ogg"
    assert container_of(b"\x00\x00\x00\x18ftypM4A ") == "mov"
    for other in (b"", b"#EXTM3U\nfile:///etc/passwd", b"ffconcat version 1.0", b"<svg/>", b"PK\x03\x04"):
        with pytest.raises(InvalidInput):
            container_of(other)
