"""The catalogue's data and its reader."""

import pytest

from core.errors import ConfigurationError, NotFound
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
