"""Write captioned photos in every format that `captioner.datasets.read` reads.

csv           captions.csv: file,caption,split, a row for each caption
jsonl         captions.jsonl: {"file": ..., "captions": [...], "split": ...}
json          a list of the same objects
coco          COCO's captions JSON, which has no splits
karpathy      Karpathy's dataset JSON
sqlite        captions.sqlite: an SQLite database with a full-text index
imagefolder   Hugging Face's metadata.csv, in the directory of the photos
flickr8k      Flickr8k's text files, in a directory
sidecars      a text file beside each photo, in the directory of the photos
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from captioner import database, spreadsheet
from captioner.datasets.coco import as_number
from captioner.datasets.photos import CaptionedPhoto, CaptionedPhotos
from captioner.datasets.structure import count_and_first
from captioner.errors import OutputError, UsageError
from captioner.files import json_text, write_files

_Files = Mapping[str, str | bytes]


def write(
    photos: Iterable[CaptionedPhoto],
    path: str | os.PathLike[str],
    *,
    kind: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write captioned photos so that `read` reads back the same files, captions, splits and, if stored, ids.

    In formats without ids, the id of a photo is its file. Spaces around captions are not kept.

    Args:
        photos: at least one, with unique ids.
        path: a file, or a directory for the formats `imagefolder`, `flickr8k` and `sidecars`.
        kind: the format; if None, determined by the suffix: `.csv`, `.jsonl`, `.json` or `.sqlite`.
        overwrite: replace existing files.

    Raises:
        UsageError: the format is unknown, or cannot represent these photos.
        OutputError: a file exists already, or cannot be written.
    """
    path = Path(path)
    kind = kind or path.suffix.lower().removeprefix(".")
    if kind not in _WRITERS:
        raise UsageError(f"{path}: unknown captions format {kind!r}; choose one of: {', '.join(_WRITERS)}.")
    given = CaptionedPhotos("the dataset to write", tuple(photos))
    files = _WRITERS[kind](given.photos)
    directory = path if kind in _DIRECTORIES else path.parent
    if kind not in _DIRECTORIES:
        files = {path.name: files[""]}
    there = [name for name in files if (directory / name).exists()]
    if there and not overwrite:
        raise OutputError(f"{directory}: {count_and_first(there, 'file')} already there; set overwrite to replace.")
    for name in files:
        if "/" in name:
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
    write_files(directory, files)


def _csv(photos: Sequence[CaptionedPhoto]) -> _Files:
    return {"": _table(photos, ("file", "caption", "split"))}


def _imagefolder(photos: Sequence[CaptionedPhoto]) -> _Files:
    return {"metadata.csv": _table(photos, ("file_name", "text", "split"))}


def _table(photos: Sequence[CaptionedPhoto], columns: tuple[str, str, str]) -> str:
    used = columns if any(photo.split for photo in photos) else columns[:2]
    values = ((photo.file, caption, photo.split) for photo in photos for caption in photo.captions)
    return spreadsheet.to_text(used, (dict(zip(columns, row, strict=True)) for row in values))


def _json_lines(photos: Sequence[CaptionedPhoto]) -> _Files:
    return {"": "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in _objects(photos))}


def _json(photos: Sequence[CaptionedPhoto]) -> _Files:
    return {"": json_text(list(_objects(photos)))}


def _objects(photos: Sequence[CaptionedPhoto]) -> Iterator[dict[str, object]]:
    for photo in photos:
        split = {"split": photo.split} if photo.split else {}
        yield {"file": photo.file, "captions": list(photo.captions), **split}


def _coco(photos: Sequence[CaptionedPhoto]) -> _Files:
    splits = {photo.split for photo in photos}
    if len(splits) > 1:
        raise UsageError("COCO captions JSON has no splits; write each split to a separate file.")
    annotations = ((photo, caption) for photo in photos for caption in photo.captions)
    data = {
        "images": [{"id": as_number(photo.id), "file_name": photo.file} for photo in photos],
        "annotations": [
            {"id": number, "image_id": as_number(photo.id), "caption": caption}
            for number, (photo, caption) in enumerate(annotations, start=1)
        ],
    }
    return {"": json_text(data)}


def _karpathy(photos: Sequence[CaptionedPhoto]) -> _Files:
    images = []
    for photo in photos:
        folder, slash, name = photo.file.rpartition("/")
        images.append(
            ({"filepath": folder} if slash else {})
            | {"filename": name}
            | ({} if photo.id == name else {"cocoid": as_number(photo.id)})
            | {"split": photo.split, "sentences": [{"raw": caption} for caption in photo.captions]}
        )
    return {"": json_text({"images": images})}


def _sqlite(photos: Sequence[CaptionedPhoto]) -> _Files:
    rows = (
        {
            "path": photo.file,
            "caption": photo.captions[0],
            "captions": list(photo.captions),
            "split": photo.split or None,
        }
        for photo in photos
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "captions.sqlite")
        database.create(file, rows, ("path", "caption", "captions", "split")).close()
        return {"": file.read_bytes()}


def _flickr8k(photos: Sequence[CaptionedPhoto]) -> _Files:
    _refuse_lines(photos)
    odd = [photo.file for photo in photos if "#" in photo.file or "\t" in photo.file]
    odd += [photo.file for photo in photos if photo.split not in {"train", "dev", "val", "test", "unused"}]
    if odd:
        raise UsageError(
            f"{count_and_first(odd, 'photo')} with a # or a tab in the name, or in none of Flickr8k's splits "
            "(train, dev, test, unused); write .csv instead."
        )
    numbered = ((photo.file, *one) for photo in photos for one in enumerate(photo.captions))
    files = {"Flickr8k.token.txt": "".join(f"{file}#{number}\t{caption}\n" for file, number, caption in numbered)}
    for split, names in (("train", {"train"}), ("dev", {"dev", "val"}), ("test", {"test"})):
        listed = (f"{photo.file}\n" for photo in photos if photo.split in names)
        files[f"Flickr_8k.{split}Images.txt"] = "".join(listed)
    return files


def _sidecars(photos: Sequence[CaptionedPhoto]) -> _Files:
    _refuse_lines(photos)
    outside = [photo.file for photo in photos if Path(photo.file).is_absolute() or ".." in Path(photo.file).parts]
    if outside:
        raise UsageError(f"{count_and_first(outside, 'photo')} outside the directory; write .csv instead.")
    return {f"{photo.file}.txt": "".join(f"{caption}\n" for caption in photo.captions) for photo in photos}


def _refuse_lines(photos: Sequence[CaptionedPhoto]) -> None:
    wrong = [photo.file for photo in photos for caption in photo.captions if not caption.strip() or "\n" in caption]
    if wrong:
        raise UsageError(f"{count_and_first(wrong, 'photo')} with an empty or multi-line caption; write .csv instead.")


_WRITERS: dict[str, Callable[[Sequence[CaptionedPhoto]], _Files]] = {
    "csv": _csv,
    "jsonl": _json_lines,
    "json": _json,
    "coco": _coco,
    "karpathy": _karpathy,
    "sqlite": _sqlite,
    "imagefolder": _imagefolder,
    "flickr8k": _flickr8k,
    "sidecars": _sidecars,
}
_DIRECTORIES = {"imagefolder", "flickr8k", "sidecars"}
