"""One /metrics for all processes: each writes its numbers to a file every few seconds, the web process merges them."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from core.metrics import Metrics

WRITE_EVERY_S = 5.0
FOLDER = "run/metrics"


async def share_metrics(metrics: Metrics, data_dir: Path, process: str) -> None:
    """Writes until cancelled; then the file goes, since a stopped process has no numbers."""
    folder = data_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{process}.prom"
    try:
        while True:
            draft = path.with_suffix(".new")
            draft.write_bytes(generate_latest(metrics.registry))
            draft.replace(path)
            await asyncio.sleep(WRITE_EVERY_S)
    finally:
        path.unlink(missing_ok=True)


class _AllProcesses(Collector):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        merged: dict[str, Metric] = {}
        for path in sorted(self._folder.glob("*.prom")):
            with contextlib.suppress(FileNotFoundError):
                for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
                    whole = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                    for sample in family.samples:
                        labels = {**sample.labels, "process": path.stem}
                        whole.samples.append(sample._replace(labels=labels))
        yield from merged.values()


def merged_metrics(data_dir: Path) -> bytes:
    """The text exposition of all processes, told apart by the label `process`."""
    registry = CollectorRegistry()
    registry.register(_AllProcesses(data_dir / FOLDER))
    return generate_latest(registry)
