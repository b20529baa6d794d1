"""What the studies' networks have in common: a recurrent network out of the decoder's cells, and a loop that trains."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from tqdm import tqdm

from captioner.config import Cell
from captioner.models.decoder import CELLS
from train.batches import batches


class Recurrent(nn.Module):
    """One layer of one of the decoder's cells over a sequence."""

    def __init__(self, kind: Cell, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.cell = CELLS[kind](input_size, hidden_size)
        self.hidden_size = hidden_size

    def forward(self, inputs: Tensor) -> Tensor:
        """Read sequences (B, T, I) from a state of zeros; the outputs (B, T, H)."""
        return torch.stack([state[0] for state in self.states(inputs)], 1)

    def states(self, inputs: Tensor) -> list[tuple[Tensor, ...]]:
        """The state after each of T steps: (B, H), for an LSTM two of them, the output first."""
        parts = 2 if isinstance(self.cell, nn.LSTMCell) else 1
        state: tuple[Tensor, ...] = (inputs.new_zeros(len(inputs), self.hidden_size),) * parts
        found = []
        for step in inputs.unbind(1):
            after = self.cell(step, state if parts == 2 else state[0])
            state = after if parts == 2 else (after,)
            found.append(state)
        return found


def count_parameters(network: nn.Module) -> int:
    """The size of a network."""
    return sum(value.numel() for value in network.parameters())


def learn(
    parameters: Iterable[nn.Parameter],
    loss: Callable[[int], Tensor],
    *,
    steps: int,
    title: str,
    rate: float,
    after: Callable[[int], None] | None = None,
) -> list[float]:
    """Train by Adam with a gradient whose norm is at most 1.

    Args:
        parameters: what is trained.
        loss: of a step by its number, 0 to `steps` - 1.
        steps: how many.
        title: what the progress bar says.
        rate: Adam's learning rate.
        after: called after each step with the number of steps taken, 1 to `steps`; it may judge what was learned.

    Returns:
        The loss of each step, before it was taken.
    """
    parameters = list(parameters)
    optimizer = torch.optim.Adam(parameters, lr=rate)
    losses = []
    for step in tqdm(range(steps), title, leave=False, disable=None):
        value = loss(step)
        optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(value.item())
        if after:
            after(step + 1)
    return losses


def in_batches(lengths: Sequence[int], batch_size: int, *, steps: int, seed: int) -> list[list[int]]:
    """What to read in each of so many steps: texts of about one length together, all of them before any comes again.

    Args:
        lengths: of the texts.
        batch_size: how many in a step.
        steps: how many.
        seed: the same seed gives the same batches.
    """
    order: list[list[int]] = []
    while len(order) < steps:
        order += batches(lengths, batch_size, f"{seed} {len(order)}")
    return order[:steps]
