"""Captioned photos in every format, read and written, and COCO's results.

`read` reads all of them: COCO's captions JSON, Karpathy's splits, CSV and JSON lines by people, by us, Kaggle or
Hugging Face, Flickr8k's and Flickr30k's own text files, and text files beside photos. `write` writes them so that
`read` gives the same photos back. `read_results` reads COCO's results.
"""

from captioner.datasets.coco import read_coco, read_karpathy, read_results, to_results
from captioner.datasets.photos import CaptionedPhoto, CaptionedPhotos
from captioner.datasets.reading import read, read_flickr8k
from captioner.datasets.structure import count_and_first
from captioner.datasets.writing import write

__all__ = [
    "CaptionedPhoto",
    "CaptionedPhotos",
    "count_and_first",
    "read",
    "read_coco",
    "read_flickr8k",
    "read_karpathy",
    "read_results",
    "to_results",
    "write",
]
