"""JSON schemas of the tools in the plainest form: no references, no unions, so that every provider takes them. Pure."""

from functools import lru_cache
from typing import Any

from agent.llm.toolkit import TOOLS

_DROPPED = ("title", "default", "$defs", "additionalProperties", "const")


@lru_cache(maxsize=1)
def tool_schemas() -> tuple[tuple[str, str, dict[str, Any]], ...]:
    """Name, description and parameters of every tool."""
    return tuple((name, text, plain(form.model_json_schema())) for name, (form, _, text) in TOOLS.items())


def plain(schema: dict[str, Any], definitions: dict[str, Any] | None = None) -> dict[str, Any]:
    """`X | None` becomes X that may be left out; references are put in their place."""
    known = definitions if definitions is not None else schema.get("$defs", {})
    if "$ref" in schema:
        return plain(known[schema["$ref"].rsplit("/", 1)[1]], known)
    if "anyOf" in schema:
        real = next(option for option in schema["anyOf"] if option.get("type") != "null")
        return plain({**real, **({"description": schema["description"]} if "description" in schema else {})}, known)
    made: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _DROPPED:
            continue
        if name == "properties":
            made[name] = {key: plain(inner, known) for key, inner in value.items()}
        elif name == "items":
            made[name] = plain(value, known)
        else:
            made[name] = value
    return made
