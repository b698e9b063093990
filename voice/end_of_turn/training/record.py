"""What the live listening knows at each pause of a spoken turn: the real detector, turn policy and recogniser."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from media_models.agreement import Stability
from media_models.decoder import WhisperDecoder
from media_models.ports import SpeechDetector
from media_models.profiles import EngineProfile
from media_models.recogniser_worker.turn import Turn
from voice import timings
from voice.end_of_turn.prosody import ProsodyTracker
from voice.end_of_turn.training.scene import PauseKind, SpokenTurn
from voice.end_of_turn.training.voices import RATE_HZ
from voice.ports import FRAME_MS, Said
from voice.turn_policy import Signal, TurnPolicy

_FRAME_BYTES = RATE_HZ * FRAME_MS // 1000 * 2
_NEVER_MS = 60_000
_SAME_PAUSE_MS = 260


@dataclass(frozen=True, slots=True)
class Silence:
    """One pause as the listener met it. Times in milliseconds of the turn's audio."""

    said: Said
    true_text: str
    """The words that were over by then."""
    from_ms: int
    """End of the last voiced frame, as the detector sees it."""
    voice_back_ms: int | None
    """End of the first frame in which the voice came back; None at the end of the turn."""
    kind: PauseKind | None
    """None: the end of the turn, or a gap inside fluent speech."""
    decode_ms: float = 0.0

    @property
    def final(self) -> bool:
        return self.voice_back_ms is None


@dataclass(frozen=True, slots=True)
class Heard:
    turn: SpokenTurn
    silences: tuple[Silence, ...]
    """Those that some answer could fall into; shorter ones are left out."""

    @property
    def missed(self) -> bool:
        """The detector heard no turn at all, or took the line's noise for speech to the end."""
        return not self.silences or not self.silences[-1].final

    def without_sound(self) -> "Heard":
        return replace(self, turn=replace(self.turn, pcm=b""))


@dataclass(frozen=True, slots=True)
class Met:
    """A turn behind the detector and the policy, before the recogniser: what a new recogniser need not do again."""

    turn: SpokenTurn
    begin: int
    """Byte of the turn's audio at which the recogniser begins to hear."""
    silences: tuple[Silence, ...]
    """Without words."""
    ends: tuple[int, ...]
    """Bytes heard when each silence was met."""


class Scribe:
    """Final texts as a recognition worker writes them, in this process and several at a time."""

    def __init__(self, folder: Path) -> None:
        self._profile = EngineProfile.read(folder)
        self._decoder = WhisperDecoder(folder, self._profile)

    def write(self, pcm: bytes, begin: int, ends: Sequence[int]) -> list[tuple[str, float, float]]:
        """Text, confidence and milliseconds for the audio from begin to each of the ends, all in bytes."""
        started = time.perf_counter()
        turns, windows = [], []
        for end in ends:
            turn = Turn(self._profile, RATE_HZ, "ru", (), Stability(self._profile.stability), bytearray(pcm[begin:end]))
            windows.append(turn.growing_window(end - begin, lambda window: self._decoder.decode([window])[0]))
            turns.append(turn)
        tails = self._decoder.decode(windows)
        took_ms = (time.perf_counter() - started) * 1000 / max(1, len(ends))
        finals = [
            turn.decoded(True, end - begin, tail, took_ms) for turn, end, tail in zip(turns, ends, tails, strict=True)
        ]
        return [(final.text.strip(), final.confidence, took_ms) for final in finals]


def hear(turn: SpokenTurn, detector: SpeechDetector, scribe: Scribe) -> Heard:
    return write_down(listen(turn, detector), scribe)


def listen(turn: SpokenTurn, detector: SpeechDetector) -> Met:
    """Runs the turn through detector and policy; the policy is patient beyond measure, so that every pause is met."""
    ears, tracker = detector.open_stream(RATE_HZ), ProsodyTracker(RATE_HZ)
    policy = TurnPolicy(lambda said: _NEVER_MS, tracker.read)
    policy.expect = turn.plan.script.expect
    begin = 0
    met: list[tuple[Silence, int]] = []
    waiting: tuple[Silence, int] | None = None
    for start in range(0, len(turn.pcm) - _FRAME_BYTES + 1, _FRAME_BYTES):
        frame, end = turn.pcm[start : start + _FRAME_BYTES], start + _FRAME_BYTES
        end_ms = end * FRAME_MS // _FRAME_BYTES
        tracker.feed(frame)
        detection = ears.feed(frame)
        signal = policy.frame(detection.speech, end_ms, trailing=detection.trailing)
        if signal is Signal.OPENED:
            kept_ms = timings.PRE_ROLL_MS + timings.SPEECH_START_MS
            begin = max(0, end - kept_ms * _FRAME_BYTES // FRAME_MS)
        state = policy.turn
        if signal is Signal.HUSHED and state is not None:
            said = Said("", 0.0, policy.expect, state.prosody, state.pauses, state.voiced_ms)
            waiting = Silence(said, "", state.last_speech_ms, None, None), end
        if signal is Signal.RESUMED and waiting is not None:
            back_ms = end_ms - timings.RESUME_SPEECH_MS + FRAME_MS
            if back_ms - waiting[0].from_ms >= timings.WAIT_SHORTEST_MS:
                met.append((replace(waiting[0], voice_back_ms=back_ms), waiting[1]))
            waiting = None
    if waiting is not None:
        met.append(waiting)
    return Met(turn, begin, tuple(silence for silence, _ in met), tuple(end for _, end in met))


def write_down(met: Met, scribe: Scribe) -> Heard:
    """What the recogniser makes of the turn at each of its pauses."""
    texts = scribe.write(met.turn.pcm, met.begin, met.ends) if met.ends else []
    told = (_told(met.turn, silence, *text) for silence, text in zip(met.silences, texts, strict=True))
    return Heard(met.turn, tuple(told))


def _told(turn: SpokenTurn, silence: Silence, text: str, confidence: float, decode_ms: float) -> Silence:
    from_ms = silence.from_ms
    kind = next((pause.kind for pause in turn.pauses if abs(pause.start_ms - from_ms) <= _SAME_PAUSE_MS), None)
    over = [word for word, over_ms in turn.words if silence.final or over_ms <= from_ms + 100]
    return replace(
        silence,
        said=replace(silence.said, text=text, confidence=confidence),
        true_text=" ".join(over),
        kind=None if silence.final else kind,
        decode_ms=decode_ms,
    )
