"""How a model wants to be used: its own file, else a table."""

from pathlib import Path

import pytest

from core.errors import ConfigurationError
from media_models.adapters.faster_whisper import FasterWhisperRecognizer
from media_models.engines import embedded_recognizer_folder
from media_models.profiles import EngineProfile, policy_for


def test_a_folder_without_a_model_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ai-admin models get"):
        FasterWhisperRecognizer(tmp_path)


def test_the_embedded_model_says_that_it_stands_in() -> None:
    profile = EngineProfile.read(embedded_recognizer_folder())
    assert profile.stand_in
    assert profile.trim_padding_frames > 0
    assert profile.languages == ("ru",)


def test_a_folder_without_a_profile_is_a_real_whisper(tmp_path: Path) -> None:
    profile = EngineProfile.read(tmp_path)
    assert not profile.stand_in
    assert profile.trim_padding_frames == 0
    assert profile.window_s > 20


def test_a_damaged_profile_is_named(tmp_path: Path) -> None:
    (tmp_path / "engine.json").write_text('{"window": 3}')
    with pytest.raises(ConfigurationError, match=r"engine\.json"):
        EngineProfile.read(tmp_path)


def test_a_rate_that_is_not_served_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="8000"):
        FasterWhisperRecognizer(embedded_recognizer_folder()).open_stream(11025)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("whisper-large-v3-turbo", "turbo"),
        ("faster-distil-whisper-large-v3", "distil"),
        ("whisper-large-v3", "large"),
        ("whisper-small", "small"),
    ],
)
def test_a_whisper_is_known_by_its_name(name: str, size: str) -> None:
    assert policy_for(name) == policy_for(size)
    assert policy_for(name, "cuda") != policy_for(name)


def test_a_slow_model_on_a_cpu_gives_final_texts_only() -> None:
    assert policy_for("whisper-medium")["partial_every_ms"] == 0
    assert policy_for("whisper-medium", "cuda")["partial_every_ms"] > 0


def test_the_folder_goes_before_the_table(tmp_path: Path) -> None:
    folder = tmp_path / "whisper-small"
    folder.mkdir()
    assert EngineProfile.read(folder, "cuda").batch > 1
    (folder / "engine.json").write_text('{"name": "whisper-small", "batch": 3}')
    profile = EngineProfile.read(folder, "cuda")
    assert profile.batch == 3
    assert profile.partial_every_ms == policy_for("whisper-small", "cuda")["partial_every_ms"]


@pytest.mark.parametrize("wrong", ['{"batch": 0}', '{"window_s": "long"}', '{"partial_beam": 0}', "[]"])
def test_a_profile_that_cannot_be_worked_with_is_named(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "engine.json").write_text(wrong)
    with pytest.raises(ConfigurationError, match=r"engine\.json"):
        EngineProfile.read(tmp_path)
