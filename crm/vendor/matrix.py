"""The quality cards of the adapters as one page: `python -m crm.vendor.matrix > docs/crm_matrix.md`.

A card (`crm/adapters/quality/<vendor>.yaml`) says for each rule `done`, `exempt: why` or `todo: what`. A test checks
that every vendor has one, that no rule is left out, and that the page is up to date.
"""

import sys
from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml

from core.errors import ConfigurationError
from crm.vendor.registry import NAMES, vendor

RULES: Mapping[str, tuple[str, ...]] = {
    "bronze": ("auth", "services", "staff", "slots", "clients", "book", "move", "cancel", "errors", "limits"),
    "silver": (
        "webhooks_or_poll", "idempotency", "reconcile", "zones", "phones", "pagination", "probe", "live_check",
    ),
    "gold": ("contract_suite", "history_checker", "honest_capabilities", "salon_docs"),
}  # fmt: skip
TITLES = {
    "auth": "keys and their renewal", "services": "services", "staff": "masters", "slots": "free time",
    "clients": "clients found and made", "book": "booking", "move": "moving", "cancel": "cancelling",
    "errors": "errors are never empty lists", "limits": "the vendor's rate limit",
    "webhooks_or_poll": "changes are told or polled", "idempotency": "one effect a wish",
    "reconcile": "lost answers are looked up", "zones": "zones and clock changes", "phones": "phones in any spelling",
    "pagination": "over 1,000 rows", "probe": "rights probed, remedies named", "live_check": "`ai-admin crm check`",
    "contract_suite": "contract suite", "history_checker": "history checker",
    "honest_capabilities": "offers only what works", "salon_docs": "steps for the salon",
}  # fmt: skip
_SIGNS = {"done": "✓", "exempt": "–", "todo": "✗"}


def card(name: str) -> dict[str, str]:
    """Rule to "done", "exempt: why" or "todo: what". Raises ConfigurationError that names what is wrong."""
    path = resources.files("crm.adapters") / "quality" / f"{name}.yaml"
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{name}: no quality card; write crm/adapters/quality/{name}.yaml") from None
    found: dict[str, str] = {}
    for level, rules in RULES.items():
        given = (data or {}).get(level) or {}
        if strange := set(given) - set(rules):
            raise ConfigurationError(f"{name}.{level}: unknown rules {', '.join(sorted(strange))}")
        for rule in rules:
            value = given.get(rule)
            text = value if isinstance(value, str) else _flat(value)
            if text.split(":")[0] not in _SIGNS or (text != "done" and not text.partition(":")[2].strip()):
                raise ConfigurationError(f"{name}.{level}.{rule}: done, exempt: why, or todo: what")
            found[rule] = text
    return found


def _flat(value: Any) -> str:
    """`exempt: why` is a mapping for YAML."""
    if isinstance(value, Mapping) and len(value) == 1:
        key, text = next(iter(value.items()))
        return f"{key}: {text}"
    return ""


def level_of(rules: Mapping[str, str]) -> str:
    """The highest level of which nothing is to do, all levels below included."""
    reached = "none"
    for level, names in RULES.items():
        if any(rules[name].startswith("todo") for name in names):
            break
        reached = level
    return reached


def page() -> str:
    cards = {name: card(name) for name in NAMES}
    titles = {name: vendor(name).title for name in NAMES}
    lines = [
        "# CRMs: what works with which",
        "",
        "Made by `python -m crm.vendor.matrix > docs/crm_matrix.md` from the quality cards in `crm/adapters/quality`.",
        "✓ done and tested against a strict simulator, – cannot be (see below), ✗ to do. Nothing here was tried with a",
        "vendor's live account; `ai-admin crm check COMPANY` does that on the day when one is connected.",
        "",
        "| rule | " + " | ".join(titles.values()) + " |",
        "| --- |" + " --- |" * len(titles),
        "| **level** | " + " | ".join(f"**{level_of(rules)}**" for rules in cards.values()) + " |",
    ]
    for level, names in RULES.items():
        for name in names:
            signs = [_SIGNS[rules[name].split(":")[0]] for rules in cards.values()]
            lines.append(f"| {level}: {TITLES[name]} | " + " | ".join(signs) + " |")
    lines += ["", "## Why not", ""]
    for name, rules in cards.items():
        for rule, text in rules.items():
            if text != "done":
                lines.append(f"- **{titles[name]}**, {TITLES[rule]}: {text}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
