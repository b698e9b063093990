"""The agent's side of a call: replies begun in advance or for good, their words to the speaker, the true history.

Owns the conversation as it was heard. A reply begun in advance is adopted only when the final words are the ones it
was made for; everything it would have changed happens at adoption, so a discarded one leaves no trace.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from agent.model import (
    Conversation,
    EndCall,
    Expect,
    Handoff,
    NeedsCommit,
    ReplyEvent,
    Say,
    StateChanged,
    ToolCall,
    Turn,
    TurnKind,
    Utterance,
)
from agent.model import Speaker as Side
from agent.ports import Agent
from voice import timings
from voice.barge_in import words_of
from voice.call_log import CallLog
from voice.exchange import Exchange, Speculation, TurnTimes, with_turn
from voice.phrases import Phrases
from voice.replies import Ending, ReplyRun
from voice.script import Script, Spawn
from voice.speaker import Speaker
from voice.voice_bank import VoiceBank


class Answering:
    def __init__(
        self,
        conversation: Conversation,
        *,
        agent: Agent,
        speaker: Speaker,
        bank: VoiceBank,
        log: CallLog,
        phrases: Phrases,
        language: str,
        rate_hz: int,
        now_ms: Callable[[], int],
        now: Callable[[], datetime],
        spawn: Spawn,
    ) -> None:
        self.conversation = conversation
        self.expect = Expect.FREE
        self.pending: EndCall | Handoff | None = None
        """What to do once the last words have been heard."""
        self.outcome = ""
        self.exchange: Exchange | None = None
        self.on_finished: Callable[[], None] | None = None
        """The reply is complete and has been heard."""
        self.on_expect: Callable[[Expect], None] | None = None
        self.on_kept: Callable[[], None] | None = None
        """State or history have changed for good."""
        self.on_give_up: Callable[[str], None] | None = None
        """The agent or the voice has failed for good in this call."""
        self._agent = agent
        self._speaker = speaker
        self._bank = bank
        self._log = log
        self._phrases = phrases
        self._language = language
        self._rate_hz = rate_hz
        self._now_ms = now_ms
        self._now = now
        self._spawn = spawn
        self._speculation: Speculation | None = None
        self._speculations = 0
        self._ahead: Script | None = None
        """A script that began with a filler before its reply."""
        self._generation = 0
        self._faults = 0
        speaker.on_audible = self._audible
        speaker.on_finished = self._finished

    # --- facts ------------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """The agent thinks or speaks."""
        return self.exchange is not None and not self.exchange.settled

    @property
    def remaining_ms(self) -> int:
        """Audio still to be heard, as far as it has been synthesised."""
        return self._speaker.remaining_ms

    # --- in advance -------------------------------------------------------------------------------------------

    def speculate(self, text: str, confidence: float) -> None:
        """Begins the reply to words that may be the whole turn. At most a few times a turn: it costs a reply."""
        if self.busy or self._ahead is not None or not words_of(text):
            return
        if self._speculation and words_of(self._speculation.text) == words_of(text):
            return
        self.discard_speculation()
        if self._speculations >= timings.SPECULATIONS_PER_TURN:
            return
        self._speculations += 1
        turn = Turn(TurnKind.WORDS, self._now(), text, provisional=True, confidence=confidence)
        script = self._new_script()
        name = f"reply-in-advance-{script.generation}"
        run = ReplyRun(self._agent, with_turn(self.conversation, turn), turn, self._spawn, name)
        speculation = Speculation(text, self.conversation, run, script)

        def prepare(event: ReplyEvent) -> None:
            if isinstance(event, Say):
                script.add(event)
                speculation.prepared += 1

        run.attach(prepare, lambda ending: None)
        self._speculation = speculation

    def discard_speculation(self) -> None:
        if self._speculation:
            self._speculation.run.cancel()
            self._speculation.script.cancel()
            self._speculation = None

    # --- turns ------------------------------------------------------------------------------------------------

    def take(self, turn: Turn, times: TurnTimes) -> None:
        """Answers a turn. The reply before must have been settled."""
        assert not self.busy, "settle the reply before the next turn"
        before = self.conversation
        self.conversation = with_turn(before, turn)
        adopted = self._matching(turn, before)
        if adopted is None:
            self.discard_speculation()
            script = self._ahead or self._new_script()
            run = ReplyRun(self._agent, self.conversation, turn, self._spawn, f"reply-{script.generation}")
            exchange = Exchange(turn, before, run, script, times, fillers=1 if self._ahead else 0)
        else:
            adopted.run.adopt()
            exchange = Exchange(turn, before, adopted.run, adopted.script, times, True, adopted.prepared)
        self._speculation = None
        self._speculations = 0
        self.exchange = exchange
        self.pending = None
        exchange.script.on_fault = self._synthesis_failed
        if exchange.script is not self._ahead:
            self._speaker.start(exchange.script)
        self._ahead = None
        self._follow(exchange)

    def withdraw(self, onset_ms: int) -> str | None:
        """The caller has the floor. A reply that came too early is taken back as if it had not been: speech from
        onset_ms goes on with the same turn, whose words are given. Otherwise None, and the reply is settled."""
        exchange = self.exchange
        if exchange is None or exchange.settled:
            return None
        early = exchange.audible_at_ms is None or onset_ms - exchange.audible_at_ms <= timings.CONTINUES_MS
        undo = exchange.turn.kind is TurnKind.WORDS and not (exchange.run.wrote or exchange.committing)
        if not undo or not early:
            self.settle()
            return None
        heard = self._speaker.stop()
        exchange.run.cancel()
        self._log.heard(self._now_ms(), heard.text, cut=True, withdrawn=True)
        exchange.settled = True
        self.pending = None
        self.conversation = exchange.before
        return exchange.turn.text

    def settle(self) -> None:
        """Ends the reply where it is: what was heard goes into the history, the rest is never spoken."""
        exchange = self.exchange
        if exchange is None or exchange.settled:
            return
        exchange.settled = True
        heard = self._speaker.stop()
        cut = not heard.complete or exchange.run.ending is None
        exchange.run.cancel()
        if heard.text or (cut and exchange.run.state_changed and exchange.said):
            # Without a heard word the line stays, empty and cut: what the kept state counts as said was not heard.
            line = Utterance(Side.AGENT, heard.text, self._now(), cut)
            self.conversation = replace(self.conversation, history=(*self.conversation.history, line))
            self._kept()
        if heard.text or cut:
            self._log.heard(self._now_ms(), heard.text, cut)
        if cut:
            self.pending = None

    def hold_the_line(self) -> None:
        """The caller has finished and the recogniser is late: a filler now, the reply follows behind it."""
        if self.busy or self._ahead is not None or self._speaker.active:
            return
        script = self._new_script()
        if script.add_filler(self._phrases.fillers[0], self._language):
            self._ahead = script
            self._log.metrics.filler("late_words")
            self._log.said(self._now_ms(), self._phrases.fillers[0], Expect.FREE.value, phrase=True)
            self._speaker.start(script)

    def say_phrase(self, text: str) -> None:
        """The voice speaks by itself, outside any reply. What ran before must have been settled."""
        self._ahead = None
        script = self._new_script()
        script.add_phrase(text, self._language, Expect.NOTHING)
        self._log.said(self._now_ms(), text, Expect.NOTHING.value, phrase=True)
        self._speaker.start(script)
        script.close()

    def after_hang_up(self, event: ReplyEvent) -> None:
        """An event of the run that files the outcome: nothing can be said any more."""
        if isinstance(event, ToolCall):
            self._log.tool(self._now_ms(), event)
        elif isinstance(event, StateChanged):
            self.conversation = replace(self.conversation, state=event.state)

    # --- the ladder -------------------------------------------------------------------------------------------

    def tick(self, now_ms: int) -> None:
        """Says a filler when the answer takes long."""
        exchange = self.exchange
        if exchange is None or exchange.settled or exchange.answered or self._speaker.held:
            return
        if any(not piece.phrase and piece.sent_bytes for piece in exchange.script.pieces):
            return
        if exchange.turn.kind is TurnKind.START or exchange.fillers >= len(self._phrases.fillers):
            return
        due_ms = timings.FILLER_AFTER_MS if exchange.fillers == 0 else timings.FILLER_AGAIN_MS
        if now_ms - exchange.times.last_speech_ms < due_ms:
            return
        text = self._phrases.fillers[exchange.fillers]
        exchange.fillers += 1
        if exchange.script.add_filler(text, self._language):
            self._log.metrics.filler("late_answer")
            self._log.said(now_ms, text, exchange.script.pieces[-1].expect.value, phrase=True)

    # --- events of the run ------------------------------------------------------------------------------------

    def _follow(self, exchange: Exchange) -> None:
        exchange.run.attach(
            lambda event: self._on_event(exchange, event), lambda ending: self._on_ending(exchange, ending)
        )

    def _on_event(self, exchange: Exchange, event: ReplyEvent) -> None:
        match event:
            case Say():
                self._on_say(exchange, event)
            case ToolCall():
                self._log.tool(self._now_ms(), event)
            case Handoff() | EndCall():
                self.pending = event
            case StateChanged():
                self.conversation = replace(self.conversation, state=event.state)
                self._kept()
            case NeedsCommit():
                pass

    def _on_say(self, exchange: Exchange, say: Say) -> None:
        if exchange.skip and exchange.skip[0] == say.text:
            exchange.skip.pop(0)
            return
        exchange.skip.clear()
        exchange.said.append(say.text)
        self.expect = say.expect
        if self.on_expect:
            self.on_expect(say.expect)
        self._log.said(self._now_ms(), say.text, say.expect.value)
        if exchange.prepared:
            exchange.prepared -= 1
        else:
            exchange.script.add(say)

    def _on_ending(self, exchange: Exchange, ending: Ending) -> None:
        if ending is Ending.NEEDS_COMMIT:
            self._commit(exchange)
            return
        if ending is Ending.COMPLETE:
            if exchange.turn.kind is not TurnKind.SILENCE:
                self._faults = 0
            exchange.script.close()
            return
        self._faults += 1
        self._log.error(self._now_ms(), "agent", ending.name.lower())
        if self._faults > 1:
            self._give_up("agent")
        elif exchange.turn.kind is TurnKind.START:
            self._rerun(exchange)
        else:
            text = self._phrases.not_now[self._faults % len(self._phrases.not_now)]
            exchange.script.add_phrase(text, self._language, self.expect)
            self._log.said(self._now_ms(), text, self.expect.value, phrase=True)
            exchange.script.close()

    def _commit(self, exchange: Exchange) -> None:
        exchange.committing = True
        self._rerun(exchange)

    def _rerun(self, exchange: Exchange) -> None:
        exchange.skip = list(exchange.said)
        first = exchange.run
        exchange.run = ReplyRun(
            self._agent, first.conversation, exchange.turn, self._spawn, f"reply-again-{exchange.script.generation}"
        )
        exchange.run.first_say_s = first.first_say_s
        self._follow(exchange)

    # --- the speaker ------------------------------------------------------------------------------------------

    def _audible(self, at_ms: int) -> None:
        exchange = self.exchange
        if exchange is None or exchange.settled or exchange.answered:
            return
        exchange.audible_at_ms = at_ms
        piece = exchange.script.pieces[0]
        if piece.phrase and exchange.fillers:
            stages_of = "filler"
        else:
            stages_of = exchange.turn.kind.value
            exchange.answered = True
        times = exchange.times
        stages: dict[str, float] = {"total": float(at_ms - times.last_speech_ms)}
        if exchange.turn.kind in (TurnKind.WORDS, TurnKind.UNCLEAR):
            stages["endpointing"] = float(times.decided_ms - times.last_speech_ms)
        if times.stt_final_ms is not None:
            stages["stt_final"] = times.stt_final_ms
        if exchange.run.first_say_s is not None:
            stages["agent_first_say"] = exchange.run.first_say_s * 1000
        if piece.first_audio_s is not None:
            stages["tts_first_byte"] = piece.first_audio_s * 1000
        stages["playout"] = float(max(0, at_ms - self._speaker.first_sent_ms))
        self._log.latency(at_ms, stages, exchange.speculative, stages_of)

    def _finished(self) -> None:
        self.settle()
        if self.on_finished:
            self.on_finished()

    def _synthesis_failed(self) -> None:
        self._log.error(self._now_ms(), "synthesizer", "no_engine")
        self._give_up("synthesizer")

    def _kept(self) -> None:
        if self.on_kept:
            self.on_kept()

    def _give_up(self, reason: str) -> None:
        if self.on_give_up:
            self.on_give_up(reason)

    # --- inside -----------------------------------------------------------------------------------------------

    def _matching(self, turn: Turn, before: Conversation) -> Speculation | None:
        made = self._speculation
        if made is None or turn.kind is not TurnKind.WORDS or made.before is not before:
            return None
        failed = made.run.ending in (Ending.FAILED, Ending.TIMED_OUT)
        return None if failed or words_of(made.text) != words_of(turn.text) else made

    def _new_script(self) -> Script:
        self._generation += 1
        return Script(self._generation, self._bank, self._rate_hz, self._spawn, self._agent.spoken)
