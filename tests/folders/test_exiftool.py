"""ExifTool as a process: where it is missing, ends, or outlives its parent, and what a kill leaves behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from captioner.folders import exiftool as module
from captioner.folders.exiftool import ExifTool, ExifToolError
from tests.folder_runs import Fake, caption
from tests.folders.test_metadata import write
from tests.metadata_files import descriptions, needs_exiftool, save

PICTURE = Image.radial_gradient("L").convert("RGB").resize((64, 48))


def test_where_it_is_missing_or_old_it_is_said_before_the_work(
    folder: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs = folder.parent / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    assert caption("--write-metadata", "--output", "c.jsonl") == 2
    assert (
        "ExifTool is required for metadata, but is not installed; install it with: apt install"
        in capsys.readouterr().err
    )
    program = programs / "exiftool"
    for script, sentence in (
        ("echo 11.88", "is version 11.88, but 12.40 or newer is required"),
        ("exit 1", "does not start"),
    ):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        assert caption("--write-metadata", "--output", "c.jsonl") == 2
        assert sentence in capsys.readouterr().err
    assert fake.seen == 0
    assert not Path("c.jsonl").exists()


@needs_exiftool
def test_one_that_ends_is_started_again(tmp_path: Path) -> None:
    path = save(PICTURE, tmp_path / "a.jpg")
    with ExifTool() as program:
        assert program.read(path, ["FileType"])["File:FileType"] == "JPEG"
        os.killpg(program._process.pid, signal.SIGKILL)
        with pytest.raises(ExifToolError, match="ExifTool stopped"):
            program.read(path, ["FileType"])
        assert program.read(path, ["FileType"])["File:FileType"] == "JPEG"


@needs_exiftool
def test_one_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(PICTURE, tmp_path / "a.jpg")
    with ExifTool() as program:
        program.read(path, ["FileType"])
        os.killpg(program._process.pid, signal.SIGSTOP)
        monkeypatch.setattr(module, "_LONGEST", 0.2)
        with pytest.raises(ExifToolError, match=r"took more than 0\.2 seconds"):
            program.read(path, ["FileType"])


WRITING = """
import sys
from pathlib import Path
from captioner.folders.exiftool import ExifTool
from captioner.folders.finding import Found
from captioner.folders.metadata import Metadata, MetadataOptions
from captioner.folders.receipts import Receipts

with ExifTool() as program:
    metadata = Metadata(MetadataOptions(target="photo"), program, Receipts())
    for number in range(10**6):
        row = {"caption": f"A dog {sys.argv[2]} {number}.", "language": "en", "error": None}
        metadata.write(Found(sys.argv[1], ""), row)
        print(program._process.pid, flush=True)
"""


@needs_exiftool
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for a process as Linux shows it")
def test_a_kill_leaves_a_whole_photo_and_no_process(tmp_path: Path) -> None:
    path = save(PICTURE, tmp_path / "a.jpg")
    scan = path.read_bytes()[path.read_bytes().index(b"\xff\xda") :]
    for delay in (0.0, 0.004, 0.011):
        command = [sys.executable, "-c", WRITING, str(path), str(delay)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            program = int(process.stdout.readline())
            time.sleep(delay)
            process.kill()
        assert path.read_bytes().endswith(scan)
        (text,) = descriptions(path)
        assert text.startswith("A dog ")
        assert gone(program)
    assert write(path, "A cat.") == "written"
    assert descriptions(path) == {"A cat."}
    assert {file.name for file in tmp_path.iterdir()} == {"a.jpg", ".captioner.jsonl"}


def gone(process: int) -> bool:
    """Whether a process ends within some seconds; one that nobody has buried has ended."""
    status = Path(f"/proc/{process}/stat")
    for _ in range(100):
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False
