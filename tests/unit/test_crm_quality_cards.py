"""Every vendor has a complete quality card, and the page in docs is made from them."""

from pathlib import Path

import pytest

from crm.vendor.matrix import RULES, card, level_of, page
from crm.vendor.registry import NAMES, vendor


@pytest.mark.parametrize("name", NAMES)
def test_every_vendor_has_a_complete_card_and_steps_for_the_salon(name: str) -> None:
    rules = card(name)
    assert set(rules) == {rule for names in RULES.values() for rule in names}
    assert level_of(rules) in ("silver", "gold"), {k: v for k, v in rules.items() if v.startswith("todo")}
    found = vendor(name)
    assert found.name == name
    assert found.setup_ru or found.note_ru
    assert all(item.title_ru and item.title_en for item in found.fields)


def test_the_page_is_made_from_the_cards() -> None:
    made = Path(__file__).parents[2] / "docs" / "crm_matrix.md"
    assert made.read_text(encoding="utf-8") == page(), "run python -m crm.vendor.matrix > docs/crm_matrix.md"


def test_a_level_counts_only_when_those_below_do() -> None:
    rules = dict.fromkeys((rule for names in RULES.values() for rule in names), "done")
    assert level_of(rules) == "gold"
    assert level_of({**rules, "probe": "todo: rights"}) == "bronze"
    assert level_of({**rules, "auth": "todo: keys"}) == "none"
    assert level_of({**rules, "move": "exempt: the vendor cannot"}) == "gold"
