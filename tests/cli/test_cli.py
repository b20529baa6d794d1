"""The command line: outputs, exit codes, and no heavy imports before they are needed."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from captioner import __version__, checkpoint
from captioner.cli import main
from captioner.cli.options import LIMIT_FLAGS, PHOTO_EN
from captioner.config import to_mapping
from captioner.images import ImageLimits
from tests.folder_runs import Fake

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
KEYS = ["path", "caption", "log_prob", "confidence", "captions", "language", "source", "width", "height", "error"]


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"this is not a photo")
    return path


def test_one_photo_gives_the_sentence_alone(photos: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["caption", str(photos["chelsea"])]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert "\t" not in out
    assert out.endswith(".\n")
    assert err == ""


def test_several_photos_give_path_and_sentence(photos: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(path) for path in photos.values()]
    assert main(["caption", *paths]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == paths


def test_a_broken_photo_gets_its_record_and_stops_nobody(
    photos: dict[str, Path], broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(photos["chelsea"]), str(broken), str(photos["rocket"])]
    assert main(["caption", *paths, "--format", "jsonl"]) == 1
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [list(record) for record in records] == [KEYS] * 3
    assert [record["path"] for record in records] == paths
    assert records[0]["error"] is None
    assert records[0]["captions"][0] == {"caption": records[0]["caption"], "log_prob": records[0]["log_prob"]}
    assert (records[2]["width"], records[2]["height"]) == (640, 427)
    assert {key: value for key, value in records[1].items() if key not in {"path", "error"}} == dict.fromkeys(
        [key for key in KEYS if key not in {"path", "error"}]
    )
    assert "broken.jpg" in records[1]["error"]


def test_in_text_a_broken_photo_is_told_on_standard_error(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["caption", str(broken), str(broken.with_name("none.jpg"))]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 2


def test_more_captions_widen_the_beam(photos: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["caption", str(photos["coffee"]), "--num-captions", "6"]) == 0
    assert len(set(capsys.readouterr().out.splitlines())) == 6


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "the following arguments are required: COMMAND"),
        (["caption"], 2, "PATH"),
        (
            ["caption", "x.jpg", "--beam-size", "0"],
            2,
            "search options: beam_size is 0; give a whole number from 1 to 100.",
        ),
        (
            ["caption", "x.jpg", "--beam-size", "2", "--num-captions", "3"],
            2,
            "num_captions 3 is larger than beam_size 2",
        ),
        (["caption", "x.jpg", "--batch-size", "0"], 2, "0 is too small; give at least 1"),
        (["caption", "x.jpg", "--format", "xml"], 2, "xml"),
        (["caption", "x.jpg", "--model", "photo-xx"], 3, "photo-xx: no such checkpoint directory or embedded model"),
        (["caption", "-", "-"], 2, "give it only once"),
        (["info", "photo-xx"], 3, "photo-xx"),
        (["evaluate", "--annotations", "none.json"], 2, "give --images DIR to caption photos, or --results FILE"),
        (["evaluate", "--annotations", "none.json", "--results", "r.json"], 2, "none.json"),
    ],
)
def test_mistakes_end_with_their_code_and_one_message(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "Traceback" not in err


def test_a_photo_from_standard_input(
    photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(photos["rocket"].read_bytes())))
    assert main(["caption", "-", "--format", "jsonl"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["path"] == "-"
    assert record["width"] == 640


def test_names_in_any_alphabet_can_be_printed(
    photos: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "日本.png"
    path.write_bytes(photos["coffee"].read_bytes())
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))
    assert main(["caption", str(path), str(path)]) == 0
    sys.stdout.flush()
    assert written.getvalue().decode().startswith(f"{path}\t")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a Unix shell")
@pytest.mark.parametrize(("closing", "code"), [(">&-", 4), ("<&-", 2)])
def test_closed_streams_are_one_sentence(photos: dict[str, Path], closing: str, code: int) -> None:
    photo = photos["coffee"] if closing == ">&-" else "-"
    line = f"{sys.executable} -m captioner caption '{photo}' {closing}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, env=ENVIRONMENT, check=False)
    assert done.returncode == code
    assert done.stderr.count(b"\n") == 1


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="names are text there")
def test_a_name_that_is_not_utf8_survives(
    photos: dict[str, Path], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Path(os.fsdecode(name)).write_bytes(photos["coffee"].read_bytes())
    assert main(["caption", os.fsdecode(name), str(photos["coffee"])]) == 0
    assert capfdbinary.readouterr().out.split(b"\t")[0] == name
    assert main(["caption", os.fsdecode(name), "--format", "jsonl"]) == 0
    assert os.fsencode(json.loads(capfdbinary.readouterr().out)["path"]) == name


@pytest.mark.skipif(sys.platform == "win32", reason="needs a Unix shell")
def test_a_closed_pipe_ends_quietly(photos: dict[str, Path]) -> None:
    paths = [str(photos["chelsea"])] * 6
    words = [sys.executable, "-m", "captioner", "caption", *paths, "--batch-size", "1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_sentence(photos: dict[str, Path]) -> None:
    words = [sys.executable, "-m", "captioner", "caption", str(photos["chelsea"])]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False)
    assert done.returncode == 4
    assert done.stderr.decode().count("\n") == 1
    assert b"cannot be written" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
@pytest.mark.usefixtures("signals_heard")
def test_an_interrupt_ends_with_130(photos: dict[str, Path]) -> None:
    words = [sys.executable, "-m", "captioner", "caption", *[str(photos["chelsea"])] * 500, "--batch-size", "1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert out == b"" or out.endswith(b"\n")  # no partial line


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(flag: str) -> None:
    code = (
        "import sys; from captioner.cli import main; main(sys.argv[1:]);"
        "sys.exit(bool({'torch', 'PIL', 'numpy', 'nltk', 'pydantic', 'tqdm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, flag], capture_output=True, check=False)
    assert done.returncode == 0
    assert (b"caption" if flag == "--help" else __version__.encode()) in done.stdout


@pytest.mark.parametrize(
    "words",
    [["info"], ["caption", "a.jpg", "--model", "none"], ["evaluate", "--annotations", "none.json", "--images", "."]],
)
def test_what_needs_no_model_does_not_wait_for_torch(words: list[str], tmp_path: Path) -> None:
    code = "import sys; from captioner.cli import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0


def test_the_exit_does_not_wait_for_garbage_collection() -> None:
    code = """import atexit, gc, sys; from captioner.cli import run
