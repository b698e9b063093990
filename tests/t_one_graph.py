"""An ONNX graph without weights that takes and gives what T-one's does, to the name, the type and the shape.

It hears amplitude: 30 ms of samples whose mean magnitude is 100 * (n + 1) are symbol n, silence is the blank. Like the
real model it says so late, by one chunk of 300 ms, and what it has not said yet is in the state.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LABELS = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя "
FRAME_SAMPLES = 240
FRAMES = 10
SYMBOLS = 35
STATE_SIZE = 219_729
STEP = 100
CERTAIN, UNLIKELY = -0.1, -9.0
"""Log probability of the symbol heard, and of each other."""


def write_graph(
    path: Path,
    *,
    signal_type: int = TensorProto.INT32,
    state_type: int = TensorProto.FLOAT16,
    symbols: int = SYMBOLS,
    chunk: int = FRAME_SAMPLES * FRAMES,
    signal_name: str = "signal",
) -> None:
    """The arguments make a graph that is not T-one's."""
    constants = {
        "by_frame": np.array([0, chunk // FRAME_SAMPLES, FRAME_SAMPLES], np.int64),
        "step": np.array(STEP, np.float32),
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "blank": np.array(symbols - 1, np.int64),
        "depth": np.array(symbols, np.int64),
        "values": np.array([UNLIKELY, CERTAIN], np.float32),
        "from_start": np.array([0], np.int64),
        "until_frames": np.array([FRAMES], np.int64),
        "until_end": np.array([STATE_SIZE], np.int64),
        "axis": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Cast", [signal_name], ["samples"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["samples", "by_frame"], ["framed"]),
        helper.make_node("Abs", ["framed"], ["magnitude"]),
        helper.make_node("ReduceMean", ["magnitude"], ["level"], axes=[2], keepdims=0),
        helper.make_node("Div", ["level", "step"], ["exact"]),
        helper.make_node("Round", ["exact"], ["heard"]),
        helper.make_node("Cast", ["heard"], ["heard_now"], to=state_type),
        helper.make_node("Slice", ["state", "from_start", "until_frames", "axis"], ["heard_before"]),
        helper.make_node("Slice", ["state", "until_frames", "until_end", "axis"], ["rest"]),
        helper.make_node("Concat", ["heard_now", "rest"], ["state_next"], axis=1),
        helper.make_node("Cast", ["heard_before"], ["codes"], to=TensorProto.INT64),
        helper.make_node("Sub", ["codes", "one"], ["shifted"]),
        helper.make_node("Equal", ["codes", "zero"], ["is_silent"]),
        helper.make_node("Where", ["is_silent", "blank", "shifted"], ["said"]),
        helper.make_node("OneHot", ["said", "depth", "values"], ["logprobs"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "loudness_ctc",
        [
            helper.make_tensor_value_info(signal_name, signal_type, ["batch_size", chunk, 1]),
            helper.make_tensor_value_info("state", state_type, ["batch_size", STATE_SIZE]),
        ],
        [
            helper.make_tensor_value_info("logprobs", TensorProto.FLOAT, ["batch_size", FRAMES, symbols]),
            helper.make_tensor_value_info("state_next", state_type, ["batch_size", STATE_SIZE]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))


def spoken(text: str, *, frames_a_letter: int = 2, rate_hz: int = 8_000) -> bytes:
    """s16le mono of a text as the graph hears it: a letter that repeats is parted by a silent frame."""
    samples: list[np.ndarray] = []
    scale = rate_hz // 8_000
    for letter, before in zip(text, " " + text, strict=False):
        if letter == before:
            samples.append(np.zeros(FRAME_SAMPLES * scale))
        level = STEP * (LABELS.index(letter) + 1)
        samples.append(np.full(FRAME_SAMPLES * frames_a_letter * scale, level))
    return np.concatenate(samples).astype("<i2").tobytes()
