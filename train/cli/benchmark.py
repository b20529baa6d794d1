"""python -m train benchmark: measure captioning against other models and the machine's limits.

BLIP-base, ViT-GPT2 and a ResNet-101 captioner have random weights; throughput, latency, start, memory and growth are measured.
Linux; about 10 minutes.
"""

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from captioner.cli.output import require_place


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--photos", type=Path, metavar="DIR", help="of JPEG files (default: 500 that are made)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="also draw how time grows")
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--quick", action="store_true", help="a few photos, to see that it works; the figures mean little"
    )
    size.add_argument("--long", action="store_true", help="also the memory of 10,000 photos")
    size.add_argument(
        "--candidates", action="store_true", help="only what was tried to be faster (docs/experiments.md)"
    )


def run(options: argparse.Namespace) -> None:
    """Measure it."""
    require_place(options.json, options.plot)
    from train.benchmark import candidates, everything, table
    from train.benchmark.photos import find_photos
    from train.drawing import require_matplotlib

    if options.plot:
        require_matplotlib("--plot draws a picture")  # before minutes of measuring, not after
    if options.candidates:
        with TemporaryDirectory() as scratch:
            found = candidates.measure(find_photos(options.photos, 256, Path(scratch)))
        print(json.dumps(found, indent=1))
        return
    plan = everything.QUICK if options.quick else everything.LONG if options.long else everything.Plan()
    result = everything.run(plan, options.photos, say=lambda line: print(f"measuring: {line}", file=sys.stderr))
    print(table.to_table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        table.draw_growth(result["growth"], options.plot)
