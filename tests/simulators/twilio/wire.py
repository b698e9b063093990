"""The vendor's reading of what we send: strict, as its error family 31901 to 31951. Pure."""

import base64
import binascii
import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from typing import Any


class VendorError(Exception):
    """What the vendor would have refused."""


@dataclass(frozen=True, slots=True)
class Media:
    payload: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    pass


_SHAPES: dict[str, set[str]] = {
    "media": {"event", "streamSid", "media"},
    "mark": {"event", "streamSid", "mark"},
    "clear": {"event", "streamSid"},
}


def read_command(text: str | bytes, stream_sid: str) -> Media | Mark | Clear:
    if isinstance(text, bytes):
        raise VendorError("31951: a binary frame")
    try:
        message: Any = json.loads(text)
    except ValueError as error:
        raise VendorError("31951: not JSON") from error
    if not isinstance(message, dict) or message.get("event") not in _SHAPES:
        raise VendorError("31951: unknown event")
    kind = message["event"]
    if set(message) != _SHAPES[kind]:
        raise VendorError(f"31951: {kind} has fields {sorted(message)}")
    if message["streamSid"] != stream_sid:
        raise VendorError("31951: streamSid of another stream")
    if kind == "clear":
        return Clear()
    body = message[kind]
    wanted = "payload" if kind == "media" else "name"
    if not isinstance(body, dict) or set(body) != {wanted} or not isinstance(body[wanted], str) or not body[wanted]:
        raise VendorError(f"31951: {kind} needs exactly {wanted}, a string")
    if kind == "mark":
        return Mark(body["name"])
    try:
        payload = base64.b64decode(body["payload"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise VendorError("31951: payload is not base64") from error
    if payload[:4] in (b"RIFF", b"OggS", b"ID3\x03"):
        raise VendorError("payload carries a container header: the caller hears it as noise")
    return Media(payload)


# --- TwiML -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConnectStream:
    url: str
    parameters: dict[str, str]
    status_callback: str


@dataclass(frozen=True, slots=True)
class Redirect:
    url: str


@dataclass(frozen=True, slots=True)
class Say:
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Dial:
    target: str
    action: str
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hangup:
    pass


Verb = ConnectStream | Redirect | Say | Dial | Hangup


def read_twiml(content_type: str, body: str) -> list[Verb]:
    if content_type.partition(";")[0].strip() not in ("text/xml", "application/xml"):
        raise VendorError(f"12300: content type {content_type}")
    try:
        root = ET.fromstring(body)
    except ET.ParseError as error:
        raise VendorError("12100: not XML") from error
    if root.tag != "Response":
        raise VendorError("12200: the root must be Response")
    return [_verb(element) for element in root]


def _verb(element: ET.Element) -> Verb:
    match element.tag:
        case "Connect":
            return _stream(element)
        case "Redirect":
            if element.get("method", "POST") != "POST" or not (element.text or "").strip():
                raise VendorError("Redirect needs an address and POST")
            return Redirect((element.text or "").strip())
        case "Say":
            if not (element.text or "").strip():
                raise VendorError("13520: Say without text")
            return Say(element.text or "", element.get("language", "en-US"))
        case "Dial":
            children = list(element)
            if len(children) != 1 or children[0].tag not in ("Number", "Sip") or not children[0].text:
                raise VendorError("13214: Dial needs one Number or Sip")
            return Dial(children[0].text, element.get("action", ""), dict(element.attrib))
        case "Hangup":
            return Hangup()
        case _:
            raise VendorError(f"12200: unknown verb {element.tag}")


def _stream(connect: ET.Element) -> ConnectStream:
    children = list(connect)
    if len(children) != 1 or children[0].tag != "Stream":
        raise VendorError("Connect needs one Stream")
    stream = children[0]
    url = stream.get("url", "")
    if not url.startswith(("wss://", "ws://127.0.0.1:")):
        raise VendorError("31920: only wss (plain ws is for this machine's own tests)")
    if "?" in url:
        raise VendorError("31920: query strings are not supported")
    if unknown := set(stream.attrib) - {"url", "name", "track", "statusCallback", "statusCallbackMethod"}:
        raise VendorError(f"12200: Stream has {sorted(unknown)}")
    parameters = {}
    for child in stream:
        name, value = child.get("name", ""), child.get("value", "")
        if child.tag != "Parameter" or not name or set(child.attrib) != {"name", "value"}:
            raise VendorError("Stream takes Parameter with name and value")
        if len(name) + len(value) >= 500:
            raise VendorError(f"Parameter {name}: 500 characters or more")
        parameters[name] = value
    return ConnectStream(url, parameters, stream.get("statusCallback", ""))
