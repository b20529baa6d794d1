"""Receipts record what captioner wrote, to tell its own files from files that a person wrote or changed.

Each folder has a hidden, append-only file with one line per written file, with a hash of its content. The line is
written before the file is moved into place, so a crash leaves no file without a receipt. If a line is damaged or
deleted, its file counts as foreign and is never replaced, which is the safe mistake.
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
"""Key of the text that captioner added to a file by another author."""
_FOLDERS_IN_MEMORY = 8


class Receipts:
    """The receipts of any number of folders; those of a few folders are cached in memory.

    Lines that other processes append are read before each answer.
    """

    def __init__(self) -> None:
        self._folders: dict[Path, _Folder] = {}

    def own(self, path: Path) -> bool:
        """Whether a file, or every part in a folder of parts, is unchanged since captioner wrote it.

        A file with text of another author is never captioner's own, even if captioner added to it.
        """
        if path.is_dir():
            return all(self.own(part) for part in path.glob("part-*.parquet"))
        found = self._of(path.parent).get(path.name, [])
        return bool(found) and fingerprint.digest(path) in {
            receipt["digest"] for receipt in found if ADDED not in receipt
        }

    def know(self, path: Path) -> bool:
        """Whether there is a receipt for a file or folder of parts with that name."""
        return (path / NAME).exists() or path.name in self._of(path.parent)

    def last(self, path: Path) -> Mapping[str, Any]:
        """The facts stored when a file was last written; empty if there are none."""
        found = self._of(path.parent).get(path.name, [])
        return found[-1] if found else {}

    def all(self, path: Path) -> Sequence[Mapping[str, Any]]:
        """The facts stored each time a file was written, oldest first."""
        return self._of(path.parent).get(path.name, [])

    @contextlib.contextmanager
    def writing(self, path: Path, *, temporary_name: str = "", **facts: object) -> Iterator[Path]:
        """Yield a temporary file that atomically replaces `path`, with a receipt, if the block succeeds.

        Args:
            path: the file.
            temporary_name: see `captioner.files.replacing`.
            facts: more contents of the receipt.
        """
        with replacing(path, temporary_name=temporary_name) as temporary:
            yield temporary
            self._add(path, {"name": path.name, "digest": fingerprint.digest(temporary), **facts})

    def _add(self, path: Path, receipt: dict[str, Any]) -> None:
        if receipt in self._of(path.parent).get(path.name, [])[-1:]:
            return
        file = path.parent / NAME
        with file.open("ab+", buffering=0) as opened:
            torn = opened.tell() > 0 and opened.seek(-1, os.SEEK_END) >= 0 and opened.read(1) != b"\n"
            rest = b"\n" * torn + json.dumps(receipt).encode("ascii") + b"\n"
            while rest:  # one write suffices, unless the disk is full, which the next write reports
                rest = rest[opened.write(rest) :]

    def _of(self, folder: Path) -> dict[str, list[dict[str, Any]]]:
        if folder not in self._folders:
            while len(self._folders) >= _FOLDERS_IN_MEMORY:
                self._folders.pop(next(iter(self._folders)))
            self._folders[folder] = _Folder(folder / NAME)
        return self._folders[folder].read_on()


class _Folder:
    """The receipts of one folder, as far as they have been read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end = 0
        self._found: dict[str, list[dict[str, Any]]] = {}

    def read_on(self) -> dict[str, list[dict[str, Any]]]:
        """Read the lines appended since the last call; returns name → receipts, oldest first."""
        with contextlib.suppress(OSError):
            size = self._path.stat().st_size
            if size < self._end:  # replaced by another file
                self._end, self._found = 0, {}
            if size > self._end:
                with self._path.open("rb") as file:
                    file.seek(self._end)
                    for line in file:
                        self._add(line)
        return self._found

    def _add(self, line: bytes) -> None:
        try:
            receipt = json.loads(line)
            if isinstance(receipt["digest"], str):
                self._found.setdefault(receipt["name"], []).append(receipt)
        except (ValueError, TypeError, KeyError, RecursionError):
            if not line.endswith(b"\n"):  # another process may still be writing it
                return
        self._end += len(line)
