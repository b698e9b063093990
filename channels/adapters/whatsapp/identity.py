"""Who a person is at WhatsApp: a number (`wa_id`), since 2026 also a business-scoped user id, or only that.

The user id names the thread, because the number may be hidden; the number is its alias, so that a talk begun under
the number goes on. Both travel in `meta`: we write to the number while it is known, since every message may go there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.phone import Phone

_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")
_NUMBER = re.compile(r"\+?[0-9]{5,20}")


@dataclass(frozen=True, slots=True)
class Identity:
    wa_id: str = ""
    """Digits without a plus."""
    user_id: str = ""

    @property
    def thread(self) -> str:
        return self.user_id or self.wa_id

    @property
    def aliases(self) -> tuple[str, ...]:
        return (self.wa_id,) if self.user_id and self.wa_id else ()

    @property
    def phone(self) -> Phone | None:
        """WhatsApp vouches for it: the number is the account."""
        return Phone.parse(f"+{self.wa_id}") if self.wa_id else None

    @property
    def meta(self) -> Mapping[str, str]:
        return {name: value for name, value in (("wa_id", self.wa_id), ("user_id", self.user_id)) if value}


def identity_of(wa_id: str, user_id: str) -> Identity:
    return Identity(wa_id.lstrip("+") if _NUMBER.fullmatch(wa_id) else "", user_id)


def address(thread: str, meta: Mapping[str, Any]) -> Mapping[str, str]:
    """`to` or `recipient` of a message to this thread. What `meta` says of another key is of before a move."""
    if _NUMBER.fullmatch(thread):
        return {"to": f"+{thread.lstrip('+')}"}
    wa_id = str(meta.get("wa_id", ""))
    if wa_id and meta.get("user_id") == thread:
        return {"to": f"+{wa_id}"}
    return {"recipient": thread}


def is_user_id(text: str) -> bool:
    return bool(_USER_ID.fullmatch(text))
