"""The server process: its address, startup and shutdown."""

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
    """Listen on an address, so that errors are reported before the model is loaded.

    Args:
        host: an address or host name of this machine.
        port: TCP port.

    Raises:
        UsageError: the address does not exist, is in use, or is not permitted.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise UsageError(f"--host {host}: there is no such address.") from None
    taken = socket.socket(family, kind)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
        # Listen at once: several sockets can bind to one address as long as none of them listens.
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
    """Serve until the process receives SIGINT or SIGTERM, then finish the current requests.

    Args:
        app: the application.
        address: the socket from `listen`.
        seconds: time limit for finishing requests at shutdown.
        ready: called once the server accepts requests.
    """
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="on",
        log_level="error",  # its warnings are about malformed requests, which their senders are told
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=round(seconds),
    )
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # errors in a form are reported to its sender
    with _no_harm():
        _Server(config, ready).run([address])


@contextlib.contextmanager
def _no_harm() -> Iterator[None]:
    """Ignore the signal that uvicorn raises again after its shutdown."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
