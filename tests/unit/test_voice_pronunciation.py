"""A company's pronunciations reach the voice of its calls, and nothing else: history and timeline keep the words."""

from dataclasses import replace

from agent.model import Say
from core.timeline import EventKind
from media_models.lexicon import CompanyLexicon, Pronunciation
from media_models.pronunciation import Saying, marked, without_marks
from tests.simulators.voice_fakes import Call, answers, place

MINT = Saying(("m;'Ata",), ("mʲˈɑta",), "мя\u0301та")
GREETING = "Салон Мята, слушаю вас!"


def test_the_voice_gets_marks_and_the_history_does_not() -> None:
    lexicon = CompanyLexicon([Pronunciation("ru", "Мята", "мята", "мя\u0301та", MINT)])

    def script(call: Call) -> None:
        assert call.desk.line is not None
        call.desk.line = replace(call.desk.line, pronounce=lexicon.mark)
        call.leg.says(5000, "вы салон мята")
        call.leg.leaves(12_000)

    call = place(answers(Say("Да, мята.")), script)
    said = [text for text in call.synthesizer.texts if "ята" in text]
    assert f"Салон {marked('Мята', MINT)}, слушаю вас!" in said
    assert f"Да, {marked('мята', MINT)}." in said
    assert call.history[0] == ("agent", GREETING)
    meant = [event["pii_text"] for event in call.timeline.of(EventKind.AGENT_SAID)]
    assert all(text == without_marks(text) for text in meant)
    assert GREETING in meant
