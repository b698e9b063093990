"""Which words of a growing decode count as stable."""

from hypothesis import given, settings
from hypothesis import strategies as st

from media_models.agreement import Rival, Stability, StabilityRule

PLAIN = StabilityRule(agreement=2, hold_back_words=0, confidence=0.7, rival_share=0.9)


def test_words_are_stable_once_two_decodes_agree() -> None:
    stability = Stability(PLAIN)
    assert stability.update("хочу") == 0
    assert stability.update("хочу записать") == len("хочу")
    assert stability.update("хочу записаться на") == len("хочу")
    assert stability.update("хочу записаться на стрижку") == len("хочу записаться на")


def test_three_decodes_may_be_asked_for() -> None:
    stability = Stability(StabilityRule(agreement=3))
    assert [stability.update("на завтра") for _ in range(3)] == [0, 0, len("на завтра")]


def test_the_newest_words_are_held_back() -> None:
    stability = Stability(StabilityRule(hold_back_words=1))
    stability.update("на завтра утром")
    assert stability.update("на завтра утром") == len("на завтра")


def test_a_decode_in_doubt_makes_nothing_stable_but_keeps_what_is() -> None:
    stability = Stability(PLAIN)
    stability.update("на завтра", 0.9)
    assert stability.update("на завтра к", 0.9) == len("на завтра")
    stability.update("на завтра к анне", 0.6)
    assert stability.update("на завтра к анне", 0.6) == len("на завтра")
    assert stability.update("на завтра к анне", 0.8) == len("на завтра к анне")


def test_a_strong_rival_reading_holds_words_back() -> None:
    stability = Stability(PLAIN)
    rivals: list[Rival] = [("к анне", -1.0), ("к алле", -1.5), ("к анне на", -2.0)]
    stability.update("к анне", 0.9, rivals)
    assert stability.update("к анне", 0.9, rivals) == len("к")
    clear: list[Rival] = [("к анне", -1.0), ("к алле", -5.0)]
    assert stability.update("к анне", 0.9, clear) == len("к анне")


def test_rivals_are_about_the_open_window_alone() -> None:
    stability = Stability(PLAIN)
    rivals: list[Rival] = [("к анне", -0.1), ("к алле", -0.2)]
    stability.update("здравствуйте можно к анне", 0.9, rivals, 2)
    assert stability.update("здравствуйте можно к анне", 0.9, rivals, 2) == len("здравствуйте можно к")


def test_a_changed_beginning_takes_stability_back() -> None:
    stability = Stability(PLAIN)
    stability.update("на завтра")
    stability.update("на завтра")
    assert stability.update("а завтра") == 0
    assert stability.update("а завтра") == len("а завтра")


def test_a_text_that_shrinks_keeps_what_is_left_of_its_stable_words() -> None:
    stability = Stability(PLAIN)
    stability.update("на завтра к анне")
    stability.update("на завтра к анне")
    assert stability.update("на завтра") == len("на завтра")
    assert stability.update("") == 0


@given(st.lists(st.lists(st.sampled_from(["да", "нет", "на", "завтра"]), max_size=6), max_size=8))
@settings(max_examples=100, deadline=None)
def test_stable_text_is_a_prefix_and_new_stable_words_stood_in_the_decode_before(decodes: list[list[str]]) -> None:
    stability = Stability(PLAIN)
    previous: list[str] = []
    before: list[str] = []
    for words in decodes:
        text = " ".join(words)
        stable = text[: stability.update(text)].split()
        assert words[: len(stable)] == stable
        assert stable == before[: len(stable)] or stable == previous[: len(stable)]
        previous, before = words, stable
