"""Read any file or directory of captioned photos, as published or exported.

All readers are strict, because scores on part of a file are wrong; `read` can also skip invalid entries.
Ids are strings: COCO's 391895 is "391895", and the id of a Flickr8k photo is its file name.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from captioner import database
from captioner.datasets.coco import coco_photos, karpathy_photos
from captioner.datasets.photos import CaptionedPhoto, CaptionedPhotos, gather
from captioner.datasets.rows import (
    Row,
    is_token_line,
    object_row,
    read_database,
    read_json_lines,
    read_parquet,
    read_token_file,
)
from captioner.datasets.sidecars import read_sidecars
from captioner.datasets.structure import count_and_first, read_each, read_json, read_lines, refuse_all, refuse_twice
from captioner.datasets.tables import has_header, read_table
from captioner.errors import UsageError

_TOKEN_FILE = "Flickr8k.token.txt"  # the captions among the official text files
# Names of caption files in a directory. The second group is tried only if there is no file of the first, because other
# files have such names, too.
_CAPTIONS = (
    "captions.csv",
    "captions.jsonl",
    "captions.json",
    "captions.sqlite",
    "dataset*.json",  # Karpathy's splits
    "captions_*.json",  # COCO's own
    "annotations.json",
    _TOKEN_FILE,
)
_METADATA = ("metadata.csv", "metadata.jsonl")  # Hugging Face's imagefolder
_OTHER_CAPTIONS = (
    *_METADATA,
    "captions.txt",  # Kaggle's Flickr8k
    "results.csv",  # Kaggle's Flickr30k
    "results_*.token",  # the authors' Flickr30k
)
_PHOTOS = ("images", "Images")
_TABLES = {  # readers of files with rows, by suffix
    ".csv": read_table,
    ".tsv": read_table,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".token": read_token_file,
    ".parquet": read_parquet,
    **dict.fromkeys(database.SUFFIXES, read_database),
}
_IMAGEFOLDERS = {"train": "train", "validation": "dev", "valid": "dev", "val": "dev", "dev": "dev", "test": "test"}


def read(path: str | Path, *, problems: list[str] | None = None) -> CaptionedPhotos:
    """Read captioned photos in any known format.

    Args:
        path: a file, a directory that contains a captions file with one of the usual names, or a directory with a text
            file beside each photo. CSV, JSON Lines, Parquet and SQLite are recognized by suffix, others by content.
        problems: if given, invalid photos and captions are skipped and described here, instead of raising an error.

    Raises:
        UsageError: the file is missing, damaged or in an unknown format, or a photo or caption cannot be used. The
            other readers raise the same.
    """
    path = Path(path)
    if not path.is_dir() or path.suffix.lower() == ".parquet":
        return _read_file(path, problems)
    found = _find(path, _CAPTIONS) or _find(path, _OTHER_CAPTIONS)
    if found:
        return _read_file(found, problems)
    parts = [(split, file) for name, split in _IMAGEFOLDERS.items() if (file := _find(path / name, _METADATA))]
    if parts:
        return _imagefolders(path, parts, problems)
    images = next((path / name for name in _PHOTOS if (path / name).is_dir()), path)
    if photos := read_sidecars(images, problems):
        return photos
    names = ", ".join((*_CAPTIONS, *_OTHER_CAPTIONS))
    raise UsageError(f"{path} contains no captions; expected one of {names}, or a text file beside each photo.")


def read_flickr8k(path: str | Path, *, problems: list[str] | None = None) -> CaptionedPhotos:
    """Read Flickr8k, or any other dataset with splits."""
    photos = read(path, problems=problems)
    if not any(photo.split for photo in photos):
        raise UsageError(f"{path} has no splits, which Flickr8k needs; COCO's captions have none.")
    return photos


def _find(directory: Path, names: Iterable[str]) -> Path | None:
    found = sorted({file for name in names for file in directory.glob(name)})
    if len(found) > 1:
        listed = ", ".join(file.name for file in found)
        raise UsageError(f"{directory} contains several caption files ({listed}); give the path of one of them.")
    return found[0] if found else None


def _read_file(path: Path, problems: list[str] | None) -> CaptionedPhotos:
    kind = path.suffix.lower()
    if path.name == _TOKEN_FILE:
        return _official_flickr8k(path.parent, problems)
    if kind in {".txt", ".token"}:
        kind = _kind_of_text(path)
    if kind in _TABLES:
        return _from_rows(path, _TABLES[kind](path, problems).values(), problems)
    return _from_json(path, problems)


def _kind_of_text(path: Path) -> str:
    first = next((line for _, line in read_lines(path)), "")
    if is_token_line(first):
        return ".token"
    return ".json" if first.lstrip().startswith(("{", "[")) and not has_header(first) else ".csv"


def _from_json(path: Path, problems: list[str] | None) -> CaptionedPhotos:
    data = read_json(path)
    if isinstance(data, dict) and "annotations" in data:
        return coco_photos(path, data, problems)
    if isinstance(data, dict) and "images" in data:
        return karpathy_photos(path, data, problems)
    if isinstance(data, list):
        return _from_rows(path, read_each(path, "photos", data, object_row, problems), problems)
    raise UsageError(
        f"{path} is not a known captions file; expected COCO captions JSON, Karpathy's dataset JSON, "
        'a list of {"file", "split", "captions"}, or a file name that ends in .csv, .jsonl, .parquet or .sqlite.'
    )


def _imagefolders(root: Path, parts: list[tuple[str, Path]], problems: list[str] | None) -> CaptionedPhotos:
    """Hugging Face's imagefolder: one folder per split, each with its own metadata."""
    photos: list[CaptionedPhoto] = []
    for split, file in parts:
        for photo in _read_file(file, problems):
            name = f"{file.parent.name}/{photo.file}"
            photos.append(replace(photo, id=name, file=name, split=photo.split or split))
    return gather(root, photos, problems)


def _from_rows(path: Path, rows: Iterable[Row], problems: list[str] | None) -> CaptionedPhotos:
    return gather(path, (CaptionedPhoto(row.file, row.file, row.captions, row.split) for row in rows), problems)


def _official_flickr8k(directory: Path, problems: list[str] | None) -> CaptionedPhotos:
    rows = read_token_file(directory / _TOKEN_FILE, problems)
    splits: dict[str, str] = {}
    for split in ("train", "dev", "test"):
        path = directory / f"Flickr_8k.{split}Images.txt"
        files = [line.strip() for _, line in read_lines(path)]
        refuse_twice(str(path), files)
        bare = [file for file in files if file not in rows]
        refuse_all(f"{path}:", bare, "photo", f"without a caption in {_TOKEN_FILE}", problems)
        both = [file for file in files if file in splits]
        if both:  # never skipped: a model must not be evaluated on its training data
            raise UsageError(f"{path}: {count_and_first(both, 'photo')} also listed in another split.")
        splits.update(dict.fromkeys(files, split))
    placed = (Row(row.file, row.captions, splits.get(row.file, "unused")) for row in rows.values())
    return _from_rows(directory, placed, problems)
