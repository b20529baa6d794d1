"""Which photos are meant: folders, files, patterns and lists of names, in an order that is always the same.

Nothing is opened here. Names stay as the system has them, those that are not UTF-8 too (`os.fsdecode`).
"""

import glob
import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import NamedTuple, Self

from captioner.errors import ImageError, UsageError
from captioner.files import decode_text
from captioner.folders.excludes import NO_MEDIA, Excludes

_PHOTOS = """
.jpg .jpeg .jpe .jfif .pjpeg .pjp .mpo .png .apng .webp .gif .bmp .dib .tif .tiff .avif .avifs .heic .heics .heif .heifs
.hif
"""
_OTHERS = """
.3fr .arw .cr2 .cr3 .crw .dng .erf .iiq .nef .nrw .orf .pef .raf .raw .rw2 .rwl .sr2 .srw .x3f
.jp2 .j2k .jpx .jxl .jxr .wdp .psd .svg .tga .avi .m4v .mkv .mov .mp4 .mts .webm
"""
SUFFIXES = frozenset(_PHOTOS.split())
"""What the name of a photo in a folder ends with, in small letters; a file that is named itself may be called anything.
"""
UNREAD = frozenset(_OTHERS.split())
"""Kinds of pictures and films that are not read."""


class Found(NamedTuple):
    """A photo that somebody means.

    Attributes:
        path: what it is called in results: absolute where it was given so, else relative to the working directory.
        root: what it was found under: a folder that was given, or where a file's own name begins.
        problem: why a folder could not be searched; its path then stands for all that may be in it.
        content: the photo itself, where it has no file.
    """

    path: str
    root: str
    problem: ImageError | None = None
    content: bytes | None = None

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
            raise UsageError(f"--shard is {text!r}; give I/N with 0 ≤ I < N, such as 0/8.")
        return cls(int(index), int(count))

    def holds(self, photo: Found) -> bool:
        """Whether a photo is in this part, by a hash of its path relative to its root."""
        name = os.fsencode(PurePath(photo.relative).as_posix())
        return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest()) % self.count == self.index


@dataclass
class PassedOver:
    """What a search found, and what it passed over.

    Attributes:
        photos: found, those of other shards among them.
        folders: not searched, because the search was not recursive.
        links: to folders, which were not followed.
        excluded: files and folders that `Excludes` left out.
        kinds: other files, by suffix.
    """

    photos: int = 0
    folders: int = 0
    links: int = 0
    excluded: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def unread(self) -> Counter[str]:
        """Pictures and films of kinds that are not read, by suffix."""
        return Counter({suffix: count for suffix, count in self.kinds.items() if suffix in UNREAD})

    def reasons(self) -> str:
        """Why no photo was found, for a sentence; empty if there was nothing at all."""
        shown = ", ".join(suffix or "no suffix" for suffix, _ in self.kinds.most_common(4))
        total = self.kinds.total()
        reasons = {
            f"{_count(self.folders, 'folder')} not searched (use --recursive)": self.folders,
            f"{_count(self.links, 'link')} to folders not followed (use --follow-links)": self.links,
            f"{_count(total, 'file')} of unsupported formats ({shown})": total,
            f"{_count(self.excluded, 'name')} skipped (hidden, system or excluded; see --hidden and --exclude)": (
                self.excluded
            ),
        }
        return "; ".join(reason for reason, holds in reasons.items() if holds)


@dataclass(frozen=True, kw_only=True)
class Photos:
    """Photos to be found; each iteration searches again, so that no more than one folder's names are in memory.

    Attributes:
        arguments: folders, files or patterns. A pattern that matches nothing is taken for a file's name.
        names: folders or files whose names are never patterns.
        source: where the names come from, for messages.
        recursive: also look into the folders of a folder.
        follow_links: also into folders that are linked to. No folder is then searched twice and no file found twice, so
            that the search ends. Otherwise links to folders are not followed, so that no search leaves its root.
        exclude: patterns of what is left out; see `Excludes`. They hold for files that are named themselves, too.
        hidden: also find what is hidden, and what systems keep for themselves; what is named itself is always found.
        shard: which part is wanted; all if None.
        standard_input: the photo for which the argument `-` stands; None makes it a file of that name.
    """

    arguments: Sequence[str] = ()
    names: Sequence[str] = ()
    source: str = ""
    recursive: bool = False
    follow_links: bool = False
    exclude: Sequence[str] = ()
    hidden: bool = False
    shard: Shard | None = None
    standard_input: Found | None = None

    @property
    def described(self) -> str:
        """What is searched, for messages."""
        return ", ".join([*self.arguments, *([self.source] if self.source else self.names)])

    def __iter__(self) -> Iterator[Found]:
        return self.search(PassedOver())

    def search(self, passed: PassedOver) -> Iterator[Found]:
        """Find the photos, and count what is passed over.

        Raises:
            UsageError: a pattern of `exclude` is empty.
        """
        for photo in _Search(self, passed).photos():
            passed.photos += 1
            if self.shard is None or self.shard.holds(photo):
                yield photo


class _Folder(NamedTuple):
    path: str
    relative: str  # to its root, written with /


