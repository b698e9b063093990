"""Settings on their way from the supervisor to its processes: as environment variables, resolved."""

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from core.settings import Settings, variable_name


def environment_of(settings: Settings, **resolved: Any) -> dict[str, str]:
    """Every setting that is not at its default, and the resolved ones (addresses, ports), by variable name."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set} | resolved
    return {variable_name(name): _text(value) for name, value in given.items()}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(_text(part) for part in value)
    return str(value)


def merged(base: Mapping[str, str], *overlays: Mapping[str, str]) -> dict[str, str]:
    """Later ones win."""
    result = dict(base)
    for overlay in overlays:
        result.update(overlay)
    return result
