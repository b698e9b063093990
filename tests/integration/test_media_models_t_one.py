"""T-one on a graph of its interface: state from chunk to chunk, greedy CTC, what is stable, what goes wrong."""

import asyncio
import math
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from core.errors import ConfigurationError
from media_models.adapters.t_one import LABELS, RATE_HZ, GreedyText, TOneDecoder, TOneModel, TOneRecognizer
from media_models.engines import EngineSettings, build_engines, engine_of_folder
from media_models.library import ModelLibrary
from tests.t_one_graph import CERTAIN, STATE_SIZE, SYMBOLS, spoken, write_graph
from tests.t_one_graph import LABELS as GRAPH_LABELS

TEXT = "запишите анну на ванну в субботу"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("t-one")
    write_graph(path / "model.onnx")
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> TOneModel:
    return TOneModel(folder / "model.onnx", threads=1)


def heard(model: TOneModel, pcm: bytes, piece: int) -> str:
    decoder = TOneDecoder(model)
    samples = np.frombuffer(pcm, "<i2")
    for start in range(0, len(samples), piece):
        decoder.accept(samples[start : start + piece])
    return decoder.final().text


def test_the_vocabulary_is_that_of_the_model() -> None:
    assert LABELS == GRAPH_LABELS
    assert len(LABELS) + 1 == SYMBOLS


def test_the_state_has_the_size_of_the_graph(model: TOneModel) -> None:
    assert model.state_size == STATE_SIZE
    assert model.primed.shape == (1, STATE_SIZE)
    assert model.primed.dtype == np.float16


@pytest.mark.parametrize("piece", [160, 1920, 2400, 2399, 7000, 1_000_000])
def test_the_text_does_not_depend_on_how_audio_is_cut(model: TOneModel, piece: int) -> None:
    assert heard(model, spoken(TEXT), piece) == TEXT


def test_a_final_result_leaves_the_turn_as_it_was(model: TOneModel) -> None:
    pcm = spoken(TEXT)
    for cut in range(0, len(pcm), 2 * 1111):
        decoder = TOneDecoder(model)
        decoder.accept(np.frombuffer(pcm[:cut], "<i2"))
        early = decoder.final().text
        assert decoder.final().text == early
        decoder.accept(np.frombuffer(pcm[cut:], "<i2"))
        assert decoder.final().text == TEXT


@pytest.mark.parametrize("silence_ms", [0, 90, 210, 330, 390, 720, 1500])
def test_a_final_result_runs_no_more_than_the_last_letter_needs(
    model: TOneModel, monkeypatch: pytest.MonkeyPatch, silence_ms: int
) -> None:
    decoder = TOneDecoder(model)
    speech = np.frombuffer(spoken(TEXT), "<i2")
    decoder.accept(np.concatenate([speech, np.zeros(8 * silence_ms, np.int16)]))
    runs: list[int] = []
    run = model.run
    monkeypatch.setattr(model, "run", lambda *of: (runs.append(1), run(*of))[1])
    assert decoder.final().text == TEXT
    assert len(runs) <= (2 if silence_ms < 330 else 1 if silence_ms < 700 else 0)
    decoder.accept(np.frombuffer(spoken(" а"), "<i2"))
    assert decoder.final().text == f"{TEXT} а"


async def test_partial_results_only_grow_and_their_stable_words_stay(folder: Path) -> None:
    recognizer = TOneRecognizer(folder, threads=1)
    stream = recognizer.open_stream(RATE_HZ)
    pcm = spoken(TEXT)
    stable: list[str] = []
    for start in range(0, len(pcm), 3840):
        stream.feed(pcm[start : start + 3840])
        partial = await stream.partial()
        assert TEXT.startswith(partial.text)
        stable.append(partial.text[: partial.stable_chars])
    final = await stream.final()
    assert final.text == TEXT
    assert final.stable_chars == len(TEXT)
    assert final.confidence == pytest.approx(math.exp(CERTAIN), abs=0.01)
    assert all(f"{TEXT} ".startswith(f"{words} ") for words in stable if words)
    assert stable[-1] == "запишите анну на ванну"
    stream.close()
    await recognizer.close()


