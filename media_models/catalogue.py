"""The catalogue: which speech models exist, where they come from, under which licence. Data is in catalogue.yaml.

An installation may have entries of its own (a model it has trained, a mirror inside a closed network): a file of the
same form at MODELS_FOLDER/catalogue.yaml. An entry there replaces the shipped one of the same name.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import ConfigurationError, InvalidInput, NotFound

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Md5 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
OWN_CATALOGUE = "catalogue.yaml"


class ModelKind(StrEnum):
    RECOGNIZER = "recognizer"
    VOICE = "voice"


class EngineKind(StrEnum):
    """The program that runs a model."""

    FASTER_WHISPER = "faster-whisper"
    T_ONE = "t-one"
    VOSK = "vosk"
    ESPEAK = "espeak"
    PIPER = "piper"


@dataclass(frozen=True, slots=True)
class ModelFile:
    url: str
    name: str
    """File name in the model's folder."""
    size_bytes: int | None
    sha256: str | None
    md5: str | None
    unpack: bool = False
    """A zip archive: its content is what the engine reads, in the folder `model` beside it."""
    index_url: str = ""
    """A JSON list at the file's home that publishes size and md5 by name (Vosk's model-list.json); empty: none."""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    name: str
    kind: ModelKind
    engine: EngineKind
    languages: tuple[str, ...]
    licence: str
    licence_url: str
    note: str
    built_in: bool
    """Comes with the product: nothing to download, nothing to remove."""
    realtime_factor: float | None
    files: tuple[ModelFile, ...]
    commercial: bool = True
    """False: the licence forbids a business to use it without the authors' permission."""
    approximate_bytes: int | None = None
    """Size as its home rounds it, where no exact one is known."""

    @property
    def size_bytes(self) -> int | None:
        """Of all files; None where the catalogue does not know one of them."""
        sizes = [file.size_bytes for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _File(_Strict):
    path: str
    size: int | None = Field(default=None, gt=0)
    sha256: Sha256 | None = None
    md5: Md5 | None = None
    unpack: bool = False


class _Model(_Strict):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    kind: ModelKind
    engine: EngineKind
    languages: list[str] = Field(min_length=1)
    licence: str
    licence_url: str = ""
    commercial: bool = True
    note: str = ""
    built_in: bool = False
    realtime_factor: float | None = None
    approximate_size: int | None = Field(default=None, gt=0)
    host: str = ""
    repository: str = ""
    revision: str = ""
    files: list[_File] = []


class _Catalogue(_Strict):
    hosts: dict[str, str] = {}
    indexes: dict[str, str] = {}
    models: list[_Model]


@dataclass(frozen=True, slots=True)
class Catalogue:
    entries: tuple[CatalogueEntry, ...]

    @classmethod
    def shipped(cls, hosts: dict[str, str] | None = None) -> "Catalogue":
        """The catalogue of the product. hosts replaces URL patterns by name, for a mirror of one's own."""
        source = resources.files("media_models") / "catalogue.yaml"
        return cls.parse(source.read_text("utf-8"), "catalogue.yaml", hosts)

    @classmethod
    def of_installation(cls, models_folder: Path) -> "Catalogue":
        """The shipped catalogue with the entries of the installation, if it has any."""
        shipped, own = cls.shipped(), models_folder / OWN_CATALOGUE
        return shipped.with_entries(cls.read(own).entries) if own.exists() else shipped

    @classmethod
    def read(cls, path: Path) -> "Catalogue":
        try:
            return cls.parse(path.read_text("utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path} cannot be read: {error}") from error

    @classmethod
    def parse(cls, text: str, origin: str, hosts: dict[str, str] | None = None) -> "Catalogue":
        try:
            content = _Catalogue.model_validate(yaml.safe_load(text))
        except (ValidationError, yaml.YAMLError) as error:
            raise ConfigurationError(f"{origin} is not a model catalogue: {error}") from error
        patterns = {**content.hosts, **(hosts or {})}
        return cls(tuple(_entry(model, patterns, content.indexes, origin) for model in content.models))

    def with_entries(self, entries: Iterable[CatalogueEntry]) -> "Catalogue":
        """Entries replace those of their name; new ones go to the end."""
        merged = {entry.name: entry for entry in self.entries} | {entry.name: entry for entry in entries}
        return Catalogue(tuple(merged.values()))

    def at_mirror(self, mirror: str) -> "Catalogue":
        """The same files at another server: scheme and host of every address are replaced, a path of the mirror
        comes before theirs. The checksums stay, so a mirror can withhold but not alter. InvalidInput: no address."""
        base = urlsplit(mirror)
        if base.scheme not in ("http", "https") or not base.netloc:
            raise InvalidInput(f"{mirror!r} is no address of a mirror: give one such as https://mirror.example")
        return Catalogue(
            tuple(
                replace(entry, files=tuple(_moved(file, base.scheme, base.netloc, base.path) for file in entry.files))
                for entry in self.entries
            )
        )

    def find(self, name: str) -> CatalogueEntry:
        known = {entry.name: entry for entry in self.entries}
        if name in known:
            return known[name]
        close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
        meant = f"Did you mean {' or '.join(close)}? " if close else ""
        raise NotFound(f"no model {name} in the catalogue. {meant}There are: {', '.join(known)}")


def _entry(model: _Model, hosts: dict[str, str], indexes: dict[str, str], origin: str) -> CatalogueEntry:
    if not model.built_in and model.host not in hosts:
        raise ConfigurationError(f"{origin}: model {model.name} names the host {model.host!r}, which is not declared")
    if not model.built_in and not model.files:
        raise ConfigurationError(f"{origin}: model {model.name} has no files")
    files = tuple(
        ModelFile(
            url=hosts[model.host].format(repository=model.repository, revision=model.revision, path=file.path),
            name=PurePosixPath(file.path).name,
            size_bytes=file.size,
            sha256=file.sha256,
            md5=file.md5,
            unpack=file.unpack,
            index_url=indexes.get(model.host, ""),
        )
        for file in model.files
    )
    return CatalogueEntry(
        name=model.name,
        kind=model.kind,
        engine=model.engine,
        languages=tuple(model.languages),
        licence=model.licence,
        licence_url=model.licence_url,
        note=model.note,
        built_in=model.built_in,
        realtime_factor=model.realtime_factor,
        files=files,
        commercial=model.commercial,
        approximate_bytes=model.approximate_size,
    )


def _moved(file: ModelFile, scheme: str, netloc: str, path: str) -> ModelFile:
    def move(url: str) -> str:
        return urlunsplit((scheme, netloc, path.rstrip("/") + urlsplit(url).path, "", "")) if url else ""

    return replace(file, url=move(file.url), index_url=move(file.index_url))
