"""What a model is told and may say of earlier visits."""

import pytest

from agent.llm.past import foreign_past, stems

MASTERS = stems(["Анна Белова", "Ольга Ким", "Мария Крылова", "Вера Дан"])
HERS = stems(["Анна Белова"])


def judged(text: str, *, known: bool = True, proposed: str = "") -> bool:
    return foreign_past(text, proposed, known=known, masters=MASTERS, hers=HERS if known else frozenset())


@pytest.mark.parametrize(
    "text",
    [
        "Как обычно: маникюр с гель-лаком у Ольги.",
        "Вы обычно ходите к Марии.",
        "В прошлый раз вы были у Веры.",
        "Your last visit was with Анна and Ольга.",
    ],
)
def test_a_master_who_is_not_hers_is_not_her_habit(text: str) -> None:
    assert judged(text)


@pytest.mark.parametrize("text", ["Как обычно, к Анне?", "Вы обычно ходите к Анне.", "Записать вас, как обычно?"])
def test_her_own_habit_may_be_spoken_of_and_nobody_elses_number_hears_it(text: str) -> None:
    assert not judged(text)
    assert judged(text, known=False)


@pytest.mark.parametrize(
    "text", ["Прошлые визиты мне не видны.", "I do not see your earlier visits.", "Анна работает завтра.", "Готово."]
)
def test_that_nothing_is_known_may_be_said_to_anybody(text: str) -> None:
    assert not judged(text, known=False)


def test_what_the_rules_propose_may_be_said() -> None:
    assert not judged("Мы не закончили по телефону.", known=False, proposed="Мы не закончили по телефону. Записать?")
    assert judged("Мы не закончили по телефону: стрижка у Анны.", known=False)


def test_stems_join_the_cases_of_a_name() -> None:
    assert all("ольге".startswith(stem) or "анны".startswith(stem) for stem in stems(["Ольга Ким", "Анна Белова"]))