async def test_a_partial_result_says_how_much_of_the_audio_it_covers(folder: Path) -> None:
    recognizer = TOneRecognizer(folder, threads=1)
    for rate_hz in (8_000, 16_000):
        stream = recognizer.open_stream(rate_hz)
        stream.feed(spoken(TEXT, rate_hz=rate_hz)[: 2 * rate_hz])  # one second
        covered = (await stream.partial()).audio_bytes
        # Three chunks of 300 ms, less what the model says late; the resampler may hold back the third.
        assert covered in {2 * rate_hz * ms // 1000 for ms in (570, 270)}, (rate_hz, covered)
        assert (await stream.final()).audio_bytes == -1
        stream.close()
    await recognizer.close()


async def test_calls_share_the_model_and_do_not_mix(folder: Path) -> None:
    recognizer = TOneRecognizer(folder, threads=1)
    texts = ["на маникюр", "к анне", "завтра вечером", "да"]
    streams = [recognizer.open_stream(RATE_HZ) for _ in texts]
    audio = [spoken(text) for text in texts]
    for start in range(0, max(map(len, audio)), 4800):
        for stream, pcm in zip(streams, audio, strict=True):
            stream.feed(pcm[start : start + 4800])
        await asyncio.gather(*(stream.partial() for stream in streams))
    finals = await asyncio.gather(*(stream.final() for stream in streams))
    assert [final.text for final in finals] == texts
    streams[0].close()
    assert (await streams[0].final()).text == ""
    await recognizer.close()


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
async def test_wider_audio_is_brought_to_the_telephone_rate(folder: Path, rate_hz: int) -> None:
    recognizer = TOneRecognizer(folder, threads=1)
    stream = recognizer.open_stream(rate_hz)
    pcm = spoken("добрый день", frames_a_letter=4, rate_hz=rate_hz) + bytes(rate_hz // 5)
    for start in range(0, len(pcm), rate_hz // 25):
        stream.feed(pcm[start : start + rate_hz // 25])
    text = (await stream.final()).text
    # The graph hears each step of loudness, and the filter rounds the steps: letters may be added, none may be lost.
    letters = iter(text)
    assert all(letter in letters for letter in "добрый день"), text
    await recognizer.close()


async def test_silence_and_nothing_are_no_speech(folder: Path) -> None:
    recognizer = TOneRecognizer(folder, threads=1)
    await recognizer.warm_up()
    stream = recognizer.open_stream(RATE_HZ)
    assert (await stream.final()).text == ""
    stream.feed(np.full(24_000, 30, "<i2").tobytes())  # -61 dBFS: the graph hears no letter, and it is below speech
    assert (await stream.partial()).text == ""
    stream.feed(b"\0")  # half a sample waits for its other half
    final = await stream.final()
    assert (final.text, final.confidence) == ("", 0.0)
    await recognizer.close()


def test_frames_of_one_letter_are_one_letter_until_a_blank_parts_them() -> None:
    rows = np.full((6, SYMBOLS), -9.0, np.float32)
    for frame, symbol in enumerate([13, 13, 34, 13, 33, 0]):
        rows[frame, symbol] = -0.2
    text = GreedyText().with_frames(rows[:2]).with_frames(rows[2:])
    assert text.letters == "мм а".replace("м", LABELS[13]).replace("а", LABELS[0])
    assert text.hypothesis().stable_chars == 2
    assert text.hypothesis().confidence == pytest.approx(math.exp(-0.2))


@pytest.mark.parametrize(
    "wrong",
    [
        {"symbols": 34},
        {"chunk": 4800},
        {"signal_type": TensorProto.FLOAT},
        {"state_type": TensorProto.FLOAT},
        {"signal_name": "audio"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_another_graph_is_refused_by_name(tmp_path: Path, wrong: dict[str, int]) -> None:
    write_graph(tmp_path / "model.onnx", **wrong)
    with pytest.raises(ConfigurationError, match="not the T-one model"):
        await TOneRecognizer(tmp_path, threads=1).warm_up()


async def test_a_damaged_or_missing_graph_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ai-admin models get t-one"):
        TOneRecognizer(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    recognizer = TOneRecognizer(tmp_path)
    with pytest.raises(ConfigurationError, match="cannot be loaded"):
        await recognizer.warm_up()
    with pytest.raises(ConfigurationError, match="cannot be loaded"):  # and the decode thread lives on
        await recognizer.warm_up()
    await recognizer.close()


def test_an_unknown_rate_is_named(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="11025"):
        TOneRecognizer(folder).open_stream(11_025)


async def test_the_chosen_model_is_what_the_product_builds(folder: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    (models / "ours").mkdir(parents=True)
    (models / "ours" / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    (models / "catalogue.yaml").write_text(
        'hosts: {none: "http://127.0.0.1:9/{path}"}\n'
        "models: [{name: ours, kind: recognizer, engine: t-one, languages: [ru], licence: own, host: none,"
        " files: [{path: model.onnx}]}]\n"
    )
    library = ModelLibrary(models)
    library.get("ours")  # copied by hand: nothing is fetched
    library.use("ours")
    engines = build_engines(EngineSettings(models, tmp_path / "cache"))
    assert engines.recognizer.name == "t-one"
    assert not any("встроенная модель" in notice for notice in engines.notices)
    stream = engines.recognizer.open_stream(RATE_HZ)
    stream.feed(spoken(TEXT))
    assert (await stream.final()).text == TEXT
    stream.close()
    await engines.close()
    named = build_engines(EngineSettings(models, tmp_path / "cache", recognizer=str(folder)))
    assert named.recognizer.name == "t-one"
    await named.close()


def test_a_folder_tells_which_program_reads_it(folder: Path, tmp_path: Path) -> None:
    assert engine_of_folder(folder) == "t-one"
    assert engine_of_folder(tmp_path) == "faster-whisper"
    (tmp_path / "am").mkdir()
    (tmp_path / "am" / "final.mdl").touch()
    assert engine_of_folder(tmp_path) == "vosk"
