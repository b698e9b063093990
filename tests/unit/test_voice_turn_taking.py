"""Turn-taking and interruption: what users of voice agents complain about, each as a call in virtual time."""

import pytest

from agent.model import Expect, Say, TurnKind
from core.timeline import EventKind
from media_models.ports import Detection
from tests.simulators.voice_fakes import Call, answers, place
from voice.listener import Ears

STORY = Say(
    "Мужская стрижка стоит тысячу пятьсот рублей и длится примерно сорок минут. "
    "Ближайшее свободное время завтра в двенадцать у Инны Лебедевой."
)
SHORT = Say("Хорошо, записала вас.")
QUESTION = Say("Записать вас на завтра в двенадцать?", Expect.YES_NO)
ASK = "сколько стоит стрижка"


def texts(call: Call) -> list[str]:
    return [turn.text for turn in call.agent.turns() if turn.kind is TurnKind.WORDS and not turn.provisional]


def caller_lines(call: Call) -> list[str]:
    return [text for who, text in call.history if who == "caller"]


# A listener's sounds do not take the floor.


@pytest.mark.parametrize("sound", ["угу", "ага", "так", "ага так", "хорошо"])
@pytest.mark.parametrize("at_ms", [7600, 8100, 9000])
def test_a_listeners_word_does_not_stop_the_agent_for_good(sound: str, at_ms: int) -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.says(at_ms, sound)
        call.leg.leaves(17500)

    call = place(answers(STORY), script)
    heard = call.leg.heard(5000)
    # Words may be said again from the cut word; none is missing and nothing else is said.
    missing = [word for word in STORY.text.split() if word not in heard.split()]
    assert not missing
    assert call.history[2] == ("agent", STORY.text)
    assert caller_lines(call) == [ASK]
    end = call.leg.last_sound_ms()
    assert end is not None
    silent = longest_gap(call, 6500, end)
    assert silent <= 420


def longest_gap(call: Call, from_ms: int, to_ms: int) -> int:
    longest = run = 0
    for value in call.leg.played[from_ms // 20 : to_ms // 20]:
        run = run + 20 if value == 0 else 0
        longest = max(longest, run)
    return longest


@pytest.mark.parametrize("length_ms", [40, 80, 120, 200, 300, 400, 700, 2500])
def test_a_cough_or_noise_over_the_agent_does_not_stop_it_for_good(length_ms: int) -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.noise(8000, length_ms)
        call.leg.leaves(17500)

    call = place(answers(STORY), script)
    assert call.history[2] == ("agent", STORY.text)
    end = call.leg.last_sound_ms()
    assert end is not None
    assert longest_gap(call, 6500, end) <= 700
    if length_ms < 160:
        assert longest_gap(call, 6500, end) == 0


def test_after_one_false_alarm_the_same_reply_is_not_paused_by_noise_again() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        for at_ms in (7000, 9000, 11000):
            call.leg.noise(at_ms, 400)
        call.leg.leaves(17500)

    call = place(answers(STORY), script)
    assert len(call.leg.cleared_at) <= 2
    assert call.history[2] == ("agent", STORY.text)


def test_listen_to_me_stops_it() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.says(8000, "да послушайте меня")
        call.leg.leaves(16000)

    call = place(answers(STORY, SHORT), script)
    assert caller_lines(call) == [ASK, "да послушайте меня"]
    assert call.history[-1] == ("agent", SHORT.text)


@pytest.mark.parametrize("length_ms", [100, 200, 400])
def test_a_cough_in_the_gap_before_the_reply_does_not_cancel_it(length_ms: int) -> None:
    def script(call: Call) -> None:
        end = call.leg.says(3500, ASK)
        call.leg.noise(end + 650, length_ms)
        call.leg.leaves(17500)

    call = place(answers(STORY, think_s=0.6), script)
    assert call.history[2] == ("agent", STORY.text)
    assert [word for word in STORY.text.split() if word not in call.leg.heard(4000).split()] == []


# Pauses inside a sentence.


@pytest.mark.parametrize("pause_ms", [200, 500, 900])
def test_a_hesitation_inside_a_sentence_is_not_interrupted(pause_ms: int) -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, "я хочу на пятницу", gaps_ms=[0, pause_ms])
        call.leg.leaves(9000)

    call = place(answers(SHORT), script)
    assert texts(call) in (["я хочу на пятницу"], [])
    assert caller_lines(call) == ["я хочу на пятницу"]
    end = 3500 + pause_ms + 1400
    assert call.leg.heard(3500, end) == ""


def test_a_turn_answered_too_early_goes_on_as_one_turn() -> None:
    """«Меня зовут Иван… Петров»: complete after the pause, so the reply begins; the rest joins the same turn."""

    def script(call: Call) -> None:
        call.leg.says(3500, "меня зовут иван петров", gaps_ms=[0, 0, 760])
        call.leg.leaves(13000)

    call = place(answers(SHORT, think_s=0.3), script)
    assert caller_lines(call) == ["меня зовут иван петров"]
    assert [line for line in call.history if line[0] == "agent"][1:] == [("agent", SHORT.text)]
    assert call.leg.heard(6500).count(SHORT.text) <= 1


