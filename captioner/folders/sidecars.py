"""Sidecars: a text file with a photo's captions beside it, or in a tree of the same shape elsewhere."""

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from captioner.errors import OutputError, UsageError
from captioner.folders.finding import SUFFIXES, UNREAD, Found
from captioner.folders.journal import FINGERPRINT, MADE, Made, Row
from captioner.folders.naming import Beside
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
    _beside: Beside = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_beside", Beside(name=self.name, directory=self.directory))
        fields = re.findall(r"\{.*?\}", self.name)
        behind = self.name.rpartition("}")[2]
        suffix = Path(f"x{behind}").suffix.lower()
        if fields not in (["{stem}"], ["{name}"]) or "/" in self.name or os.sep in self.name or suffix in {"", "."}:
            raise UsageError(
                f"the name of sidecars is {self.name!r}; give one such as {{stem}}.txt or {{name}}.txt to "
                "--sidecar-name."
            )
        if suffix in SUFFIXES:
            raise UsageError(
                f"sidecars cannot end with {suffix}, which is a photo's; a sidecar could take a photo's place."
            )
        if suffix in _OTHERS:
            raise UsageError(
                f"sidecars cannot end with {suffix}: they are plain text; choose another suffix, such as .txt."
            )

    def path(self, photo: Found) -> Path:
        """The sidecar of a photo."""
        return self._beside.path(photo)

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

    def row(self, photo: Found) -> Row | None:
        """The record with which a photo's sidecar was written, as far as the sidecar holds it; None if it is not as
        captioner wrote it.
        """
        if not self.own(photo):
            return None
        caption = self.path(photo).read_text(encoding="utf-8").partition("\n")[0]
        return {"caption": caption, "language": (self.last(photo).get(MADE) or {}).get("language"), "error": None}

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
            facts: dict[str, Any] = {FINGERPRINT: row.get(FINGERPRINT), MADE: made}
            with self.receipts.writing(path, **facts) as temporary:
                temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        except OSError as problem:
            raise OutputError(f"{path}: the sidecar cannot be written ({problem.strerror or problem}).") from None
        return True
