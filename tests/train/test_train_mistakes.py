"""Mistakes in a run's data and settings are reported in one sentence."""

import errno
import gzip
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import train.photos.data
from captioner.datasets import CaptionedPhoto
from captioner.errors import ImageError, OutputError, UsageError
from captioner.images import Photo, open_image
from tests.sentence_pairs import write_descriptions
from tests.training_runs import fit, steps
from train.__main__ import main
from train.photos.config import DataSettings
from train.photos.data import load_photos, new_array, read_splits, read_texts
from train.sentences.pairs import read_lines


def test_a_run_that_diverges_stops_with_a_sentence(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(data, tmp_path, "--set", "phase.0.learning_rate=1e30") == 1
    assert "the loss is NaN or infinite; lower the learning rates of phase decoder" in capsys.readouterr().err


def test_resuming_nothing_is_said(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(data, tmp_path / "none", "--resume", "--set", "data.root=/nowhere") == 2  # before any data is read
    assert "none: contains no saved state to resume from; start the run without --resume" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    (tmp_path / "state.safetensors").write_bytes(b"no state")
    assert fit(data, tmp_path, "--resume") == 2
    assert "not a readable training state" in capsys.readouterr().err


@pytest.mark.parametrize(("capability", "said"), [("AVX2", True), ("AVX512", False)])
def test_a_processor_that_is_slow_at_bf16_is_named(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    capability: str,
    said: bool,
) -> None:
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for precision in ("bf16", "float32"):
        assert fit(data, tmp_path, "--resume", "--set", f"training.precision={precision}") == 2  # nothing to resume
        told = "--set training.precision=float32 is faster" in capsys.readouterr().err
        assert told == (said and precision == "bf16")


def test_a_broken_photo_is_named_and_skipped(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(data, tmp_path, "--set", "phase.0.epochs=1") == 0
    skipped = [line for line in capsys.readouterr().err.splitlines() if line.startswith("skipped: ")]
    assert len(skipped) == 1
    assert "broken.png" in skipped[0]


def test_my_photos_are_trained_on_from_a_table(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "images").symlink_to(data / "images")
    names = [path.name for path in sorted((data / "images").iterdir())]
    lines = [f"{name},a photo of {name.split('-')[0]},{'train' if '-0' in name else 'dev'}" for name in names]
    text = "\n".join(["file,caption,split", *lines, "coffee-0.png,a cup, of coffee,train"])
    (tmp_path / "captions.csv").write_text(text)
    assert fit(data, tmp_path / "out", "--set", f"data.root={tmp_path}", "--set", "phase.0.epochs=1") == 0
    err = capsys.readouterr().err
    assert f"skipped: {tmp_path / 'captions.csv'}, line {len(names) + 2} has too many fields" in err
    assert "broken.png" in err
    assert "2 photos or captions skipped in total." in err
    (tmp_path / "captions.jsonl").touch()
    assert fit(data, tmp_path / "other", "--set", f"data.root={tmp_path}") == 2
    assert "several caption files (captions.csv, captions.jsonl)" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_photos_may_be_in_another_folder(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "captions.txt").write_text(
        "image,caption,split\ncoffee-0.png,a cup,train\ncoffee-1.png,cups,dev\nrocket-0.png,up,train\n"
    )
    root = ("--set", f"data.root={tmp_path}", "--set", "phase.0.epochs=1", "--set", "data.min_count=1")
    assert fit(data, tmp_path / "none", *root) == 2
    assert "if the photos are elsewhere, use --set data.images=DIR" in capsys.readouterr().err
    assert fit(data, tmp_path / "out", *root, "--set", f"data.images={data / 'images'}") == 0
    config = json.loads((tmp_path / "out" / "best" / "config.json").read_text())
    assert config["training"]["photos"] == 2
    assert "images" not in config["training"]["config"]["data"]  # a path on this machine, which may change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.root=", "data.root is not set"),
        ("data.root=/nowhere", "/nowhere"),
        ("decoder.cel=lstm", "unknown key 'decoder.cel'"),
        ("decoder.heads=7", "hidden_size 16 is not a multiple of heads 7"),
        ("text.tokens=char", "no_repeat_ngram counts tokens, which are characters here; set it to 0"),
        ("data.min_count=99", "no word occurs in 99 captions"),
        ('phase=[{name="read", epochs=1, objective="text"}]', "phase read reads captions without photos"),
        ("training.seed=20261127120000", "training.seed"),
        ("phase.0.learning_rate=inf", "phase.0.learning_rate"),
        ("encoder.weights=none.safetensors", "none.safetensors cannot be read"),
        ("encoder.backbone=resnet18", "not weights of resnet18"),
    ],
)
def test_mistakes_are_told_before_anything_runs(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, message: str
) -> None:
    assert fit(data, tmp_path / "out", "--set", change) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_a_warm_up_longer_than_its_phase_is_shortened_and_told(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    phase = '{name="short", epochs=2, batch_size=3, warmup=100}, {name="read", objective="text", epochs=1, warmup=3}'
    (tmp_path / "texts.txt").write_text("a dog runs\n" * 7)
    more = [f"phase=[{phase}]", "data.limit=4", f'data.text=["{tmp_path / "texts.txt"}"]']
    assert fit(data, tmp_path / "out", *(word for one in more for word in ("--set", one))) == 0
    err = capsys.readouterr().err
    assert (
        "phase short has 4 steps, too few for a warm-up of 100; the warm-up is shortened to 1 (--set phase.0.warmup=1)"
        in err
    )
    assert "phase read has 1 steps" in err
    assert [step["rate"] for step in steps(tmp_path / "out")][:3] == pytest.approx([1, 1, 0.75])


def test_what_the_system_refuses_is_not_always_a_file_to_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_descriptions(tmp_path / "task2", {"train": ["A dog."]}, "en")
    (tmp_path / "captions.json").write_text('[{"file": "1_a.jpg", "split": "dev", "captions": ["A bird."]}]')
    out = tmp_path / "none" / "texts.txt"
    command = ["multi30k", "texts", str(out), "--data", str(tmp_path), "--held-out", str(tmp_path)]
    assert main(command) == 2
    assert capsys.readouterr().err == f"train: {out}: No such file or directory.\n"
    out.parent.mkdir()
    out.touch()
    assert main(command) == 4
    assert "texts.txt: cannot be written (File exists)" in capsys.readouterr().err


def test_texts_that_hold_nothing_are_told(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = tmp_path / "texts.jsonl"
    for content, message in (
        ("", "phase read reads captions without photos, but data.text contains none"),
        ('{"captions": "A dog runs."}', "contains no readable captions"),
        ('{"captions": [null]}', "contains no readable captions"),
    ):
        texts.write_text(content)
        change = 'phase=[{name="read", epochs=1, objective="text"}]', f'data.text=["{texts}"]'
        assert fit(data, tmp_path / "out", *(word for one in change for word in ("--set", one))) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("damage", [slice(0, 30), slice(20, None)])
def test_a_damaged_gz_is_a_sentence(tmp_path: Path, damage: slice) -> None:
    content = gzip.compress(b"a dog runs on the beach\n" * 9)
    (tmp_path / "texts.gz").write_bytes(content[:12] + content[damage])
    with pytest.raises(UsageError, match="contains no readable captions"):
        read_texts([str(tmp_path / "texts.gz")])
    (tmp_path / "train.en.gz").write_bytes(content[:12] + content[damage])
    with pytest.raises(UsageError, match="cannot be read"):
        read_lines(tmp_path, "train.en")


def test_what_was_left_out_is_told_where_too_little_is_left(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "captions.csv").write_text("file,caption\na.png,a cup\nb.png,a cup, of tea\n")
    assert fit(data, tmp_path / "out", "--set", f"data.root={tmp_path}") == 2
    err = capsys.readouterr().err
    assert "line 3 has too many fields" in err
    assert "too few photos (1)" in err


def test_a_photo_that_is_readable_again_is_taken(
    tmp_path: Path, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [CaptionedPhoto(id=path.name, file=path.name, captions=("a",)) for path in photos.values()]
    for path in photos.values():
        shutil.copy(path, tmp_path)
    found = []
    for refused in ("coffee", "nothing"):

        def opening(file: Path, refused: str = refused, **more: int) -> Photo:
            if refused in file.name:
                raise ImageError(f"{file}: Permission denied.")
            return open_image(file, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(train.photos.data, "open_image", opening)
        found.append(load_photos(records, tmp_path, size=8, cache=tmp_path / "cache", name="train"))
    assert [len(one) for one in found] == [len(photos) - 1, len(photos)]


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot reserve room")
def test_a_full_disk_is_told_before_it_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match=r"no space for 0 MB \(No space left on device\); choose another directory"):
        new_array(tmp_path / "a.npy", np.uint8, (3, 4))


def test_weights_are_looked_for_before_photos_are_decoded(data: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    change = ["--set", f"data.cache={cache}", "--set", "encoder.weights=none.safetensors"]
    assert fit(data, tmp_path / "out", *change) == 2
    assert not cache.exists()


def test_captions_without_a_word_are_named_and_neither_learned_nor_measured(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images").symlink_to(data / "images")
    rows = [
        {"file": "coffee-0.png", "split": "train", "captions": ["a cup", "..."]},
        {"file": "rocket-0.png", "split": "train", "captions": ["!"]},
        {"file": "coffee-1.png", "split": "dev", "captions": ["a cup", "?"]},
        {"file": "rocket-1.png", "split": "dev", "captions": ["--"]},
        {"file": "a\0name.png", "split": "dev", "captions": ["no name"]},
    ]
    (tmp_path / "captions.json").write_text(json.dumps(rows))
    root = ("--set", f"data.root={tmp_path}", "--set", "phase.0.epochs=1")
    assert fit(data, tmp_path / "out", *root) == 0
    err = capsys.readouterr().err
    for row, caption in ((0, "..."), (1, "!"), (2, "?"), (3, "--")):
        assert f"skipped: {rows[row]['file']}: the caption {caption!r} contains no word." in err
    assert "5 photos or captions skipped in total." in err
    assert "CIDEr-D of a single validation photo is always 0; use --set training.select_by=Bleu_4" in err
    config = json.loads((tmp_path / "out" / "best" / "config.json").read_text())
    assert (config["training"]["photos"], config["training"]["captions"]) == (1, 1)
    (tmp_path / "captions.json").write_text(json.dumps([rows[0], rows[3]]))
    assert fit(data, tmp_path / "other", *root) == 2
    assert "validation: no caption contains a word" in capsys.readouterr().err


def test_further_photos_are_none_to_validate_or_test_on(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ours", "further"):
        shutil.copytree(data / "images", tmp_path / name / "images")
    (tmp_path / "ours" / "captions.csv").write_text(
        "file,caption,split\ncoffee-0.png,a "
        "cup,train\ncoffee-1.png,cups,dev\nrocket-1.png,up,test\nrocket-0.png,it,unused"
    )
    further = tmp_path / "further" / "captions.csv"
    further.write_text("file,caption\ncoffee-1.png,a cup\nrocket-1.png,a rocket\nrocket-0.png,a rocket")
    settings = DataSettings(root=str(tmp_path / "ours"), also=(str(further),))
    problems: list[str] = []
    assert [Path(photo.file).name for photo in read_splits(settings, problems)["train"]] == [
        "coffee-0.png",
        "rocket-0.png",
    ]
    assert len(problems) == 2
    assert "photo 'rocket-1.png' for validation or testing in" in problems[1]
    with pytest.raises(UsageError, match=r"2 photos .* for validation or testing in"):
        read_splits(settings)


def test_photos_of_a_further_validation_file_are_not_learned_from(data: Path, tmp_path: Path) -> None:
    for name in ("ours", "further"):
        shutil.copytree(data / "images", tmp_path / name / "images")
    (tmp_path / "ours" / "captions.csv").write_text(
        "file,caption,split\ncoffee-0.png,a cup,train\ncoffee-1.png,cups,dev"
    )
    also, measured = tmp_path / "further" / "captions.csv", tmp_path / "further" / "dev.csv"
    also.write_text("file,caption\nrocket-1.png,a rocket\nrocket-0.png,a rocket")
    measured.write_text("file,caption\nrocket-1.png,a rocket")
    settings = DataSettings(root=str(tmp_path / "ours"), also=(str(also),), validation=(str(measured),))
    problems: list[str] = []
    splits = read_splits(settings, problems)
    assert {name: [Path(photo.file).name for photo in photos] for name, photos in splits.items()} == {
        "train": ["coffee-0.png", "rocket-0.png"],
        "validation": ["coffee-1.png"],
        "further": ["rocket-1.png"],
    }
    assert "photo 'rocket-1.png' for validation or testing in" in problems[0]


def test_torn_files_of_other_runs_leave_the_cache_after_a_day(data: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    old, new, other = (
        cache / name for name in (".pixels-1.npy.0a0a0a0a.part", ".features-2.npy.1b1b1b1b.part", ".x.part")
    )
    for path in (old, new, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (0, 0))
    assert fit(data, tmp_path / "out", "--set", f"data.cache={cache}", "--set", "data.min_count=99") == 2
    assert not old.exists()
    assert new.exists()
    assert other.exists()
