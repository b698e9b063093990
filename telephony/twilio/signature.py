"""X-Twilio-Signature on webhooks and on the stream's upgrade request, over the public address of this server.

Source: twilio.com/docs/usage/webhooks/webhooks-security. The signed URL is the one Twilio requested; behind a proxy
our own view of scheme, host and port is another, so the public base URL comes from the settings.
"""

from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from core.errors import ConfigurationError, InvalidInput

SIGNATURE_HEADER = "x-twilio-signature"
MAX_FORM_FIELDS = 200

Form = ImmutableMultiDict[str, str]


class SignatureCheck:
    """auth_tokens: the account's tokens that are good now; two while one is being rotated."""

    def __init__(self, auth_tokens: Sequence[str], public_base_url: str) -> None:
        self._base = public_base_url.rstrip("/")
        parts = urlsplit(self._base)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
            raise ConfigurationError(
                "Twilio public URL: https://host, as entered at the number's Voice URL, is needed",
                public_base_url=public_base_url,
            )
        if not auth_tokens or not all(auth_tokens):
            raise ConfigurationError("Twilio: set the account's auth token")
        self._validators = [RequestValidator(token) for token in auth_tokens]

    @property
    def base_url(self) -> str:
        return self._base

    def webhook_is_genuine(self, path: str, raw_query: str, form: Form, signature: str) -> bool:
        """path and raw_query exactly as requested, percent-encoding untouched."""
        url = self._base + path + (f"?{raw_query}" if raw_query else "")
        return self._any_matches((url,), form, signature)

    def upgrade_is_genuine(self, stream_url: str, signature: str) -> bool:
        """stream_url: wss://… as written in the TwiML. Some deployments match only with a slash at the end."""
        bare = stream_url.rstrip("/")
        return self._any_matches((stream_url, bare, bare + "/"), None, signature)

    def _any_matches(self, urls: Iterable[str], form: Form | None, signature: str) -> bool:
        if not signature or not signature.isascii():
            return False
        # No early exit: how long it takes must not tell which form of the URL was nearly right.
        matches = [bool(validator.validate(url, form, signature)) for validator in self._validators for url in urls]
        return any(matches)


def read_form(body: bytes) -> Form:
    """A form body, values untrimmed and empty ones kept, as the signature needs them."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=MAX_FORM_FIELDS,
        )
    except ValueError as error:
        raise InvalidInput(
            "the body must be application/x-www-form-urlencoded in UTF-8 with at most 200 fields"
        ) from error
    return ImmutableMultiDict(pairs)
