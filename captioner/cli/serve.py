"""captioner serve: Caption photos over HTTP.

POST a photo to /caption to get its record as JSON; the page at / shows how.
If the environment variable CAPTIONER_TOKEN is set, requests must send it as
a bearer token. On SIGTERM or Ctrl-C, the server answers the requests it has
and exits.
"""

import argparse
import os
from importlib import metadata
from ipaddress import ip_address
from typing import TYPE_CHECKING

from captioner.cli.options import add_captioner_options, not_negative, port, positive
from captioner.cli.progress import say
from captioner.errors import UsageError

if TYPE_CHECKING:
    from fastapi import FastAPI

TOKEN = "CAPTIONER_TOKEN"
_PACKAGES = ("fastapi", "uvicorn", "python-multipart")
USAGE = "captioner serve [options]"
EXAMPLES = """\
  Serve this computer only, on port 8000:
    captioner serve
  Let others on your network use it:
    captioner serve --host 0.0.0.0 --port 8080
  Caption one photo at a time, with a short queue:
    captioner serve --workers 1 --queue 8
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("server")
    group.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on; 0.0.0.0 accepts other computers on your network (default: 127.0.0.1)",
    )
    group.add_argument("--port", type=port, default=8000, metavar="N", help="port to listen on (default: 8000)")
    group.add_argument(
        "--workers", type=positive, metavar="N", help="photos at once (default: one per processor, 2 to 8)"
    )
    group.add_argument(
        "--queue", type=not_negative, default=64, metavar="N", help="maximum number of waiting requests (default: 64)"
    )
    group.add_argument(
        "--timeout", type=positive, default=60, metavar="SECONDS", help="time limit per photo (default: 60)"
    )
    add_captioner_options(parser)


def run(options: argparse.Namespace) -> int:
    """Serve until the process is stopped.

    Raises:
        UsageError: a package is missing, or the address cannot be used.
        ModelError: there is no such model, or it is damaged.
    """
    token = _token()
    for package in _PACKAGES:
        try:
            metadata.distribution(package)
        except metadata.PackageNotFoundError:
            raise UsageError(
                f"captioner serve needs {package}; install it with: pip install 'captioner[serve]'."
            ) from None
    from captioner.serve.server import listen, serve

    with listen(options.host, options.port) as address:  # before the model is loaded
        if not token and not _is_local(address.getsockname()[0]):
            say(f"anyone who can reach {options.host} can use this server; set {TOKEN} to require a token.")
        host = f"[{options.host}]" if ":" in options.host else options.host
        serve(
            _app(options, token),
            address,
            seconds=options.timeout,
            ready=lambda: say(f"serving captions on http://{host}:{options.port} (press Ctrl-C to stop)"),
        )
    return 0


def _app(options: argparse.Namespace, token: str) -> "FastAPI":
    from captioner.folders.batch import processors
    from captioner.predict import Captioner
    from captioner.serve.api import ServeOptions, create_app
    from captioner.visit.memory import give_back_large_blocks

    give_back_large_blocks()  # before any large block is freed
    model = Captioner.load(options.model, device=options.device, precision=options.precision)
    workers = options.workers or min(8, max(2, processors()))
    terms = ServeOptions(workers=workers, queue=options.queue, seconds=options.timeout, token=token)
    return create_app(model, terms)


def _token() -> str:
    token = os.environ.get(TOKEN)
    if token is None:
        return ""
    if not (token.isascii() and token.isprintable() and token) or " " in token:
        raise UsageError(f"{TOKEN} is empty or has characters other than printable ASCII; set a token, or unset it.")
    return token


def _is_local(address: str) -> bool:
    return ip_address(address.partition("%")[0]).is_loopback
