"""The models of one installation: list, get, use, remove. Plain blocking functions with a progress callback.

Layout: FOLDER/NAME/ holds the files of a model and `installed.json` (what was checked against what); an archive is
unpacked into FOLDER/NAME/model/ and then deleted. FOLDER/selection.json says which model serves which purpose,
FOLDER/catalogue.yaml may hold entries of one's own.
"""

import errno
import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import httpx

from core.errors import AppError, ConfigurationError, InvalidInput, Unavailable
from media_models.archive import BadArchive, folder_bytes, unpack, unpacked_bytes
from media_models.catalogue import Catalogue, CatalogueEntry, ModelFile, ModelKind
from media_models.download import (
    NOTHING_ANNOUNCED,
    TIMEOUT,
    Announced,
    CheckedFile,
    DamagedFile,
    DiskFull,
    Downloader,
    Evidence,
    OnProgress,
    Progress,
    check_file,
)

SPARE_BYTES = 200_000_000
"""Disk that must stay free after a download: recordings and the database live on the same disk."""
UNPACKED_GROWTH = 2.2
"""An archive of a speech model grows about so much when it is unpacked (Vosk's: 45 MB to 90)."""
UNPACKED_FOLDER = "model"


class Busy(AppError):
    code = "busy"
    retryable = True
    http_status = 409


@dataclass(frozen=True, slots=True)
class ModelState:
    entry: CatalogueEntry
    installed: bool
    used_for: tuple[str, ...]
    """Purposes it serves now, chosen or by default: "recognizer", "voice.ru", …"""
    folder: Path | None
    """What its engine reads; None for what comes with the product."""
    trusted_on_first_use: tuple[str, ...]
    """Files whose checksum nobody published."""
    disk_bytes: int = 0
    """What it takes on this disk, half-done downloads included."""
    chosen_for: tuple[str, ...] = ()
    """Purposes it was chosen for, though its files may be gone."""


def _ignore(_: object) -> None:
    return None


