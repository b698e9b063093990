"""The voice's small vocabulary of measures on the product's Prometheus metrics."""

from core.metrics import Metrics


class PrometheusVoiceMetrics:
    """Implements voice.ports.VoiceMetrics."""

    def __init__(self, metrics: Metrics, provider: str) -> None:
        """provider: the name of the recogniser and synthesiser in use, for the label."""
        self._metrics = metrics
        self._provider = provider

    def stage(self, stage: str, seconds: float) -> None:
        self._metrics.turn_stage_seconds.labels(stage, "phone", self._provider).observe(seconds)
        if stage == "total":
            self._metrics.dead_air_seconds.observe(seconds)

    def barge_in(self, stopped: bool, seconds: float) -> None:
        if stopped:
            self._metrics.bargein_total.inc()
            self._metrics.bargein_stop_seconds.observe(seconds)

    def filler(self, reason: str) -> None:
        self._metrics.filler_total.labels(reason).inc()

    def call_started(self, channel: str) -> None:
        self._metrics.calls_active.labels(channel).inc()

    def call_ended(self, channel: str, reason: str, seconds: float) -> None:
        self._metrics.calls_active.labels(channel).dec()
        self._metrics.calls_ended_total.labels(channel, reason).inc()
        self._metrics.call_duration_seconds.observe(seconds)
