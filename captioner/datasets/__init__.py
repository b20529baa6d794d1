"""Read and write captioned photos in all common formats, and COCO results.

`read` reads every format: COCO captions JSON, Karpathy's splits, CSV and JSON Lines (hand-written, or from captioner,
Kaggle or Hugging Face), the text files of Flickr8k and Flickr30k, and text files beside photos. What `write` writes,
`read` reads back unchanged. `read_results` reads COCO results.
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