class ModelLibrary:
    def __init__(self, folder: Path, catalogue: Catalogue | None = None, client: httpx.Client | None = None) -> None:
        """client: another HTTP client, for a proxy or a test."""
        self.folder = folder
        self.catalogue = catalogue or Catalogue.of_installation(folder)
        self._client = client

    def list(self) -> list[ModelState]:
        return [self.state(entry.name) for entry in self.catalogue.entries]

    def state(self, name: str) -> ModelState:
        entry = self.catalogue.find(name)
        used_for = tuple(purpose for purpose, used in self.in_use().items() if used == name)
        chosen_for = tuple(purpose for purpose, chosen in self._selection().items() if chosen == name)
        if entry.built_in:
            return ModelState(entry, True, used_for, None, (), chosen_for=chosen_for)
        folder = self.folder / name
        records = self._records(entry)
        first_use = tuple(record.name for record in records.values() if record.evidence is Evidence.FIRST_USE)
        unpacked = any(file.unpack for file in entry.files)
        return ModelState(
            entry,
            self._installed(entry),
            used_for,
            folder / UNPACKED_FOLDER if unpacked else folder,
            first_use,
            folder_bytes(folder) if folder.exists() else 0,
            chosen_for,
        )

    def in_use(self) -> dict[str, str]:
        """Which model serves each purpose now: the chosen one if its files are there, else what comes with the
        product."""
        selection = self._selection()
        used: dict[str, str] = {}
        for entry in self.catalogue.entries:
            for purpose in purposes(entry):
                if selection.get(purpose) == entry.name and self._installed(entry):
                    used[purpose] = entry.name
                elif entry.built_in:
                    used.setdefault(purpose, entry.name)
        return used

    def get(self, name: str, on_progress: OnProgress = _ignore) -> ModelState:
        """Downloads what is missing, checks everything. Files that were copied into the folder by hand are taken as
        they are, if their checksums are right. Unavailable says which file to copy where; DiskFull; DamagedFile;
        Busy: another process fetches the same model."""
        entry = self.catalogue.find(name)
        if entry.built_in:
            return self.state(name)
        folder = self.folder / name
        with self._locked(entry), self._http() as client:
            folder.mkdir(parents=True, exist_ok=True)
            records = self._records(entry)
            downloader = Downloader(client)
            missing = [file for file in entry.files if not self._in_place(entry, file, records)]
            announced = {file.name: downloader.published(file) for file in missing}
            self._check_disk(entry, folder, missing, announced)
            for file in entry.files:
                if file.unpack and file not in missing:
                    continue
                known = records.get(file.name)
                recorded = known.sha256 if known is not None else None
                says = announced.get(file.name, NOTHING_ANNOUNCED)
                if (folder / file.name).exists():
                    checked = self._checked(folder / file.name, file, says, recorded, on_progress)
                else:
                    try:
                        checked = downloader.fetch(file, folder, recorded, on_progress, says)
                    except Unavailable as error:
                        raise self._offline(entry, missing, folder, error) from error
                if file.unpack:
                    checked = self._unpacked(folder, checked, on_progress)
                records[file.name] = checked
                self._write_records(entry, records)
                if file.unpack:
                    (folder / file.name).unlink(missing_ok=True)
        return self.state(name)

    def use(self, name: str) -> ModelState:
        """Makes an installed model the one that serves its purpose; it counts from the next start."""
        state = self.state(name)
        if not state.installed:
            raise InvalidInput(f"model {name} is not installed. Get it first: ai-admin models get {name}")
        selection = self._selection()
        for purpose in purposes(state.entry):
            selection[purpose] = name
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            _write_json(self.folder / "selection.json", selection)
        return self.state(name)

    def remove(self, name: str) -> ModelState:
        """Deletes the files of a model. What it served goes back to what comes with the product."""
        entry = self.catalogue.find(name)
        if entry.built_in:
            raise InvalidInput(f"model {name} comes with the product and takes no space of its own: it stays")
        selected = self._selection()
        kept = {purpose: chosen for purpose, chosen in selected.items() if chosen != name}
        if kept != selected or (self.folder / name).exists():
            with self._locked(entry):
                if kept != selected:
                    _write_json(self.folder / "selection.json", kept)
                shutil.rmtree(self.folder / name, ignore_errors=not (self.folder / name).exists())
        return self.state(name)

    def selected(self, purpose: str) -> ModelState | None:
        """The installed model chosen for a purpose. None: nothing was chosen, or its files are gone."""
        name = self._selection().get(purpose)
        if name is None or all(entry.name != name for entry in self.catalogue.entries):
            return None
        state = self.state(name)
        return state if state.installed else None

    def _installed(self, entry: CatalogueEntry) -> bool:
        if entry.built_in:
            return True
        records = self._records(entry)
        return bool(records) and all(self._in_place(entry, file, records) for file in entry.files)

    def _checked(
        self, path: Path, file: ModelFile, announced: Announced, recorded: str | None, on_progress: OnProgress
    ) -> CheckedFile:
        try:
            return check_file(path, file, announced, recorded, on_progress)
        except DamagedFile as error:
            raise DamagedFile(f"{error.message}. Delete {path} and get the model again.", file=file.name) from error

    def _unpacked(self, folder: Path, checked: CheckedFile, on_progress: OnProgress) -> CheckedFile:
        archive = folder / checked.name
        try:
            needed = unpacked_bytes(archive)
            free = shutil.disk_usage(folder).free
            if free < needed + SPARE_BYTES:
                raise _disk_full(f"unpacking {checked.name}", folder, needed, free)
            size = unpack(
                archive,
                folder / UNPACKED_FOLDER,
                lambda done, total: on_progress(Progress(checked.name, done, total, unpacking=True)),
            )
        except BadArchive as error:
            raise BadArchive(
                f"{error.message}. Delete {archive} and get the model again.", file=checked.name
            ) from error
        return replace(checked, unpacked_bytes=size)

    def _check_disk(
        self,
        entry: CatalogueEntry,
        folder: Path,
        missing: Sequence[ModelFile],
        announced: Mapping[str, Announced],
    ) -> None:
        """Before anything is fetched: is there room for the rest of the files and for unpacking them?"""
        needed = 0
        known = [file.size_bytes or announced[file.name].size_bytes for file in missing]
        if None in known and entry.approximate_bytes:
            known = [entry.approximate_bytes]
        for file, size in zip(missing, known, strict=False):
            if size is None:
                continue
            here = next((path for path in (folder / file.name, folder / f"{file.name}.part") if path.exists()), None)
            needed += max(0, size - (here.stat().st_size if here else 0))
            needed += int(size * UNPACKED_GROWTH) if file.unpack else 0
        free = shutil.disk_usage(folder).free
        if needed and free < needed + SPARE_BYTES:
            raise _disk_full(entry.name, folder, needed, free)

    def _offline(
        self, entry: CatalogueEntry, missing: Sequence[ModelFile], folder: Path, error: Unavailable
    ) -> Unavailable:
        absent = [file for file in missing if not (folder / file.name).exists()]
        lines = "\n".join(f"  {file.url}\n    -> {folder.resolve() / file.name}" for file in absent)
        return Unavailable(
            f"{error.message}. What was fetched so far is kept: run the command again to go on. Without a connection, "
            f"fetch these files on another machine and copy them here, then run: ai-admin models get {entry.name}\n"
            f"{lines}",
            file=absent[0].name if absent else "",
        )

    def _in_place(self, entry: CatalogueEntry, file: ModelFile, records: dict[str, CheckedFile]) -> bool:
        record = records.get(file.name)
        if record is None:
            return False
        folder = self.folder / entry.name
        if file.unpack:
            unpacked = folder / UNPACKED_FOLDER
            return record.unpacked_bytes > 0 and unpacked.is_dir() and folder_bytes(unpacked) == record.unpacked_bytes
        path = folder / file.name
        return path.exists() and path.stat().st_size == record.size_bytes

    def _records(self, entry: CatalogueEntry) -> dict[str, CheckedFile]:
        path = self.folder / entry.name / "installed.json"
        if not path.exists():
            return {}
        try:
            content = json.loads(path.read_text("utf-8"))
            return {
                item["name"]: CheckedFile(
                    str(item["name"]),
                    int(item["size_bytes"]),
                    str(item["sha256"]),
                    Evidence(item["evidence"]),
                    int(item.get("unpacked_bytes", 0)),
                )
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
    def _writing(self) -> Iterator[None]:
        """Errors of the disk in the words of the operator."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(f"the disk of {self.folder} is full: make room and run the command again") from error
            raise ConfigurationError(
                f"the models folder {self.folder} cannot be written: {error.strerror}. "
                "Give --data-dir, or the user of the product the right to write there"
            ) from error

    @contextmanager
    def _locked(self, entry: CatalogueEntry) -> Iterator[None]:
        """One process at a time works on a model: two downloads into one file would spoil it."""
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / f".{entry.name}.lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise Busy(f"another command works on {entry.name} right now: wait until it has ended") from error
                yield

    @contextmanager
    def _http(self) -> Iterator[httpx.Client]:
        if self._client is not None:
            yield self._client
            return
        try:
            client = httpx.Client(timeout=TIMEOUT)
        except (ImportError, ValueError, httpx.InvalidURL) as error:  # what httpx says to a proxy it cannot use
            raise ConfigurationError(
                f"the proxy of this environment (HTTPS_PROXY, ALL_PROXY) cannot be used: {error}. "
                "Give an http:// proxy, or unset it"
            ) from error
        with client:
            yield client


def purposes(entry: CatalogueEntry) -> tuple[str, ...]:
    """What a model serves when it is used: recognition as a whole, or the voice of each of its languages."""
    if entry.kind is ModelKind.RECOGNIZER:
        return (str(ModelKind.RECOGNIZER),)
    return tuple(f"{ModelKind.VOICE}.{language}" for language in entry.languages)


def _disk_full(what: str, folder: Path, needed: int, free: int) -> DiskFull:
    return DiskFull(
        f"{what} needs {needed // 1_000_000} MB more in {folder} and {SPARE_BYTES // 1_000_000} MB must stay free, "
        f"but only {free // 1_000_000} MB are free",
        needed_bytes=needed,
        free_bytes=free,
    )


def _write_json(path: Path, content: object) -> None:
    """Whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(json.dumps(content, ensure_ascii=False, indent=2), "utf-8")
    temporary.replace(path)
