"""Packed float16 weight matrices for fast inference on x86 processors.

With the few rows of one photo's beams, a matrix product is limited by the time to read the weights. Weights loaded from
a checkpoint are exact in float16, so packing halves the bytes to read without rounding; sums are still in float32 and
differ only in their order. docs/experiments.md has the measured speedup.
"""

from typing import Any

import torch
from torch import Tensor, nn

from captioner.models.interfaces import Ranges
from captioner.models.quantized import QuantizedLinear, QuantizedLSTMCell

KERNELS = torch.ops.quantized  # despite the name, it includes products with packed float16 matrices
STEPS: dict[type[nn.RNNCellBase], str] = {  # names, because looking up the kernels fails if PyTorch lacks them
    nn.RNNCell: "quantized_rnn_tanh_cell_dynamic",
    nn.GRUCell: "quantized_gru_cell_dynamic",
    nn.LSTMCell: "quantized_lstm_cell_dynamic",
}


class PackedLinear(nn.Module):
    """A linear layer with packed float16 weights."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.matrix: Any = KERNELS.linear_prepack_fp16(linear.weight, linear.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (…, I) to (…, O)."""
        outputs: Tensor = KERNELS.linear_dynamic_fp16(inputs, self.matrix)
        return outputs


class PackedCell(nn.Module):
    """A recurrent cell with packed float16 weights."""

    def __init__(self, cell: nn.RNNCellBase) -> None:
        super().__init__()
        self.step: Any = getattr(KERNELS, STEPS[type(cell)])
        self.biases = (cell.bias_ih, cell.bias_hh)
        self.matrices = [
            KERNELS.linear_prepack_fp16(weight, bias)
            for weight, bias in zip((cell.weight_ih, cell.weight_hh), self.biases, strict=True)
        ]

    def forward(self, inputs: Tensor, state: Tensor | tuple[Tensor, Tensor]) -> Tensor | tuple[Tensor, Tensor]:
        """Run one step on inputs (B, I). The state is one tensor (B, H), or two for an LSTM."""
        after: Tensor | tuple[Tensor, Tensor] = self.step(inputs, state, *self.matrices, *self.biases)
        return after


def pack(model: nn.Module, ranges: Ranges | None = None, place: str = "") -> None:
    """Pack the matrices of all linear layers and recurrent cells in a module.

    Layers whose input ranges are known become int8. The others become float16 if the processor supports it and the
    weights are exact in float16; otherwise they stay as they are.

    Args:
        model: the module, changed in place.
        ranges: see `captioner.models.interfaces.Ranges`; None for float16 only.
        place: prefix of the submodules' names in `ranges`.
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
