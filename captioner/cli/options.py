"""Options that several verbs share."""

import argparse
import textwrap
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from captioner.decoding.options import FLAGS, DecodingOptions

if TYPE_CHECKING:
    from captioner.images import ImageLimits

PHOTO_EN = {
    "beam_size": 3,
    "max_length": 20,
    "min_length": 0,
    "length_penalty": 0.7,
    "no_repeat_ngram": 2,
    "repeat_words": False,
}
"""Defaults of the embedded model that `--help` shows; repeated here so that help need not read the model. A test keeps
them current.
"""

LIMIT_FLAGS = {
    "max_pixels": ("reject photos with more pixels (width × height)", 250_000_000),
    "max_bytes": ("reject larger files", 520_000_000),
    "max_memory": ("reject photos that need more bytes of memory to decode", 1_000_000_000),
}
"""Help text and default of each limit on photos; the defaults are repeated for the same reason."""
MAX_PORT = 65535
_FACTORS = {"k": 10**3, "M": 10**6, "G": 10**9}


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Wraps the help of options to the terminal and keeps its line breaks; other texts are printed as they are."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = 15  # leaves room for the indentation of commands, which argparse does not count

    def _split_lines(self, text: str, width: int) -> list[str]:
        lines = text.splitlines()
        return [part for line in lines for part in textwrap.wrap(line, width, break_on_hyphens=False)]


def add_verbs(parser: argparse.ArgumentParser, verbs: Mapping[str, ModuleType], *, epilog: str = "") -> None:
    """Add a subparser for each verb. The name of the verb that was given goes to `verb`.

    Args:
        parser: of the command.
        verbs: name → module with `add_arguments`. The first line of its docstring is `command verb: summary`; further
            lines describe the verb. `USAGE` and `EXAMPLES` are optional texts for its help.
        epilog: text at the end of each verb's help.
    """
    parser.formatter_class = HelpFormatter
    parsers = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND", title="commands")
    for name, verb in verbs.items():
        first, _, more = (verb.__doc__ or "").partition("\n")
        summary = first.partition(": ")[2]
        examples = getattr(verb, "EXAMPLES", "")
        verb.add_arguments(
            parsers.add_parser(
                name,
                usage=getattr(verb, "USAGE", None),
                help=summary.removesuffix("."),
                description=f"{summary}\n\n{more.strip()}" if more.strip() else summary,
                epilog=(f"examples:\n{examples}\n" if examples else "") + epilog,
                formatter_class=HelpFormatter,
            )
        )


def add_model_options(parser: argparse.ArgumentParser, *, precision: str = "auto") -> None:
    """Add `--model`, `--device`, `--precision` with its default, `--batch-size` and the decoding options."""
    group = add_captioner_options(parser, precision=precision)
    group.add_argument("--batch-size", type=positive, default=32, metavar="N", help="photos per batch (default: 32)")
    group = parser.add_argument_group("decoding (each model has its own defaults; those of photo-en are shown)")
    for name, field in FLAGS.items():
        help_ = f"{field.metadata['meaning']} (default: {PHOTO_EN.get(name, field.default)})"
        kind = float if field.type is float else int
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help=help_)
    group.add_argument(
        "--repeat-words",
        action=argparse.BooleanOptionalAction,
        help="let a caption repeat words that people rarely repeat (default: {})".format(
            "yes" if PHOTO_EN["repeat_words"] else "no"
        ),
    )


def add_captioner_options(parser: argparse.ArgumentParser, *, precision: str = "auto") -> argparse._ArgumentGroup:
    """Add `--model`, `--device`, and `--precision` with its default; returns their group."""
    group = parser.add_argument_group("model")
    group.add_argument("--model", metavar="DIR|NAME", help="checkpoint directory or embedded model (default: photo-en)")
    add_device_option(group)
    group.add_argument(
        "--precision",
        choices=["auto", "int8", "float32"],
        default=precision,
        help=f"arithmetic of the model; auto prefers int8 where it is faster (default: {precision})",
    )
    return group


def add_device_option(group: argparse._ArgumentGroup) -> None:
    """Add `--device`."""
    group.add_argument(
        "--device",
        choices=["auto", "cpu", "cuda", "mps"],
        default="auto",
        help="where to run the model; auto prefers a GPU (default: auto)",
    )


def decoding_options(options: argparse.Namespace, default: DecodingOptions) -> DecodingOptions:
    """The model's decoding defaults, overridden by the options given on the command line.

    Raises:
        UsageError: a value is out of range.
    """
    from captioner.config import from_mapping, to_mapping

    given: dict[str, Any] = {name: getattr(options, name) for name in FLAGS}
    given["repeat_words"] = options.repeat_words
    given["num_captions"] = getattr(options, "num_captions", None)
    given = {name: value for name, value in given.items() if value is not None}
    merged = to_mapping(default) | given
    if "beam_size" not in given:  # wide enough for the captions asked for
        merged["beam_size"] = max(merged["beam_size"], merged["num_captions"])
    return from_mapping(DecodingOptions, merged, where="search options")


def add_limit_options(parser: argparse.ArgumentParser) -> None:
    """Add the limits on photos."""
    group = parser.add_argument_group("photo size limits (N may end in k, M or G: 300M is 300 million)")
    for name, (meaning, default) in LIMIT_FLAGS.items():
        flag = f"--{name.replace('_', '-')}"
        group.add_argument(
            flag, type=amount, default=default, metavar="N", help=f"{meaning} (default: {_short(default)})"
        )


def image_limits(options: argparse.Namespace) -> "ImageLimits":
    """The limits on photos given on the command line."""
    from captioner.images import ImageLimits

    return ImageLimits(**{name: getattr(options, name) for name in LIMIT_FLAGS})


def amount(text: str) -> int:
    """An argparse type: a whole number of at least 1, which may end in k, M or G."""
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
    """An argparse type: a whole number of at least 1."""
    return _at_least(1, text)


def not_negative(text: str) -> int:
    """An argparse type: a whole number of at least 0."""
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if value < least:
        raise argparse.ArgumentTypeError(f"{value} is too small; give at least {least}")
    return value
