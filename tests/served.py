"""The web page in its own process, and a browser for it; for tests, screenshots and the load test."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT = 60_000  # milliseconds; a busy machine must not fail a test


@dataclass(frozen=True)
class Server:
    """The URL of the page, and the process that serves it."""

    url: str
    pid: int


def free_port() -> int:
    """A free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(*arguments: str, number: int = signal.SIGTERM, **environment: str) -> Iterator[Server]:
    """Run `captioner serve` until the block ends. It must exit with 0 and print no warnings.

    Args:
        arguments: arguments of the command.
        number: the signal to stop it with, if it is still running.
        environment: additional environment variables.
    """
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "captioner", "serve", "--port", str(port), *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        try:
            said = process.stderr.readline()
            assert said == f"captioner: serving captions on http://127.0.0.1:{port} (press Ctrl-C to stop)\n"
            yield Server(f"http://127.0.0.1:{port}", process.pid)
            if process.poll() is None:
                process.send_signal(number)
            assert (process.wait(timeout=60), process.stderr.read()) == (0, "")
        finally:
            process.kill()


@contextlib.contextmanager
def served() -> Iterator[Server]:
    """Serve the page on a free port of localhost until the block ends."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "captioner", "app", "--host", "127.0.0.1", "--port", str(port)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"STREAMLIT_SERVER_HEADLESS": "true", "STREAMLIT_SERVER_FILE_WATCHER_TYPE": "none"},
    )
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/_stcore/health") as answer:
                if answer.status == 200:
                    break
            assert process.poll() is None, "the server ended"
            time.sleep(0.1)
        else:
            raise TimeoutError("the server does not answer")
        yield Server(url, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=20)
