"""python -m captioner.serve.health: exit code 0 if this machine serves captions or the web page, for containers."""

import contextlib
import sys
import urllib.request

ADDRESSES = ("http://127.0.0.1:8000/health", "http://127.0.0.1:8501/_stcore/health")


def answers(address: str) -> bool:
    """Whether a server answers there."""
    with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=3) as answer:
        return bool(answer.status == 200)
    return False


if __name__ == "__main__":
    sys.exit(not any(map(answers, sys.argv[1:] or ADDRESSES)))
