"""Output files made from a journal. Each run writes them again, but never over files that captioner did not write."""

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from captioner import database
from captioner.errors import OutputError
from captioner.folders import results
from captioner.folders.journal import Journal
from captioner.folders.receipts import Receipts


class Outputs:
    """The output files of one run, apart from the journal.

    Attributes:
        set_aside: files changed after captioner wrote them → the names to which they were renamed.
    """

    def __init__(self, paths: Sequence[Path], *, overwrite: bool) -> None:
        """Prepare the output files.

        Args:
            paths: see `results.kind`.
            overwrite: rename files that captioner did not write, instead of raising an error.
        """
        self.paths = list(dict.fromkeys(paths))
        self.set_aside: dict[Path, Path] = {}
        self._receipts = Receipts()
        self._overwrite = overwrite
        self._may_move: set[Path] = set()  # written before there were receipts, presumably by captioner

    def check(self, journal: Path) -> None:
        """Check before the work that the files can be written after it.

        Raises:
            OutputError: an output exists without its journal, or was changed by another program.
        """
        for path in filter(Path.exists, self.paths):
            if self._overwrite:
                self._refuse_changed(path)
                continue
            if not journal.exists():
                raise OutputError(
                    f"{path} exists, but its journal {journal} does not, so the run cannot be resumed; "
                    "give another name, or --existing overwrite to replace it."
                )
            if not self._receipts.know(path):
                self._may_move.add(path)
            self._refuse_changed(path)

    def write(self, journal: Path) -> None:
        """Write all output files.

        Raises:
            OutputError: a file cannot be written, or was changed by another program.
            UsageError: a format cannot represent these records.
        """
        if not self.paths:
            return
        whole = Journal(journal)
        for path in self.paths:
            self._refuse_changed(path)
            if path.exists() and not self._receipts.own(path):
                self.set_aside[path] = _set_aside(path)
            results.write(path, whole, self._receipts)

    def _refuse_changed(self, path: Path) -> None:
        if database.is_being_changed(path):
            raise OutputError(f"{path}: another program has unsaved changes to it; close it there, and run this again.")
        if self._overwrite or path in self._may_move or not path.exists() or self._receipts.own(path):
            return
        raise OutputError(
            f"{path} was changed after captioner wrote it; rename it and run the same command again, "
            "or give another --output."
        )


def _set_aside(path: Path) -> Path:
    """Rename a file; returns the new path."""
    names = (path.with_name(f"{path.name}.bak{number or ''}") for number in itertools.count())
    free = next(name for name in names if not os.path.lexists(name))
    try:
        return path.rename(free)
    except OSError as problem:
        raise OutputError(f"{path}: cannot be renamed ({problem.strerror or problem}).") from None
