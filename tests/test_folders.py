"""Finding photos: what a folder, a pattern and a list mean, in which order, and what a hostile tree cannot do."""

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from captioner.errors import UsageError
from captioner.folders import Found, Photos, Shard, normalised, read_names


@pytest.fixture
def tree(tmp_path: Path, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of three photos, one in a folder of it, and other files; also the working directory's child."""
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
    assert found.relative == "c.png"  # under whatever folder a tree is made, it stays there
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
    with pytest.raises(UsageError, match="0 ≤ i < n"):
        Shard.parse(text)


def test_lists_of_names_may_hold_anything_but_their_ends() -> None:
    assert read_names(b"a.jpg\r\nb c.jpg\n\n*.jpg", ends_with_nul=False) == ["a.jpg", "b c.jpg", "*.jpg"]
    assert read_names(b"a\nb.jpg\0c.jpg\0", ends_with_nul=True) == ["a\nb.jpg", "c.jpg"]
    (name,) = read_names(b"caf\xe9.jpg", ends_with_nul=False)
    assert os.fsencode(name) == b"caf\xe9.jpg"
