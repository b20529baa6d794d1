"""TensorBoard: what a run logs, as curves, and a few captions with where the model looked at each word.

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
"""The directory of TensorBoard's files in a run's directory."""

_TILE, _LINE, _COLUMNS = 160, 20, 6  # pixels of a tile's side and of a line of text; tiles in a row


class Board:
    """Writes for TensorBoard; does nothing but say so where that is not installed."""

    def __init__(self, directory: Path, *, step: int = 0) -> None:
        """Open the board of a run.

        Args:
            directory: of the run.
            step: where the run stands; what an interrupted run wrote about later steps no longer counts.
        """
        self._writer: SummaryWriter | None = None
        try:
            from torch.utils import tensorboard
        except ModuleNotFoundError:
            print(
                "train: TensorBoard is not installed, so nothing is written for it;"
                " it comes with: pip install -r train/requirements.txt",
                file=sys.stderr,
            )
        else:
            self._writer = tensorboard.SummaryWriter(str(directory / BOARD), purge_step=step + 1)

    def step(self, record: Mapping[str, Any]) -> None:
        """Show a line of the log of steps."""
        self._scalars("step", record)

    def epoch(self, record: Mapping[str, Any]) -> None:
        """Show a line of the log of epochs: the validation's scores."""
        self._scalars("epoch", record)

    def samples(self, step: int, pixels: Sequence[NDArray[np.uint8]], captions: Sequence[Caption]) -> None:
        """Show photos (S, S, 3) with their captions, and for each word where the model looked."""
        if self._writer:
            for number, (photo, caption) in enumerate(zip(pixels, captions, strict=True)):
                drawn = draw_attention(photo, caption)
                self._writer.add_image(f"sample/{number}", drawn, step, dataformats="HWC")

    def close(self) -> None:
        """Write out what is still in memory."""
        if self._writer:
            self._writer.close()

    def _scalars(self, group: str, record: Mapping[str, Any]) -> None:
        if self._writer:
            for name, value in record.items():
                if isinstance(value, int | float) and name not in {"step", "epoch"}:
                    self._writer.add_scalar(f"{group}/{name}", value, record["step"])


def draw_attention(pixels: NDArray[np.uint8], caption: Caption) -> NDArray[np.uint8]:
    """Draw a photo under its caption, then once more for each word, bright where the model looked.

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
            # The square root, because one cell often has so much that the others would all be black.
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
