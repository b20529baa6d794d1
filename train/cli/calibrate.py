"""python -m train calibrate: fit a model's confidence on validation photos and write it into its checkpoint.

The confidence becomes the probability that a caption is close to people's; what it is fitted on is never trained on.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="checkpoint directory, or name of an embedded model")
    parser.add_argument(
        "--data", required=True, type=Path, metavar="DIR", help="captions and images/, of which the split dev is read"
    )
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="FILE",
        help="further captioned photos to validate on; counts as much as the first",
    )
    parser.add_argument("--cache", default="cache", metavar="DIR", help="directory for decoded photos (default: cache)")


def run(options: argparse.Namespace) -> None:
    from train.calibration import calibrate
    from train.photos.config import DataSettings

    data = DataSettings(root=str(options.data), validation=tuple(options.also), cache=options.cache)
    calibration = calibrate(options.model, data)
    print("by ten-fold cross-validation:")
    for name, value in calibration.measured.items():
        print(f"  {name:14}{value:g}")
