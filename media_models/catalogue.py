"""The catalogue: which speech models exist, where they come from, under which licence. Data is in catalogue.yaml."""

from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import ConfigurationError, NotFound

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Md5 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class ModelKind(StrEnum):
    RECOGNIZER = "recognizer"
    VOICE = "voice"


@dataclass(frozen=True, slots=True)
class ModelFile:
    url: str
    name: str
    """File name in the model's folder."""
    size_bytes: int | None
    sha256: str | None
    md5: str | None


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    name: str
    kind: ModelKind
    engine: str
    """faster-whisper, espeak or piper."""
    languages: tuple[str, ...]
    licence: str
    licence_url: str
    note: str
    built_in: bool
    """Comes with the product: nothing to download, nothing to remove."""
    realtime_factor: float | None
    files: tuple[ModelFile, ...]

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


class _Model(_Strict):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    kind: ModelKind
    engine: str
    languages: list[str]
    licence: str
    licence_url: str = ""
    note: str = ""
    built_in: bool = False
    realtime_factor: float | None = None
    host: str = ""
    repository: str = ""
    revision: str = ""
    files: list[_File] = []


class _Catalogue(_Strict):
    hosts: dict[str, str]
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
    def read(cls, path: Path) -> "Catalogue":
        return cls.parse(path.read_text("utf-8"), str(path))

    @classmethod
    def parse(cls, text: str, origin: str, hosts: dict[str, str] | None = None) -> "Catalogue":
        try:
            content = _Catalogue.model_validate(yaml.safe_load(text))
        except (ValidationError, yaml.YAMLError) as error:
            raise ConfigurationError(f"{origin} is not a model catalogue: {error}") from error
        patterns = {**content.hosts, **(hosts or {})}
        return cls(tuple(_entry(model, patterns, origin) for model in content.models))

    def find(self, name: str) -> CatalogueEntry:
        for entry in self.entries:
            if entry.name == name:
                return entry
        known = ", ".join(entry.name for entry in self.entries)
        raise NotFound(f"no model {name} in the catalogue. There are: {known}")


def _entry(model: _Model, hosts: dict[str, str], origin: str) -> CatalogueEntry:
    if not model.built_in and model.host not in hosts:
        raise ConfigurationError(f"{origin}: model {model.name} names the host {model.host!r}, which is not declared")
    files = tuple(
        ModelFile(
            url=hosts[model.host].format(repository=model.repository, revision=model.revision, path=file.path),
            name=PurePosixPath(file.path).name,
            size_bytes=file.size,
            sha256=file.sha256,
            md5=file.md5,
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
    )
