"""Mails that a provider posts to us: Mailgun routes, Postmark inbound, SendGrid Inbound Parse. Pure.

Whatever the provider, the mail is put together again and read like any other: one way of judging machine mail.
"""

import base64
import binascii
import hmac
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import sha256
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, create_form_parser

from channels.ports import WebhookRequest
from core.errors import Forbidden, InvalidInput

MAILGUN_AGE_S = 300.0
"""Of a signature (it does not cover the content): long enough for clocks, too short for a stolen one."""
PROVIDERS = ("mailgun", "postmark", "sendgrid")
_BODY_HEADERS = frozenset({"content-type", "content-transfer-encoding", "mime-version", "content-disposition"})


@dataclass(slots=True)
class Form:
    """Fields as bytes, for they come in charsets of their own; files with name and type."""

    fields: dict[str, bytes] = field(default_factory=dict)
    files: list[tuple[str, str, bytes]] = field(default_factory=list)

    def text(self, name: str, charset: str = "utf-8") -> str:
        try:
            return self.fields.get(name, b"").decode(charset, "replace")
        except LookupError:
            return self.fields.get(name, b"").decode("utf-8", "replace")


def verify(provider: str, request: WebhookRequest, key: str) -> None:
    """Raises Forbidden. Mailgun signs time and token inside the body; the other two send what is in our address."""
    if provider == "mailgun":
        form = read_form(request)
        stamp, token, signature = form.text("timestamp"), form.text("token"), form.text("signature")
        expected = hmac.new(key.encode(), (stamp + token).encode(), sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), signature.lower().encode("utf-8", "replace")):
            raise Forbidden("the signature is not Mailgun's for this key")
        if not stamp.isdigit() or abs(request.arrived_at.timestamp() - int(stamp)) > MAILGUN_AGE_S:
            raise Forbidden("the signature is too old")
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        user, _, password = base64.b64decode(given, validate=True).decode("utf-8", "replace").partition(":")
    except (binascii.Error, ValueError):
        user, password = "", ""
    if scheme.lower() != "basic" or not hmac.compare_digest(password.encode(), key.encode()) or not user:
        raise Forbidden("the address needs its user and password, as `ai-admin channels connect email` printed it")


def mail_of(provider: str, request: WebhookRequest) -> bytes:
    """The mail, put together. Raises InvalidInput."""
    if provider == "postmark":
        return _postmark(request.body)
    form = read_form(request)
    return _mailgun(form) if provider == "mailgun" else _sendgrid(form)


def read_form(request: WebhookRequest) -> Form:
    form = Form()

    def on_field(item: Field) -> None:
        form.fields[(item.field_name or b"").decode("utf-8", "replace")] = item.value or b""

    def on_file(item: File) -> None:
        item.file_object.seek(0)
        name = (item.file_name or b"").decode("utf-8", "replace")
        form.files.append((name, getattr(item, "content_type", "") or "", item.file_object.read()))

    headers: Any = {"Content-Type": request.headers.get("content-type", "").encode()}
    try:
        parser = create_form_parser(headers, on_field, on_file, config={"MAX_MEMORY_FILE_SIZE": 64 * 1024 * 1024})
        parser.write(io.BytesIO(request.body).getvalue())
        parser.finalize()
    except (FormParserError, ValueError, TypeError):
        raise InvalidInput("body: not the form that the mail provider's documentation describes") from None
    return form


def _mailgun(form: Form) -> bytes:
    if "body-mime" in form.fields:
        return form.fields["body-mime"]
    try:
        pairs = json.loads(form.text("message-headers") or "[]")
    except ValueError:
        raise InvalidInput("message-headers: not JSON") from None
    headers = [(str(pair[0]), str(pair[1])) for pair in pairs if isinstance(pair, list) and len(pair) == 2]
    known = {name.lower() for name, _ in headers}
    for name, value in (("From", form.text("from")), ("To", form.text("recipient")), ("Subject", form.text("subject"))):
        if name.lower() not in known and value:
            headers.append((name, value))
    return _together(headers, form.text("body-plain"), form.text("body-html"), form.files)


def _postmark(body: bytes) -> bytes:
    try:
        posted: Mapping[str, Any] = json.loads(body)
        headers = [(str(item["Name"]), str(item["Value"])) for item in posted.get("Headers") or ()]
        files = [
            (str(item.get("Name", "")), str(item.get("ContentType", "")), base64.b64decode(item.get("Content") or ""))
            for item in posted.get("Attachments") or ()
        ]
        known = {name.lower() for name, _ in headers}
        full = posted.get("FromFull") or {}
        sender = f'"{full.get("Name", "")}" <{full.get("Email", "")}>' if full.get("Email") else posted.get("From", "")
        for name, value in (
            ("From", sender), ("To", posted.get("To", "")), ("Subject", posted.get("Subject", "")),
            ("Date", posted.get("Date", "")), ("Reply-To", posted.get("ReplyTo", "")),
        ):  # fmt: skip
            if name.lower() not in known and value:
                headers.append((name, str(value)))
        return _together(headers, str(posted.get("TextBody") or ""), str(posted.get("HtmlBody") or ""), files)
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        raise InvalidInput("body: not what Postmark's inbound documentation describes") from None


def _sendgrid(form: Form) -> bytes:
    if "email" in form.fields:
        return form.fields["email"]
    try:
        charsets: Mapping[str, str] = json.loads(form.text("charsets") or "{}")
    except ValueError:
        charsets = {}
    headers = []
    for line in _unfolded(form.text("headers")):
        name, colon, value = line.partition(":")
        if colon:
            headers.append((name.strip(), value.strip()))
    known = {name.lower() for name, _ in headers}
    for name in ("from", "to", "subject"):
        value = form.text(name, charsets.get(name, "utf-8"))
        if name not in known and value:
            headers.append((name.title(), value))
    text = form.text("text", charsets.get("text", "utf-8"))
    return _together(headers, text, form.text("html", charsets.get("html", "utf-8")), form.files)


def _together(
    headers: Iterable[tuple[str, str]], text: str, html: str, files: Iterable[tuple[str, str, bytes]]
) -> bytes:
    mail = EmailMessage(policy=SMTP)
    for name, value in headers:
        if name.lower() in _BODY_HEADERS or not name.isascii() or any(ch in name for ch in " :\r\n"):
            continue
        try:
            mail[name] = " ".join(value.split())
        except ValueError:  # a header that may stand once came twice: the first stands
            continue
    mail.set_content(text)
    if html:
        mail.add_alternative(html, subtype="html")
    for name, kind, content in files:
        main, _, sub = (kind or "application/octet-stream").partition(";")[0].strip().partition("/")
        mail.add_attachment(content, maintype=main or "application", subtype=sub or "octet-stream", filename=name)
    return mail.as_bytes()


def _unfolded(text: str) -> list[str]:
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if line[:1] in (" ", "\t") and lines:
            lines[-1] += " " + line.strip()
        elif line:
            lines.append(line)
    return lines
