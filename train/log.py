"""The logs of a run: one line per step, one per epoch, TensorBoard files, and a plot of the curves."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.errors import CaptionerError
from captioner.files import write_files
from captioner.predict import Caption
from train.board import Board
from train.curves import EPOCHS, STEPS, draw_curves


class Log:
    """The logs in a run's directory. On resuming, they continue from the saved state."""

    def __init__(self, directory: Path, *, steps: int, epochs: int) -> None:
        """Open the logs, and drop lines after the saved state: those steps will be repeated.

        Args:
            directory: directory of the run.
            steps: finished steps.
            epochs: finished epochs.
        """
        self._directory = directory
        for name, lines in ((STEPS, steps), (EPOCHS, epochs)):
            _cut(directory / name, lines)
        self._steps = (directory / STEPS).open("a", encoding="utf-8")
        self._board = Board(directory, step=steps)

    def step(self, record: Mapping[str, Any]) -> None:
        """Log a step."""
        self._steps.write(json.dumps(record) + "\n")
        self._board.scalars("step", record)

    def flush(self) -> None:
        """Write all logged steps to disk, before a state that depends on them is saved."""
        self._steps.flush()

    def epoch(
        self, record: Mapping[str, Any], pixels: Sequence[NDArray[np.uint8]], captions: Sequence[Caption]
    ) -> None:
        """Log an epoch and its sample captions, and plot the curves so far."""
        self.flush()
        with (self._directory / EPOCHS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self._board.scalars("epoch", record)
        self._board.samples(record["step"], pixels, captions)
        try:
            draw_curves(self._directory)
        except CaptionerError as problem:  # training does not need matplotlib
            print(f"train: {problem}", file=sys.stderr)

    def close(self) -> None:
        """Close the log files."""
        self._steps.close()
        self._board.close()


def _cut(path: Path, lines: int) -> None:
    """Keep only the first lines of a log."""
    if path.is_file():
        kept = path.read_text(encoding="utf-8").splitlines(keepends=True)[:lines]
        write_files(path.parent, {path.name: "".join(kept)})
