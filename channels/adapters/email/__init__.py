"""E-mail: a mailbox by IMAP and SMTP, or a provider's inbound webhook and SMTP."""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from aiosmtplib import SMTPAuthenticationError

from agent.model import Channel
from channels.adapters.email import outgoing, smtp, webhooks
from channels.adapters.email.imap import LOGIN_REMEDY, Mailbox, Server
from channels.adapters.email.mail import parse_mail
from channels.adapters.email.reading import events_of
from channels.model import Account, Event, Media, MessageReceived, Outgoing, Part, Refusal, Refused, SendResult
from channels.ports import (
    AdapterTools,
    Capability,
    ChannelVendor,
    Probe,
    ProbeItem,
    ProbeState,
    Reading,
    WebhookReply,
    WebhookRequest,
)
from core.errors import AppError, ConfigurationError, Forbidden, InvalidInput, NotFound
from core.forms import SettingField
from core.outside_http import AccessDenied
from core.rate_limits import Limit, RateLimited

FENCE = (Limit(10, 3600.0), Limit(30, 86400.0))
"""Machine answers to one address: some loops carry no mark at all. People's own mails are not counted."""
PORTS = frozenset({465, 587, 993})


class EmailAdapter:
    capabilities = frozenset({Capability.DELIVERY, Capability.STAFF_REPLIES})

    def __init__(self, account: Account, tools: AdapterTools) -> None:
        self._account = account
        self._tools = tools
        self.address = str(account.settings.get("address", "")).strip().lower()
        if "@" not in self.address:
            raise ConfigurationError("address: enter the salon's mail address, for example zapis@salon.ru")
        self._name = str(account.settings.get("name") or "")
        self._inbound = str(account.settings.get("inbound") or "imap")
        if self._inbound != "imap" and self._inbound not in webhooks.PROVIDERS:
            raise ConfigurationError(f"inbound: imap or one of {', '.join(webhooks.PROVIDERS)}")

    @property
    def polled(self) -> bool:
        """False: a provider posts the mails to us."""
        return self._inbound == "imap"

    def verify(self, request: WebhookRequest) -> None:
        key = self._account.secrets.get("inbound_key", "")
        if self._inbound == "imap" or not key:
            raise Forbidden("this mailbox is read by IMAP and takes no webhooks")
        webhooks.verify(self._inbound, request, key)

    def read(self, request: WebhookRequest) -> Reading:
        mail = parse_mail(webhooks.mail_of(self._inbound, request))
        return Reading(events_of(mail, self.address, request.arrived_at), WebhookReply(200, b"OK"))

    def compose(self, message: Outgoing) -> Sequence[Part]:
        return (outgoing.compose(message, f"Запись: {self._name}" if self._name else "Запись"),)

    async def send(self, part: Part, marker: str) -> SendResult:
        recipient = str(part.body["to"])
        if "@" not in recipient or any(ch in recipient for ch in "\r\n <>,;"):
            return Refused(Refusal.UNREACHABLE, "address", "the address cannot be written to")
        if not part.body["by_person"]:
            try:
                await self._tools.limiter.take(f"email:{self._account.id}:{recipient}", FENCE, 0.0)
            except RateLimited:
                return Refused(Refusal.POLICY, "fence", "too many automatic answers to one address: perhaps a loop")
        message_id = f"{marker}@{self.address.partition('@')[2]}"
        mail = outgoing.build(
            part.body, sender=self.address, sender_name=self._name, message_id=message_id, marker=marker,
            at=self._tools.clock.now(),
        )  # fmt: skip
        return await smtp.send(await self._smtp(), self.address, recipient, mail, message_id)

    async def fetch(self, media: Media, most_bytes: int) -> bytes:
        if media.size is not None and media.size > most_bytes:
            raise InvalidInput(f"the file is larger than {most_bytes} bytes")
        content = await self._content(media.ref, most_bytes)
        if len(content) > most_bytes:
            raise InvalidInput(f"the file is larger than {most_bytes} bytes")
        return content

    async def typing(self, thread: str, newest: MessageReceived | None) -> None:
        """Mail knows nothing of the kind."""

    async def acknowledge(self, event: MessageReceived) -> None:
        """Mail has no buttons."""

    async def poll(self, cursor: str) -> AsyncIterator[tuple[Sequence[Event], str]]:
        if self._inbound != "imap":
            raise ConfigurationError("inbound: this mailbox is not read by IMAP")
        box = await self._mailbox()
        try:
            await box.open()
            async for batch in box.events(cursor):
                yield batch
        finally:
            await box.close()

    async def probe(self) -> Probe:
        items = [await self._probe_inbound()]
        try:
            await smtp.check(await self._smtp())
            items.append(ProbeItem("send", ProbeState.WORKS))
        except SMTPAuthenticationError:
            items.append(ProbeItem("send", ProbeState.DENIED, "SMTP", LOGIN_REMEDY))
        except AppError as error:
            remedy = "Проверьте адрес и порт SMTP: 465 (TLS) или 587 (STARTTLS)."
            items.append(ProbeItem("send", ProbeState.FAILED, error.code, remedy))
        return Probe(tuple(items), self.address, self._name or self.address)

    async def connect(self, url: str) -> None:
        """Nothing to tell a mailbox; providers are told by hand (docs/channels/email.md)."""
        probe = await self.probe()
        for item in probe.items:
            if item.state in (ProbeState.DENIED, ProbeState.FAILED):
                raise AccessDenied(f"the mailbox does not work: {item.what}", item.remedy_ru)

    async def disconnect(self) -> None:
        """The mailbox knows nothing of us."""

    async def _probe_inbound(self) -> ProbeItem:
        if self._inbound != "imap":
            given = bool(self._account.secrets.get("inbound_key"))
            return ProbeItem("auth", ProbeState.WORKS if given else ProbeState.DENIED, self._inbound,
                             "" if given else "Введите ключ входящей почты.")  # fmt: skip
        box = await self._mailbox()
        try:
            await box.open()
        except AccessDenied as error:
            return ProbeItem("auth", ProbeState.DENIED, "IMAP", error.remedy)
        except AppError as error:
            return ProbeItem("auth", ProbeState.FAILED, error.code, "Проверьте адрес и порт IMAP (обычно 993).")
        finally:
            await box.close()
        note = "" if box.sent_folder else "no folder of sent mails: answers of people are not seen"
        return ProbeItem("auth", ProbeState.WORKS, note)

    async def _content(self, ref: str, most_bytes: int) -> bytes:
        if ref.startswith("data:"):
            import base64

            return base64.b64decode(ref[5:])
        if not ref.startswith("imap:"):
            raise NotFound("the file came with the mail and was too large to be kept")
        box = await self._mailbox()
        try:
            await box.open()
            return await box.fetch(ref, most_bytes)
        finally:
            await box.close()

    async def _mailbox(self) -> Mailbox:
        host, port, tls = await self._server("imap", 993)
        login = str(self._account.settings.get("login") or self.address)
        server = Server(host, port, tls, login, self._account.secrets.get("password", ""))
        return Mailbox(server, self.address, self._tools.clock)

    async def _smtp(self) -> smtp.SmtpServer:
        host, port, tls = await self._server("smtp", 465)
        login = str(self._account.settings.get("login") or self.address)
        return smtp.SmtpServer(host, port, tls, login, self._account.secrets.get("password", ""))

    async def _server(self, kind: str, default_port: int) -> tuple[str, int, ssl.SSLContext | None]:
        """Host, port, TLS. Only hosts that the operator allowed may be private, on other ports, or without TLS."""
        host = str(self._account.settings.get(f"{kind}_host") or "").strip()
        if not host:
            raise ConfigurationError(f"{kind}_host: enter the mail server, for example {kind}.yandex.ru")
        port = int(self._account.settings.get(f"{kind}_port") or default_port)
        allowed = False
        with suppress(InvalidInput):
            self._tools.guard.check_url(f"http://{host}:{port}")
            allowed = True
        if not allowed and port not in PORTS:
            raise ConfigurationError(f"{kind}_port: one of {', '.join(map(str, sorted(PORTS)))}")
        await self._tools.guard.resolve(host, port)
        plain = str(self._account.settings.get("security") or "tls") == "none"
        if plain and not allowed:
            raise ConfigurationError("security: only TLS; the operator may allow other hosts")
        return host, port, None if plain else ssl.create_default_context()


