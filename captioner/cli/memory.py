"""What to say when memory runs out, however the system and the libraries put it."""

import errno
import sys

if sys.platform != "win32":
    import resource  # now, while there is room for it

_SIGNS = (
    "can't allocate memory",  # PyTorch
    "cannot allocate memory",  # the system, and whoever passes its words on
    "not enough memory",  # PyTorch on Windows
    "out of memory",  # CUDA
    "failed to map segment",  # the loader, on its way through PyTorch's libraries
    "can't start new thread",  # Python, without room for a stack
)


def shortage(problem: BaseException) -> str | None:
    """The sentence for users if `problem`, or what led to it, is a want of memory; None if it is something else."""
    chain: BaseException | None = problem
    while chain is not None:
        if _is_shortage(chain):
            return f"not enough memory{_limit()}; allow it more, or ask for less at once with --batch-size."
        chain = chain.__cause__ or chain.__context__
    return None


def _is_shortage(problem: BaseException) -> bool:
    if isinstance(problem, OSError) and problem.errno is not None:
        return problem.errno == errno.ENOMEM
    told = isinstance(problem, RuntimeError | ImportError | OSError) and str(problem).lower()
    return isinstance(problem, MemoryError) or bool(told and any(sign in told for sign in _SIGNS))


def _limit() -> str:
    """The limit of this process, where it has one of its own."""
    if sys.platform == "win32":
        return ""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return "" if limit == resource.RLIM_INFINITY else f" (this process may have {limit / 1e6:,.0f} MB; see ulimit -v)"
