"""captioner translate: Translate English sentences into German, French or Czech."""

import argparse
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.cli.options import add_device_option, positive
from captioner.cli.output import write_line
from captioner.cli.progress import say
from captioner.errors import OutputError, SentenceError, UsageError
from captioner.files import encoding_of

if TYPE_CHECKING:
    from captioner.decoding import DecodingOptions
    from captioner.translation.translator import Translation, Translator


USAGE = "captioner translate --to de|fr|cs [options] [SENTENCE ...]"
EXAMPLES = """\
  Translate one sentence:
    captioner translate --to de "A dog runs along the beach."
  Translate a file, one sentence per line:
    captioner translate --to fr < english.txt
  Draw which source words each translated word attends to:
    captioner translate --to cs "Boys play soccer." --show-attention words.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("sentences")
    group.add_argument(
        "sentences",
        nargs="*",
        metavar="SENTENCE",
        help="English sentence (default: one per line from standard input)",
    )
    group.add_argument("--to", required=True, metavar="de|fr|cs", help="target language: German, French or Czech")
    group = parser.add_argument_group("output")
    group.add_argument(
        "--format",
        choices=["text", "jsonl"],
        default="text",
        help="print only the translations, or one JSON object each (default: text)",
    )
    group.add_argument(
        "--show-attention", type=Path, metavar="FILE.png", help="draw the attention over one SENTENCE to FILE.png"
    )
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model", metavar="DIR|NAME", help="checkpoint directory or embedded model (default: text-en-de-fr-cs)"
    )
    add_device_option(group)
    group.add_argument("--batch-size", type=positive, default=32, metavar="N", help="sentences per batch (default: 32)")
    group.add_argument(
        "--beam-size", type=positive, metavar="N", help="candidate sentences kept at each step (default: 3)"
    )


def run(options: argparse.Namespace) -> int:
    """Translate; returns 1 if a line could not be translated, else 0."""
    if options.show_attention and len(options.sentences) != 1:
        raise UsageError("--show-attention draws a single sentence; give exactly one SENTENCE.")
    from captioner import checkpoint

    read = checkpoint.read_translator(options.model)
    read.check_language(options.to)  # before torch is loaded
    from captioner.translation.translator import Translator

    search = replace(read.decoding, beam_size=options.beam_size) if options.beam_size else read.decoding
    translator = Translator.load(read, device=options.device, language=options.to)
    if options.show_attention:
        (found,) = translator.translate_batch(options.sentences, search, attention=True)
        _print(found, options.format)
        _draw(found, options.show_attention)
        return 0
    return _translate_lines(translator, search, options)


def _translate_lines(translator: "Translator", search: "DecodingOptions", options: argparse.Namespace) -> int:
    """Write one line per sentence, so that input and output stay aligned; lines without words are copied."""
    what = "sentence" if options.sentences else "line"
    failed = 0
    number = 0
    for lines in _batches(options):
        wanted: list[str] = []
        problems: dict[int, str] = {}
        for place, line in enumerate(lines):
            try:
                translator.check_sentence(line)
                wanted.append(line)
            except SentenceError as problem:
                problems[place] = str(problem)
        found = iter(translator.translate_batch(wanted, search))
        for place, line in enumerate(lines):
            number += 1
            if place not in problems:
                _print(next(found), options.format)
                continue
            if line.strip():
                failed += 1
                say(f"{what} {number}: {problems[place]}")
            write_line(line if options.format == "text" else json.dumps({"source": line, "text": None}))
    return int(failed > 0)


def _batches(options: argparse.Namespace) -> Iterator[list[str]]:
    """Batches of the given sentences, or of standard input; one at a time from a terminal, to answer at once."""
    at_once: int = options.batch_size
    if not options.sentences and sys.stdin is not None and sys.stdin.isatty():
        say("enter one English sentence per line; end with Ctrl-D.")
        at_once = 1
    lines = iter(options.sentences or _lines())
    while batch := list(islice(lines, at_once)):
        yield batch


def _lines() -> Iterator[str]:
    """Lines of standard input, in the encoding of its byte-order mark (default: UTF-8)."""
    if sys.stdin is None:
        raise UsageError("standard input is closed; give a SENTENCE.")
    if isinstance(sys.stdin, io.TextIOWrapper) and isinstance(sys.stdin.buffer, io.BufferedReader):
        sys.stdin.reconfigure(encoding=encoding_of(sys.stdin.buffer.peek(4)), errors="replace")
    for line in sys.stdin:
        yield line.rstrip("\r\n")


def _print(translation: "Translation", kind: str) -> None:
    if kind == "text":
        write_line(translation.text)
        return
    row = {
        "text": translation.text,
        "language": translation.language,
        "source": translation.source,
        "log_prob": round(translation.log_prob, 4),
        "confidence": round(translation.confidence, 4),
    }
    write_line(json.dumps(row))


def _draw(translation: "Translation", path: Path) -> None:
    from captioner.translation.picture import draw_words

    try:
        draw_words(translation).save(path)
    except (OSError, ValueError) as problem:  # a missing folder, an unknown suffix
        raise OutputError(f"--show-attention {path}: cannot be written ({problem}).") from None
