"""Sidecars: text files with captions, beside the photos or in a parallel folder tree."""

import contextlib
import errno
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from captioner.errors import OutputError, UsageError
from captioner.files import lock
from captioner.folders.finding import SUFFIXES, UNREAD, Found
from captioner.folders.journal import FINGERPRINT, MADE, Made, Row
from captioner.folders.merging import MergeError, Place, add, remove
from captioner.folders.naming import Beside
from captioner.folders.receipts import ADDED, Receipts

_PLACE, _CAPTION = "place", "caption"
_LONGEST_NAME = 255  # bytes, on all common file systems
_ONE_FILE = {errno.EISDIR, errno.ENOENT}  # such as a link to nowhere; others can be written
_OTHERS = UNREAD | {".xmp", ".json", ".csv", ".jsonl"}


@dataclass(frozen=True, kw_only=True)
class Sidecars:
    """Where sidecars are, and which of them captioner wrote.

    Attributes:
        name: see `Beside`.
        directory: see `Beside`.
        add: where to add captions to existing texts of other authors; None keeps such texts unchanged.
        receipts: identify the files that captioner wrote.
        problems: one message per sidecar that could not be written.

    Raises:
        UsageError: the template is invalid.
    """

    name: str = "{stem}.txt"
    directory: Path | None = None
    add: Place | None = None
    receipts: Receipts = field(default_factory=Receipts)
    problems: list[str] = field(default_factory=list, init=False)
    _beside: Beside = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_beside", Beside(name=self.name, directory=self.directory))
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
        return self._beside.path(photo)

    def stands(self, photo: Found) -> bool:
        """Whether a photo has a sidecar that is not empty; with `add`, only if captioner has written to it."""
        path = self.path(photo)
        if _is_too_long(path):
            return False
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as problem:
            if problem.errno == errno.ELOOP:  # a link to itself
                return True
            raise
        if not stat.S_ISREG(status.st_mode):
            return True
        return status.st_size > 0 and (self.add is None or bool(self.receipts.all(path)))

    def own(self, photo: Found) -> bool:
        """Whether what captioner wrote to a photo's sidecar is unchanged, so that it can be replaced."""
        path = self.path(photo)
        last = self.receipts.last(path)
        if ADDED in last:
            return self.add is not None and path.is_file() and _without(path.read_bytes(), last) is not None
        return path.is_file() and self.receipts.own(path)

    def last(self, photo: Found) -> Row:
        """The `made` and `fingerprint` with which a photo's sidecar was last written, if known."""
        return self.receipts.last(self.path(photo))

    def row(self, photo: Found) -> Row | None:
        """The part of a photo's record that its sidecar holds; None if the sidecar is not captioner's own."""
        if not self.own(photo):
            return None
        last = self.last(photo)
        caption = last.get(_CAPTION) or self.path(photo).read_text(encoding="utf-8").partition("\n")[0]
        return {"caption": caption, "language": (last.get(MADE) or {}).get("language"), "error": None}

    def write(self, photo: Found, row: Row, *, made: Made | None, replace: bool) -> bool:
        """Write a photo's captions atomically, one per line, or add them to the existing text; an error record writes
        nothing.

        Args:
            photo: the photo.
            row: its record.
            made: the settings of the record.
            replace: replace an existing sidecar that is unchanged since captioner wrote it.

        Returns:
            False if an existing sidecar was kept. What is wrong with this sidecar alone is added to `problems`.

        Raises:
            OutputError: the sidecar cannot be written.
        """
        if row["error"] is not None:
            return True
        path = self.path(photo)
        if _is_too_long(path):
            self.problems.append(f"{path}: the name is too long; rename the photo, or give a shorter --sidecar-name.")
            return True
        facts: dict[str, Any] = {FINGERPRINT: row.get(FINGERPRINT), MADE: made}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with lock(path) if self.add else contextlib.nullcontext():  # two runs must not add to one text
                if self.stands(photo) and not (replace and self.own(photo)):
                    return False
                content, more = self._content(path, [sentence["caption"] for sentence in row["captions"]])
                with self.receipts.writing(path, **facts, **more) as temporary:
                    temporary.write_bytes(content)
        except BlockingIOError:
            self.problems.append(f"{path}: another run is writing it; run the same command again when it has ended.")
        except MergeError as problem:
            self.problems.append(f"{path}: {problem}.")
            return False
        except OSError as problem:
            sentence = f"{path}: cannot be written ({problem.strerror or problem})."
            if problem.errno not in _ONE_FILE or not path.parent.is_dir():
                raise OutputError(sentence) from None
            self.problems.append(sentence)
        return True

    def _content(self, path: Path, captions: Sequence[str]) -> tuple[bytes, Mapping[str, str]]:
        """The new content of a sidecar, and the receipt's facts about a text by another author in it.

        Raises:
            MergeError: nothing can be added to the existing text.
        """
        old = path.read_bytes() if self.add and path.exists() and not self.receipts.own(path) else b""
        if not self.add or not old:
            return "".join(f"{caption}\n" for caption in captions).encode("utf-8", "backslashreplace"), {}
        original = _without(old, self.receipts.last(path))
        content, added = add(old if original is None else original, captions, self.add)
        return content, {ADDED: added, _PLACE: self.add, _CAPTION: captions[0]}


def _is_too_long(path: Path) -> bool:
    return len(os.fsencode(path.name)) > _LONGEST_NAME


def _without(data: bytes, receipt: Mapping[str, Any]) -> bytes | None:
    """The text without what captioner added to it; None if that was changed, or nothing was added."""
    return remove(data, receipt[ADDED], receipt[_PLACE]) if ADDED in receipt else None
