"""The training loop: scheduled by wall time, checkpointed, resumable, on CPU or CUDA.

Loss: 0.6 cross-entropy of the decoder (label smoothing 0.05) + 0.4 CTC over characters on the encoder. Muon for
the matrices of the blocks, AdamW for the rest.
"""

import math
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.multiprocessing
from torch import Tensor
from torch.nn import functional

from media_models.training.batches import Batch, Batches
from media_models.training.network import Shape, WhisperNetwork
from media_models.training.tokens import CTC_CHARACTERS, Tokens

CTC_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Plan:
    minutes: float
    learning_rate: float = 2e-3
    warm_up_steps: int = 50
    batch: int = 32
    workers: int = 2
    save_every_s: float = 180.0
    average_over_steps: int = 100
    """The weights that are converted are a moving average over about so many steps."""
    curriculum: bool = True
    """False when a trained network is continued: all lengths from the start."""


def load_network(path: Path, tokens: Tokens, *, averaged: bool = False) -> WhisperNetwork:
    """The network of a checkpoint, or a fresh one when there is none; averaged: with the moving average's weights."""
    if not path.exists():
        return WhisperNetwork(Shape(tokens.size, len(CTC_CHARACTERS) + 1))
    stored = torch.load(path, map_location="cpu", weights_only=True)
    network = WhisperNetwork(Shape(**stored["shape"]))
    weights = stored["average"] if averaged and "average" in stored else stored["weights"]
    network.load_state_dict({name: value.float() for name, value in weights.items()})
    return network


def save_network(network: WhisperNetwork, average: WhisperNetwork, path: Path) -> None:
    part = path.with_suffix(".part")
    torch.save(
        {"shape": network.shape.as_dict(), "weights": network.state_dict(), "average": average.state_dict()}, part
    )
    part.rename(path)


def train(checkpoint: Path, folder: Path, tokenizer: Path, plan: Plan) -> None:
    """Continues from the checkpoint if it exists; prints a line every 50 steps.

    On a CPU every worker process has one thread and steps on the shared weights without waiting for the others:
    threads that meet after each product lose more than half of their time on a machine that does other work too.
    """
    tokens = Tokens(tokenizer)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = load_network(checkpoint, tokens).to(device).train()
    began = time.monotonic()
    helpers = []
    if device.type == "cpu":
        network.share_memory()
        context = torch.multiprocessing.get_context("spawn")
        for _ in range(plan.workers - 1):
            arguments = (network, folder, tokenizer, plan, began, None)
            helpers.append(context.Process(target=_work, args=arguments, daemon=True))
            helpers[-1].start()
    _work(network, folder, tokenizer, plan, began, checkpoint)
    for helper in helpers:
        helper.join(60)


def _work(
    network: WhisperNetwork, folder: Path, tokenizer: Path, plan: Plan, began: float, checkpoint: Path | None
) -> None:
    """One worker's steps until the plan's time is over; the one with a checkpoint averages, saves and reports."""
    device = next(network.parameters()).device
    parent = os.getppid()
    if not checkpoint:
        os.setsid()  # Linux shares the processor between sessions: a worker in its parent's would halve the pace
    if device.type == "cpu":
        torch.set_num_threads(1)
    tokens = Tokens(tokenizer)
    workers = plan.workers if device.type == "cpu" else 1
    average = load_network(checkpoint, tokens, averaged=True).to(device) if checkpoint else network
    averaged, moving = list(average.parameters()), list(network.parameters())
    batches = Batches(folder, tokens, plan.batch, random.Random())
    optimizers = _optimizers(network, plan.learning_rate)
    saved = time.monotonic()
    step, seen, losses = 0, 0, []
    while True:
        progress = (time.monotonic() - began) / (plan.minutes * 60)
        if progress >= 1 or (not checkpoint and os.getppid() != parent):
            break
        for batch in batches.draw(progress if plan.curriculum else 1.0):
            progress = (time.monotonic() - began) / (plan.minutes * 60)
            _set_rate(optimizers, plan, step, progress)
            loss = _loss(network, batch, device)
            network.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            for optimizer in optimizers:
                optimizer.step()
            step, seen = step + 1, seen + len(batch.mel)
            losses.append(loss.item())
            if checkpoint:
                with torch.no_grad():
                    torch._foreach_lerp_(averaged, moving, max(1 / plan.average_over_steps, 1 / (step + 10)))
                if step % 50 == 0:
                    print(_progress(step, progress, seen * workers, losses, batches), flush=True)
                if time.monotonic() - saved > plan.save_every_s:
                    save_network(network, average, checkpoint)
                    saved = time.monotonic()
            if progress >= 1:
                break
    if checkpoint:
        save_network(network, average, checkpoint)


def _progress(step: int, progress: float, seen: int, losses: Sequence[float], batches: Batches) -> str:
    mean = sum(losses[-50:]) / len(losses[-50:])
    clock, cpu_s = time.strftime("%H:%M:%S"), time.process_time()
    return (
        f"{clock}  step {step}  {progress:5.1%}  about {seen} utterances  loss {mean:.3f}  "
        f"items {len(batches.items)}  CPU of this worker {cpu_s:.0f} s"
    )


def _optimizers(network: WhisperNetwork, rate: float) -> list[torch.optim.Optimizer]:
    matrices = [
        p for name, p in network.named_parameters() if p.ndim == 2 and name.startswith(("encoder.", "decoder."))
    ]
    rest = [
        p for name, p in network.named_parameters() if not (p.ndim == 2 and name.startswith(("encoder.", "decoder.")))
    ]
    return [
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.02, fused=True),
        torch.optim.Muon(
            matrices, lr=rate, weight_decay=0.02, momentum=0.95, adjust_lr_fn="match_rms_adamw", ns_steps=4
        ),
    ]


def _set_rate(optimizers: list[torch.optim.Optimizer], plan: Plan, step: int, progress: float) -> None:
    decay = 1.0 if progress < 0.3 else max(0.02, 0.5 * (1 + math.cos(math.pi * (progress - 0.3) / 0.7)))
    rate = plan.learning_rate * min(1.0, (step + 1) / plan.warm_up_steps) * decay
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate


def _loss(network: WhisperNetwork, batch: Batch, device: torch.device) -> Tensor:
    with torch.autocast(device.type, torch.bfloat16):
        encoded = network.encode(batch.mel.to(device))
        logits = network.decode(encoded, batch.tokens.to(device))
        characters = network.ctc(encoded)
    words = functional.cross_entropy(
        logits.float().flatten(0, 1), batch.labels.to(device).flatten(), ignore_index=-100, label_smoothing=0.05
    )
    ctc = functional.ctc_loss(
        characters.float().log_softmax(-1).transpose(0, 1), batch.ctc, batch.encoded_lengths, batch.ctc_lengths,
        zero_infinity=True,
    )  # fmt: skip
    return (1 - CTC_SHARE) * words + CTC_SHARE * ctc
