"""Receipts: what captioner wrote in a folder, by which it tells its own files from those that a person wrote or
changed.

They stand in a hidden file in that folder, which only grows: one line for each file that was written, with a hash of
its content. A line is written before its file takes its place, so that a crash between the two leaves no file without a
receipt. A line that a crash tore, or that somebody deleted, makes a file a stranger's, which is never replaced: the
mistake that does no harm.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from captioner.files import replacing
from captioner.folders import fingerprint

NAME = ".captioner.jsonl"
ADDED = "added"
"""The fact of a file that is a person's, to which captioner only added this text."""
_FOLDERS_IN_MEMORY = 8


class Receipts:
    """The receipts of any number of folders, of which a few are kept in memory."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, list[dict[str, Any]]]] = {}

    def own(self, path: Path) -> bool:
        """Whether a file is as captioner once wrote it, with no text of a person's in it; of a folder of parts, whether
        all of them are.
        """
        if path.is_dir():
            return all(self.own(part) for part in path.glob("part-*.parquet"))
        found = self._of(path.parent).get(path.name, [])
        return bool(found) and fingerprint.digest(path) in {
            receipt["digest"] for receipt in found if ADDED not in receipt
        }

    def know(self, path: Path) -> bool:
        """Whether captioner ever wrote a file of that name, or a folder of parts, with receipts."""
        return (path / NAME).exists() or path.name in self._of(path.parent)

    def last(self, path: Path) -> Mapping[str, Any]:
        """The facts with which a file was last written; empty if it was not."""
        found = self._of(path.parent).get(path.name, [])
        return found[-1] if found else {}

    def all(self, path: Path) -> Sequence[Mapping[str, Any]]:
        """The facts with which a file was ever written, oldest first."""
        return self._of(path.parent).get(path.name, [])

    @contextlib.contextmanager
    def writing(self, path: Path, *, temporary_name: str = "", **facts: object) -> Iterator[Path]:
        """Give a temporary file that takes the place of `path` at once, with a receipt, when the block ends well.

        Args:
            path: the file.
            temporary_name: see `captioner.files.replacing`.
            facts: what else the receipt says.
        """
        with replacing(path, temporary_name=temporary_name) as temporary:
            yield temporary
            self._add(path, {"name": path.name, "digest": fingerprint.digest(temporary), **facts})

    def _add(self, path: Path, receipt: dict[str, Any]) -> None:
        known = self._of(path.parent).setdefault(path.name, [])
        if receipt in known[-1:]:
            return
        file = path.parent / NAME
        with file.open("ab+", buffering=0) as opened:
            torn = opened.tell() > 0 and opened.seek(-1, os.SEEK_END) >= 0 and opened.read(1) != b"\n"
            opened.write(b"\n" * torn + json.dumps(receipt).encode("ascii") + b"\n")
        known.append(receipt)

    def _of(self, folder: Path) -> dict[str, list[dict[str, Any]]]:
        if folder not in self._folders:
            while len(self._folders) >= _FOLDERS_IN_MEMORY:
                self._folders.pop(next(iter(self._folders)))
            self._folders[folder] = _read(folder / NAME)
        return self._folders[folder]


def _read(path: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    with contextlib.suppress(OSError), path.open("rb") as file:
        for line in file:
            with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
                receipt = json.loads(line)
                if isinstance(receipt["digest"], str):
                    found.setdefault(receipt["name"], []).append(receipt)
    return found