CHANNEL = ChannelVendor(
    channel=Channel.EMAIL,
    title="E-mail",
    fields=(
        SettingField("address", "Адрес салона", "Mail address", help_ru="zapis@salon.ru"),
        SettingField("name", "Имя отправителя", "Sender's name", required=False, help_ru="Салон «Мята»"),
        SettingField("password", "Пароль приложения", "App password", secret=True, required=False),
        SettingField("login", "Логин, если не адрес", "Login if it is not the address", required=False),
        SettingField("imap_host", "Сервер IMAP", "IMAP server", required=False, help_ru="imap.yandex.ru"),
        SettingField("imap_port", "Порт IMAP", "IMAP port", required=False, default="993"),
        SettingField("smtp_host", "Сервер SMTP", "SMTP server", help_ru="smtp.yandex.ru"),
        SettingField("smtp_port", "Порт SMTP", "SMTP port", required=False, default="465"),
        SettingField("security", "Шифрование: tls", "Security: tls", required=False, default="tls"),
        SettingField(
            "inbound", "Входящие: imap, mailgun, postmark или sendgrid", "Inbound", required=False, default="imap"
        ),
        SettingField(
            "inbound_key", "Ключ входящей почты", "Inbound key", secret=True, required=False,
            help_ru="Mailgun: HTTP webhook signing key; Postmark и SendGrid: пароль в адресе вебхука",
        ),
    ),
    build=lambda account, tools: EmailAdapter(account, tools),
    note_ru="Адрес в письме ничего не доказывает: по почте помощник спросит телефон и не покажет чужие записи.",
    setup_ru=(
        "Включите IMAP в настройках почты и создайте пароль приложения.",
        "Укажите серверы: Яндекс imap.yandex.ru и smtp.yandex.ru, Mail.ru imap.mail.ru и smtp.mail.ru.",
        "Проверьте, что у домена настроены SPF, DKIM и DMARC, иначе ответы попадут в спам.",
    ),
)  # fmt: skip
