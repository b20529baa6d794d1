"""The options that select photos."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.errors import UsageError

if TYPE_CHECKING:
    from captioner.folders.finding import Found, Photos


def add_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "paths", nargs="*", metavar="PATH", help="photo, folder or pattern; - reads one photo from standard input"
    )
    group.add_argument("--recursive", action="store_true", help="search subfolders too")
    group.add_argument(
        "--follow-links", action="store_true", help="follow links to folders; each folder and file is visited once"
    )
    group.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="PATTERN",
        help="skip paths that match a .gitignore pattern, such as '*.png' or 'drafts/'; "
        "'!keep.png' re-includes; repeatable",
    )
    group.add_argument(
        "--hidden", action="store_true", help="include hidden files, trash and system folders, and .nomedia folders"
    )
    group.add_argument(
        "--raw-pairs",
        choices=["one", "both"],
        default="one",
        help="if a folder has both IMG_1.JPG and a camera raw file IMG_1.*, caption only the JPEG (one),\n"
        "or both files (default: one)",
    )
    group.add_argument("--files-from", metavar="FILE", help="read paths from FILE, one per line; - is standard input")
    group.add_argument("-0", dest="nul", action="store_true", help="paths in --files-from end in NUL (find -print0)")
    group.add_argument("--shard", metavar="I/N", help="caption only part I of N, from 0/N to N-1/N, to share the work")


def photos(options: argparse.Namespace) -> "Photos":
    """The selected photos. Standard input is read here, because Ctrl-C does not reach a thread that reads it.

    Raises:
        UsageError: a list cannot be read, or an option is invalid.
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
    """The photo on standard input. With an output file, its name is derived from its content."""
    from captioner.folders.finding import Found
    from captioner.folders.fingerprint import digest_of

    content = _standard_input()
    return Found(f"stdin-{digest_of(content)}" if kept else "-", "", content=content)


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise UsageError("cannot read a photo or list from standard input (it is closed); give a path.")
    return sys.stdin.buffer.read()
