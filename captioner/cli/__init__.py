"""The command line: one file a verb. Results go to standard output, everything else to standard error."""

import argparse
import io
import sys
from collections.abc import Sequence

from captioner._version import __version__
from captioner.cli import caption, evaluate, info, translate
from captioner.cli.options import add_verbs
from captioner.cli.output import abandon_output
from captioner.errors import CaptionerError, OutputError

EXIT_CODES = """\
exit codes: 0 all done, 1 some photos failed, 2 usage, 3 no usable model, 4 output cannot be written, 130 interrupted
"""
VERBS = {"caption": caption, "evaluate": evaluate, "info": info, "translate": translate}
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
        sentence, code = _explained(problem)
        if not sentence:
            raise
        print(f"captioner: {sentence}", file=sys.stderr)
    return code


def _explained(problem: Exception) -> tuple[str, int]:
    """What to tell the user about an error, and the exit code; an empty sentence if it is a mistake of ours."""
    if isinstance(problem, CaptionerError):
        return str(problem), problem.exit_code
    # PyTorch, threads and shared libraries each say in their own way that memory is short.
    said = ("allocate memory", "out of memory", "can't start new thread", "failed to map segment")
    if isinstance(problem, MemoryError) or any(words in str(problem) for words in said):
        return "out of memory; give it more, or try a smaller --batch-size or --workers 1.", CaptionerError.exit_code
    if isinstance(
        problem, OSError
    ):  # what no verb expects, such as a folder beside a photo that may not be looked into
        return f"{problem.filename or 'a file'}: {problem.strerror or problem}.", OutputError.exit_code
    return "", CaptionerError.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="captioner",
        description="Captions for photos, offline, on any computer; in four languages.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"captioner {__version__}")
    add_verbs(parser, VERBS, epilog=EXIT_CODES)
    return parser
