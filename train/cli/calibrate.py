"""python -m train calibrate: Calibrate a model's confidence on validation photos.

After calibration, confidence is the probability that a caption is close to captions by people. The coefficients are
written to the checkpoint. Calibrate only on photos that the model was not trained on.
"""

import argparse
from pathlib import Path

EXAMPLES = """\
  Calibrate on the split "dev" of a dataset:
    python -m train calibrate runs/photo-en/best --data flickr8k
  Calibrate on two datasets with equal weight:
    python -m train calibrate runs/photo-en/best --data flickr8k --also coco/captions_dev.json
  Keep decoded photos in another directory:
    python -m train calibrate runs/photo-en/best --data flickr8k --cache /tmp/cache
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="checkpoint directory or embedded model")
    parser.add_argument(
        "--data",
        required=True,
        type=Path,
        metavar="DIR",
        help="directory with captions and images/; the split dev is used",
    )
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="FILE",
        help="further captioned photos; each file has the same weight as --data (repeatable)",
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
