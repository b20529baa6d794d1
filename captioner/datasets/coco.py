"""COCO captions JSON, COCO results JSON, and Karpathy's splits of COCO, Flickr8k and Flickr30k."""

from collections.abc import Mapping
from pathlib import Path

from captioner.datasets.photos import CaptionedPhoto, CaptionedPhotos, gather
from captioner.datasets.structure import (
    as_id,
    as_text,
    as_texts,
    member,
    read_each,
    read_json,
    refuse_all,
    refuse_twice,
)
from captioner.errors import UsageError


def read_coco(path: str | Path, *, problems: list[str] | None = None) -> CaptionedPhotos:
    """Read COCO captions JSON, which has no splits; `problems` as in `captioner.datasets.read`."""
    path = Path(path)
    return coco_photos(path, read_json(path), problems)


def read_karpathy(path: str | Path) -> CaptionedPhotos:
    """Read Karpathy's dataset JSON. The id is `cocoid`, or else the file name; the file is `filepath/filename`."""
    path = Path(path)
    return karpathy_photos(path, read_json(path))


def coco_photos(path: Path, data: object, problems: list[str] | None = None) -> CaptionedPhotos:
    """The photos of parsed COCO captions JSON; see `read_coco`."""
    images = read_each(
        path,
        "images",
        member(path, data, "images"),
        lambda item: (as_id(item["id"]), as_text(item["file_name"])),
        problems,
    )
    annotations = read_each(
        path,
        "annotations",
        member(path, data, "annotations"),
        lambda item: (as_id(item["image_id"]), as_text(item["caption"])),
        problems,
    )
    if problems is None:
        refuse_twice(str(path), (key for key, _ in images))
    captions: dict[str, list[str]] = {key: [] for key, _ in images}
    stray = list(dict.fromkeys(key for key, _ in annotations if key not in captions))
    refuse_all(f"{path}: annotations refer to", stray, "id", "missing from its images", problems)
    for key, caption in annotations:
        if key in captions:
            captions[key].append(caption)
    return gather(path, (CaptionedPhoto(key, file, tuple(captions[key])) for key, file in images), problems)


def karpathy_photos(path: Path, data: object, problems: list[str] | None = None) -> CaptionedPhotos:
    """The photos of Karpathy's parsed dataset JSON; see `read_karpathy`."""

    def photo(item: dict[str, object]) -> CaptionedPhoto:
        name = as_text(item["filename"])
        file = f"{as_text(item['filepath'])}/{name}" if "filepath" in item else name
        sentences = item["sentences"]
        if not isinstance(sentences, list):
            raise TypeError
        captions = as_texts([sentence["raw"] for sentence in sentences])
        return CaptionedPhoto(as_id(item.get("cocoid", name)), file, captions, as_text(item["split"]))

    return gather(path, read_each(path, "images", member(path, data, "images"), photo, problems), problems)


def read_results(path: str | Path) -> dict[str, str]:
    """Read COCO results JSON, ``[{"image_id": 42, "caption": "a dog"}]``; other keys are ignored.

    Returns:
        Photo id → caption, which may be empty.

    Raises:
        UsageError: the file is missing, damaged, empty, not in this format, or lists an id twice.
    """
    path = Path(path)
    pairs = read_each(
        path, "results", read_json(path), lambda item: (as_id(item["image_id"]), as_text(item["caption"]))
    )
    if not pairs:
        raise UsageError(f"{path} contains no results.")
    refuse_twice(str(path), (key for key, _ in pairs))
    return dict(pairs)


def to_results(predictions: Mapping[str, str]) -> list[dict[str, str | int]]:
    """Convert predictions to the content of a COCO results JSON file."""
    return [{"image_id": as_number(key), "caption": caption} for key, caption in predictions.items()]


def as_number(key: str) -> str | int:
    """A photo's id as COCO writes it: an integer if it reads as one."""
    return int(key) if key.isascii() and key.isdecimal() and str(int(key)) == key else key
