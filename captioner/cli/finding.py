"""Which photos the command line means."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.errors import UsageError

if TYPE_CHECKING:
    from captioner.folders.finding import Found, Photos


def add_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--recursive", action="store_true", help="look into the folders of a folder, too")
    group.add_argument(
        "--follow-links", action="store_true", help="follow links to folders, each folder and each file once"
    )
    group.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="PATTERN",
        help=(
            "leave out what a .gitignore would with this line, such as '*.png', 'drafts/'\nor '!.kept' (takes "
            "back); may be repeated"
        ),
    )
    group.add_argument(
        "--hidden", action="store_true", help="also what is hidden, a bin's, a system's, or beside a .nomedia"
    )
    group.add_argument(
        "--raw-pairs",
        choices=["one", "both"],
        default="one",
        help="a camera raw file beside IMG_1.JPG in a folder: caption the JPEG alone,\nor both (default: one)",
    )
    group.add_argument("--files-from", metavar="FILE", help="read names from a file, one a line; - is standard input")
    group.add_argument("-0", dest="nul", action="store_true", help="those names end with NUL, as find -print0 has them")
    group.add_argument("--shard", metavar="I/N", help="only part I of N, 0 ≤ I < N; N runs share the work")


def photos(options: argparse.Namespace) -> "Photos":
    """The photos that are meant; standard input is read here and not in a thread, where Ctrl-C would not reach.

    Raises:
        UsageError: a list cannot be read, or an option makes no sense.
    """
    from captioner.folders.finding import Photos, Shard, read_names

    shard = Shard.parse(options.shard) if options.shard else None
    names: list[str] = []
    source = ""
    if options.files_from:
        source = f"--files-from {options.files_from}"
        names = read_names(_list(options.files_from, source), ends_with_nul=options.nul, source=source)
    return Photos(
        arguments=options.paths,
        names=names,
        source=source,
        recursive=options.recursive,
        follow_links=options.follow_links,
        exclude=options.exclude,
        hidden=options.hidden,
        raw_pairs=options.raw_pairs,
        shard=shard,
        standard_input=_picture(kept=bool(options.output)) if "-" in options.paths else None,
    )


def _list(path: str, source: str) -> bytes:
    if path == "-":
        return _standard_input()
    try:
        return Path(path).read_bytes()
    except OSError as problem:
        raise UsageError(f"{source}: cannot be read ({problem.strerror}).") from None


def _picture(*, kept: bool) -> "Found":
    """The photo on standard input; where results are kept, it is called after its content, which is all that it is
    known by.
    """
    from captioner.folders.finding import Found
    from captioner.folders.fingerprint import digest_of

    content = _standard_input()
    return Found(f"stdin-{digest_of(content)}" if kept else "-", "", content=content)


def _standard_input() -> bytes:
    """All of it, read here and not in a thread, where Ctrl-C would not reach."""
    if sys.stdin is None:
        raise UsageError("- reads standard input, which is closed.")
    return sys.stdin.buffer.read()
