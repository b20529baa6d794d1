"""The journal: if a run is killed, nothing is lost or duplicated, and the order is kept."""

import errno
import json
import os
import random
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

from captioner.errors import OutputError
from captioner.files import locked
from captioner.folders import journal as module
from captioner.folders.journal import Journal, merged


def row(path: str, caption: str | None = "A dog.") -> dict[str, object]:
    return {"path": path, "caption": caption, "error": None if caption else "broken"}


def paths(journal: Journal) -> list[str]:
    return [record["path"] for record in journal]


def test_records_are_read_back_by_path(tmp_path: Path) -> None:
    names = ["a.jpg", "new\nline.jpg", os.fsdecode(b"caf\xe9.jpg"), "日本.jpg"]
    with Journal(tmp_path / "sub" / "j.jsonl") as journal:
        for name in names:
            journal.append(row(name, None if name == "a.jpg" else "A dog."))
    again = Journal(tmp_path / "sub" / "j.jsonl")
    assert paths(again) == names
    assert [again.row(name)["path"] for name in names] == names
    assert names[2] in again
    assert "none.jpg" not in again
    assert again.failed == {"a.jpg"}
    assert (tmp_path / "sub" / "j.jsonl").read_bytes().count(b"\n") == 4


@pytest.mark.parametrize(
    "torn",
    [
        b"{",
        b'{"path": "b.jpg", "capt',
        b'{"path": "b.jpg", "caption": "A dog.", "error": null',
        b'{"path": "b.jp' + bytes(99),  # as after a power failure
        bytes(99),
    ],
)
def test_a_torn_last_line_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        journal.append(row("a.jpg"))
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert paths(Journal(path)) == ["a.jpg"]
    assert path.read_bytes() == whole + torn  # reading changes nothing
    with Journal(path) as journal:
        journal.append(row("b.jpg"))
    assert paths(Journal(path)) == ["a.jpg", "b.jpg"]


def test_a_whole_last_record_without_its_line_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    path.write_text(f"{json.dumps(row('a.jpg'))}\n{json.dumps(row('b.jpg'))}")
    with Journal(path) as journal:
        assert paths(journal) == ["a.jpg", "b.jpg"]
        journal.append(row("c.jpg"))
    assert paths(Journal(path)) == ["a.jpg", "b.jpg", "c.jpg"]
    assert path.read_bytes().count(b"\n") == 3


def test_the_first_record_says_how_all_were_made_and_merging_keeps_it_there(tmp_path: Path) -> None:
    made = {"folder": ".", "language": "de", "model": "small"}
    with Journal(tmp_path / "old.jsonl", made) as old, Journal(tmp_path / "new.jsonl", made) as new:
        for name in "abc":
            old.append(row(name))
        new.append(row("a", "New."))
    found = list(merged(old, new))
    assert [record.get("made") for record in found] == [made, None, None]
    assert found[0]["caption"] == "New."
    again = Journal(tmp_path / "old.jsonl")
    assert again.difference({"language": "de", "model": "elsewhere", "new setting": 1}) is None
    assert again.difference({"language": "fr"}) == "was made with language 'de', not 'fr'"


