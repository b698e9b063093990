"""The chat on the salon's page as a messenger like any other: the vendor is ourselves.

Nothing comes by webhook; visitors are served by `channels.web_chat`, which stores their events itself. Sending stores
the message for the visitor's browsers and tells those that are connected.
"""

import re
import secrets
from collections.abc import Mapping, Sequence

from agent.model import Channel
from channels.model import (
    Account,
    Ask,
    Author,
    Media,
    MessageReceived,
    Outgoing,
    Part,
    Refusal,
    Refused,
    SendResult,
    Sent,
)
from channels.ports import (
    AdapterTools,
    Capability,
    ChannelVendor,
    Probe,
    ProbeItem,
    ProbeState,
    Reading,
    WebChatDoor,
    WebhookRequest,
)
from channels.splitting import split_text
from channels.web_chat.demo_page import script_tag
from channels.web_chat.model import MOST_TEXT, origins
from core.errors import ConfigurationError, Forbidden, NotFound
from core.forms import SettingField

MOST_CHOICES = 12
_TOKEN = re.compile(r"[0-9a-f]{32}")
_AUTHORS = {Author.AGENT: "agent", Author.HUMAN: "human", Author.SYSTEM: "system"}
_NOT_SERVED = "the web chat is served by another process; nothing was sent"


class WebAdapter:
    def __init__(self, account: Account, tools: AdapterTools) -> None:
        self._account = account
        self._door = tools.web_chat

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset(
            {
                Capability.CHOICES,
                Capability.CONTACT,
                Capability.TYPING,
                Capability.READ_MARKS,
                Capability.DELIVERY,
                Capability.IDEMPOTENT_SEND,
            }
        )

    def verify(self, request: WebhookRequest) -> None:
        """No one has a signature: there is no webhook."""
        raise Forbidden("the web chat takes no webhooks")

    def read(self, request: WebhookRequest) -> Reading:
        return Reading()

    def compose(self, message: Outgoing) -> Sequence[Part]:
        texts = split_text(message.text, MOST_TEXT, len) or [""]
        parts = []
        for number, text in enumerate(texts):
            last = number == len(texts) - 1
            body: dict[str, object] = {
                "thread": message.thread,
                "text": text,
                "author": _AUTHORS.get(message.author, "agent"),
            }
            if last and message.choices:
                body["choices"] = [{"text": c.text, "payload": c.payload} for c in message.choices[:MOST_CHOICES]]
            if last and message.ask is Ask.PHONE:
                body["ask"] = "phone"
            parts.append(Part(number, body, text))
        return parts

    async def send(self, part: Part, marker: str) -> SendResult:
        try:
            message_id = await self._served.say(self._account, part.body, marker)
        except NotFound:
            return Refused(
                Refusal.UNREACHABLE,
                "no_thread",
                "the visitor's talk was deleted",
                "Разговор удалён: посетителю можно ответить, только если он напишет снова.",
            )
        return Sent(message_id)

    async def fetch(self, media: Media, most_bytes: int) -> bytes:
        return await self._served.file(self._account, media.ref, most_bytes)

    async def typing(self, thread: str, newest: MessageReceived | None) -> None:
        await self._served.typing(self._account, thread)

    async def acknowledge(self, event: MessageReceived) -> None:
        """Buttons have no spinner here."""

    async def probe(self) -> Probe:
        remedy = "Укажите адреса сайта через запятую: https://salon.ru"
        try:
            found = origins(str(self._account.settings.get("origins") or ""))
            item = ProbeItem("auth", ProbeState.WORKS, ", ".join(sorted(found)))
            if not found:
                item = ProbeItem("auth", ProbeState.DENIED, "origins: empty", remedy)
        except ConfigurationError as error:
            item = ProbeItem("auth", ProbeState.DENIED, error.message, remedy)
        if not _TOKEN.fullmatch(site_token(self._account)):
            item = ProbeItem("auth", ProbeState.DENIED, "site: not the code of a chat", "Код стоит в data-site тега.")
        return Probe((item,), site_token(self._account), str(self._account.settings.get("title") or ""))

    async def connect(self, url: str) -> None:
        """Nobody has to be told. Raises ConfigurationError for addresses that are none."""
        origins(str(self._account.settings.get("origins") or ""))

    async def disconnect(self) -> None:
        """The account is switched off; the widget is refused from then on."""

    @property
    def _served(self) -> WebChatDoor:
        if self._door is None:
            raise ConfigurationError(_NOT_SERVED)
        return self._door


def site_token(account: Account) -> str:
    """Public: it stands in the page's source and only says which chat is meant. It stays when the settings change."""
    return account.address or str(account.settings.get("site") or "") or account.id.hex


def _after(account: Account, public_url: str) -> Sequence[str]:
    base = public_url or "https://АДРЕС-ПРОДУКТА"
    return (
        "Вставьте в страницы сайта перед </body>:",
        script_tag(base, site_token(account)),
        f"Попробовать: {base.rstrip('/')}/chat/{site_token(account)}/demo",
        f"Изменить настройки позже: ai-admin channels connect web --setting site={site_token(account)} …",
    )


def _identity_secret() -> Mapping[str, str]:
    return {"identity_secret": secrets.token_urlsafe(32)}


CHANNEL = ChannelVendor(
    channel=Channel.WEB,
    title="Чат на сайте",
    fields=(
        SettingField(
            "origins",
            "Адреса сайта",
            "Addresses of the site",
            help_ru="через запятую, как в строке браузера: https://salon.ru, https://www.salon.ru",
        ),
        SettingField(
            "site", "Код чата", "Code of the chat", required=False,
            help_ru="из data-site, чтобы изменить настройки подключённого; без него подключается ещё один",
        ),
        SettingField("title", "Название в шапке", "Title", required=False),
        SettingField("greeting_ru", "Приветствие", "Greeting in Russian", required=False),
        SettingField("greeting_en", "Приветствие по-английски", "Greeting in English", required=False),
        SettingField(
            "choices_ru", "Первые кнопки", "First buttons in Russian", required=False,
            help_ru="через запятую; «-»: без кнопок",
        ),
        SettingField("choices_en", "Первые кнопки по-английски", "First buttons in English", required=False),
        SettingField("color", "Цвет", "Colour", required=False, help_ru="#0f766e"),
        SettingField("position", "Сторона", "Side", required=False, default="right", help_ru="right или left"),
        SettingField("phone", "Телефон для кнопки «Позвонить»", "Phone of the call button", required=False),
        SettingField("call", "Кнопка «Позвонить»", "Call button", required=False, default="yes"),
        SettingField("privacy_url", "Политика персональных данных", "Privacy policy", required=False),
        SettingField("photos", "Принимать фото", "Take photos", required=False, default="yes"),
        SettingField("voice", "Принимать голосовые", "Take voice notes", required=False, default="yes"),
    ),
    build=WebAdapter,
    note_ru="Чат виден только на перечисленных адресах. Данные остаются на сервере продукта.",
    setup_ru=(
        "Вставьте показанный тег <script> перед </body> на каждой странице сайта.",
        "В Tilda: Настройки сайта → Ещё → HTML-код для вставки внутрь HEAD. В WordPress: в тему или плагин для кода.",
    ),
    inbound_secret=_identity_secret,
    after_ru=_after,
)  # fmt: skip
