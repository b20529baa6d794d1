"""The README promises only what is there."""

import re
import shlex
from pathlib import Path

import pytest

from captioner import checkpoint
from captioner.cli import _parser
from train.__main__ import parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
LINES = [line for kind, text in BLOCKS if kind in {"", "sh"} for line in text.replace("\\\n", "").splitlines()]


def commands(program: str) -> list[list[str]]:
    """Every command line of a program in the README's code blocks, without its comment."""
    found = [shlex.split(line.removeprefix("$ "), comments=True) for line in LINES if program in line]
    return [words[len(program.split()) :] for words in found if words[: len(program.split())] == program.split()]


def test_every_make_target_is_there() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {words[0] for words in commands("make")} | set(re.findall(r"`make ([\w-]+)`", README))
    assert {"demo", "test"} <= named <= targets


@pytest.mark.parametrize("program", ["captioner", "python -m captioner"])
def test_every_command_is_understood(program: str) -> None:
    found = commands(program)
    assert found
    for words in found:
        assert _parser().parse_args(words[: words.index(">")] if ">" in words else words)


def test_training_commands_name_files_that_are_there() -> None:
    found = commands("python -m train") + commands(".venv/bin/python -m train")
    assert found
    for words in found:
        options = parser().parse_args(words)
        assert "config" not in options or (ROOT / options.config).is_file()


def test_the_python_example_runs(photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos["chelsea"].parent)
    examples = [text for kind, text in BLOCKS if kind == "python"]
    assert examples
    for text in examples:
        exec(compile(text, "README.md", "exec"), {})


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / target).exists(), target


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
        for text in (README, card):
            [found] = re.findall(row, text, re.MULTILINE)
            wanted = [100 * scores[measure] for measure in ("BLEU", "BLEU_lower_case")]
            assert [float(value) for value in found] == pytest.approx(wanted, abs=0.06)  # rounded twice


def test_the_map_names_what_is_there() -> None:
    tree = next(text for _, text in BLOCKS if "captioner/" in text and "tests/" in text)
    for name in re.findall(r"^(\w+/)", tree, re.MULTILINE):
        assert (ROOT / name).is_dir()
