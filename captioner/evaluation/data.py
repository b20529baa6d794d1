"""The names of `captioner.datasets`, under which the readers stood before."""

from captioner.datasets import (
    CaptionedPhoto,
    CaptionedPhotos,
    read_captioned_photos,
    read_coco,
    read_flickr8k,
    read_karpathy,
    read_results,
    to_results,
)

__all__ = [
    "CaptionedPhoto",
    "CaptionedPhotos",
    "read_captioned_photos",
    "read_coco",
    "read_flickr8k",
    "read_karpathy",
    "read_results",
    "to_results",
]
