"""The link's framing: every message survives any cut of the byte stream; rubbish is an error, never a crash."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ids import CallId
from telephony.link import codec
from telephony.link.codec import Decoder, LinkError, encode
from voice.ports import AudioIn, CallInfo, Direction, Dtmf, HangUpReason, HungUp, MarkReached

U32 = st.integers(0, 2**32 - 1)
TEXT = st.text(max_size=40)
MESSAGES = st.one_of(
    st.builds(codec.Hello, U32, st.booleans()),
    st.builds(
        codec.Open,
        st.builds(
            CallInfo,
            TEXT.map(CallId),
            st.sampled_from(Direction),
            TEXT,
            TEXT,
            TEXT,
            st.integers(8000, 48000),
            st.booleans(),
        ),
    ),
    st.builds(AudioIn, st.binary(max_size=700), U32, U32),
    st.builds(Dtmf, TEXT),
    st.builds(MarkReached, TEXT),
    st.builds(HungUp, st.sampled_from(HangUpReason)),
    st.builds(codec.Play, st.binary(max_size=4000)),
    st.builds(codec.Mark, TEXT),
    st.builds(codec.Transfer, TEXT),
    st.builds(codec.Done, st.booleans()),
    st.sampled_from((codec.Ping(), codec.Pong(), codec.Clear(), codec.HangUp())),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(MESSAGES, max_size=6), st.lists(st.integers(1, 50), max_size=30))
def test_messages_survive_any_cut(messages, sizes) -> None:
    data = b"".join(map(encode, messages))
    decoder, seen = Decoder(), []
    for size in sizes:
        seen += decoder.feed(data[:size])
        data = data[size:]
    seen += decoder.feed(data)
    assert seen == messages


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_rubbish_is_a_link_error(data) -> None:
    with contextlib.suppress(LinkError):
        list(Decoder().feed(data))


def test_long_audio_is_cut_and_whole() -> None:
    pcm = bytes(range(256)) * 1000
    pieces = list(Decoder().feed(encode(codec.Play(pcm))))
    assert len(pieces) > 1
    assert b"".join(piece.pcm for piece in pieces) == pcm


def test_an_audio_frame_costs_twelve_bytes() -> None:
    assert len(encode(AudioIn(bytes(320), 1, 2))) == 332


def test_a_frame_beyond_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(LinkError, match="bytes"):
        list(Decoder().feed(b"\x09\xff\xff\xff"))
