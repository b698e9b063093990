"""The labels of a visit in a description, whatever an editor has made of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.vendor.visit_notes import VisitNotes, as_text, read, written

FULL = VisitNotes("у окна\nбез фена", ("S01", "S06"), "confirmed", "k3m9q2x7ab")


def test_what_is_written_is_read_back() -> None:
    text = written(FULL)
    assert text.startswith("у окна\nбез фена\n")
    assert read(text) == FULL
    assert read(written(VisitNotes())) == VisitNotes()


@pytest.mark.parametrize(
    "shape",
    [
        lambda text: text.replace("\n", " "),
        lambda text: "<p>" + text.replace("\n", "</p><p>") + "</p>",
        lambda text: text.replace("\n", "<br />") + "<br>",
        lambda text: f"<div style='a'><b>{text.replace(chr(10), '</b></div><div><b>')}</b></div>",
        lambda text: f"\r\n  {text}  \r\n",
    ],
)
def test_labels_survive_editors(shape) -> None:  # type: ignore[no-untyped-def]
    found = read(shape(written(FULL)))
    assert (found.services, found.status, found.marker) == (FULL.services, FULL.status, FULL.marker)
    assert found.words.split() == FULL.words.split()


def test_html_is_read_as_its_words_and_other_text_is_left_alone() -> None:
    assert as_text("<p>Ирина &amp; мама</p><p>5&nbsp;&lt; 6</p>") == "Ирина & мама\n5 < 6"
    assert as_text("5 < 6 и 7 > 3") == "5 < 6 и 7 > 3"


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text(min_size=1, max_size=12).filter(lambda s: "\x00" not in s and s.isprintable()), max_size=4),
    st.from_regex(r"[0-9a-z]{10}", fullmatch=True),
)
def test_any_service_id_comes_back(services: list[str], marker: str) -> None:
    notes = VisitNotes("слова", tuple(services), "", marker)
    assert read(written(notes)) == notes


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_readable_and_hides_no_label_after_it(text: str) -> None:
    assert read(f"{text}\nai:k3m9q2x7ab").marker == "k3m9q2x7ab"
