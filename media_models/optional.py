"""Packages that only some engines need: whether they are there, and how to get them."""

import importlib.util
import sys

from core.errors import ConfigurationError
from media_models.catalogue import EngineKind

PACKAGES = {EngineKind.VOSK: "vosk"}
"""Engine to the package it needs beyond those of the product; also the name of the extra in pyproject.toml."""


def missing_package(engine: EngineKind) -> str | None:
    """The package that an engine lacks in this environment; None: it has all it needs. Imports nothing."""
    package = PACKAGES.get(engine)
    return package if package is not None and importlib.util.find_spec(package) is None else None


def install_command(package: str) -> str:
    """What to type, naming the environment that the product runs in."""
    return f"{sys.executable} -m pip install {package}"


def package_needed(engine: EngineKind, package: str) -> ConfigurationError:
    command = install_command(package)
    return ConfigurationError(
        f"движку {engine} нужен пакет {package}, поставьте его: {command} "
        f"(engine {engine} needs the package {package}: {command})",
        package=package,
    )
