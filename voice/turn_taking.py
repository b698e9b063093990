"""Who has the floor: from signals of the turn policy and readings of the recogniser to turns and interruptions."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from agent.model import Turn, TurnKind
from voice import timings
from voice.answering import Answering
from voice.barge_in import AgentVoice, BargeInPolicy, Move, is_backchannel, words_of
from voice.call_log import CallLog
from voice.end_of_turn.prosody import ProsodyTracker
from voice.exchange import TurnTimes
from voice.heard import says_the_same
from voice.idle import IdlePolicy
from voice.listener import Hearing, Listener, Reading
from voice.ports import FRAME_MS, TurnCompleteness
from voice.speaker import Speaker
from voice.turn_policy import OpenTurn, Signal, TurnPolicy


class CallEvents(Protocol):
    """What turn-taking tells the call."""

    def turn_taken(self, turn: Turn, times: TurnTimes) -> None:
        """The caller's turn is over and asks for an answer."""
        ...

    def floor_taken(self) -> None:
        """The caller has interrupted the agent for good."""
        ...

    def nothing_understood_again(self) -> None:
        """Turns without words, again and again: as good as silence."""
        ...

    def recognizer_dead(self) -> None: ...


class TurnTaking:
    def __init__(
        self,
        *,
        call: CallEvents,
        completeness: TurnCompleteness,
        rate_hz: int,
        listener: Listener,
        answering: Answering,
        speaker: Speaker,
        idle: IdlePolicy,
        echo_known: Callable[[], bool],
        log: CallLog,
        now_ms: Callable[[], int],
        now: Callable[[], datetime],
    ) -> None:
        self._prosody = ProsodyTracker(rate_hz)
        self.policy = TurnPolicy(completeness.wait_ms, self._prosody.read)
        self._call = call
        self._completeness = completeness
        self._listener = listener
        self._answering = answering
        self._speaker = speaker
        self._idle = idle
        self._echo_known = echo_known
        self._log = log
        self._now_ms = now_ms
        self._now = now
        self._barge_in = BargeInPolicy()
        self._hearing: Hearing | None = None
        self._reading: Reading | None = None
        self._prefix = ""
        """Words of a turn that was answered too early and goes on."""
        self._took_floor = False
        """The open turn has stopped the agent: it must not end in silence."""
        self._paused_at_ms = 0
        self._unclear_in_a_row = 0
        self._faults_in_a_row = 0

    # --- from the call ----------------------------------------------------------------------------------------

    def frame(self, pcm: bytes, speech: bool, end_ms: int, *, proven_ms: int = 0, trailing: bool = False) -> None:
        """As TurnPolicy.frame."""
        self._prosody.feed(pcm)
        signal = self.policy.frame(speech, end_ms, proven_ms=proven_ms, trailing=trailing)
        turn = self.policy.turn
        if self._hearing is not None and turn is not None:
            self._hearing.feed(pcm, end_ms, turn.voiced_ms)
        self._on_signal(signal)
        turn = self.policy.turn
        if turn is not None and self._hearing is not None:
            self._while_open(turn, self._hearing, end_ms)
            self._cover_late_words(turn)

    def time(self, now_ms: int) -> None:
        """The clock went on without frames."""
        self._on_signal(self.policy.time(now_ms))
        if self.policy.turn is not None:
            self._cover_late_words(self.policy.turn)

    def _cover_late_words(self, turn: OpenTurn) -> None:
        late = turn.hushed and turn.known_to_ms < turn.last_speech_ms
        if late and self.policy.silence_ms >= timings.FILLER_AFTER_MS:
            self._answering.hold_the_line()

    def talking(self, now_ms: int) -> bool:
        """The caller has an open turn that is, or may yet become, words."""
        turn = self.policy.turn
        return turn is not None and (turn.had_words or now_ms - turn.onset_ms < timings.IDLE_PROMPT_MS // 2)

    def new_reply(self) -> None:
        self._barge_in.new_reply()

    def drop(self) -> None:
        """Forgets the open turn and frees the recogniser."""
        self.policy.drop()
        self._prefix, self._took_floor = "", False
        self._close_hearing()

    # --- listening --------------------------------------------------------------------------------------------

    def _on_signal(self, signal: Signal) -> None:
        match signal:
            case Signal.OPENED:
                self._open_turn()
            case Signal.HUSHED:
                if self._hearing:
                    self._hearing.want_final()
            case Signal.RESUMED:
                self._barge_in.new_sound()
                self._answering.discard_speculation()
                if self._hearing:
                    self._hearing.speech_resumed()
            case Signal.ENDED:
                self._turn_ended()
            case Signal.NONE:
                pass

    def _open_turn(self) -> None:
        turn = self.policy.turn
        assert turn is not None
        self._close_hearing()
        self._reading = None
        self._barge_in.new_sound()
        self._hearing = self._listener.open(self._on_reading, turn.last_speech_ms, turn.voiced_ms)

    def _while_open(self, turn: OpenTurn, hearing: Hearing, end_ms: int) -> None:
        over_agent = self._answering.busy
        every_ms = timings.BARGE_IN_MS if over_agent else timings.PARTIAL_EVERY_MS
        speaking_now = self.policy.silence_ms <= FRAME_MS
        if speaking_now and not hearing.busy and end_ms - hearing.last_decode_end_ms >= every_ms:
            hearing.want_partial()
        if over_agent:
            self._judge_sound(turn)

    def _on_reading(self, hearing: Hearing, reading: Reading) -> None:
        turn = self.policy.turn
        if hearing is not self._hearing or turn is None:
            return
        before = self._reading
        if reading.fault:
            self._log.error(self._now_ms(), "recognizer", reading.fault)
            if before is not None:
                # The final decode failed: the last partial is what the caller said, as far as anyone knows.
                reading = replace(reading, transcript=before.transcript)
        self._reading = reading
        text = _text_of(reading)
        if text and (before is None or _text_of(before) != text):
            self._log.partial(reading.upto_ms, text, reading.transcript.stable_chars)
        if text:
            self._idle.heard_words()
        if self._answering.busy:
            self._judge_sound(turn)
        covers = turn.last_speech_ms if turn.hushed and reading.upto_ms >= turn.last_speech_ms else reading.upto_ms
        # A partial is a guess: it tells about completeness, but only a final reading may end the turn.
        known_to_ms = covers if reading.final else min(covers, turn.last_speech_ms - 1)
        self.policy.words(self._joined(text) if text else "", known_to_ms, reading.transcript.confidence)
        if text and not self._answering.busy:
            self._maybe_speculate(turn, reading, text)
        self._on_signal(self.policy.time(self._now_ms()))

    def _maybe_speculate(self, turn: OpenTurn, reading: Reading, text: str) -> None:
        joined = self._joined(text)
        whole = reading.final and turn.hushed
        stable = self.policy.silence_ms >= timings.STABLE_SILENCE_MS and reading.transcript.stable_chars >= len(text)
        if (whole or stable) and self._completeness.complete(joined, self.policy.expect):
            self._answering.speculate(joined, reading.transcript.confidence)
            if stable and not reading.final and self._hearing is not None:
                # Asked for ahead of the hush: if only silence follows, the recogniser has the final text by then.
                self._hearing.want_final()

    def _joined(self, text: str) -> str:
        return f"{self._prefix} {text}".strip()

    # --- sound over the agent ---------------------------------------------------------------------------------

    def _over_agent(self, reading: Reading) -> str:
        """The words of a reading as far as they may stop the agent: not a guess, and not the agent's own."""
        text = _text_of(reading)
        if reading.transcript.confidence < timings.MIN_CONFIDENCE:
            return ""
        if text and self._echo_known() and says_the_same(text, self._speaker.recent_words()):
            return ""
        return text

    def _judge_sound(self, turn: OpenTurn) -> None:
        reading, speaker, now_ms = self._reading, self._speaker, self._now_ms()
        known = reading is not None and (not reading.fault or bool(_text_of(reading)))
        move = self._barge_in.step(
            now_ms=now_ms,
            voiced_ms=turn.voiced_ms,
            hushed=turn.hushed,
            text=self._over_agent(reading) if known and reading is not None else None,
            known_voiced_ms=reading.voiced_ms if known and reading is not None else 0,
            agent=AgentVoice(speaker.audible_ms, speaker.remaining_ms, speaker.expect),
        )
        match move:
            case Move.PAUSE:
                self._paused_at_ms = now_ms
                speaker.pause()
            case Move.RESUME:
                self._go_on(turn)
            case Move.YIELD:
                self._yield_floor(turn)
            case Move.KEEP:
                pass

    def _go_on(self, turn: OpenTurn) -> None:
        self._log.barge_in(self._now_ms(), turn.onset_ms, self._paused_at_ms, stopped=False)
        self._speaker.resume()

    def _yield_floor(self, turn: OpenTurn) -> None:
        now_ms = self._now_ms()
        silent_ms = self._paused_at_ms if self._barge_in.paused else now_ms
        if self._speaker.audible_ms:
            self._log.barge_in(now_ms, turn.onset_ms, silent_ms, stopped=True)
        self._prefix = self._answering.withdraw(turn.onset_ms) or self._prefix
        self._took_floor = True
        self._barge_in.new_reply()
        self._call.floor_taken()

    # --- the end of a turn ------------------------------------------------------------------------------------

    def _turn_ended(self) -> None:
        turn = self.policy.ended
        reading, self._reading = self._reading, None
        assert turn is not None
        self._close_hearing()
        if self._answering.busy and not self._stops_agent(turn, reading):
            if self._barge_in.paused:
                self._barge_in.paused = False
                self._go_on(turn)
            return
        text = self._joined(_text_of(reading) if reading is not None else "")
        took_floor, self._took_floor, self._prefix = self._took_floor, False, ""
        fault = reading.fault if reading is not None else ""
        times = TurnTimes(turn.last_speech_ms, self._now_ms(), reading.took_s * 1000 if reading else None)
        if text:
            self._unclear_in_a_row = self._faults_in_a_row = 0
            confidence = reading.transcript.confidence if reading else 1.0
            self._call.turn_taken(Turn(TurnKind.WORDS, self._now(), text, confidence=confidence), times)
        else:
            self._no_words(turn, fault, times, took_floor)

    def _stops_agent(self, turn: OpenTurn, reading: Reading | None) -> bool:
        """A turn ended while the agent is not done: words of weight stop it now at the latest."""
        text = self._over_agent(reading) if reading is not None else ""
        if not text or is_backchannel(text) or turn.voiced_ms < timings.FIRST_WORDS_BARGE_IN_MS:
            return False
        self._yield_floor(turn)
        return True

    def _no_words(self, turn: OpenTurn, fault: str, times: TurnTimes, took_floor: bool) -> None:
        self._answering.discard_speculation()
        if not fault and not took_floor and turn.voiced_ms < timings.UNCLEAR_MIN_MS:
            return
        self._unclear_in_a_row += 1
        self._faults_in_a_row = self._faults_in_a_row + 1 if fault else 0
        if self._faults_in_a_row >= timings.FAULTS_IN_A_ROW:
            self._call.recognizer_dead()
        elif self._unclear_in_a_row <= timings.UNCLEAR_IN_A_ROW:
            self._call.turn_taken(Turn(TurnKind.UNCLEAR, self._now()), times)
        else:
            self._call.nothing_understood_again()

    def _close_hearing(self) -> None:
        if self._hearing:
            self._hearing.close()
            self._hearing = None


def _text_of(reading: Reading) -> str:
    """Punctuation alone is no text."""
    text = reading.transcript.text.strip()
    return text if words_of(text) else ""
