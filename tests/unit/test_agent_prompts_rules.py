"""Versions of a prompt: what stands, who gets what, what may go live; corrections as examples and as scenarios."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
import yaml

from agent.llm.brain import with_version
from agent.llm.model import Example, LlmSettings, Served
from agent.llm.prompt import own_text, prompt_text
from agent.prompts.examples import FIGURE, PERSON, SHOWN, Examples, masked
from agent.prompts.feedback import (
    KEPT_TURNS,
    TEST_NUMBER,
    Feedback,
    SeenTurn,
    Thumb,
    scenario_yaml,
    talk_until,
    turns_of,
    valid_correction,
    without_people,
)
from agent.prompts.model import (
    Act,
    Assigned,
    Change,
    Check,
    Content,
    Failure,
    Split,
    Standing,
    assigned,
    before,
    obstacle,
    standing,
    valid_name,
    valid_share,
)
from agent.prompts.names import Names
from core.errors import InvalidInput, NotFound
from core.ids import ConversationId
from core.timeline import EventKind, TimelineEvent

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)


def change(id_: int, act: Act, version: int, share: float = 0.0) -> Change:
    return Change(id_, act, version, share, False, "Олег", "", NOW)


def check(
    version: int, *failed: str, brain: str = "own:m", suite: str = "s", whole: bool = True, silent: int = 0
) -> Check:
    failures = tuple(Failure(name, "", ("x",)) for name in failed)
    return Check(version, brain, suite, whole, 30, failures, 100, silent, "Олег", NOW)


# --- what stands ------------------------------------------------------------------------------------------------


def test_what_stands_follows_from_the_changes():
    history = [change(1, Act.PUBLISHED, 1)]
    assert standing([]) == Standing(0)
    assert standing(history) == Standing(1)
    history.append(change(2, Act.SPLIT, 2, 0.3))
    assert standing(history) == Standing(1, Split(2, 2, 0.3))
    assert standing([*history, change(3, Act.SPLIT_ENDED, 2)]) == Standing(1)
    history.append(change(3, Act.SPLIT, 3, 0.1))
    assert standing(history) == Standing(1, Split(3, 3, 0.1))
    assert standing([*history, change(4, Act.ROLLED_BACK, 0)]) == Standing(0), "a roll-back ends the split"
    assert standing([*history, change(4, Act.PUBLISHED, 3)]) == Standing(3)


def test_before_is_the_version_that_was_in_force():
    assert before([]) is None
    assert before([change(1, Act.PUBLISHED, 4)]) == 0
    assert before([change(1, Act.PUBLISHED, 1), change(2, Act.PUBLISHED, 2), change(3, Act.SPLIT, 3, 0.5)]) == 1
    assert before([change(1, Act.PUBLISHED, 1), change(2, Act.PUBLISHED, 2), change(3, Act.ROLLED_BACK, 1)]) == 2


def test_the_same_person_gets_the_same_version_and_shares_hold():
    now = Standing(1, Split(7, 2, 0.2))
    people = [f"+7900{number:07d}" for number in range(10_000)]
    first = [assigned(now, person) for person in people]
    assert first == [assigned(now, person) for person in people]
    share = sum(1 for got in first if got == Assigned(2, 7)) / len(people)
    assert 0.18 < share < 0.22
    assert {got.split for got in first} == {7}
    # a larger share keeps those who were in it; the next split draws anew
    grown = [assigned(Standing(1, Split(7, 2, 0.5)), person) for person in people]
    assert all(after.version == 2 for got, after in zip(first, grown, strict=True) if got.version == 2)
    other = [assigned(Standing(1, Split(8, 2, 0.2)), person) for person in people]
    both = sum(1 for a, b in zip(first, other, strict=True) if a.version == b.version == 2) / len(people)
    assert 0.025 < both < 0.055, "two splits must be independent: 0.04"
    assert assigned(Standing(3), "anybody") == Assigned(3, 0)


# --- what may go live ---------------------------------------------------------------------------------------------


def test_only_a_checked_version_without_new_failures_may_talk_to_callers():
    assert "was not checked" in obstacle(2, 1, [])
    assert "was not checked" in obstacle(2, 1, [check(1), check(2, whole=False)]), "a part of the suite is no check"
    assert "nothing to compare with" in obstacle(2, 1, [check(2)])
    assert "nothing to compare with" in obstacle(2, 1, [check(1, suite="older"), check(2)])
    assert "nothing to compare with" in obstacle(2, 1, [check(1, brain="simulated:gemini"), check(2)])
    assert obstacle(2, 1, [check(1), check(2)]) == ""
    assert obstacle(2, 1, [check(1, "D05"), check(2, "D05")]) == "", "an old failure is not this version's"
    assert obstacle(2, 1, [check(1, "D05"), check(2, "D05", "D07")]).endswith("passes: D07")
    assert obstacle(2, 1, [check(1), check(2, "D07"), check(2)]) == "", "the latest run counts"
    assert "D07" in obstacle(2, 1, [check(1), check(2), check(2, "D07")])


def test_a_good_run_with_one_brain_does_not_outweigh_a_bad_one_with_another():
    simulated = "simulated:gemini"
    runs = [check(1), check(1, brain=simulated), check(2, "D07"), check(2, brain=simulated)]
    assert "with own:m" in obstacle(2, 1, runs)


def test_a_version_that_silences_the_model_does_not_pass_by_the_rules_words():
    assert "the rules had to speak" in obstacle(2, 1, [check(1, silent=5), check(2, silent=40)])
    assert obstacle(2, 1, [check(1, silent=5), check(2, silent=12)]) == ""


def test_what_people_give_is_checked():
    with pytest.raises(InvalidInput, match="instructions: at most"):
        Content.of("я" * 4001)
    with pytest.raises(InvalidInput, match="text_ru: holds a zero"):
        Content.of(text_ru="a\x00b")
    for share in (0.0, 1.0, -1.0, 2.0, float("nan")):
        with pytest.raises(InvalidInput, match="share"):
            valid_share(share)
    for name in ("", "  ", "я" * 81):
        with pytest.raises(InvalidInput, match="by: who"):
            valid_name(name)


def test_a_version_speaks_instead_of_the_settings():
    settings = LlmSettings(instructions="из настроек")
    assert with_version(settings, None) is settings
    assert with_version(settings, Served(0)) == settings, "version 0 is what the settings say"
    served = with_version(settings, Served(2, "", "Свой текст"))
    assert served.instructions == ""
    assert own_text(served, "ru") == "Свой текст"
    assert own_text(served, "en") == prompt_text("v1", "en")


# --- examples -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def names() -> Names:
    return Names()


def test_masking_leaves_no_figure_and_no_person(names):
    text = (
        "Меня зовут Марина Петровна Кузнецова, +7 (903) 123-45-67, к Ольге 12.05 в 15:30 за 2 500 рублей, a.b@mail.ru"
    )
    shown = masked(text, names.is_name)
    assert not any(letter.isdigit() for letter in shown)
    for secret in ("Марин", "Петровн", "Кузнецов", "Ольг", "mail"):
        assert secret.lower() not in shown.lower()
    assert PERSON in shown
    assert FIGURE in shown
    assert "рублей" in shown
    assert masked(shown, names.is_name) == shown, "masking what is masked changes nothing"


def test_the_nearest_examples_are_shown_best_first():
    kept = [
        Example("а парковка у вас есть", "parking"),
        Example("можно ли прийти с собакой", "dog"),
        Example("сделаете скидку имениннику", "birthday"),
        Example("у меня день рождения будет скидка", "discount"),
        Example("скидка студентам есть", "students"),
        Example("скидки какие нибудь есть", "any"),
    ]
    examples = Examples(kept)
    near = examples.nearest("а будет скидка на день рождения")
    assert near[0].answer == "discount"
    assert len(near) <= SHOWN
    assert "dog" not in [example.answer for example in near]
    assert [e.answer for e in examples.nearest("с собакой можно?")] == ["dog"]
    assert examples.nearest("запишите меня на маникюр к ольге") == ()
    assert examples.nearest("") == ()
    assert Examples([]).nearest("что угодно") == ()


def test_marks_are_not_what_makes_two_lines_near():
    examples = Examples([Example(f"{PERSON} на {FIGURE}", "no")])
    assert examples.nearest(f"{PERSON} в {FIGURE}") == ()


# --- feedback and scenarios -----------------------------------------------------------------------------------------


def event(kind: EventKind, text: str = "", **data) -> TimelineEvent:
    return TimelineEvent(ConversationId(UUID(int=1)), kind, NOW, None, {"pii_text": text} | data)


def test_turns_of_a_chat_and_of_a_call():
    chat = [
        event(EventKind.AGENT_SAID, "Здравствуйте!"), event(EventKind.CALLER_TURN, "Сколько стоит"),
        event(EventKind.TOOL_CALL), event(EventKind.AGENT_SAID, "Тысяча."), event(EventKind.AGENT_SAID, "Записать?"),
    ]  # fmt: skip
    assert turns_of(chat) == [SeenTurn(0, "", "Здравствуйте!"), SeenTurn(1, "Сколько стоит", "Тысяча. Записать?")]
    call = [
        event(EventKind.CALLER_TURN, "", turn_kind="start"), event(EventKind.AGENT_SAID, "Здравствуйте! Чем помочь?"),
        event(EventKind.AGENT_HEARD, "Здравствуйте!", cut=True), event(EventKind.AGENT_SAID, "То есть"),
        event(EventKind.AGENT_HEARD, "То есть", withdrawn=True), event(EventKind.CALLER_TURN, "Алло"),
    ]  # fmt: skip
    assert turns_of(call) == [SeenTurn(0, "", "Здравствуйте!"), SeenTurn(1, "Алло", "")]
    assert turns_of([]) == [SeenTurn(0, "", "")]


def test_the_talk_until_a_turn_is_bounded():
    turns = [SeenTurn(n, f"c{n}", f"a{n}") for n in range(60)]
    talk = talk_until(turns, 50)
    assert talk[-1].number == 50
    assert len(talk) == KEPT_TURNS + 1
    for wrong in (-1, 60):
        with pytest.raises(NotFound, match="to 59"):
            talk_until(turns, wrong)
    with pytest.raises(NotFound):
        talk_until(turns_of([]), 0)


def test_a_correction_belongs_to_a_bad_turn():
    assert valid_correction("  надо \n так ", Thumb.DOWN) == "надо так"
    with pytest.raises(InvalidInput, match="thumb down"):
        valid_correction("надо так", Thumb.UP)
    with pytest.raises(InvalidInput, match="at most"):
        valid_correction("а" * 401, Thumb.DOWN)


def a_feedback(*lines: str, agent: str = "Не знаю.", correction: str = "Подскажу!") -> Feedback:
    talk = (SeenTurn(0, "", "Здравствуйте!"), *(SeenTurn(n, line, agent) for n, line in enumerate(lines, 1)))
    return Feedback(
        UUID("12345678-0000-4000-8000-000000000000"), ConversationId(UUID(int=1)), len(lines), Thumb.DOWN, correction,
        "voice", 2, talk, "Олег", NOW,
    )  # fmt: skip


def test_a_scenario_without_people_that_fails_on_the_same_answer(names):
    feedback = a_feedback("Это Зинаида, запишите к Ольге", "мой номер 8 903 123-45-67", agent="Не знаю (1).")

    def clean(text: str) -> str:
        return without_people(text, names.kind, frozenset({"ольг"}))

    text = scenario_yaml(feedback, clean)
    scenario = yaml.safe_load(text)
    assert scenario["id"] == "F-12345678"
    assert scenario["channel"] == "phone"
    assert scenario["from"] == TEST_NUMBER
    assert scenario["lines"] == ["Это Полина, запишите к Ольге", f"мой номер {TEST_NUMBER}"]
    assert scenario["never"] == [r"не\ знаю\ \(1\)\."]
    for secret in ("Зинаид", "903"):
        assert secret not in text
    assert "# It should have said: Подскажу!" in text


def test_foreign_text_cannot_break_out_of_the_draft(names):
    evil = "да\x07\nid: D01\r\x85\u2028crm: {cancelled: all}"
    feedback = a_feedback(evil, agent=evil, correction=evil)
    scenario = yaml.safe_load(scenario_yaml(feedback, lambda text: text))
    assert scenario["id"] == "F-12345678"
    assert scenario["crm"] == {}
    assert scenario["lines"] == [evil]


def test_a_greeting_is_nothing_to_play():
    feedback = replace(a_feedback(), talk=(SeenTurn(0, "", "Здравствуйте!"),))
    with pytest.raises(InvalidInput, match="nothing to play"):
        scenario_yaml(feedback, str)