class _Search:
    def __init__(self, wanted: Photos, passed: PassedOver) -> None:
        self._wanted = wanted
        self._passed = passed
        self._excludes = Excludes(wanted.exclude, hidden=wanted.hidden)
        self._excludes_named = Excludes(wanted.exclude, hidden=True)
        self._seen: set[tuple[int, int]] = set()  # device and inode of files and folders, if links are followed

    def photos(self) -> Iterator[Found]:
        for argument in self._wanted.arguments:
            if argument == "-" and self._wanted.standard_input:
                yield self._wanted.standard_input
            elif glob.has_magic(argument) and not os.path.lexists(argument):
                yield from self._matching(argument)
            else:
                yield from self._named(argument)
        for name in self._wanted.names:
            yield from self._named(name)

    def _matching(self, pattern: str) -> Iterator[Found]:
        root = _root_of_pattern(pattern)
        named = frozenset(Path(pattern).parts) | {"/", ".", ".."}
        top = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts))
        matches = sorted(glob.iglob(pattern, recursive=True))
        for name in matches:
            if self._excludes.leaves_out_below(PurePath(name).as_posix(), named=named) or self._is_quiet(name, top):
                self._passed.excluded += 1
            else:
                yield from self._named(name, root)
        if not matches:
            yield from self._named(pattern, root)

    def _is_quiet(self, name: str, top: Path) -> bool:
        """Whether a folder between `top` and a file that a pattern matches asks to be left out."""
        folders = (folder for folder in Path(name).parents if folder != top and top in folder.parents)
        return any(self._excludes.respects([NO_MEDIA] * (folder / NO_MEDIA).exists()) for folder in folders)

    def _named(self, name: str, root: str | None = None) -> Iterator[Found]:
        path = normalised(name)
        if os.path.isdir(path):
            yield from self._inside(path)
            return
        found = Found(path, _root_of_file(path) if root is None else root)
        whole = PurePath(path)
        if self._wanted.exclude and self._excludes_named.leaves_out_below(whole.relative_to(whole.anchor).as_posix()):
            self._passed.excluded += 1
        elif self._is_new(path):
            yield found

    def _inside(self, root: str) -> Iterator[Found]:
        levels = [self._level(_Folder(root, ""), root)]
        while levels:  # not recursive: a tree may be deeper than Python's stack
            entry = next(levels[-1], None)
            if entry is None:
                levels.pop()
            elif isinstance(entry, Found):
                yield entry
            else:
                levels.append(self._level(entry, root))

    def _level(self, folder: _Folder, root: str) -> Iterator[Found | _Folder]:
        """The photos in a folder, and the folders to be searched, by name."""
        try:
            if not self._is_new(folder.path):
                return
            with os.scandir(folder.path) as entries:
                listed = sorted((entry.name, *self._kind(entry)) for entry in entries)
        except OSError as problem:
            reason = f"cannot read the folder {folder.path!a}: {problem.strerror}; check that it exists and is readable"
            yield Found(folder.path, root, ImageError(reason))
            return
        if folder.relative and self._excludes.respects([name for name, *_ in listed]):
            self._passed.excluded += 1
            return
        for name, is_folder, is_link in listed:
            relative = f"{folder.relative}/{name}" if folder.relative else name
            if self._excludes.leaves_out(relative, folder=is_folder):
                self._passed.excluded += 1
                continue
            path = name if folder.path == os.curdir else os.path.join(folder.path, name)
            suffix = os.path.splitext(name)[1].lower()
            if suffix in SUFFIXES:
                if is_folder or self._is_new(path):
                    yield Found(path, root)
            elif is_link:
                self._passed.links += 1
            elif not is_folder:
                self._passed.kinds[suffix] += 1
            if is_folder and self._wanted.recursive:
                yield _Folder(path, relative)
            self._passed.folders += is_folder and not self._wanted.recursive

    def _kind(self, entry: os.DirEntry[str]) -> tuple[bool, bool]:
        """Whether it is a folder to be searched, and whether it is a link to one that is not followed."""
        try:
            if entry.is_dir(follow_symlinks=self._wanted.follow_links):
                return True, False
            return False, entry.is_symlink() and entry.is_dir()
        except OSError:
            return False, False

    def _is_new(self, path: str) -> bool:
        """Whether a file or folder was not seen before, under whatever name; always, unless links are followed."""
        if not self._wanted.follow_links:
            return True
        try:
            status = os.stat(path)
        except OSError:  # whoever reads it will say so
            return True
        key = (status.st_dev, status.st_ino)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True


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


def read_names(data: bytes, *, ends_with_nul: bool, source: str = "the list of names") -> list[str]:
    """Names in a list, one a line, or (`find -print0`) each followed by a NUL; empty ones are left out.

    Lines may end as on Windows, the text may have a byte-order mark or be UTF-16, and a name may stand in double
    quotes.

    Raises:
        UsageError: lines hold NULs, or UTF-16 is cut off.
    """
    if ends_with_nul:
        return [os.fsdecode(name) for name in data.split(b"\0") if name]
    text = decode_text(data, source, errors="surrogateescape")
    if "\0" in text:
        raise UsageError(f"{source} contains NUL characters; add -0 if they end the names, otherwise save it as UTF-8.")
    return [_unquoted(line) for line in (line.rstrip("\r") for line in text.split("\n")) if line]


def _unquoted(line: str) -> str:
    quoted = len(line) > 2 and line[0] == line[-1] == '"' and not os.path.lexists(line)
    return line[1:-1] if quoted else line


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


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
