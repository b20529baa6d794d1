"""The command line: one file a verb. Results go to standard output, everything else to standard error."""

import argparse
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
exit codes: 0 all done, 1 some photos failed, 2 usage, 3 no usable model, 4 output cannot be written, 130 interrupted
"""
TRAINING = """\
To train a model, run python -m train in a checkout of the repository; see "Train on your own photos" in its README.
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        arguments: what stands behind the command's name; `sys.argv`'s if None.

    Returns:
        The exit code: 0 all done, 1 some photos failed, 2 usage, 3 no usable model, 4 output cannot be written,
        130 interrupted.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # names and captions in any alphabet, names that are not UTF-8 too
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    if isinstance(sys.stdin, io.TextIOWrapper):  # as everything that is written; what is not UTF-8 is no reason to stop
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] == "train":
        print(f"captioner: the installed command does not train. {TRAINING}", end="", file=sys.stderr)
        return UsageError.exit_code
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:  # argparse's own way out: 0 after --help, 2 after a mistake
        return int(stop.code or 0)
    try:
        code: int = VERBS[options.verb].run(options)
    except BrokenPipeError:  # whoever read our output has seen enough
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
    """The exit code and the sentence for what has gone wrong; what no user can have caused is raised again."""
    if isinstance(problem, CaptionerError):
        return problem.exit_code, str(problem)
    if sentence := shortage(problem):
        sys.unraisablehook = lambda _: None  # what libraries do at the end of the process fails for the same reason
        return CaptionerError.exit_code, sentence
    if isinstance(problem, OSError):  # no verb expects it, such as a folder beside a photo that may not be looked into
        return OutputError.exit_code, f"{problem.filename or 'a file'}: {problem.strerror or problem}."
    raise problem


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="captioner",
        description="Captions for photos, offline, on any computer; in four languages.",
        epilog=f"{EXIT_CODES}\n{TRAINING}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"captioner {__version__}")
    add_verbs(parser, VERBS, epilog=EXIT_CODES)
    return parser
