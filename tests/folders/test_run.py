"""Folder runs from the command line: no photo is lost or captioned twice, whatever happens during a run."""

import csv
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from captioner.cli import main
from captioner.cli.progress import Progress
from captioner.folders.run import Counts
from captioner.search import search
from tests.folder_runs import ALL, Fake, caption, names, records


def test_a_thousand_photos_of_which_a_tenth_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (20, 10)).save("good.jpg")
    good = Path("good.jpg").read_bytes()
    for number in range(1000):
        broken = (b"", b"GIF89a", good[:200], good[:-40] + b"x")[number // 10 % 3] if number % 10 == 3 else good
        Path(f"photos/{number:04}.jpg").write_bytes(broken)
    assert caption("--output", "c.jsonl") == 1
    found = records("c.jsonl")
    assert [record["path"] for record in found] == [str(Path("photos", f"{number:04}.jpg")) for number in range(1000)]
    assert [number for number, record in enumerate(found) if record["error"]] == list(range(3, 1000, 10))
    assert sum(record["caption"] is not None for record in found) == 900
    out, err = capsys.readouterr()
    assert out == ""
    assert "900 captioned, 0 skipped, 100 failed" in err
    assert "0003.jpg: it is empty" in err
    assert "and 95 more errors, listed in c.jsonl" in err


def test_a_hostile_folder_gives_one_record_each(folder: Path, fake: Fake, photos: dict[str, Path]) -> None:
    Image.new("RGB", (9, 9)).save(folder / "gif.gif")
    (folder / "gif.gif").rename(folder / "a-gif.jpg")
    (folder / "empty.jpg").touch()
    (folder / "folder.jpg").mkdir()
    Image.new("1", (70_000, 4_000)).save(folder / "bomb.png")
    if sys.platform not in {"win32", "darwin"}:
        os.mkfifo(folder / "fifo.jpg")
        (folder / "loop.jpg").symlink_to("loop.jpg")
        shutil.copy(photos["rocket"], folder / "new\nline\t.jpg")
        shutil.copy(photos["rocket"], os.fsencode(folder) + b"/caf\xe9.jpg")
    listed = [path.name for path in folder.iterdir()]
    for extra in ([], ["--recursive"]):
        assert caption("--output", "c.jsonl", "--output", "c.csv", "--existing", "overwrite", *extra) == 1
        assert sorted(names("c.jsonl")) == sorted(listed)
        failed = {Path(str(record["path"])).name for record in records("c.jsonl") if record["error"]}
        assert failed == {"3.jpg", "empty.jpg", "folder.jpg", "bomb.png", "fifo.jpg", "loop.jpg"} & set(listed)
        with Path("c.csv").open(encoding="utf-8", newline="") as file:
            assert len(list(csv.DictReader(file))) == len(listed)


def test_in_text_a_name_cannot_make_a_line_of_its_own(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = "a\tb\n\x85\u2028.jpg" if sys.platform != "win32" else "a\u2028.jpg"
    (folder / "0.jpg").rename(folder / strange)
    caption()
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 9
    assert all(line.count("\t") == 1 for line in out.splitlines())
    assert repr(strange)[1:-1] in out


def test_the_same_command_again_skips_what_is_done_and_remembers_what_failed(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    assert caption("--output", "c.jsonl") == 1
    first = Path("c.jsonl").read_bytes()
    (folder / "4b.jpg").write_bytes((folder / "4.jpg").read_bytes())
    assert main(["caption", "./photos/", "photos/5.jpg", "--output", "c.jsonl"]) == 1
    assert fake.seen == 10
    assert Path("c.jsonl").read_bytes().startswith(first)
    assert names("c.jsonl") == [*ALL, "4b.jpg"]
    err = capsys.readouterr().err
    assert "1 captioned, 11 skipped, 0 failed" in err
    assert "1 skipped photo failed in an earlier run" in err


def test_a_photo_named_twice_is_done_once(folder: Path, fake: Fake) -> None:
    main(["caption", "photos/1.jpg", "photos", "photos/1.jpg", "photos/*.jpg", "--output", "c.jsonl"])
    assert names("c.jsonl") == ["1.jpg", "0.jpg", *ALL[2:]]


def test_errors_are_tried_again_where_they_stood(folder: Path, fake: Fake) -> None:
    caption("--output", "c.jsonl", "--output", "c.csv")
    shutil.copy(folder / "4.jpg", folder / "3.jpg")
    assert caption("--output", "c.jsonl", "--output", "c.csv", "--retry-errors") == 0
    assert fake.seen == 10
    assert names("c.jsonl") == ALL
    assert records("c.jsonl")[3]["caption"] == "A photo 12 wide"
    assert "cannot read" not in Path("c.csv").read_text()
    assert sorted(path.name for path in Path().iterdir()) == [".captioner.jsonl", "c.csv", "c.jsonl", "photos"]


def test_overwriting_keeps_the_old_results_until_the_new_ones_are_whole(folder: Path, fake: Fake) -> None:
    caption("--output", "c.jsonl")
    before = Path("c.jsonl").read_bytes()
    fake.word = "picture"
    again = ("--output", "c.jsonl", "--existing", "overwrite", "--batch-size", "1", "--workers", "1")
    assert caption(*again, "--max-errors", "0") == 1
    assert Path("c.jsonl").read_bytes() == before
    seen = fake.seen
    assert caption(*again) == 1
    assert fake.seen == seen + 6  # the second resumed where the first stopped
    assert names("c.jsonl") == ALL
    assert records("c.jsonl")[0]["caption"] == "A picture 8 wide"
    assert sorted(path.name for path in Path().iterdir()) == ["c.jsonl", "photos"]


def test_results_that_stand_there_can_be_an_error(folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    caption("--output", "c.jsonl")
    before = Path("c.jsonl").read_bytes()
    assert caption("--output", "c.jsonl", "--existing", "error") == 4
    assert "already exists" in capsys.readouterr().err
    Path("own.csv").write_text("mine")
    assert caption("--output", "own.csv") == 4
    assert Path("own.csv").read_text() == "mine"
    Path("own.jsonl").write_text("mine")
    assert caption("--output", "own.jsonl") == 4
    assert Path("own.jsonl").read_text() == "mine"
    assert Path("c.jsonl").read_bytes() == before
    assert fake.seen == 9


def test_too_many_errors_stop_the_run(folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 5, 7):
        (folder / f"{number}.jpg").write_bytes(b"")
    assert caption("--output", "c.jsonl", "--max-errors", "2", "--batch-size", "3") == 1
    assert names("c.jsonl") == ALL[:6]
    assert "more than 2 photos failed" in capsys.readouterr().err


def test_every_output_is_made_from_the_journal(folder: Path, fake: Fake) -> None:
    outputs = ["--output", "o/c.csv", "--output", "o/r.json", "--output", "o/p.parquet", "--num-captions", "2"]
    assert caption(*outputs, "--prefix", "=a ", "--suffix", ".") == 1
    assert names("o/c.csv.journal.jsonl") == ALL
    with Path("o/c.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["caption"] == "'=a A photo 8 wide."  # not a formula to a spreadsheet
    assert rows[3]["error"].startswith("cannot read")
    results = json.loads(Path("o/r.json").read_text())
    assert results[0] == {"image_id": 0, "caption": "=a A photo 8 wide."}
    assert [result["image_id"] for result in results] == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    from pyarrow import parquet

    table = parquet.read_table("o/p.parquet").to_pylist()
    assert [Path(row["path"]).name for row in table] == ALL
    assert table[0]["captions"][1] == {"caption": "=a A photo 8 wide!.", "log_prob": -2.0}
    assert table[3]["caption"] is None


def test_a_second_file_of_json_lines_is_a_copy(folder: Path, fake: Fake) -> None:
    caption("--output", "a.jsonl", "--output", "b.jsonl")
    assert Path("a.jsonl").read_bytes() == Path("b.jsonl").read_bytes()


def test_one_file_is_not_two_outputs(folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    Path("d.jsonl").symlink_to("c.jsonl")
    for other in ("photos/../c.jsonl", "d.jsonl"):
        assert caption("--output", "c.jsonl", "--output", other) == 2
        message = f"captioner: --output c.jsonl and --output {other} are the same file; give one of them.\n"
        assert capsys.readouterr().err == message
    assert caption("--output", "c.csv", "--output", "c.csv", "--output", "c.csv.journal.jsonl") == 1


@pytest.mark.parametrize("name", ["c.csv", "c.jsonl", "c.json", "c.sqlite", "c.parquet"])
def test_a_name_that_is_not_utf8_can_be_read_from_every_output(name: str, folder: Path, fake: Fake) -> None:
    (folder / "1.jpg").rename(folder / "a\udcff.jpg")
    assert caption("--output", name, "--prefix", "\udcfe ", "--exclude", "3.jpg") == 0
    found = search("9", name).hits
    assert [Path(hit.path).name for hit in found] == ["a\\udcff.jpg"]


def test_photos_whose_names_have_one_number_are_called_by_their_names(folder: Path, fake: Fake) -> None:
    shutil.copy(folder / "4.jpg", folder / "photo_04.jpg")
    assert caption("--output", "r.json") == 1
    ids = [result["image_id"] for result in json.loads(Path("r.json").read_text())]
    assert ids == [0, 1, 2, "4.jpg", 5, 6, 7, 8, 9, "photo_04.jpg"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sidecar", "--sidecar-suffix", ".jpg"], "because they could replace photos"),
        (["--sidecar", "--sidecar-suffix", "/../x"], "give a suffix such as .txt"),
        (["--sidecar-suffix", ".txt"], "require --sidecar or --xmp-sidecar."),
        (["--sidecar", "--sidecar-suffix", ".XMP"], "they are plain text"),
        (["--sidecar", "--sidecar-suffix", ".CR2"], "they are plain text"),
        (["--sidecar", "--sidecar-name", "notes.txt"], "give a --sidecar-name such as {stem}.txt or {name}.txt"),
        (["--sidecar", "--sidecar-name", "{stem}{name}.txt"], "give a --sidecar-name such as"),
        (["--sidecar", "--sidecar-name", "{name}"], "give a --sidecar-name such as"),
        (["--sidecar", "--sidecar-name", "../{name}.txt"], "give a --sidecar-name such as"),
        (["--sidecar", "--sidecar-name", "{stem}.txt", "--sidecar-suffix", ".txt"], "exclude each other"),
        (["--exclude", "", "--output", "c.csv"], "matches nothing"),
        (["--output", "c.txt"], "unknown suffix; use .jsonl"),
        (["--existing", "skip"], "requires --output or --sidecar"),
        (["--retry-errors"], "requires --output"),
        (["--output", "c.csv", "--retry-errors", "--existing", "overwrite"], "give one of them"),
        (["--shard", "2/2", "--output", "c.csv"], "0 ≤ I < N"),
        (["--files-from", "none.txt"], "none.txt: cannot be read"),
        (["-0"], "--files-from"),
        (["--ray-address", "auto"], "--engine ray"),
        (["--workers", "0"], "0 is too small; give at least 1"),
        (["--max-errors=-1"], "-1 is too small; give at least 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    folder: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert caption(*words) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["photos"]


def test_a_dry_run_names_the_photos_and_changes_nothing(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["caption", "photos/1.jpg", "--output", "c.jsonl"]) == 0
    before = Path("c.jsonl").read_bytes() + b'{"path": "torn'
    Path("c.jsonl").write_bytes(before)
    assert caption("--output", "c.jsonl", "--sidecar", "--dry-run") == 0
    out, err = capsys.readouterr()
    assert [Path(line).name for line in out.splitlines()] == [name for name in ALL if name != "1.jpg"]
    assert "would caption 9 and skip 1" in err
    assert Path("c.jsonl").read_bytes() == before
    assert sorted(path.name for path in Path().rglob("*")) == sorted([*ALL, "c.jsonl", "photos"])


def test_names_come_from_a_list_too(folder: Path, fake: Fake) -> None:
    Path("names").write_bytes(b"photos/2.jpg\0photos/1.jpg\0")
    assert main(["caption", "--files-from", "names", "-0", "--output", "c.jsonl"]) == 0
    assert names("c.jsonl") == ["2.jpg", "1.jpg"]


def test_shards_together_have_every_photo_once(folder: Path, fake: Fake) -> None:
    for index in range(3):
        caption("--output", f"{index}.jsonl", "--shard", f"{index}/3")
    assert sorted(name for index in range(3) for name in names(f"{index}.jsonl")) == ALL


def test_workers_change_no_byte(folder: Path, small_checkpoint: Path, photos: dict[str, Path]) -> None:
    for number, path in enumerate(photos.values()):
        shutil.copy(path, folder / f"{number}b{path.suffix}")
    found = []
    for workers in ("1", "2", "7"):
        options = ["--model", str(small_checkpoint), "--batch-size", "3", "--workers", workers]
        assert caption("--output", f"{workers}.jsonl", *options) == 1
        found.append(Path(f"{workers}.jsonl").read_bytes())
    assert found[0].count(b"\n") == 15
    assert found[0] == found[1] == found[2]


def test_batches_change_no_log_probability_by_more_than_a_ten_thousandth(folder: Path, photos: dict[str, Path]) -> None:
    for size in ("1", "4"):
        main(["caption", *map(str, photos.values()), "--output", f"{size}.jsonl", "--batch-size", size])
    for one, other in zip(records("1.jsonl"), records("4.jsonl"), strict=True):
        assert one["caption"] == other["caption"]
        assert one["log_prob"] == pytest.approx(other["log_prob"], abs=1.01e-4)


def test_where_there_is_no_terminal_a_line_tells_how_far_it_is_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    counts, now = Counts(skipped=100), [0.0]
    progress = Progress(counts, 1100, bar=False, lines=True, clock=lambda: now[0])
    for _ in range(100):
        now[0] += 0.5
        counts.captioned += 1
        progress.update(None)
    progress.close()
    assert capsys.readouterr().err == "captioner: 60 of 1,000 photos, 2.0 photos/s, 0 failed, 8 min left\n"
