"""A company's choice of models as stored JSON and as a hand-written file; complaints name the field. Pure."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from agent.llm.model import Confirms, LlmSettings, ModelChoice, Provider
from core.errors import InvalidInput

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
THINKING = ("", "off", "minimal", "low", "medium", "high")
SCOPES = ("GIGACHAT_API_PERS", "GIGACHAT_API_B2B", "GIGACHAT_API_CORP")
_MODEL_FIELDS = (
    "name", "provider", "model", "base_url", "auth_url", "temperature", "max_tokens", "thinking", "folder", "scope",
    "ca_file", "max_calls",
)  # fmt: skip
_FIELDS = ("models", "instructions", "prompt", "confirms", "early")
MAX_INSTRUCTIONS = 4000


def settings_from_json(data: Any, path: str = "llm") -> LlmSettings:
    """Raises InvalidInput that names the wrong field and what would be right."""
    fields = _mapping(data, path, _FIELDS)
    raw = fields.get("models", [])
    if not isinstance(raw, list):
        raise InvalidInput(f"{path}.models: must be a list of models, in the order in which they are tried")
    models = tuple(model_from_json(item, f"{path}.models[{index}]") for index, item in enumerate(raw))
    names = [model.name for model in models]
    if len(set(names)) != len(names):
        raise InvalidInput(f"{path}.models: two models have the same name")
    instructions = _text(fields, "instructions", path)
    if len(instructions) > MAX_INSTRUCTIONS:
        raise InvalidInput(f"{path}.instructions: at most {MAX_INSTRUCTIONS} characters")
    confirms = _text(fields, "confirms", path) or Confirms.CODE
    if confirms not in list(Confirms):
        raise InvalidInput(f"{path}.confirms: code or model")
    early = fields.get("early", True)
    if not isinstance(early, bool):
        raise InvalidInput(f"{path}.early: must be true or false")
    prompt = _text(fields, "prompt", path) or "v1"
    if not re.fullmatch(r"[a-z0-9]{1,16}", prompt):
        raise InvalidInput(f"{path}.prompt: a version such as v1")
    return LlmSettings(models, instructions, prompt, Confirms(confirms), early)


def model_from_json(data: Any, path: str) -> ModelChoice:
    fields = _mapping(data, path, _MODEL_FIELDS)
    provider = _text(fields, "provider", path)
    if provider not in list(Provider):
        raise InvalidInput(f"{path}.provider: one of {', '.join(Provider)}")
    name = _text(fields, "name", path) or provider
    if not NAME.fullmatch(name):
        raise InvalidInput(f"{path}.name: lower-case Latin letters, digits, dots and hyphens, for example main")
    model = _text(fields, "model", path)
    if not model:
        raise InvalidInput(f"{path}.model: the model's id at the provider is missing")
    choice = ModelChoice(
        name=name,
        provider=Provider(provider),
        model=model,
        base_url=_url(_text(fields, "base_url", path), f"{path}.base_url"),
        auth_url=_url(_text(fields, "auth_url", path), f"{path}.auth_url"),
        temperature=_temperature(fields.get("temperature", 0.3), f"{path}.temperature"),
        max_tokens=_whole(fields.get("max_tokens", 400), f"{path}.max_tokens", 32, 8192),
        thinking=_text(fields, "thinking", path),
        folder=_text(fields, "folder", path),
        scope=_text(fields, "scope", path) or SCOPES[0],
        ca_file=_text(fields, "ca_file", path),
        max_calls=_whole(fields.get("max_calls", 0), f"{path}.max_calls", 0, 1000),
    )
    if choice.thinking not in THINKING:
        raise InvalidInput(f"{path}.thinking: one of {', '.join(THINKING[1:])}, or empty")
    if choice.scope not in SCOPES:
        raise InvalidInput(f"{path}.scope: one of {', '.join(SCOPES)}")
    if choice.provider is Provider.YANDEXGPT and not choice.folder and not choice.model.startswith("gpt://"):
        raise InvalidInput(f"{path}.folder: the id of the Yandex Cloud folder is missing")
    return choice


def settings_to_json(settings: LlmSettings) -> dict[str, Any]:
    return {
        "models": [_model_to_json(model) for model in settings.models],
        "instructions": settings.instructions,
        "prompt": settings.prompt,
        "confirms": settings.confirms.value,
        "early": settings.early,
    }


def _model_to_json(model: ModelChoice) -> dict[str, Any]:
    data: dict[str, Any] = {name: getattr(model, name) for name in _MODEL_FIELDS}
    data["provider"] = model.provider.value
    return data


def _mapping(data: Any, path: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise InvalidInput(f"{path}: must be a mapping of fields")
    for name in data:
        if name not in known:
            secret = " (keys are given with `ai-admin llm key`, never in a file)" if "key" in str(name) else ""
            raise InvalidInput(f"{path}.{name}: unknown field{secret}; known here: {', '.join(known)}")
    return data


def _text(fields: Mapping[str, Any], name: str, path: str) -> str:
    value = fields.get(name, "")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(f"{path}.{name}: must be a text")
    return value.strip()


def _url(value: str, path: str) -> str:
    if not value:
        return ""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise InvalidInput(f"{path}: an address such as https://llm.example.ru/v1, without keys in it")
    return value.rstrip("/")


def _temperature(value: Any, path: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2:
        raise InvalidInput(f"{path}: a number from 0 to 2, or null when the model refuses it")
    return float(value)


def _whole(value: Any, path: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidInput(f"{path}: a whole number from {least} to {most}")
    return value
