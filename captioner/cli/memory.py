"""Recognizing that memory ran out, which systems and libraries report in many ways."""

import errno
import sys

if sys.platform != "win32":
    import resource  # now, while there is memory for it

_SIGNS = (
    "can't allocate memory",  # PyTorch
    "cannot allocate memory",  # the operating system
    "not enough memory",  # PyTorch on Windows
    "out of memory",  # CUDA
    "failed to map segment",  # the dynamic loader, for PyTorch's libraries
    "can't start new thread",  # Python, without memory for a stack
)


def shortage(problem: BaseException) -> str | None:
    """The message for users if `problem` or one of its causes is a lack of memory, else None."""
    chain: BaseException | None = problem
    while chain is not None:
        if _is_shortage(chain):
            return f"not enough memory{_limit()}; free some, or choose a smaller --batch-size."
        chain = chain.__cause__ or chain.__context__
    return None


def _is_shortage(problem: BaseException) -> bool:
    if isinstance(problem, OSError) and problem.errno is not None:
        return problem.errno == errno.ENOMEM
    told = isinstance(problem, RuntimeError | ImportError | OSError) and str(problem).lower()
    return isinstance(problem, MemoryError) or bool(told and any(sign in told for sign in _SIGNS))


def _limit() -> str:
    """The memory limit of this process, if it has one."""
    if sys.platform == "win32":
        return ""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return "" if limit == resource.RLIM_INFINITY else f" (ulimit -v limits this process to {limit / 1e6:,.0f} MB)"
