"""Health check for containers: `python -m captioner.serve.health` exits with 0 if the server or the web page runs."""

import contextlib
import sys
import urllib.request

ADDRESSES = ("http://127.0.0.1:8000/health", "http://127.0.0.1:8501/_stcore/health")


def answers(address: str) -> bool:
    """Whether a server answers at a URL with status 200."""
    with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=3) as answer:
        return bool(answer.status == 200)
    return False


if __name__ == "__main__":
    sys.exit(not any(map(answers, sys.argv[1:] or ADDRESSES)))
