"""The messengers that the product knows, found by module name. Adapters are imported only when they are used."""

import importlib
from collections.abc import Sequence

from channels.ports import ChannelVendor
from core.errors import InvalidInput

NAMES: tuple[str, ...] = ("telegram", "whatsapp", "vk", "viber", "max", "web", "email")


def channel(name: str) -> ChannelVendor:
    """Raises InvalidInput with the choice."""
    if name not in NAMES:
        raise InvalidInput(f"channel: unknown messenger {name!r}; there are {', '.join(NAMES)}")
    found: ChannelVendor = importlib.import_module(f"channels.adapters.{name}").CHANNEL
    return found


def channels() -> Sequence[ChannelVendor]:
    return [channel(name) for name in NAMES]
