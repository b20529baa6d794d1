"""README, CONTRIBUTING, and the pages of docs/ mention only what exists."""

import re
import shlex
from pathlib import Path

import pytest

from captioner import checkpoint
from captioner.cli import _parser
from train.__main__ import parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {"README.md": README} | {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
        ROOT / "docs" / "models" / "README.md",
    )
}
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
BLOCKS = {page: [(kind, text) for _, kind, text in FENCE.findall(said)] for page, said in PAGES.items()}


def commands(program: str, page: str) -> list[list[str]]:
    """Every command line of a program in a page's code blocks, without comments and redirections."""
    blocks = [text for kind, text in BLOCKS[page] if kind in {"", "sh", "bat"}]
    lines = [line for text in blocks for line in text.replace("\\\n", "").splitlines() if program in line]
    found = [shlex.split(line.removeprefix("$ "), comments=True) for line in lines if "$" not in line[1:]]
    found = [words[: words.index(">")] if ">" in words else words for words in found]
    return [words[len(program.split()) :] for words in found if words[: len(program.split())] == program.split()]


def test_the_readme_is_read_in_a_few_minutes() -> None:
    assert len(README.split()) <= 1200


def test_every_make_target_is_there() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page, text in PAGES.items():
        named = {words[0] for words in commands("make", page)} | set(re.findall(r"`make ([\w-]+)`", text))
        assert named <= targets, page
    assert {"demo", "test"} <= {words[0] for words in commands("make", "README.md")}


@pytest.mark.parametrize(("program", "least"), [("captioner", 15), ("python -m captioner", 0), ("python -m train", 5)])
def test_every_command_parses(program: str, least: int) -> None:
    command = parser() if program == "python -m train" else _parser()
    found = [words for page in PAGES for words in commands(program, page)]
    assert len(found) > least
    for words in found:
        options = command.parse_args(words)
        assert "config" not in options or (ROOT / options.config).is_file()


@pytest.mark.parametrize("page", [page for page, blocks in BLOCKS.items() if "python" in dict(blocks)])
def test_the_python_examples_print_sentences(
    page: str, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(photos["chelsea"].parent)
    for kind, text in BLOCKS[page]:
        if kind == "python":
            exec(compile(text, page, "exec"), {})
            printed = capsys.readouterr().out.splitlines()
            assert len(printed) >= text.count("print(") > 0
            assert all(re.search(r"\w+( \w+)+\.", line) for line in printed)


def test_the_readme_has_examples() -> None:
    assert "python" in dict(BLOCKS["README.md"])
    for program in ("captioner", "python -m train"):
        assert commands(program, "README.md")


def test_links_and_pictures_are_there() -> None:
    for page in ("README.md", "docs/index.md"):
        assert len(re.findall(r'(?:src|srcset)="', PAGES[page])) == 2
    for page, text in PAGES.items():
        for target in re.findall(r"\]\((?!http)([^)#]+)|(?:src|srcset)=\"([^\"]+)", text):
            assert ((ROOT / page).parent / "".join(target)).exists(), (page, target)


def test_the_figures_are_those_of_the_embedded_model() -> None:
    measured = checkpoint.read().scores
    assert len(measured) == 4
    for scores in measured.values():
        row = " | ".join(
            f"{100 * scores[name]:.1f}" for name in ("Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4", "ROUGE_L", "CIDEr")
        )
        assert row in README


def test_the_figures_are_those_of_the_embedded_translator() -> None:
    measured = checkpoint.read_translator().scores
    tested = {name: scores for name, scores in measured.items() if name != "validation"}
    assert len(tested) == 8
    card = (checkpoint.PRETRAINED / checkpoint.DEFAULT_TRANSLATOR / checkpoint.CARD).read_text(encoding="utf-8")
    for name, scores in tested.items():
        data, _, language = name.rpartition(", ")
        row = rf"^\| {re.escape(data)} \| {language} \| [\d,]+ \| ([\d.]+) \| ([\d.]+) \|$"
        for text in (PAGES["docs/translation.md"], card):
            [found] = re.findall(row, text, re.MULTILINE)
            wanted = [100 * scores[measure] for measure in ("BLEU", "BLEU_lower_case")]
            assert [float(value) for value in found] == pytest.approx(wanted, abs=0.06)  # rounded twice


def test_the_map_names_what_is_there() -> None:
    tree = next(text for _, text in BLOCKS["README.md"] if "captioner/" in text and "tests/" in text)
    for name in re.findall(r"^(\w+/)", tree, re.MULTILINE):
        assert (ROOT / name).is_dir()
