"""The public names: sorted, all there, documented, and cheap to import."""

import inspect
import subprocess
import sys

import captioner


def test_the_public_names_are_sorted_and_complete() -> None:
    assert captioner.__all__ == sorted(captioner.__all__)
    assert set(captioner.__all__) == {
        "Alternative",
        "Caption",
        "Captioner",
        "CaptionerError",
        "DecodingOptions",
        "ImageError",
        "ImageLimits",
        "ModelError",
        "OutputError",
        "Translation",
        "Translator",
        "UsageError",
        "__version__",
        "load",
        "load_translator",
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
