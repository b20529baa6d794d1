"""Captioned photos in every format that is read, and COCO's results.

`read_captioned_photos` reads all of them: COCO's captions JSON, Karpathy's splits, CSV and JSON lines by people, by us, Kaggle
or Hugging Face, Flickr8k's and Flickr30k's own text files, and text files beside photos. `read_results` reads COCO's results.
"""

from captioner.datasets.coco import read_coco, read_karpathy, read_results, to_results
from captioner.datasets.photos import CaptionedPhoto, CaptionedPhotos
from captioner.datasets.reading import read_captioned_photos, read_flickr8k
from captioner.datasets.structure import count_and_first

__all__ = [
    "CaptionedPhoto",
    "CaptionedPhotos",
    "count_and_first",
    "read_captioned_photos",
    "read_coco",
    "read_flickr8k",
    "read_karpathy",
    "read_results",
    "to_results",
]
