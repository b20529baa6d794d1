"""captioner evaluate: score captions against people's: BLEU, ROUGE-L and CIDEr-D as papers report them."""

import argparse
import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.cli.options import add_model_options, decoding_options, positive
from captioner.cli.output import require_place, write_line
from captioner.cli.progress import say
from captioner.decoding.options import FLAGS
from captioner.errors import CaptionerError, UsageError
from captioner.files import write_files

if TYPE_CHECKING:
    from captioner.datasets import CaptionedPhotos
    from captioner.evaluation.comparison import Comparison
    from captioner.evaluation.evaluate import EvaluationOptions
    from captioner.evaluation.outcome import Outcome


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--annotations", type=Path, metavar="FILE", help="people's captions: COCO's JSON")
    source.add_argument(
        "--flickr8k",
        type=Path,
        metavar="FILE|DIR",
        help=(
            "people's captions with their splits: a JSON list, Karpathy's JSON, CSV, JSON lines, the text "
            "files,\nor the directory where one of these is"
        ),
    )
    source.add_argument(
        "--compare", type=Path, nargs=2, metavar=("A", "B"), help="two reports on the same photos; nothing is captioned"
    )
    parser.add_argument("--split", help="which of Flickr8k's photos (default: test)")
    parser.add_argument("--images", type=Path, metavar="DIR", help="the photos, to be captioned by the model")
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help=(
            "score these captions (COCO's results JSON) instead of the model's;\n--images then only illustrates the "
            "report"
        ),
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="only so many photos, drawn at random")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of that drawing (default: 0)")
    parser.add_argument(
        "--allow-missing", action="store_true", help="score what is there if photos, results or references are missing"
    )
    parser.add_argument(
        "--sweep-beams", type=_beam_sizes, metavar="N,N,...", help="also score the model with these beam sizes"
    )
    parser.add_argument("--official", action="store_true", help="add METEOR; needs Java and pycocoevalcap")
    parser.add_argument(
        "--training-captions",
        type=Path,
        metavar="FILE",
        help=(
            "captions that are not novel (default: the split train of Flickr8k's\nfile, else the references themselves)"
        ),
    )
    parser.add_argument("--results-out", type=Path, metavar="FILE", help="write the captions in COCO's results format")
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="write a page about the captions, and its data, into this directory"
    )
    parser.add_argument("--format", choices=["table", "json"], default="table", help="(default: table)")
    add_model_options(parser)


def run(options: argparse.Namespace) -> int:
    """Caption the photos, or read somebody's captions, and print their scores; or compare two reports."""
    if options.compare:
        _refuse_ignored(options, set(vars(options)) - {"verb", "compare", "format"}, "--compare only reads two reports")
        from captioner.evaluation.comparison import compare

        return _print(compare(*options.compare), options.format)
    return _print(evaluated(options), options.format)


def evaluated(options: argparse.Namespace) -> "Outcome":
    """Caption the photos, or read somebody's captions, score them, and write what was asked for.

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
    """Scores of a results file, less its captions of photos that are annotated and not evaluated."""
    from captioner.datasets import read_results
    from captioner.evaluation.evaluate import evaluate_captions

    others = {photo.id for photo in annotated} - {photo.id for photo in photos}
    results = read_results(options.results)
    captions = {key: caption for key, caption in results.items() if key not in others}
    left = len(results) - len(captions)
    if left:
        say(f"{options.results}: left out what it says of {left:,} photos that are not evaluated.")
    return evaluate_captions(captions, photos, terms, source=str(options.results))


def _captioned(options: argparse.Namespace, photos: "CaptionedPhotos", terms: "EvaluationOptions") -> "Outcome":
    from tqdm import tqdm

    from captioner import checkpoint
    from captioner.evaluation.evaluate import evaluate

    read = checkpoint.read(options.model)
    with tqdm(unit="photo", disable=not sys.stderr.isatty()) as bar:

        def progress(done: int, wanted: int) -> None:
            bar.total = wanted
            bar.update(done - bar.n)

        return evaluate(
            read,
            photos,
            terms,
            images=options.images,
            search=decoding_options(options, read.decoding),
            beam_sizes=options.sweep_beams or (),
            device=options.device,
            batch_size=options.batch_size,
            progress=progress,
        )


def _check(options: argparse.Namespace) -> None:
    """Say now what would otherwise come to light after all photos are captioned."""
    if not (options.images or options.results):
        raise UsageError("evaluate needs either --images DIR (to caption them) or --results FILE (to score it).")
    if options.annotations and options.split:
        raise UsageError("--split chooses among the photos of --flickr8k; the photos of --annotations have no splits.")
    if options.results and options.sweep_beams:
        raise UsageError("--sweep-beams needs the model to write the captions; leave --results away.")
    if options.results:
        of_the_model = {"model", "device", "batch_size", "repeat_words", *FLAGS}
        _refuse_ignored(options, of_the_model, "--results are captions that somebody's model has written already")
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
        UsageError: one of them has another value than if it were left out.
    """
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = [name for name in vars(options) if name in names and getattr(options, name) != parser.get_default(name)]
    if given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"{reason}; leave {flags} away.")


def _print(result: "Outcome | Comparison", form: str) -> int:
    write_line(json.dumps(result.to_json(), indent=1) if form == "json" else result.to_table())
    return 0


def _beam_sizes(text: str) -> tuple[int, ...]:
    """Several beam sizes, each once, for argparse."""
    return tuple(sorted({positive(part) for part in text.split(",")}))
