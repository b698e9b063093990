"""A poll's cursor: fingerprints of the visits that lay ahead at the last look. Pure.

1C has no time of change, and DataVersion has no order. Ten bytes a visit: six of its reference, four of its content.
"""

import base64
import binascii
import hashlib
import json
import zlib
from collections.abc import Mapping

from core.errors import InvalidInput
from crm.vendor.parsing import Record

_REF, _PRINT = 6, 4
_PREFIX = "1c1:"


def short(ref: str) -> bytes:
    return hashlib.blake2b(ref.lower().encode(), digest_size=_REF).digest()


def fingerprint(row: Record) -> bytes:
    """Of the whole object, DataVersion included where there is one."""
    content = {name: row.raw(name) for name in row.keys() if not name.startswith("odata.")}  # noqa: SIM118
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=_PRINT).digest()


def write(prints: Mapping[str, bytes]) -> str:
    packed = b"".join(sorted(short(ref) + content for ref, content in prints.items()))
    return _PREFIX + base64.urlsafe_b64encode(zlib.compress(packed)).decode()


def read(cursor: str) -> dict[bytes, bytes]:
    """Empty: the beginning. Raises InvalidInput."""
    if not cursor:
        return {}
    try:
        packed = zlib.decompress(base64.urlsafe_b64decode(cursor.removeprefix(_PREFIX)))
    except (ValueError, binascii.Error, zlib.error):
        raise InvalidInput("cursor: not one of this system; begin with an empty one") from None
    size = _REF + _PRINT
    return {packed[at : at + _REF]: packed[at + _REF : at + size] for at in range(0, len(packed), size)}
