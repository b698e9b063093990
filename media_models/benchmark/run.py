"""Measuring every installed engine, one process after the other. Blocking."""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media_models.benchmark.clips import Clip, recordings, rendered_clips, write_clips
from media_models.benchmark.measure import RecognizerFigures, VoiceFigures
from media_models.catalogue import ModelKind
from media_models.library import ModelState

LOADING_S = 180.0
"""A large Whisper is read from a slow disk and warmed up in so much."""
LAST_WORDS = 300
"""Letters of a dead process's error output that go into its row."""


@dataclass(frozen=True, slots=True)
class BenchmarkRow:
    state: ModelState
    figures: RecognizerFigures | VoiceFigures | None
    error: str = ""
    """Why there are no figures."""


def benchmark(
    states: Sequence[ModelState],
    own_recordings: Path | None = None,
    device: str = "cpu",
    limit_s: float = 120.0,
    on_start: Callable[[ModelState], None] = lambda _: None,
) -> list[BenchmarkRow]:
    """limit_s: for each engine, loading apart. InvalidInput: the folder of recordings is not as it must be."""
    clips: list[Clip] = []
    if any(state.entry.kind is ModelKind.RECOGNIZER for state in states):
        clips = recordings(own_recordings) if own_recordings is not None else asyncio.run(rendered_clips())
    rows: list[BenchmarkRow] = []
    with tempfile.TemporaryDirectory(prefix="ai-admin-bench-") as folder:
        write_clips(clips, Path(folder))
        for state in states:
            on_start(state)
            rows.append(_measured(state, folder, device, limit_s))
    return rows


def _measured(state: ModelState, clips: str, device: str, limit_s: float) -> BenchmarkRow:
    entry = state.entry
    request = {
        "kind": entry.kind.value,
        "engine": entry.engine.value,
        "name": entry.name,
        "folder": str(state.folder) if state.folder is not None else "",
        "language": entry.languages[0],
        "clips": clips,
        "device": device,
        "limit_s": limit_s,
    }
    command = [sys.executable, "-m", "media_models.benchmark", json.dumps(request, ensure_ascii=False)]
    try:
        # The limit is looked at between clips: one more may be under way.
        ended = subprocess.run(command, capture_output=True, timeout=2 * limit_s + LOADING_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        return BenchmarkRow(state, None, f"no end after {error.timeout:.0f} s: too slow for this machine")
    if ended.returncode != 0 or not ended.stdout:
        words = ended.stderr.decode("utf-8", "replace").strip()[-LAST_WORDS:]
        return BenchmarkRow(state, None, f"its process died with status {ended.returncode}: {words}")
    told: dict[str, Any] = json.loads(ended.stdout)
    if "error" in told:
        return BenchmarkRow(state, None, f"{told['error']['code']}: {told['error']['message']}")
    kind = RecognizerFigures if entry.kind is ModelKind.RECOGNIZER else VoiceFigures
    return BenchmarkRow(state, kind(**told["figures"]))
