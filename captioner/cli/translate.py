"""captioner translate: English sentences in German, French or Czech."""

import argparse
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.cli.options import positive
from captioner.cli.output import write_line
from captioner.cli.progress import say
from captioner.errors import OutputError, UsageError
from captioner.files import encoding_of

if TYPE_CHECKING:
    from captioner.decoding import DecodingOptions
    from captioner.translator import Translation, Translator


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "sentences", nargs="*", metavar="SENTENCE", help="in English; without one, each line of standard input is one"
    )
    parser.add_argument("--to", required=True, metavar="de|fr|cs", help="the language")
    parser.add_argument("--format", choices=["text", "jsonl"], default="text", help="(default: text)")
    parser.add_argument(
        "--show-attention", type=Path, metavar="FILE.png", help="draw which words it looked at for each (one SENTENCE)"
    )
    parser.add_argument(
        "--model", metavar="DIR|NAME", help="checkpoint directory or embedded model (default: text-en-de-fr-cs)"
    )
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto", help="(default: auto)")
    parser.add_argument("--batch-size", type=positive, default=32, metavar="N", help="sentences at once (default: 32)")
    parser.add_argument("--beam-size", type=positive, metavar="N", help="sentences kept at each step (default: 3)")


def run(options: argparse.Namespace) -> int:
    """Translate; returns 1 if a line could not be translated, else 0."""
    if options.show_attention and len(options.sentences) != 1:
        raise UsageError("--show-attention draws one sentence; give one SENTENCE.")
    from captioner import checkpoint

    read = checkpoint.read_translator(options.model)
    read.check_language(options.to)  # a mistake answers before torch loads
    from captioner.translator import Translator

    search = replace(read.decoding, beam_size=options.beam_size) if options.beam_size else read.decoding
    translator = Translator.load(read, device=options.device, language=options.to)
    if options.sentences:
        found = translator.translate_batch(options.sentences, search, attention=bool(options.show_attention))
        for translation in found:
            _print(translation, options.format)
        if options.show_attention:
            _draw(found[0], options.show_attention)
        return 0
    return _translate_lines(translator, search, options)


def _translate_lines(translator: "Translator", search: "DecodingOptions", options: argparse.Namespace) -> int:
    """One line out for each line in, so that the two stay beside each other: what has no words stays as it is."""
    failed = 0
    number = 0
    for lines in _batches(options.batch_size):
        wanted: list[str] = []
        problems: dict[int, str] = {}
        for place, line in enumerate(lines):
            try:
                translator.check_sentence(line)
                wanted.append(line)
            except UsageError as problem:
                problems[place] = str(problem)
        found = iter(translator.translate_batch(wanted, search))
        for place, line in enumerate(lines):
            number += 1
            if place not in problems:
                _print(next(found), options.format)
                continue
            if line.strip():
                failed += 1
                say(f"line {number}: {problems[place]}")
            write_line(line if options.format == "text" else json.dumps({"source": line, "text": None}))
    return int(failed > 0)


def _batches(size: int) -> Iterator[list[str]]:
    """Lines of standard input; on a terminal one at a time, so that each is answered at once."""
    if sys.stdin is None:
        raise UsageError("give a SENTENCE; standard input is closed.")
    terminal = sys.stdin.isatty()
    if not terminal and isinstance(sys.stdin, io.TextIOWrapper) and isinstance(sys.stdin.buffer, io.BufferedReader):
        # As PowerShell and Notepad write it.
        sys.stdin.reconfigure(encoding=encoding_of(sys.stdin.buffer.peek(4)), errors="replace")
    if terminal:
        say("one English sentence a line; Ctrl-D ends.")
    lines = (line.rstrip("\r\n") for line in sys.stdin)
    while batch := list(islice(lines, 1 if terminal else size)):
        yield batch


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
    from captioner.words import draw_words

    try:
        draw_words(translation).save(path)
    except (OSError, ValueError) as problem:  # a folder that is not there, a suffix that no picture has
        raise OutputError(f"--show-attention {path}: cannot be written ({problem}).") from None
