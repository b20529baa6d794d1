"""Sidecars: a text file with a photo's captions beside it, or in a tree of the same shape elsewhere."""

import os
from dataclasses import dataclass
from pathlib import Path

from captioner.checkpoint import replacing
from captioner.errors import OutputError, UsageError
from captioner.folders import SUFFIXES, Found
from captioner.journal import Row


@dataclass(frozen=True, kw_only=True)
class Sidecars:
    """Where sidecars are.

    Attributes:
        suffix: takes the place of the photo's.
        directory: the top of their tree; None puts each beside its photo.

    Raises:
        UsageError: the suffix is none, or a photo's.
    """

    suffix: str = ".txt"
    directory: Path | None = None

    def __post_init__(self) -> None:
        if not self.suffix.startswith(".") or "/" in self.suffix or os.sep in self.suffix or self.suffix in {".", ".."}:
            raise UsageError(f"--sidecar-suffix is {self.suffix!r}; give one such as .txt.")
        if self.suffix.lower() in SUFFIXES:
            raise UsageError(f"--sidecar-suffix {self.suffix} is a photo's; a sidecar could take a photo's place.")

    def path(self, photo: Found) -> Path:
        """The sidecar of a photo."""
        whole = Path(photo.path) if self.directory is None else self.directory / photo.relative
        return whole.with_suffix(self.suffix)

    def write(self, photo: Found, row: Row) -> None:
        """Write a photo's captions, one a line, at once or not at all; a record of an error writes nothing.

        Raises:
            OutputError: it cannot be written.
        """
        if row["error"] is not None:
            return
        path = self.path(photo)
        text = "".join(f"{sentence['caption']}\n" for sentence in row["captions"])
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        except OSError as problem:
            raise OutputError(f"{path}: the sidecar cannot be written ({problem.strerror or problem}).") from None
