"""The pure parts of the cloud engines: wire, formats, texts, tokens, a company's choice and the rule of its region."""

import base64
import json
import secrets
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import SystemClock
from core.errors import ConfigurationError, InvalidInput
from media_models.adapters.stub import StubRecognizer, StubSynthesizer
from media_models.adapters.yandex_tts import WordMarks, with_pluses
from media_models.choice import SpeechChoice
from media_models.cloud.gate import Endpoint, Gate
from media_models.cloud.google_auth import GoogleKey
from media_models.cloud.mulaw import decode_mulaw, mulaw_table
from media_models.cloud.protobuf import load_messages, parse_proto
from media_models.cloud.speech import LevelMemory, split_text
from media_models.company_engines import build_company_engines
from media_models.regions import ForeignTransfer, check_host, check_vendor
from tests.simulators.elevenlabs.server import encode_mulaw
from tests.simulators.google_speech.auth import EMAIL, ServiceAccount
from tests.simulators.speech_vendor import tone, unknown_fields

ACCOUNT = ServiceAccount()

# --- the wire ----------------------------------------------------------------------------------------------------


def field(number: int, wire_type: int, value: bytes) -> bytes:
    """A protobuf field by hand (protobuf.dev/programming-guides/encoding); numbers below 16, lengths below 128."""
    head = bytes([number << 3 | wire_type])
    return head + (bytes([len(value)]) if wire_type == 2 else b"") + value


def test_yandex_messages_are_the_documented_bytes() -> None:
    make = load_messages("yandex_stt_v3")
    request = make.StreamingRequest(chunk={"data": b"ab"})
    assert request.SerializeToString() == field(2, 2, field(1, 2, b"ab"))
    request = make.StreamingRequest(eou={})
    assert request.SerializeToString() == field(4, 2, b"")
    raw = field(1, 0, b"\1") + field(2, 0, b"\xc0\x3e") + field(3, 0, b"\1")
    model = field(1, 2, b"general") + field(2, 2, field(1, 2, raw))
    options = make.StreamingRequest(
        session_options={
            "recognition_model": {
                "model": "general",
                "audio_format": {
                    "raw_audio": {"audio_encoding": 1, "sample_rate_hertz": 8000, "audio_channel_count": 1}
                },
            },
            "eou_classifier": {"external_classifier": {}},
        }
    )
    assert options.SerializeToString() == field(1, 2, field(1, 2, model) + field(2, 2, field(2, 2, b"")))
    alternative = field(2, 2, "да".encode()) + field(5, 1, struct.pack("<d", 0.5))
    final = make.StreamingResponse.FromString(field(5, 2, field(1, 2, alternative)))
    assert final.WhichOneof("Event") == "final"
    assert (final.final.alternatives[0].text, final.final.alternatives[0].confidence) == ("да", 0.5)


def test_yandex_voice_messages_are_the_documented_bytes() -> None:
    make = load_messages("yandex_tts_v3")
    request = make.UtteranceSynthesisRequest(
        text="да", hints=[{"voice": "alena"}, {"speed": 1.5}], loudness_normalization_type="LUFS"
    )
    hints = field(4, 2, field(1, 2, b"alena")) + field(4, 2, field(3, 1, struct.pack("<d", 1.5)))
    assert request.SerializeToString() == field(2, 2, "да".encode()) + hints + field(6, 0, b"\2")
    timing = field(1, 2, "да".encode()) + field(2, 0, b"\5") + field(3, 0, b"\7")
    response = make.UtteranceSynthesisResponse.FromString(field(1, 2, field(1, 2, b"xy")) + field(5, 2, timing))
    assert response.audio_chunk.data == b"xy"
    assert (response.word_timings[0].word, response.word_timings[0].length_ms) == ("да", 7)


def test_google_messages_are_the_documented_bytes() -> None:
    make = load_messages("google_speech_v2")
    assert make.StreamingRecognizeRequest(audio=b"ab").SerializeToString() == field(5, 2, b"ab")
    phrases = field(3, 2, field(1, 2, "да".encode())) + field(4, 5, struct.pack("<f", 10.0))
    adaptation = field(6, 2, field(1, 2, field(2, 2, phrases)))
    config = make.RecognitionConfig(
        model="long",
        language_codes=["ru-RU"],
        adaptation={"phrase_sets": [{"inline_phrase_set": {"phrases": [{"value": "да"}], "boost": 10}}]},
    )
    assert config.SerializeToString() == adaptation + field(9, 2, b"long") + field(10, 2, b"ru-RU")
    offset = field(1, 0, b"\3") + field(2, 0, b"\1")
    result = field(1, 2, field(1, 2, "да".encode())) + field(2, 0, b"\1") + field(4, 2, offset)
    response = make.StreamingRecognizeResponse.FromString(field(6, 2, result))
    (parsed,) = response.results
    assert (parsed.is_final, parsed.result_end_offset.seconds) == (True, 3)


def test_a_misspelt_field_or_message_is_an_error() -> None:
    make = load_messages("yandex_stt_v3")
    with pytest.raises(ValueError, match="chunkk"):
        make.StreamingRequest(chunkk={})
    with pytest.raises(AttributeError, match="StreamingRequst"):
        _ = make.StreamingRequst


