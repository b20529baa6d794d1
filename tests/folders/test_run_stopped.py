"""Interrupted folder runs: killed, on a full disk, with a concurrent run, or stopped by the user."""

import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path

import pytest
from PIL import Image

from captioner.decoding import DecodingOptions
from captioner.files import locked
from captioner.folders import journal, receipts
from captioner.predict import Caption, PreparedPhoto
from tests.folder_runs import ALL, Fake, caption, names


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_that_was_killed_goes_on_and_ends_as_if_nothing_had_been(folder: Path, fake: Fake) -> None:
    words = ("--output", "c.jsonl", "--output", "c.csv", "--sidecar", "--batch-size", "2")
    caption(*words)
    expected = {path: path.read_bytes() for path in everything()}
    for existing in ("skip", "overwrite"):
        for path in [path for path in expected if path.suffix != ".jpg"]:
            path.unlink()
        if existing == "overwrite":
            Path("c.jsonl").write_bytes(expected[Path("c.jsonl")])
        killed_at_the_sixth_record(*words, "--existing", existing)
        left = Path("c.jsonl" if existing == "skip" else "c.jsonl.overwrite").read_bytes()
        assert left.count(b"\n") == 5
        assert not left.endswith(b"\n")
        assert not Path("c.csv").exists()
        assert caption(*words, "--existing", existing) == 1
        assert {path: path.read_bytes() for path in everything()} == expected


def everything() -> list[Path]:
    return [path for path in Path().rglob("*") if path.is_file()]


