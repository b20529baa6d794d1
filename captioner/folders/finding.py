"""Find photos in folders, by patterns and from lists of names, in a deterministic order.

No file is opened here. Names are kept as the system reports them, even if they are not UTF-8 (`os.fsdecode`).
"""

import functools
import glob
import hashlib
import importlib.util
import itertools
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Literal, NamedTuple, Self

from captioner.errors import ImageError, UsageError
from captioner.files import decode_text
from captioner.folders.excludes import NO_MEDIA, Excludes

_PHOTOS = """
.jpg .jpeg .jpe .jfif .pjpeg .pjp .mpo .png .apng .webp .gif .bmp .dib .tif .tiff .avif .avifs .heic .heics .heif .heifs
.hif .jp2 .j2k .jpx .jpf .jpc .j2c
"""
_RAW = """
.3fr .arw .cr2 .cr3 .crw .dng .erf .iiq .nef .nrw .orf .pef .raf .raw .rw2 .rwl .sr2 .srw .x3f
"""
_OTHERS = """
.jxl .jxr .wdp .psd .svg .tga .avi .m4v .mkv .mov .mp4 .mts .webm
"""
SUFFIXES = frozenset(_PHOTOS.split())
"""Suffixes of photos in folders, in lower case. A file given by its own path may have any name."""
RAW = frozenset(_RAW.split())
"""Suffixes of camera raw files."""
UNREAD = RAW | frozenset(_OTHERS.split())
"""Suffixes of picture and video formats that are unsupported or need an extra package; they are counted."""
EXTRA = {"rawpy": RAW, "pillow_jxl": frozenset([".jxl"])}
"""Package of the extra `formats` → suffixes of the formats that it reads."""


@functools.cache
def suffixes() -> frozenset[str]:
    """`SUFFIXES`, and those of the formats that installed packages read."""
    return SUFFIXES.union(*(kinds for package, kinds in EXTRA.items() if importlib.util.find_spec(package)))


class Found(NamedTuple):
    """A photo that a search found.

    Attributes:
        path: name in results; absolute if it was given so, otherwise relative to the working directory.
        root: the given folder that contains it, or the folder of a file given by its own path.
        problem: why a folder could not be searched; `path` is then the folder.
        content: the photo itself, if it has no file.
    """

    path: str
    root: str
    problem: ImageError | None = None
    content: bytes | None = None

    @property
    def relative(self) -> str:
        """The path relative to its root, which is the same on every machine with that folder."""
        return os.path.relpath(self.path, self.root) if self.root else self.path


