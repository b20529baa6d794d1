"""Readers for captioned photos and for captions that somebody's model wrote; each takes a file as it was published.

    read_captioned_photos   any of the following, told apart by what is in it
    read_coco               COCO's captions JSON: {"images": [...], "annotations": [...]}
    read_karpathy           Karpathy's splits: dataset_flickr8k.json, dataset_flickr30k.json, dataset_coco.json
    read_flickr8k           one JSON list of photos, Karpathy's file, or the directory of the official text files
    read_results            COCO's results JSON: [{"image_id": ..., "caption": ...}]

Ids are strings everywhere: COCO's 391895 is "391895", a Flickr8k photo's id is its file name.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from captioner.errors import UsageError
from captioner.evaluation.structure import (
    as_id,
    as_text,
    as_texts,
    count_and_first,
    member,
    read_each,
    read_json,
    read_lines,
    refuse_twice,
)

# The names that the published files give to one and the same split.
_SAME_SPLIT = {"val": "dev", "validation": "dev", "dev": "dev"}
_TOKEN_FILE = "Flickr8k.token.txt"
_TOKEN_LINE = re.compile(r"(?P<file>\S[^#\t]*)#\d+\t(?P<caption>.*)")


@dataclass(frozen=True)
class CaptionedPhoto:
    """One photo and what people wrote about it.

    Attributes:
        id: names the photo in predictions and results.
        file: path of the photo, relative to the directory of photos.
        captions: at least one, as they were written.
        split: as the data names it (train, dev, val, test, restval, unused), or empty where the data has no splits.
    """

    id: str
    file: str
    captions: tuple[str, ...]
    split: str = ""


@dataclass(frozen=True)
class CaptionedPhotos:
    """Photos in the order of their file, each id once.

    Attributes:
        source: the file or directory they were read from, for messages.
        photos: at least one.

    Raises:
        UsageError: no photos, an id twice, or a photo without captions.
    """

    source: str
    photos: tuple[CaptionedPhoto, ...]

    def __post_init__(self) -> None:
        if not self.photos:
            raise UsageError(f"{self.source} holds no captioned photos.")
        refuse_twice(self.source, (photo.id for photo in self.photos))
        bare = [photo.id for photo in self.photos if not photo.captions]
        if bare:
            raise UsageError(f"{self.source}: {count_and_first(bare, 'photo')} without a caption.")

    def __len__(self) -> int:
        return len(self.photos)

    def __iter__(self) -> Iterator[CaptionedPhoto]:
        return iter(self.photos)

    def select(self, split: str) -> "CaptionedPhotos":
        """Photos of one split; ``val`` and ``dev`` are the same.

        Raises:
            UsageError: there are none; the sentence names the splits that there are.
        """
        wanted = _SAME_SPLIT.get(split, split)
        chosen = tuple(photo for photo in self.photos if _SAME_SPLIT.get(photo.split, photo.split) == wanted)
        if not chosen:
            known = ", ".join(sorted({photo.split for photo in self.photos} - {""})) or "none"
            raise UsageError(f"{self.source} has no photos of the split {split!r}; its splits: {known}.")
        return CaptionedPhotos(self.source, chosen)

    def references(self) -> dict[str, tuple[str, ...]]:
        """Photo id → its captions, as the scores want them."""
        return {photo.id: photo.captions for photo in self.photos}


# ------------------------------------------------------------------------------------------------------ captioned photos


def read_captioned_photos(path: str | Path) -> CaptionedPhotos:
    """Reads any of the formats that this module knows.

    Raises:
        UsageError: the file is missing, damaged, or of another structure; the other readers raise the same.
    """
    path = Path(path)
    if path.is_dir():
        return _official_flickr8k(path)
    data = read_json(path)
    if isinstance(data, dict) and "annotations" in data:
        return _coco(path, data)
    if isinstance(data, dict) and "images" in data:
        return _karpathy(path, data)
    if isinstance(data, list):
        return _photo_list(path, data)
    raise UsageError(
        f"{path} is not a file of captioned photos: expected COCO's captions JSON, Karpathy's dataset JSON, "
        'or a list of {"file", "split", "captions"}.'
    )


def read_coco(path: str | Path) -> CaptionedPhotos:
    """Reads COCO's captions JSON; file names as in the file, no splits."""
    path = Path(path)
    return _coco(path, read_json(path))


def read_karpathy(path: str | Path) -> CaptionedPhotos:
    """Reads Karpathy's dataset JSON: `cocoid` as id where there is one, else the file name; `filepath/filename` as file."""
    path = Path(path)
    return _karpathy(path, read_json(path))


