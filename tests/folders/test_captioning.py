"""Folder runs from Python: what `caption_folder` does, reports and writes."""

from pathlib import Path

import pytest

import captioner
from captioner import DecodingOptions, UsageError
from captioner.folders.captioning import FolderOptions, Step, caption_folder
from captioner.folders.finding import Photos
from captioner.folders.sidecars import Sidecars
from tests.folder_runs import ALL, Fake, caption, names


def test_python_does_what_the_verb_does(folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert caption("--output", "verb.jsonl", "--output", "verb.csv", "--prefix", "Look: ", "--beam-size", "2") == 1
    capsys.readouterr()
    search = DecodingOptions(beam_size=2, max_length=20, length_penalty=0.7, no_repeat_ngram=2)
    options = FolderOptions(prefix="Look: ", search=search)
    result = caption_folder(None, "photos", options, output=["python.jsonl", Path("python.csv")])
    assert capsys.readouterr() == ("", "")
    assert Path("python.csv").read_bytes() == Path("verb.csv").read_bytes()
    assert names("python.jsonl") == ALL
    assert (result.counts.captioned, result.counts.failed, result.total, result.complete) == (9, 1, 10, True)
    assert result.journal == Path("python.jsonl")


def test_a_run_that_was_stopped_is_continued(folder: Path, fake: Fake) -> None:
    steps: list[Step] = []
    options = FolderOptions(batch_size=2, workers=1)

    def run(stop_after: int) -> bool:
        result = caption_folder(
            None, "photos", options, output="c.jsonl", progress=steps.append, stop=lambda: len(steps) >= stop_after
        )
        return result.complete

    assert not run(4)
    assert steps[0].record is None
    before = names("c.jsonl")
    assert 3 <= len(before) < 10
    assert [Path(step.record["path"]).name for step in steps if step.record] == before
    seen = fake.seen
    assert run(99)
    assert sorted(names("c.jsonl")) == ALL
    assert seen < fake.seen == 9  # 3.jpg is damaged, and no photo is captioned twice
    assert steps[-1].total == 10
    assert steps[-1].counts.skipped == len(before)


def test_a_search_that_is_stopped_writes_nothing(folder: Path, fake: Fake) -> None:
    result = caption_folder(None, "photos", output="c.jsonl", stop=lambda: True)
    assert (result.complete, result.total) == (False, 0)
    assert not Path("c.jsonl").exists()


def test_a_dry_run_names_the_photos(folder: Path, fake: Fake) -> None:
    steps: list[Step] = []
    options = FolderOptions(dry_run=True)
    photos = Photos(arguments=["photos"], exclude=["3.jpg"])
    caption_folder(None, photos, options, output="c.jsonl", progress=steps.append)
    assert [Path(step.record["path"]).name for step in steps if step.record] == [
        name for name in ALL if name != "3.jpg"
    ]
    assert fake.seen == 0
    assert not Path("c.jsonl").exists()


def test_a_loaded_model_captions_and_keeps_its_language(
    small_checkpoint: Path, photos: dict[str, Path], tmp_path: Path
) -> None:
    model = captioner.load(small_checkpoint, device="cpu")
    texts = tmp_path / "texts"
    options = FolderOptions(sidecars=Sidecars(directory=texts))
    assert caption_folder(model, [photos["coffee"]], options).counts.captioned == 1
    assert (texts / "coffee.txt").read_text().strip() == model.caption(photos["coffee"]).text
    with pytest.raises(UsageError, match="was loaded for language 'en', not 'de'"):
        caption_folder(model, photos["coffee"], FolderOptions(language="de"))


def test_a_loaded_model_resumes_what_its_name_began_and_no_other_precision(
    small_checkpoint: Path, photos: dict[str, Path], tmp_path: Path
) -> None:
    output = tmp_path / "c.jsonl"
    assert caption_folder(small_checkpoint, photos["coffee"], output=output).counts.captioned == 1
    model = captioner.load(small_checkpoint, device="cpu")
    result = caption_folder(model, [photos["coffee"], photos["rocket"]], output=output)
    assert (result.counts.captioned, result.counts.skipped) == (1, 1)
    with pytest.raises(UsageError, match="precision 'auto', not 'float32'"):
        caption_folder(small_checkpoint, photos["coffee"], FolderOptions(precision="float32"), output=output)


def test_where_there_is_no_photo_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    with pytest.raises(UsageError, match=r"no photos found; 1 folder not searched"):
        caption_folder(None, tmp_path)
    with pytest.raises(UsageError, match=r"no photos found; it contains no files"):
        caption_folder(None, tmp_path, recursive=True)
