"""Int8 inference: the convolutions of the encoder and the matrix products of the decoder in integer arithmetic.

Weights are quantized to int8 when a model is loaded, symmetrically and per output channel; the input of each layer to
uint8, per tensor (Jacob et al. 2018). Input ranges are measured once, on training photos (`python -m train quantize`),
and stored in the checkpoint: with ranges computed per batch, a caption would depend on the other photos of its batch.
Residual sums and squeeze-and-excitation, where int8 cost the most quality, are not quantized. docs/experiments-log.md
has the figures.
"""

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F  # noqa: N812 (the community's name for it)
from torch import Tensor, nn

from captioner.config import ImageConfig
from captioner.models.interfaces import Ranges, Vectors

TOGETHER = 4  # batch size for which the weight layout is optimized; other sizes also work, but more slowly
_CONVOLVE, _MULTIPLY = torch.ops.onednn, torch.ops.quantized

# PyTorch's deprecation of quantized tensors. Models are loaded in threads, for which `catch_warnings` is not safe.
warnings.filterwarnings("ignore", "torch.quantize_per_tensor", UserWarning)


class Row(NamedTuple):
    """A stage of EfficientNetV2: blocks that differ only in the stride and the inputs of the first one.

    See Tan and Le 2021, table 4.

    Attributes:
        fused: whether the blocks are Fused-MBConv: one convolution replaces the expansion and the depthwise
            convolution, without squeeze-and-excitation.
        expansion: expansion ratio: channels inside a block divided by its input channels.
        kernel: kernel size.
        stride: stride of the first block.
        inputs: input channels of the first block.
        outputs: output channels of each block.
        layers: number of blocks.
    """

    fused: bool
    expansion: int
    kernel: int
    stride: int
    inputs: int
    outputs: int
    layers: int


EFFICIENTNET_V2_B0 = (
    Row(True, 1, 3, 1, 32, 16, 1),
    Row(True, 4, 3, 2, 16, 32, 2),
    Row(True, 4, 3, 2, 32, 48, 2),
    Row(False, 4, 3, 2, 48, 96, 3),
    Row(False, 6, 3, 1, 96, 112, 5),
    Row(False, 6, 3, 2, 112, 192, 8),
)
EPSILON = 1e-3  # of EfficientNetV2's batch normalization


class Affine(NamedTuple):
    """Affine quantization of float32 to uint8: round(value / scale) + zero, clamped to [0, 255]."""

    scale: float
    zero: int

    @classmethod
    def over(cls, least: float, greatest: float) -> Self:
        """Cover the range from `least` to `greatest`, extended to include 0: padding must be exact."""
        least, greatest = min(least, 0.0), max(greatest, 0.0)
        scale = max(greatest - least, 1e-6) / 255
        return cls(scale, round(-least / scale))

    def quantize(self, values: Tensor) -> Tensor:
        """Quantize values to uint8."""
        found = torch.quantize_per_tensor(values, self.scale, self.zero, torch.quint8)
        # A view of the same memory as uint8; `int_repr` would copy it, which takes longer than the quantization.
        return torch.empty(0, dtype=torch.uint8).set_(found.untyped_storage(), 0, found.shape, found.stride())


@cache
def is_supported() -> bool:
    """Whether int8 is faster than float32 here: the processor has VNNI instructions, and PyTorch has the kernels.

    Without VNNI, int8 products are slower than float32 products, and their sums may overflow.
    """
    try:
        return bool(torch.cpu._is_vnni_supported()) and _agrees()
    except (AttributeError, RuntimeError, TypeError):  # the kernels are not a public API: other versions may lack them
        return False


