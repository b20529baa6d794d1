"""Scores of captions that a visitor brings, against people's, that the visitor brings as well."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from captioner.errors import UsageError
from captioner.evaluation.data import read_coco, read_results
from captioner.evaluation.outcome import KnownCaptions, Outcome
from captioner.evaluation.scores import score
from captioner.evaluation.structure import count_and_first


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
    known = {photo.id for photo in photos}
    stray = [key for key in captions if key not in known]
    bare = [photo.id for photo in photos if photo.id not in captions]
    for missing, what in ((stray, "id"), (bare, "photo")):
        if missing and not allow_missing:
            other = "annotations" if missing is stray else "results"
            raise UsageError(
                f"{count_and_first(missing, what)} without {other}; score what is there, or complete the files."
            )
    scored = tuple(photo for photo in photos if photo.id in captions)
    references = {photo.id: photo.captions for photo in scored}
    scores = score({key: captions[key] for key in references}, references)
    theirs = tuple(caption for photo in scored for caption in photo.captions)
    return Outcome(
        photos=scored,
        captions=captions,
        scores=scores,
        settings={"photos_without_results": len(bare), "results_without_photos": len(stray)},
        known=KnownCaptions(f"the {len(theirs):,} references of these photos", theirs),
    )


def _check_not_swapped(annotations: bytes, results: bytes) -> None:
    """A results file is a list, an annotations file is not."""
    first, second = (content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] for content in (annotations, results))
    question = "Did you swap the two?"
    if first == b"[":
        raise UsageError(f"The annotations file looks like a results file. {question}")
    if second == b"{" and b'"images"' in results:
        raise UsageError(f"The results file looks like an annotations file. {question}")
