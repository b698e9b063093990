"""The salon's profile as JSON: how it is stored, and how a company file's rules are read. Pure."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import time
from typing import Any

from core.errors import InvalidInput
from core.money import Money
from core.phone import Phone
from crm.model import SalonProfile, SalonRules

RULE_NAMES = frozenset(item.name for item in fields(SalonRules))


def profile_to_json(profile: SalonProfile) -> dict[str, Any]:
    rules = {name: getattr(profile.rules, name) for name in sorted(RULE_NAMES)}
    rules["prepay_sum"] = _money_to_json(profile.rules.prepay_sum)
    return {
        "name": profile.name,
        "timezone": profile.timezone,
        "address": profile.address,
        "metro": profile.metro,
        "parking": profile.parking,
        "opens": f"{profile.opens:%H:%M}",
        "closes": f"{profile.closes:%H:%M}",
        "payment": list(profile.payment),
        "languages": list(profile.languages),
        "admin_from": f"{profile.admin_from:%H:%M}",
        "admin_until": f"{profile.admin_until:%H:%M}",
        "transfer_to": profile.transfer_to.e164 if profile.transfer_to else None,
        "email": profile.email,
        "sends_messages": profile.sends_messages,
        "rules": rules,
    }


def profile_from_json(data: Mapping[str, Any]) -> SalonProfile:
    rules = dict(data["rules"])
    rules["prepay_sum"] = Money(rules["prepay_sum"]["minor"], rules["prepay_sum"]["currency"])
    return SalonProfile(
        name=data["name"],
        timezone=data["timezone"],
        address=data["address"],
        metro=data["metro"],
        parking=data["parking"],
        opens=time.fromisoformat(data["opens"]),
        closes=time.fromisoformat(data["closes"]),
        payment=tuple(data["payment"]),
        languages=tuple(data["languages"]),
        admin_from=time.fromisoformat(data["admin_from"]),
        admin_until=time.fromisoformat(data["admin_until"]),
        transfer_to=Phone(data["transfer_to"]) if data["transfer_to"] else None,
        email=data["email"],
        sends_messages=data["sends_messages"],
        rules=SalonRules(**rules),
    )


def check_rules(rules: SalonRules) -> None:
    """Raises InvalidInput for rules that no slot search can follow."""
    if not 1 <= rules.grid_min <= 24 * 60:
        raise InvalidInput(f"rules.grid_min: minutes between possible starts, 1 to 1440, got {rules.grid_min}")
    for name in sorted(RULE_NAMES - {"grid_min", "prepay_sum"}):
        if getattr(rules, name) < 0:
            raise InvalidInput(f"rules.{name}: must not be negative")
    if rules.horizon_days > 730:
        raise InvalidInput(f"rules.horizon_days: at most 730 days ahead, got {rules.horizon_days}")


def _money_to_json(money: Money) -> dict[str, Any]:
    return {"minor": money.minor, "currency": money.currency}
