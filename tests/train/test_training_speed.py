"""The benchmark of a training step: the implementations compared must do the same work. Nothing here measures time."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from captioner.config import ModelConfig
from train.__main__ import main
from train.benchmark import training
from train.benchmark.training import VARIANTS, Sizes, Trial

SIZES = Sizes(photos=3, captions=2, tokens=4, cells=9, channels=20)

RESULT = {
    "captions_per_second": {"shared": 80.0, "copied": 40.0, "single": 8.0},
    "peak_memory_mb": {"shared": 300.0, "copied": 400.0, "single": 200.0},
}


@pytest.fixture
def trial(small_config: ModelConfig) -> Callable[[str, Sizes], Trial]:
    return lambda variant, sizes: Trial(variant, small_config.decoder, sizes)


def test_ways_that_share_a_batch_learn_the_same(trial: Callable[[str, Sizes], Trial]) -> None:
    shared, copied = trial("shared", SIZES), trial("copied", SIZES)
    assert shared.run() == pytest.approx(copied.run(), abs=1e-6)
    for ours, theirs in zip(shared.decoder.parameters(), copied.decoder.parameters(), strict=True):
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-6)
    assert shared.captions == copied.captions == 6


def test_single_captions_are_those_of_the_batch(trial: Callable[[str, Sizes], Trial]) -> None:
    one = dataclasses.replace(SIZES, captions=1)
    shared, single = trial("shared", one), trial("single", one)
    for group in single.optimizer.param_groups:  # no step between captions, which would change the next loss
        group["lr"] = 0.0
    assert shared.run() == pytest.approx(single.run(), abs=1e-6)
    assert len(single.parts) == shared.captions == 3


def test_every_step_changes_the_weights(trial: Callable[[str, Sizes], Trial]) -> None:
    for variant in VARIANTS:
        one = trial(variant, SIZES)
        before = [parameter.clone() for parameter in one.decoder.parameters()]
        one.run()
        assert not any(torch.equal(a, b) for a, b in zip(before, one.decoder.parameters(), strict=True))


def test_the_table_says_how_many_times_as_fast(small_config: ModelConfig) -> None:
    assert set(training.measure(small_config.decoder, SIZES, rounds=1)) == set(VARIANTS)
    assert training.to_table(RESULT).splitlines()[3].split() == ["single", "8.0", "10.00", "×", "200", "MB"]


def test_what_was_measured_is_printed_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training, "compare", lambda threads: RESULT | {"threads": threads})
    assert main(["benchmark", "--training", "--threads", "3", "--json", str(tmp_path / "speed.json")]) == 0
    assert json.loads((tmp_path / "speed.json").read_text()) == RESULT | {"threads": 3}
    assert training.to_table(RESULT) in capsys.readouterr().out


def test_mistakes_are_told_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training, "compare", lambda _: pytest.fail("measured"))
    assert main(["benchmark", "--training", "--threads", "0"]) == 2
    assert "--threads 0: at least 1 is needed" in capsys.readouterr().err
    assert main(["benchmark", "--threads", "2"]) == 2
    assert "--threads does nothing without --training" in capsys.readouterr().err
    assert main(["benchmark", "--training", "--photos", str(tmp_path)]) == 2
    assert "--training measures only a training step" in capsys.readouterr().err
    assert main(["benchmark", "--training", "--json", str(tmp_path / "none" / "speed.json")]) == 4
    assert "speed.json: cannot be written (no such directory)" in capsys.readouterr().err
