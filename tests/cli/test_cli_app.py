"""`captioner app`: the page starts in any folder, serves only this computer, and contacts no other."""

import contextlib
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import pytest

from captioner.cli import app, main
from tests.served import free_port

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_it_serves_from_any_folder_without_a_question_telemetry_or_other_addresses(tmp_path: Path) -> None:
    """A desktop terminal and a new home directory, where Streamlit itself would ask for an email address."""
    port = free_port()
    (tmp_path / "streamlit.py").write_text("raise SystemExit('not this one')")  # a user's file
    environment = {key: value for key, value in os.environ.items() if not key.startswith("STREAMLIT")}
    environment |= {"HOME": str(tmp_path), "DISPLAY": ":99", "BROWSER": "/bin/true"}
    environment["PYTHONPATH"] = str(ROOT)
    terminal, inner = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "captioner", "app", "--port", str(port)],
        cwd=tmp_path,
        env=environment,
        stdin=inner,
        stdout=inner,
        stderr=inner,
    )
    os.close(inner)
    try:
        said = read_until_served(terminal, f"http://localhost:{port}/_stcore/health", process)
        assert not answers(own_address(), port)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
        os.close(terminal)
    assert f"http://localhost:{port}" in said
    for unwanted in ("Email", "usage statistics", "Network URL", "External URL", "external IP", "Traceback"):
        assert unwanted not in said


def read_until_served(terminal: int, health: str, process: "subprocess.Popen[bytes]") -> str:
    said, end, served = b"", time.monotonic() + 60, False
    while not served or b"http" not in said:
        assert time.monotonic() < end, said.decode()
        assert process.poll() is None, said.decode()
        if select.select([terminal], [], [], 0.1)[0]:
            said += os.read(terminal, 4096)
        with contextlib.suppress(OSError), urllib.request.urlopen(health, timeout=1) as answer:
            served = answer.status == 200
    return said.decode()


def answers(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((address, port)) == 0


def own_address() -> str:
    """An address of this machine other than localhost; without a network, an address that nothing listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # sends nothing
        address: str = probe.getsockname()[0]
        return address
    return "127.0.0.2"


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "８５０１"])
def test_a_port_is_a_number_that_there_is(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["app", f"--port={port}"]) == 2
    assert "give a number from 1 to 65535" in capsys.readouterr().err


def test_an_installation_without_the_page_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(app, "PLACES", (tmp_path / "main.py",))
    assert main(["app"]) == 2
    assert capsys.readouterr().err == (
        "captioner: the web page is missing from this installation; reinstall captioner.\n"
    )


def test_the_wheel_brings_all_files_of_the_page_along() -> None:
    """Every file beside main.py is Python or listed in the package data of pyproject.toml."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    page = ROOT / "app"
    shipped = {file for pattern in ["*.py", *data["captioner.page"]] for file in page.glob(pattern)}
    there = {file for file in page.rglob("*") if file.is_file() and "__pycache__" not in file.parts}
    assert there == shipped
    assert '"captioner.page": "app"' in (ROOT / "setup.py").read_text(encoding="utf-8")
