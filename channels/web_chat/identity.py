"""Who is logged in at the salon's own site, as its server says: a JWT (RFC 7519), HS256 with the account's secret.

    {"user_id": "42", "phone": "+79161234567", "name": "Анна", "exp": 1764000000}

The secret never reaches a browser, so a visitor cannot name somebody else's telephone.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import jwt

from core.errors import Forbidden
from core.phone import Phone

LONGEST_S = 24 * 3600
"""Of a proof, from its signing or from now: a copied one is soon worthless."""
CLOCKS_APART_S = 60
MOST_CHARACTERS = 4096


class ProofRefused(Forbidden):
    code: ClassVar[str] = "proof_refused"


@dataclass(frozen=True, slots=True)
class Identity:
    user_id: str
    phone: str = ""
    """E.164."""
    name: str = ""


def read_proof(proof: str, secret: str, now: datetime) -> Identity:
    """Raises ProofRefused, with the reason for whoever builds the site."""
    if not secret:
        raise ProofRefused("proof: this chat has no identity secret")
    if len(proof) > MOST_CHARACTERS:
        raise ProofRefused(f"proof: longer than {MOST_CHARACTERS} characters")
    try:
        # times are checked here, by the clock that we are given
        claims: dict[str, Any] = jwt.decode(
            proof,
            secret,
            algorithms=["HS256"],
            options={"require": ["exp"], "verify_exp": False, "verify_nbf": False, "verify_iat": False,
                     "verify_aud": False, "verify_iss": False, "verify_sub": False, "verify_jti": False},
        )  # fmt: skip
    except jwt.MissingRequiredClaimError:
        raise ProofRefused("proof: exp is missing") from None
    except jwt.PyJWTError:
        raise ProofRefused("proof: not signed with HS256 and this chat's identity secret") from None
    expires, begins = _seconds(claims.get("exp")), _seconds(claims.get("nbf", 0))
    if expires is None or begins is None:
        raise ProofRefused("proof: exp and nbf are seconds since 1970")
    moment = now.timestamp()
    if moment > expires + CLOCKS_APART_S:
        raise ProofRefused("proof: expired, sign a new one for each page")
    if begins > moment + CLOCKS_APART_S:
        raise ProofRefused("proof: not valid yet, compare the clocks")
    if expires > moment + LONGEST_S + CLOCKS_APART_S:
        raise ProofRefused("proof: exp is more than 24 hours ahead")
    user_id = claims.get("user_id")
    user_id = str(user_id) if isinstance(user_id, int) and not isinstance(user_id, bool) else user_id
    if not isinstance(user_id, str) or not 0 < len(user_id) <= 200 or not user_id.isprintable():
        raise ProofRefused("proof: user_id must be a text of 1 to 200 characters")
    phone = claims.get("phone") or ""
    parsed = Phone.parse(phone) if isinstance(phone, str) and phone else None
    if phone and parsed is None:
        raise ProofRefused("proof: phone is no telephone number; write +79161234567")
    name = claims.get("name") or ""
    clean = "".join(letter for letter in name if letter.isprintable())[:80] if isinstance(name, str) else ""
    return Identity(user_id, parsed.e164 if parsed else "", clean)


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e12 else None
