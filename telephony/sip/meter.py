"""Counts calls for the metrics. Media is counted by the call in plain integers and handed over at its end."""

import asyncio

from core.metrics import Metrics
from telephony.sip.call import SipCall
from voice.ports import HangUpReason

_CHANNEL = "sip"


class CallMeter:
    """Does nothing without a Metrics object: small tools and tests need none."""

    def __init__(self, metrics: Metrics | None) -> None:
        self._metrics = metrics

    def invite(self, verdict: str, reason: str = "") -> None:
        """verdict: raw, valid, rejected; reason: the status of a rejection."""
        if self._metrics is not None:
            self._metrics.sip_invites_total.labels(verdict, reason).inc()

    def accepted(self, setup_s: float) -> None:
        """An INVITE was answered setup_s after it came."""
        if self._metrics is not None:
            self._metrics.sip_invites_total.labels("accepted", "").inc()
            self._metrics.call_setup_seconds.observe(setup_s)

    def began(self, call: SipCall) -> None:
        if self._metrics is not None:
            self._metrics.calls_active.labels(_CHANNEL).inc()

    def ended(self, call: SipCall) -> None:
        metrics = self._metrics
        if metrics is None:
            return
        metrics.calls_active.labels(_CHANNEL).dec()
        metrics.calls_ended_total.labels(_CHANNEL, call.end_reason or HangUpReason.FAILED).inc()
        metrics.call_duration_seconds.observe(asyncio.get_running_loop().time() - call.began_s)
        quality = call.rtp.quality()
        metrics.rtp_jitter_seconds.observe(quality.jitter_s)
        for direction, kind, count in (
            ("in", "ok", quality.packets_received),
            ("in", "lost", quality.packets_lost),
            ("in", "late", quality.packets_late),
            ("in", "dup", quality.packets_duplicate),
            ("in", "concealed", quality.frames_concealed),
            ("in", "rejected_source", quality.packets_rejected),
            ("out", "ok", quality.packets_sent),
        ):
            metrics.rtp_packets_total.labels(direction, kind).inc(count)