@pytest.mark.parametrize(
    "text",
    ['syntax = "proto2";', "service A {}", 'import "other.proto";', "message A { string a 1; }", "message A { "],
)
def test_what_the_reader_does_not_know_it_refuses(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"a\.proto"):
        parse_proto("a.proto", text)


def test_fields_that_a_vendor_does_not_know_are_seen() -> None:
    make = load_messages("yandex_stt_v3")
    inner = field(1, 2, field(1, 2, b"") + field(9, 2, b"y"))
    assert unknown_fields(make.StreamingRequest.FromString(inner)) == [".session_options#9"]


# --- sound and text ----------------------------------------------------------------------------------------------


def test_mu_law_is_the_telephone_s() -> None:
    table = mulaw_table()
    assert (table[0xFF], table[0x7F], table[0x00], table[0x80]) == (0, 0, -32124, 32124)
    pcm = tone(0.1, 8_000, -10)
    decoded = np.frombuffer(decode_mulaw(encode_mulaw(pcm), table), "<i2").astype(float)
    error = decoded - np.frombuffer(pcm, "<i2")
    assert 10 * np.log10(np.mean(decoded**2) / np.mean(error**2)) > 35, "G.711's own quantisation noise"


@settings(max_examples=200, deadline=None)
@given(st.text("аб ,.!—1", max_size=300), st.integers(5, 80))
def test_parts_are_short_and_lose_nothing(text: str, most: int) -> None:
    parts = split_text(text, most)
    assert all(0 < len(part.text) <= most for part in parts)
    assert all(text[part.start : part.start + len(part.text)] == part.text for part in parts)
    said = "".join(letter for letter in text if letter.isalnum())
    assert "".join(letter for part in parts for letter in part.text if letter.isalnum()) == said


def test_a_text_is_cut_after_a_sentence_rather_than_in_it() -> None:
    text = "Добрый день. Слушаю вас, говорите, пожалуйста."
    assert [part.text for part in split_text(text, 30)] == ["Добрый день. ", "Слушаю вас, говорите, ", "пожалуйста."]


def test_loudness_is_learned_between_sentences() -> None:
    memory = LevelMemory()
    memory.learn(tone(0.5, 8_000), 8_000)
    assert memory.gain == 1.0, "too short to judge by"
    memory.learn(tone(2, 8_000, -32), 8_000)
    assert memory.gain == pytest.approx(10 ** (12 / 20), rel=0.02)
    memory.learn(bytes(64_000), 8_000)
    assert memory.gain == pytest.approx(10 ** (12 / 20), rel=0.02), "silence says nothing of a voice"
    loud = LevelMemory()
    loud.learn(tone(2, 8_000, -3), 8_000)
    assert loud.gain == 0.25


def test_stress_marks_as_yandex_writes_them() -> None:
    assert with_pluses("за\u0301мок и замо\u0301к") == "з+амок и зам+ок"
    assert with_pluses("\u0301а") == "а"


def test_word_times_are_found_in_the_text_in_order() -> None:
    words = WordMarks("Да, да, конечно")
    assert [words.after(word) for word in ("да", "да", "нет", "конечно", "конечно")] == [2, 6, 0, 15, 0]


# --- Google's keys -----------------------------------------------------------------------------------------------


def test_a_service_account_signs_its_own_tokens_and_renews_them() -> None:
    now = [1_700_000_000.0]
    key = GoogleKey.parse(ACCOUNT.key_file(), now=lambda: now[0])
    ((_, first),) = key.headers("speech.googleapis.com")
    claims = json.loads(base64.urlsafe_b64decode(first.split(".")[1] + "=="))
    assert claims["aud"] == "https://speech.googleapis.com/"
    assert (claims["iss"], claims["exp"] - claims["iat"]) == (EMAIL, 3600)
    now[0] += 3_200
    assert key.headers("speech.googleapis.com") == [("authorization", first)]
    assert key.headers("texttospeech.googleapis.com") != [("authorization", first)]
    now[0] += 200
    assert key.headers("speech.googleapis.com") != [("authorization", first)]


@pytest.mark.parametrize("key", ["", "  ", "two words", '{"private_key": 7}', "{}", '{"private_key": "no pem"}'])
def test_a_damaged_key_says_what_to_paste_and_is_not_repeated(key: str) -> None:
    with pytest.raises(ConfigurationError, match="ai-admin speech key google") as caught:
        GoogleKey.parse(key)
    assert not key.strip() or key not in caught.value.message


def test_a_key_does_not_show_itself() -> None:
    text = repr(GoogleKey.parse(ACCOUNT.key_file())) + repr(GoogleKey.parse(secret := secrets.token_hex(16)))
    assert "PRIVATE" not in text
    assert secret not in text


# --- the rule of the region --------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", ["google", "elevenlabs", "somebody"])
def test_foreign_vendors_are_refused_to_a_russian_company_by_name_of_the_rule(vendor: str) -> None:
    with pytest.raises(ForeignTransfer, match="152-ФЗ"):
        check_vendor("RU", vendor)
    check_vendor("DE", vendor)


