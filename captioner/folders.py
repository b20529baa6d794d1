"""Which photos are meant: folders, files, patterns and lists of names, in an order that is always the same.

Nothing is opened here. Names stay as the system has them, those that are not UTF-8 too (`os.fsdecode`).
"""

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple, Self

from captioner.errors import ImageError, UsageError

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif")
)
"""What the name of a photo in a folder ends with, in small letters; of a file that is named itself nothing is asked."""


class Found(NamedTuple):
    """A photo that somebody means.

    Attributes:
        path: what it is called in results: absolute where it was given so, else relative to the working directory.
        root: what it was found under: a folder that was given, or where a file's own name begins.
        problem: why a folder could not be searched; its path then stands for all that may be in it.
    """

    path: str
    root: str
    problem: ImageError | None = None

    @property
    def relative(self) -> str:
        """The path relative to its root, which is the same on every machine that has the folder."""
        return os.path.relpath(self.path, self.root) if self.root else self.path


@dataclass(frozen=True)
class Shard:
    """One of `count` parts of any set of photos; a photo is always in the same one."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `i/n`.

        Raises:
            UsageError: not 0 ≤ i < n.
        """
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise UsageError(f"--shard is {text!r}; give i/n with 0 ≤ i < n, such as 0/8.")
        return cls(int(index), int(count))

    def holds(self, photo: Found) -> bool:
        """Whether a photo is in this part, by a hash of its path relative to its root."""
        name = os.fsencode(PurePath(photo.relative).as_posix())
        return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest()) % self.count == self.index


@dataclass(frozen=True, kw_only=True)
class Photos:
    """Photos to be found; each iteration searches again, so that no more than one folder's names are in memory.

    Attributes:
        arguments: folders, files or patterns. A pattern that matches nothing is taken for a file's name.
        names: folders or files whose names are never patterns.
        recursive: also look into the folders of a folder. Links to folders are not followed, so that no search leaves
            its root or goes round in a circle.
        shard: which part is wanted; all if None.
    """

    arguments: Sequence[str] = ()
    names: Sequence[str] = ()
    recursive: bool = False
    shard: Shard | None = None

    def __iter__(self) -> Iterator[Found]:
        for photo in self._all():
            if self.shard is None or self.shard.holds(photo):
                yield photo

    def _all(self) -> Iterator[Found]:
        for argument in self.arguments:
            if glob.has_magic(argument) and not os.path.lexists(argument):
                root = _root_of_pattern(argument)
                matches = sorted(glob.iglob(argument, recursive=True))
                for name in matches or [argument]:
                    yield from self._named(name, root)
            else:
                yield from self._named(argument)
        for name in self.names:
            yield from self._named(name)

    def _named(self, name: str, root: str | None = None) -> Iterator[Found]:
        path = normalised(name)
        if os.path.isdir(path):
            yield from self._inside(path, path)
        else:
            yield Found(path, _root_of_file(path) if root is None else root)

    def _inside(self, folder: str, root: str) -> Iterator[Found]:
        try:
            with os.scandir(folder) as entries:
                # A name and whether it is a folder itself: a link to one is not.
                listed = sorted((entry.name, _is_folder(entry)) for entry in entries)
        except OSError as problem:
            reason = f"cannot read the folder {folder!a}: {problem.strerror}; check that it exists and may be read"
            yield Found(folder, root, ImageError(reason))
            return
        for name, is_folder in listed:
            path = name if folder == os.curdir else os.path.join(folder, name)
            if os.path.splitext(name)[1].lower() in SUFFIXES:
                yield Found(path, root)
            if is_folder and self.recursive:
                yield from self._inside(path, root)


def normalised(name: str) -> str:
    """The path without what says nothing: `./a//b/../c.jpg` is `a/c.jpg`, unless b is a link that leads elsewhere."""
    path = os.path.normpath(name)
    if os.pardir in Path(name).parts:
        try:
            same = os.path.samefile(name, path)
        except OSError:
            same = not os.path.lexists(name)
        return path if same else str(Path(name))
    return path


def read_names(data: bytes, *, ends_with_nul: bool) -> list[str]:
    """Names in a list, one a line, or (`find -print0`) each followed by a NUL; empty ones are left out."""
    lines: Iterable[bytes] = data.split(b"\0") if ends_with_nul else (line.rstrip(b"\r") for line in data.split(b"\n"))
    return [os.fsdecode(line) for line in lines if line]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _root_of_file(path: str) -> str:
    """The working directory (written as nothing) for what is in it, else the file's own folder."""
    outside = os.path.isabs(path) or os.pardir in Path(path).parts
    return os.path.dirname(path) if outside else ""


def _root_of_pattern(pattern: str) -> str | None:
    """Of an absolute pattern the folders before its first wildcard; None otherwise."""
    if not os.path.isabs(pattern):
        return None
    parts = Path(pattern).parts
    plain = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    return str(Path(*parts[: min(plain, len(parts) - 1)]))
