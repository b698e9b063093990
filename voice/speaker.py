"""The speaker: sends the agent's audio a little ahead of play-out and owns the truth of what was heard.

It never waits for the far end. The leg's account of played milliseconds moves the play position; where that account
stands still, the clock does. Everything here runs on the conversation's loop in one order, so that clearing the leg
and truncating what was heard cannot overtake each other.
"""

from collections.abc import Callable
from dataclasses import dataclass

from agent.model import Expect
from voice import timings
from voice.ports import FRAME_MS, CallLeg
from voice.script import Piece, Script

_TOP_UP_BELOW_MS = timings.LEAD_MS - 2 * FRAME_MS
_TOP_UP_TO_MS = timings.LEAD_MS + 2 * FRAME_MS
_REFERENCE_MS = 1000


@dataclass(slots=True)
class _Segment:
    """A stretch of one sentence's audio on the leg's play line."""

    piece: Piece
    start_ms: float
    """Play position of its first sample."""
    end_ms: float
    from_ms: float
    """Where in the sentence's audio it begins."""


@dataclass(frozen=True, slots=True)
class Heard:
    text: str
    """Written form, without the voice's own phrases."""
    complete: bool


class Speaker:
    def __init__(self, leg: CallLeg, now_ms: Callable[[], int]) -> None:
        self._leg = leg
        self._now_ms = now_ms
        rate_hz = leg.info.rate_hz
        self._frame_bytes = rate_hz * FRAME_MS // 1000 * 2
        self._bytes_per_ms = rate_hz * 2 // 1000
        self._script: Script | None = None
        self._segments: list[_Segment] = []
        self._held = False
        self._index = 0
        # The play line, in milliseconds of agent audio since answer.
        self._queued_end_ms = 0.0
        self._position_ms = 0.0
        self._reported_ms = 0
        self._offset_ms = 0.0
        self._joins_late = leg.info.resumed
        """What the leg had played before we came is no audio of ours: its first account is our zero."""
        self._advanced_at_ms = 0
        self._ticked_at_ms = 0
        self._cleared_at_ms = -timings.SETTLE_AFTER_CLEAR_MS
        self._settling = False
        self._sent = bytearray()
        self._sent_from_ms = 0.0
        self._announced_audible = False
        self._announced_end = False
        self.first_sent_ms = 0
        """Call time when the first audio of the present script was given to the leg."""
        self.on_audible: Callable[[int], None] | None = None
        """Called once a script is heard, with the call time at which its first sample was played."""
        self.on_finished: Callable[[], None] | None = None
        """Called once when the last sample of a closed script has been played."""

    # --- a reply's life ---------------------------------------------------------------------------------------

    def start(self, script: Script) -> None:
        """Speaks a script. What was spoken before must have been settled by stop()."""
        self._script = script
        self._segments = []
        self._index = 0
        self._announced_audible = False
        self._announced_end = False
        script.on_audio = self._pump
        self._pump()

    def hold(self) -> None:
        """Sends nothing until release(); what the leg has already plays on."""
        self._held = True

    def release(self) -> None:
        self._held = False
        self._pump()

    def pause(self) -> None:
        """Falls silent at once; resume() goes on from the word that was cut."""
        self._held = True
        self._clear()

    def resume(self) -> None:
        if self._script is not None:
            self._rewind(self._script)
        self._held = False
        self._pump()

    def stop(self) -> Heard:
        """Ends the script for good: the leg is cleared and what was heard is final."""
        script = self._script
        if script is None:
            return Heard("", complete=True)
        self._clear()
        heard = self.heard()
        script.on_audio = None
        script.cancel()
        self._script = None
        self._held = False
        return heard

    # --- facts ------------------------------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """A script is being spoken or waits for its audio."""
        return self._script is not None and not self._announced_end

    @property
    def held(self) -> bool:
        return self._held

    @property
    def sounding(self) -> bool:
        """Agent audio is playing in the leg at this moment."""
        return self._position_ms < self._queued_end_ms

    @property
    def audible_ms(self) -> int:
        """How much of the present script has been played."""
        return int(
            sum(min(s.end_ms, self._position_ms) - s.start_ms for s in self._segments if s.start_ms < self._position_ms)
        )

    @property
    def remaining_ms(self) -> int:
        """Audio that is still to be played, as far as it has been synthesised."""
        rest = self._queued_end_ms - self._position_ms
        if self._script is not None:
            rest += sum(len(p.sentence.audio) - p.sent_bytes for p in self._script.pieces) / self._bytes_per_ms
        return max(0, int(rest))

    @property
    def expect(self) -> Expect:
        """Of the sentence at the play position."""
        for segment in reversed(self._segments):
            if segment.start_ms <= self._position_ms:
                return segment.piece.expect
        return Expect.FREE

    def heard(self) -> Heard:
        """What of the present script has been heard up to now."""
        script = self._script
        if script is None:
            return Heard("", complete=True)
        texts: list[str] = []
        complete = script.closed
        for piece in script.pieces:
            played_ms = max((self._played_of(s) for s in self._segments if s.piece is piece), default=0.0)
            text, whole = piece.sentence.heard(played_ms)
            if text and not piece.phrase:
                texts.append(text)
            complete = complete and (whole or piece.failed)
            if not whole and not piece.failed:
                break
        return Heard(" ".join(texts), complete)

    def recent_words(self) -> str:
        """Spoken form of the sentences that sounded in the last moments, and of what follows: what may come back."""
        words = [s.piece.spoken for s in self._segments if s.end_ms > self._position_ms - 2 * timings.ECHO_TAIL_MS]
        return " ".join(dict.fromkeys(words))

    def reference(self) -> bytes:
        """The 20 ms of agent audio that ended at the last reported play position; empty when none was played."""
        end_ms = self._reported_ms + self._offset_ms
        stop = int((end_ms - self._sent_from_ms) * self._bytes_per_ms) // 2 * 2
        if not self._moved or stop <= 0 or stop > len(self._sent):
            return b""
        return bytes(self._sent[max(0, stop - self._frame_bytes) : stop]).rjust(self._frame_bytes, b"\0")

    # --- the play line ----------------------------------------------------------------------------------------

    _moved = False
    _untold = False

    def tick(self, played_ms: int | None) -> None:
        """Once per frame with the leg's account, or from the clock with None when no frames arrive."""
        now_ms = self._now_ms()
        self._moved = False
        if self._joins_late and played_ms is not None:
            self._joins_late = False
            self._reported_ms, self._offset_ms = played_ms, -float(played_ms)
            self._advanced_at_ms = self._ticked_at_ms = now_ms
        if played_ms is not None and played_ms > self._reported_ms:
            self._reported_ms = played_ms
            self._advanced_at_ms = now_ms
            self._moved = True
            self._untold = False
        if not self.sounding:
            self._advanced_at_ms = now_ms
        self._settle(now_ms)
        # A leg that has once stood still is not waited for again: each reply would begin with a hole.
        self._untold = self._untold or now_ms - self._advanced_at_ms > timings.PLAYOUT_STALL_MS
        stalled = self._untold
        if played_ms is None or stalled:
            self._position_ms = min(self._queued_end_ms, self._position_ms + max(0, now_ms - self._ticked_at_ms))
            if stalled and not self.sounding:
                self._offset_ms = self._queued_end_ms - self._reported_ms
        else:
            reported_ms = self._reported_ms + self._offset_ms
            if reported_ms > self._queued_end_ms:
                self._offset_ms -= reported_ms - self._queued_end_ms
            ahead_ms = FRAME_MS if self._moved else 0
            self._position_ms = min(self._queued_end_ms, max(reported_ms + ahead_ms, self._position_ms))
        self._ticked_at_ms = now_ms
        self._pump()
        self._announce(now_ms)

    def _settle(self, now_ms: int) -> None:
        """After clear() the leg tells where it really stopped: up to two frames later than known."""
        if not self._settling:
            return
        stopped_ms = self._reported_ms + self._offset_ms
        if stopped_ms > self._queued_end_ms:
            self._queued_end_ms = stopped_ms
            if self._segments and self._segments[-1].end_ms < stopped_ms:
                self._segments[-1].end_ms = stopped_ms
        if now_ms - self._cleared_at_ms >= timings.SETTLE_AFTER_CLEAR_MS:
            self._settling = False

    def _clear(self) -> None:
        if self._queued_end_ms <= self._position_ms and not self._held and not self._has_unsent():
            return
        self._leg.clear()
        self._queued_end_ms = self._position_ms
        self._segments = [s for s in self._segments if s.start_ms < self._position_ms]
        if self._segments:
            self._segments[-1].end_ms = min(self._segments[-1].end_ms, self._position_ms)
        self._cleared_at_ms = self._now_ms()
        self._settling = True

    def _has_unsent(self) -> bool:
        script = self._script
        return script is not None and any(p.sent_bytes < len(p.sentence.audio) for p in script.pieces)

    def _rewind(self, script: Script) -> None:
        self._index = len(script.pieces)
        for index, piece in enumerate(script.pieces):
            played_ms = max((self._played_of(s) for s in self._segments if s.piece is piece), default=0.0)
            _, whole = piece.sentence.heard(played_ms)
            if whole and piece.sentence.complete:
                continue
            self._index = min(self._index, index)
            boundary_ms = piece.sentence.word_boundary_ms(played_ms) if played_ms > 0 else 0
            piece.sent_bytes = boundary_ms * self._bytes_per_ms
            piece.marked = False

    def _played_of(self, segment: _Segment) -> float:
        played = min(self._position_ms, segment.end_ms) - segment.start_ms
        return segment.from_ms + played if played > 0 else 0.0

    def _pump(self) -> None:
        script = self._script
        if script is None or self._held or self._settling:
            return
        if self._queued_end_ms - self._position_ms >= _TOP_UP_BELOW_MS:
            return
        while self._index < len(script.pieces):
            piece = script.pieces[self._index]
            room_ms = _TOP_UP_TO_MS - (self._queued_end_ms - self._position_ms)
            if room_ms < FRAME_MS:
                return
            self._send(script, piece, int(room_ms) * self._bytes_per_ms // self._frame_bytes * self._frame_bytes)
            if not piece.sentence.complete or piece.sent_bytes < len(piece.sentence.audio):
                return
            if not piece.marked:
                piece.marked = True
                self._leg.mark(f"{script.generation}:{self._index}")
            self._index += 1
            script.moved_to(self._index)

    def _send(self, script: Script, piece: Piece, most_bytes: int) -> None:
        audio = piece.sentence.audio
        waiting = len(audio) - piece.sent_bytes
        if piece.sentence.complete:
            # The last frame is filled up with silence, so that the leg's count and ours stay the same.
            waiting_frames = -(-waiting // self._frame_bytes) * self._frame_bytes
        else:
            waiting_frames = waiting // self._frame_bytes * self._frame_bytes
        size = min(waiting_frames, most_bytes)
        if size <= 0:
            return
        chunk = bytes(audio[piece.sent_bytes : piece.sent_bytes + size]).ljust(size, b"\0")
        start_ms = self._queued_end_ms
        length_ms = size / self._bytes_per_ms
        from_ms = piece.sent_bytes / self._bytes_per_ms
        last = self._segments[-1] if self._segments else None
        if (
            last
            and last.piece is piece
            and last.end_ms == start_ms
            and last.from_ms + last.end_ms - last.start_ms == from_ms
        ):
            last.end_ms += length_ms
        else:
            self._segments.append(_Segment(piece, start_ms, start_ms + length_ms, from_ms))
        if not self._segments[1:] and piece.sent_bytes == 0:
            self.first_sent_ms = self._now_ms()
        piece.sent_bytes = min(piece.sent_bytes + size, len(audio))
        self._queued_end_ms += length_ms
        self._remember(chunk, start_ms)
        self._leg.play(chunk)

    def _remember(self, chunk: bytes, start_ms: float) -> None:
        have_to = int((start_ms - self._sent_from_ms) * self._bytes_per_ms) // 2 * 2
        if have_to > len(self._sent):
            self._sent.clear()
            self._sent_from_ms = start_ms
        else:
            del self._sent[have_to:]
        self._sent += chunk
        surplus = len(self._sent) - _REFERENCE_MS * self._bytes_per_ms
        if surplus > self._frame_bytes * 10:
            surplus = surplus // self._frame_bytes * self._frame_bytes
            del self._sent[:surplus]
            self._sent_from_ms += surplus / self._bytes_per_ms

    def _announce(self, now_ms: int) -> None:
        script = self._script
        if script is None:
            return
        if not self._announced_audible and self._segments and self._position_ms > self._segments[0].start_ms:
            self._announced_audible = True
            if self.on_audible:
                self.on_audible(int(now_ms - (self._position_ms - self._segments[0].start_ms)))
        done = script.closed and self._index >= len(script.pieces) and not self.sounding and not self._held
        if done and not self._announced_end:
            self._announced_end = True
            if self.on_finished:
                self.on_finished()
