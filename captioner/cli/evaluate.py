"""captioner evaluate: Score captions against reference captions (BLEU, ROUGE-L, CIDEr-D)."""

import argparse
import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.cli.options import add_model_options, decoding_options, positive
from captioner.cli.output import require_place, write_line
from captioner.cli.progress import evaluation_bar, say
from captioner.decoding.options import FLAGS
from captioner.errors import CaptionerError, UsageError
from captioner.files import write_files
from captioner.folders.finding import count

if TYPE_CHECKING:
    from captioner.datasets import CaptionedPhotos
    from captioner.evaluation.comparison import Comparison
    from captioner.evaluation.evaluate import EvaluationOptions
    from captioner.evaluation.outcome import Outcome


USAGE = """\
captioner evaluate --annotations FILE (--images DIR|--results FILE) ...
       captioner evaluate --flickr8k PATH (--images DIR|--results FILE) ...
       captioner evaluate --compare A B"""
EXAMPLES = """\
  Caption photos with the embedded model, score them, write a report:
    captioner evaluate --annotations refs.json --images photos --report mine
  Score the captions of another model:
    captioner evaluate --annotations refs.json --results vit.json --report vit
  Compare the two:
    captioner evaluate --compare mine vit
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("reference captions (give one of these)")
    source = group.add_mutually_exclusive_group(required=True)
    source.add_argument("--annotations", type=Path, metavar="FILE", help="COCO captions JSON")
    source.add_argument(
        "--flickr8k",
        type=Path,
        metavar="FILE|DIR",
        help="captions with splits: Karpathy JSON, a JSON list, CSV, JSON Lines, Flickr8k's text files, "
        "or a folder that holds one of these",
    )
    source.add_argument(
        "--compare", type=Path, nargs=2, metavar=("A", "B"), help="compare two report folders on the same photos"
    )
    _add_photos(parser.add_argument_group("photos"))
    _add_scores(parser.add_argument_group("metrics"))
    _add_results(parser.add_argument_group("output"))
    add_model_options(parser, precision="float32")


def _add_photos(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--images", type=Path, metavar="DIR", help="caption the photos in DIR with the model")
    group.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="score the captions in FILE (COCO results JSON) instead; --images then only illustrates the report",
    )
    group.add_argument("--split", metavar="NAME", help="split of --flickr8k to evaluate (default: test)")
    group.add_argument("--limit", type=positive, metavar="N", help="evaluate N photos drawn at random")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="random seed for --limit (default: 0)")
    group.add_argument(
        "--allow-missing", action="store_true", help="skip photos without an image, a caption or references"
    )


def _add_scores(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--sweep-beams", type=_beam_sizes, metavar="N,N,...", help="score these beam sizes as well")
    group.add_argument("--official", action="store_true", help="add METEOR (needs Java and pycocoevalcap)")
    group.add_argument(
        "--training-captions",
        type=Path,
        metavar="FILE",
        help="captions that do not count as novel (default: the train split of --flickr8k, or else the references)",
    )


def _add_results(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--format", choices=["table", "json"], default="table", help="what to print (default: table)")
    group.add_argument("--results-out", type=Path, metavar="FILE", help="write the captions as COCO results JSON")
    group.add_argument("--report", type=Path, metavar="DIR", help="write an HTML report and its data to DIR")


def run(options: argparse.Namespace) -> int:
    """Print the scores of the model's captions or of a results file; or compare two reports."""
    if options.compare:
        _refuse_ignored(options, set(vars(options)) - {"verb", "compare", "format"}, "--compare only reads two reports")
        from captioner.evaluation.comparison import compare

        return _print(compare(*options.compare), options.format)
    return _print(evaluated(options), options.format)


