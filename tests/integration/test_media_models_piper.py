"""Piper with a voice that needs no weights: the real PiperVoice, phonemiser and ONNX session run in the worker."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

from core.errors import ConfigurationError
from media_models.adapters.piper import PiperOptions, PiperSynthesizer
from media_models.pronunciation import Lexicon, Saying, marked

RATE = 22050
SYMBOLS = 256
SOUND_MS = 60


def sounds() -> np.ndarray:
    """One short sound per phoneme id: [256, samples]. The first three ids are pad, begin and end: silent."""
    count = RATE * SOUND_MS // 1000
    at = np.arange(count) / RATE
    table = np.zeros((SYMBOLS, count), np.float32)
    for symbol in range(3, SYMBOLS):
        low, high = 200 + symbol * 37 % 500, 900 + symbol * 91 % 1500
        table[symbol] = 0.1 * np.hanning(count) * (np.sin(2 * np.pi * low * at) + 0.5 * np.sin(2 * np.pi * high * at))
    return table


def write_voice(folder: Path) -> Path:
    """A graph with the inputs and outputs of a Piper voice: it looks sounds up and stretches them by length_scale."""
    count = RATE * SOUND_MS // 1000
    constants = {
        "sounds": sounds(),
        "flat": np.array([-1], np.int64),
        "pad": np.array(0, np.int64),
        "scale_index": np.array(1, np.int64),
        "sound_samples": np.array(float(count), np.float32),
        "axis_0": np.array([0], np.int64),
        "axis_1": np.array([1], np.int64),
        "one": np.array([1], np.int64),
        "audio_shape": np.array([1, 1, -1], np.int64),
    }
    nodes = [
        helper.make_node("Reshape", ["input", "flat"], ["ids"]),
        helper.make_node("Equal", ["ids", "pad"], ["is_pad"]),
        helper.make_node("Not", ["is_pad"], ["is_sound"]),
        helper.make_node("Compress", ["ids", "is_sound"], ["spoken"], axis=0),
        helper.make_node("Gather", ["sounds", "spoken"], ["rows"], axis=0),
        helper.make_node("Gather", ["scales", "scale_index"], ["length_scale"]),
        helper.make_node("Mul", ["length_scale", "sound_samples"], ["exact_length"]),
        helper.make_node("Ceil", ["exact_length"], ["whole_length"]),
        helper.make_node("Cast", ["whole_length"], ["length"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["length", "axis_0"], ["length_1"]),
        helper.make_node("Shape", ["spoken"], ["spoken_count"]),
        helper.make_node("Concat", ["spoken_count", "one", "length_1"], ["size"], axis=0),
        helper.make_node("Unsqueeze", ["rows", "axis_1"], ["rows_3d"]),
        helper.make_node("Resize", ["rows_3d", "", "", "size"], ["stretched"], mode="linear"),
        helper.make_node("Reshape", ["stretched", "audio_shape"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "table_voice",
        [
            helper.make_tensor_value_info("input", TensorProto.INT64, ["batch", "phonemes"]),
            # Declared though unused: onnxruntime refuses to be fed what a graph does not declare.
            helper.make_tensor_value_info("input_lengths", TensorProto.INT64, ["batch"]),
            helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
        ],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, "time"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    path = folder / "ru_RU-table-test.onnx"
    onnx.save(model, str(path))
    config = {
        "audio": {"sample_rate": RATE, "quality": "test"},
        "espeak": {"voice": "ru"},
        "phoneme_type": "espeak",
        "num_symbols": SYMBOLS,
        "num_speakers": 1,
        "speaker_id_map": {},
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
    }
    path.with_name(path.name + ".json").write_text(json.dumps(config, ensure_ascii=False), "utf-8")
    return path


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voice(tmp_path_factory.mktemp("voice"))


@pytest.fixture
async def piper(voice: Path) -> AsyncIterator[PiperSynthesizer]:
    synthesizer = PiperSynthesizer(voice)
    await synthesizer.warm_up()
    yield synthesizer
    await synthesizer.close()


async def spoken(synthesizer: PiperSynthesizer, text: str) -> bytes:
    return b"".join([piece async for piece in synthesizer.synthesize(text)])


def level(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, "<i2") / 32768
    power = (samples[: len(samples) // 160 * 160].reshape(-1, 160) ** 2).mean(axis=1)
    return float(10 * np.log10(power[power > power.max() / 1000].mean()))


async def test_a_voice_speaks_in_pieces_at_the_telephone_rate(piper: PiperSynthesizer) -> None:
    pieces = [piece async for piece in piper.synthesize("Добрый день, чем могу помочь?")]
    assert piper.rate_hz == 8000
    assert {len(piece) for piece in pieces} == {320}
    assert len(pieces) * 0.02 > 1.0


async def test_short_and_long_sentences_are_equally_loud(piper: PiperSynthesizer) -> None:
    levels = [level(await spoken(piper, text)) for text in ("Да.", "Записываю вас на завтра, на двенадцать часов.")]
    assert levels[0] == pytest.approx(levels[1], abs=1.5)
    assert levels[1] == pytest.approx(-20, abs=2.5)


async def test_the_first_clause_is_heard_before_the_text_is_made(piper: PiperSynthesizer) -> None:
    long = "Да, " + "есть время в десять часов, " * 60
    await spoken(piper, "Да.")
    begun = time.perf_counter()
    speech = piper.synthesize(long)
    await anext(speech)
    assert time.perf_counter() - begun < 0.25
    await speech.aclose()  # type: ignore[attr-defined]


async def test_closing_frees_the_engine_for_the_next_caller(piper: PiperSynthesizer) -> None:
    speech = piper.synthesize("и ещё одно предложение, " * 100)
    await anext(speech)
    await speech.aclose()  # type: ignore[attr-defined]
    assert await asyncio.wait_for(spoken(piper, "Да."), 1.0)


async def test_speed_is_an_option(voice: Path, piper: PiperSynthesizer) -> None:
    slow = PiperSynthesizer(voice, PiperOptions(length_scale=2.0))
    normal_size, slow_size = len(await spoken(piper, "Добрый день.")), len(await spoken(slow, "Добрый день."))
    pause = 2 * 8 * 150
    assert (slow_size - pause) / (normal_size - pause) == pytest.approx(2.0, rel=0.1)
    await slow.close()


async def test_stress_marks_do_not_break_words(piper: PiperSynthesizer) -> None:
    assert len(await spoken(piper, "за́мок")) == len(await spoken(piper, "замок"))


async def test_a_marked_word_is_said_by_its_own_phonemes(piper: PiperSynthesizer) -> None:
    """One sound of 60 ms a phoneme: three more phonemes are three more sounds."""
    short, long = Saying(("d'om",), ("dˈom",), "дом"), Saying(("d'omVdo",), ("dˈomadom",), "домадом")
    first = len(await spoken(piper, f"Вот {marked('дом', short)}."))
    second = len(await spoken(piper, f"Вот {marked('дом', long)}."))
    assert second - first == pytest.approx(4 * SOUND_MS * 16, abs=640)
    assert first == pytest.approx(len(await spoken(piper, "Вот дом.")), abs=2 * SOUND_MS * 16)
    shipped = len(await spoken(piper, "балаяж"))
    raw = len(await spoken(piper, marked("балаяж", Saying((), (Lexicon.shipped("ru").ipa["балаяж"],), ""))))
    assert shipped == raw


def test_a_missing_voice_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nobody\.onnx"):
        PiperSynthesizer(tmp_path / "nobody.onnx")
    (tmp_path / "half.onnx").write_bytes(b"")
    with pytest.raises(ConfigurationError, match=r"half\.onnx\.json"):
        PiperSynthesizer(tmp_path / "half.onnx")
