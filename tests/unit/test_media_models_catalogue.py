"""The catalogue's data and its reader."""

from pathlib import Path

import pytest

from core.errors import ConfigurationError, InvalidInput, NotFound
from media_models.catalogue import Catalogue, EngineKind
from media_models.library import purposes

MINIMAL = """
hosts: {there: "http://127.0.0.1:1/{repository}/{revision}/{path}"}
models:
  - {name: tiny, kind: voice, engine: piper, languages: [ru, en], licence: MIT, host: there, repository: a/b,
     revision: "1", files: [{path: x/y.onnx, size: 5}]}
"""


def test_the_shipped_catalogue_names_source_licence_and_checksum() -> None:
    entries = Catalogue.shipped().entries
    assert {"embedded-ru", "espeak", "whisper-small", "whisper-large-v3-turbo", "piper-ru-dmitri"} <= {
        entry.name for entry in entries
    }
    for entry in entries:
        assert entry.licence
        assert entry.built_in != bool(entry.files)
        if entry.engine is EngineKind.FASTER_WHISPER and not entry.built_in:
            weights = next(file for file in entry.files if file.name == "model.bin")
            assert weights.sha256, entry.name
            assert {"config.json", "tokenizer.json"} <= {file.name for file in entry.files}
            assert all(file.size_bytes for file in entry.files)


def test_every_voice_has_its_model_and_its_settings_file() -> None:
    for entry in Catalogue.shipped().entries:
        if entry.engine == "piper":
            models = [file.name for file in entry.files if file.name.endswith(".onnx")]
            assert len(models) == 1
            assert f"{models[0]}.json" in {file.name for file in entry.files}


def test_addresses_come_from_the_host_pattern_and_a_mirror_replaces_it() -> None:
    (file,) = Catalogue.parse(MINIMAL, "test").find("tiny").files
    assert file.url == "http://127.0.0.1:1/a/b/1/x/y.onnx"
    assert file.name == "y.onnx"
    mirrored = Catalogue.parse(MINIMAL, "test", hosts={"there": "https://mirror.test/{path}"})
    assert mirrored.find("tiny").files[0].url == "https://mirror.test/x/y.onnx"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(NotFound, match="whisper-small"):
        Catalogue.shipped().find("whisper-smal")


def test_a_voice_serves_each_of_its_languages() -> None:
    entry = Catalogue.parse(MINIMAL, "test").find("tiny")
    assert purposes(entry) == ("voice.ru", "voice.en")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("languages: [ru, en]", "languages"),
        ("licence: MIT", "licence"),
        ("host: there", "host"),
        ("size: 5", "size"),
    ],
)
def test_a_wrong_catalogue_names_the_field(wrong: str, named: str) -> None:
    replacement = {"size: 5": "size: -5", "host: there": "host: elsewhere"}.get(wrong, "extra: 1")
    with pytest.raises(ConfigurationError, match=named):
        Catalogue.parse(MINIMAL.replace(wrong, replacement), "test")


def test_the_telephone_models_name_what_their_homes_publish() -> None:
    catalogue = Catalogue.shipped()
    (graph,) = catalogue.find("t-one").files
    assert graph.url.startswith("https://huggingface.co/t-tech/T-one/resolve/106f3b0b")
    assert (graph.name, graph.unpack) == ("model.onnx", False)
    assert graph.sha256
    for name in ("vosk-small-ru", "vosk-ru"):
        (archive,) = catalogue.find(name).files
        assert archive.unpack
        assert archive.index_url == "https://alphacephei.com/vosk/models/model-list.json"
        assert catalogue.find(name).size_bytes or catalogue.find(name).approximate_bytes


def test_a_licence_that_forbids_business_is_marked() -> None:
    forbidden = {entry.name for entry in Catalogue.shipped().entries if not entry.commercial}
    assert forbidden == {entry.name for entry in Catalogue.shipped().entries if "-NC-" in entry.licence}
    assert forbidden


def test_every_language_and_kind_has_a_model_that_comes_along() -> None:
    built_in = {purpose for entry in Catalogue.shipped().entries if entry.built_in for purpose in purposes(entry)}
    assert built_in == {purpose for entry in Catalogue.shipped().entries for purpose in purposes(entry)}


def test_an_installation_adds_and_replaces_entries(tmp_path: Path) -> None:
    assert Catalogue.of_installation(tmp_path) == Catalogue.shipped()
    own = MINIMAL.replace("tiny", "espeak") + MINIMAL.partition("models:\n")[2].replace("tiny", "our-voice")
    (tmp_path / "catalogue.yaml").write_text(own)
    catalogue = Catalogue.of_installation(tmp_path)
    assert catalogue.find("our-voice").files[0].name == "y.onnx"
    assert not catalogue.find("espeak").built_in
    assert len(catalogue.entries) == len(Catalogue.shipped().entries) + 1
    (tmp_path / "catalogue.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"catalogue\.yaml"):
        Catalogue.of_installation(tmp_path)


def test_a_mirror_takes_the_place_of_every_host() -> None:
    catalogue = Catalogue.shipped().at_mirror("https://mirror.test/hub/")
    assert (
        catalogue.find("whisper-tiny")
        .files[0]
        .url.startswith("https://mirror.test/hub/Systran/faster-whisper-tiny/resolve/")
    )
    assert catalogue.find("vosk-ru").files[0].index_url == "https://mirror.test/hub/vosk/models/model-list.json"
    assert catalogue.find("whisper-tiny").files[0].sha256 == Catalogue.shipped().find("whisper-tiny").files[0].sha256
    for wrong in ("mirror.test", "ftp://mirror.test", ""):
        with pytest.raises(InvalidInput, match="mirror"):
            catalogue.at_mirror(wrong)


def test_a_misspelt_name_is_guessed() -> None:
    with pytest.raises(NotFound, match="Did you mean piper-ru-dmitri"):
        Catalogue.shipped().find("piper-ru-dmitry")
    with pytest.raises(NotFound) as caught:
        Catalogue.shipped().find("qqq")
    assert "Did you mean" not in caught.value.message
