"""Scores of captions that a visitor brings, against people's, that the visitor brings as well."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from captioner.datasets import read_coco, read_results
from captioner.errors import UsageError
from captioner.evaluation.evaluate import ALLOW, EvaluationOptions, evaluate_captions
from captioner.evaluation.outcome import Outcome


def score_files(annotations: bytes, results: bytes, *, allow_missing: bool = False) -> Outcome:
    """Score captions as `captioner evaluate --annotations FILE --results FILE` does.

    Args:
        annotations: COCO's captions JSON.
        results: COCO's results JSON.
        allow_missing: score what is there where photos have no result, or results no photo.

    Raises:
        UsageError: a file is not what it should be, or something is missing that may not be.
    """
    _check_not_swapped(annotations, results)
    with TemporaryDirectory() as directory:  # the readers read files, and name them when they complain
        paths = Path(directory, "The annotations file"), Path(directory, "The results file")
        for path, content in zip(paths, (annotations, results), strict=True):
            path.write_bytes(content)
        try:
            photos, captions = read_coco(paths[0]).photos, read_results(paths[1])
        except UsageError as problem:
            raise UsageError(str(problem).replace(f"{directory}{os.sep}", "")) from None
    try:
        options = EvaluationOptions(allow_missing=allow_missing)
        return evaluate_captions(captions, photos, options, source=paths[1].name)
    except UsageError as problem:  # in the words of the page
        said = str(problem).replace(ALLOW, "score what is there, or complete the files")
        raise UsageError(said.replace("without a caption", "without results")) from None


def _check_not_swapped(annotations: bytes, results: bytes) -> None:
    """A results file is a list, an annotations file is not."""
    first, second = (content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] for content in (annotations, results))
    question = "Did you swap the two?"
    if first == b"[":
        raise UsageError(f"The annotations file looks like a results file. {question}")
    if second == b"{" and b'"images"' in results:
        raise UsageError(f"The results file looks like an annotations file. {question}")
