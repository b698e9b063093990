"""What `ai-admin models bench` shows, in Russian."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Column, Table

from media_models.benchmark.machine import machine
from media_models.benchmark.measure import RecognizerFigures, VoiceFigures
from media_models.benchmark.run import BenchmarkRow
from media_models.catalogue import ModelKind


def benchmark_json(rows: Sequence[BenchmarkRow]) -> dict[str, Any]:
    return {
        "machine": machine(),
        "engines": [
            {
                "name": row.state.entry.name,
                "kind": row.state.entry.kind.value,
                "used_for": list(row.state.used_for),
                "error": row.error or None,
                "figures": asdict(row.figures) if row.figures is not None else None,
            }
            for row in rows
        ],
    }


def benchmark_tables(rows: Sequence[BenchmarkRow]) -> list[Table]:
    ears = [row for row in rows if row.state.entry.kind is ModelKind.RECOGNIZER]
    voices = [row for row in rows if row.state.entry.kind is ModelKind.VOICE]
    return [table for table, used in ((_ears(ears), ears), (_voices(voices), voices)) if used]


def _ears(rows: Sequence[BenchmarkRow]) -> Table:
    table = _table("слух", "WER", "в шуме", "вымысел", "ответ", "p95", "ход", "RTF", "старт", "МБ")
    for row in rows:
        figures = row.figures
        if isinstance(figures, RecognizerFigures):
            table.add_row(
                _named(row),
                _share(figures.wer),
                _share(figures.wer_noisy),
                f"{figures.invented}/{figures.noise_clips}" if figures.noise_clips else "–",
                f"{figures.final_ms:.0f}",
                f"{figures.final_p95_ms:.0f}",
                f"{figures.partial_ms:.0f}",
                *_cost(figures),
            )
        else:
            table.add_row(_named(row), *["–"] * 9)
    return table


def _voices(rows: Sequence[BenchmarkRow]) -> Table:
    table = _table("голос", "язык", "первый звук", "p95", "RTF", "старт", "МБ")
    for row in rows:
        figures = row.figures
        if isinstance(figures, VoiceFigures):
            sound = (f"{figures.first_sound_ms:.0f}", f"{figures.first_sound_p95_ms:.0f}")
            table.add_row(_named(row), row.state.entry.languages[0], *sound, *_cost(figures))
        else:
            table.add_row(_named(row), row.state.entry.languages[0], *["–"] * 5)
    return table


def _table(first: str, *others: str) -> Table:
    columns = (Column(name, justify="right", no_wrap=True) for name in others)
    return Table(Column(first, no_wrap=True), *columns, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)


def _cost(figures: RecognizerFigures | VoiceFigures) -> tuple[str, str, str]:
    return (
        "–" if figures.realtime_factor is None else f"{figures.realtime_factor:.3f}".replace(".", ","),
        f"{figures.ready_s:.1f}".replace(".", ","),
        f"{figures.memory_bytes / 1e6:.0f}",
    )


def benchmark_remarks(rows: Sequence[BenchmarkRow], *, own_recordings: bool) -> list[str]:
    """What the columns mean and what the figures do not say by themselves."""
    ears = [row.figures for row in rows if isinstance(row.figures, RecognizerFigures)]
    voices = [row.figures for row in rows if isinstance(row.figures, VoiceFigures)]
    remarks = [f"{row.state.entry.name}: {row.error}" for row in rows if row.error]
    remarks.append(f"Машина: {machine()}. Занятая машина (load больше числа ядер) показывает всё медленнее.")
    if ears:
        remarks.append(
            "WER: доля неверных слов; в шуме: то же при шуме 10 дБ; вымысел: на скольких записях одного шума "
            "появился текст; ответ: от конца фразы в 3 с до её текста, мс; ход: текст недосказанной фразы, мс."
        )
    if voices:
        remarks.append("первый звук: от текста до звука, мс.")
    remarks.append(
        "p95: у 95 случаев из 100 не дольше; RTF: секунд работы на секунду речи; старт: готов через, с; МБ: память "
        "отдельного процесса вместе с Python. Звёздочкой отмечено то, что работает сейчас."
    )
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
    return "–" if value is None else f"{value * 100:.1f}%".replace(".", ",")
