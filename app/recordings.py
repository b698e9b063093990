"""Where recordings lie: one file a call, in a folder a day. The edge writes the journal, the jobs finish it."""

from datetime import datetime
from pathlib import Path

import structlog

from core.clock import Clock
from core.ids import CallId
from voice.ports import CallInfo
from voice.recording.journal import SUFFIX, RecordingJournal

log = structlog.get_logger(__name__)

FOLDER = "recordings"


def recording_path(call_id: CallId, started_at: datetime) -> str:
    """Path inside the data folder of the finished recording."""
    return f"{FOLDER}/{started_at:%Y-%m-%d}/{call_id}.ogg"


class RecordingFiles:
    """Opens the journal of each answered call."""

    def __init__(self, data_dir: Path, clock: Clock, *, enabled: bool) -> None:
        self._data_dir = data_dir
        self._clock = clock
        self._enabled = enabled

    def open(self, info: CallInfo) -> RecordingJournal | None:
        """None when recording is off or the disk refuses; a call goes on without its recording."""
        if not self._enabled:
            return None
        path = (self._data_dir / recording_path(info.call_id, self._clock.now())).with_suffix(SUFFIX)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return RecordingJournal.open(path, info.rate_hz, {"transport": info.transport, "called": info.called})
        except OSError as fault:
            log.warning("recording_not_opened", call_id=info.call_id, fault=type(fault).__name__)
            return None
