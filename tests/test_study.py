"""The studies of the notes' claims: each runs, and what they are made of does what it says."""

import json
from pathlib import Path

import pytest
from PIL import Image

from train.__main__ import main
from train.study import catalogue
from train.study.report import run_and_write
from train.study.setting import Setting


@pytest.mark.parametrize("name", catalogue.STUDIES)
def test_every_study_gives_a_table_a_picture_and_a_page(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_and_write(name, Setting(tiny=True, seeds=(0, 1)), tmp_path)
    printed = capsys.readouterr().out
    page, found = (tmp_path / f"{name}.md").read_text(), json.loads((tmp_path / f"{name}.json").read_text())
    assert all(len(row) == len(found["columns"]) for row in found["rows"])
    assert any(isinstance(cell, list) and len(cell) == 2 for row in found["rows"] for cell in row)
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(found["rows"])
    assert all(line in printed for line in table)
    assert catalogue.load(name).claim in page
    assert catalogue.explain(name) in printed
    with Image.open(tmp_path / f"{name}.png") as image:
        assert image.convert("L").getextrema()[0] < 100


@pytest.mark.parametrize("name", catalogue.STUDIES)
def test_every_study_is_explained_in_a_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "--list"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.split()[0] == name)
    assert 20 < len(line) <= 120


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sharin"], "there is no study 'sharin'. Did you mean sharing?"),
        ([], "name a study, or all; there are: sharing"),
        (["sharing", "--seeds", "0"], "--seeds 0: give a whole number from 1 to 100"),
        (["sharing", "--data", "nowhere"], "--data nowhere: there is no such directory"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_runs(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", *arguments]) == 2
    assert sentence in capsys.readouterr().err
