"""python -m train benchmark: Compare the speed of captioning with other models and the machine's limits.

Measures throughput, latency, cold start, memory and how time grows, beside BLIP-base, ViT-GPT2 and a ResNet-101
captioner with random weights. Needs Linux and about 10 minutes.
"""

import argparse
import json
import sys
from pathlib import Path

from captioner.cli.output import require_place
from captioner.errors import UsageError

EXAMPLES = """\
  Measure your machine on generated photos:
    python -m train benchmark
  Use your photos and keep the measurements:
    python -m train benchmark --photos photos --json benchmark.json
  Measure a training step on two threads:
    python -m train benchmark --training --threads 2
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--photos", type=Path, metavar="DIR", help="directory of JPEG files (default: 500 generated photos)"
    )
    parser.add_argument(
        "--before", type=Path, metavar="CHECKOUT", help="also measure another checkout, such as a git worktree"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the measurements as JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="also plot how time grows")
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--quick", action="store_true", help="use a few photos, to see that it works; the figures mean little"
    )
    size.add_argument("--long", action="store_true", help="also measure the memory of 10,000 photos")
    size.add_argument(
        "--training",
        action="store_true",
        help=(
            "measure only a training step, and compare it with steps that share no grid among captions "
            "and with a loop over single captions"
        ),
    )
    parser.add_argument("--threads", type=int, metavar="N", help="processor threads for --training (default: 1)")


def run(options: argparse.Namespace) -> None:
    """Measure what was asked for, print a table and write the files."""
    if options.threads is not None and not options.training:
        raise UsageError("--threads does nothing without --training; leave it out.")
    if options.threads is not None and options.threads < 1:
        raise UsageError(f"--threads {options.threads}: at least 1 is needed.")
    if options.training and (options.photos or options.plot or options.before):
        raise UsageError("--training measures only a training step; leave --photos, --plot and --before out.")
    require_place(options.json, options.plot)
    from train.benchmark import everything, table, training
    from train.drawing import require_matplotlib

    if options.plot:
        require_matplotlib("--plot draws a picture")  # before minutes of measuring, not after
    if options.training:
        result = training.compare(options.threads or 1)
        print(training.to_table(result))
    else:
        plan = everything.QUICK if options.quick else everything.LONG if options.long else everything.Plan()
        result = everything.run(
            plan,
            options.photos,
            before=options.before,
            say=lambda line: print(f"measuring: {line}", file=sys.stderr),
        )
        print(table.to_table(result))
        if options.before:
            print("\n" + table.versions_to_table(result["versions"]))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        table.draw_growth(result["growth"], options.plot)
