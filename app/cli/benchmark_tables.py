"""What `ai-admin models bench` shows, in Russian."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Column, Table

from media_models.benchmark.measure import RecognizerFigures, VoiceFigures
from media_models.benchmark.run import BenchmarkRow
from media_models.catalogue import ModelKind


def benchmark_json(rows: Sequence[BenchmarkRow]) -> list[dict[str, Any]]:
    return [
        {
            "name": row.state.entry.name,
            "kind": row.state.entry.kind.value,
            "used_for": list(row.state.used_for),
            "error": row.error or None,
            "figures": asdict(row.figures) if row.figures is not None else None,
        }
        for row in rows
    ]


def benchmark_tables(rows: Sequence[BenchmarkRow]) -> list[Table]:
    ears = [row for row in rows if row.state.entry.kind is ModelKind.RECOGNIZER]
    voices = [row for row in rows if row.state.entry.kind is ModelKind.VOICE]
    return [table for table, used in ((_ears(ears), ears), (_voices(voices), voices)) if used]


def _ears(rows: Sequence[BenchmarkRow]) -> Table:
    table = Table(
        Column("слух", no_wrap=True),
        Column("ошибок в словах", justify="right"),
        Column("то же, шум 10 дБ", justify="right"),
        Column("выдумано на шуме", justify="right"),
        Column("фраза 3 с: текст через, мс (p95)", justify="right"),
        Column("по ходу фразы, мс", justify="right"),
        Column("с. работы на с. речи", justify="right"),
        Column("готов через, с", justify="right"),
        Column("память, МБ", justify="right"),
    )
    for row in rows:
        figures = row.figures
        if not isinstance(figures, RecognizerFigures):
            table.add_row(_named(row), f"[red]{_plain(row.error)}[/red]")
            continue
        table.add_row(
            _named(row),
            _share(figures.wer),
            _share(figures.wer_noisy),
            f"{figures.invented} из {figures.noise_clips}" if figures.noise_clips else "–",
            f"{figures.final_ms:.0f} ({figures.final_p95_ms:.0f})",
            f"{figures.partial_ms:.0f}",
            f"{figures.realtime_factor:.3f}".replace(".", ","),
            f"{figures.ready_s:.1f}".replace(".", ","),
            f"{figures.memory_bytes / 1e6:.0f}",
        )
    return table


def _voices(rows: Sequence[BenchmarkRow]) -> Table:
    table = Table(
        Column("голос", no_wrap=True),
        "языки",
        Column("первый звук через, мс (p95)", justify="right"),
        Column("с. работы на с. речи", justify="right"),
        Column("готов через, с", justify="right"),
        Column("память, МБ", justify="right"),
    )
    for row in rows:
        figures = row.figures
        if not isinstance(figures, VoiceFigures):
            table.add_row(_named(row), "", f"[red]{_plain(row.error)}[/red]")
            continue
        table.add_row(
            _named(row),
            ", ".join(row.state.entry.languages),
            f"{figures.first_sound_ms:.0f} ({figures.first_sound_p95_ms:.0f})",
            f"{figures.realtime_factor:.3f}".replace(".", ","),
            f"{figures.ready_s:.1f}".replace(".", ","),
            f"{figures.memory_bytes / 1e6:.0f}",
        )
    return table


def benchmark_remarks(rows: Sequence[BenchmarkRow], *, own_recordings: bool) -> list[str]:
    """What the figures do not say by themselves."""
    remarks = ["Каждый движок измерен в отдельном процессе; его память вместе с Python. Отмечен * тот, что работает."]
    ears = [row.figures for row in rows if isinstance(row.figures, RecognizerFigures)]
    if ears and not own_recordings:
        remarks.append(
            "Фразы произнёс espeak-ng через телефон: о живых людях эти ошибки говорят мало. Решать по своим записям: "
            "ai-admin models bench --clips ПАПКА"
        )
    most = max((figures.clips for figures in ears), default=0)
    if any(figures.clips < most for figures in ears):
        remarks.append("Кому не хватило времени, те измерены на части фраз: больше времени даёт --limit-s.")
    return remarks


def _named(row: BenchmarkRow) -> str:
    return f"{row.state.entry.name}{' *' if row.state.used_for else ''}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:.1f} %".replace(".", ",")


def _plain(text: str) -> str:
    """Without what rich would take for markup."""
    return text.replace("[", "\\[")
