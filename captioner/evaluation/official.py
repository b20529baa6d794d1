"""METEOR, computed by its Java program through pycocoevalcap, if both are installed."""

import importlib.util
import shutil
from collections.abc import Mapping, Sequence

from captioner.errors import CaptionerError, UsageError
from captioner.text import ptb_tokenize


def require_official() -> None:
    """Check early that METEOR can be computed.

    Raises:
        UsageError: a requirement is not installed; the message says how to install it.
    """
    needs = []
    if shutil.which("java") is None:
        needs.append("a Java runtime (on Debian and Ubuntu: sudo apt install default-jre-headless)")
    if importlib.util.find_spec("pycocoevalcap") is None:
        needs.append("pycocoevalcap (pip install pycocoevalcap)")
    if needs:
        raise UsageError(f"--official (METEOR) needs {' and '.join(needs)}; leave it out for the other scores.")


def meteor(predictions: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> float:
    """METEOR 1.5 (Denkowski and Lavie, WMT 2014) of a set of captions, as coco-caption computes it.

    The captions are tokenized by `ptb_tokenize`, which agrees with coco-caption's Java tokenizer.

    Args:
        predictions: photo → caption.
        references: the same photos (at least one) → at least one caption.

    Returns:
        The score, in [0, 1].

    Raises:
        UsageError: a requirement is not installed.
        CaptionerError: the Java program failed.
    """
    require_official()
    from pycocoevalcap.meteor.meteor import Meteor

    given = {photo: [_tokens(caption) for caption in captions] for photo, captions in references.items()}
    results = {photo: [_tokens(predictions[photo])] for photo in references}
    scorer = Meteor()
    try:
        with scorer.meteor_p:  # terminates the program and closes its pipes, which pycocoevalcap does not
            corpus, _ = scorer.compute_score(given, results)
    except (OSError, ValueError):  # a broken pipe, or an answer that is not a number
        raise CaptionerError("METEOR's Java program failed; leave out --official for the other scores.") from None
    finally:
        if scorer.lock.locked():  # after a failed computation, the scorer's own cleanup would block forever
            scorer.lock.release()
    return float(corpus)


def _tokens(caption: str) -> str:
    return " ".join(ptb_tokenize(caption))
