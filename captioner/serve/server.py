"""The server's process: its address, its start and its end."""

import contextlib
import errno
import logging
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI

from captioner.errors import UsageError

_REASONS = {
    errno.EADDRINUSE: "the port is in use; give another --port",
    errno.EADDRNOTAVAIL: "this machine has no such address; give another --host",
    errno.EACCES: "ports below 1024 need administrator rights; give a higher --port",
}


def listen(host: str, port: int) -> socket.socket:
    """Take an address, so that a mistake is known before the model is loaded.

    Args:
        host: an address of this machine, or a name that it has.
        port: of TCP.

    Raises:
        UsageError: it cannot be had.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise UsageError(f"--host {host}: there is no such address.") from None
    taken = socket.socket(family, kind)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
        # Listening too, since several sockets may be bound to one address as long as none of them listens.
        taken.listen(128)
    except OSError as problem:
        taken.close()
        reason = _REASONS.get(problem.errno or 0, problem.strerror)
        raise UsageError(f"cannot serve on {host}, port {port}: {reason}.") from None
    return taken


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def serve(app: FastAPI, address: socket.socket, *, seconds: float, ready: Callable[[], None]) -> None:
    """Answer requests until the process gets SIGINT or SIGTERM; requests that are there by then are finished.

    Args:
        app: what answers.
        address: see `listen`.
        seconds: that requests are given at the end.
        ready: called when requests are answered.
    """
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=round(seconds),
    )
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # what is wrong with a form, its sender is told
    with _no_harm():
        _Server(config, ready).run([address])


@contextlib.contextmanager
def _no_harm() -> Iterator[None]:
    """Signals end the server, which raises them once more when it has ended: then they do nothing."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