@pytest.mark.parametrize(
    "content",
    [
        b"my precious notes",
        b"my notes\n",
        b'{"image_id": 1}\n',
        b"[]\n",
        b'{"path": 1, "caption": "", "error": null}\n',
        b"\xff\n",
        bytes(9),
    ],
)
def test_a_file_of_somebody_elses_is_refused_and_stays(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_bytes(content)
    with pytest.raises(OutputError, match="line 1 was not written by captioner"):
        Journal(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", ["delete", "replace", "shorten"])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows protects open files")
def test_a_journal_that_is_lost_during_the_run_is_told(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        journal.append(row("a.jpg"))
        journal.check()
        if damage == "shorten":
            os.truncate(path, 0)
        else:
            path.unlink()
            if damage == "replace":
                path.write_text("notes")
        with pytest.raises(OutputError, match=r"another program deleted, replaced or shortened it; run the same"):
            journal.append(row("b.jpg"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    os.mkfifo(path)
    writer = threading.Timer(1, path.write_bytes, [b""])  # otherwise a failure of this test would last forever
    writer.start()
    with pytest.raises(OutputError, match=r"j\.jsonl: cannot be written \(it is a pipe\)"):
        Journal(path)
    writer.cancel()


def test_a_path_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    path.write_text((json.dumps(row("a.jpg")) + "\n") * 2)
    with pytest.raises(OutputError, match=r"line 2 is a second record of 'a\.jpg'"):
        Journal(path)


def test_newer_records_take_the_place_of_old_ones(tmp_path: Path) -> None:
    with Journal(tmp_path / "old.jsonl") as old, Journal(tmp_path / "new.jsonl") as new:
        for name in "abc":
            old.append(row(name, None if name == "b" else "Old."))
        for name in "db":
            new.append(row(name, "New."))
        found = [(record["path"], record["caption"]) for record in merged(old, new)]
    assert found == [("a", "Old."), ("b", "New."), ("c", "Old."), ("d", "New.")]


def test_a_full_disk_tears_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, write = tmp_path / "j.jsonl", os.write
    room = [150]

    def limited(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(descriptor, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(module.os, "write", limited)
    with Journal(path) as journal:
        journal.append(row("a.jpg"))
        journal.append(row("b.jpg"))
        with pytest.raises(OutputError, match="No space left on device"):
            journal.append(row("c.jpg"))
        assert paths(Journal(path)) == ["a.jpg", "b.jpg"]
        assert path.read_bytes().endswith(b"\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_inside_the_write_loses_nothing_and_doubles_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(0)
    names = [f"photo-{number:02}.jpg" for number in range(20)]
    expected = "".join(json.dumps(row(name, f"A dog called {name}.")) + "\n" for name in names).encode()
    torn = 0
    for attempt in range(100):
        path = tmp_path / f"{attempt}.jsonl"
        kill_while_writing(path, names, record=chance.randrange(len(names)), share=chance.random())
        left = path.read_bytes()
        torn += not left.endswith(b"\n") and bool(left)
        assert expected.startswith(left)
        write_missing(path, names)  # the same once more, without a kill
        assert path.read_bytes() == expected
    with capsys.disabled():
        print(f" [{torn} torn tails of 100 kills] ", end="")
    assert torn >= 90


def kill_while_writing(path: Path, names: list[str], *, record: int, share: float) -> None:
    """Write the missing records in a subprocess that is killed after writing a share of a record's bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads: the child starts none
        child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 9
        return
    try:
        write = os.write

        def fatal(descriptor: int, data: bytes) -> int:
            if f'"{names[record]}"'.encode() in data:
                write(descriptor, data[: int(share * (len(data) + 1))])
                os._exit(9)
            return write(descriptor, data)

        module.os.write = fatal  # type: ignore[assignment]
        write_missing(path, names)
    finally:
        os._exit(1)  # the process was not killed


def write_missing(path: Path, names: list[str]) -> None:
    with Journal(path) as journal:
        for name in names:
            if name not in journal:
                journal.append(row(name, f"A dog called {name}."))


HOLD = """
import sys, time
from pathlib import Path
from captioner.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_refuses_the_second_and_dies_with_the_first(tmp_path: Path) -> None:
    output = tmp_path / "j.jsonl"
    words = [sys.executable, "-c", HOLD, str(output)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline().strip() == b"held"
        with pytest.raises(OutputError, match="another run is writing it"), locked(output):
            pass
        first.kill()
        first.wait()
    with locked(output) as held:
        assert held
        assert [path.name for path in tmp_path.iterdir()] == [".j.jsonl.lock"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_worker_that_outlives_the_run_does_not_have_its_lock(tmp_path: Path) -> None:
    fork = "import os; os.fork() or (sys.stdin.read(), os._exit(0))\n    "
    words = [sys.executable, "-c", HOLD.replace("sys.stdin.read()", fork + "os.kill(os.getpid(), 9)"), tmp_path / "j"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        first.wait()
        with locked(tmp_path / "j") as held:  # the worker still waits for its standard input
            assert held
