"""What the studies' networks have in common: a recurrent network out of the decoder's cells, and a loop that trains."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from tqdm import tqdm

from captioner.config import Cell
from captioner.models.decoder import CELLS
from train.batches import batches


class Recurrent(nn.Module):
    """One recurrent layer with one of the decoder's cells."""

    def __init__(self, kind: Cell, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.cell = CELLS[kind](input_size, hidden_size)
        self.hidden_size = hidden_size

    def forward(self, inputs: Tensor) -> Tensor:
        """Read sequences (B, T, I) from a state of zeros; returns the outputs (B, T, H)."""
        return torch.stack([state[0] for state in self.states(inputs)], 1)

    def states(self, inputs: Tensor) -> list[tuple[Tensor, ...]]:
        """The state after each of T steps: (B, H); for an LSTM two of these, the output first."""
        parts = 2 if isinstance(self.cell, nn.LSTMCell) else 1
        state: tuple[Tensor, ...] = (inputs.new_zeros(len(inputs), self.hidden_size),) * parts
        found = []
        for step in inputs.unbind(1):
            after = self.cell(step, state if parts == 2 else state[0])
            state = after if parts == 2 else (after,)
            found.append(state)
        return found


def count_parameters(network: nn.Module) -> int:
    """The number of parameters of a network."""
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
    """Train with Adam and gradient clipping at a norm of 1.

    Args:
        parameters: parameters to train.
        loss: loss of a step, given its number, 0 to `steps` - 1.
        steps: number of steps.
        title: title of the progress bar.
        rate: learning rate.
        after: called after each step with the number of steps taken, 1 to `steps`, for example to validate.

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
    """The batches of all steps: texts of similar length together, and each text once before any is repeated.

    Args:
        lengths: lengths of the texts.
        batch_size: texts per step.
        steps: number of steps.
        seed: the same seed gives the same batches.
    """
    order: list[list[int]] = []
    while len(order) < steps:
        order += batches(lengths, batch_size, f"{seed} {len(order)}")
    return order[:steps]