def evaluated(options: argparse.Namespace) -> "Outcome":
    """Score the model's captions or those of a results file, and write the files that were asked for.

    Raises:
        CaptionerError: see `captioner.errors`.
    """
    _check(options)
    from captioner import datasets
    from captioner.evaluation.evaluate import ALLOW, EvaluationOptions, write_report
    from captioner.evaluation.outcome import KnownCaptions

    problems: list[str] | None = [] if options.allow_missing else None
    read, source = datasets.read_flickr8k, options.flickr8k
    if options.annotations:
        read, source = datasets.read_coco, options.annotations
    annotated = read(source, problems=problems)
    for problem in problems or []:
        say(problem)
    split = None if options.annotations else options.split or "test"
    photos = annotated.select(split) if split else annotated
    training = datasets.read(options.training_captions) if options.training_captions else None
    terms = EvaluationOptions(
        known=KnownCaptions.of_training(training or annotated, whole=training is not None),
        meteor=options.official,
        allow_missing=options.allow_missing,
        results=options.results_out,
        settings={
            "references": str(source),
            "split": split,
            "limit": options.limit,
            "seed": options.seed if options.limit else None,
        },
        tell=say,
    )
    if options.limit:
        photos = photos.sample(options.limit, seed=options.seed)
    try:
        outcome = _given(options, annotated, photos, terms) if options.results else _captioned(options, photos, terms)
    except CaptionerError as problem:
        raise type(problem)(str(problem).replace(ALLOW, f"--{ALLOW.replace('_', '-')}")) from None
    if options.report:
        write_report(outcome, options.report, images=options.images)
    return outcome


def _given(
    options: argparse.Namespace, annotated: "CaptionedPhotos", photos: "CaptionedPhotos", terms: "EvaluationOptions"
) -> "Outcome":
    """Score a results file, ignoring captions of annotated photos that are not evaluated."""
    from captioner.datasets import read_results
    from captioner.evaluation.evaluate import evaluate_captions

    others = {photo.id for photo in annotated} - {photo.id for photo in photos}
    results = read_results(options.results)
    captions = {key: caption for key, caption in results.items() if key not in others}
    left = len(results) - len(captions)
    if left:
        say(f"{options.results}: ignored {count(left, 'caption')} of photos that are not evaluated.")
    return evaluate_captions(captions, photos, terms, source=str(options.results))


def _captioned(options: argparse.Namespace, photos: "CaptionedPhotos", terms: "EvaluationOptions") -> "Outcome":
    from captioner import checkpoint
    from captioner.evaluation.evaluate import evaluate

    read = checkpoint.read(options.model)
    with evaluation_bar() as progress:
        return evaluate(
            read,
            photos,
            terms,
            images=options.images,
            search=decoding_options(options, read.decoding),
            beam_sizes=options.sweep_beams or (),
            device=options.device,
            precision=options.precision,
            batch_size=options.batch_size,
            progress=progress,
        )


def _check(options: argparse.Namespace) -> None:
    """Report mistakes before any photo is captioned."""
    if not (options.images or options.results):
        raise UsageError(
            "no captions to score; give --images DIR to caption photos, or --results FILE to score captions."
        )
    if options.annotations and options.split:
        raise UsageError("--annotations has no splits; leave out --split, or use --flickr8k.")
    if options.results and options.sweep_beams:
        raise UsageError("--sweep-beams needs captions of the model; leave out --results.")
    if options.results:
        of_the_model = {"model", "device", "precision", "batch_size", "repeat_words", *FLAGS}
        _refuse_ignored(options, of_the_model, "--results are captions that already exist")
    if options.images and not options.images.is_dir():
        raise UsageError(f"--images {options.images}: no such directory.")
    if options.official:
        from captioner.evaluation.official import require_official

        require_official()
    require_place(options.results_out)
    if options.report:
        write_files(options.report, {})


def _refuse_ignored(options: argparse.Namespace, names: Collection[str], reason: str) -> None:
    """Refuse options that were given and would do nothing.

    Raises:
        UsageError: one of them differs from its default.
    """
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = [name for name in vars(options) if name in names and getattr(options, name) != parser.get_default(name)]
    if given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"{reason}; leave out {flags}.")


def _print(result: "Outcome | Comparison", form: str) -> int:
    write_line(json.dumps(result.to_json(), indent=1) if form == "json" else result.to_table())
    return 0


def _beam_sizes(text: str) -> tuple[int, ...]:
    """An argparse type: distinct beam sizes in ascending order."""
    return tuple(sorted({positive(part) for part in text.split(",")}))
