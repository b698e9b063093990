"""Serving many calls with one model: one thread reads commands, the other decodes, a batch at a time."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

import structlog

from media_models.agreement import Stability
from media_models.belief import Decoded
from media_models.frames import Frame, json_frame, read_frame_blocking
from media_models.ports import Transcript
from media_models.profiles import EngineProfile
from media_models.recogniser_worker.line import Job, Line
from media_models.recogniser_worker.turn import Turn
from media_models.recogniser_worker.wire import DecodeOrder, Kind, text_frame
from media_models.segments import Window

log = structlog.get_logger(__name__)


class Decoder(Protocol):
    """media_models.decoder.WhisperDecoder; one thread uses it."""

    def decode(self, windows: Sequence[Window], final: bool) -> list[Decoded]: ...


@dataclass(slots=True)
class _Desk:
    """What both threads share; the condition guards it."""

    line: Line
    changed: threading.Condition = field(default_factory=threading.Condition)
    turns: dict[int, Turn] = field(default_factory=dict)
    ended: bool = False


class Server:
    """Serves until its command stream ends."""

    def __init__(self, decoder: Decoder, profile: EngineProfile, commands: BinaryIO, answers: BinaryIO) -> None:
        self._decoder = decoder
        self._profile = profile
        self._commands = commands
        self._answers = answers
        self._writing = threading.Lock()
        self._desk = _Desk(Line(profile.batch, profile.partial_every_ms))

    def run(self) -> None:
        self._send(json_frame(Kind.READY, 0, {"engine": self._profile.name}))
        threading.Thread(target=self._read, name="commands", daemon=True).start()
        desk = self._desk
        while True:
            with desk.changed:
                while not (jobs := desk.line.next()) and not desk.ended:
                    desk.changed.wait()
                if desk.ended:
                    return
                work = [(job, desk.turns[job.stream]) for job in jobs]
            started = time.perf_counter()
            try:
                self._serve(work)
            except Exception as error:  # one call's audio must not end the service of all
                log.exception("recogniser_decode_failed", jobs=len(jobs))
                for job in jobs:
                    for request in job.requests:
                        self._send(Frame(Kind.FAILED, request, type(error).__name__.encode()))
            with desk.changed:
                desk.line.took(len(jobs), (time.perf_counter() - started) * 1000)

    def _serve(self, work: Sequence[tuple[Job, Turn]]) -> None:
        fresh = []
        for job, turn in work:
            known = turn.known(job.final, job.upto_bytes)
            if known is not None:
                self._answer(job, known)
            else:
                fresh.append((job, turn))
        if not fresh:
            return
        for job, _ in fresh:
            for request in job.requests:
                self._send(Frame(Kind.BEGUN, request))
        final = fresh[0][0].final
        started = time.perf_counter()
        windows = [turn.growing_window(job.upto_bytes, self._settle) for job, turn in fresh]
        answers = self._decoder.decode(windows, final)
        took_ms = (time.perf_counter() - started) * 1000
        for (job, turn), tail in zip(fresh, answers, strict=True):
            self._answer(job, turn.decoded(final, job.upto_bytes, tail, took_ms))

    def _settle(self, window: Window) -> Decoded:
        return self._decoder.decode([window], True)[0]

    def _answer(self, job: Job, transcript: Transcript) -> None:
        for request in job.requests:
            self._send(text_frame(request, transcript))

    def _send(self, frame: Frame) -> None:
        with self._writing:
            self._answers.write(frame.encode())
            self._answers.flush()

    def _read(self) -> None:
        try:
            while (frame := read_frame_blocking(self._commands)) is not None:
                self._obey(frame)
        except (ValueError, OSError) as error:
            log.error("recogniser_commands_unreadable", fault=type(error).__name__)
        with self._desk.changed:
            self._desk.ended = True
            self._desk.changed.notify()

    def _obey(self, frame: Frame) -> None:
        kind = Kind(frame.kind)  # ValueError: the other side does not speak this protocol
        if kind is Kind.PING:
            self._send(Frame(Kind.PONG, frame.request))
            return
        desk = self._desk
        too_soon: Transcript | None = None
        with desk.changed:
            if kind is Kind.OPEN:
                self._open(frame)
            elif kind is Kind.AUDIO and frame.request in desk.turns:
                desk.turns[frame.request].pcm += frame.payload
            elif kind is Kind.CLOSE:
                desk.turns.pop(frame.request, None)
                desk.line.closed(frame.request)
            elif kind is Kind.DECODE:
                too_soon = self._line_up(frame.request, DecodeOrder.of(frame))
            desk.changed.notify()
        if too_soon is not None:
            self._send(text_frame(frame.request, too_soon))

    def _open(self, frame: Frame) -> None:
        facts = frame.content()
        profile = self._profile
        self._desk.turns[frame.request] = Turn(
            profile, facts["rate_hz"], facts["language"], tuple(facts["hints"]), Stability(profile.stability)
        )
        self._desk.line.opened(frame.request)
        if facts.get("suspect"):
            self._desk.line.suspected(frame.request)

    def _line_up(self, request: int, order: DecodeOrder) -> Transcript | None:
        """Puts the order into the line; the text before it when a partial is not to be had now."""
        turn = self._desk.turns.get(order.stream)
        if turn is None:
            return Transcript("", audio_bytes=0)
        if order.final:
            self._desk.line.final(request, order.stream, order.upto_bytes)
            return None
        upto_ms = order.upto_bytes * 1000 / (2 * turn.rate_hz)
        without = self._profile.partial_every_ms == 0
        if without or not self._desk.line.partial(request, order.stream, order.upto_bytes, upto_ms):
            return turn.latest_partial
        return None
