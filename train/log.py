"""What a run writes down: a line a step, a line an epoch, TensorBoard's files, and a picture of the curves."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.errors import CaptionerError
from captioner.files import replacing
from captioner.predict import Caption
from train.board import Board
from train.curves import EPOCHS, STEPS, draw_curves


class Log:
    """The logs in a run's directory; those of a run that goes on continue where its state was saved."""

    def __init__(self, directory: Path, *, steps: int, epochs: int) -> None:
        """Open them.

        Args:
            directory: of the run.
            steps: how many are done; what was logged after the state that the run goes on from will come again.
            epochs: the same.
        """
        self._directory = directory
        for name, lines in ((STEPS, steps), (EPOCHS, epochs)):
            _cut(directory / name, lines)
        self._steps = (directory / STEPS).open("a", encoding="utf-8")
        self._board = Board(directory, step=steps)

    def step(self, record: Mapping[str, Any]) -> None:
        """Write down a step."""
        self._steps.write(json.dumps(record) + "\n")
        self._board.step(record)

    def flush(self) -> None:
        """See all steps through: a state that is about to be saved stands on them."""
        self._steps.flush()

    def epoch(
        self, record: Mapping[str, Any], pixels: Sequence[NDArray[np.uint8]], captions: Sequence[Caption]
    ) -> None:
        """Write down an epoch and its sample captions, and draw the curves so far."""
        self.flush()
        with (self._directory / EPOCHS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self._board.epoch(record)
        self._board.samples(record["step"], pixels, captions)
        try:
            draw_curves(self._directory)
        except CaptionerError as problem:  # without matplotlib a run is still a run
            print(f"train: {problem}", file=sys.stderr)

    def close(self) -> None:
        """Close the files."""
        self._steps.close()
        self._board.close()


def _cut(path: Path, lines: int) -> None:
    """Keep the first lines of a log and drop what came after."""
    if path.is_file():
        kept = path.read_text(encoding="utf-8").splitlines(keepends=True)[:lines]
        with replacing(path) as temporary:
            temporary.write_text("".join(kept), encoding="utf-8")