atexit.register(lambda: print(len(gc.get_objects())))
sys.exit(run())"""
    words = [sys.executable, "-c", code, "--version"]
    done = subprocess.run(words, capture_output=True, check=True, text=True)
    version, left = done.stdout.splitlines()
    assert version.endswith(__version__)
    assert int(left) < 1000


def test_whoever_wants_to_train_is_told_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "fit", "x.toml"]) == 2
    assert main(["--help"]) == 0
    out, err = capsys.readouterr()
    for text in (out, err):
        assert "run python -m train in a checkout of the repository" in text


def test_help_shows_the_embedded_models_own_defaults() -> None:
    defaults = to_mapping(checkpoint.read().decoding)
    assert {name: defaults[name] for name in PHOTO_EN} == PHOTO_EN


def test_help_shows_the_limits_on_photos() -> None:
    assert {name: default for name, (_, default) in LIMIT_FLAGS.items()} == {
        name: getattr(ImageLimits(), name) for name in LIMIT_FLAGS
    }


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--max-pixels", "63"], "8 × 8 pixels, more than"),
        (["--max-bytes", "100"], "it is larger than the limit of 0.0001 MB"),
        (["--max-memory", "1k"], "decoding it would take"),
        (["--max-pixels", "64", "--max-bytes", "1M", "--max-memory", "1G"], ""),
    ],
)
def test_limits_on_photos_are_options(
    fake: Fake, folder: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["caption", "photos/0.jpg", *words]) == bool(sentence)
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("value", ["0", "-1", "M", "1.5M", "many", ""])
def test_limits_on_photos_that_are_none(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["caption", "a.jpg", "--max-pixels", value]) == 2
    assert "--max-pixels" in capsys.readouterr().err


def test_info_says_what_the_model_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--format", "json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["parameters"]["total"] > 1_000_000
    assert facts["files"]["model.safetensors"]["sha256"]
    assert facts["architecture"]["encoder"]["backbone"] == "efficientnet_v2_b0"
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    for word in ("efficientnet_v2_b0", "lstm", "Bleu_4", "sha256", "vocabulary"):
        assert word in out
    assert max(map(len, out.splitlines())) < 400  # nested facts are printed as a tree


def test_names_that_no_file_can_have_are_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "x" * 300]) == 3
    assert "no such checkpoint directory or embedded model" in capsys.readouterr().err
    assert main(["caption", "", "--sidecar"]) == 2
    assert "a PATH is empty; check for an unset shell variable." in capsys.readouterr().err
    for wrong in (["--batch-size", "x"], ["--workers", "1.5"]):
        assert main(["caption", "a.jpg", *wrong]) == 2
        assert f"{wrong[1]!r} is not a whole number" in capsys.readouterr().err
    assert main(["caption", "a.jpg", "--sidecar", "--sidecar-dir", "y" * 300]) == 4
    assert "a.txt: File name too long." in capsys.readouterr().err


def test_a_pattern_with_one_match_still_names_it(
    photos: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(photos["chelsea"], tmp_path / "chelsea.png")
    assert main(["caption", str(tmp_path / "chel*.png")]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'chelsea.png'}\t")
