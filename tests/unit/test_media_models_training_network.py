"""The network that is trained and the one that CTranslate2 computes are the same. Needs torch, as training does."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is installed only where the recogniser is trained")

SHIPPED = Path(__file__).parents[2] / "media_models" / "embedded" / "recognizer_ru"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    from media_models.training.network import Shape, WhisperNetwork
    from media_models.training.train import save_network

    torch.manual_seed(1)
    network = WhisperNetwork(Shape(942, 34, width=48, heads=2, encoder_layers=2, decoder_layers=1))
    average = WhisperNetwork(network.shape)
    save_network(network, average, tmp_path / "checkpoint.pt")
    return tmp_path / "checkpoint.pt"


def test_the_plain_products_are_attention() -> None:
    from media_models.training.network import _attend

    torch.manual_seed(2)
    q, k, v = (torch.randn(2, 3, 7, 16) for _ in range(3))
    for causal in (False, True):
        expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        assert torch.allclose(_attend(q, k, v, causal=causal), expected, atol=1e-5)


def test_a_checkpoint_holds_the_weights_and_their_average(checkpoint: Path) -> None:
    from media_models.training.tokens import Tokens
    from media_models.training.train import load_network

    tokens = Tokens(SHIPPED / "tokenizer.json")
    last, averaged = (load_network(checkpoint, tokens, averaged=choice) for choice in (False, True))
    assert not torch.equal(last.conv1.weight, averaged.conv1.weight)


def test_the_converted_encoder_computes_what_torch_computes(checkpoint: Path, tmp_path: Path) -> None:
    import ctranslate2  # type: ignore[import-untyped]

    from media_models.training.convert import convert
    from media_models.training.tokens import Tokens
    from media_models.training.train import load_network

    convert(checkpoint, SHIPPED / "tokenizer.json", tmp_path / "model", "float32")
    mel = np.random.default_rng(3).standard_normal((1, 80, 60)).astype(np.float32)
    model = ctranslate2.models.Whisper(str(tmp_path / "model"), device="cpu", compute_type="float32")
    encoded = np.asarray(model.encode(ctranslate2.StorageView.from_array(mel)))
    network = load_network(checkpoint, Tokens(SHIPPED / "tokenizer.json"), averaged=True).eval()
    with torch.no_grad():
        expected = network.encode(torch.from_numpy(mel.transpose(0, 2, 1).copy())).numpy()
    assert model.is_multilingual
    assert np.abs(encoded - expected).max() < 1e-3


def test_a_run_goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    import json

    from media_models.training.tokens import Tokens
    from media_models.training.train import Plan, load_network, train

    rng = np.random.default_rng(4)
    rows = [{"frames": 60, "text": "да" if n % 2 else "нет", "start_s": 0.1, "end_s": 1.0} for n in range(40)]
    np.save(tmp_path / "espeak-1.npy", rng.standard_normal((60 * 40, 80)).astype(np.float16))
    (tmp_path / "espeak-1.json").write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    checkpoint = tmp_path / "checkpoint.pt"
    plan = Plan(minutes=0.05, batch=4, workers=1)
    train(checkpoint, tmp_path, SHIPPED / "tokenizer.json", plan)
    before = load_network(checkpoint, Tokens(SHIPPED / "tokenizer.json")).conv1.weight.detach().clone()
    train(checkpoint, tmp_path, SHIPPED / "tokenizer.json", plan)
    after = load_network(checkpoint, Tokens(SHIPPED / "tokenizer.json")).conv1.weight.detach()
    assert torch.isfinite(after).all()
    assert 0 < float((after - before).abs().max()) < 1, "the second run goes on from the first"
