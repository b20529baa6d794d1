"""Readers for captioned photos and for captions that somebody's model wrote; each takes a file as it was published.

    read_captioned_photos   any of the following, and somebody's own photos in CSV or JSON lines (see `rows`)
    read_coco               COCO's captions JSON: {"images": [...], "annotations": [...]}
    read_karpathy           Karpathy's splits: dataset_flickr8k.json, dataset_flickr30k.json, dataset_coco.json
    read_flickr8k           one JSON list of photos, Karpathy's file, the official text files, or the directory of one of these
    read_results            COCO's results JSON: [{"image_id": ..., "caption": ...}]

All are strict, since half a file gives wrong scores; `read_captioned_photos` can also leave out what is wrong.
Ids are strings everywhere: COCO's 391895 is "391895", a Flickr8k photo's id is its file name.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from captioner.errors import UsageError
from captioner.evaluation.rows import Row, object_row, read_csv, read_json_lines, read_token_file
from captioner.evaluation.structure import (
    as_id,
    as_text,
    as_texts,
    count_and_first,
    member,
    read_each,
    read_json,
    read_lines,
    refuse_all,
    refuse_twice,
)

# The names that the published files give to one and the same split.
_SAME_SPLIT = {"val": "dev", "validation": "dev", "dev": "dev"}
_TOKEN_FILE = "Flickr8k.token.txt"  # of the official text files, the one with the captions
# What the file of captions in a data directory may be called.
_CAPTIONS = (
    "captions.csv",
    "captions.jsonl",
    "captions.json",
    "dataset*.json",  # Karpathy's splits
    "captions_*.json",  # COCO's own
    "annotations.json",
    _TOKEN_FILE,
)


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


def read_captioned_photos(path: str | Path, *, problems: list[str] | None = None) -> CaptionedPhotos:
    """Reads any of the formats that this module knows.

    Args:
        path: a file, or a directory with one file of captions in it by one of the usual names. CSV and JSON lines are
            known by their names' endings, the others by what is in them.
        problems: takes one sentence for each photo and each caption that is then left out, instead of an error.

    Raises:
        UsageError: the file is missing, damaged as a whole, or of another structure, or there is a photo or a caption that
            cannot be used; the other readers raise the same.
    """
    path = Path(path)
    if path.is_dir():
        path = _find(path)
    if path.name == _TOKEN_FILE:
        return _official_flickr8k(path.parent, problems)
    if path.suffix == ".csv":
        return _from_rows(path, read_csv(path, problems).values(), problems)
    if path.suffix == ".jsonl":
        return _from_rows(path, read_json_lines(path, problems).values(), problems)
    data = read_json(path)
    if isinstance(data, dict) and "annotations" in data:
        return _coco(path, data, problems)
    if isinstance(data, dict) and "images" in data:
        return _karpathy(path, data, problems)
    if isinstance(data, list):
        return _from_rows(path, read_each(path, "photos", data, object_row, problems), problems)
    raise UsageError(
        f"{path} is not a file of captioned photos: expected COCO's captions JSON, Karpathy's dataset JSON, "
        'a list of {"file", "split", "captions"}, or a name that ends in .csv or .jsonl.'
    )


def read_coco(path: str | Path, *, problems: list[str] | None = None) -> CaptionedPhotos:
    """Reads COCO's captions JSON; file names as in the file, no splits; `problems` as in `read_captioned_photos`."""
    path = Path(path)
    return _coco(path, read_json(path), problems)


def read_karpathy(path: str | Path) -> CaptionedPhotos:
    """Reads Karpathy's dataset JSON: `cocoid` as id where there is one, else the file name; `filepath/filename` as file."""
    path = Path(path)
    return _karpathy(path, read_json(path))


def read_flickr8k(path: str | Path, *, problems: list[str] | None = None) -> CaptionedPhotos:
    """Reads Flickr8k, or any photos with splits: a JSON list, Karpathy's JSON, CSV, JSON lines, or the official text files."""
    photos = read_captioned_photos(path, problems=problems)
    if not any(photo.split for photo in photos):
        raise UsageError(f"{path} has no splits, so it is not Flickr8k; is it COCO's?")
    return photos


def _find(root: Path) -> Path:
    found = sorted({file for name in _CAPTIONS for file in root.glob(name)})
    if len(found) != 1:
        names = ", ".join(file.name for file in found)
        raise UsageError(
            f"{root} holds {f'several files of captions ({names}); keep one of them' if found else 'no captions'}; "
            f"looked for {', '.join(_CAPTIONS)}."
        )
    return found[0]


def _from_rows(path: Path, rows: Iterable[Row], problems: list[str] | None) -> CaptionedPhotos:
    return _gathered(path, (CaptionedPhoto(row.file, row.file, row.captions, row.split) for row in rows), problems)


def _karpathy(path: Path, data: object, problems: list[str] | None = None) -> CaptionedPhotos:
    def photo(item: dict[str, object]) -> CaptionedPhoto:
        name = as_text(item["filename"])
        file = f"{as_text(item['filepath'])}/{name}" if "filepath" in item else name
        sentences = item["sentences"]
        if not isinstance(sentences, list):
            raise TypeError
        captions = as_texts([sentence["raw"] for sentence in sentences])
        return CaptionedPhoto(as_id(item.get("cocoid", name)), file, captions, as_text(item["split"]))

    return _gathered(path, read_each(path, "images", member(path, data, "images"), photo, problems), problems)


def _coco(path: Path, data: object, problems: list[str] | None = None) -> CaptionedPhotos:
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
    refuse_all(f"{path}: annotations name", stray, "id", "not among its images", problems)
    for key, caption in annotations:
        if key in captions:
            captions[key].append(caption)
    return _gathered(path, (CaptionedPhoto(key, file, tuple(captions[key])) for key, file in images), problems)


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
        if both:  # never to be passed over: what is learned must not be measured
            raise UsageError(f"{path}: {count_and_first(both, 'photo')} also listed in another split.")
        splits.update(dict.fromkeys(files, split))
    placed = (Row(row.file, row.captions, splits.get(row.file, "unused")) for row in rows.values())
    return _from_rows(directory, placed, problems)


def _gathered(path: Path, photos: Iterable[CaptionedPhoto], problems: list[str] | None) -> CaptionedPhotos:
    """All of them or, where `problems` may take the others, those that are there for the first time and have a caption."""
    if problems is None:
        return CaptionedPhotos(str(path), tuple(photos))
    first: dict[str, CaptionedPhoto] = {}
    again = [photo.id for photo in photos if first.setdefault(photo.id, photo) is not photo]
    refuse_all(f"{path}:", again, "id", "there more than once", problems)
    bare = [photo.id for photo in first.values() if not photo.captions]
    refuse_all(f"{path}:", bare, "photo", "without a caption", problems)
    usable = tuple(photo for photo in first.values() if photo.captions)
    if problems and not usable:
        raise UsageError(f"{path} holds no photo with a caption that can be used. The last problem: {problems[-1]}")
    return CaptionedPhotos(str(path), usable)


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
