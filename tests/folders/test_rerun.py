"""Reruns with the same output: edits are never lost, and old captions are never reported as new."""

import csv
import io
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captioner import checkpoint
from captioner.cli import main
from captioner.cli.options import PHOTO_EN
from captioner.folders import cluster
from captioner.folders.journal import Journal
from captioner.images import ImageLimits
from tests.folder_runs import ALL, Fake, caption, names, records


def replace(path: str, old: str, new: str) -> bytes:
    """Edit a file as a user would."""
    text = Path(path).read_text(encoding="utf-8")
    assert old in text
    Path(path).write_text(text.replace(old, new), encoding="utf-8")
    return Path(path).read_bytes()


# --------------------------------------------------------------------------------------------------- corrected by hand


@pytest.mark.parametrize("output", ["c.csv", "r.json", "copy.jsonl"])
def test_an_output_that_was_corrected_by_hand_is_not_replaced(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    words = ("--output", "c.jsonl", "--output", output)
    caption(*words)
    caption(*words)  # captioner replaces its own files
    corrected = replace(output, "A photo 12 wide", "My sister Mimi")
    shutil.copy(folder / "4.jpg", folder / "new.jpg")
    seen = fake.seen
    assert caption(*words) == 4
    assert f"{output} was changed after captioner wrote it; rename it" in capsys.readouterr().err
    assert Path(output).read_bytes() == corrected
    assert fake.seen == seen  # the error comes before the work
    Path(output).rename("mine")
    assert caption(*words) == 1
    assert b"12 wide" in Path(output).read_bytes()
    assert Path("mine").read_bytes() == corrected


def test_overwriting_by_name_keeps_a_copy_of_what_somebody_else_wrote(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("c.csv").write_text("my own")
    words = ("--output", "c.csv", "--existing", "overwrite")
    assert caption(*words) == 1
    assert Path("c.csv.bak").read_text() == "my own"
    assert "the changed file is kept as c.csv.bak" in capsys.readouterr().err
    corrected = replace("c.csv", "A photo 8 wide", "Mimi")
    assert caption(*words) == 1
    assert Path("c.csv.bak1").read_bytes() == corrected
    assert caption(*words) == 1
    assert not Path("c.csv.bak2").exists()  # this time the file is captioner's own


def test_an_output_that_is_edited_while_the_run_works_is_not_replaced(
    folder: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    caption("--output", "c.csv")
    shutil.copy(folder / "4.jpg", folder / "new.jpg")
    answer = fake.caption_batch

    def edit(*arguments: Any) -> Any:
        replace("c.csv", "A photo 8 wide", "Mimi")
        return answer(*arguments)

    monkeypatch.setattr(fake, "caption_batch", edit)
    assert caption("--output", "c.csv") == 4
    assert "Mimi" in Path("c.csv").read_text(encoding="utf-8")
    assert names("c.csv.journal.jsonl") == [*ALL, "new.jpg"]  # the work is not lost


def test_an_output_of_before_there_were_receipts_is_continued_and_kept(folder: Path, fake: Fake) -> None:
    caption("--output", "c.csv")
    Path(".captioner.jsonl").unlink()
    before = Path("c.csv").read_bytes()
    assert caption("--output", "c.csv") == 1
    assert Path("c.csv.bak").read_bytes() == Path("c.csv").read_bytes() == before


def test_a_parquet_folder_in_which_somebody_changed_a_part_is_not_replaced(folder: Path, fake: Fake) -> None:
    assert caption("--output", "p.parquet") == 1
    assert caption("--output", "p.parquet") == 1
    Path("p.parquet/part-00000.parquet").write_bytes(b"changed")
    assert caption("--output", "p.parquet") == 4
    assert Path("p.parquet/part-00000.parquet").read_bytes() == b"changed"


def test_a_record_that_was_corrected_by_hand_stays_where_the_editor_left_the_last_line_end_away(
    folder: Path, fake: Fake
) -> None:
    caption("--output", "c.jsonl")
    lines = Path("c.jsonl").read_text().replace("A photo 17 wide", "Mimi").splitlines()
    Path("c.jsonl").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8", newline="")
    shutil.copy(folder / "4.jpg", folder / "new.jpg")
    assert caption("--output", "c.jsonl", "--output", "c.csv") == 1
    assert fake.seen == 10
    journal = Journal(Path("c.jsonl"))
    assert [row["caption"] for row in journal][-2:] == ["Mimi", "A photo 12 wide"]


def test_mode_and_link_of_an_output_stay(folder: Path, fake: Fake) -> None:
    Path("far").mkdir()
    Path("c.csv").symlink_to("far/c.csv")
    caption("--output", "c.csv")
    Path("far/c.csv").chmod(0o640)
    shutil.copy(folder / "4.jpg", folder / "new.jpg")
    caption("--output", "c.csv")
    assert Path("c.csv").is_symlink()
    assert "new.jpg" in Path("far/c.csv").read_text()
    assert Path("far/c.csv").stat().st_mode & 0o777 == 0o640


# ------------------------------------------------------------------------------------------------------ other settings


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--prefix", "a "], "was made with prefix '', not 'a '"),
        (["--suffix", "!"], "suffix"),
        (["--beam-size", "4"], "was made with beam_size 3, not 4"),
        (["--num-captions", "2"], "num_captions"),
        (["--language", "de"], "was made with language 'en', not 'de'"),
    ],
)
def test_other_settings_on_the_same_output_are_not_mixed(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    caption("--output", "c.jsonl")
    before = Path("c.jsonl").read_bytes()
    assert caption("--output", "c.jsonl", *words) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "--existing overwrite" in err
    assert Path("c.jsonl").read_bytes() == before
    assert caption("--output", "c.jsonl", "--existing", "overwrite", *words) == 1
    assert caption("--output", "c.jsonl", *words) == 1  # from now on, these are the run's settings


def test_another_model_is_another_setting_and_the_same_one_elsewhere_is_not(
    folder: Path, fake: Fake, small_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    caption("--output", "c.jsonl", "--model", str(small_checkpoint))
    moved = small_checkpoint.rename(small_checkpoint.with_name("moved"))
    assert caption("--output", "c.jsonl", "--model", str(moved)) == 1
    weights = moved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    assert caption("--output", "c.jsonl", "--model", str(moved)) == 2
    assert "was made with another model;" in capsys.readouterr().err


def test_a_stopped_overwrite_with_other_settings_is_begun_anew(folder: Path, fake: Fake) -> None:
    caption("--output", "c.jsonl")
    words = ("--output", "c.jsonl", "--existing", "overwrite", "--batch-size", "1", "--workers", "1")
    caption(*words, "--prefix", "a ", "--max-errors", "0")
    assert records("c.jsonl.overwrite")[0]["caption"] == "a A photo 8 wide"
    assert caption(*words, "--prefix", "b ") == 1
    assert {str(record["caption"])[:2] for record in records("c.jsonl") if record["caption"]} == {"b "}


def test_a_journal_of_before_it_said_how_it_was_made_is_continued_but_not_in_another_language(
    folder: Path, fake: Fake
) -> None:
    caption("--output", "c.jsonl")
    old = [{key: row[key] for key in row if key not in {"made", "fingerprint"}} for row in records("c.jsonl")]
    Path("c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in old[:6]))
    assert caption("--output", "c.jsonl", "--language", "de") == 2
    assert caption("--output", "c.jsonl", "--beam-size", "2") == 1
    assert names("c.jsonl") == ALL
    assert [number for number, row in enumerate(records("c.jsonl")) if "made" in row] == [6]
    assert caption("--output", "c.jsonl", "--beam-size", str(PHOTO_EN["beam_size"])) == 2


def test_a_journal_with_strange_facts_is_read_all_the_same(folder: Path, fake: Fake) -> None:
    caption("--output", "c.jsonl")
    rows = records("c.jsonl")
    rows[0] |= {"fingerprint": {"bytes": [], "modified": {}}, "made": ["x"]}
    rows[1] |= {"fingerprint": "x", "made": {"folder": 7, "language": "en"}}
    rows[2] |= {"path": "a\0b/c.jpg", "fingerprint": {}}
    Path("c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert caption("--output", "c.jsonl", "--output", "c.csv") == 1
    assert names("c.jsonl")[-1] == "2.jpg"


def test_journals_of_shards_put_together_are_one(folder: Path, fake: Fake) -> None:
    for index in range(3):
        caption("--output", f"{index}.jsonl", "--shard", f"{index}/3")
    Path("c.jsonl").write_bytes(b"".join(Path(f"{index}.jsonl").read_bytes() for index in range(3)))
    seen = fake.seen
    assert caption("--output", "c.jsonl", "--output", "c.csv") == 1
    assert fake.seen == seen
    assert len(Path("c.csv").read_text().splitlines()) == 11


# ------------------------------------------------------------------------------------------------------ the same photo?


def exchange(path: Path, width: int, *, seconds: float) -> None:
    """Replace a photo by another one, `seconds` later."""
    before = path.stat().st_mtime
    Image.new("RGB", (width, 8)).save(path)
    os.utime(path, (before + seconds, before + seconds))


def test_a_photo_that_was_exchanged_under_its_name_is_done_again_where_it_stood(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--output", "c.jsonl", "--output", "c.csv", "--sidecar")
    caption(*words)
    exchange(folder / "4.jpg", 99, seconds=60)
    shutil.copy(folder / "5.jpg", folder / "3.jpg")  # it was damaged
    shutil.copy(folder / "5.jpg", folder / "new.jpg")
    seen = fake.seen
    assert caption(*words) == 0
    assert fake.seen == seen + 3
    assert names("c.jsonl") == [*ALL, "new.jpg"]
    assert records("c.jsonl")[4]["caption"] == "A photo 99 wide"
    assert records("c.jsonl")[3]["error"] is None
    assert (folder / "4.txt").read_text() == "A photo 99 wide\n"
    assert "99 wide" in Path("c.csv").read_text()
    assert "captioned 2 photos again, because the file changed since the last run" in capsys.readouterr().err
    assert "made" in records("c.jsonl")[0]
    assert not Path("c.jsonl.retry").exists()


def test_a_photo_of_the_same_size_is_known_by_its_bytes_and_a_new_time_alone_is_no_new_photo(
    folder: Path, fake: Fake
) -> None:
    caption("--output", "c.jsonl")
    before = records("c.jsonl")
    os.utime(folder / "4.jpg", (1, 1))  # copied by a program that does not keep times
    caption("--output", "c.jsonl")
    assert records("c.jsonl") == before
    content = bytearray((folder / "4.jpg").read_bytes())
    content[-1] ^= 1
    (folder / "4.jpg").write_bytes(content)
    os.utime(folder / "4.jpg", (2, 2))
    caption("--output", "c.jsonl")
    after = records("c.jsonl")
    assert after[4]["fingerprint"]["modified"] == 2
    assert after[4]["fingerprint"]["bytes"] == before[4]["fingerprint"]["bytes"]
    assert after[4]["fingerprint"]["digest"] != before[4]["fingerprint"]["digest"]
    assert after[:4] + after[5:] == before[:4] + before[5:]


def test_exchanged_photos_that_a_killed_run_did_again_are_put_in_place_by_the_next(folder: Path, fake: Fake) -> None:
    caption("--output", "c.jsonl")
    exchange(folder / "4.jpg", 99, seconds=60)
    before = Path("c.jsonl").read_bytes()
    caption("--output", "c.jsonl")
    row = records("c.jsonl")[4]
    Path("c.jsonl").write_bytes(before)  # as if the run had been killed
    Path("c.jsonl.retry").write_text(json.dumps(row) + "\n" + '{"path": "torn')
    seen = fake.seen
    caption("--output", "c.jsonl")
    assert fake.seen == seen
    assert records("c.jsonl")[4]["caption"] == "A photo 99 wide"
    assert names("c.jsonl") == ALL


def test_a_clusters_records_tell_photos_apart_too(folder: Path, small_checkpoint: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    caption("--output", "c.jsonl", "--model", str(small_checkpoint))
    paths = [os.fsencode(record["path"]) for record in records("c.jsonl")]
    block = arrow.table(
        {"path": arrow.array(paths, arrow.binary()), "problem": arrow.nulls(len(paths), arrow.string())}
    )
    prepared = cluster._prepare(block, size=64, directory=str(Path.cwd()), limits=ImageLimits())
    model = cluster._Model(
        str(small_checkpoint), cluster.Pool(device="cpu"), "en", checkpoint.read(small_checkpoint).decoding
    )
    found = [json.loads(line) for line in model(prepared)["record"].to_pylist()]
    assert [record["fingerprint"] for record in found] == [record["fingerprint"] for record in records("c.jsonl")]
    assert [record["error"] for record in found] == [record["error"] for record in records("c.jsonl")]


def test_an_exchanged_photos_sidecar_is_made_anew_unless_it_was_edited(folder: Path, fake: Fake) -> None:
    caption("--sidecar")
    for number in (4, 5):
        exchange(folder / f"{number}.jpg", 90 + number, seconds=60)
    (folder / "5.txt").write_text("Mimi\n")
    caption("--sidecar")
    assert (folder / "4.txt").read_text() == "A photo 94 wide\n"
    assert (folder / "5.txt").read_text() == "Mimi\n"


def test_a_photo_is_the_same_from_wherever_it_is_named(
    folder: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    caption("--output", "c.jsonl")
    top = folder.parent
    first = Path("c.jsonl").read_bytes()
    assert main(["caption", str(folder), "photos/1.jpg", str(folder / "1.jpg"), "--output", "c.jsonl"]) == 1
    monkeypatch.chdir(folder)
    assert main(["caption", ".", "--output", "../c.jsonl"]) == 1
    assert fake.seen == 9
    assert (top / "c.jsonl").read_bytes() == first
    shutil.copy("4.jpg", "new.jpg")
    assert (
        main(["caption", ".", "new.jpg", str(folder / "new.jpg"), "--output", "../c.jsonl", "--format", "jsonl"]) == 1
    )
    monkeypatch.chdir(top)
    assert fake.seen == 10
    assert records("c.jsonl")[-1]["path"] == str(Path("photos", "new.jpg"))  # relative to where the journal was started
    assert caption("--output", "c.jsonl") == 1
    assert fake.seen == 10


def test_two_photos_of_one_name_in_two_folders_are_two(
    folder: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate("ab"):
        (folder / name).mkdir()
        shutil.copy(folder / f"{number}.jpg", folder / name / "x.jpg")
        monkeypatch.chdir(folder / name)
        assert main(["caption", "x.jpg", "--output", str(folder / "c.jsonl")]) == 0
    assert [row["caption"] for row in records(str(folder / "c.jsonl"))] == ["A photo 8 wide", "A photo 9 wide"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_folder_behind_a_link_is_the_same_folder(folder: Path, fake: Fake) -> None:
    Path("link").symlink_to(folder)
    caption("--output", "c.jsonl")
    assert main(["caption", "link", "--output", "c.jsonl"]) == 1
    assert names("c.jsonl") == ALL


def test_a_journal_that_was_moved_away_from_its_photos_is_continued(folder: Path, fake: Fake) -> None:
    caption("--output", "c.jsonl")
    Path("away").mkdir()
    Path("c.jsonl").rename("away/c.jsonl")
    assert caption("--output", "away/c.jsonl") == 1
    assert fake.seen == 9


# ------------------------------------------------------------------------------------------------------- standard input


def pipe(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_two_photos_from_standard_input_are_two(
    folder: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2, 1):
        pipe(monkeypatch, (folder / f"{number}.jpg").read_bytes())
        assert main(["caption", "-", "--output", "s.jsonl", "--format", "text"]) == 0
    assert [record["caption"] for record in records("s.jsonl")] == ["A photo 9 wide", "A photo 10 wide"]
    assert all(str(record["path"]).startswith("stdin-") for record in records("s.jsonl"))
    assert capsys.readouterr().out == "A photo 9 wide\nA photo 10 wide\n"  # the third was a duplicate of the first
    pipe(monkeypatch, b"")
    assert main(["caption", "-", "--sidecar"]) == 2
    assert "a photo from standard input has no name for a sidecar" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------- tables as such


def test_the_csv_opens_in_a_spreadsheet_with_its_accents(folder: Path, fake: Fake) -> None:
    assert caption("--output", "c.csv", "--prefix", "Žluťoučký\nkůň: ") == 1
    data = Path("c.csv").read_bytes()
    assert data.startswith("\ufeffpath,caption,".encode())
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert rows[0]["caption"] == "Žluťoučký\nkůň: A photo 8 wide"
    assert "Žluťoučký" in rows[0]["captions"]
    assert json.loads(rows[0]["captions"])[0]["caption"] == rows[0]["caption"]


def test_memory_that_is_short_is_one_sentence(
    folder: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for problem in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")):

        def fail(*_: object, problem: Exception = problem) -> None:
            raise problem

        monkeypatch.setattr(fake, "caption_batch", fail)
        assert caption("--output", "c.jsonl") == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("captioner: not enough memory; ")
