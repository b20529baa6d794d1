"""Progress of a run (a bar on a terminal, else a line now and then) and its summary."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.folders.finding import count

if TYPE_CHECKING:
    from captioner.folders.run import Counts

SECONDS_BETWEEN_LINES = 30.0
SHOWN_FAILURES = 5


def say(message: str) -> None:
    """Print a message on standard error."""
    print(f"captioner: {message}", file=sys.stderr)


@contextmanager
def evaluation_bar() -> Iterator[Callable[[int, int], None]]:
    """Draw a bar on a terminal; yields the `progress` of `captioner.evaluation.evaluate.evaluate`."""
    from tqdm import tqdm

    with tqdm(unit="photo", disable=not sys.stderr.isatty()) as bar:

        def show(done: int, wanted: int) -> None:
            bar.total = wanted
            bar.update(done - bar.n)

        yield show


class Progress:
    """Reports the progress of a run on standard error, and a summary at its end."""

    def __init__(
        self, counts: "Counts", total: int, *, bar: bool, lines: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start the clock.

        Args:
            counts: updated by the run.
            total: number of photos, skipped ones included.
            bar: draw a progress bar.
            lines: without a bar, print a line from time to time.
            clock: a monotonic time in seconds.
        """
        from tqdm import tqdm

        self._counts = counts
        self._total = total
        self._lines = lines and not bar
        self._clock = clock
        self._failures: list[str] = []
        self._bar = tqdm(total=total, unit="photo", disable=not bar)
        self._begin = self._last = self._clock()

    def update(self, error: str | None) -> None:
        """Count one finished photo and its error, if any."""
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
        """Print a message on standard error without garbling the bar."""
        with self._bar.external_write_mode(file=sys.stderr):
            say(message)

    def close(self) -> None:
        """Stop drawing the bar."""
        self._bar.close()

    def summary(self, journal: Path | None) -> None:
        """Print how many photos were captioned, skipped and failed, and the first errors.

        Args:
            journal: the file with all errors; None if every error has been printed already.
        """
        counts = self._counts
        rate = f"; {self._rate():.1f} photos/s" if counts.captioned + counts.failed else ""
        say(f"{counts.captioned:,} captioned, {counts.skipped:,} skipped, {counts.failed:,} failed{rate}")
        if journal:
            for failure in self._failures:
                print(f"  {failure}", file=sys.stderr)
            more = counts.failed - len(self._failures)
            if more:
                print(f"  and {count(more, 'more error')}, listed in {journal}", file=sys.stderr)
        if counts.skipped_failed:
            say(f"{count(counts.skipped_failed, 'skipped photo')} failed in an earlier run; retry with --retry-errors")
        if counts.changed:
            say(f"captioned {count(counts.changed, 'photo')} again, because the file changed since the last run")
        if counts.kept:
            say(f"kept {count(counts.kept, 'existing sidecar')} that captioner did not write")
        if counts.described:
            say(f"{count(counts.described, 'skipped photo')} already had a description (--skip-described)")
        if counts.written or counts.foreign or counts.unwritten:
            failed = f"; {counts.unwritten:,} failed" if counts.unwritten else ""
            say(f"wrote {count(counts.written, 'caption')} into metadata{failed}")
        if counts.foreign:
            say(
                f"kept {count(counts.foreign, 'description')} that captioner did not write; "
                "replace with --replace-descriptions"
            )

    def _rate(self) -> float:
        return (self._counts.captioned + self._counts.failed) / max(self._clock() - self._begin, 1e-9)


def _duration(seconds: float) -> str:
    """A readable duration: 40 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
