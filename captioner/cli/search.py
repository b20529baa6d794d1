"""captioner search: Find photos by the words of their captions.

Reads captions in JSON Lines, CSV, COCO JSON or SQLite, or a folder with text
files beside its photos. The exit code is 1 if nothing is found.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.cli.options import positive
from captioner.cli.output import one_line, require_place, write_line
from captioner.cli.progress import say
from captioner.errors import CaptionerError, UsageError

if TYPE_CHECKING:
    from captioner.search import Hit, Hits
    from captioner.search.sheet import Tile


USAGE = "captioner search WORD [WORD ...] CAPTIONS [options]"
EXAMPLES = """\
  Find photos by the words of their captions:
    captioner search dog on a beach captions.jsonl
  Write a contact sheet of the photos found:
    captioner search dog captions.sqlite --html dogs.html
  Print all matches as JSON Lines:
    captioner search red car captions.sqlite --limit 100000 --format jsonl
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("search")
    group.add_argument("words", nargs="+", metavar="WORD", help="words to search for, such as: dog on a beach")
    group.add_argument("captions", type=Path, metavar="CAPTIONS", help="captions file, or folder of text files")
    group = parser.add_argument_group("results")
    group.add_argument("--limit", type=positive, default=20, metavar="N", help="maximum number of photos (default: 20)")
    group.add_argument(
        "--format",
        choices=["text", "jsonl"],
        help="what to print (default: text, or nothing with --html)\n"
        "text: PATH<TAB>caption\njsonl: one JSON object per photo",
    )
    group.add_argument("--html", type=Path, metavar="FILE", help="write a contact sheet: one page with thumbnails")
    group.add_argument(
        "--photos",
        type=Path,
        metavar="DIR",
        help="where the photos are (default: where the captions are, or the current folder)",
    )


def run(options: argparse.Namespace) -> int:
    """Print the photos found, best match first.

    Raises:
        CaptionerError: no photo was found.
    """
    from captioner.search import search
    from captioner.search.sheet import refuse_foreign, write_sheet

    query = " ".join(options.words)
    if options.photos and not options.photos.is_dir():
        raise UsageError(f"--photos {options.photos}: there is no such folder.")
    if options.html:  # before searching
        require_place(options.html)
        refuse_foreign(options.html)
    found = search(query, options.captions, limit=options.limit)
    _report(found, options)
    if options.html:
        tiles = write_sheet(options.html, query, found, lambda hit: _file(hit, options))
        say(f"{options.html} shows {len(tiles):,} of {found.total:,} photos{_missing(tiles)}")
    if options.format or not options.html:
        for hit in found.hits:
            _print(hit, options)
    return 0


def _missing(tiles: "Sequence[Tile]") -> str:
    without = [tile for tile in tiles if not tile.picture]
    if not without:
        return ""
    first = without[0]
    return f", {len(without):,} of them without a thumbnail (first: {one_line(first.path)}, {first.problem})"


def _report(found: "Hits", options: argparse.Namespace) -> None:
    """Report skipped entries, partial matches and truncation on standard error."""
    if found.problems:
        say(f"unreadable entries skipped: {len(found.problems):,}; first: {found.problems[0]}")
    if not found.hits:
        words = ", ".join(found.words)
        raise CaptionerError(f"{options.captions}: no caption has {'any of ' * (len(found.words) > 1)}{words}.")
    if found.partial:
        say(f"no caption has all of {', '.join(found.words)}; showing captions with some of them")
    if found.total > len(found.hits):
        say(f"showing the best {len(found.hits):,} of {found.total:,}; --limit {found.total} shows all")


def _print(hit: "Hit", options: argparse.Namespace) -> None:
    path = str(_file(hit, options) or hit.path)
    if options.format == "jsonl":
        write_line(json.dumps({"path": path, "caption": hit.captions[0], "captions": list(hit.captions)}))
    else:
        write_line(f"{one_line(path)}\t{one_line(' '.join(hit.captions[0].split()))}")


def _file(hit: "Hit", options: argparse.Namespace) -> Path | None:
    from captioner.search.finding import locate

    return locate(hit.path, options.captions, options.photos)
