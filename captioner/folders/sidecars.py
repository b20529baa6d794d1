"""Sidecars: text files with captions, beside the photos or in a parallel folder tree."""

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from captioner.errors import OutputError, UsageError
from captioner.folders.finding import SUFFIXES, UNREAD, Found
from captioner.folders.journal import FINGERPRINT, MADE, Made, Row
from captioner.folders.naming import shared_stems, text_name
from captioner.folders.receipts import Receipts

_OTHERS = UNREAD | {".xmp", ".json", ".csv", ".jsonl"}


@dataclass(frozen=True, kw_only=True)
class Sidecars:
    """Where sidecars are, and which of them captioner wrote.

    Attributes:
        name: template of the file name: `{stem}` is the photo's name without suffix, `{name}` the whole name, which
            also replaces `{stem}` where several photos of a folder share a stem.
        directory: root of the sidecars' tree; None puts each beside its photo.
        receipts: identify the files that captioner wrote.

    Raises:
        UsageError: the template is invalid.
    """

    name: str = "{stem}.txt"
    directory: Path | None = None
    receipts: Receipts = field(default_factory=Receipts)
    _stems: dict[str, set[str]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        fields = re.findall(r"\{.*?\}", self.name)
        behind = self.name.rpartition("}")[2]
        suffix = Path(f"x{behind}").suffix.lower()
        if fields not in (["{stem}"], ["{name}"]) or "/" in self.name or os.sep in self.name or suffix in {"", "."}:
            raise UsageError(
                f"invalid sidecar name {self.name!r}; give a --sidecar-name such as {{stem}}.txt or {{name}}.txt."
            )
        if suffix in SUFFIXES:
            raise UsageError(
                f"sidecars cannot end in {suffix}, because they could replace photos; choose a suffix such as .txt."
            )
        if suffix in _OTHERS:
            raise UsageError(
                f"sidecars cannot end in {suffix}, because they are plain text; choose a suffix such as .txt."
            )

    def path(self, photo: Found) -> Path:
        """The sidecar of a photo."""
        whole = Path(photo.path) if self.directory is None else self.directory / photo.relative
        folder = str(Path(photo.path).parent)
        if folder not in self._stems:
            self._stems[folder] = _shared_stems(Path(folder))
        return whole.parent / text_name(whole.name, self._stems[folder], self.name)

    def stands(self, photo: Found) -> bool:
        """Whether a photo has a sidecar that is not empty."""
        try:
            status = self.path(photo).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return status.st_size > 0 or not stat.S_ISREG(status.st_mode)

    def own(self, photo: Found) -> bool:
        """Whether a photo's sidecar is unchanged since captioner wrote it."""
        return self.receipts.own(self.path(photo))

    def last(self, photo: Found) -> Row:
        """The `made` and `fingerprint` with which a photo's sidecar was last written, if known."""
        return self.receipts.last(self.path(photo))

    def write(self, photo: Found, row: Row, *, made: Made | None, replace: bool) -> bool:
        """Write a photo's captions atomically, one per line; an error record writes nothing.

        Args:
            photo: the photo.
            row: its record.
            made: the settings of the record.
            replace: replace an existing sidecar that is unchanged since captioner wrote it.

        Returns:
            False if an existing sidecar was kept.

        Raises:
            OutputError: the sidecar cannot be written.
        """
        if row["error"] is not None:
            return True
        path = self.path(photo)
        text = "".join(f"{sentence['caption']}\n" for sentence in row["captions"])
        try:
            if self.stands(photo) and not (replace and self.own(photo)):
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            facts = {FINGERPRINT: row.get(FINGERPRINT), MADE: made}
            with self.receipts.writing(path, **facts) as temporary:
                temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        except OSError as problem:
            raise OutputError(f"{path}: cannot be written ({problem.strerror or problem}).") from None
        return True


def _shared_stems(folder: Path) -> set[str]:
    """Stems shared by several photos of a folder, captioned or not, so that sidecar names are the same in all runs."""
    try:
        return shared_stems(path.name for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError:
        return set()
