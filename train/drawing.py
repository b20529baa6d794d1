"""Matplotlib, which draws what training, the studies and the benchmark show, and which one may not have."""

from captioner.errors import UsageError


def require_matplotlib(what: str) -> None:
    """Say what is missing before minutes of computing, not after.

    Args:
        what: the beginning of the sentence, as "a study draws a picture".

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError:
        raise UsageError(
            f"{what}, and matplotlib is missing; it comes with: pip install -r train/requirements.txt"
        ) from None
