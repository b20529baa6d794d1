"""Check for matplotlib, an optional dependency of training, the studies and the benchmark."""

from captioner.errors import UsageError


def require_matplotlib(what: str) -> None:
    """Fail early, before minutes of computation, if matplotlib is missing.

    Args:
        what: beginning of the error message, such as "a study draws a plot".

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError:
        raise UsageError(
            f"{what}, but matplotlib is missing; install it with: pip install -r train/requirements.txt"
        ) from None
