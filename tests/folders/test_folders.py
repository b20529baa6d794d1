"""Finding photos: folders, patterns and lists, their order, and hostile directory trees."""

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from captioner.cli import main
from captioner.errors import UsageError
from captioner.folders import finding
from captioner.folders.finding import Found, Photos, Shard, normalised, read_names
from tests.folder_runs import Fake, caption


@pytest.fixture
def tree(tmp_path: Path, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the working directory with three photos, one of them in a subfolder, and other files."""
    top = tmp_path / "top"
    (top / "b").mkdir(parents=True)
    shutil.copy(photos["rocket"], top / "a.JPG")
    shutil.copy(photos["rocket"], top / "b" / "x.jpg")
    shutil.copy(photos["coffee"], top / "c.png")
    (top / "notes.txt").write_text("not a photo")
    monkeypatch.chdir(tmp_path)
    return top


def paths(photos: Iterable[Found]) -> list[str]:
    return [photo.path.replace(os.sep, "/") for photo in photos]


def test_a_folder_means_its_own_photos_and_with_recursion_those_below(tree: Path) -> None:
    assert paths(Photos(arguments=["top"])) == ["top/a.JPG", "top/c.png"]
    assert paths(Photos(arguments=["top"], recursive=True)) == ["top/a.JPG", "top/b/x.jpg", "top/c.png"]


def test_paths_are_relative_where_they_were_given_so_and_normalised(tree: Path) -> None:
    assert paths(Photos(arguments=["./top//b/../c.png"])) == ["top/c.png"]
    assert paths(Photos(arguments=[str(tree) + "/./"])) == [f"{tree}/a.JPG", f"{tree}/c.png"]
    os.chdir(tree)
    assert paths(Photos(arguments=["."])) == ["a.JPG", "c.png"]
    assert paths(Photos(arguments=[".."], recursive=True))[0] == "../top/a.JPG"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_two_dots_behind_a_link_stay_where_they_mean_another_photo(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    shutil.copy(tree / "c.png", tmp_path / "far" / "c.png")
    (tree / "link").symlink_to(tmp_path / "far" / "away")
    (found,) = Photos(arguments=["top/link/../c.png"])
    assert Path(found.path).samefile(tmp_path / "far" / "c.png")
    assert found.relative == "c.png"  # without "..", so that outputs stay in their folder
    assert normalised("none/../c.png") == "c.png"


def test_a_pattern_is_what_a_shell_makes_of_it_and_a_name_that_looks_like_one_is_a_name(tree: Path) -> None:
    assert paths(Photos(arguments=["top/*.[jJp]*"])) == ["top/a.JPG", "top/c.png"]
    assert paths(Photos(arguments=["top/**/*.jpg"])) == ["top/b/x.jpg"]
    assert paths(Photos(arguments=["top/*"])) == ["top/a.JPG", "top/b/x.jpg", "top/c.png", "top/notes.txt"]
    assert paths(Photos(arguments=["top/none*.jpg"])) == ["top/none*.jpg"]
    shutil.copy(tree / "c.png", tree / "[1].png")
    assert paths(Photos(arguments=["top/[1].png"])) == ["top/[1].png"]
    assert paths(Photos(names=["top/[a].JPG"])) == ["top/[a].JPG"]


def test_relative_to_its_root_a_photo_is_called_the_same_wherever_the_folder_is(tree: Path) -> None:
    def relative(*arguments: str) -> list[str]:
        return [photo.relative.replace(os.sep, "/") for photo in Photos(arguments=arguments, recursive=True)]

    assert relative("top") == relative(str(tree)) == ["a.JPG", "b/x.jpg", "c.png"]
    assert relative("top/b/x.jpg") == ["top/b/x.jpg"]
    assert relative(str(tree / "b" / "x.jpg")) == ["x.jpg"]
    assert relative(f"{tree}/**/*.jpg") == ["b/x.jpg"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_recursion_follows_no_link_to_a_folder_but_links_to_photos(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.copy(tree / "c.png", outside / "secret.png")
    (tree / "b" / "up").symlink_to(tree)
    (tree / "out").symlink_to(outside)
    (tree / "d.jpg").symlink_to("d.jpg")
    (tree / "e.png").symlink_to(tree / "c.png")
    expected = ["top/a.JPG", "top/b/x.jpg", "top/c.png", "top/d.jpg", "top/e.png"]
    assert paths(Photos(arguments=["top"], recursive=True)) == expected
    assert paths(Photos(arguments=["top/out"])) == ["top/out/secret.png"]  # a root may be a link


def test_a_folder_named_like_a_photo_is_told_and_searched(tree: Path) -> None:
    (tree / "d.jpg").mkdir()
    shutil.copy(tree / "c.png", tree / "d.jpg" / "y.png")
    assert paths(Photos(arguments=["top"])) == ["top/a.JPG", "top/c.png", "top/d.jpg"]
    assert paths(Photos(arguments=["top"], recursive=True))[-2:] == ["top/d.jpg", "top/d.jpg/y.png"]


def test_a_folder_that_cannot_be_read_is_one_problem(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # a superuser may read everything
    found = list(Photos(arguments=["top"], recursive=True))
    assert paths(found) == ["top/a.JPG", "top/b", "top/c.png"]
    assert "Permission denied" in str(found[1].problem)


def test_shards_share_the_photos_and_none_is_in_two(tree: Path) -> None:
    for number in range(60):
        (tree / f"{number}.jpg").touch()
    whole = paths(Photos(arguments=["top"], recursive=True))
    parts = [paths(Photos(arguments=["top"], recursive=True, shard=Shard(i, 4))) for i in range(4)]
    assert sorted(path for part in parts for path in part) == sorted(whole)
    assert all(5 <= len(part) <= 30 for part in parts)
    assert Shard(1, 4).holds(Found("top/b/x.jpg", "top")) == Shard(1, 4).holds(Found("/mnt/b/x.jpg", "/mnt"))


def test_a_photo_is_in_the_same_shard_for_ever() -> None:
    assert [Shard(index, 8).holds(Found("a/b.jpg", "a")) for index in range(8)].index(True) == 6


@pytest.mark.parametrize("text", ["3/3", "1", "-1/2", "a/b", "1/0", "/", ""])
def test_a_shard_that_makes_no_sense_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="0 ≤ I < N"):
        Shard.parse(text)


def test_lists_of_names_may_hold_anything_but_their_ends() -> None:
    assert read_names(b"a.jpg\r\nb c.jpg\n\n*.jpg", ends_with_nul=False) == ["a.jpg", "b c.jpg", "*.jpg"]
    assert read_names(b"a\nb.jpg\0c.jpg\0", ends_with_nul=True) == ["a\nb.jpg", "c.jpg"]
    (name,) = read_names(b"caf\xe9.jpg", ends_with_nul=False)
    assert os.fsencode(name) == b"caf\xe9.jpg"


def test_a_list_that_windows_wrote_is_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    expected = ["žluť.jpg", "C:\\b c.jpg"]
    text = 'žluť.jpg\r\n"C:\\b c.jpg"\r\n'
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert read_names(text.encode(encoding), ends_with_nul=False) == expected
    Path('"x"').touch()
    assert read_names(b'"x"\n"y"\n', ends_with_nul=False) == ['"x"', "y"]
    with pytest.raises(UsageError, match="add -0"):
        read_names(b"a.jpg\0b.jpg\0", ends_with_nul=False)


# ---------------------------------------------------------------------------------------------------- what is left out

JUNK = (
    "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg",
    ".AppleDouble/a.jpg",
    ".thumbnails/a.jpg",
    "#recycle/a.jpg",
    "$RECYCLE.BIN/a.jpg",
    "$Recycle.Bin/a.jpg",
    ".Trash-1000/files/a.jpg",
    ".Trashes/a.jpg",
    ".git/a.jpg",
    "lost+found/a.jpg",
    "__MACOSX/a.jpg",
    "b/._x.jpg",
    "._a.jpg",
    ".hidden.jpg",
    "quiet/.nomedia",
    "quiet/deep/a.jpg",
    "quiet/a.jpg",
    "Thumbs.db",
    ".DS_Store",
)


@pytest.fixture
def junk(tree: Path) -> Path:
    for name in JUNK:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    return tree


def test_what_systems_and_devices_keep_for_themselves_is_no_photo(junk: Path) -> None:
    assert paths(Photos(arguments=["top"])) == ["top/a.JPG", "top/c.png"]
    assert paths(Photos(arguments=["top"], recursive=True)) == ["top/a.JPG", "top/b/x.jpg", "top/c.png"]
    assert paths(Photos(arguments=["top/**/*.[jJ]*"])) == ["top/a.JPG", "top/b/x.jpg"]
    assert paths(Photos(arguments=["top/quiet/*.jpg"])) == ["top/quiet/a.jpg"]  # named
    assert paths(Photos(arguments=["top/*"], recursive=True))[:2] == ["top/a.JPG", "top/b/x.jpg"]


def test_what_is_left_out_can_be_asked_for(junk: Path) -> None:
    everything = paths(Photos(arguments=["top"], recursive=True, hidden=True))
    assert len(everything) == 3 + len(JUNK) - 3 + 1  # the folder that is named like a photo, too
    assert paths(Photos(arguments=["top/.git", "top/._a.jpg", "top/quiet"])) == [
        "top/.git/a.jpg",
        "top/._a.jpg",
        "top/quiet/a.jpg",
    ]
    assert paths(Photos(arguments=["top/.thumbnails/*"])) == ["top/.thumbnails/a.jpg"]
    assert "top/.hidden.jpg" in paths(Photos(arguments=["top"], exclude=["!.hidden.jpg"]))


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["*.png"], ["a.JPG", "b/c/y.png.jpg", "b/x.jpg"]),
        (["*.jpg"], ["c.png", "d.png"]),  # capitals make no difference
        (["b/"], ["a.JPG", "c.png", "d.png"]),
        (["c.png/"], ["a.JPG", "b/c/y.png.jpg", "b/x.jpg", "c.png", "d.png"]),  # a folder only
        (["/x.jpg"], ["a.JPG", "b/c/y.png.jpg", "b/x.jpg", "c.png", "d.png"]),  # at the top only
        (["x.jpg"], ["a.JPG", "b/c/y.png.jpg", "c.png", "d.png"]),
        (["b/*.jpg"], ["a.JPG", "b/c/y.png.jpg", "c.png", "d.png"]),  # a star does not match a slash
        (["b/**/*.jpg"], ["a.JPG", "c.png", "d.png"]),
        (["**/c"], ["a.JPG", "b/x.jpg", "c.png", "d.png"]),
        (["*.png", "!d.png"], ["a.JPG", "b/c/y.png.jpg", "b/x.jpg", "d.png"]),
        (["[ad].*"], ["b/c/y.png.jpg", "b/x.jpg", "c.png"]),
        (["b", "a.jpg", "?.png"], []),
    ],
)
def test_patterns_leave_out_what_they_would_in_a_gitignore(tree: Path, patterns: list[str], left: list[str]) -> None:
    (tree / "b" / "c").mkdir()
    for name in ("d.png", "b/c/y.png.jpg"):
        shutil.copy(tree / "c.png", tree / name)
    assert paths(Photos(arguments=["top"], recursive=True, exclude=patterns)) == [f"top/{name}" for name in left]


def test_patterns_hold_for_names_in_a_list_too(tree: Path) -> None:
    assert paths(Photos(names=["top/a.JPG", "top/b/x.jpg", "top/c.png"], exclude=["b/", "*.png"])) == ["top/a.JPG"]
    assert paths(Photos(names=[str(tree / "b" / "x.jpg")], exclude=["b/"])) == []


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_followed_without_a_loop_and_no_file_is_found_twice(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.copy(tree / "c.png", outside / "o.png")
    (tree / "b" / "up").symlink_to(tree)
    (tree / "b" / "self").symlink_to(".")
    (tree / "out").symlink_to(outside)
    (tree / "out2").symlink_to(outside)
    (tree / "z.png").symlink_to(tree / "c.png")
    (tree / "gone").symlink_to("nowhere")
    found = Photos(arguments=["top", "outside", "top/a.JPG"], recursive=True, follow_links=True)
    assert paths(found) == ["top/a.JPG", "top/b/x.jpg", "top/c.png", "top/out/o.png"]
    assert paths(found) == paths(found)  # each iteration searches again


def test_a_very_deep_tree_is_searched_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(1200):
        Path("d").mkdir()
        os.chdir("d")
    Path("a.jpg").touch()
    os.chdir(tmp_path)
    (found,) = Photos(arguments=["d"], recursive=True)
    assert found.relative.count("d/") == 1199
    Path(found.path).unlink()
    for depth in range(1200, 0, -1):  # too deep for shutil and for pytest
        Path(*["d"] * depth).rmdir()


@pytest.mark.parametrize(
    "suffix", ["HIF", "heics", "heifs", "avifs", "mpo", "apng", "dib", "jfif", "jpe", "tif", "pjpeg"]
)
def test_every_ending_of_a_kind_that_is_read_is_found(tree: Path, suffix: str) -> None:
    (tree / f"z.{suffix}").touch()
    assert paths(Photos(arguments=["top"]))[-1] == f"top/z.{suffix}"


def test_a_search_that_finds_nothing_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(finding, "suffixes", lambda: finding.SUFFIXES)  # as in the plain install
    for name in ("deep/2023/a.jpg", "deep/2024/b.jpg", "other/a.jxr", "other/b.CR3", "junk/._a.jpg", "empty/x/y"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("list").touch()
    for words, reason in (
        (["deep"], "deep: no photos found; 2 folders not searched (use --recursive)."),
        (["other"], "2 files in unsupported formats (.jxr, .cr3)"),
        (["junk"], "1 name skipped (hidden, system or excluded; see --hidden and --exclude)"),
        (["deep", "--recursive", "--exclude", "*.jpg"], "2 names skipped"),
        (["empty/x", "--sidecar"], "1 file in unsupported formats (no suffix)"),
        (["--files-from", "list"], "--files-from list: no photos found; it contains no files."),
    ):
        for more in ([], ["--output", "c.jsonl"], ["--dry-run"]):
            assert main(["caption", *words, *more]) == 2
            assert reason in capsys.readouterr().err
    assert not Path("c.jsonl").exists()


def test_a_shard_without_photos_is_no_mistake(tree: Path) -> None:
    index = next(index for index in range(9) if not list(Photos(arguments=["top/a.JPG"], shard=Shard(index, 9))))
    assert main(["caption", "top/a.JPG", "--shard", f"{index}/9", "--output", "c.csv"]) == 0


def test_kinds_that_are_not_read_are_counted(
    folder: Path, fake: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "suffixes", lambda: finding.SUFFIXES)  # as in the plain install
    for name in ("a.CR3", "b.cr3", "c.jxr", "notes.txt"):
        (folder / name).touch()
    assert caption("--output", "c.jsonl") == 1
    assert "ignored 3 files in unsupported formats (2 .cr3, 1 .jxr)" in capsys.readouterr().err
