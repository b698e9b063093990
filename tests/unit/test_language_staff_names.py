"""Which words name a master, and which name somebody else."""

import pytest

from agent.language.ru.morph import Morphology
from agent.language.ru.name_words import name_words
from agent.language.ru.staff import StaffMatcher
from crm.model import Staff, StaffId


def matcher(*names: str) -> StaffMatcher:
    return StaffMatcher([Staff(StaffId(name), name) for name in names], name_words(), Morphology())


@pytest.mark.parametrize(
    ("listed", "said", "meant"),
    [
        ("Вера", "вероника", False), ("Вера", "вероники", False), ("Вера", "верочке", True), ("Вера", "веры", True),
        ("Вероника", "вера", True), ("Вероника", "ника", True), ("Аня", "анна", True), ("Саша", "александра", True),
        ("Лена", "елене", True), ("Рита", "маргарита", True),
    ],
)  # fmt: skip
def test_a_full_name_is_not_another_full_name(listed: str, said: str, meant: bool) -> None:
    assert matcher(listed).candidates(said) == ((StaffId(listed),) if meant else ())