@dataclass(frozen=True)
class Shard:
    """One of `count` parts of a set of photos. Each photo always belongs to the same part."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `I/N`.

        Raises:
            UsageError: not 0 ≤ I < N.
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
    """Counts of what a search found and ignored.

    Attributes:
        photos: photos found, including those of other shards.
        folders: subfolders not searched, because the search was not recursive.
        links: links to folders that were not followed.
        excluded: files and folders skipped by `Excludes`.
        paired: camera raw files skipped because of a photo with the same name.
        kinds: other files, by suffix.
    """

    photos: int = 0
    folders: int = 0
    links: int = 0
    excluded: int = 0
    paired: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def unread(self) -> Counter[str]:
        """Pictures and videos in unsupported formats, by suffix."""
        return Counter({suffix: count for suffix, count in self.kinds.items() if suffix in UNREAD})

    def reasons(self) -> str:
        """Why no photo was found, for a message; empty if there were no files at all."""
        shown = ", ".join(suffix or "no suffix" for suffix, _ in self.kinds.most_common(4))
        total = self.kinds.total()
        reasons = {
            f"{count(self.folders, 'folder')} not searched (use --recursive)": self.folders,
            f"{count(self.links, 'link')} to folders not followed (use --follow-links)": self.links,
            f"{count(total, 'file')} in unsupported formats ({shown})": total,
            "to read camera raw and JPEG XL files, run: pip install 'captioner[formats]'": any(
                kinds & self.kinds.keys() for kinds in EXTRA.values()
            ),
            f"{count(self.excluded, 'name')} skipped (hidden, system or excluded; see --hidden and --exclude)": (
                self.excluded
            ),
        }
        return "; ".join(reason for reason, holds in reasons.items() if holds)


@dataclass(frozen=True, kw_only=True)
class Photos:
    """A search for photos. Each iteration searches again, so only the names of one folder are in memory.

    Attributes:
        arguments: folders, files or patterns. A pattern without matches is treated as a file name.
        names: folders or files that are never treated as patterns.
        source: where `names` come from, for messages.
        recursive: also search subfolders.
        follow_links: follow links to folders. Each folder and file is then visited only once, so the search terminates.
            Without it, a search never leaves its root.
        exclude: patterns of paths to skip; see `Excludes`. They apply to files given by their own path, too.
        hidden: include hidden and system files; paths that are given explicitly are always included.
        raw_pairs: if a folder has a camera raw file and a photo with the same name, find only `one`, the photo, or
            `both`.
        shard: the part to find; all if None.
        standard_input: the photo for the argument `-`; if None, `-` is a file name.
    """

    arguments: Sequence[str] = ()
    names: Sequence[str] = ()
    source: str = ""
    recursive: bool = False
    follow_links: bool = False
    exclude: Sequence[str] = ()
    hidden: bool = False
    raw_pairs: Literal["one", "both"] = "one"
    shard: Shard | None = None
    standard_input: Found | None = None

    @property
    def described(self) -> str:
        """Where this searches, for messages."""
        return ", ".join([*self.arguments, *([self.source] if self.source else self.names)])

    def __iter__(self) -> Iterator[Found]:
        return self.search(PassedOver())

    def search(self, passed: PassedOver) -> Iterator[Found]:
        """Find the photos, and count what is ignored.

        Raises:
            UsageError: a pattern in `exclude` is empty.
        """
        for photo in _Search(self, passed).photos():
            passed.photos += 1
            if self.shard is None or self.shard.holds(photo):
                yield photo


class _Folder(NamedTuple):
    path: str
    relative: str  # relative to its root, with /


class _Search:
    def __init__(self, wanted: Photos, passed: PassedOver) -> None:
        self._wanted = wanted
        self._passed = passed
        self._excludes = Excludes(wanted.exclude, hidden=wanted.hidden)
        self._excludes_named = Excludes(wanted.exclude, hidden=True)
        self._seen: set[tuple[int, int]] = set()  # device and inode of visited files and folders, if links are followed

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
        """Whether a folder between `top` and a file that matches a pattern is to be skipped."""
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
        """The photos and the subfolders to search in a folder, sorted by name."""
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
        paired = self._paired(folder, [name for name, is_folder, _ in listed if not is_folder])
        for name, is_folder, is_link in listed:
            relative = f"{folder.relative}/{name}" if folder.relative else name
            if self._excludes.leaves_out(relative, folder=is_folder):
                self._passed.excluded += 1
                continue
            path = name if folder.path == os.curdir else os.path.join(folder.path, name)
            suffix = os.path.splitext(name)[1].lower()
            if name in paired:
                self._passed.paired += 1
            elif suffix in suffixes():
                if is_folder or self._is_new(path):
                    yield Found(path, root)
            elif is_link:
                self._passed.links += 1
            elif not is_folder:
                self._passed.kinds[suffix] += 1
            if is_folder and self._wanted.recursive:
                yield _Folder(path, relative)
            self._passed.folders += is_folder and not self._wanted.recursive

    def _paired(self, folder: _Folder, names: list[str]) -> set[str]:
        """Camera raw files to skip, because a photo with the same name is found."""
        if self._wanted.raw_pairs == "both" or not suffixes() & RAW:
            return set()
        inside = f"{folder.relative}/" if folder.relative else ""
        split = [os.path.splitext(name) for name in names]
        stems = {
            stem.casefold()
            for stem, suffix in split
            if suffix.lower() in SUFFIXES and not self._excludes.leaves_out(f"{inside}{stem}{suffix}", folder=False)
        }
        return {stem + suffix for stem, suffix in split if suffix.lower() in RAW and stem.casefold() in stems}

    def _kind(self, entry: os.DirEntry[str]) -> tuple[bool, bool]:
        """Whether an entry is a folder to search, and whether it is a link that is not followed."""
        try:
            if entry.is_dir(follow_symlinks=self._wanted.follow_links):
                return True, False
            return False, entry.is_symlink() and entry.is_dir()
        except OSError:
            return False, False

    def _is_new(self, path: str) -> bool:
        """Whether a file or folder has not been visited yet; always True unless links are followed."""
        if not self._wanted.follow_links:
            return True
        try:
            status = os.stat(path)
        except OSError:  # reported when it is read
            return True
        key = (status.st_dev, status.st_ino)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True


def normalised(name: str) -> str:
    """Normalize a path: `./a//b/../c.jpg` becomes `a/c.jpg`, unless b is a link to another folder."""
    path = os.path.normpath(name)
    if os.pardir in Path(name).parts:
        try:
            same = os.path.samefile(name, path)
        except OSError:
            same = not os.path.lexists(name)
        return path if same else str(Path(name))
    return path


def read_names(data: bytes, *, ends_with_nul: bool, source: str = "the list of names") -> list[str]:
    """Parse a list of names, one per line or each followed by a NUL (`find -print0`); empty names are ignored.

    Accepts Windows line endings, byte-order marks, UTF-16, and names in double quotes.

    Raises:
        UsageError: lines contain NULs, or UTF-16 text is truncated.
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


def count(number: int, noun: str) -> str:
    """A number with its noun: 1 photo, 1,000 photos."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _root_of_file(path: str) -> str:
    """The root of a file given by its own path: empty for the working directory, else the file's folder."""
    outside = os.path.isabs(path) or os.pardir in Path(path).parts
    return os.path.dirname(path) if outside else ""


def _root_of_pattern(pattern: str) -> str | None:
    """The folders before the first wildcard of an absolute pattern; None for a relative one."""
    if not os.path.isabs(pattern):
        return None
    parts = Path(pattern).parts
    plain = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    return str(Path(*parts[: min(plain, len(parts) - 1)]))
