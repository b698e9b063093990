"""What `ai-admin models list` shows, in Russian."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Column, Table

from media_models.catalogue import CatalogueEntry, ModelKind
from media_models.library import ModelState
from media_models.optional import missing_package

KINDS = {ModelKind.RECOGNIZER: "слух", ModelKind.VOICE: "голос"}
WIDE_ENOUGH = 130
LANGUAGES = {"ru": "русский", "en": "английский"}


def listed(states: Sequence[ModelState], width: int) -> Table:
    """width: columns of the terminal; a narrow one gets no notes."""
    wide = width >= WIDE_ENOUGH
    table = Table(Column("модель", no_wrap=True), "вид", "языки", "размер", "лицензия", "состояние")
    if wide:
        table.add_column("о модели")
    for state in states:
        entry = state.entry
        cells = (entry.name, KINDS[entry.kind], ", ".join(entry.languages), _listed_size(entry), entry.licence)
        table.add_row(*cells, condition(state), *([entry.note] if wide else []))
    return table


def listing_json(states: Sequence[ModelState], in_use: Mapping[str, str]) -> dict[str, Any]:
    return {
        "in_use": dict(in_use),
        "models": [
            {
                "name": state.entry.name,
                "kind": state.entry.kind.value,
                "engine": state.entry.engine.value,
                "languages": list(state.entry.languages),
                "size_bytes": state.entry.size_bytes or state.entry.approximate_bytes,
                "licence": state.entry.licence,
                "licence_url": state.entry.licence_url,
                "commercial_use": state.entry.commercial,
                "built_in": state.entry.built_in,
                "installed": state.installed,
                "disk_bytes": state.disk_bytes,
                "used_for": list(state.used_for),
                "missing_package": missing_package(state.entry.engine),
            }
            for state in states
        ],
    }


def condition(state: ModelState) -> str:
    words = ["встроена" if state.entry.built_in else "установлена" if state.installed else ""]
    if not state.installed and state.disk_bytes:
        words.append(f"загружена частично ({size_words(state.disk_bytes)})")
    words += [f"работает: {', '.join(purpose_words(purpose) for purpose in state.used_for)}"] if state.used_for else []
    package = missing_package(state.entry.engine)
    words += [f"нет пакета {package}"] if package is not None else []
    return ", ".join(word for word in words if word)


def purpose_words(purpose: str) -> str:
    kind, _, language = purpose.partition(".")
    if kind == ModelKind.RECOGNIZER:
        return "распознавание"
    return f"голос ({LANGUAGES.get(language, language)})"


def size_words(size_bytes: int | None) -> str:
    if not size_bytes:
        return ""
    return f"{size_bytes / 1e9:.1f} ГБ".replace(".", ",") if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} МБ"


def _listed_size(entry: CatalogueEntry) -> str:
    exact = size_words(entry.size_bytes)
    return exact or (f"около {size_words(entry.approximate_bytes)}" if entry.approximate_bytes else "")
