"""TensorBoard output: logged values as curves, and sample captions with attention maps.

tensorboard --logdir runs
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from captioner.predict import Caption

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

BOARD = "board"
"""Name of the directory for TensorBoard's files."""

_TILE, _LINE, _COLUMNS = 160, 20, 6  # side of a tile and height of a line, in pixels; tiles per row


class Board:
    """Writes TensorBoard files. Without TensorBoard, it says so once and does nothing."""

    def __init__(self, directory: Path, *, step: int = 0) -> None:
        """Open the board of a run.

        Args:
            directory: directory of the run.
            step: current step; what an interrupted run wrote about later steps is discarded.
        """
        self._writer: SummaryWriter | None = None
        try:
            from torch.utils import tensorboard
        except ModuleNotFoundError:
            print(
                "train: TensorBoard is not installed, so no TensorBoard files are written;"
                " install it with: pip install -r train/requirements.txt",
                file=sys.stderr,
            )
        else:
            self._writer = tensorboard.SummaryWriter(str(directory / BOARD), purge_step=step + 1)

    def scalars(self, group: str, record: Mapping[str, Any]) -> None:
        """Add the numbers of a record of the log `step` or `epoch`."""
        if self._writer:
            for name, value in record.items():
                if isinstance(value, int | float) and name not in {"step", "epoch"}:
                    self._writer.add_scalar(f"{group}/{name}", value, record["step"])

    def samples(self, step: int, pixels: Sequence[NDArray[np.uint8]], captions: Sequence[Caption]) -> None:
        """Add photos (S, S, 3) with their captions and attention maps."""
        if self._writer:
            for number, (photo, caption) in enumerate(zip(pixels, captions, strict=True)):
                drawn = draw_attention(photo, caption)
                self._writer.add_image(f"sample/{number}", drawn, step, dataformats="HWC")

    def close(self) -> None:
        """Write pending records."""
        if self._writer:
            self._writer.close()


def draw_attention(pixels: NDArray[np.uint8], caption: Caption) -> NDArray[np.uint8]:
    """Draw a photo under its caption, and once per word with the attended area bright.

    Args:
        pixels: (S, S, 3), RGB.
        caption: with attention.

    Returns:
        (H, W, 3), RGB.
    """
    photo = Image.fromarray(pixels).resize((_TILE, _TILE))
    tiles = [("", photo)]
    if caption.attention and caption.grid:
        for token, shares in zip(caption.tokens, caption.attention, strict=True):
            grid = np.array(shares, dtype=np.float32).reshape(caption.grid)
            # The square root, because one cell often dominates and the others would all be black.
            light = Image.fromarray((grid / grid.max()) ** 0.5).resize(photo.size, Image.Resampling.BILINEAR)
            shaded = np.asarray(photo) * (0.15 + 0.85 * np.asarray(light))[..., None]
            tiles.append((token, Image.fromarray(shaded.astype(np.uint8))))
    rows = -(-len(tiles) // _COLUMNS)
    canvas = Image.new("RGB", (_COLUMNS * _TILE, _LINE + rows * (_TILE + _LINE)), "white")
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(14)
    pen.text((4, 2), caption.text, fill="black", font=font)
    for place, (token, tile) in enumerate(tiles):
        left, top = place % _COLUMNS * _TILE, _LINE + place // _COLUMNS * (_TILE + _LINE)
        canvas.paste(tile, (left, top))
        pen.text((left + 4, top + _TILE + 2), token, fill="black", font=font)
    return np.asarray(canvas)
