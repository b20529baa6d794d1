"""python -m train quantize: Prepare a model for int8 inference.

Measures the input range of each convolution and matrix product on training photos and writes the ranges to the
checkpoint's config.json. The weights are not changed; they are quantized when the model is loaded.
"""

import argparse
from pathlib import Path

EXAMPLES = """\
  Measure on 100 photos of the split "train" of a dataset:
    python -m train quantize runs/photo-en/best --data flickr8k
  Measure on 200 photos of each of two datasets:
    python -m train quantize runs/photo-en/best --data flickr8k --also coco/captions_train.json --photos 200
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="checkpoint directory or embedded model")
    parser.add_argument(
        "--data",
        required=True,
        type=Path,
        metavar="DIR",
        help="directory with captions and images/; the split train is used",
    )
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="FILE",
        help="further training photos: a directory like --data, or a captions file (repeatable)",
    )
    parser.add_argument(
        "--photos", type=int, default=100, metavar="N", help="photos to draw from each dataset (default: 100)"
    )


def run(options: argparse.Namespace) -> None:
    from train.quantization import quantize

    found = quantize(options.model, [options.data, *map(Path, options.also)], photos=options.photos)
    print(f"{options.model}: measured {len(found)} input ranges.")
