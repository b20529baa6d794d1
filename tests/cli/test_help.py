"""`--help` fits a terminal, describes every option, and its examples run."""

import argparse
import json
import shlex
import shutil
from pathlib import Path

import pytest

import captioner.cli
from captioner import datasets
from captioner.cli import EXAMPLES, VERBS, main
from captioner.datasets import CaptionedPhoto, CaptionedPhotos

COLUMNS = 80


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of the command, under an empty name, and the parsers of its verbs."""
    parser = captioner.cli._parser()
    [verbs] = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {"": parser, **verbs.choices}


@pytest.fixture
def files(photos: dict[str, Path], coco: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that the examples name, in the working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(photos["rocket"], "photo.jpg")
    images.rename("photos")
    coco.rename("refs.json")
    results = [{"image_id": number, "caption": "a photo of a cat"} for number in range(1, 6)]
    Path("vit.json").write_text(json.dumps(results), encoding="utf-8")
    dogs = [
        CaptionedPhoto(name, name, (text,))
        for name, text in (("photo.jpg", "A dog on a beach."), ("b.jpg", "A red car."))
    ]
    for name in ("captions.jsonl", "captions.sqlite"):
        datasets.write(CaptionedPhotos("test", tuple(dogs)), name)
    Path("english.txt").write_text("A dog runs.\nA boy plays.\n", encoding="utf-8")


def commands(examples: str) -> list[str]:
    return [line.strip() for line in examples.splitlines() if line.strip().startswith("captioner ")]


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_examples_run(
    verb: str, files: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    examples = commands(VERBS[verb].EXAMPLES if verb else EXAMPLES)
    assert len(examples) == 3
    for example in examples:
        words, _, source = example.removeprefix("captioner ").partition(" < ")
        if verb in {"app", "serve"}:  # they would run until stopped
            assert parsers()[""].parse_args(shlex.split(words)).verb == verb
            continue
        with Path(source or "english.txt").open(encoding="utf-8") as file:
            monkeypatch.setattr("sys.stdin", file)
            assert main(shlex.split(words)) == 0, capsys.readouterr().err


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_fits_a_terminal(verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    assert main([word for word in (verb, "--help") if word]) == 0
    out = capsys.readouterr().out
    assert "examples:" in out
    assert [line for line in out.splitlines() if len(line) >= COLUMNS] == []


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_option_has_help_and_a_group(verb: str) -> None:
    parser = parsers()[verb]
    for action in parser._actions:
        assert action.help, action.dest
    assert [action.dest for action in parser._optionals._group_actions] == ["help"]
    assert parser._positionals._group_actions == []
