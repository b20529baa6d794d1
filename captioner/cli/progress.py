"""How far a run is: a bar on a terminal, a line now and then elsewhere; and what became of the photos."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from captioner.folders.run import Counts

SECONDS_BETWEEN_LINES = 30.0
SHOWN_FAILURES = 5


def say(message: str) -> None:
    """Tell the user something that is no result."""
    print(f"captioner: {message}", file=sys.stderr)


class Progress:
    """What a run says while it works, and at its end."""

    def __init__(
        self, counts: "Counts", total: int, *, bar: bool, lines: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin.

        Args:
            counts: kept up to date by the run.
            total: photos, those to be skipped among them.
            bar: show a bar.
            lines: where there is no bar, say something now and then.
            clock: seconds since whenever.
        """
        from tqdm import tqdm

        self._counts = counts
        self._total = total
        self._lines = lines and not bar
        self._clock = clock
        self._failures: list[str] = []
        self._bar = tqdm(total=total, unit="photo", disable=not bar)
        self.start()

    def start(self) -> None:
        """What follows is the work that the rate is about, and no preparation any more."""
        self._begin = self._last = self._clock()

    def update(self, error: str | None) -> None:
        """One more photo is done."""
        counts = self._counts
        if error is not None and len(self._failures) < SHOWN_FAILURES:
            self._failures.append(error)
        self._bar.total = self._total - counts.skipped
        if counts.failed:
            self._bar.set_postfix_str(f"{counts.failed:,} failed", refresh=False)
        self._bar.update()
        if self._lines and self._clock() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = self._clock()
            done, wanted = counts.captioned + counts.failed, self._total - counts.skipped
            left = _duration((wanted - done) / self._rate())
            say(f"{done:,} of {wanted:,} photos, {self._rate():.1f} photos/s, {counts.failed:,} failed, {left} left")

    def say(self, message: str) -> None:
        """Tell the user something that is no result, without running through the bar."""
        with self._bar.external_write_mode(file=sys.stderr):
            say(message)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def summary(self, journal: Path | None) -> None:
        """Say what became of the photos, and name the first that failed.

        Args:
            journal: where all stand; None if there is none, because each was told already.
        """
        counts = self._counts
        rate = f"; {self._rate():.1f} photos/s" if counts.captioned + counts.failed else ""
        say(f"{counts.captioned:,} captioned, {counts.skipped:,} skipped, {counts.failed:,} failed{rate}")
        if journal:
            for failure in self._failures:
                print(f"  {failure}", file=sys.stderr)
            more = counts.failed - len(self._failures)
            if more:
                print(f"  and {more:,} more: {journal} has the error of each", file=sys.stderr)
        if counts.skipped_failed:
            say(f"{counts.skipped_failed:,} of those skipped had failed before; --retry-errors tries them again")
        if counts.changed:
            photos = "photo was" if counts.changed == 1 else "photos were"
            say(f"{counts.changed:,} {photos} exchanged since the last run, and done again")
        if counts.kept:
            say(f"{counts.kept:,} sidecars stood there already and were kept; captioner replaces only its own")
        if counts.described:
            say(f"{counts.described:,} of those skipped have a description already (--skip-described)")
        if counts.written or counts.foreign or counts.unwritten:
            failed = f", {counts.unwritten:,} could not be written" if counts.unwritten else ""
            say(f"{counts.written:,} captions written into metadata{failed}")
        if counts.foreign:
            was, it = ("description that captioner did not write was", "it")
            if counts.foreign > 1:
                was, it = "descriptions that captioner did not write were", "them"
            say(f"{counts.foreign:,} {was} kept; --replace-descriptions replaces {it}")

    def _rate(self) -> float:
        return (self._counts.captioned + self._counts.failed) / max(self._clock() - self._begin, 1e-9)


def _duration(seconds: float) -> str:
    """A time for people: 40 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
