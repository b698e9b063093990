"""When a caller's turn begins, pauses and ends. Pure: 20 ms verdicts of the detector and texts in, signals out.

How much silence ends a turn is asked once for each pause, when its words are known: of the words, the voice and what
was asked (end_of_turn). A turn always ends: by silence, by the longest turn, or as noise when no word came out of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from agent.model import Expect
from voice import timings
from voice.end_of_turn.prosody import Prosody
from voice.ports import FRAME_MS, Said

_OPEN_WINDOW_MS = 100


class Signal(Enum):
    NONE = auto()
    OPENED = auto()
    """A turn has begun; its onset lies a little back."""
    HUSHED = auto()
    """Short silence: decode the whole turn and prepare the reply."""
    RESUMED = auto()
    """The caller goes on; what was prepared at the hush is void."""
    ENDED = auto()
    """The turn is over. The policy is quiet again."""


@dataclass(slots=True)
class OpenTurn:
    """The facts of the turn that is open or has just ended. Times in call milliseconds."""

    onset_ms: int
    last_speech_ms: int
    """End of the last frame with speech."""
    voiced_ms: int
    text: str = ""
    confidence: float = 1.0
    """Of the text, 0 to 1."""
    known_to_ms: int = -1
    """The text covers the speech up to here. -1: nothing decoded yet."""
    hushed: bool = False
    forced: bool = False
    """Closed by a limit, not by the caller's silence."""
    had_words: bool = False
    prosody: Prosody | None = None
    """Of the speech before the present pause; measured once a pause."""
    pauses: int = 0
    """Hesitations so far."""
    wait_ms: int | None = None
    """Silence that ends it, as far as the words tell; None: to be asked."""


class TurnPolicy:
    def __init__(self, wait_ms: Callable[[Said], int], prosody: Callable[[], Prosody | None] = lambda: None) -> None:
        """wait_ms: the silence that ends a turn. prosody: of the newest audio."""
        self._wait_for = wait_ms
        self._prosody = prosody
        self.expect = Expect.FREE
        self.turn: OpenTurn | None = None
        """The open turn; None while the caller is quiet."""
        self.ended: OpenTurn | None = None
        """The turn that ended last."""
        self._run_ms = 0
        """Leaky count of speech: up with speech, down with silence."""
        self._run_onset_ms = 0
        self._now_ms = 0

    @property
    def silence_ms(self) -> int:
        """Silence at the end of the open turn; 0 without one."""
        return self._now_ms - self.turn.last_speech_ms if self.turn else 0

    def frame(self, speech: bool, end_ms: int, *, proven_ms: int = 0, trailing: bool = False) -> Signal:
        """One frame that ends at end_ms. Frames that come late after a stall do not turn time back.

        proven_ms: speech right before it that was passed as silence, because it was not known yet whose it was.
        trailing: speech that has fallen back to the background; if it ends now, it ended before this frame.
        """
        self._now_ms = max(self._now_ms, end_ms)
        if self.turn is None:
            return self._while_quiet(speech, end_ms, proven_ms)
        if speech and not trailing:
            return self._speech_in_turn(self.turn, end_ms, proven_ms)
        if speech and not self.turn.hushed:
            self.turn.voiced_ms += FRAME_MS
            return self._check(self.turn)
        self._run_ms = max(0, self._run_ms - FRAME_MS)
        return self._check(self.turn)

    def time(self, now_ms: int) -> Signal:
        """The clock went on without a frame, or a text has just arrived."""
        self._now_ms = max(self._now_ms, now_ms)
        return self._check(self.turn) if self.turn else Signal.NONE

    def words(self, text: str, upto_ms: int, confidence: float = 1.0) -> None:
        """The newest reading of the open turn, covering speech up to upto_ms. Empty: decoded, and nothing in it."""
        turn = self.turn
        if turn is None or upto_ms < turn.known_to_ms:
            return
        turn.text, turn.confidence = text, confidence
        turn.known_to_ms = upto_ms
        turn.had_words = turn.had_words or bool(text)
        turn.wait_ms = None

    def asks(self, expect: Expect) -> None:
        """The agent has said something that expects this kind of answer."""
        self.expect = expect
        if self.turn:
            self.turn.wait_ms = None

    def drop(self) -> None:
        """Forget the open turn: it was no turn."""
        self.turn = None
        self._run_ms = 0

    def _silence_needed(self, turn: OpenTurn) -> int:
        if turn.wait_ms is None:
            said = Said(turn.text, turn.confidence, self.expect, turn.prosody, turn.pauses, turn.voiced_ms)
            turn.wait_ms = self._wait_for(said)
        return turn.wait_ms

    def _while_quiet(self, speech: bool, end_ms: int, proven_ms: int) -> Signal:
        if not speech:
            self._run_ms = max(0, self._run_ms - FRAME_MS)
            return Signal.NONE
        if self._run_ms == 0:
            self._run_onset_ms = end_ms - FRAME_MS - proven_ms
        self._run_ms += FRAME_MS + proven_ms
        if self._run_ms < timings.SPEECH_START_MS:
            return Signal.NONE
        onset_ms = max(self._run_onset_ms, end_ms - timings.SPEECH_START_MS - _OPEN_WINDOW_MS)
        self.turn = OpenTurn(onset_ms=onset_ms, last_speech_ms=end_ms, voiced_ms=self._run_ms)
        return Signal.OPENED

    def _speech_in_turn(self, turn: OpenTurn, end_ms: int, proven_ms: int) -> Signal:
        if not turn.hushed:
            turn.voiced_ms += FRAME_MS + proven_ms
            turn.last_speech_ms = max(turn.last_speech_ms, end_ms)
            return self._check(turn)
        self._run_ms += FRAME_MS + proven_ms
        if self._run_ms < timings.RESUME_SPEECH_MS:
            # A voice may just be coming back: the turn does not end in this very frame.
            return self._check(turn, may_end=False)
        if self._now_ms - self._run_ms - turn.last_speech_ms >= timings.HESITATION_MS:
            turn.pauses += 1
        turn.hushed, turn.prosody, turn.wait_ms = False, None, None
        turn.voiced_ms += self._run_ms
        turn.last_speech_ms = max(turn.last_speech_ms, end_ms)
        return Signal.RESUMED

    def _check(self, turn: OpenTurn, *, may_end: bool = True) -> Signal:
        silence_ms = self._now_ms - turn.last_speech_ms
        open_ms = self._now_ms - turn.onset_ms
        too_long = open_ms >= timings.MAX_TURN_MS or silence_ms >= timings.MAX_SILENCE_IN_TURN_MS
        noise = not turn.had_words and turn.known_to_ms >= 0 and open_ms >= timings.NOISE_TURN_MS
        if too_long or noise:
            turn.forced = True
            return self._end(turn)
        if silence_ms >= timings.HUSH_MS and not turn.hushed:
            turn.hushed, turn.prosody = True, self._prosody()
            self._run_ms = 0
            return Signal.HUSHED
        known = turn.hushed and turn.known_to_ms >= turn.last_speech_ms
        if known and may_end and silence_ms >= self._silence_needed(turn):
            return self._end(turn)
        return Signal.NONE

    def _end(self, turn: OpenTurn) -> Signal:
        self.ended = turn
        self.turn = None
        self._run_ms = 0
        return Signal.ENDED
