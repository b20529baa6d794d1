"""captioner caption: describe photos in one sentence each."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from captioner.cli.options import add_model_options, decoding_options, positive
from captioner.cli.output import write_line
from captioner.errors import UsageError

if TYPE_CHECKING:
    from captioner.batch import Record
    from captioner.images import Source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a photo; - reads one from standard input")
    parser.add_argument(
        "--format",
        choices=["text", "jsonl"],
        default="text",
        help="text: the sentence alone for one photo, PATH<TAB>sentence for several\n"
        "jsonl: one JSON object a photo (default: text)",
    )
    parser.add_argument("--num-captions", type=positive, metavar="N", help="sentences a photo, best first (default: 1)")
    add_model_options(parser)


def run(options: argparse.Namespace) -> int:
    """Caption the photos; returns 1 if any of them failed, else 0."""
    from tqdm import tqdm

    from captioner import checkpoint

    if options.paths.count("-") > 1:
        raise UsageError("- stands for one photo on standard input and can be given once.")
    photo = _standard_input() if "-" in options.paths else b""
    read = checkpoint.read(options.model)
    search = decoding_options(options, read.decoding)  # a mistake answers before torch loads
    from captioner.batch import caption_photos
    from captioner.predict import Captioner

    model = Captioner.load(read, device=options.device)
    sources: list[tuple[str, Source]] = [(path, photo if path == "-" else path) for path in options.paths]
    records = caption_photos(model, sources, search, batch_size=options.batch_size)
    # Sentences on the terminal show the progress themselves; a bar would only run through them.
    quiet = len(sources) == 1 or sys.stdout.isatty() or not sys.stderr.isatty()
    failed = 0
    for record in tqdm(records, total=len(sources), unit="photo", disable=quiet):
        failed += record.error is not None
        _write(record, options.format, alone=len(sources) == 1)
    return int(failed > 0)


def _standard_input() -> bytes:
    """All of it, read here and not in a thread, where Ctrl-C would not reach."""
    if sys.stdin is None:
        raise UsageError("- reads a photo from standard input, which is closed.")
    return sys.stdin.buffer.read()


def _write(record: "Record", form: str, *, alone: bool) -> None:
    if form == "jsonl":
        write_line(json.dumps(record.as_dict()))
    elif record.error is not None:
        print(f"captioner: {record.error}", file=sys.stderr)
    else:
        for sentence in record.captions or ():
            write_line(sentence.text if alone else f"{record.path}\t{sentence.text}")
