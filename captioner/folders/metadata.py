"""Write captions into the metadata of photos, or into XMP sidecars; keep descriptions by other authors."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from captioner.files import lock
from captioner.folders import fingerprint
from captioner.folders.descriptions import READ, Described, assignments, described
from captioner.folders.exiftool import ExifTool, ExifToolError
from captioner.folders.finding import RAW, Found
from captioner.folders.fingerprint import Fingerprint
from captioner.folders.journal import FINGERPRINT, Row
from captioner.folders.naming import Beside
from captioner.folders.receipts import Receipts
from captioner.text import ENGLISH

Outcome = Literal["written", "same", "foreign", "failed"]
"""Result of writing a caption; `same`: already present, `foreign`: skipped to keep a description by another author."""
_BEFORE, _TEXT = "before", "description"
_NOT_IN_XML = re.compile("[\0-\x08\v\f\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # so XMP cannot hold them


@dataclass(frozen=True, kw_only=True)
class MetadataOptions:
    """How to handle the metadata of photos.

    Attributes:
        target: where to write captions: into the `photo` (for camera raw files, which are never changed, into a
            sidecar), into an `xmp` sidecar, or nowhere.
        replace: also replace descriptions that captioner did not write.
        skip_described: do not caption photos that have a description.
        xmp_name: template of the names of XMP sidecars; see `captioner.folders.naming.Beside`.
        xmp_directory: root of the XMP sidecars' tree; None puts each beside its photo.
    """

    target: Literal["photo", "xmp"] | None = None
    replace: bool = False
    skip_described: bool = False
    xmp_name: str = "{stem}.xmp"
    xmp_directory: Path | None = None


class Metadata:
    """Reads and writes the metadata of photos.

    Attributes:
        options: what to read and write.
        problems: one message per photo whose metadata could not be written.
    """

    def __init__(self, options: MetadataOptions, exiftool: ExifTool, receipts: Receipts) -> None:
        """Store the running program, and the receipts that record what was written."""
        self.options = options
        self.problems: list[str] = []
        self._exiftool = exiftool
        self._receipts = receipts
        self._xmp = Beside(name=options.xmp_name, directory=options.xmp_directory)
        self._by_stem, self._by_name = Beside(name="{stem}.xmp"), Beside(name="{name}.xmp")

    def is_described(self, photo: Found) -> bool:
        """Whether a photo has a description by any author, in its own metadata or in an XMP sidecar."""
        try:
            return any(self._read(path).texts for path in self._files(photo))
        except (OSError, ExifToolError):  # captioning the photo will report the problem
            return False

    def write(self, photo: Found, row: Row) -> Outcome:
        """Write a photo's caption atomically to the target in the options."""
        path, text = Path(photo.path), _NOT_IN_XML.sub("", str(row["caption"]))
        target = self._target(photo)
        try:
            if self._is_noted(target, text):
                return "same"
            states = {file: self._read(file) for file in self._files(photo)}
            state = states.get(target) or described({})
            if state.own and state.texts[0] == text.strip():
                return "same"
            if any(one.foreign for one in states.values()) and not self.options.replace:
                return "foreign"
            values = list(assignments(text, row["language"] or ENGLISH, state, in_photo=target == path))
            self._edit(target, values, text)
        except (OSError, ExifToolError) as problem:
            reason = getattr(problem, "strerror", None) or problem
            advice = "check that the file is not damaged"
            if isinstance(problem, BlockingIOError):
                reason, advice = "another run is writing it", "run the same command again when that run has ended"
            elif isinstance(problem, OSError):
                advice = "check that the folder is writable and the disk is not full"
            elif target == path:
                advice = "use --xmp-sidecar to write a file beside it instead"
            self.problems.append(f"cannot write the metadata of {photo.path!a}: {reason}; {advice}.")
            return "failed"
        return "written"

    def _target(self, photo: Found) -> Path:
        """The file to which a photo's caption is written; existing sidecars are preferred to new ones."""
        path = Path(photo.path)
        if self.options.target == "photo" and path.suffix.lower() not in RAW:
            return path
        asked, whole = self._xmp.path(photo), self._by_name.path(photo)
        return whole if os.path.exists(whole) and not os.path.exists(asked) else asked

    def _files(self, photo: Found) -> list[Path]:
        """The photo and its XMP sidecars. Path.is_file would raise an error for names that no file can have."""
        sidecars = (beside.path(photo) for beside in (self._xmp, self._by_stem, self._by_name))
        return [Path(photo.path), *(path for path in dict.fromkeys(sidecars) if os.path.isfile(path))]

    def _read(self, path: Path) -> Described:
        return described(self._exiftool.read(path, READ))

    def _is_noted(self, path: Path, text: str) -> bool:
        """Whether captioner wrote this description and the file is unchanged, according to the receipts."""
        note = self._receipts.last(path)
        return note.get(_TEXT) == text and path.exists() and not fingerprint.changed(path, note[FINGERPRINT])

    def _edit(self, path: Path, values: list[tuple[str, str]], text: str) -> None:
        """Edit a copy, and replace the file by it, keeping mode and times and adding a receipt.

        The file is locked, because two runs at once would write the same temporary file.
        """
        with lock(path):
            self._edit_locked(path, values, text)

    def _edit_locked(self, path: Path, values: list[tuple[str, str]], text: str) -> None:
        copy = self._exiftool.folder / ("copy.xmp" if path.suffix.lower() == ".xmp" else "copy")
        copy.unlink(missing_ok=True)
        before = fingerprint.take(path)
        if before:
            if not path.stat().st_mode & 0o222:
                raise ExifToolError("the file is write-protected")
            shutil.copyfile(path, copy)
        elif path.exists():
            raise ExifToolError("it is not a file")
        self._exiftool.write(copy, values)
        after = {"bytes": copy.stat().st_size, "digest": fingerprint.digest(copy)}
        after["modified"] = before["modified"] if before else None
        facts = {FINGERPRINT: after, _BEFORE: before and before["digest"], _TEXT: text}
        name = f".captioner-{fingerprint.digest_of(os.fsencode(path.name))}.part"
        with self._receipts.writing(path, temporary_name=name, **facts) as temporary:
            shutil.copyfile(copy, temporary)
            if before:
                shutil.copystat(path, temporary)
                if fingerprint.look(path) != {key: before[key] for key in ("bytes", "modified")}:
                    raise ExifToolError("another program changed the file at the same time")


def only_described(path: str, recorded: Fingerprint | None, receipts: Receipts) -> bool:
    """Whether a file is the recorded photo, changed only by captioner writing metadata."""
    notes = receipts.all(Path(path))
    if not notes or recorded is None or fingerprint.changed(path, notes[-1].get(FINGERPRINT) or {}):
        return False
    digest = notes[-1]["digest"]
    for note in reversed(notes):
        if note["digest"] != digest:
            continue
        if recorded.get("digest") in {digest, note.get(_BEFORE)}:
            return True
        digest = note.get(_BEFORE)
    return False
