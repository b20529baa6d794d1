"""`python -m train`: the trainer's command line."""

import argparse
import errno
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from captioner.cli.memory import shortage
from captioner.cli.options import add_verbs
from captioner.errors import CaptionerError, OutputError, UsageError

NAMES = (
    "fit",
    "label",
    "average",
    "calibrate",
    "quantize",
    "record",
    "curves",
    "benchmark",
    "bleu",
    "transformer",
    "multi30k",
    "study",
)
VERBS = {name: import_module(f"train.cli.{name}") for name in NAMES}
EXAMPLES = """\
examples:
  python -m train fit train/recipes/mobilenet.toml --set data.root=DIR
  python -m train average runs/photo-en/best runs/photo-en-reward/best --out runs/mean
  python -m train study cells --quick

"python -m train COMMAND --help" describes the options of a command.
"""
UNWRITABLE = {errno.EEXIST, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


def parser() -> argparse.ArgumentParser:
    """The parser of the command line, with all verbs."""
    parser = argparse.ArgumentParser(
        prog="python -m train",
        description="Train, improve and measure models that caption photos and translate captions.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_verbs(parser, VERBS)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code (see `captioner.errors`)."""
    options = parser().parse_args(arguments)
    try:
        VERBS[options.verb].run(options)
    except CaptionerError as problem:
        print(f"train: {problem}", file=sys.stderr)
        return problem.exit_code
    except BrokenPipeError:  # the reader of our output has closed it
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return 130 if options.verb in {"fit", "transformer"} else 0  # the run is saved, but has not ended
    except Exception as problem:
        if sentence := shortage(problem):
            print(f"train: {sentence}", file=sys.stderr)
            return CaptionerError.exit_code
        if not isinstance(problem, OSError):
            raise
        return _failed(problem)
    except KeyboardInterrupt:
        print("train: interrupted.", file=sys.stderr)
        return 130
    return 0


def _failed(problem: OSError) -> int:
    """Report an error of the operating system, and return the exit code: some errors only occur in writing."""
    place, reason = problem.filename or "a file", problem.strerror or problem
    if problem.errno in UNWRITABLE:
        print(f"train: {place}: cannot be written ({reason}).", file=sys.stderr)
        return OutputError.exit_code
    print(f"train: {place}: {reason}.", file=sys.stderr)
    return UsageError.exit_code


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as after Ctrl-C
    sys.exit(main())
