"""Names derived from photos: COCO ids, and text files beside the photos."""

import json

from captioner.folders.naming import coco_ids, shared_stems, text_name, told_apart


def test_coco_ids_are_numbers_where_these_are_unique_and_exact() -> None:
    assert coco_ids(["COCO_val2014_000000391895.jpg", "IMG_0.jpg", "photo-1-of-2.jpg", "cat.png"]) == [
        391895,
        0,
        2,
        "cat.png",
    ]
    assert coco_ids(["a/1.jpg", "b/1.jpg", "b/2.jpg"]) == ["a/1.jpg", "b/1.jpg", 2]
    assert coco_ids(["a/IMG_7.jpg", "b/DSC_007.jpg"]) == ["IMG_7.jpg", "DSC_007.jpg"]
    assert coco_ids(["9007199254740991.jpg", "9007199254740992.jpg", f"{'1' * 5000}.jpg"]) == [
        9007199254740991,
        "9007199254740992.jpg",
        f"{'1' * 5000}.jpg",
    ]


def test_no_two_photos_have_one_id_even_where_all_ids_are_read_as_text() -> None:
    paths = ["7", "x7.jpg", "d/7", "8", "cat.png", "d/cat.png", "日本.jpg", "٣.jpg", "-", "caf\udce9 5.jpg"]
    ids = coco_ids(paths)
    assert len({str(one) for one in ids}) == len(paths)
    assert ids[3] == 8
    assert ids[-1] == 5
    json.dumps(ids)


def test_text_files_have_the_whole_name_where_the_stem_is_not_one_photos_alone() -> None:
    names = ["IMG_1.jpg", "img_1.PNG", "b.tar.jpg", "{name}.jpg", ".jpg"]
    shared = shared_stems(names)
    assert [text_name(name, shared) for name in names] == [
        "IMG_1.jpg.txt",
        "img_1.PNG.txt",
        "b.tar.txt",
        "{name}.txt",
        ".jpg.txt",
    ]
    assert text_name("b.jpg", set(), "{name}.caption") == "b.jpg.caption"


def test_names_are_told_apart_on_every_file_system() -> None:
    assert told_apart(["x", "X", "x", "x (2)"]) == ["x", "X (2)", "x (3)", "x (2) (2)"]
