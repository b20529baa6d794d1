"""Pseudo-labels: captions of unlabeled photos by one model or an ensemble, in a file that `data.also` reads."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath

import torch
from torch import Tensor

from captioner import checkpoint
from captioner.datasets import CaptionedPhoto
from captioner.decoding import Hypothesis
from captioner.errors import UsageError
from captioner.files import write_files
from captioner.folders.finding import Photos
from train.objectives.distillation import Teachers
from train.photos.data import load_photos
from train.photos.places import IMAGES
from train.photos.validation import write_captions

LABELS = "labels.json"


def label(
    directory: Path, models: Sequence[str], *, captions: int, cache: Path, device: torch.device
) -> tuple[Path, tuple[str, ...]]:
    """Caption the photos in `directory/images` and write `directory/labels.json`, COCO's captions JSON.

    Args:
        directory: directory that contains `images`.
        models: checkpoints with the same vocabulary; their probabilities are averaged.
        captions: captions per photo, the best ones first.
        cache: directory for the decoded photos.
        device: device of the models.

    Returns:
        The file, and one sentence for each photo or folder that was skipped.

    Raises:
        UsageError: the file already exists, there are no photos, or the models differ in vocabulary or image size.
        ModelError: a model is missing or damaged.
        OutputError: the file cannot be written.
    """
    out, images = directory / LABELS, directory / IMAGES
    if out.exists():
        raise UsageError(f"{out}: already exists; remove it first.")
    read = [checkpoint.read(name) for name in models]
    first, size = read[0], read[0].config.image.size
    if any(one.config.image.size != size for one in read):
        raise UsageError("the models expect photos of different sizes; use models with the same image.size.")
    teachers = Teachers(read, first.vocabulary, first.config.text, device)
    found = list(Photos(names=[str(images)], recursive=True))
    names = [PurePath(photo.relative).as_posix() for photo in found if not photo.problem]
    photos = load_photos(
        [CaptionedPhoto(id=name, file=name, captions=()) for name in names],
        images,
        size=size,
        cache=cache,
        name="unlabelled",
    )
    wide = max(first.decoding.beam_size, captions)
    options = replace(first.decoding, beam_size=wide, num_captions=captions)

    def search(pixels: Tensor) -> list[list[Hypothesis]]:
        return teachers.generate(pixels.to(device), options)

    written = write_captions(photos, search, first.vocabulary, first.config.text)
    captioned = [(number, text) for number, texts in enumerate(written) for text in texts]
    data = {
        "info": {"description": f"written by models, not by people: {', '.join(one.path.name for one in read)}"},
        "images": [{"id": number, "file_name": photo.file} for number, photo in enumerate(photos.photos)],
        "annotations": [
            {"id": place, "image_id": number, "caption": text} for place, (number, text) in enumerate(captioned)
        ],
    }
    write_files(directory, {LABELS: json.dumps(data, indent=1) + "\n"})
    return out, (*(str(photo.problem) for photo in found if photo.problem), *photos.skipped)
