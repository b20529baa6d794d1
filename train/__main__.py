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
UNWRITABLE = {errno.EEXIST, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


def parser() -> argparse.ArgumentParser:
    """The verbs and their arguments."""
    parser = argparse.ArgumentParser(prog="python -m train", description="Train and measure captioning models.")
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
    except BrokenPipeError:  # whoever read our output has seen enough
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return 130 if options.verb in {"fit", "transformer"} else 0  # a run is saved, and not at its end
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
    """Say what the system refused; returns the exit code. Only some of its reasons tell that something was to be
    written.
    """
    place, reason = problem.filename or "a file", problem.strerror or problem
    if problem.errno in UNWRITABLE:
        print(f"train: {place}: cannot be written ({reason}).", file=sys.stderr)
        return OutputError.exit_code
    print(f"train: {place}: {reason}.", file=sys.stderr)
    return UsageError.exit_code


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends us, nothing half done is left behind
    sys.exit(main())
