"""Who may speak into a call: the guard of symmetric RTP (RFC 4961) against injected and bled media. Pure.

A caller behind NAT sends from an address its SDP does not name, so the source must be learned; but whoever is believed
too easily can put words into a call or draw its audio away. Rules: the address in the SDP is believed at once and for
ever; another one only within LEARN_WINDOW_S after the answer, only from a host that signalling names, and only after
LEARN_PACKETS packets of one SSRC in sequence. Until then we send to the SDP address alone.
"""

from dataclasses import dataclass

LEARN_WINDOW_S = 2.0
LEARN_PACKETS = 5

Address = tuple[str, int]


@dataclass(slots=True)
class _Candidate:
    ssrc: int
    sequence: int
    count: int = 1


class LatchGuard:
    def __init__(self) -> None:
        self._expected: Address | None = None
        self._learn_from: frozenset[str] = frozenset()
        self._locked: Address | None = None
        self._window_ends_s = 0.0
        self._candidates: dict[Address, _Candidate] = {}
        self.rejected = 0

    @property
    def send_to(self) -> Address | None:
        """Where our audio goes: the locked source, before that the SDP address."""
        return self._locked or self._expected

    def expect(self, remote: Address, hosts: frozenset[str], now_s: float) -> None:
        """The SDP of an offer or answer names remote; hosts are the addresses that signalling has shown. A change of
        address (re-INVITE) starts the learning anew; the same address again keeps the lock."""
        if remote != self._expected:
            self._locked = None
            self._expected = remote
        self._learn_from = hosts | {remote[0]}
        self.open_window(now_s)

    def open_window(self, now_s: float) -> None:
        """The call was answered, or the ACK came: learning is possible from now for LEARN_WINDOW_S."""
        self._window_ends_s = now_s + LEARN_WINDOW_S
        self._candidates.clear()

    def accept(self, source: Address, ssrc: int, sequence: int, now_s: float) -> bool:
        """True when a packet of this source belongs to the call."""
        if source == self._locked:
            return True
        if source == self._expected:
            # The named address wins over a learned one, whichever came first.
            self._locked = source
            self._candidates.clear()
            return True
        may_learn = self._locked is None and now_s <= self._window_ends_s and source[0] in self._learn_from
        if may_learn and self._consistent(source, ssrc, sequence):
            self._locked = source
            self._candidates.clear()
            return True
        self.rejected += 1
        return False

    def _consistent(self, source: Address, ssrc: int, sequence: int) -> bool:
        candidate = self._candidates.get(source)
        if candidate is None or candidate.ssrc != ssrc or (sequence - candidate.sequence) & 0xFFFF not in (1, 2, 3):
            if len(self._candidates) < 8 or source in self._candidates:
                self._candidates[source] = _Candidate(ssrc, sequence)
            return False
        candidate.sequence = sequence
        candidate.count += 1
        return candidate.count >= LEARN_PACKETS
