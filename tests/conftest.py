"""Exactly one category per test module, named by its folder; a test elsewhere is an error at collection."""

from pathlib import Path

import pytest

CATEGORIES = ("unit", "contract", "integration", "e2e", "dialogues")
ROOT = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    for category in CATEGORIES:
        config.addinivalue_line("markers", f"{category}: tests of tests/{category}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        category = Path(item.path).relative_to(ROOT).parts[0]
        if category not in CATEGORIES:
            raise pytest.UsageError(f"{item.path}: tests live in tests/<category>/, one of {', '.join(CATEGORIES)}")
        item.add_marker(category)
        if category == "e2e":
            # Real programs in real time on a shared machine: a failure is tried once more, and the summary counts it.
            item.add_marker(pytest.mark.flaky(reruns=1))
