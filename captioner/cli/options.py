"""Options that several verbs share."""

import argparse
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from captioner.decoding.options import FLAGS, DecodingOptions

if TYPE_CHECKING:
    from captioner.images import ImageLimits

PHOTO_EN = {"beam_size": 3, "max_length": 20, "min_length": 0, "length_penalty": 0.7, "no_repeat_ngram": 2}
"""What `--help` shows where it is not the option's default: the embedded model's, repeated here so that help need not
read it (a test compares).
"""

LIMIT_FLAGS = {
    "max_pixels": ("refuse photos with more pixels, width times height", 250_000_000),
    "max_bytes": ("refuse bigger files", 520_000_000),
    "max_memory": ("refuse photos that take more memory to decode, in bytes", 1_000_000_000),
}
"""What is said about the limits on photos, and their defaults, repeated here as well."""
MAX_PORT = 65535
_FACTORS = {"k": 10**3, "M": 10**6, "G": 10**9}


def add_verbs(parser: argparse.ArgumentParser, verbs: Mapping[str, ModuleType], *, epilog: str | None = None) -> None:
    """Add a parser for each verb, whose name goes to `verb`.

    Args:
        parser: of the command.
        verbs: name → module with `add_arguments`; the first line of its docstring is `command verb: summary`, and what
            follows describes it further.
        epilog: what stands at the end of each verb's help.
    """
    parsers = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in verbs.items():
        first, _, more = (verb.__doc__ or "").partition("\n")
        summary = first.partition(": ")[2]
        description = f"{summary}\n\n{more.strip()}" if more.strip() else summary
        verb.add_arguments(
            parsers.add_parser(
                name,
                help=summary,
                description=description,
                epilog=epilog,
                formatter_class=argparse.RawTextHelpFormatter,
            )
        )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add `--model`, `--device`, `--batch-size` and the decoding options."""
    parser.add_argument(
        "--model", metavar="DIR|NAME", help="checkpoint directory or embedded model (default: photo-en)"
    )
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto", help="(default: auto)")
    parser.add_argument("--batch-size", type=positive, default=32, metavar="N", help="photos at once (default: 32)")
    group = parser.add_argument_group("search (a flag not given takes the model's own default; photo-en's are shown)")
    for name, field in FLAGS.items():
        help_ = f"{field.metadata['meaning']} ({PHOTO_EN.get(name, field.default)})"
        kind = float if field.type is float else int
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help=help_)
    group.add_argument(
        "--repeat-words",
        action=argparse.BooleanOptionalAction,
        help="let words stand twice that people seldom repeat in a caption",
    )


def decoding_options(options: argparse.Namespace, default: DecodingOptions) -> DecodingOptions:
    """The model's decoding defaults with what the user gave on the command line.

    Raises:
        UsageError: a value is out of range.
    """
    from captioner.config import from_mapping, to_mapping

    given: dict[str, Any] = {name: getattr(options, name) for name in FLAGS}
    given["repeat_words"] = options.repeat_words
    given["num_captions"] = getattr(options, "num_captions", None)
    given = {name: value for name, value in given.items() if value is not None}
    merged = to_mapping(default) | given
    if "beam_size" not in given:  # as wide as it must be for what was asked
        merged["beam_size"] = max(merged["beam_size"], merged["num_captions"])
    return from_mapping(DecodingOptions, merged, where="search options")


def add_limit_options(parser: argparse.ArgumentParser) -> None:
    """Add the limits on photos."""
    group = parser.add_argument_group("which photos are too big (N may end in k, M or G: 300M is 300 million)")
    for name, (meaning, default) in LIMIT_FLAGS.items():
        flag = f"--{name.replace('_', '-')}"
        group.add_argument(
            flag, type=amount, default=default, metavar="N", help=f"{meaning} (default: {_short(default)})"
        )


def image_limits(options: argparse.Namespace) -> "ImageLimits":
    """The limits on photos that the user gave."""
    from captioner.images import ImageLimits

    return ImageLimits(**{name: getattr(options, name) for name in LIMIT_FLAGS})


def amount(text: str) -> int:
    """A whole number of at least 1, which may end in k, M or G, for argparse."""
    factor = _FACTORS.get(text[-1:], 1)
    return positive(text if factor == 1 else text[:-1]) * factor


def _short(value: int) -> str:
    return f"{value // 10**6}M" if value % 10**9 else f"{value // 10**9}G"


def port(text: str) -> int:
    """A port of TCP, for argparse."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; give a number from 1 to {MAX_PORT}")
    return int(text)


def positive(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    return _at_least(1, text)


def not_negative(text: str) -> int:
    """A whole number of at least 0, for argparse."""
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
    if value < least:
        raise argparse.ArgumentTypeError(f"{value} is below {least}")
    return value
