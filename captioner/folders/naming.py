"""Names of photos in journals, in COCO results and in sidecars."""

import itertools
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from captioner.folders.finding import EXTRA, SUFFIXES, Found

_EXTRA = frozenset().union(*EXTRA.values())
_EXACT = 2**53
"""Every JSON program represents integers below this exactly."""


class PlaceNames:
    """Maps paths to the names in a journal, independent of the working directory.

    Names in a journal are absolute, or relative to the folder in which the journal was started. Two paths are the same
    photo if file name and real folder are the same, so only folders have to be cached.
    """

    def __init__(self, base: str, known: Collection[str]) -> None:
        """Prepare the mapping.

        Args:
            base: the folder to which names are relative.
            known: the names in the journal; may grow.
        """
        self._known = known
        self._here = os.path.realpath(os.curdir)
        self._base = os.path.realpath(base)
        self._real: dict[str, str] = {}  # folder as given → real path
        self._spellings: dict[str, list[str]] = {}  # real path → spellings in names
        for folder in dict.fromkeys(os.path.split(name)[0] for name in known):
            self._spellings.setdefault(_real(self._base, folder), []).append(folder)

    def of(self, path: str) -> str:
        """The name of a photo with the path `path`. In a folder without known names, it is relative to the base."""
        folder, file = os.path.split(path)
        if folder not in self._real:
            self._real[folder] = _real(self._here, folder)
        real = self._real[folder]
        if real not in self._spellings:
            as_given = self._here == self._base or os.path.isabs(path)
            self._spellings[real] = [folder if as_given else relative(real, self._base)]
        names = [os.path.join(spelling, file) for spelling in self._spellings[real]]
        return next((name for name in names if name in self._known), names[0])


def _real(base: str, folder: str) -> str:
    try:
        return os.path.realpath(os.path.join(base, folder))
    except ValueError:  # a NUL in the name
        return folder


def relative(path: str, base: str) -> str:
    """A path relative to a folder; empty for the folder itself, absolute if on another Windows drive."""
    try:
        found = os.path.relpath(path, base)
    except ValueError:
        return path
    return "" if found == os.curdir else found


def coco_ids(paths: Sequence[str]) -> list[int | str]:
    """A unique COCO `image_id` for each photo.

    It is the last number in the file name if that is below 2⁵³ and unique; otherwise the file name if that is unique;
    otherwise the whole path.
    """
    names = [path.replace("\\", "/").rpartition("/")[2] for path in paths]
    numbers = [_number(name) for name in names]
    times = Counter(map(str, itertools.chain(names, (number for number in numbers if number is not None))))
    return [
        number
        if number is not None and times[str(number)] == 1 + (name == str(number))
        else name
        if times[name] == 1
        else path
        for path, name, number in zip(paths, names, numbers, strict=True)
    ]


def told_apart(names: Iterable[str]) -> list[str]:
    """Make names unique: "x", "x (2)", "x (3)"; case is ignored, as on many file systems."""
    taken: set[str] = set()
    found = []
    for name in names:
        candidates = (name if number == 1 else f"{name} ({number})" for number in itertools.count(1))
        free = next(candidate for candidate in candidates if candidate.casefold() not in taken)
        taken.add(free.casefold())
        found.append(free)
    return found


def shared_stems(names: Iterable[str]) -> set[str]:
    """Stems that several files of a folder share, in lower case; sidecars named after them would collide."""
    times = Counter(PurePath(name).stem.casefold() for name in names)
    return {stem for stem, count in times.items() if count > 1}


def text_name(name: str, shared: set[str], template: str = "{stem}.txt") -> str:
    """The name of a photo's sidecar; it includes the photo's suffix if others share its stem.

    Args:
        name: file name of the photo.
        shared: see `shared_stems`.
        template: `{stem}` is the photo's name without suffix, `{name}` the whole name.
    """
    stem = PurePath(name).stem
    if stem.casefold() in shared:
        template = template.replace("{stem}", "{name}")
    return template.replace("{stem}", "\0").replace("{name}", name).replace("\0", stem)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Paths of sidecars, one per photo.

    Attributes:
        name: template of the file name: `{stem}` is the photo's name without suffix, `{name}` the whole name, which
            also replaces `{stem}` where several photos of a folder share a stem.
        directory: root of the sidecars' tree; None puts each beside its photo.
    """

    name: str
    directory: Path | None = None
    _stems: dict[str, tuple[set[str], set[str]]] = field(default_factory=dict, init=False, repr=False)

    def path(self, photo: Found) -> Path:
        """The sidecar of a photo."""
        whole = Path(photo.path) if self.directory is None else self.directory / photo.relative
        folder = str(Path(photo.path).parent)
        if folder not in self._stems:
            self._stems[folder] = _shared_stems(Path(folder))
        usual, all_kinds = self._stems[folder]
        return whole.parent / text_name(whole.name, usual if is_usual(whole.name) else all_kinds, self.name)


def is_usual(name: str) -> bool:
    """Whether a photo is in a format that needs no extra package."""
    return PurePath(name).suffix.lower() not in _EXTRA


def _shared_stems(folder: Path) -> tuple[set[str], set[str]]:
    """Stems shared by several photos of a folder: photos in the usual formats, and all photos.

    Photos that are not captioned count too, and so do formats whose package is missing, so that sidecar names are the
    same in all runs.
    """
    try:
        names = [path.name for path in folder.iterdir() if path.suffix.lower() in SUFFIXES | _EXTRA]
    except OSError:
        names = []
    return shared_stems(filter(is_usual, names)), shared_stems(names)


def _number(name: str) -> int | None:
    numbers = re.findall(r"[0-9]+", PurePath(name).stem)
    digits = numbers[-1].lstrip("0") or "0" if numbers else ""
    return int(digits) if digits and len(digits) <= 16 and int(digits) < _EXACT else None
