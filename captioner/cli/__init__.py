"""The command line, one file per verb. Results go to standard output, everything else to standard error."""

import argparse
import gc
import io
import sys
from collections.abc import Sequence

from captioner._version import __version__
from captioner.cli import app, caption, evaluate, info, search, serve, translate
from captioner.cli.memory import shortage
from captioner.cli.options import add_verbs
from captioner.cli.output import abandon_output
from captioner.errors import CaptionerError, OutputError, UsageError

EXIT_CODES = """\
exit codes:
  0 success, 1 some photos failed, 2 usage error, 3 no usable model,
  4 output cannot be written, 130 interrupted
"""
TRAINING = "To train a model, run python -m train in a checkout of the repository."
EXAMPLES = """\
examples:
  captioner caption photo.jpg
  captioner caption photos --recursive --output captions.csv
  captioner translate --to de "A dog runs along the beach."

"captioner COMMAND --help" describes the options of a command.
"""
VERBS = {
    "caption": caption,
    "search": search,
    "evaluate": evaluate,
    "info": info,
    "translate": translate,
    "app": app,
    "serve": serve,
}
INTERRUPTED = 130


def run() -> int:
    """Run `main` as the last task of this process; returns its exit code."""
    try:
        return main()
    finally:
        # At exit, Python searches all objects for garbage, mostly those of torch: 0.4 s. Frozen objects are skipped.
        gc.freeze()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        arguments: the words after `captioner`; those of `sys.argv` if None.

    Returns:
        The exit code: 0 success, 1 some photos failed, 2 usage error, 3 no usable model, 4 output cannot be written,
        130 interrupted.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # any alphabet, and file names that are not UTF-8
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    if isinstance(sys.stdin, io.TextIOWrapper):  # bytes that are not UTF-8 must not stop the run
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] == "train":
        print(f"captioner: there is no command train. {TRAINING}", file=sys.stderr)
        return UsageError.exit_code
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:  # argparse exits: 0 after --help, 2 after a mistake
        return int(stop.code or 0)
    try:
        code: int = VERBS[options.verb].run(options)
    except BrokenPipeError:  # the reader of our output has quit
        abandon_output()
        return 0
    except KeyboardInterrupt:
        print("captioner: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except Exception as problem:
        code, sentence = _explained(problem)
        print(f"captioner: {sentence}", file=sys.stderr)
    return code


def _explained(problem: Exception) -> tuple[int, str]:
    """The exit code and message for an error; bugs, which no user can have caused, are raised again."""
    if isinstance(problem, CaptionerError):
        return problem.exit_code, str(problem)
    if sentence := shortage(problem):
        sys.unraisablehook = lambda _: None  # cleanup in libraries fails for the same reason
        return CaptionerError.exit_code, sentence
    if isinstance(problem, OSError):  # such as a folder without permission to read it
        return OutputError.exit_code, f"{problem.filename or 'a file'}: {problem.strerror or problem}."
    raise problem


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="captioner",
        description="Caption photos offline, in English, German, French or Czech.",
        epilog=f"{EXAMPLES}\n{EXIT_CODES}\n{TRAINING}",
    )
    parser.add_argument(
        "--version", action="version", version=f"captioner {__version__}", help="show the version and exit"
    )
    add_verbs(parser, VERBS, epilog=EXIT_CODES)
    return parser
