"""Service accounts: keys made on the spot, and the check of the tokens they sign (AIP-4111)."""

import base64
import json
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

EMAIL = "speech@salon-project.iam.gserviceaccount.com"
PROJECT = "salon-project"


class ServiceAccount:
    def __init__(self) -> None:
        self._private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def key_file(self) -> str:
        pem = self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return json.dumps(
            {
                "type": "service_account",
                "project_id": PROJECT,
                "private_key_id": "1",
                "private_key": pem.decode(),
                "client_email": EMAIL,
            }
        )

    def refusal(self, authorization: str, audience: str) -> str:
        """Why a token is not taken; empty: it is."""
        kind, _, token = authorization.partition(" ")
        parts = token.split(".")
        if kind != "Bearer" or len(parts) != 3:
            return "Request had invalid authentication credentials."
        head, claims = (json.loads(_decoded(part)) for part in parts[:2])
        try:
            self._private.public_key().verify(
                _decoded(parts[2]), f"{parts[0]}.{parts[1]}".encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            return "Invalid JWT signature."
        now_s = time.time()
        if head != {"alg": "RS256", "typ": "JWT", "kid": "1"}:
            return "Invalid JWT header."
        if not claims["iss"] == claims["sub"] == EMAIL or claims["aud"] != audience:
            return "Invalid JWT: wrong issuer or audience."
        if not claims["iat"] - 60 <= now_s < claims["exp"] <= claims["iat"] + 3600:
            return "Invalid JWT: Token must be a short-lived token."
        return ""


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
