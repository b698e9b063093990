"""A trained network gets more layers that change nothing at first: training goes on from where it was, with more room.

The output projections of a new block are zero, so a block passes on what it is given until training moves them
(the identity initialisation of Net2Net, Chen et al., 2016). New blocks stand at the end of their stack.
"""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from media_models.training.network import Block, Shape, WhisperNetwork


def grown(network: WhisperNetwork, encoder_layers: int, decoder_layers: int) -> WhisperNetwork:
    """The same function with more layers; fewer layers than the network has are refused."""
    shape = network.shape
    if encoder_layers < shape.encoder_layers or decoder_layers < shape.decoder_layers:
        raise ValueError(
            f"the network has {shape.encoder_layers} + {shape.decoder_layers} layers: it can only get more of them"
        )
    larger = WhisperNetwork(replace(shape, encoder_layers=encoder_layers, decoder_layers=decoder_layers))
    larger.load_state_dict(network.state_dict(), strict=False)
    for block in (*larger.encoder[shape.encoder_layers :], *larger.decoder[shape.decoder_layers :]):
        _silence(block)
    return larger


def grow_checkpoint(checkpoint: Path, encoder_layers: int, decoder_layers: int) -> None:
    """Rewrites a checkpoint, both its weights and their moving average."""
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    shape = Shape(**stored["shape"])
    sets = {}
    for name in ("weights", "average"):
        network = WhisperNetwork(shape)
        network.load_state_dict({key: value.float() for key, value in stored[name].items()})
        torch.manual_seed(0)  # the new layers of both sets are the same, so that their average means something
        sets[name] = grown(network, encoder_layers, decoder_layers)
    part = checkpoint.with_suffix(".part")
    weights, average = sets["weights"], sets["average"]
    torch.save(
        {"shape": weights.shape.as_dict(), "weights": weights.state_dict(), "average": average.state_dict()}, part
    )
    part.rename(checkpoint)


def _silence(block: nn.Module) -> None:
    assert isinstance(block, Block)
    layers = [block.attention.out, block.narrow]
    if block.cross is not None:
        layers.append(block.cross.out)
    for layer in layers:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
