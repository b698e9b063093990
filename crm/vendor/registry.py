"""The vendors that the product knows, found by module name. Adapters are imported only when they are used."""

import importlib
from collections.abc import Sequence

from core.errors import InvalidInput
from crm.vendor.adapter import Vendor

JOURNAL = "journal"
"""The built-in book: no vendor, no connection."""

NAMES: tuple[str, ...] = (
    "yclients",
    "altegio",
    "bitrix24",
    "amocrm",
    "one_c",
    "easyweek",
    "dikidi",
    "moysklad",
    "planfix",
    "retailcrm",
    "megaplan",
)


def vendor(name: str) -> Vendor:
    """Raises InvalidInput with the choice."""
    if name not in NAMES:
        raise InvalidInput(f"vendor: unknown CRM {name!r}; there are {', '.join((JOURNAL, *NAMES))}")
    module = importlib.import_module(f"crm.adapters.{name}")
    found: Vendor = module.VENDOR
    return found


def vendors() -> Sequence[Vendor]:
    return [vendor(name) for name in NAMES]
