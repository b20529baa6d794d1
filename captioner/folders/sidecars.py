"""Sidecars: a text file with a photo's captions beside it, or in a tree of the same shape elsewhere."""

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
    """Where sidecars are, and which of them are captioner's own.

    Attributes:
        name: what each is called: `{stem}` stands for the photo's name without its suffix, `{name}` for the whole name,
            which also takes the place of `{stem}` where several photos of a folder have the same.
        directory: the top of their tree; None puts each beside its photo.
        receipts: by which captioner's own are known.

    Raises:
        UsageError: the name is none for a sidecar.
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
        """Whether a photo has a sidecar; an empty file is none."""
        try:
            status = self.path(photo).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return status.st_size > 0 or not stat.S_ISREG(status.st_mode)

    def own(self, photo: Found) -> bool:
        """Whether a photo's sidecar is as captioner wrote it."""
        return self.receipts.own(self.path(photo))

    def last(self, photo: Found) -> Row:
        """How a photo's sidecar was last written: its `made` and `fingerprint`, as far as they are known."""
        return self.receipts.last(self.path(photo))

    def write(self, photo: Found, row: Row, *, made: Made | None, replace: bool) -> bool:
        """Write a photo's captions, one a line, at once or not at all; a record of an error writes nothing.

        Args:
            photo: what the sidecar is of.
            row: its record.
            made: how the record was made.
            replace: also where there is a sidecar already, if it is captioner's own and as it was written.

        Returns:
            False if a sidecar that stands there was left as it is.

        Raises:
            OutputError: it cannot be written.
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
    """Stems of several photos of a folder, whichever of them are to be captioned: so all runs give a photo the same
    sidecar.
    """
    try:
        return shared_stems(path.name for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError:
        return set()
