"""A PixelRNN of Row LSTM layers (van den Oord et al. 2016, arXiv:1601.06759): each pixel given the previous ones.

Previous means above, or to the left in the same row. No prediction may depend on its own pixel or on later ones.
"""

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor, nn

Mask = Literal["A", "B"]


class MaskedConvolution(nn.Conv2d):
    """A convolution that sees only previous positions, and with mask B also the current one (section 3.4).

    The first layer reads pixels and needs mask A; later layers read features, which do not depend on their own pixel.
    """

    allowed: Tensor

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int], *, mask: Mask) -> None:
        rows, columns = size
        super().__init__(inputs, outputs, size, padding=(rows // 2, columns // 2))
        allowed = torch.ones(size)
        allowed[rows // 2, columns // 2 + (mask == "B") :] = 0
        allowed[rows // 2 + 1 :] = 0
        self.register_buffer("allowed", allowed, persistent=False)

    def forward(self, grid: Tensor) -> Tensor:
        """(B, I, H, W) → (B, O, H, W)."""
        return F.conv2d(grid, self.weight * self.allowed, self.bias, padding=self.padding)


class RowLSTM(nn.Module):
    """An LSTM that reads an image from the top row to the bottom, a whole row in one step (section 3.1).

    The input-to-state part comes from the masked row itself, for all rows at once; the state-to-state part comes from
    three pixels of the row above, so the context of a pixel is the triangle above it.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.input_to_state = MaskedConvolution(channels, 4 * hidden, (1, 3), mask="B")
        self.state_to_state = nn.Conv1d(hidden, 4 * hidden, 3, padding=1, bias=False)

    def step(self, row: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """One row, from its input-to-state part (B, 4·hidden, W) and h and c of the row above (B, hidden, W); eq. 3."""
        h, c = state
        gates, content = (row + self.state_to_state(h)).split((3 * self.hidden, self.hidden), 1)
        output, forget, write = gates.sigmoid().chunk(3, 1)
        c = forget * c + write * content.tanh()
        return output * c.tanh(), c

    def forward(self, grid: Tensor) -> Tensor:
        """(B, channels, H, W) → (B, hidden, H, W)."""
        rows = self.input_to_state(grid)
        zeros = rows.new_zeros(len(grid), self.hidden, grid.shape[3])
        state, outputs = (zeros, zeros), []
        for row in rows.unbind(2):
            state = self.step(row, state)
            outputs.append(state[0])
        return torch.stack(outputs, 2)


class PixelRNN(nn.Module):
    """Row LSTM layers with residual connections, between a masked convolution and two 1×1 convolutions (table 1)."""

    def __init__(self, levels: int, *, hidden: int = 32, layers: int = 2) -> None:
        super().__init__()
        self.levels = levels
        width = 2 * hidden
        self.first = MaskedConvolution(levels, width, (5, 5), mask="A")
        self.layers = nn.ModuleList(RowLSTM(width, hidden) for _ in range(layers))
        self.widen = nn.ModuleList(nn.Conv2d(hidden, width, 1) for _ in range(layers))
        self.last = nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, levels, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Logits of every pixel's gray level (B, levels, H, W), given the previous pixels.

        Args:
            images: (B, H, W), whole numbers in [0, levels).
        """
        grid = self.first(F.one_hot(images, self.levels).movedim(3, 1).to(self.first.weight.dtype))
        for layer, widen in zip(self.layers, self.widen, strict=True):
            grid = grid + widen(layer(grid))  # section 3.3
        logits: Tensor = self.last(grid)
        return logits

    @torch.no_grad()
    def complete(self, images: Tensor, *, rows: int, chance: torch.Generator) -> Tensor:
        """Keep the first `rows` rows of images (B, H, W) and sample the pixels below them one by one."""
        images = images.clone()
        images[:, rows:] = 0
        for row in range(rows, images.shape[1]):
            for column in range(images.shape[2]):
                logits = self(images[:, : row + 1])[:, :, row, column]
                images[:, row, column] = torch.multinomial(logits.softmax(1), 1, generator=chance)[:, 0]
        return images
