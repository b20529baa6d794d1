"""Write scores into a checkpoint's `config.json` and model card, so that no figure is typed by hand."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from captioner import checkpoint
from captioner.checkpoint import CARD
from captioner.cli.progress import evaluation_bar
from captioner.datasets import CaptionedPhoto
from captioner.errors import UsageError
from captioner.evaluation.evaluate import EvaluationOptions, evaluate
from captioner.evaluation.outcome import Outcome
from captioner.evaluation.scores import LABELS
from captioner.files import write_files

HEADER = [f"| photos | {' | '.join(LABELS.values())} |", "|---" * (1 + len(LABELS)) + "|"]
_INTERVAL = "| *95 % interval* |"
_SECTION = "## Scores\n\nBy `captioner evaluate`, ×100, with 95 % bootstrap intervals over photos."


def record(
    model: Path,
    name: str,
    photos: Iterable[CaptionedPhoto],
    options: EvaluationOptions,
    *,
    images: Path,
    device: str = "auto",
    batch_size: int = 32,
    also: Sequence[Path] = (),
) -> Outcome:
    """Evaluate a checkpoint with its own decoding defaults and write the scores into it, replacing those with the same
    name.

    Args:
        model: the checkpoint's directory.
        name: name of the set of photos, such as `Flickr8k test`.
        photos: the photos with their reference captions.
        options: see `captioner.evaluate`.
        images: directory of the photos.
        device: see `captioner.evaluate`.
        batch_size: see `captioner.evaluate`.
        also: further files with a table like the model card's, such as a README.

    Raises:
        UsageError: one of the further files is missing.
        CaptionerError: as for `captioner.evaluate`.
    """
    for file in also:
        if not file.is_file():
            raise UsageError(f"--also {file}: no such file.")
    directory = checkpoint.read(model).path
    with evaluation_bar() as progress:
        outcome = evaluate(
            model, photos, options, images=images, device=device, batch_size=batch_size, progress=progress
        )
    record_scores(directory, name, outcome.scores.as_dict())
    for card in (directory / CARD, *also):
        text = card.read_text(encoding="utf-8") if card.is_file() else f"# {directory.name}\n"
        write_files(card.parent, {card.name: with_rows(text, name, rows(name, outcome))})
    return outcome


def record_scores(directory: Path, name: str, scores: Mapping[str, float]) -> None:
    """Write scores in [0, 1] into a checkpoint's `config.json`, replacing those with the same name."""
    rounded = {measure: round(value, 6) for measure, value in scores.items()}
    checkpoint.update(directory, "scores", {**checkpoint.read_any(directory).scores, name: rounded})


def rows(name: str, outcome: Outcome) -> list[str]:
    """Two rows of the model card's table: the scores and their intervals."""
    scores, intervals = outcome.scores.as_dict(), outcome.scores.confidence_intervals()
    ends = (intervals[measure] for measure in scores)
    return [
        f"| {name}, {outcome.scores.images:,} | "
        + " | ".join(f"{100 * value:.1f}" for value in scores.values())
        + " |",
        f"{_INTERVAL} " + " | ".join(f"{100 * low:.1f}–{100 * high:.1f}" for low, high in ends) + " |",
    ]


def with_rows(card: str, name: str, new: Sequence[str]) -> str:
    """The model card with two rows in its table of scores, replacing those with the same name or added as the last.

    A card without such a table gets one at its end.
    """
    lines = card.splitlines()
    if HEADER[0] not in lines:
        return "\n".join([card.rstrip(), "", _SECTION, "", *HEADER, *new]) + "\n"
    start = lines.index(HEADER[0]) + len(HEADER)
    end = next((place for place in range(start, len(lines)) if not lines[place].startswith("|")), len(lines))
    old = next((place for place in range(start, end) if lines[place].startswith((f"| {name}, ", f"| {name} |"))), end)
    behind = old + int(old < end)
    behind += int(behind < end and lines[behind].startswith(_INTERVAL))
    return "\n".join([*lines[:old], *new, *lines[behind:]]) + "\n"
