"""The captions of a visit as files to take home. Their names and sentences come from strangers, and other programs will read them."""

import csv
import io
import itertools
import json
import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from captioner.evaluation.data import to_results
from captioner.spreadsheet import to_cell
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
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in map(_row, photos):
        writer.writerow([to_cell(value) if isinstance(value, str) else value for value in row.values()])
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
    """COCO's results JSON. An id is the last number in the file's name; the name itself where there is none or it is another's too."""
    numbers = [_number(photo.name) for photo in photos]
    ids = [
        number if number and numbers.count(number) == 1 else photo.name
        for number, photo in zip(numbers, photos, strict=True)
    ]
    captions = dict(zip(_told_apart(ids), (photo.text for photo in photos), strict=True))
    return json.dumps(to_results(captions), indent=1) + "\n"


def to_zip(photos: Sequence[VisitPhoto]) -> bytes:
    """A text file beside each photo's name: `beach.jpg` gives `beach.txt`, a second one `beach (2).txt`. Folders are left away."""
    out = io.BytesIO()
    names = _told_apart([safe_name(_stem(photo.name)) for photo in photos])
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


def _stem(name: str) -> str:
    return PurePath(name.replace("\\", "/")).stem


def _number(name: str) -> str | None:
    numbers = re.findall(r"[0-9]+", _stem(name))
    return (numbers[-1].lstrip("0") or "0") if numbers and len(numbers[-1]) <= 18 else None  # 64 bits


def _told_apart(names: Sequence[str]) -> list[str]:
    """The names, all different: "x", "x (2)", "x (3)"; capitals make no difference, as on many file systems."""
    taken: set[str] = set()
    found = []
    for name in names:
        candidates = (name if number == 1 else f"{name} ({number})" for number in itertools.count(1))
        free = next(candidate for candidate in candidates if candidate.casefold() not in taken)
        taken.add(free.casefold())
        found.append(free)
    return found
