"""The import rules of docs/decisions/0001-layout.md, checked in the source, including TYPE_CHECKING imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("captioner", "app", "train")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))

# Each part of the library may import the parts listed for it, and no others.
LIBRARY = {
    "captioner.cli": {
        "search",
        "serve",
        "visit",
        "folders",
        "evaluation",
        "datasets",
        "translation",
        "predict",
        "models",
        "checkpoint",
        "decoding",
        "images",
        "text",
        "interrupt",
        "config",
        "files",
        "errors",
        "_version",
    },
    "captioner.visit": {
        "folders",
        "evaluation",
        "datasets",
        "translation",
        "predict",
        "checkpoint",
        "decoding",
        "images",
        "text",
        "spreadsheet",
        "errors",
    },
    "captioner.serve": {
        "pages",
        "folders",
        "predict",
        "checkpoint",
        "decoding",
        "images",
        "text",
        "errors",
        "_version",
    },
    "captioner.search": {"pages", "datasets", "folders", "database", "files", "errors"},
    "captioner.folders": {
        "predict",
        "checkpoint",
        "decoding",
        "images",
        "text",
        "config",
        "database",
        "spreadsheet",
        "files",
        "errors",
    },
    "captioner.evaluation": {"pages", "datasets", "text", "spreadsheet", "files", "errors"},
    "captioner.datasets": {"folders", "database", "spreadsheet", "files", "errors"},
    "captioner.predict": {
        "translation",
        "inference",
        "confidence",
        "checkpoint",
        "models",
        "decoding",
        "images",
        "text",
        "errors",
    },
    "captioner.translation": {"inference", "checkpoint", "models", "decoding", "text", "errors"},
    "captioner.inference": {"models", "decoding", "text", "errors"},
    "captioner.checkpoint": {"models", "decoding", "text", "confidence", "config", "files", "errors"},
    "captioner.confidence": {"decoding", "config"},
    "captioner.models": {"config", "errors"},
    "captioner.decoding": {"config", "errors"},
    "captioner.images": {"errors"},
    "captioner.pages": {"images"},
    "captioner.text": {"errors"},
    "captioner.config": {"errors"},
    "captioner.files": {"errors"},
    "captioner.database": {"files", "errors"},
    "captioner.spreadsheet": set(),
    "captioner.interrupt": set(),
    "captioner.errors": set(),
    "captioner._version": set(),
}

# Modules that may import more than the rest of their package: scores are independent of models except here.
MODULES = {
    "captioner.evaluation.evaluate": LIBRARY["captioner.evaluation"]
    | {"folders", "predict", "checkpoint", "decoding", "config", "_version"},
}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def part(name: str) -> str:
    """The part of the library that contains a module or a name in it: captioner.models.decoder → models."""
    return name.split(".")[1]


def violations(module: str, source: str) -> list[str]:
    wrong = []
    for target in imports(source):
        room = target.split(".")[0]
        if module.startswith("captioner"):
            own = ".".join(module.split(".")[:2])
            # From the package itself, only modules may be imported: its public names, for users, come from everywhere.
            row = MODULES.get(module, LIBRARY.get(own))
            allowed = {part(name) for name in LIBRARY} if row is None else row | {part(own)}
            if room in {"train", "app", "streamlit"} | ({"torch"} if own == "captioner.evaluation" else set()) or (
                room == "captioner" and (target == "captioner" or part(target) not in allowed)
            ):
                wrong.append(target)
        elif {module.split(".", maxsplit=1)[0], room} == {"app", "train"} or (
            target.startswith("streamlit") and not module.startswith("app")
        ):
            wrong.append(target)
    return wrong


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_go_only_downwards(path: Path) -> None:
    assert violations(module_name(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("captioner.models.decoder", "from captioner.text import Vocabulary"),
        ("captioner.models.decoder", "from captioner.decoding import beam_search"),
        ("captioner.decoding.beam", "import captioner.models.decoder"),
        ("captioner.evaluation.bleu", "from captioner.predict import Captioner"),
        ("captioner.text", "if TYPE_CHECKING:\n    from captioner import config"),
        ("captioner.predict", "import streamlit as st"),
        ("captioner.cli.info", "def f():\n    from train.loop import Training"),
        ("captioner.models.decoder", "from captioner import Captioner"),
        ("captioner.models.decoder", "import captioner"),
        ("captioner.evaluation.bleu", "import torch"),
        ("captioner.evaluation.evaluate", "import torch"),
        ("captioner.evaluation.evaluate", "from captioner.models.decoder import Decoder"),
        ("train.loop", "import streamlit"),
        ("train.loop", "import app.main"),
        ("app.main", "from train import loop"),
    ],
)
def test_the_guard_sees_violations(module: str, line: str) -> None:
    assert violations(module, line)


def test_every_part_of_the_library_has_its_row() -> None:
    parts = {".".join(module_name(path).split(".")[:2]) for path in FILES if path.is_relative_to(ROOT / "captioner")}
    assert parts - {"captioner", "captioner.__main__"} == set(LIBRARY)


def test_rows_hold_no_circle() -> None:
    below = {part(name): set(row) for name, row in LIBRARY.items()}
    for name, row in MODULES.items():
        below[part(name)] |= row
    while below:
        free = {name for name, row in below.items() if not row}
        assert free, f"a circle among {sorted(below)}"
        below = {name: row - free for name, row in below.items() if name not in free}


def rooms(root: Path) -> set[str]:
    """The folders of code, without reports, runs and photos that users keep beside them."""
    return {path.parent.name for path in root.glob("[!.]*/*.py")} - {"build"}


def test_nothing_at_the_top_but_the_agreed_rooms(tmp_path: Path) -> None:
    assert rooms(ROOT) == {*ROOMS, "tests"}
    for name in ("report/report.html", "photos/a.jpg", "src/more.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert rooms(tmp_path) == {"src"}


def test_no_file_has_a_name_that_says_nothing_or_shadows_a_package() -> None:
    names = {path.name for path in FILES}
    assert not names & {"utils.py", "common.py", "helpers.py", "misc.py"}
    assert not {path.name for path in (ROOT / "app").rglob("*.py")} & {"captioner.py", "streamlit.py", "app.py"}


def test_nothing_can_run_a_pickle_or_print_in_the_library() -> None:
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        for call in calls:
            name = ast.unparse(call.func)
            assert not name.startswith("pickle."), path
            assert name != "torch.load", path
            if name == "print":
                assert path.is_relative_to(ROOT / "captioner" / "cli") or path.is_relative_to(ROOT / "train"), path


def test_decoder_and_search_know_no_encoder() -> None:
    """`Vectors` is the only name from the encoders that they may use."""
    for path in (ROOT / "captioner" / "models" / "decoder.py", *(ROOT / "captioner" / "decoding").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).endswith("encoders"):
                assert {name.name for name in node.names} == {"Vectors"}, path
            name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            assert "encoder" not in name.lower(), f"{path}: {name}"


def test_only_the_builder_tells_encoders_apart() -> None:
    """To add an encoder, only its configuration and `models/encoders.py` change; for a decoder, `models/decoder.py`.

    The studies are an exception: they build the decoder that they study.
    """
    concrete = {"ImageEncoder": "encoders", "TextEncoder": "encoders", "RecurrentDecoder": "decoder"}
    studies = {"study", "benchmark"}
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & set(concrete)
        if studies & set(path.parts):
            named.discard("RecurrentDecoder")
        home = path.stem if path.parent == ROOT / "captioner" / "models" else ""
        assert {concrete[name] for name in named} <= {home}, path
