"""A checkpoint becomes a CTranslate2 folder that faster_whisper.WhisperModel opens."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import WhisperSpec  # type: ignore[import-untyped]

from media_models.second_look.characters import CharacterHead
from media_models.second_look.choose import CHARACTERS_FILE, WORDS_FILE
from media_models.training.tokens import CTC_CHARACTERS, Tokens
from media_models.training.train import load_network

SHIPPED = Path(__file__).parents[1] / "embedded" / "recognizer_ru"


def convert(checkpoint: Path, tokenizer: Path, folder: Path, quantization: str = "int8") -> None:
    tokens = Tokens(tokenizer)
    network = load_network(checkpoint, tokens, averaged=True)
    shape = network.shape
    weights = {name: value.float().numpy() for name, value in network.state_dict().items()}
    spec = WhisperSpec(shape.encoder_layers, shape.heads, shape.decoder_layers, shape.heads)
    fill = _Filler(weights)
    for target, name in ((spec.encoder.conv1, "conv1"), (spec.encoder.conv2, "conv2")):
        target.weight, target.bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    spec.encoder.position_encodings.encodings = weights["positions"]
    fill.norm(spec.encoder.layer_norm, "encoder_norm")
    for number, layer in enumerate(spec.encoder.layer):
        fill.block(layer, f"encoder.{number}", cross=False)
    spec.decoder.embeddings.weight = spec.decoder.projection.weight = weights["embedding.weight"]
    spec.decoder.position_encodings.encodings = weights["text_positions"]
    fill.norm(spec.decoder.layer_norm, "decoder_norm")
    for number, layer in enumerate(spec.decoder.layer):
        fill.block(layer, f"decoder.{number}", cross=True)
    vocabulary = [tokens.tokenizer.id_to_token(number) for number in range(tokens.size)]
    # CTranslate2 calls a model multilingual exactly when the empty token is in its vocabulary
    vocabulary[0] = ""
    spec.register_vocabulary(vocabulary)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = [tokens.ids.russian]
    spec.config.alignment_heads = [
        (layer, head) for layer in range(shape.decoder_layers // 2, shape.decoder_layers) for head in range(shape.heads)
    ]
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    shutil.copy(tokenizer, folder / "tokenizer.json")
    features = {
        "feature_size": shape.mels,
        "sampling_rate": 16_000,
        "hop_length": 320,
        "chunk_length": 10,
        "n_fft": 512,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(features), encoding="utf-8")
    CharacterHead(CTC_CHARACTERS, weights["ctc.weight"], weights["ctc.bias"]).save(folder / CHARACTERS_FILE)
    if folder != SHIPPED:
        for name in ("engine.json", WORDS_FILE):
            shutil.copy(SHIPPED / name, folder / name)


class _Filler:
    def __init__(self, weights: dict[str, Any]) -> None:
        self._weights = weights

    def norm(self, target: Any, name: str) -> None:
        target.gamma, target.beta = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]

    def linear(self, target: Any, *names: str) -> None:
        """Several layers side by side become one; a key layer has no bias and gets zeros."""
        rows = [self._weights[f"{name}.weight"] for name in names]
        target.weight = np.concatenate(rows)
        target.bias = np.concatenate(
            [
                self._weights.get(f"{name}.bias", np.zeros(len(row), np.float32))
                for name, row in zip(names, rows, strict=True)
            ]
        )

    def block(self, target: Any, name: str, *, cross: bool) -> None:
        own = target.self_attention
        self.linear(own.linear[0], f"{name}.attention.query", f"{name}.attention.key", f"{name}.attention.value")
        self.linear(own.linear[1], f"{name}.attention.out")
        self.norm(own.layer_norm, f"{name}.attention_norm")
        if cross:
            self.linear(target.attention.linear[0], f"{name}.cross.query")
            self.linear(target.attention.linear[1], f"{name}.cross.key", f"{name}.cross.value")
            self.linear(target.attention.linear[2], f"{name}.cross.out")
            self.norm(target.attention.layer_norm, f"{name}.cross_norm")
        self.linear(target.ffn.linear_0, f"{name}.widen")
        self.linear(target.ffn.linear_1, f"{name}.narrow")
        self.norm(target.ffn.layer_norm, f"{name}.feed_norm")
