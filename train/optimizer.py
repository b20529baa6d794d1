"""The optimizer, its learning-rate schedule, the moving average of weights, and how moments are saved."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from captioner.models.encoder_decoder import EncoderDecoder
from train.objectives import PhaseSettings

TensorList = tuple[Tensor, ...] | list[Tensor]


def build_optimizer(model: EncoderDecoder, phase: PhaseSettings) -> torch.optim.Optimizer:
    """AdamW over the parameters that a phase trains; all others are frozen. Each parameter group has its peak learning
    rate as `peak`.
    """
    groups = []
    model.requires_grad_(False)
    last = model.encoder.blocks[-phase.encoder_blocks :]  # all if the number is 0
    for part, peak in ((model.decoder, phase.learning_rate), (last, phase.encoder_learning_rate)):
        if peak > 0:
            learning = [parameter.requires_grad_(True) for parameter in part.parameters()]
            matrices = [parameter for parameter in learning if parameter.dim() > 1]
            others = [parameter for parameter in learning if parameter.dim() <= 1]
            groups += [
                {"params": matrices, "peak": peak, "weight_decay": phase.weight_decay},
                {"params": others, "peak": peak, "weight_decay": 0.0},
            ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98))


def exponential_average(decay: float) -> Callable[[TensorList, TensorList, Tensor | int], None]:
    """Update of an exponential moving average. It forgets faster at first, so that the random start fades."""

    @torch.no_grad()
    def update(averages: TensorList, values: TensorList, updates: Tensor | int) -> None:
        count = int(updates)
        torch._foreach_lerp_(averages, values, 1 - min(decay, (1 + count) / (10 + count)))

    return update


def learning_rate(step: int, steps: int, warmup: int) -> float:
    """Share of the peak learning rate: linear warm-up over `fitting_warmup` steps, then half a cosine down to 0."""
    warmup = fitting_warmup(warmup, steps)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def fitting_warmup(warmup: int, steps: int) -> int:
    """Steps of warm-up: `warmup`, or a tenth of all `steps` if it would take more than half of them.

    Otherwise a short run would end before it reaches its learning rate.
    """
    return warmup if 2 * warmup <= steps else min(warmup, max(1, steps // 10))


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: dict[Tensor, str]) -> dict[str, Tensor]:
    """An optimizer's moments by parameter name; see `restore_optimizer`."""
    return {
        f"{names[parameter]}/{key}": value
        for parameter, moments in optimizer.state.items()
        for key, value in moments.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, names: dict[Tensor, str], tensors: dict[str, Tensor]) -> None:
    """Restore the moments returned by `optimizer_tensors`."""
    parameters = {name: parameter for parameter, name in names.items()}
    for name, value in tensors.items():
        parameter, _, key = name.rpartition("/")
        # Adam's step counter is a tensor on the CPU; moments are on the device of their parameter.
        device = value.device if key == "step" else parameters[parameter].device
        optimizer.state[parameters[parameter]][key] = value.to(device)
