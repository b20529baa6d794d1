"""The captions of a visit as files to take home. Their names and sentences come from strangers, and other programs will
read them.
"""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from captioner.folders.naming import coco_ids, shared_stems, text_name, told_apart
from captioner.spreadsheet import write_rows
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
# What Windows allows in no name, and what hides what a name is: control characters and reversed writing.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def to_csv(photos: Iterable[VisitPhoto]) -> str:
    """A row a photo (RFC 4180), with a byte-order mark, without which Excel takes the text for another encoding's."""
    out = io.StringIO(newline="")
    write_rows(out, COLUMNS, map(_row, photos))
    return "\ufeff" + out.getvalue()


def to_json_lines(photos: Iterable[VisitPhoto]) -> str:
    """A JSON object a line and photo, with the columns of the CSV and the model's best captions."""
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
    """COCO's results JSON; see `coco_ids`. Of photos with one name the further ones are numbered."""
    ids = coco_ids([photo.name for photo in photos])
    names = iter(told_apart(number for number in ids if isinstance(number, str)))
    results = [
        {"image_id": number if isinstance(number, int) else next(names), "caption": photo.text}
        for number, photo in zip(ids, photos, strict=True)
    ]
    return json.dumps(results, indent=1) + "\n"


def to_zip(photos: Sequence[VisitPhoto]) -> bytes:
    """A text file for each photo, called as a sidecar would be (see `text_name`): `beach.jpg` gives `beach.txt`.

    Folders are left away; of photos with one name the further ones are numbered.
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
    """A file's name that every system can write and that leads nowhere else; `photo` where nothing of it is left."""
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
    """A kind of file that a visitor can download.

    Attributes:
        name: of the file.
        label: what its button says.
        kind: its media type.
        write: makes the file of all photos.
    """

    name: str
    label: str
    kind: str
    write: Callable[[list[VisitPhoto]], str | bytes]


EXPORTS = (
    Export("captions.csv", "Download captions", "text/csv", to_csv),
    Export("captions.zip", "Text files (ZIP)", "application/zip", to_zip),
    Export("captions.jsonl", "JSON lines", "application/jsonl", to_json_lines),
    Export("results.json", "COCO results", "application/json", to_coco_results),
)
"""The files that the page offers, the usual one first."""
