"""Files and folders that a search skips: hidden and system files, and those that match the user's patterns."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from captioner.errors import UsageError

_JUNK = frozenset(
    (
        "@eadir",  # Synology: thumbnails
        "#recycle",
        "#snapshot",
        "@recycle",  # QNAP
        "@recently-snapshot",
        "$recycle.bin",  # Windows
        "system volume information",
        "thumbs.db",
        "desktop.ini",
        "lost+found",
        "__macosx",
    )
)
"""System folders, in addition to names that begin with a dot (`.DS_Store`, `._IMG_1.jpg`, `.thumbnails`,
`.Trash-1000`, `.git`).
"""

NO_MEDIA = ".nomedia"
"""A file with this name asks programs to ignore its folder, a convention from Android."""


@dataclass(frozen=True)
class _Pattern:
    """A case-insensitive `.gitignore` pattern."""

    segments: tuple[str, ...]
    negated: bool
    folders_only: bool

    @classmethod
    def parse(cls, text: str) -> "_Pattern":
        body = text.removeprefix("!").removeprefix("\\").casefold()
        segments = tuple(segment for segment in body.split("/") if segment)
        if not segments:
            raise UsageError(
                f"--exclude {text!r} matches nothing; give a pattern such as '*.png', 'drafts/' or '/2019'."
            )
        anywhere = "/" not in body.rstrip("/")
        return cls(("**", *segments) if anywhere else segments, text.startswith("!"), body.endswith("/"))

    def matches(self, parts: tuple[str, ...], *, folder: bool) -> bool:
        return (folder or not self.folders_only) and _matches(self.segments, parts)


def _matches(segments: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    if not segments:
        return not parts
    if segments[0] == "**":
        return any(_matches(segments[1:], parts[skipped:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], segments[0]) and _matches(segments[1:], parts[1:])


class Excludes:
    """Decides which paths to skip. Paths are relative to the searched folder and use `/`."""

    def __init__(self, patterns: Sequence[str], *, hidden: bool) -> None:
        """Compile the patterns.

        Args:
            patterns: as in a `.gitignore` file: `*.png` matches at any depth, `/drafts` and `a/b` from the top,
                `drafts/` only folders; `**` matches any number of folders, and `!` re-includes. The last match decides.
            hidden: do not skip hidden and system files.

        Raises:
            UsageError: a pattern is empty.
        """
        self._patterns = [_Pattern.parse(pattern) for pattern in patterns]
        self._hidden = hidden

    def leaves_out(self, relative: str, *, folder: bool) -> bool:
        """Whether to skip a file or folder, given that none of its parents is skipped."""
        name = relative.rpartition("/")[2]
        excluded = not self._hidden and (name.startswith(".") or name.casefold() in _JUNK)
        if self._patterns:
            parts = tuple(relative.casefold().split("/"))
            for pattern in self._patterns:
                if pattern.matches(parts, folder=folder):
                    excluded = not pattern.negated
        return excluded

    def leaves_out_below(self, relative: str, *, named: frozenset[str] = frozenset()) -> bool:
        """Whether to skip a file or one of its parent folders, except those in `named`, which the user gave."""
        parts = relative.split("/")
        return any(
            part not in named and self.leaves_out("/".join(parts[: depth + 1]), folder=depth < len(parts) - 1)
            for depth, part in enumerate(parts)
        )

    def respects(self, names: Sequence[str]) -> bool:
        """Whether to skip a folder because of the names of its files."""
        return not self._hidden and NO_MEDIA in names
