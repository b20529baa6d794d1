"""A Neural Turing Machine (Graves et al. 2014, arXiv:1410.5401): an LSTM with a memory that is read and written softly.

Every part is differentiable: a head does not select one row of the memory but spreads a weight of 1 over all rows.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor, nn

from captioner.models.decoder import CELLS

READ, WRITE = 0, 1
SHIFTS = 3
"""A head moves by one row back, not at all, or one row forward."""


class Address(NamedTuple):
    """Addressing parameters of the heads from the controller, (B, heads, …).

    Attributes:
        key: (…, W), the content to look for.
        strength: (…, 1), at least 0: how sharply contents are distinguished, β.
        gate: (…, 1), in [0, 1]: 1 addresses by content, 0 keeps the previous position, g.
        shift: (…, 3), at least 0, sums to 1: weights of moving by -1, 0 or 1 row from there, s.
        sharpness: (…, 1), at least 1, γ.
    """

    key: Tensor
    strength: Tensor
    gate: Tensor
    shift: Tensor
    sharpness: Tensor


def look(address: Address, memory: Tensor, before: Tensor) -> Tensor:
    """The next weights of the heads (section 3.3).

    Args:
        address: addressing parameters from the controller.
        memory: (B, N, W).
        before: (B, heads, N), the previous weights; sum to 1 over N.

    Returns:
        (B, heads, N), which sum to 1 over N.
    """
    keys = F.normalize(address.key, dim=-1, eps=1e-6)
    similarity = keys @ F.normalize(memory, dim=-1, eps=1e-6).transpose(1, 2)  # equation 6
    content = torch.softmax(address.strength * similarity, -1)  # equation 5
    gated = before + address.gate * (content - before)  # equation 7
    around = torch.cat([gated[..., -1:], gated, gated[..., :1]], -1).unfold(-1, SHIFTS, 1)  # (B, heads, N, 3)
    moved = (around @ address.shift.flip(-1)[..., None])[..., 0]  # equation 8: row i takes from i + 1, i and i - 1
    return torch.softmax(address.sharpness * (moved + 1e-12).log(), -1)  # equation 9; the logarithm of 0 is not finite


class TuringState(NamedTuple):
    """The state of the machine between two steps.

    Attributes:
        memory: (B, N, W).
        weights: (B, 2, N), weights of the reading and the writing head.
        read: (B, W), the vector read last.
        hidden: the controller's two states, (B, H) each.
    """

    memory: Tensor
    weights: Tensor
    read: Tensor
    hidden: tuple[Tensor, Tensor]


class TuringMachine(nn.Module):
    """An LSTM controller with one reading and one writing head.

    The memory starts with a small constant, with both heads at its first row.
    """

    def __init__(self, inputs: int, outputs: int, *, hidden: int = 64, rows: int = 64, width: int = 12) -> None:
        super().__init__()
        self.rows, self.width = rows, width
        self.controller = CELLS["lstm"](inputs + width, hidden)
        self.parts = (width, 1, 1, SHIFTS, 1)
        self.heads = nn.Linear(hidden, 2 * sum(self.parts))
        self.write = nn.Linear(hidden, 2 * width)
        self.output = nn.Linear(hidden + width, outputs)
        self.start = nn.Parameter(torch.zeros(2, hidden))
        # Larger than PyTorch's weights, with which copying was learned late or not at all (docs/study/memory.md).
        for layer in (self.heads, self.write, self.output):
            nn.init.xavier_uniform_(layer.weight, gain=1.4)
            nn.init.normal_(layer.bias, std=0.01)

    def init_state(self, batch: int) -> TuringState:
        """The state before the first step, for `batch` sequences."""
        memory = self.start.new_full((batch, self.rows, self.width), 1e-3)
        weights = self.start.new_zeros(batch, 2, self.rows)
        weights[..., 0] = 1
        short, long = self.start.tanh().expand(batch, -1, -1).unbind(1)
        return TuringState(memory, weights, memory[:, 0], (short, long))

    def step(self, inputs: Tensor, state: TuringState) -> tuple[Tensor, TuringState]:
        """Read one input (B, I); returns logits (B, O) and the next state. The head reads after writing."""
        hidden = self.controller(torch.cat([inputs, state.read], -1), state.hidden)
        weights = look(self.address(hidden[0]), state.memory, state.weights)
        erase, add = self.write(hidden[0])[:, None].chunk(2, -1)  # (B, 1, W)
        where = weights[:, WRITE, :, None]
        memory = state.memory - where * (state.memory * erase.sigmoid() - add.tanh())  # equations 3 and 4
        read = (weights[:, READ, None] @ memory)[:, 0]  # equation 2
        return self.output(torch.cat([hidden[0], read], -1)), TuringState(memory, weights, read, hidden)

    def address(self, hidden: Tensor) -> Address:
        """The controller's output (B, H) as addressing parameters of both heads."""
        key, strength, gate, shift, sharpness = self.heads(hidden).unflatten(-1, (2, -1)).split(self.parts, -1)
        return Address(key.tanh(), F.softplus(strength), gate.sigmoid(), shift.softmax(-1), 1 + F.softplus(sharpness))

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Read sequences (B, T, I).

        Returns:
            Logits (B, T, O), and the weights of the heads, (B, T, 2, N).
        """
        state, logits, weights = self.init_state(len(inputs)), [], []
        for step in inputs.unbind(1):
            output, state = self.step(step, state)
            logits.append(output)
            weights.append(state.weights)
        return torch.stack(logits, 1), torch.stack(weights, 1)
