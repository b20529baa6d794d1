"""The public names: sorted, complete, documented, and cheap to import; each is used once."""

import inspect
import subprocess
import sys
from pathlib import Path

import captioner


def test_the_public_names_are_sorted_and_complete() -> None:
    assert captioner.__all__ == sorted(captioner.__all__)
    assert set(captioner.__all__) == {
        "Alternative",
        "Caption",
        "Captioner",
        "CaptionerError",
        "DecodingOptions",
        "EvaluationOptions",
        "FolderOptions",
        "ImageError",
        "ImageLimits",
        "ModelError",
        "OutputError",
        "Translation",
        "Translator",
        "UsageError",
        "__version__",
        "caption_folder",
        "datasets",
        "evaluate",
        "load",
        "load_translator",
        "score",
    }


def test_every_public_name_is_there_and_documented() -> None:
    for name in captioner.__all__:
        thing = getattr(captioner, name)
        if name != "__version__":
            assert inspect.getdoc(thing), name
            for member, function in inspect.getmembers(thing, inspect.isfunction):
                if not member.startswith("_") and function.__module__.startswith("captioner"):
                    assert inspect.getdoc(function), f"{name}.{member}"
    assert set(captioner.__all__) <= set(dir(captioner))


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(captioner, "Captionr")


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, captioner; print(sorted({'torch', 'PIL', 'numpy', 'pydantic', 'nltk'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_photos_are_captioned_read_back_and_scored(
    small_checkpoint: Path, images: Path, coco: Path, tmp_path: Path
) -> None:
    model = captioner.load(small_checkpoint, device="cpu")
    output = tmp_path / "captions.jsonl"
    result = captioner.caption_folder(model, images, output=output)
    assert result.counts.captioned == 5
    people = captioner.datasets.read(coco)
    ids = {photo.file: photo.id for photo in people}
    written = {ids[Path(photo.file).name]: photo.captions[0] for photo in captioner.datasets.read(output)}
    scores = captioner.score(written, people.references())
    assert captioner.evaluate(model, people, images=images).scores.as_dict() == scores.as_dict()
    captioner.datasets.write(people, tmp_path / "copy.json", kind="coco")
    assert captioner.datasets.read(tmp_path / "copy.json").photos == people.photos
