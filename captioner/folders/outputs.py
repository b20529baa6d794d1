"""The files that are made from a journal: written anew by each run, and never over something that somebody else
wrote.
"""

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from captioner.errors import OutputError
from captioner.folders import results
from captioner.folders.journal import Journal
from captioner.folders.receipts import Receipts


class Outputs:
    """Some outputs of one run.

    Attributes:
        set_aside: what was in an output's place and not as captioner had written it → what it is called now.
    """

    def __init__(self, paths: Sequence[Path], *, overwrite: bool) -> None:
        """Take the files.

        Args:
            paths: see `results.kind`.
            overwrite: what somebody else wrote gives way, too; it gets another name.
        """
        self.paths = list(dict.fromkeys(paths))
        self.set_aside: dict[Path, Path] = {}
        self._receipts = Receipts()
        self._overwrite = overwrite
        self._may_move: set[Path] = set()  # written before there were receipts, by captioner as far as one can tell

    def check(self, journal: Path) -> None:
        """Find, before hours of work, what could not be written after it.

        Raises:
            OutputError: an output is there without its journal, or was changed.
        """
        if self._overwrite:
            return
        for path in filter(Path.exists, self.paths):
            if not journal.exists():
                raise OutputError(
                    f"{path} exists, but its journal {journal} does not, so the run cannot be resumed; "
                    "give another name, or --existing overwrite to replace it."
                )
            if not self._receipts.know(path):
                self._may_move.add(path)
            self._refuse_changed(path)

    def write(self, journal: Path) -> None:
        """Make all of them.

        Raises:
            OutputError: one cannot be written, or was changed.
            UsageError: one cannot hold these records.
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
        if self._overwrite or path in self._may_move or not path.exists() or self._receipts.own(path):
            return
        raise OutputError(
            f"{path} was changed after captioner wrote it; rename it and run the same command again, "
            "or give another --output."
        )


def _set_aside(path: Path) -> Path:
    """Give a file another name; returns it."""
    names = (path.with_name(f"{path.name}.bak{number or ''}") for number in itertools.count())
    free = next(name for name in names if not os.path.lexists(name))
    try:
        return path.rename(free)
    except OSError as problem:
        raise OutputError(f"{path}: cannot be renamed ({problem.strerror or problem}).") from None
