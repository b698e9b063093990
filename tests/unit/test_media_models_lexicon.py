"""Marks inside texts, a company's lexicon, espeak's phoneme table, and a bank that speaks for one company."""

from collections.abc import AsyncIterator
from pathlib import Path

import espeakng_loader
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from media_models.lexicon import CompanyLexicon, Pronunciation, pronunciation
from media_models.pronunciation import Lexicon, Saying, marked, respelled, spelled_out, with_ipa, without_marks
from media_models.speech_worker.phonemes import PhonemeTable
from voice.voice_bank import VoiceBank

HAIR = Saying(("vVl'os",), ("vaɭˈos",), "воло\u0301с")
CUT = Saying(("kVr'E", "n'A", "n'oSk;i"), ("karˈɛ", "nˈɑ", "nˈoʃkʲi"), "карэ\u0301 на но\u0301жке")


def entry(spoken: str, saying: Saying, language: str = "ru") -> Pronunciation:
    return Pronunciation(language, spoken, spoken, saying.respelling, saying)


@pytest.fixture(scope="module")
def table() -> PhonemeTable:
    return PhonemeTable.read(Path(espeakng_loader.get_data_path()) / "phontab", "ru")


def test_each_engine_gets_its_own_notation() -> None:
    text = f"для {marked('волос', HAIR)}, да"
    assert Lexicon({}).for_espeak(text) == "для [[vVl'os]], да"
    assert Lexicon({}).for_piper(text) == "для [[vaɭˈos]], да"
    assert respelled(text) == "для волос, да"
    assert respelled(text, lambda vowel: f"+{vowel}") == "для вол+ос, да"
    assert with_ipa(text, lambda word, ipa: f"<{word}|{ipa}>", str.upper) == "ДЛЯ <волос|vaɭˈos>, ДА"
    assert without_marks(text) == "для волос, да"


def test_words_of_a_phrase_are_blocks_of_their_own_so_that_no_clause_is_cut_inside() -> None:
    text = marked("каре на ножке", CUT)
    assert Lexicon({}).for_espeak(text) == "[[kVr'E]] [[n'A]] [[n'oSk;i]]"


@given(st.text(alphabet="волс \ue000\ue001\ue002[]", max_size=40))
@settings(max_examples=100, deadline=None)
def test_broken_marks_do_no_harm(text: str) -> None:
    for said in (Lexicon({}).for_espeak(text), Lexicon({}).for_piper(text), respelled(text), without_marks(text)):
        assert not set(said) & set("\ue000\ue001\ue002")


def test_a_lexicon_marks_whole_words_and_the_longest_phrase() -> None:
    lexicon = CompanyLexicon([entry("волос", HAIR), entry("каре на ножке", CUT), entry("каре", HAIR)])
    said = lexicon.mark("Каре на ножке, каре и для Волос; волосы, волос-то", "ru")
    assert without_marks(said) == "Каре на ножке, каре и для Волос; волосы, волос-то"
    assert Lexicon({}).for_espeak(said).count("[[vVl'os]]") == 2
    assert "[[n'oSk;i]], [[vVl'os]]" in Lexicon({}).for_espeak(said)
    assert said.endswith("; волосы, волос-то")


def test_yo_and_ye_are_one_and_other_languages_are_left_alone() -> None:
    lexicon = CompanyLexicon([entry("шелк", HAIR)])
    assert lexicon.mark("Шёлк", "ru") == marked("Шёлк", HAIR)
    assert lexicon.mark("шелк", "en") == "шелк"


def test_marks_that_a_text_brings_along_are_dropped() -> None:
    assert CompanyLexicon().mark(marked("имя", HAIR), "ru") == "имя"


def test_a_companys_word_wins_over_the_products() -> None:
    shipped = Lexicon({"волос": "xxx"}, {"волос": "yyy"})
    said = CompanyLexicon([entry("волос", HAIR)]).mark("волос и волос", "ru")
    assert shipped.for_espeak(said) == "[[vVl'os]] и [[vVl'os]]"
    assert shipped.for_piper("волос") == "[[yyy]]"


def test_the_phoneme_table_reads_mnemonics_as_espeak_does(table: PhonemeTable) -> None:
    assert table.checked("  bVlVj'AS ") == "bVlVj'AS"
    for wrong, why in (("bVQЖ'A", "unknown phoneme «Ж»"), ("ts", "no vowel"), ("vVlos", "no stress")):
        with pytest.raises(ValueError, match=why):
            table.checked(wrong)


