"""python -m train quantize: prepare a model for int8 inference: measure the ranges of its products' inputs.

The ranges are written into the checkpoint's config.json; the weights stay as they are. Measure on training photos.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="checkpoint directory, or name of an embedded model")
    parser.add_argument(
        "--data", required=True, type=Path, metavar="DIR", help="captions and images/, of which the split train is read"
    )
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="FILE",
        help="further training photos; as many as of the first are read",
    )
    parser.add_argument("--photos", type=int, default=100, metavar="N", help="photos of each set (default: 100)")


def run(options: argparse.Namespace) -> None:
    from train.quantization import quantize

    found = quantize(options.model, [options.data, *map(Path, options.also)], photos=options.photos)
    print(f"{options.model}: measured the ranges of {len(found)} inputs.")
