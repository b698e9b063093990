"""Closing what yields: an iterator left open would be finished by the garbage collector, at a time of its choosing."""

from collections.abc import AsyncIterator
from typing import Any


async def close_iterator(iterator: AsyncIterator[Any]) -> None:
    """Closes an asynchronous generator; iterators of other kinds have nothing to close."""
    close = getattr(iterator, "aclose", None)
    if close is not None:
        await close()
