"""What a salon must enter to connect something of its own (a CRM, a messenger): declared once, checked in one place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class SettingField:
    """One thing that a salon must give."""

    name: str
    title_ru: str
    title_en: str
    secret: bool = False
    required: bool = True
    default: str = ""
    help_ru: str = ""
    """Where in the other system it is found."""


def check_form(
    title: str,
    fields: Sequence[SettingField],
    settings: Mapping[str, Any],
    secrets: Mapping[str, str],
    *,
    also: frozenset[str] = frozenset(),
) -> None:
    """Raises ConfigurationError that names each missing or unknown field. `also`: settings that no field describes."""
    wrong = []
    for item in fields:
        given = secrets.get(item.name) if item.secret else settings.get(item.name)
        if item.required and not given and not item.default:
            wrong.append(f"{item.name}: {item.title_ru} ({item.help_ru or 'нужно'})")
    known = {item.name for item in fields} | also
    wrong += [f"{name}: у {title} такой настройки нет" for name in (*settings, *secrets) if name not in known]
    if wrong:
        raise ConfigurationError("; ".join(wrong))
