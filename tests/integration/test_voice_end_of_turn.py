"""Ends of spoken turns with the real detector, recogniser, understanding and policy, by voices not trained on."""

import random
from dataclasses import replace

import pytest

from agent.language.understander import RuleUnderstander
from agent.model import Expect
from agent.understanding import Lexicon
from core.clock import SystemClock
from media_models.adapters.detector import GatedSileroDetector
from media_models.engines import embedded_recognizer_folder
from voice import timings
from voice.completeness import UnderstoodCompleteness
from voice.end_of_turn.model import EndOfTurnModel
from voice.end_of_turn.prosody import ProsodyTracker
from voice.end_of_turn.training.record import Heard, Scribe, hear
from voice.end_of_turn.training.scene import PauseKind, Plan, SpokenTurn, speak
from voice.end_of_turn.training.score import ended_at_ms, is_cut, score
from voice.end_of_turn.training.turns import Script
from voice.end_of_turn.training.voices import Contour, EspeakSegments, Segment
from voice.turn_policy import Signal, TurnPolicy

VOICES = ("m8", "Andy", "pablo", "f5")


@pytest.fixture(scope="module")
def endings() -> UnderstoodCompleteness:
    lexicon = Lexicon((), ())
    return UnderstoodCompleteness(RuleUnderstander(), lexicon, "Europe/Moscow", SystemClock(), EndOfTurnModel.load())


def planned(expect: Expect, *parts: str, pause_ms: int = 0) -> Plan:
    segments = [
        Segment(part, after.split()[0] if after else "", Contour.FLOW if after else Contour.FALL)
        for part, after in zip(parts, (*parts[1:], ""), strict=True)
    ]
    pauses = ((PauseKind.HESITATION, pause_ms, ""),) * (len(parts) - 1)
    return Plan(Script("test", expect, " | ".join(parts)), tuple(segments), pauses)


PLANS = (
    planned(Expect.DATE_TIME, "ну", "это", "на среду", pause_ms=700),
    planned(Expect.FREE, "запишите меня на", "пятницу", pause_ms=900),
    planned(Expect.FREE, "хочу записаться к", "светлане", pause_ms=800),
    planned(Expect.PHONE, "девятьсот тридцать", "сто пятьдесят шесть", "девяносто", "двадцать шесть", pause_ms=500),
    planned(Expect.YES_NO, "да"),
    planned(Expect.YES_NO, "нет спасибо"),
    planned(Expect.DATE_TIME, "завтра в три часа"),
)


@pytest.fixture(scope="module")
def spoken() -> list[SpokenTurn]:
    engine, turns = EspeakSegments(), []
    for number, plan in enumerate(PLANS * 2):
        rng = random.Random(number)
        voice = VOICES[number % len(VOICES)]
        engine.choose(voice, rng)
        turns.append(speak(plan, f"espeak {voice}", engine.speak, rng))
    return turns


@pytest.fixture(scope="module")
def heard(spoken: list[SpokenTurn]) -> list[Heard]:
    detector, scribe = GatedSileroDetector(), Scribe(embedded_recognizer_folder())
    # How long a decode takes on a busy machine is not the subject here.
    met = [hear(turn, detector, scribe) for turn in spoken]
    return [replace(one, silences=tuple(replace(silence, decode_ms=0.0) for silence in one.silences)) for one in met]


def test_hesitations_are_waited_out_and_answers_are_not(heard: list[Heard], endings: UnderstoodCompleteness) -> None:
    found = score(heard, lambda silence: endings.wait_ms(silence.said))
    assert found.turns == len(heard)
    assert found.pauses >= 12
    assert found.cut_pauses + found.cut_elsewhere <= 2
    timer = score(heard, lambda _: found.mean_ms)
    assert timer.cut_pauses >= 3 * max(1, found.cut_pauses), "a timer of the same mean wait is worse"
    short = [one for one in heard if one.turn.plan.script.expect is Expect.YES_NO]
    assert score(short, lambda silence: endings.wait_ms(silence.said)).quantile_ms(0.5) <= 400


def test_the_score_is_what_the_live_policy_does(
    spoken: list[SpokenTurn], heard: list[Heard], endings: UnderstoodCompleteness
) -> None:
    for turn, record in zip(spoken, heard, strict=True):
        texts = {silence.from_ms: silence.said for silence in record.silences}
        expected = next(
            ended_at_ms(silence, endings.wait_ms(silence.said))
            for silence in record.silences
            if silence.final or is_cut(silence, endings.wait_ms(silence.said))
        )
        ears, tracker = GatedSileroDetector().open_stream(8000), ProsodyTracker(8000)
        policy = TurnPolicy(endings.wait_ms, tracker.read)
        policy.asks(turn.plan.script.expect)
        ended = None
        for start in range(0, len(turn.pcm) - 319, 320):
            frame, end_ms = turn.pcm[start : start + 320], start // 16 + 20
            tracker.feed(frame)
            detection = ears.feed(frame)
            signal = policy.frame(detection.speech, end_ms, trailing=detection.trailing)
            if signal is Signal.HUSHED and policy.turn is not None and policy.turn.last_speech_ms in texts:
                said = texts[policy.turn.last_speech_ms]
                policy.words(said.text, policy.turn.last_speech_ms, said.confidence)
            if signal is Signal.ENDED:
                ended = end_ms
                break
        assert ended is not None
        assert ended == pytest.approx(expected, abs=timings.HUSH_MS / 2)
