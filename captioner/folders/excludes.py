"""Which files and folders a search leaves out: what systems and devices keep for themselves, and what a user names."""

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
"""Besides names that begin with a dot, such as `.DS_Store`, `._IMG_1.jpg`, `.AppleDouble`, `.thumbnails`,
`.Trash-1000`, `.git`.
"""

NO_MEDIA = ".nomedia"
"""A file of this name tells programs (Android's first) that its folder holds no photos for them."""


@dataclass(frozen=True)
class _Pattern:
    """A pattern of `.gitignore`'s kind; capitals make no difference, as with the kinds of photos."""

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
    """Decides about paths relative to the folder that is searched, written with `/`."""

    def __init__(self, patterns: Sequence[str] = (), *, hidden: bool = False) -> None:
        """Read patterns.

        Args:
            patterns: as in a `.gitignore` file: `*.png` at any depth, `/drafts` or `a/b` from the top, `drafts/`
                folders only, `**` any number of folders, `!` takes back. The last one that matches decides.
            hidden: also find what is hidden, and what systems keep for themselves.

        Raises:
            UsageError: a pattern is empty.
        """
        self._patterns = [_Pattern.parse(pattern) for pattern in patterns]
        self._hidden = hidden

    def leaves_out(self, relative: str, *, folder: bool) -> bool:
        """Whether a file or folder, none of whose parents is left out, is left out itself."""
        name = relative.rpartition("/")[2]
        excluded = not self._hidden and (name.startswith(".") or name.casefold() in _JUNK)
        if self._patterns:
            parts = tuple(relative.casefold().split("/"))
            for pattern in self._patterns:
                if pattern.matches(parts, folder=folder):
                    excluded = not pattern.negated
        return excluded

    def leaves_out_below(self, relative: str, *, named: frozenset[str] = frozenset()) -> bool:
        """Whether a file is left out, or one of the folders that lead to it; names in `named` were asked for."""
        parts = relative.split("/")
        return any(
            part not in named and self.leaves_out("/".join(parts[: depth + 1]), folder=depth < len(parts) - 1)
            for depth, part in enumerate(parts)
        )

    def respects(self, names: Sequence[str]) -> bool:
        """Whether a folder with files of these names asks to be left out, and is heard."""
        return not self._hidden and NO_MEDIA in names
