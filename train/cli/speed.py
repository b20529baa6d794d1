"""python -m train speed: measure a training step against simpler ones.

A step of the embedded model's decoder is measured against steps that share no grid among captions and against a loop over
single captions: captions a second and peak memory.
"""

import argparse
import json
from pathlib import Path

from captioner.cli.output import require_place
from captioner.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of the processor (default: 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured")


def run(options: argparse.Namespace) -> None:
    """Measure it."""
    if options.threads < 1:
        raise UsageError(f"--threads {options.threads}: at least 1 is needed.")
    require_place(options.json)
    from train.benchmark.speed import compare, to_table

    result = compare(options.threads)
    print(to_table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