def test_dictated_digits_do_not_end_the_turn() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, "давайте")
        call.leg.says(
            8500, "восемь девятьсот двадцать шесть сто двадцать три сорок пять", gaps_ms=[0, 800, 0, 900, 0, 0, 900]
        )
        call.leg.leaves(25000)

    call = place(answers(Say("Продиктуйте номер.", Expect.PHONE), SHORT), script)
    assert caller_lines(call)[1] == "восемь девятьсот двадцать шесть сто двадцать три сорок пять"


def test_a_short_yes_is_answered_within_half_a_second() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        end = call.leg.says(9000, "да")
        call.end_of_yes = end  # type: ignore[attr-defined]
        call.leg.leaves(15000)

    call = place(answers(QUESTION, SHORT), script)
    first = call.leg.first_sound_ms(9000)
    assert first is not None
    assert first - call.end_of_yes <= 500  # type: ignore[attr-defined]


def test_no_hidden_timer_adds_to_a_turn() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.leaves(12000)

    call = place(answers(SHORT), script)
    end = 3500 + sum(1 for frame in call.leg.caller) * 20
    first = call.leg.first_sound_ms(end)
    assert first is not None
    assert first - end <= 550 + 40, "the timer for a free answer is all there is: the reply was ready before it"


# Both at once, first words, first phonemes.


def test_when_both_begin_together_any_word_wins() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.says(5900, "нет")
        call.leg.leaves(12000)

    call = place(answers(STORY, SHORT), script)
    assert call.history[-1] == ("agent", SHORT.text)
    assert caller_lines(call)[-1] in ("нет", f"{ASK} нет")


def test_early_barge_in_works_from_the_first_second_of_the_call() -> None:
    def script(call: Call) -> None:
        call.leg.says(300, "девушка запишите меня")
        call.leg.leaves(9000)

    call = place(answers(SHORT, greeting=STORY.text), script)
    assert caller_lines(call) == ["девушка запишите меня"]
    silent = call.leg.last_sound_ms(before_ms=1500)
    assert silent is not None
    assert silent - 300 <= 300
    assert call.history[-1] == ("agent", SHORT.text)


def test_no_first_phoneme_of_an_interruption_is_lost() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.says(8000, "стоп не надо")
        call.leg.leaves(14000)

    call = place(answers(STORY, SHORT), script)
    assert caller_lines(call)[1] == "стоп не надо"


def test_the_old_answer_is_not_read_on_after_an_interruption() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.says(8000, "подождите другое хочу спросить про маникюр")
        call.leg.leaves(16000)

    call = place(answers(STORY, SHORT), script)
    assert call.leg.heard(8400) == SHORT.text
    assert len(call.leg.cleared_at) >= 1


def test_a_partial_of_punctuation_alone_stops_nothing() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.says(8000, "...")
        call.leg.leaves(22000)

    call = place(answers(STORY), script)
    assert call.history[2] == ("agent", STORY.text)
    assert caller_lines(call) == [ASK]


# A turn always ends.


def test_noise_that_never_stops_does_not_keep_the_turn_open_and_the_call_ends() -> None:
    def script(call: Call) -> None:
        call.leg.noise(3500, 400_000)

    call = place(answers(SHORT), script)
    kinds = [turn.kind for turn in call.agent.turns()]
    assert TurnKind.UNCLEAR in kinds
    assert kinds.count(TurnKind.SILENCE) == 3
    assert call.summary is not None
    assert call.summary.ended_by.value == "agent"
    assert call.summary.duration_s < 120


def test_steady_noise_after_words_ends_the_turn_by_the_longest_turn() -> None:
    def script(call: Call) -> None:
        end = call.leg.says(3500, ASK)
        call.leg.noise(end, 60_000)
        call.leg.leaves(45_000)

    call = place(answers(SHORT), script)
    assert caller_lines(call)[0] == ASK


def test_comfort_noise_does_not_count_as_a_living_caller() -> None:
    """A muted caller whose trunk sends bursts of noise is asked twice and then bid goodbye."""

    def script(call: Call) -> None:
        for at_ms in range(3000, 300_000, 1500):
            call.leg.noise(at_ms, 300)

    call = place(answers(SHORT), script)
    assert call.summary is not None
    assert call.summary.ended_by.value == "agent"
    assert call.summary.duration_s < 90


def test_silence_is_asked_about_twice_then_goodbye() -> None:
    call = place(answers(SHORT), lambda call: None)
    counts = [turn.silence_count for turn in call.agent.turns() if turn.kind is TurnKind.SILENCE]
    assert counts == [1, 2, 3]
    assert len(call.timeline.of(EventKind.IDLE_PROMPT)) == 3
    assert call.summary is not None
    assert 25 < call.summary.duration_s < 45


