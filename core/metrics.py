"""The product's Prometheus metrics: one object with its own registry, made at start and passed to whoever measures.

All durations are seconds. Labels take values from small closed sets only: never a person, a call or a company.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

TURN_BUCKETS_S = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.2, 1.5, 2, 2.5, 3, 4, 6, 10)
SETUP_BUCKETS_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 5, 10)
CALL_BUCKETS_S = (10, 30, 60, 120, 180, 300, 600, 1200)
TICK_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.2, 0.5, 1)
JITTER_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2)
WAIT_BUCKETS_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5)
RESOLVE_BUCKETS_S = (1, 5, 15, 60, 300, 900, 3600, 86400)
CHAT_BUCKETS_S = (0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10, 20, 60, 300)
REQUEST_BUCKETS_S = (0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """Every metric of the product, by what it measures."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"aiadmin_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"aiadmin_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"aiadmin_{name}", text, labels, buckets=buckets, registry=registry)

        # the turn
        self.turn_stage_seconds = histogram(
            "turn_stage_seconds",
            "One stage of one turn: endpointing, stt_final, llm_first_token, llm_first_sentence, tool, "
            "tts_first_byte, playout, total",
            TURN_BUCKETS_S,
            "stage",
            "channel",
            "provider",
        )
        self.dead_air_seconds = histogram("dead_air_seconds", "Silence after a caller's turn", TURN_BUCKETS_S)
        self.filler_total = counter("filler_total", "Fillers spoken to bridge a wait", "reason")
        self.bargein_total = counter("bargein_total", "Interruptions of the agent by the caller")
        self.bargein_stop_seconds = histogram(
            "bargein_stop_seconds", "Onset of the caller to the last sample of the agent", TURN_BUCKETS_S
        )

        self.speech_engine_switches_total = counter(
            "speech_engine_switches_total",
            "A speech engine failed and another one went on; fault=recovered: it is back",
            "kind",
            "engine",
            "instead",
            "fault",
        )

        # calls
        self.sip_invites_total = counter("sip_invites_total", "INVITE requests by verdict", "verdict", "reason")
        self.calls_active = gauge("calls_active", "Calls going on", "channel")
        self.calls_ended_total = counter("calls_ended_total", "Calls that ended", "channel", "reason")
        self.call_setup_seconds = histogram("call_setup_seconds", "Arrival of a call to its answer", SETUP_BUCKETS_S)
        self.call_duration_seconds = histogram("call_duration_seconds", "Length of calls", CALL_BUCKETS_S)
        self.handover_total = counter("handover_total", "Conversations handed to a person", "why")
        self.resume_total = counter("resume_total", "Calls resumed after a process died", "kind", "result")

        # media
        self.rtp_packets_total = counter(
            "rtp_packets_total", "RTP packets; kind: ok, lost, late, dup, concealed, rejected_source", "dir", "kind"
        )
        self.rtp_jitter_seconds = histogram("rtp_jitter_seconds", "Interarrival jitter, RFC 3550", JITTER_BUCKETS_S)
        self.tick_lateness_seconds = histogram(
            "tick_lateness_seconds", "How late the 20 ms media clock fires", TICK_BUCKETS_S
        )
        self.recording_lost_seconds = counter("recording_lost_seconds", "Audio that could not be recorded")

        # bookings
        self.bookings_total = counter("bookings_total", "Booking intents by the state they reached", "state")
        self.booking_unknown = gauge("booking_unknown", "Intents whose effect in the CRM is not known yet")
        self.booking_resolve_seconds = histogram(
            "booking_resolve_seconds", "From unknown to confirmed or rejected", RESOLVE_BUCKETS_S
        )
        self.double_bookings_total = counter("double_bookings_total", "Overlaps seen by the checker; must stay 0")
        self.crm_request_seconds = histogram(
            "crm_request_seconds", "Requests to CRMs", REQUEST_BUCKETS_S, "vendor", "op", "outcome"
        )

        # plumbing
        self.loop_lag_seconds = histogram("loop_lag_seconds", "How late the event loop runs a timer", TICK_BUCKETS_S)
        self.db_pool_wait_seconds = histogram("db_pool_wait_seconds", "Wait for a database connection", WAIT_BUCKETS_S)
        self.job_seconds = histogram("job_seconds", "Background jobs", REQUEST_BUCKETS_S, "name", "outcome")
        self.outbox_total = counter("outbox_total", "Outbox items by outcome: done, retry, failed", "topic", "outcome")
        self.timeline_events_total = counter(
            "timeline_events_total", "Timeline events; result: stored, spooled, rejected, lost", "result"
        )
        self.timeline_queue = gauge("timeline_queue", "Timeline events that wait to be stored")
        self.live_publish_failures_total = counter(
            "live_publish_failures_total", "Timeline events that could not be published for the live view"
        )

        # messengers
        self.channel_events_total = counter(
            "channel_events_total",
            "Events from messengers; result: new, known, forged, unreadable",
            "channel",
            "result",
        )
        self.channel_hook_seconds = histogram(
            "channel_hook_seconds", "A messenger's request to our answer", REQUEST_BUCKETS_S, "channel"
        )
        self.channel_answer_seconds = histogram(
            "channel_answer_seconds",
            "First message of a burst to the answer being written down, the wait for the burst included",
            CHAT_BUCKETS_S,
            "channel",
        )
        self.channel_sent_total = counter(
            "channel_sent_total", "Requests to messengers; result: sent, refused, later, unknown", "channel", "result"
        )
        self.channel_parked_total = counter(
            "channel_parked_total", "Messages given up, for a person to see; direction: in, out", "channel", "direction"
        )
