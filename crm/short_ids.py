"""Short random ids that a person can read out: no letters that look or sound like digits."""

import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32
MARKER_LENGTH = 10


def new_id(prefix: str, length: int = 8) -> str:
    """For example B-7k3m9q2x: 40 bits after the prefix."""
    return f"{prefix}-{random_word(length)}"


def new_marker() -> str:
    """Ten signs, 50 bits: fits every comment field and is found by a text search."""
    return random_word(MARKER_LENGTH)


def random_word(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