def test_words_after_a_prompt_begin_the_count_anew() -> None:
    def script(call: Call) -> None:
        call.leg.says(13_000, ASK)
        call.leg.leaves(60_000)

    call = place(answers(SHORT), script)
    counts = [turn.silence_count for turn in call.agent.turns() if turn.kind is TurnKind.SILENCE]
    assert counts[:2] == [1, 1]


@pytest.mark.parametrize("burst", [False, True])
def test_frames_that_stop_in_the_middle_of_a_word_do_not_hang_the_turn(burst: bool) -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.burst = burst
        call.leg.frames_stop = (4900 // 20, 9000 // 20)
        call.leg.leaves(20_000)

    call = place(answers(SHORT), script)
    assert caller_lines(call), "the words so far are answered"
    assert SHORT.text in call.leg.heard(3500)


def test_a_stall_of_half_a_second_and_the_burst_after_it_lose_no_word() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, "запишите меня пожалуйста завтра вечером")
        call.leg.burst = True
        call.leg.frames_stop = (4000 // 20, 4500 // 20)
        call.leg.leaves(15_000)

    call = place(answers(SHORT), script)
    assert caller_lines(call) == ["запишите меня пожалуйста завтра вечером"]


def test_a_voice_without_words_is_asked_again_and_the_idle_timer_lives_on() -> None:
    def script(call: Call) -> None:
        call.recognizer.deaf = True
        call.leg.says(3500, ASK)

    call = place(answers(SHORT), script)
    kinds = [turn.kind for turn in call.agent.turns()]
    assert kinds[1] is TurnKind.UNCLEAR
    assert kinds.count(TurnKind.SILENCE) == 3
    assert "не расслышала." in call.leg.heard()


def test_a_recogniser_that_never_answers_counts_as_not_understood() -> None:
    def script(call: Call) -> None:
        call.recognizer.hangs = True
        call.leg.says(3500, ASK)
        call.leg.leaves(15_000)

    call = place(answers(SHORT), script)
    assert TurnKind.UNCLEAR in [turn.kind for turn in call.agent.turns()]
    end = max(call.leg.caller) * 20 + 20
    first = call.leg.first_sound_ms(end)
    assert first is not None
    assert first - end <= 2000, "a sound within two seconds, whatever has failed"
    assert call.leg.heard(end, end + 7000) == "Секунду, смотрю. Простите, не расслышала."


def test_a_slow_recogniser_is_covered_by_a_filler_and_its_words_are_answered_behind_it() -> None:
    def script(call: Call) -> None:
        call.recognizer.final_ms = 1900
        call.leg.says(3500, ASK)
        call.leg.leaves(11_000)

    call = place(answers(SHORT), script)
    assert caller_lines(call) == [ASK]
    end = max(call.leg.caller) * 20 + 20
    assert call.leg.heard(end) == f"Секунду, смотрю. {SHORT.text}"
    assert call.history[-1] == ("agent", SHORT.text)


def test_a_detector_gone_deaf_in_the_middle_is_opened_anew() -> None:
    def script(call: Call) -> None:
        call.detector.deaf_after_frames = 150
        call.leg.says(3500, "алло девушка вы меня слышите алло алло")
        call.leg.says(9000, ASK)
        call.leg.leaves(16_000)

    call = place(answers(SHORT), script)
    assert call.detector.opened >= 2
    assert any(ASK in line for line in caller_lines(call))
    assert {"where": "detector", "what": "reopened"} in call.timeline.of(EventKind.ERROR)


def test_a_detector_that_breaks_is_opened_anew() -> None:
    def script(call: Call) -> None:
        call.detector.fails_at_frame = 100
        call.leg.says(3500, ASK)
        call.leg.leaves(12_000)

    call = place(answers(SHORT), script)
    assert caller_lines(call) == [ASK]


def test_a_yes_over_the_end_of_the_question_is_its_answer() -> None:
    def script(call: Call) -> None:
        call.leg.says(3500, ASK)
        call.leg.says(7100, "да")
        call.leg.leaves(14_000)

    call = place(answers(QUESTION, SHORT), script)
    assert caller_lines(call) == [ASK, "да"]
    assert call.history[-1] == ("agent", SHORT.text)


def test_a_dryer_is_not_taken_for_a_deaf_detector_again_and_again() -> None:
    ears = Ears(LoudNoSpeech(), 8000)
    for _ in range(60 * 50):
        ears.feed(bytes(320))
    assert ears.reopened <= 5


class LoudNoSpeech:
    name = "loud"

    def open_stream(self, rate_hz: int) -> "LoudNoSpeech":
        return self

    def feed(self, frame: bytes) -> Detection:
        return Detection(False, 0.0, -30.0, -60.0)
