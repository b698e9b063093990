"""The two ways into a portal: an incoming webhook, whose code stands in the address, and an OAuth 2.0 application.

Access tokens live an hour, refresh tokens 180 days and come in new pairs. The vendor asks to wait for 401
`expired_token` rather than to renew by the clock: https://apidocs.bitrix24.ru/settings/oauth/
"""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from core.errors import ConfigurationError
from core.outside_http import AccessDenied, Malformed, Reply
from crm.adapters.bitrix24 import replies
from crm.vendor.adapter import AdapterTools, Connection
from crm.vendor.oauth import TokenKeeper, Tokens
from crm.vendor.parsing import Record

OAUTH_URL = "https://oauth.bitrix24.tech"

FetchToken = Callable[[Mapping[str, str]], Awaitable[Reply]]


class WebhookKey:
    """`user/code` of an incoming webhook. Its address is often pasted whole."""

    def __init__(self, given: str) -> None:
        text = given.strip().strip("/")
        parts = urlsplit(text)
        self.portal = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
        path = (parts.path if parts.netloc else text).strip("/").removeprefix("rest/")
        user, _, code = path.partition("/")
        code = code.split("/", 1)[0]
        if not user.isdigit() or not code:
            raise ConfigurationError(
                "webhook: the webhook's address is needed, like https://salon.bitrix24.ru/rest/1/…/; copy it whole"
            )
        self._key = f"{user}/{code}"

    async def current(self) -> str:
        return self._key


class OAuthApp:
    """A local or marketplace application."""

    portal = ""

    def __init__(self, connection: Connection, tools: AdapterTools, fetch: FetchToken) -> None:
        self._connection = connection
        self._fetch = fetch
        self._client = connection.setting("client_id", "")
        if not self._client:
            raise ConfigurationError("webhook: give an incoming webhook, or client_id and client_secret of an app")
        self._keeper = TokenKeeper(tools.tokens, self._renew, tools.clock, replies.KEY_RU)

    async def current(self) -> str:
        return (await self._keeper.current()).access

    async def after_refusal(self, refused: str) -> str:
        return (await self._keeper.after_refusal(Tokens(refused))).access

    async def _renew(self, old: Tokens | None) -> Tokens:
        secrets = self._connection.secrets
        params = {"client_id": self._client, "client_secret": self._connection.secret("client_secret")}
        refresh = (old.refresh if old else "") or secrets.get("refresh_token", "")
        if refresh:
            params |= {"grant_type": "refresh_token", "refresh_token": refresh}
        elif secrets.get("code"):
            params |= {"grant_type": "authorization_code", "code": secrets["code"]}
        else:
            raise ConfigurationError("refresh_token: enter the application's refresh token, or the code of its grant")
        reply = await self._fetch(params)
        code = replies.code_of(reply).casefold()
        if code or reply.status in (400, 401, 402, 403):
            message, remedy = replies.denied(code, "renew") if code == "payment_required" else _REFUSED
            raise AccessDenied(message, remedy, vendor_code=code, status=reply.status)
        if not reply.ok:
            raise Malformed("the authorisation server gives no tokens", status=reply.status)
        answer = Record(reply.json(), "token")
        if not answer.text("access_token", ""):
            raise Malformed("the answer has no access token")
        # No expires_at: the vendor wants renewal by its 401, not by the clock.
        extra = {name: answer.raw(name) for name in ("member_id", "client_endpoint", "scope") if name in answer}
        return Tokens(answer.text("access_token"), answer.text("refresh_token", refresh), None, extra)


_REFUSED = ("Bitrix24 does not renew the application's keys", replies.KEY_RU)


def key_of(connection: Connection, tools: AdapterTools, fetch: FetchToken) -> WebhookKey | OAuthApp:
    webhook = connection.secrets.get("webhook", "")
    return WebhookKey(webhook) if webhook else OAuthApp(connection, tools, fetch)