@pytest.mark.parametrize(
    ("written", "plain", "said"),
    [
        ("во\u0301лос", "v'olVs", "v'olVs"),
        ("воло\u0301с", "v'olVs", "vVl'os"),
        ("за\u0301мок", "zam'ok", "z'AmVk"),
        ("балая\u0301ж", "bal'AjaS", "balVj'AS"),
        ("де\u0301вушки", "d;'evuSk;I", "d;'evuSk;I"),
        ("девушки\u0301", "d;'evuSk;I", "d;evuSk;'i"),
        ("я\u0301рмарка", "'jarmVrka#", "'jarmVrka#"),
        ("красоты\u0301", "k@-ras'oty", "k@-rasVt'y"),
        ("волос", "v'olVs", "v'olVs"),
    ],
)  # fmt: skip
def test_the_stress_moves_and_the_vowels_follow(table: PhonemeTable, written: str, plain: str, said: str) -> None:
    assert table.stressed(written, plain) == said
    table.split(said)


def test_a_stress_that_cannot_be_placed_is_said(table: PhonemeTable) -> None:
    with pytest.raises(ValueError, match=r"\[\[\.\.\.\]\]"):
        table.stressed("воло\u0301со", "v'olVs")


def test_a_foreign_phoneme_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "phontab").write_bytes(b"\x05\0\0\0rubbish")
    with pytest.raises(ValueError, match="another version"):
        PhonemeTable.read(tmp_path / "phontab", "ru")
    with pytest.raises(ValueError, match="xx"):
        PhonemeTable.read(Path(espeakng_loader.get_data_path()) / "phontab", "xx")


class Phonemes:
    async def phonemes(self, text: str, language: str) -> dict[str, list[str]]:
        if "Ж" in text:
            raise InvalidInput("unknown phoneme 'Ж'")
        return {"mnemonics": text.split(), "ipa": text.split()}


def plain(text: str, language: str) -> str:
    return text.lower()


@pytest.mark.parametrize(
    ("word", "said", "complaint"),
    [
        ("", "дом", "word:"), ("123", "дом", "word:"), ("x" * 81, "дом", "word:"), ("дом", "", "said:"),
        ("дом", "dom", "Russian letters"), ("дом", "[[d'om", "one [[ and ]]"), ("дом", "[[d'o]] x", "one [[ and ]]"),
        ("дом", "[[Ж]]", "said: unknown phoneme"), ("дом", "д\u0301ом", "behind its vowel"),
        ("дом", "до\u0301мо\u0301к", "two stresses"), ("дом", "до" * 150, "at most 200"),
    ],
)  # fmt: skip
async def test_a_wrong_entry_names_its_field(word: str, said: str, complaint: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await pronunciation("ru", word, said, Phonemes(), plain)
    assert complaint in refusal.value.message


async def test_the_word_is_looked_for_as_it_is_spoken() -> None:
    made = await pronunciation("ru", "L'Oréal", "лор+еаль", Phonemes(), lambda _text, _language: "Лореаль.")
    assert (made.word, made.spoken, made.saying.respelling) == ("L'Oréal", "лореаль", "лоре\u0301аль")


class Engine:
    name, rate_hz = "engine", 8000

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def synthesize(self, text: str, language: str = "ru") -> AsyncIterator[bytes]:
        self.texts.append(text)
        yield b"\1\0" * 160

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...


async def test_a_bank_that_speaks_for_a_company_shares_all_but_its_words() -> None:
    engine = Engine()
    bank = VoiceBank([engine], _Clock())  # type: ignore[arg-type]
    salon = bank.speaking_for(CompanyLexicon([entry("волос", HAIR)]).mark)
    await bank.prepare(["Секунду.", "для волос"], "ru", 8000)
    assert salon.ready("Секунду.", "ru", 8000) is not None
    assert salon.ready("для волос", "ru", 8000) is None
    await salon.prepare(["для волос"], "ru", 8000)
    assert engine.texts == ["Секунду.", "для волос", f"для {marked('волос', HAIR)}"]
    assert salon.ready("для волос", "ru", 8000) is not None
    other = bank.speaking_for(CompanyLexicon([entry("волос", CUT)]).mark)
    assert other.ready("для волос", "ru", 8000) is None


class _Clock:
    def monotonic_s(self) -> float:
        return 0.0


def test_a_voice_that_knows_no_phonemes_gets_letters_with_their_stress() -> None:
    assert spelled_out(f"для {marked('волос', HAIR)}, за\u0301мок") == "для воло\u0301с, за\u0301мок"
