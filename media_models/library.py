"""The models of one installation: list, get, use, remove. Plain blocking functions with a progress callback.

Layout: FOLDER/NAME/ holds the files of a model and `installed.json` (what was checked against what);
FOLDER/selection.json says which model serves which purpose.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from core.errors import AppError, ConfigurationError, InvalidInput, Unavailable
from media_models.catalogue import Catalogue, CatalogueEntry, ModelFile, ModelKind
from media_models.download import TIMEOUT, CheckedFile, DamagedFile, Downloader, Evidence, OnProgress, check_file

SPARE_BYTES = 200_000_000
"""Disk that must stay free after a download: recordings and the database live on the same disk."""


class DiskFull(AppError):
    code = "disk_full"


@dataclass(frozen=True, slots=True)
class ModelState:
    entry: CatalogueEntry
    installed: bool
    used_for: tuple[str, ...]
    """Purposes: "recognizer", "voice.ru", …"""
    folder: Path | None
    """Where its files are; None for what comes with the product."""
    trusted_on_first_use: tuple[str, ...]
    """Files whose checksum nobody published."""


def _ignore(_: object) -> None:
    return None


class ModelLibrary:
    def __init__(self, folder: Path, catalogue: Catalogue | None = None, client: httpx.Client | None = None) -> None:
        """client: another HTTP client, for a proxy or a test."""
        self.folder = folder
        self.catalogue = catalogue or Catalogue.shipped()
        self._client = client

    def list(self) -> list[ModelState]:
        return [self.state(entry.name) for entry in self.catalogue.entries]

    def state(self, name: str) -> ModelState:
        entry = self.catalogue.find(name)
        used_for = tuple(purpose for purpose, chosen in self._selection().items() if chosen == name)
        if entry.built_in:
            return ModelState(entry, True, used_for, None, ())
        records = self._records(entry)
        installed = bool(records) and all(self._in_place(entry, file, records) for file in entry.files)
        first_use = tuple(record.name for record in records.values() if record.evidence is Evidence.FIRST_USE)
        return ModelState(entry, installed, used_for, self.folder / name, first_use)

    def get(self, name: str, on_progress: OnProgress = _ignore) -> ModelState:
        """Downloads what is missing, checks everything. Files that were copied into the folder by hand are taken as
        they are, if their checksums are right."""
        entry = self.catalogue.find(name)
        if entry.built_in:
            return self.state(name)
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        records = self._records(entry)
        self._check_disk(entry, folder)
        with self._http() as client:
            downloader = Downloader(client)
            for file in entry.files:
                known = records.get(file.name)
                recorded = known.sha256 if known is not None else None
                if (folder / file.name).exists():
                    records[file.name] = self._checked(folder / file.name, file, recorded, on_progress)
                else:
                    try:
                        records[file.name] = downloader.fetch(file, folder, recorded, on_progress)
                    except Unavailable as error:
                        raise self._offline(entry, file, folder, error) from error
                self._write_records(entry, records)
        return self.state(name)

    def use(self, name: str) -> ModelState:
        """Makes an installed model the one that serves its purpose; it counts from the next start."""
        state = self.state(name)
        if not state.installed:
            raise InvalidInput(f"model {name} is not installed. Get it first: ai-admin models get {name}")
        selection = self._selection()
        for purpose in purposes(state.entry):
            selection[purpose] = name
        self.folder.mkdir(parents=True, exist_ok=True)
        _write_json(self.folder / "selection.json", selection)
        return self.state(name)

    def remove(self, name: str) -> ModelState:
        """Deletes the files of a model. What it served goes back to what comes with the product."""
        entry = self.catalogue.find(name)
        if entry.built_in:
            raise InvalidInput(f"model {name} comes with the product and takes no space of its own: it stays")
        selection = {purpose: chosen for purpose, chosen in self._selection().items() if chosen != name}
        if self.folder.exists():
            _write_json(self.folder / "selection.json", selection)
            if (self.folder / name).exists():
                shutil.rmtree(self.folder / name)
        return self.state(name)

    def selected(self, purpose: str) -> ModelState | None:
        """The installed model chosen for a purpose. None: nothing was chosen, or its files are gone."""
        name = self._selection().get(purpose)
        if name is None or all(entry.name != name for entry in self.catalogue.entries):
            return None
        state = self.state(name)
        return state if state.installed else None

    def _checked(self, path: Path, file: ModelFile, recorded: str | None, on_progress: OnProgress) -> CheckedFile:
        try:
            return check_file(path, file, None, recorded, on_progress)
        except DamagedFile as error:
            raise DamagedFile(f"{error.message}. Delete {path} and get the model again.", file=file.name) from error

    def _check_disk(self, entry: CatalogueEntry, folder: Path) -> None:
        missing = 0
        for file in entry.files:
            if file.size_bytes is not None and not (folder / file.name).exists():
                part = folder / f"{file.name}.part"
                missing += file.size_bytes - (part.stat().st_size if part.exists() else 0)
        free = shutil.disk_usage(folder).free
        if missing and free < missing + SPARE_BYTES:
            raise DiskFull(
                f"{entry.name} needs {missing // 1_000_000} MB more in {folder} and {SPARE_BYTES // 1_000_000} MB must "
                f"stay free, but only {free // 1_000_000} MB are free",
                needed_bytes=missing,
                free_bytes=free,
            )

    def _offline(self, entry: CatalogueEntry, file: ModelFile, folder: Path, error: Unavailable) -> Unavailable:
        missing = [item for item in entry.files if not (folder / item.name).exists()]
        lines = "\n".join(f"  {item.url}\n    -> {folder.resolve() / item.name}" for item in missing)
        return Unavailable(
            f"{error.message}. What was fetched so far is kept: run the command again to go on. Without a connection, "
            f"fetch these files on another machine and copy them here, then run: ai-admin models get {entry.name}\n"
            f"{lines}",
            file=file.name,
        )

    def _in_place(self, entry: CatalogueEntry, file: ModelFile, records: dict[str, CheckedFile]) -> bool:
        path = self.folder / entry.name / file.name
        record = records.get(file.name)
        return record is not None and path.exists() and path.stat().st_size == record.size_bytes

    def _records(self, entry: CatalogueEntry) -> dict[str, CheckedFile]:
        path = self.folder / entry.name / "installed.json"
        if not path.exists():
            return {}
        try:
            content = json.loads(path.read_text("utf-8"))
            return {
                item["name"]: CheckedFile(item["name"], item["size_bytes"], item["sha256"], Evidence(item["evidence"]))
                for item in content
            }
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{path} is damaged: delete it and run ai-admin models get {entry.name}"
            ) from error

    def _write_records(self, entry: CatalogueEntry, records: dict[str, CheckedFile]) -> None:
        _write_json(self.folder / entry.name / "installed.json", [asdict(record) for record in records.values()])

    def _selection(self) -> dict[str, str]:
        path = self.folder / "selection.json"
        if not path.exists():
            return {}
        try:
            return {str(purpose): str(name) for purpose, name in json.loads(path.read_text("utf-8")).items()}
        except (ValueError, AttributeError) as error:
            raise ConfigurationError(
                f"{path} is damaged: delete it and choose again with ai-admin models use"
            ) from error

    @contextmanager
    def _http(self) -> Iterator[httpx.Client]:
        if self._client is not None:
            yield self._client
            return
        with httpx.Client(timeout=TIMEOUT) as client:
            yield client


def purposes(entry: CatalogueEntry) -> tuple[str, ...]:
    """What a model serves when it is used: recognition as a whole, or the voice of each of its languages."""
    if entry.kind is ModelKind.RECOGNIZER:
        return (str(ModelKind.RECOGNIZER),)
    return tuple(f"{ModelKind.VOICE}.{language}" for language in entry.languages)


def _write_json(path: Path, content: object) -> None:
    """Whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(json.dumps(content, ensure_ascii=False, indent=2), "utf-8")
    temporary.replace(path)
