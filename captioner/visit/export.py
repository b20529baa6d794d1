"""Export the captions of a visit to files. File names and captions are untrusted, and other programs read the files."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from captioner.folders.naming import coco_ids, shared_stems, text_name, told_apart
from captioner.spreadsheet import to_text
from captioner.visit.certainty import certainty
from captioner.visit.photos import VisitPhoto

COLUMNS = (
    "file",
    "caption",
    "edited",
    "chosen",
    "model_caption",
    "confidence",
    "certainty",
    "language",
    "english",
    "width",
    "height",
)
_MAX_NAME = 100  # characters; file systems allow 255 bytes
# Characters that Windows forbids in names, and those that disguise a name: control and bidirectional characters.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def to_csv(photos: Iterable[VisitPhoto]) -> str:
    """One row per photo (RFC 4180), with a byte-order mark so that Excel reads it as UTF-8."""
    return to_text(COLUMNS, map(_row, photos))


def to_json_lines(photos: Iterable[VisitPhoto]) -> str:
    """One JSON object per line and photo: the CSV columns and the model's candidate captions."""
    lines = (
        _row(photo)
        | {
            "captions": [
                {"caption": one.text, "log_prob": round(one.log_prob, 4)} for one in photo.caption.alternatives
            ]
        }
        for photo in photos
    )
    return "".join(json.dumps(line) + "\n" for line in lines)


def to_coco_results(photos: Sequence[VisitPhoto]) -> str:
    """COCO results JSON; see `coco_ids`. Duplicate file names are numbered."""
    ids = coco_ids([photo.name for photo in photos])
    names = iter(told_apart(number for number in ids if isinstance(number, str)))
    results = [
        {"image_id": number if isinstance(number, int) else next(names), "caption": photo.text}
        for number, photo in zip(ids, photos, strict=True)
    ]
    return json.dumps(results, indent=1) + "\n"


def to_zip(photos: Sequence[VisitPhoto]) -> bytes:
    """One text file per photo, named like a sidecar (see `text_name`): `beach.jpg` gives `beach.txt`.

    Directories are dropped from the names, and duplicate names are numbered.
    """
    out = io.BytesIO()
    files = [_file(photo.name) for photo in photos]
    shared = shared_stems(files)
    names = told_apart(safe_name(text_name(file, shared, "{stem}")) for file in files)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, photo in zip(names, photos, strict=True):
            archive.writestr(f"{name}.txt", f"{photo.text}\n")
    return out.getvalue()


def safe_name(name: str) -> str:
    """A file name that is valid on every system and contains no path; `photo` if nothing is left of it."""
    clean = _FORBIDDEN.sub("_", name)[:_MAX_NAME].strip(" .")
    return f"_{clean}" if _DEVICES.match(clean) else clean or "photo"


def _row(photo: VisitPhoto) -> dict[str, str | bool | int | float]:
    values = (
        photo.name,
        photo.text,
        photo.edited,
        photo.chosen,
        photo.caption.text,
        round(photo.caption.confidence, 4),
        certainty(photo.caption).value,
        photo.caption.language,
        photo.caption.source,
        photo.caption.width,
        photo.caption.height,
    )
    return dict(zip(COLUMNS, values, strict=True))


def _file(name: str) -> str:
    return PurePath(name.replace("\\", "/")).name


@dataclass(frozen=True)
class Export:
    """A download format.

    Attributes:
        name: file name.
        label: label of its button.
        kind: media type.
        write: creates the file's content from all photos.
    """

    name: str
    label: str
    kind: str
    write: Callable[[list[VisitPhoto]], str | bytes]


EXPORTS = (
    Export("captions.csv", "Download CSV", "text/csv", to_csv),
    Export("captions.zip", "Text files (ZIP)", "application/zip", to_zip),
    Export("captions.jsonl", "JSON Lines", "application/jsonl", to_json_lines),
    Export("results.json", "COCO results (JSON)", "application/json", to_coco_results),
)
"""The download formats that the page offers, default first."""
