"""captioner app: Caption photos in the browser.

The page works offline. Without --host, only this computer can open it.
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
"""Where the page's main file is: in an installed wheel, or in a checkout."""
USAGE = "captioner app [options]"
EXAMPLES = """\
  Open the page:
    captioner app
  Let others on your network use it:
    captioner app --host 0.0.0.0
  Use a fixed port:
    captioner app --port 8080
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("server")
    group.add_argument(
        "--host",
        default="localhost",
        metavar="ADDRESS",
        help="address to listen on; 0.0.0.0 accepts other computers on your network (default: localhost)",
    )
    group.add_argument("--port", type=port, metavar="N", help="port to listen on (default: 8501, or the next free one)")


def run(options: argparse.Namespace) -> int:
    """Serve the web page until the process is stopped.

    Raises:
        UsageError: the page or Streamlit is not installed.
    """
    main = next((place for place in PLACES if place.is_file()), None)
    if main is None:
        raise UsageError("the web page is missing from this installation; reinstall captioner.")
    try:
        metadata.distribution("streamlit")  # not find_spec, which finds a file streamlit.py in the current folder
    except metadata.PackageNotFoundError:
        raise UsageError("the web page needs Streamlit; install it with: pip install 'captioner[app]'.") from None
    # -P: do not import a file streamlit.py in the current folder instead of the package.
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(main), f"--server.address={options.host}"]
    if options.port is not None:
        command.append(f"--server.port={options.port}")
    if os.name == "posix":
        os.execv(sys.executable, command)  # signals reach the server itself
    return subprocess.call(command)