@pytest.mark.parametrize(
    "host",
    [
        "speech.googleapis.com", "api.elevenlabs.io", "stt.api.cloud.yandex.net.evil.com", "yandex.net.evil.com",
        "xyandex.net", "8.8.8.8", "2001:4860:4860::8888", "",
    ],
)  # fmt: skip
def test_hosts_abroad_are_refused(host: str) -> None:
    with pytest.raises(ForeignTransfer):
        check_host("RU", host)
    with pytest.raises(ForeignTransfer):
        check_host("ru", host)


def test_every_way_out_of_the_gate_is_guarded() -> None:
    gate, abroad = Gate("RU"), Endpoint("api.elevenlabs.io")
    for go in (
        lambda: gate.grpc(abroad),
        lambda: gate.http(abroad, 1.0),
        lambda: gate.websocket(abroad, "/", {}, 1.0),
        lambda: gate.check(abroad),
    ):
        with pytest.raises(ForeignTransfer):
            go()
    gate.check(Endpoint("stt.api.cloud.yandex.net"))


def test_only_this_machine_is_spoken_to_without_tls() -> None:
    assert Endpoint("stt.api.cloud.yandex.net").secure
    assert Endpoint("localhost").secure, "a name can be pointed anywhere"
    assert not Endpoint("127.0.0.1").secure
    assert Endpoint("::1", 50051).address == "[::1]:50051"


# --- a company's choice ------------------------------------------------------------------------------------------


def test_nothing_chosen_is_nothing_asked() -> None:
    choice = SpeechChoice.of({})
    assert (choice.vendors, choice.recognizers) == ((), ())
    assert SpeechChoice.of({"speech": {"recognizers": ["yandex", "embedded"]}}).recognizers == ("yandex",)


@pytest.mark.parametrize(
    ("speech", "field_name"),
    [
        ({"recognizers": ["elevenlabs"]}, r"speech\.recognizers\.0"),
        ({"recognizers": ["yandex", "yandex"]}, r"speech\.recognizers"),
        ({"recognizers": ["embedded", "yandex"]}, r"speech\.recognizers"),
        ({"synthesizers": "yandex"}, r"speech\.synthesizers"),
        ({"yandex": {"speed": 9}}, r"speech\.yandex\.speed"),
        ({"yandex": {"voise": "alena"}}, r"speech\.yandex\.voise"),
        ({"data_region": "US"}, r"speech\.data_region"),
        ({"google": {"location": "eu.evil.com/"}}, r"speech\.google\.location"),
        ([], None),
        (["yandex"], "speech"),
    ],
)
def test_a_wrong_choice_names_its_field(speech: object, field_name: str | None) -> None:
    if field_name is None:
        assert SpeechChoice.of({"speech": speech}).vendors == ()
        return
    with pytest.raises(InvalidInput, match=field_name):
        SpeechChoice.of({"speech": speech})


def test_a_choice_is_checked_against_the_region_before_it_is_stored() -> None:
    abroad = SpeechChoice.of({"speech": {"recognizers": ["google"], "synthesizers": ["yandex"]}})
    with pytest.raises(ForeignTransfer, match="google"):
        abroad.check("RU")
    abroad.check("KZ")
    stricter = abroad.model_copy(update={"data_region": "RU"})
    with pytest.raises(ForeignTransfer):
        stricter.check("KZ")


async def test_engines_that_cannot_be_built_are_named_and_the_others_serve() -> None:
    choice = SpeechChoice.of(
        {"speech": {"recognizers": ["google", "yandex"], "synthesizers": ["elevenlabs", "yandex"]}}
    )
    built = build_company_engines(
        choice,
        region="RU",
        keys={"google": ACCOUNT.key_file(), "elevenlabs": secrets.token_hex(8)},
        recognizer=StubRecognizer(),
        synthesizer=StubSynthesizer(),
        clock=SystemClock(),
    )
    assert (built.recognizer.name, built.synthesizer.name) == ("embedded", "embedded")
    assert [problem.code for problem in built.problems] == ["data_region", "configuration"] * 2
    assert "ai-admin speech key yandex" in built.problems[1].message
    await built.close()


async def test_the_order_is_the_company_s() -> None:
    choice = SpeechChoice.of(
        {
            "speech": {
                "recognizers": ["yandex", "google"],
                "synthesizers": ["elevenlabs", "google", "yandex"],
                "elevenlabs": {"voice": "v"},
            }
        }
    )
    keys = {"google": ACCOUNT.key_file(), "elevenlabs": secrets.token_hex(8), "yandex": secrets.token_hex(8)}
    built = build_company_engines(
        choice, region="DE", keys=keys, recognizer=StubRecognizer(), synthesizer=StubSynthesizer(), clock=SystemClock()
    )
    assert built.problems == ()
    assert built.recognizer.name == "yandex>google>embedded"
    assert built.synthesizer.name == "elevenlabs>google>yandex>embedded"
    await built.close()
