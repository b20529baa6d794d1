"""SQLite output: resumed like other outputs, read back, and searchable by any program."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from captioner import datasets
from captioner.datasets import CaptionedPhoto
from captioner.errors import UsageError
from tests.folder_runs import Fake, caption, records


def ask(path: str | Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(statement).fetchall()
        connection.commit()
        return found


def found(path: str | Path, words: str) -> list[str]:
    statement = "SELECT path FROM captions JOIN captions_fts ON id = captions_fts.rowid WHERE captions_fts MATCH"
    return [row[0] for row in ask(path, f"{statement} '{words}' ORDER BY rank, id")]


def test_an_output_holds_what_json_lines_hold(folder: Path, fake: Fake) -> None:
    assert caption("--output", "c.jsonl", "--output", "c.sqlite", "--num-captions", "2") == 1
    assert ask("c.sqlite", "SELECT path, caption, confidence, width, error FROM captions") == [
        (row["path"], row["caption"], row["confidence"], row["width"], row["error"]) for row in records("c.jsonl")
    ]
    assert found("c.sqlite", "photos AND 12") == ["photos/4.jpg"]  # stemmed
    assert datasets.read("c.sqlite").photos == datasets.read("c.jsonl").photos
    assert len(datasets.read("c.sqlite").photos[0].captions) == 2
    problems: list[str] = []
    datasets.read("c.sqlite", problems=problems)
    assert problems[0].startswith("c.sqlite, row 4 has no caption of 'photos/3.jpg': cannot read photos/3.jpg:")


def test_it_is_made_again_by_a_rerun_and_kept_where_a_person_changed_it(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    assert caption("--output", "c.sqlite") == 1
    shutil.copy(folder / "4.jpg", folder / "new.jpg")
    assert caption("--output", "c.sqlite") == 1
    assert found("c.sqlite", "12") == ["photos/4.jpg", "photos/new.jpg"]
    assert fake.seen == 10
    ask("c.sqlite", "UPDATE captions SET caption = 'My sister Mimi' WHERE path = 'photos/4.jpg'")
    mine = Path("c.sqlite").read_bytes()
    assert caption("--output", "c.sqlite") == 4
    assert "c.sqlite was changed after captioner wrote it" in capsys.readouterr().err
    assert Path("c.sqlite").read_bytes() == mine
    assert caption("--output", "c.sqlite", "--existing", "overwrite") == 1
    assert Path("c.sqlite.bak").read_bytes() == mine
    assert found("c.sqlite", "mimi") == []


@pytest.mark.parametrize("existing", ["skip", "overwrite"])
def test_changes_that_another_program_has_not_saved_yet_are_not_lost(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str], existing: str
) -> None:
    assert caption("--output", "c.sqlite") == 1
    with closing(sqlite3.connect("c.sqlite")) as program:
        program.execute("PRAGMA journal_mode = WAL")
        program.execute("UPDATE captions SET caption = 'Mimi'")
        program.commit()
        seen = fake.seen
        assert caption("--output", "c.sqlite", "--existing", existing) == 4
        assert "c.sqlite: another program has unsaved changes to it" in capsys.readouterr().err
        assert fake.seen == seen
    assert ask("c.sqlite", "SELECT DISTINCT caption FROM captions") == [("Mimi",)]


def test_the_index_follows_what_a_person_changes(folder: Path, fake: Fake) -> None:
    caption("--output", "c.sqlite", "--num-captions", "2")
    ask("c.sqlite", "UPDATE captions SET caption = 'Mimi at the café' WHERE path = 'photos/4.jpg'")
    ask("c.sqlite", "DELETE FROM captions WHERE path = 'photos/5.jpg'")
    ask("c.sqlite", "INSERT INTO captions (path, caption) VALUES ('photos/x.jpg', 'Mimi swims')")
    assert sorted(found("c.sqlite", "mimi")) == ["photos/4.jpg", "photos/x.jpg"]
    assert found("c.sqlite", "cafe") == ["photos/4.jpg"]
    assert found("c.sqlite", "12") == found("c.sqlite", "13") == []
    read = {photo.file: photo.captions for photo in datasets.read("c.sqlite")}
    assert read["photos/4.jpg"] == ("Mimi at the café",)
    assert "photos/5.jpg" not in read


def test_text_that_is_not_utf8_is_escaped(folder: Path, fake: Fake) -> None:
    assert caption("--output", "c.sqlite", "--prefix", "\udcff ") == 1
    assert ask("c.sqlite", "SELECT caption FROM captions LIMIT 1") == [("\\udcff A photo 8 wide",)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "c.sqlite is empty."),
        (b"path,caption\n", "c.sqlite is not an SQLite database."),
        (b"SQLite format 3\0" + b"x" * 5000, "c.sqlite cannot be read as a database of captions: "),
    ],
)
def test_a_file_that_is_no_database_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        datasets.read(path)
    with pytest.raises(UsageError, match=r"no\.sqlite cannot be read: No such file"):
        datasets.read(tmp_path / "no.sqlite")


def test_a_table_by_somebody_else_is_read_by_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    ask(path, "CREATE TABLE captions (file_name, text, captions, likes)")
    ask(path, "INSERT INTO captions VALUES ('a.jpg', 'A dog.', NULL, 3), ('b.jpg', NULL, 'A cat.', 4)")
    assert datasets.read(path).photos == (
        CaptionedPhoto("a.jpg", "a.jpg", ("A dog.",)),
        CaptionedPhoto("b.jpg", "b.jpg", ("A cat.",)),
    )
    ask(path, "INSERT INTO captions VALUES ('c.jpg', NULL, NULL, 3)")
    with pytest.raises(UsageError, match="row 3 lacks a file or a caption"):
        datasets.read(path)
    ask(path, "ALTER TABLE captions RENAME TO others")
    with pytest.raises(UsageError, match="has no table named captions"):
        datasets.read(path)


class NoFullText(sqlite3.Connection):
    """An SQLite library without FTS5."""

    def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
        if "fts5" in statement:
            raise sqlite3.OperationalError("no such module: fts5")
        return super().execute(statement, *arguments)


def test_what_an_output_needs_is_checked_before_the_work(
    folder: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *words, **more: connect(*words, **more, factory=NoFullText))
    assert caption("--output", "c.sqlite") == 2
    assert capsys.readouterr().err == (
        "captioner: --output c.sqlite: the SQLite library of this Python has no full-text search (FTS5); use a Python "
        "whose SQLite has it.\n"
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert caption("--output", "c.parquet") == 2
    assert "Parquet needs pyarrow; install it with" in capsys.readouterr().err
    assert fake.seen == 0
