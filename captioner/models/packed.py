"""Matrices as an x86 processor reads them fastest: packed, in float16, for inference.

The beams of one photo are a product of few rows with large matrices, and such a product takes as long as it takes to
read the matrix. A checkpoint's weights are float16 numbers already, so half as many bytes say the same; sums are
float32 as before and differ in their order only. docs/experiments.md has what it gains.
"""

from typing import Any

import torch
from torch import Tensor, nn

from captioner.models.interfaces import Ranges
from captioner.models.quantized import QuantizedLinear, QuantizedLSTMCell

KERNELS = torch.ops.quantized  # PyTorch's name for products with packed matrices, float16 ones too
STEPS: dict[type[nn.RNNCellBase], str] = {  # by name: a PyTorch built without them must not fail at import
    nn.RNNCell: "quantized_rnn_tanh_cell_dynamic",
    nn.GRUCell: "quantized_gru_cell_dynamic",
    nn.LSTMCell: "quantized_lstm_cell_dynamic",
}


class PackedLinear(nn.Module):
    """Computes what a linear layer computes."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.matrix: Any = KERNELS.linear_prepack_fp16(linear.weight, linear.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (…, I) to (…, O)."""
        outputs: Tensor = KERNELS.linear_dynamic_fp16(inputs, self.matrix)
        return outputs


class PackedCell(nn.Module):
    """Computes what a recurrent cell computes."""

    def __init__(self, cell: nn.RNNCellBase) -> None:
        super().__init__()
        self.step: Any = getattr(KERNELS, STEPS[type(cell)])
        self.biases = (cell.bias_ih, cell.bias_hh)
        self.matrices = [
            KERNELS.linear_prepack_fp16(weight, bias)
            for weight, bias in zip((cell.weight_ih, cell.weight_hh), self.biases, strict=True)
        ]

    def forward(self, inputs: Tensor, state: Tensor | tuple[Tensor, Tensor]) -> Tensor | tuple[Tensor, Tensor]:
        """One step over inputs (B, I); the state, one tensor (B, H) or an LSTM's two, as the cell has it."""
        after: Tensor | tuple[Tensor, Tensor] = self.step(inputs, state, *self.matrices, *self.biases)
        return after


def pack(model: nn.Module, ranges: Ranges | None = None, place: str = "") -> None:
    """Pack the matrices of all linear layers and cells in a module: in int8 where the ranges of their inputs are known,
    else in float16, where this processor can and nothing is lost by it.

    Args:
        model: changed in place.
        ranges: see `captioner.models.interfaces.Ranges`; None for float16 everywhere.
        place: what the names of the module's parts begin with.
    """
    ranges = ranges or {}
    for name, part in list(model.named_children()):
        at = f"{place}{name}"
        if isinstance(part, nn.Linear) and at in ranges:
            setattr(model, name, QuantizedLinear(part, ranges[at]))
        elif isinstance(part, nn.LSTMCell) and f"{at}.inputs" in ranges:
            setattr(model, name, QuantizedLSTMCell(part, inputs=ranges[f"{at}.inputs"], state=ranges[f"{at}.state"]))
        elif isinstance(part, nn.Linear | nn.RNNCellBase) and _can_pack(part):
            setattr(model, name, PackedLinear(part) if isinstance(part, nn.Linear) else PackedCell(part))
        else:
            pack(part, ranges, f"{at}.")


def _can_pack(part: nn.Module) -> bool:
    there = (
        torch.backends.quantized.engine in {"x86", "fbgemm"} and torch.backends.cpu.get_cpu_capability() != "DEFAULT"
    )
    matrices = [value for value in part.parameters() if value.dim() == 2]
    return there and all(one.device.type == "cpu" and torch.equal(one, one.half().float()) for one in matrices)
