"""Cross-origin rules of the chat: exactly the salon's pages (Fetch standard, CORS protocol)."""

from collections.abc import Mapping

from channels.web_chat.model import Site
from core.errors import Forbidden

METHODS = "GET, POST, DELETE"
HEADERS = "authorization, content-type"
KEPT_S = 600


def admitted(site: Site, headers: Mapping[str, str], method: str) -> str:
    """The page's origin, when it is one of the salon's. Empty: a request without one that changes nothing.

    Browsers send `Origin` with every cross-origin request and with everything that is not GET. Raises Forbidden.
    """
    origin = headers.get("origin", "")
    if origin in site.origins:
        return origin
    if not origin and method in ("GET", "HEAD"):
        return ""
    raise Forbidden("origin: this page is not among the addresses of the chat; add it in the settings")


def answer_headers(origin: str) -> dict[str, str]:
    found = {"Vary": "Origin", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    if origin:
        found |= {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "Retry-After"}
    return found


def preflight_headers(origin: str) -> dict[str, str]:
    return {
        **answer_headers(origin),
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": HEADERS,
        "Access-Control-Max-Age": str(KEPT_S),
    }
