"""The Dockerfile, as far as it can be checked without building the image; `make check` also runs a linter."""

import json
import re
import tomllib
from pathlib import Path

from captioner.cli import _parser

ROOT = Path(__file__).parent.parent
LINES = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "").splitlines()


def after(instruction: str) -> list[str]:
    return [line.removeprefix(instruction).strip() for line in LINES if line.startswith(instruction)]


def test_what_is_copied_is_there_and_nothing_else_is_sent() -> None:
    copied = {name for line in after("COPY") if not line.startswith("--from") for name in line.split()[:-1]}
    sent = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    assert copied == sent
    assert all((ROOT / name).exists() for name in copied)
    needed = {"setup.py", "pyproject.toml", "captioner", "app"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert needed | {project["readme"], *project["license-files"]} == copied


def test_it_installs_extras_that_there_are_and_pytorch_without_gpus() -> None:
    (install,) = (line for line in after("RUN") if "pip install" in line)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = re.search(r"'\.\[([a-z,]+)\]'", install)
    assert named
    assert {"app", "serve"} <= set(named[1].split(",")) <= set(extras)
    option = re.search(r"--extra-index-url \S+", install)
    assert option
    assert option[0] in (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_runs_a_command_that_there_is_as_a_user_without_rights() -> None:
    (user,) = after("USER")
    assert int(user) > 0  # a number, so that an orchestrator can verify that it is not root
    assert not any(line.startswith("RUN") for line in LINES[LINES.index(f"USER {user}") :])
    program, *words = json.loads(after("ENTRYPOINT")[0]) + json.loads(after("CMD")[0])
    assert program == "captioner"
    assert _parser().parse_args(words).host == "0.0.0.0"


def test_its_health_is_asked_of_a_module_that_knows_both_ports() -> None:
    from captioner.serve.health import ADDRESSES

    (check,) = after("HEALTHCHECK")
    command = json.loads(check.partition("CMD")[2])
    assert command == ["python", "-m", "captioner.serve.health"]
    ports = {re.search(r":(\d+)/", address)[1] for address in ADDRESSES}  # type: ignore[index]
    assert set(after("EXPOSE")[0].split()) == ports
    assert str(_parser().parse_args(["serve"]).port) in ports
