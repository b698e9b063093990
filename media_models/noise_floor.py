"""The level of the background, followed while somebody speaks over it."""

from collections import deque
from dataclasses import dataclass, field

LOWEST_DBFS = -75.0
"""Digital silence and the idle noise of G.711 count as this."""
_FALL_SHARE = 0.3
_RISE_SHARE = 0.08
"""Per 20 ms frame: the floor follows a new background within a third of a second."""
_WINDOW_FRAMES = 80
"""1.6 s: no speech goes that long without a dip to the background."""
_START_DBFS = -50.0


@dataclass(slots=True)
class NoiseFloor:
    level_dbfs: float = _START_DBFS
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW_FRAMES))

    def update(self, frame_dbfs: float, maybe_speech: bool) -> float:
        """Takes the level of one 20 ms frame and whether it may be speech. Returns the floor in dBFS."""
        level = max(frame_dbfs, LOWEST_DBFS)
        self._recent.append(level)
        if level < self.level_dbfs:
            self.level_dbfs += (level - self.level_dbfs) * _FALL_SHARE
        elif not maybe_speech:
            self.level_dbfs += (level - self.level_dbfs) * _RISE_SHARE
        if len(self._recent) == _WINDOW_FRAMES:
            self.level_dbfs = max(self.level_dbfs, min(self._recent))
        return self.level_dbfs
