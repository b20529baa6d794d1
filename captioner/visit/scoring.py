"""Score uploaded captions against uploaded references."""

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
        annotations: content of a COCO captions file (JSON).
        results: content of a COCO results file (JSON).
        allow_missing: skip photos without a result and results without a photo, instead of raising an error.

    Raises:
        UsageError: a file is invalid, or photos or results are missing and `allow_missing` is False.
    """
    _check_not_swapped(annotations, results)
    with TemporaryDirectory() as directory:  # the readers take files and name them in their errors
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
    except UsageError as problem:  # in the page's terms
        said = str(problem).replace(ALLOW, "select the checkbox to skip them, or complete the files")
        raise UsageError(said.replace("without a caption", "without results")) from None


def _check_not_swapped(annotations: bytes, results: bytes) -> None:
    """Raise an error if the files are swapped: a results file is a JSON list, an annotations file is an object."""
    first, second = (content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] for content in (annotations, results))
    question = "Did you swap the two files?"
    if first == b"[":
        raise UsageError(f"The annotations file looks like a results file. {question}")
    if second == b"{" and b'"images"' in results:
        raise UsageError(f"The results file looks like an annotations file. {question}")
