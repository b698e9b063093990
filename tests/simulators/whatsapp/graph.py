"""The Graph API's manners: errors in its envelope, and what a message must look like to be taken."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

TITLES = {
    100: "Invalid parameter",
    190: "Invalid OAuth access token - Cannot parse access token",
    130429: "Rate limit hit",
    131008: "Required parameter is missing",
    131009: "Parameter value is not valid",
    131026: "Message undeliverable",
    131042: "Business eligibility payment issue",
    131047: "Re-engagement message",
    131048: "Spam rate limit hit",
    131053: "Media upload error",
    131056: "(Business Account, Consumer Account) pair rate limit hit",
    131062: "Business-scoped user ID is not supported for this message",
    132000: "Number of parameters does not match the expected number of params",
    132001: "Template name does not exist in the translation",
    132012: "Parameter format does not match format in the created template",
    132015: "Template is paused",
    133005: "Two step verification PIN Mismatch",
}


class GraphError(Exception):
    def __init__(self, code: int, details: str = "", status: int = 400, retry_after_s: int | None = None) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        error = {
            "message": f"(#{code}) {TITLES.get(code, 'Error')}",
            "type": "OAuthException",
            "code": code,
            "error_data": {"messaging_product": "whatsapp", "details": details},
            "fbtrace_id": "AxB1simulated",
        }
        headers = {"retry-after": str(retry_after_s)} if retry_after_s is not None else None
        self.reply: Response = JSONResponse({"error": error}, status, headers=headers)


def units(text: str) -> int:
    """As JavaScript counts: UTF-16."""
    return len(text.encode("utf-16-le")) // 2


def must(condition: Any, details: str, code: int = 131009) -> None:
    if not condition:
        raise GraphError(code, details)


def only(body: Mapping[str, Any], allowed: set[str], where: str) -> None:
    unknown = set(body) - allowed
    must(not unknown, f"Unexpected key {sorted(unknown)} on param {where}", 100)


def string(body: Mapping[str, Any], name: str, most: int, where: str, least: int = 1) -> str:
    value = body.get(name)
    must(name in body, f"{where}['{name}'] is required", 131008)
    must(isinstance(value, str), f"{where}['{name}'] must be a string")
    must(least <= units(value) <= most, f"{where}['{name}'] length should be {least} to {most} characters")
    return str(value)


COMMON = {"messaging_product", "recipient_type", "to", "recipient", "type", "context", "biz_opaque_callback_data"}


def check_message(body: Any) -> None:
    """Raises GraphError as the vendor refuses. Templates are checked against what was approved, elsewhere."""
    must(isinstance(body, Mapping), "the body must be an object", 100)
    must(body.get("messaging_product") == "whatsapp", "messaging_product must be whatsapp", 100)
    must(body.get("recipient_type", "individual") == "individual", "recipient_type", 100)
    must("to" in body or "recipient" in body, "The parameter to is required.", 131008)
    if "to" in body:
        must(isinstance(body["to"], str) and re.fullmatch(r"\+?[0-9]{7,15}", body["to"]), "to is no phone number")
    elif not re.fullmatch(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}", str(body["recipient"])):
        raise GraphError(131009, "recipient is no business-scoped user ID")
    kind = body.get("type", "text")
    must(kind in CHECKS, f"type {kind!r} is not one of the message types", 100)
    only(body, COMMON | {kind}, "message")
    marker = body.get("biz_opaque_callback_data", "x")
    must(isinstance(marker, str) and 1 <= len(marker) <= 512, "biz_opaque_callback_data is at most 512 characters")
    if "context" in body:
        only(body["context"], {"message_id"}, "context")
        string(body["context"], "message_id", 512, "context")
    must(isinstance(body.get(kind), Mapping), f"{kind} is required", 131008)
    CHECKS[kind](body[kind])


def _text(text: Mapping[str, Any]) -> None:
    only(text, {"body", "preview_url"}, "text")
    string(text, "body", 4096, "text")
    must(isinstance(text.get("preview_url", False), bool), "preview_url must be a boolean", 100)


def _audio(audio: Mapping[str, Any]) -> None:
    only(audio, {"id", "link", "voice"}, "audio")
    must(("id" in audio) != ("link" in audio), "one of id and link is required", 131008)
    must(isinstance(audio.get("voice", False), bool), "voice must be a boolean", 100)


def _interactive(inter: Mapping[str, Any]) -> None:
    kind = inter.get("type")
    must(kind in ("button", "list", "request_contact_info"), f"interactive type {kind!r}", 131009)
    only(inter, {"type", "header", "body", "footer", "action"}, "interactive")
    must(isinstance(inter.get("body"), Mapping), "interactive['body'] is required", 131008)
    only(inter["body"], {"text"}, "interactive['body']")
    string(inter["body"], "text", 1024, "interactive['body']")
    action = inter.get("action")
    must(isinstance(action, Mapping), "interactive['action'] is required", 131008)
    if kind == "button":
        _buttons(action)
    elif kind == "list":
        _list(action)
    else:
        must(action == {"name": "request_contact_info"}, "action['name'] must be request_contact_info")


def _buttons(action: Mapping[str, Any]) -> None:
    only(action, {"buttons"}, "action")
    buttons = action.get("buttons")
    must(isinstance(buttons, list) and 1 <= len(buttons) <= 3, "action['buttons'] must have 1 to 3 items")
    ids, titles = [], []
    for button in buttons:
        only(button, {"type", "reply"}, "button")
        must(button.get("type") == "reply", "button type must be reply")
        only(button["reply"], {"id", "title"}, "reply")
        ids.append(string(button["reply"], "id", 256, "reply"))
        titles.append(string(button["reply"], "title", 20, "reply"))
    _distinct(ids, titles)


def _list(action: Mapping[str, Any]) -> None:
    only(action, {"button", "sections"}, "action")
    string(action, "button", 20, "action")
    sections = action.get("sections")
    must(isinstance(sections, list) and 1 <= len(sections) <= 10, "action['sections'] must have 1 to 10 items")
    rows = []
    for section in sections:
        only(section, {"title", "rows"}, "section")
        must(len(sections) == 1 or section.get("title"), "section['title'] is required", 131008)
        must(units(section.get("title", "")) <= 24, "section['title'] is at most 24 characters")
        rows += section.get("rows", [])
    must(1 <= len(rows) <= 10, "Total row count exceed max allowed count: 10")
    ids, titles = [], []
    for row in rows:
        only(row, {"id", "title", "description"}, "row")
        ids.append(string(row, "id", 200, "row"))
        titles.append(string(row, "title", 24, "row"))
        if "description" in row:
            string(row, "description", 72, "row")
    _distinct(ids, ())


def _distinct(ids: list[str], titles: Any) -> None:
    must(all(value == value.strip() for value in ids), "id must not begin or end with a space")
    must(len(set(ids)) == len(ids), "ids must be unique")
    must(len(set(titles)) == len(titles), "titles must be unique")


def _template(template: Mapping[str, Any]) -> None:
    only(template, {"name", "language", "components"}, "template")
    string(template, "name", 512, "template")
    must(isinstance(template.get("language"), Mapping), "template['language'] is required", 131008)
    only(template["language"], {"code", "policy"}, "language")
    string(template["language"], "code", 10, "language")
    for component in template.get("components", []):
        must(component.get("type") in ("header", "body", "button"), "component type", 100)
        only(component, {"type", "sub_type", "index", "parameters"}, "component")
        if component["type"] == "button":
            must(component.get("sub_type") in ("quick_reply", "url", "catalog", "flow"), "sub_type", 100)
            must(isinstance(component.get("index"), str), "index must be a string", 100)
        for parameter in component["parameters"]:
            kind = parameter.get("type")
            only(parameter, {"type", "text", "payload", "parameter_name"}, "parameter")
            if kind == "text":
                value = string(parameter, "text", 1024, "parameter")
                odd = "\n" in value or "\t" in value or "    " in value
                must(
                    not odd, "Param text cannot have new-line/tab characters or more than 4 consecutive spaces", 132012
                )
            else:
                must(kind == "payload", f"parameter type {kind!r}", 100)
                string(parameter, "payload", 256, "parameter")


CHECKS = {"text": _text, "audio": _audio, "interactive": _interactive, "template": _template}


def check_read(body: Mapping[str, Any]) -> None:
    only(body, {"messaging_product", "status", "message_id", "typing_indicator"}, "message")
    must(body.get("messaging_product") == "whatsapp", "messaging_product must be whatsapp", 100)
    must(body.get("status") == "read", "status must be read", 100)
    if "typing_indicator" in body:
        must(body["typing_indicator"] == {"type": "text"}, "typing_indicator", 100)
