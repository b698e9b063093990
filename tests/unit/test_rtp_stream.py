"""Both directions of a call's audio: loss, a new SSRC, reports, DTMF, timestamps."""

import itertools
import struct

import numpy as np
import pytest

from telephony.codecs import SILENCE, pcma, pcmu
from telephony.rtp.concealment import Concealer
from telephony.rtp.packet import RtpPacket, read_rtp
from telephony.rtp.stream import AudioFormat, InboundStream, OutboundStream

FORMAT = AudioFormat(pcma(), 8, 101)


def tone(number: int, hz: float = 200) -> bytes:
    at = np.arange(160 * number, 160 * (number + 1))
    return (8000 * np.sin(2 * np.pi * hz * at / 8000)).astype("<i2").tobytes()


def packet(number: int, ssrc: int = 1, payload_type: int = 8, payload: bytes | None = None) -> RtpPacket:
    body = pcma().encode(tone(number)) if payload is None else payload
    return RtpPacket(payload_type, False, number & 0xFFFF, 160 * number, ssrc, body)


def level(pcm: bytes) -> float:
    return float(np.sqrt((np.frombuffer(pcm, "<i2").astype(float) ** 2).mean()))


def test_without_a_stream_there_is_silence() -> None:
    assert InboundStream(FORMAT).frame() == SILENCE


def test_frames_come_out_decoded() -> None:
    stream = InboundStream(FORMAT)
    for n in range(3):
        stream.push(packet(n), 0.02 * n)
    assert stream.frame() == pcma().decode(pcma().encode(tone(0)))


def test_a_lost_frame_is_concealed_with_the_same_pitch_and_no_click() -> None:
    stream = InboundStream(FORMAT)
    out = b""
    for n in range(20):
        if n != 10:
            stream.push(packet(n), 0.02 * n)
        if n >= 2:
            out += stream.frame()
    samples = np.frombuffer(out, "<i2").astype(float)
    assert stream.jitter.counters.concealed >= 1
    steps = np.abs(np.diff(samples[320:-320]))
    # The steepest step of the tone itself is 8000 * 2 pi * 200 / 8000 = 1257.
    assert steps.max() < 2600
    lost = samples[160 * 8 : 160 * 11]
    assert np.sqrt((lost**2).mean()) > 2500


def test_concealment_fades_to_silence() -> None:
    concealer = Concealer()
    for n in range(4):
        concealer.good(tone(n))
    levels = [level(concealer.lost()) for _ in range(5)]
    assert levels[0] > levels[1] > levels[2] > 0
    assert levels[3:] == [0, 0]


def test_a_new_ssrc_takes_over_after_two_packets_and_a_stray_one_does_not() -> None:
    stream = InboundStream(FORMAT)
    for n in range(10):
        stream.push(packet(n), 0.02 * n)
    stream.push(packet(500, ssrc=9), 0.2)
    assert stream.ssrc == 1
    stream.push(packet(10), 0.2)
    for n in range(700, 704):
        stream.push(packet(n, ssrc=2), 0.3 + 0.02 * (n - 700))
    assert stream.ssrc == 2
    assert level(stream.frame()) > 1000


def test_digits_of_the_agreed_payload_type_only() -> None:
    stream = InboundStream(FORMAT)
    key = struct.pack("!BBH", 7, 0x8A, 800)
    assert stream.push(packet(1, payload_type=101, payload=key), 0.0) == "7"
    assert stream.push(packet(2, payload_type=96, payload=key), 0.02) is None


def test_the_reception_report_counts_loss() -> None:
    stream = InboundStream(FORMAT)
    for n in range(100):
        if n % 10 != 5:
            stream.push(packet(n), 0.02 * n)
    block = stream.report(0, 0)
    assert block is not None
    assert block.lost == 10
    assert block.fraction_lost == pytest.approx(256 * 0.1, abs=2)
    assert block.highest_sequence == 99
    assert block.jitter <= 1
    again = stream.report(0, 0)
    assert again is not None
    assert again.fraction_lost == 0


def test_no_report_without_a_stream() -> None:
    assert InboundStream(FORMAT).report(0, 0) is None


def test_outgoing_timestamps_follow_the_clock_also_over_skipped_ticks() -> None:
    stream = OutboundStream(FORMAT)
    packets = [read_rtp(data) for index in (5, 6, 9) for data in stream.packets_for(index, tone(0))]
    assert [p is not None and p.marker for p in packets] == [True, False, True]
    first, second, third = (p for p in packets if p is not None)
    assert (second.timestamp - first.timestamp) & 0xFFFFFFFF == 160
    assert (third.timestamp - second.timestamp) & 0xFFFFFFFF == 480
    assert (third.sequence - first.sequence) & 0xFFFF == 2


def test_with_nothing_to_say_silence_is_sent() -> None:
    (data,) = OutboundStream(AudioFormat(pcmu(), 0)).packets_for(1, None)
    read = read_rtp(data)
    assert read is not None
    assert set(np.frombuffer(pcmu().decode(read.payload), "<i2").tolist()) == {0}


def test_keys_replace_audio_and_keep_the_sequence() -> None:
    stream = OutboundStream(FORMAT)
    stream.dtmf.queue("5")
    kinds = []
    sequences = []
    for index in range(10):
        for data in stream.packets_for(index, tone(index)):
            read = read_rtp(data)
            assert read is not None
            kinds.append(read.payload_type)
            sequences.append(read.sequence)
    assert kinds == [101] * 7 + [8] * 2
    assert [(b - a) & 0xFFFF for a, b in itertools.pairwise(sequences)] == [1] * 8
