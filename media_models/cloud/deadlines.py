"""How long a vendor may take before the next engine is asked. One place; seconds, measured on the monotonic clock.

They leave room inside the conversation's own limits: a final decode has 3 s and a sentence's first sound 1.5 s in all,
and the engine that stands in needs up to 0.3 s of it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadlines:
    connect_s: float = 1.0
    """Name, TCP, TLS and the vendor's first byte; 0.1 to 0.3 s from Moscow to Moscow, 0.4 s across a border."""
    final_s: float = 1.2
    """From the end of the audio to the last word. p99 of good engines is 0.4 s; a slow one is worth 1.2 s of a
    caller's patience and no more."""
    write_s: float = 1.0
    """A vendor that takes no audio for so long hangs."""
    first_sound_s: float = 0.9
    """From a sentence's text to its first sound."""
    next_sound_s: float = 0.7
    """Between two pieces of a sentence. Vendors are 5 to 20 times faster than speech; 0.3 s of audio is queued."""
    stream_limit_s: float = 280.0
    """A recognition stream is renewed before the vendors' limit of 5 minutes (Google: 305 s, Yandex: 300 s)."""
    keep_open_s: float = 4.0
    """Silence is sent when no audio came for so long: Yandex ends a stream after 5 s without a message, Google after
    10."""


SLOW_VENDOR = Deadlines(final_s=1.8, connect_s=1.2)
"""Google: p99 of the final words is 1.6 s."""
