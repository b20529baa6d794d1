"""captioner app: open the web page, where photos get captions in a browser.

The page is served to this computer alone unless --host says otherwise. It needs no internet.
"""

import argparse
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from captioner.cli.options import port
from captioner.errors import UsageError

_PACKAGE = Path(__file__).parents[1]
PLACES = (_PACKAGE / "page" / "main.py", _PACKAGE.parent / "app" / "main.py")
"""Where the page's entry may be: in an installed wheel, in a checkout."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        default="localhost",
        metavar="ADDRESS",
        help="address to listen on; 0.0.0.0 lets others in your network use the page (default: localhost)",
    )
    parser.add_argument(
        "--port", type=port, metavar="N", help="port to listen on (default: 8501, or the next one that is free)"
    )


def run(options: argparse.Namespace) -> int:
    """Serve the page until the process is stopped.

    Raises:
        UsageError: the page or Streamlit is not installed.
    """
    main = next((place for place in PLACES if place.is_file()), None)
    if main is None:
        raise UsageError("this installation has no web page; reinstall captioner or run it from a checkout.")
    try:
        metadata.distribution("streamlit")  # not find_spec, which finds a file streamlit.py in the current folder
    except metadata.PackageNotFoundError:
        raise UsageError("the web page needs Streamlit; install it with: pip install 'captioner[app]'.") from None
    # -P: a file streamlit.py in the current folder is not taken for the package.
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(main), f"--server.address={options.host}"]
    if options.port is not None:
        command.append(f"--server.port={options.port}")
    if os.name == "posix":
        os.execv(sys.executable, command)  # signals reach the server itself
    return subprocess.call(command)