def _agrees() -> bool:
    """Check the int8 kernels: a small convolution and a small matrix product must be close to float32."""
    values, affine = torch.linspace(-1, 1, 64), Affine.over(-1, 1)
    rows, images, weight, bias = values.view(16, 4), values.view(1, 4, 4, 4), values[:16].view(4, 4), values[:4]
    layer = Layer(weight.view(4, 4, 1, 1), bias)
    with torch.inference_mode():
        convolved = QuantizedConv(layer, size=4, inputs=affine)(affine.quantize(images))
        multiplied = _product(rows, affine, _packed(weight, bias))
    expected = F.silu(F.conv2d(images, layer.weight, bias)), F.linear(rows, weight, bias)
    return all(torch.allclose(*pair, atol=0.1) for pair in zip((convolved, multiplied), expected, strict=True))


def _integers(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Quantize a weight (O, …) to int8. Returns it and the scales (O,) of its output channels."""
    scales = weight.flatten(1).abs().amax(1).clamp_min(1e-8) / 127
    return (weight / scales.view(-1, *[1] * (weight.dim() - 1))).round().to(torch.int8), scales


class Layer(NamedTuple):
    """A convolution with folded batch normalization.

    Attributes:
        weight: (O, I / groups, k, k).
        bias: (O,).
        stride: stride in both directions. The padding is k // 2.
        swish: whether SiLU follows.
        groups: 1, or the number of channels for a depthwise convolution.
    """

    weight: Tensor
    bias: Tensor
    stride: int = 1
    swish: bool = True
    groups: int = 1


class QuantizedConv(nn.Module):
    """A quantized convolution from uint8 to uint8, or to float32 if `outputs` is None, with the layer's SiLU if any."""

    def __init__(
        self, layer: Layer, *, size: int, inputs: Affine, outputs: Affine | None = None, padded: bool = False
    ) -> None:
        super().__init__()
        weight, self.scales = _integers(layer.weight)
        self.zeros, self.bias = torch.zeros(len(weight), dtype=torch.int64), layer.bias
        padding = 0 if padded else weight.shape[2] // 2
        self.geometry = ([layer.stride] * 2, [padding] * 2, [1, 1], layer.groups)
        shape = [TOGETHER, weight.shape[1] * layer.groups, size, size]
        self.weight = _CONVOLVE.qconv_prepack(weight, self.scales, *inputs, *self.geometry, shape)
        self.inputs, self.outputs = inputs, outputs
        self.activation = "swish" if layer.swish else "none"
        self.size = (size + 2 * padding - weight.shape[2]) // layer.stride + 1  # rows of the output

    def forward(self, images: Tensor) -> Tensor:
        """Convolve (B, I, H, W), uint8, to (B, O, H', W')."""
        scale, zero = self.outputs or (1.0, 0)
        outputs: Tensor = _CONVOLVE.qconv2d_pointwise(
            *(images, *self.inputs, self.weight, self.scales, self.zeros, self.bias, *self.geometry),
            *(scale, zero, torch.uint8 if self.outputs else torch.float32, self.activation, [], ""),
        )
        return outputs


class QuantizedBlock(nn.Module):
    """An EfficientNet block from float32 to float32: quantized convolutions, then the residual sum.

    Args:
        layers: the convolutions, in order.
        ranges: their input ranges.
        size: input height and width in pixels.
        excitation: weights and biases of the squeeze-and-excitation before the last convolution; empty if none.
        residual: whether the input is added to the output.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        ranges: Sequence[tuple[float, float]],
        *,
        size: int,
        excitation: Sequence[Tensor] = (),
        residual: bool = False,
    ) -> None:
        super().__init__()
        affine = [Affine.over(*one) for one in ranges]
        outputs: list[Affine | None] = [*affine[1:], None]
        if excitation:
            outputs[-2] = None  # squeeze-and-excitation works on float32
        self.excitation = [one.double() for one in excitation]
        self.residual, self.entered, self.excited = residual, affine[0], affine[-1]
        self.convs = nn.ModuleList()
        for layer, inputs, after in zip(layers, affine, outputs, strict=True):
            self.convs.append(conv := QuantizedConv(layer, size=size, inputs=inputs, outputs=after))
            size = conv.size
        self.size = size

    def forward(self, grid: Tensor) -> Tensor:
        """Map (B, I, H, W) to (B, O, H', W'), float32."""
        hidden = self.entered.quantize(grid)
        for number, conv in enumerate(self.convs, 1):
            if self.excitation and number == len(self.convs):
                hidden = self.excited.quantize(hidden.mul_(self._gates(hidden)))
            hidden = conv(hidden)
        return hidden.add_(grid) if self.residual else hidden

    def _gates(self, hidden: Tensor) -> Tensor:
        """The gates of squeeze-and-excitation, (B, C, 1, 1) (Hu et al. 2018).

        Computed in float64 and then rounded, so that the result does not depend on the batch size: products of one row
        are summed in another order than products of several, and a difference in the last bit could become a whole
        step of uint8.
        """
        squeeze, squeeze_bias, excite, excite_bias = self.excitation
        squeezed = F.silu(F.linear(hidden.mean((2, 3), dtype=torch.float64), squeeze.flatten(1), squeeze_bias))
        return F.linear(squeezed, excite.flatten(1), excite_bias).sigmoid().float()[..., None, None]


class QuantizedImageEncoder(nn.Module):
    """EfficientNetV2-B0 in int8, built without torchvision, whose import takes as long as importing torch.

    Args:
        image: the model's image configuration.
        weights: weights of its `ImageEncoder`, float32. Those that are used are removed from the dict.
        ranges: input ranges of its convolutions.

    Raises:
        KeyError: a weight or a range is missing.
    """

    border: Tensor

    def __init__(self, image: ImageConfig, weights: dict[str, Tensor], ranges: Ranges) -> None:
        super().__init__()
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (image.mean, image.std))
        self.register_buffer("border", (mean * 255).round().to(torch.uint8), persistent=False)
        stem = _on_bytes(_take(weights, "network.features.0", stride=2), mean, std)
        self.stem = QuantizedConv(stem, size=image.size + 2, inputs=Affine(1.0, 0), padded=True)
        self.stages, size = nn.ModuleList(), self.stem.size
        for number, row in enumerate(EFFICIENTNET_V2_B0, 1):
            for layer in range(row.layers):
                place = f"network.features.{number}.{layer}.block"
                self.stages.append(block := _block(place, row, weights, ranges, first=layer == 0, size=size))
                size = block.size
        last = f"network.features.{len(EFFICIENTNET_V2_B0) + 1}"
        self.stages.append(QuantizedBlock([_take(weights, last)], [ranges[f"{last}.0"]], size=size))
        self.output_size = int(self.stages[-1].convs[0].bias.shape[0])  # type: ignore[index, union-attr]

    @property
    def blocks(self) -> nn.ModuleList:
        """The network's blocks from first to last."""
        return self.stages

    def settle(self) -> None:
        """Do nothing: the weights are already packed for inference."""

    def forward(self, images: Tensor) -> Vectors:
        """Encode photos (B, 3, S, S), RGB, uint8 in [0, 255]; see `ImageEncoder`."""
        shape = (len(images), 3, *(side + 2 for side in images.shape[2:]))
        padded = self.border.expand(shape).contiguous(memory_format=torch.channels_last)
        padded[..., 1:-1, 1:-1] = images
        grid = self.stem(padded)
        for block in self.stages:
            grid = block(grid)
        return Vectors(grid.flatten(2).transpose(1, 2))


def _block(
    place: str, row: Row, weights: dict[str, Tensor], ranges: Ranges, *, first: bool, size: int
) -> QuantizedBlock:
    """Build one block of a row of `EFFICIENTNET_V2_B0` from weights with torchvision's names."""
    stride = row.stride if first else 1
    excitation: list[Tensor] = []
    if row.fused:
        numbers = [0] if row.expansion == 1 else [0, 1]
        layers = [_take(weights, f"{place}.0", stride=stride)]
        layers += [_take(weights, f"{place}.1", swish=False) for _ in numbers[1:]]
    else:
        numbers = [0, 1, 3]
        wide = _take(weights, f"{place}.0")
        layers = [wide, _take(weights, f"{place}.1", stride=stride, groups=len(wide.weight))]
        layers.append(_take(weights, f"{place}.3", swish=False))
        excitation = [weights.pop(f"{place}.2.fc{part}.{kind}") for part in (1, 2) for kind in ("weight", "bias")]
    return QuantizedBlock(
        layers,
        [ranges[f"{place}.{number}.0"] for number in numbers],
        size=size,
        excitation=excitation,
        residual=stride == 1 and not (first and row.inputs != row.outputs),
    )


def _take(weights: dict[str, Tensor], place: str, *, stride: int = 1, swish: bool = True, groups: int = 1) -> Layer:
    """Remove a convolution and its batch normalization from the weights, and fold them into one layer."""
    weight = weights.pop(f"{place}.0.weight")
    norm = "weight", "bias", "running_mean", "running_var"
    scale, shift, mean, variance = (weights.pop(f"{place}.1.{name}") for name in norm)
    factor = scale / (variance + EPSILON).sqrt()
    return Layer(weight * factor.view(-1, 1, 1, 1), shift - mean * factor, stride, swish, groups)


def _on_bytes(layer: Layer, mean: Tensor, std: Tensor) -> Layer:
    """Fold the normalization of images into the first convolution, for uint8 input. Pad with the mean, not with 0."""
    weight = layer.weight / (255 * std)
    return layer._replace(weight=weight, bias=layer.bias - (weight * (255 * mean)).sum((1, 2, 3)))


class QuantizedLinear(nn.Module):
    """A linear layer with int8 weights and uint8 inputs."""

    def __init__(self, linear: nn.Linear, inputs: tuple[float, float]) -> None:
        super().__init__()
        self.inputs, self.matrix = Affine.over(*inputs), _packed(linear.weight, linear.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (…, I) to (…, O), float32."""
        return _product(inputs, self.inputs, self.matrix)


class QuantizedLSTMCell(nn.Module):
    """An LSTM cell with int8 weights and uint8 inputs."""

    def __init__(self, cell: nn.LSTMCell, *, inputs: tuple[float, float], state: tuple[float, float]) -> None:
        super().__init__()
        i, f, g, o = torch.arange(4 * cell.hidden_size).chunk(4)
        order = torch.cat([i, f, o, g])  # the three gates are adjacent: one sigmoid computes them all
        self.inputs, self.state = Affine.over(*inputs), Affine.over(*state)
        self.from_inputs = _packed(cell.weight_ih[order], (cell.bias_ih + cell.bias_hh)[order])
        self.from_state = _packed(cell.weight_hh[order], None)

    def forward(self, inputs: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Run one step on inputs (B, I); the state is two tensors (B, H)."""
        hidden, cell = state
        sums = _product(inputs, self.inputs, self.from_inputs)
        sums += _product(hidden, self.state, self.from_state)
        size = hidden.shape[1]
        input_gate, forget_gate, output_gate = sums[:, : 3 * size].sigmoid().chunk(3, 1)
        cell = forget_gate * cell + input_gate * sums[:, 3 * size :].tanh()
        return output_gate * cell.tanh(), cell


def _packed(weight: Tensor, bias: Tensor | None) -> Any:
    """Quantize and pack a matrix (O, I) with its bias."""
    integers, scales = _integers(weight)
    zeros = torch.zeros(len(scales), dtype=torch.int64)
    matrix = torch._make_per_channel_quantized_tensor(integers, scales.double(), zeros, 0)
    return _MULTIPLY.linear_prepack(matrix, bias)


def _product(inputs: Tensor, affine: Affine, matrix: Any) -> Tensor:
    outputs: Tensor = _MULTIPLY.linear_with_input_q_dq_qweight_dq_output_fp32(inputs, *affine, matrix)
    return outputs
