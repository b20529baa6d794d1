"""The wheel: its requirements and contents; it captions without Streamlit."""

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COMES_WITH = {
    "PIL": "pillow",
    "pillow_heif": "pillow-heif",
    "pillow_jxl": "pillow-jxl-plugin",
    "markupsafe": "jinja2",
    "starlette": "fastapi",
    "python_multipart": "python-multipart",
}
"""Modules whose names differ from those of their packages."""
DEVELOPMENT = {"pycocoevalcap"}
"""Packages that `evaluate --official` asks the user to install."""


def requirements(name: str) -> list[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def declared() -> tuple[list[str], dict[str, list[str]]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["dependencies"], project["optional-dependencies"]


def test_the_requirements_of_a_checkout_are_those_of_the_library_and_the_page() -> None:
    library, extras = declared()
    assert requirements("requirements.txt") == library + extras["app"]
    assert requirements("train/requirements.txt") == extras["train"]
    assert set(extras["serve"]) <= set(requirements("requirements-dev.txt"))


def test_the_library_imports_only_what_it_declares() -> None:
    library, extras = declared()
    optional = extras["formats"] + extras["ray"] + extras["serve"]
    names = {line.split(">=")[0].split("[")[0] for line in library + optional} | DEVELOPMENT
    for path in (ROOT / "captioner").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            tops = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - {"captioner"}
            assert {COMES_WITH.get(top, top) for top in tops} <= names, path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, installed with all packages of this environment except Streamlit and this checkout."""
    source, built, site = (tmp_path_factory.mktemp(name) for name in ("source", "built", "site"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("captioner", "app"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", built, source]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if not package.name.startswith(("streamlit", "captioner", "__editable__")) and package.suffix != ".pth":
            (site / package.name).symlink_to(package)
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    return site


def installed(site: Path, *arguments: str | Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run Python with only the packages in this folder."""
    environment = os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-S", "-P", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_wheel_does_not_ask_for_streamlit_unless_told(site: Path) -> None:
    (package,) = metadata.distributions(name="captioner", path=[str(site)])
    needs = [need for need in package.requires or [] if "streamlit" in need]
    assert len(needs) == 1
    assert needs[0].replace("'", '"').endswith('extra == "app"')
    assert {"app", "formats", "ray", "serve", "train"} == set(package.metadata.get_all("Provides-Extra") or [])


def test_the_wheel_brings_the_page_the_models_and_nothing_of_training(site: Path) -> None:
    assert {path.name for path in (ROOT / "app").iterdir()} - {"__pycache__"} == {
        path.name for path in (site / "captioner" / "page").iterdir()
    }
    for path in (ROOT / "captioner").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert (site / path.relative_to(ROOT)).is_file(), path
    assert not (site / "train").exists()


def test_it_captions_where_streamlit_is_not_installed(site: Path, photos: dict[str, Path], tmp_path: Path) -> None:
    code = """import sys, captioner; from captioner.cli import main
print(captioner.load().caption(sys.argv[1]).text, captioner.__file__, sep="\\n")
sys.exit(main(["caption", sys.argv[1]]))"""
    run = installed(site, "-c", code, photos["chelsea"], cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    library, file, command = run.stdout.splitlines()
    assert "cat" in library
    assert command == library
    assert file == str(site / "captioner" / "__init__.py")


def test_the_page_says_in_a_sentence_how_to_install_streamlit(site: Path, tmp_path: Path) -> None:
    (tmp_path / "streamlit.py").touch()  # a user's file is not mistaken for the package
    run = installed(site, "-m", "captioner", "app", cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr == ("captioner: the web page needs Streamlit; install it with: pip install 'captioner[app]'.\n")