def read_flickr8k(path: str | Path) -> CaptionedPhotos:
    """Reads Flickr8k, from a JSON list or Karpathy's JSON, or from the directory of the official text files."""
    photos = read_captioned_photos(path)
    if not any(photo.split for photo in photos):
        raise UsageError(f"{path} has no splits, so it is not Flickr8k; is it COCO's?")
    return photos


def _photo_list(path: Path, data: object) -> CaptionedPhotos:
    def photo(item: dict[str, object]) -> CaptionedPhoto:
        file = as_text(item["file"])
        return CaptionedPhoto(file, file, as_texts(item["captions"]), as_text(item["split"]))

    return CaptionedPhotos(str(path), tuple(read_each(path, "photos", data, photo)))


def _karpathy(path: Path, data: object) -> CaptionedPhotos:
    def photo(item: dict[str, object]) -> CaptionedPhoto:
        name = as_text(item["filename"])
        file = f"{as_text(item['filepath'])}/{name}" if "filepath" in item else name
        sentences = item["sentences"]
        if not isinstance(sentences, list):
            raise TypeError
        captions = as_texts([sentence["raw"] for sentence in sentences])
        return CaptionedPhoto(as_id(item.get("cocoid", name)), file, captions, as_text(item["split"]))

    return CaptionedPhotos(str(path), tuple(read_each(path, "images", member(path, data, "images"), photo)))


def _coco(path: Path, data: object) -> CaptionedPhotos:
    images = read_each(
        path, "images", member(path, data, "images"), lambda item: (as_id(item["id"]), as_text(item["file_name"]))
    )
    annotations = read_each(
        path,
        "annotations",
        member(path, data, "annotations"),
        lambda item: (as_id(item["image_id"]), as_text(item["caption"])),
    )
    refuse_twice(str(path), (key for key, _ in images))
    captions: dict[str, list[str]] = {key: [] for key, _ in images}
    stray = list(dict.fromkeys(key for key, _ in annotations if key not in captions))
    if stray:
        raise UsageError(f"{path}: annotations name {count_and_first(stray, 'id')} not among its images.")
    for key, caption in annotations:
        captions[key].append(caption)
    return CaptionedPhotos(str(path), tuple(CaptionedPhoto(key, file, tuple(captions[key])) for key, file in images))


def _official_flickr8k(directory: Path) -> CaptionedPhotos:
    captions: dict[str, list[str]] = {}
    path = directory / _TOKEN_FILE
    for number, line in enumerate(read_lines(path), start=1):
        match = _TOKEN_LINE.fullmatch(line)
        if not match:
            raise UsageError(f"{path}, line {number} is not FILE#NUMBER, a tab and a caption.")
        captions.setdefault(match["file"], []).append(match["caption"])
    splits: dict[str, str] = {}
    for split in ("train", "dev", "test"):
        path = directory / f"Flickr_8k.{split}Images.txt"
        files = [line.strip() for line in read_lines(path)]
        refuse_twice(str(path), files)
        bare = [file for file in files if file not in captions]
        if bare:
            raise UsageError(f"{path}: {count_and_first(bare, 'photo')} without a caption in {_TOKEN_FILE}.")
        both = [file for file in files if file in splits]
        if both:
            raise UsageError(f"{path}: {count_and_first(both, 'photo')} also listed in another split.")
        splits.update(dict.fromkeys(files, split))
    photos = (CaptionedPhoto(file, file, tuple(texts), splits.get(file, "unused")) for file, texts in captions.items())
    return CaptionedPhotos(str(directory), tuple(photos))


# --------------------------------------------------------------------------------------------------------------- results


def read_results(path: str | Path) -> dict[str, str]:
    """Reads COCO's results JSON, ``[{"image_id": 42, "caption": "a dog"}]``; further keys are ignored.

    Returns:
        Photo id → caption, which may be empty.

    Raises:
        UsageError: the file is missing, damaged, of another structure, empty, or has an id twice.
    """
    path = Path(path)
    pairs = read_each(
        path, "results", read_json(path), lambda item: (as_id(item["image_id"]), as_text(item["caption"]))
    )
    if not pairs:
        raise UsageError(f"{path} holds no results.")
    refuse_twice(str(path), (key for key, _ in pairs))
    return dict(pairs)


def to_results(predictions: Mapping[str, str]) -> list[dict[str, str | int]]:
    """Predictions as COCO's results JSON wants them: ids that are whole numbers are written as numbers."""
    return [
        {
            "image_id": int(key) if key.isascii() and key.isdecimal() and str(int(key)) == key else key,
            "caption": caption,
        }
        for key, caption in predictions.items()
    ]
