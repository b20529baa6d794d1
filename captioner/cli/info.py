"""captioner info: Show a model's architecture, size, training data, scores and file hashes."""

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.cli.output import write_line

if TYPE_CHECKING:
    from captioner.checkpoint import Checkpoint

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Statistics of batch normalization, which are stored with the weights but are not parameters."""
USAGE = "captioner info [options] [MODEL]"
EXAMPLES = """\
  The embedded photo model:
    captioner info
  The embedded translator:
    captioner info text-en-de-fr-cs
  As JSON, for scripts:
    captioner info photo-en --format json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument(
        "model", nargs="?", metavar="MODEL", help="checkpoint directory or embedded model (default: photo-en)"
    )
    group = parser.add_argument_group("output")
    group.add_argument("--format", choices=["text", "json"], default="text", help="what to print (default: text)")


def run(options: argparse.Namespace) -> int:
    """Print the facts about a model. Of the weights, only names and shapes are read."""
    facts = describe(options.model)
    if options.format == "json":
        write_line(json.dumps(facts, indent=1, ensure_ascii=False))
    else:
        write_line("\n".join(_lines(facts)))
    return 0


def describe(model: str | None) -> dict[str, Any]:
    """Collect the facts that a checkpoint states.

    Raises:
        ModelError: there is no usable checkpoint with that name.
    """
    from captioner import checkpoint
    from captioner.config import to_mapping

    read = checkpoint.read_any(model)
    facts = {"precision": _precision(read)} if isinstance(read, checkpoint.Checkpoint) else {}
    shapes = checkpoint.weight_shapes(read)
    parts: dict[str, int] = {}
    for name, shape in shapes.items():
        if not name.endswith(STATISTICS):
            part = name.partition(".")[0]
            parts[part] = parts.get(part, 0) + math.prod(shape)
    return {
        "model": str(read.path),
        **facts,
        "architecture": to_mapping(read.config),
        "parameters": parts | {"total": sum(parts.values())},
        "vocabulary": read.config.decoder.vocabulary_size,
        "decoding": to_mapping(read.decoding),
        "training": dict(read.training),
        "scores": {split: dict(scores) for split, scores in read.scores.items()},
        "files": {name: {"bytes": size, "sha256": digest} for name, size, digest in checkpoint.files(read.path)},
    }


def _precision(read: "Checkpoint") -> str:
    """The arithmetic that `auto` chooses on the CPU of this computer."""
    if not read.ranges:
        return "float32"
    try:  # not by PyTorch, which takes a second to import
        vnni = "avx512_vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:  # not Linux
        from captioner.models.quantized import is_supported

        vnni = is_supported()
    return "int8" if vnni else "float32"


def _lines(facts: dict[str, Any], indent: str = "") -> list[str]:
    """Nested facts as indented lines; a mapping of plain values takes one line."""
    lines = []
    for key, value in facts.items():
        if _are_facts(value):
            value = {f"{key} {number}": inner for number, inner in enumerate(value, 1)}  # noqa: PLW2901
        if isinstance(value, dict) and any(isinstance(inner, dict) or _are_facts(inner) for inner in value.values()):
            lines += [f"{indent}{key}", *_lines(value, indent + "  ")]
        elif isinstance(value, dict):
            lines.append(f"{indent}{key}: " + ", ".join(f"{name} {_shown(inner)}" for name, inner in value.items()))
        else:
            lines.append(f"{indent}{key}: {_shown(value)}")
    return lines


def _are_facts(value: object) -> bool:
    """Whether `value` is a list of mappings, such as the phases of a training run."""
    return isinstance(value, list) and bool(value) and all(isinstance(inner, dict) for inner in value)


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
