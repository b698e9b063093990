"""The verdict of the voice bench: it must be able to fail."""

from bench.voice_bars import WAIT_MS, Run, missed
from bench.voice_capture import CallNumbers


def row(numbers: CallNumbers, concurrency: int = 1, cpu_s: float = 1.0) -> Run:
    return Run("sip", concurrency, numbers, {}, cpu_s, 0, ())


def good() -> CallNumbers:
    return CallNumbers(greeting=[100.0], voice_to_voice=[WAIT_MS + 30.0] * 20, barge_in=[230.0] * 10)


def test_numbers_below_their_bars_pass() -> None:
    assert missed([row(good())], "embedded") == []
    assert missed([row(good(), 50)], "stub") == []


def test_each_number_above_its_bar_is_named() -> None:
    slow = good()
    slow.voice_to_voice = [610.0] * 18 + [950.0] * 2
    slow.barge_in = [230.0] * 8 + [500.0] * 2
    slow.greeting = [450.0]
    assert [line.partition(": ")[2].rpartition(" p")[0] for line in missed([row(slow)], "embedded")] == [
        "voice-to-voice", "voice-to-voice", "barge-in", "greeting",
    ]  # fmt: skip
    assert any("framework share" in line for line in missed([row(slow)], "stub"))
    assert any("CPU" in line for line in missed([row(good(), 10, cpu_s=2.5)], "stub"))


def test_silence_deafness_and_cutting_in_are_misses_of_any_row() -> None:
    bad = good()
    bad.unanswered, bad.early, bad.not_interrupted = 2, 1, 1
    assert len(missed([row(bad, 50)], "stub")) == 3
    assert missed([row(CallNumbers(), 50)], "stub")


def test_rows_measured_several_times_count_by_their_median() -> None:
    loaded = good()
    loaded.voice_to_voice = [2000.0] * 20
    assert missed([row(good()), row(loaded), row(good())], "embedded") == []