def killed_at_the_sixth_record(*words: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads: the child does not use them
        child = os.fork()
    if child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        return
    write = os.write

    def fatal(descriptor: int, data: bytes) -> int:
        if data.startswith(b'{"path": "photos/5.jpg"'):
            write(descriptor, data[:30])
            os._exit(9)
        return write(descriptor, data)

    journal.os.write = fatal  # type: ignore[assignment]
    caption(*words)
    os._exit(1)


def test_a_full_disk_stops_the_run_in_one_sentence(
    folder: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journal.os, "write", full)
        assert caption("--output", "c.jsonl") == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line
    assert Path("c.jsonl").read_bytes() == b""
    assert caption("--output", "c.jsonl") == 1


def test_the_second_run_on_an_output_is_refused(folder: Path, tmp_path: Path) -> None:
    code = "import sys; from captioner.cli import main; sys.exit(main(sys.argv[1:]))"
    with locked(tmp_path / "c.csv"):
        words = [sys.executable, "-c", code, "caption", "photos", "--output", "other.jsonl", "--output", "c.csv"]
        done = subprocess.run(
            words, capture_output=True, check=False, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        )
    assert done.returncode == 4
    assert b"c.csv: another run is writing it" in done.stderr
    assert not Path("other.jsonl").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
@pytest.mark.usefixtures("signals_heard")
def test_ctrl_c_finishes_what_was_started(
    folder: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = fake.caption_batch

    def interrupted(photos: Iterable[PreparedPhoto], options: DecodingOptions) -> list[Caption]:
        if fake.seen == 2:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0)
        return answer(photos, options)

    monkeypatch.setattr(fake, "caption_batch", interrupted)
    assert caption("--output", "c.jsonl", "--output", "c.csv", "--batch-size", "2", "--workers", "1") == 130
    done = names("c.jsonl")
    assert done == ALL[: len(done)]
    assert len(done) in {4, 6}  # the current batch, and the next one if it was already waiting
    assert len(Path("c.csv").read_text().splitlines()) == len(done) + 1
    assert "interrupted" in capsys.readouterr().err
    monkeypatch.setattr(fake, "caption_batch", answer)
    assert caption("--output", "c.jsonl", "--output", "c.csv") == 1
    assert names("c.jsonl") == ALL


def test_outputs_with_long_names_have_locks_of_their_own(tmp_path: Path) -> None:
    one, two = (tmp_path / f"{'captions-of-a-whole-archive' * 3}-{shard}.jsonl" for shard in (0, 1))
    with locked(one), locked(two):
        assert len(list(tmp_path.iterdir())) == 2


def test_a_run_that_goes_on_with_anothers_records_says_so(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    caption("--output", "c.jsonl")
    words = ("--output", "c.jsonl", "--existing", "overwrite")
    assert caption(*words, "--max-errors", "0", "--workers", "1", "--batch-size", "1") == 1
    capsys.readouterr()
    Path("c.jsonl.retry").write_text("of long ago")
    caption(*words)
    assert "resuming a stopped run with 4 records; to start over, delete c.jsonl.overwrite" in capsys.readouterr().err
    assert not Path("c.jsonl.retry").exists()


def test_results_that_are_kept_outlive_whoever_reads_along(
    folder: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(text: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("captioner.cli.caption.write_line", closed)
    monkeypatch.setattr("captioner.cli.caption.abandon_output", lambda: None)
    assert caption("--output", "c.jsonl", "--format", "text") == 1
    assert names("c.jsonl") == ALL
    assert caption() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_rerun_that_is_killed_at_any_step_ends_as_if_nothing_had_been(folder: Path, fake: Fake) -> None:
    """With new, repaired and replaced photos, kill the rerun inside each write and before each file is replaced."""
    words = ("--output", "c.jsonl", "--output", "c.csv", "--sidecar", "--batch-size", "2", "--retry-errors")
    caption(*words)
    for name, width in (("1.jpg", 91), ("3.jpg", 93), ("a.jpg", 100)):
        Image.new("RGB", (width, 8)).save(folder / name)
        os.utime(folder / name, (9, 9))
    start = contents()
    caption(*words)
    expected = results()
    step, killed = 0, True
    while killed:
        for path in everything():
            if path not in start:
                path.unlink()
        for path, content in start.items():
            path.write_bytes(content)
            if path.name in {"1.jpg", "3.jpg", "a.jpg"}:
                os.utime(path, (9, 9))
        killed = killed_at_step(step, *words)
        assert caption(*words) == 0
        assert results() == expected
        step += 1
    assert step >= 9


def results() -> dict[Path, bytes]:
    """All files except receipts, which may list more than needed, and temporary files left behind by a kill."""
    return {
        path: content for path, content in contents().items() if path.suffix != ".part" and path.name != receipts.NAME
    }


def contents() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in everything()}


def killed_at_step(step: int, *words: str) -> bool:
    """Run in a subprocess that is killed inside its write of that number, or before it replaces that file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    left, write, replace = [step], os.write, Path.replace

    def count() -> bool:
        left[0] -= 1
        return left[0] < 0

    def fatal_write(descriptor: int, data: bytes) -> int:
        if count():
            write(descriptor, data[: len(data) // 2])
            os._exit(9)
        return write(descriptor, data)

    def fatal_replace(path: Path, target: Path) -> Path:
        if count():
            os._exit(9)
        return replace(path, target)

    journal.os.write = fatal_write  # type: ignore[assignment]
    Path.replace = fatal_replace  # type: ignore[method-assign, assignment]
    caption(*words)
    os._exit(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_many_runs_at_once_in_one_folder_know_all_their_sidecars(folder: Path, fake: Fake) -> None:
    for number in range(10, 60):
        Image.new("RGB", (number, 8)).save(folder / f"{number}.jpg")
    for word in ("photo", "picture"):
        fake.word = word
        children = []
        for index in range(4):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                children.append(os.fork())
            if not children[-1]:
                os._exit(caption("--sidecar", "--existing", "overwrite", "--shard", f"{index}/4", "--batch-size", "1"))
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert sorted(codes) == [0, 0, 0, 1]
    texts = {path.read_text() for path in folder.glob("*.txt")}
    assert texts == {f"A picture {width} wide\n" for width in range(8, 60)}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows protects open files")
def test_results_that_are_deleted_during_the_run_are_missed_at_once(
    folder: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = fake.caption_batch

    def delete(photos: Iterable[PreparedPhoto], options: DecodingOptions) -> list[Caption]:
        if fake.seen == 4:
            shutil.rmtree("out")
        return whole(photos, options)

    words = ("--output", "out/c.csv", "--batch-size", "1", "--workers", "1")
    with monkeypatch.context() as patch:
        patch.setattr(fake, "caption_batch", delete)
        assert caption(*words) == 4
    assert "out/c.csv.journal.jsonl: another program deleted, replaced or shortened it" in capsys.readouterr().err
    assert caption(*words) == 1
    assert len(names("out/c.csv.journal.jsonl")) == 10
