"""Sending one mail (RFC 5321), step by step, so that it is known what had happened when something broke.

Before the mail's end nothing was sent; after the final dot the server owns it: a connection that breaks between dot
and answer leaves the outcome unknown. The mail keeps its Message-ID for every try.
"""

import asyncio
import ssl
from dataclasses import dataclass
from email.message import EmailMessage

import aiosmtplib
from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPResponseException,
)

from channels.adapters.email.imap import LOGIN_REMEDY
from channels.model import Refusal, Refused, SendResult, Sent
from core.errors import Unavailable
from core.outside_http import OutcomeUnknown

DEADLINE_S = 30.0
_NO_SUCH_PERSON = ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.1", "5.4.4")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    host: str
    port: int
    tls: ssl.SSLContext | None
    """Port 465: from the first byte; others by STARTTLS, which is then required. None: hosts the operator allowed."""
    login: str
    password: str


async def send(server: SmtpServer, sender: str, recipient: str, mail: EmailMessage, message_id: str) -> SendResult:
    """Raises Unavailable(sent=False), OutcomeUnknown; 5xx answers are values."""
    client = SMTP(
        hostname=server.host,
        port=server.port,
        timeout=DEADLINE_S,
        use_tls=server.tls is not None and server.port == 465,
        start_tls=server.tls is not None and server.port != 465,
        tls_context=server.tls,
    )
    try:
        refused = await _before_data(client, server, sender, recipient)
        if refused is not None:
            return refused
        try:
            async with asyncio.timeout(DEADLINE_S):
                await client.data(mail.as_bytes())
        except SMTPDataError as error:
            return _refusal(error)
        except (SMTPException, OSError, TimeoutError) as error:
            raise OutcomeUnknown(
                "the mail server did not say whether it took the mail", error=type(error).__name__
            ) from (error)
        return Sent(message_id)
    finally:
        client.close()


async def check(server: SmtpServer) -> None:
    """Logs in and leaves. Raises Unavailable; a refused password as SMTPAuthenticationError."""
    client = SMTP(
        hostname=server.host,
        port=server.port,
        timeout=DEADLINE_S,
        use_tls=server.tls is not None and server.port == 465,
        start_tls=server.tls is not None and server.port != 465,
        tls_context=server.tls,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            await client.connect()
            if server.password:
                await client.login(server.login, server.password)
    except SMTPAuthenticationError:
        raise
    except (SMTPException, OSError, TimeoutError) as error:
        raise Unavailable("the mail server cannot be reached", sent=False, error=type(error).__name__) from error
    finally:
        client.close()


async def _before_data(client: aiosmtplib.SMTP, server: SmtpServer, sender: str, recipient: str) -> Refused | None:
    try:
        async with asyncio.timeout(DEADLINE_S):
            await client.connect()
            if server.password:
                await client.login(server.login, server.password)
            await client.mail(sender)
            await client.rcpt(recipient)
    except SMTPAuthenticationError:
        return Refused(Refusal.ACCOUNT, "auth", "the mail server refuses the password", LOGIN_REMEDY)
    except SMTPNotSupported as error:
        return Refused(
            Refusal.ACCOUNT, "not_supported", str(error)[:200],
            "Почтовый сервер не поддерживает вход или шифрование на этом порту: укажите порт 465 или 587.",
        )  # fmt: skip
    except SMTPResponseException as error:
        return _refusal(error)
    except (SMTPException, OSError, TimeoutError) as error:
        raise Unavailable("the mail server cannot be reached", sent=False, error=type(error).__name__) from error
    return None


def _refusal(error: SMTPResponseException) -> Refused:
    """5xx is final (RFC 5321, 4.2.1); 4xx means later: greylisting asks for minutes."""
    if error.code < 500:
        raise Unavailable("the mail server asks to come back later", sent=False, code=error.code) from error
    message = error.message[:300]
    status = message.split(" ")[0]
    if status in _NO_SUCH_PERSON or (error.code in (550, 551, 553) and not status.startswith("5.7")):
        return Refused(Refusal.UNREACHABLE, str(error.code), message)
    if error.code in (530, 534, 535):
        return Refused(Refusal.ACCOUNT, str(error.code), message, LOGIN_REMEDY)
    if status.startswith("5.7") or error.code == 554:
        return Refused(
            Refusal.POLICY, str(error.code), message,
            "Почтовый сервер не пропускает письма: проверьте SPF, DKIM и DMARC домена и лимиты ящика.",
        )  # fmt: skip
    return Refused(Refusal.BAD_MESSAGE, str(error.code), message)
