"""A visit without the page: limits, queue, attention maps, exports, scores."""

import csv
import dataclasses
import gc
import io
import json
import platform
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from captioner import Captioner, DecodingOptions, UsageError
from captioner.spreadsheet import from_cell, to_cell
from captioner.visit.export import safe_name, to_coco_results, to_csv, to_json_lines, to_zip
from captioner.visit.gate import Gate
from captioner.visit.photos import Plan, alt_text_hint, describe, describe_again, models, samples
from captioner.visit.scoring import score_files
from tests.image_files import encode
from tests.visits import photo

# ------------------------------------------------------------------------------------------------------------ the photo


def test_a_described_photo_has_the_models_caption_and_a_small_copy(
    small_checkpoint: Path, photos: dict[str, Path]
) -> None:
    model = Captioner.load(small_checkpoint, device="cpu")
    content, options = photos["rocket"].read_bytes(), DecodingOptions(beam_size=2, num_captions=2)
    described = describe(model, "rocket.jpg", content, Plan("small", "en", options))
    assert described.caption == model.caption(content, options, attention=True)
    for picture, side in ((described.picture, 640), (described.thumbnail, 320)):
        with Image.open(io.BytesIO(picture)) as copy:
            assert (copy.format, max(copy.size)) == ("JPEG", side)
            assert not copy.getexif()
    caption = describe_again(model, described, Plan("small", "en", DecodingOptions(beam_size=1)))
    again = described.written("Mine.").captioned(caption)
    assert (again.text, len(again.caption.alternatives)) == ("Mine.", 1)
    assert (again.caption.width, again.caption.height) == (described.caption.width, described.caption.height)


def test_an_upload_is_decoded_once(
    small_checkpoint: Path, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Captioner.load(small_checkpoint, device="cpu")
    opened: list[object] = []
    init = ImageFile.ImageFile.__init__

    def counted(self: ImageFile.ImageFile, *arguments: object, **options: object) -> None:
        opened.append(self)
        init(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(ImageFile.ImageFile, "__init__", counted)
    describe(model, "rocket.jpg", photos["rocket"].read_bytes(), Plan("small", "en", DecodingOptions()))
    assert len(opened) == 1


def test_a_big_photo_is_kept_small_and_its_true_size_told(small_checkpoint: Path) -> None:
    model = Captioner.load(small_checkpoint, device="cpu")
    noise = encode(Image.effect_noise((3000, 1200), 90), "JPEG")
    described = describe(model, "noise.jpg", noise, Plan("small", "en", DecodingOptions()))
    with Image.open(io.BytesIO(described.picture)) as copy:
        assert copy.size == (1000, 400)
    assert (described.caption.width, described.caption.height) == (3000, 1200)


def test_nothing_of_a_photo_stays_but_its_small_copies(small_checkpoint: Path, photos: dict[str, Path]) -> None:
    model = Captioner.load(small_checkpoint, device="cpu")
    described = describe(model, "rocket.jpg", photos["rocket"].read_bytes(), Plan("small", "en", DecodingOptions()))
    found, ahead = {}, [described]
    while ahead:  # everything it refers to, directly or indirectly
        one = ahead.pop()
        if id(one) not in found and not isinstance(one, type):
            found[id(one)] = one
            ahead += gc.get_referents(one)
    kept = [one for one in found.values() if isinstance(one, (bytes, bytearray, memoryview))]
    assert sorted(kept, key=len) == [described.thumbnail, described.picture]
    assert not [one for one in found.values() if isinstance(one, (Image.Image, np.ndarray, torch.Tensor))]


def test_an_edit_stands_until_it_is_emptied() -> None:
    edited = photo().written("  Two dogs\n run. ")
    assert (edited.text, edited.caption.text, edited.edited) == ("Two dogs run.", "A dog runs.", True)
    assert edited.written("  ").edit is None
    assert edited.written("A dog runs.").edit is None


def test_a_suggestion_that_was_chosen_is_not_the_owners_words() -> None:
    chosen = photo().choosing("A dog jumps.")
    assert (chosen.text, chosen.chosen, chosen.edited, chosen.to_check) == ("A dog jumps.", True, False, False)
    confirmed = photo().choosing("A dog runs.")
    assert (confirmed.edit, confirmed.chosen, confirmed.to_check) == (None, True, False)
    again = dataclasses.replace(photo().caption, text="A cat runs.")
    assert (chosen.captioned(again).text, chosen.captioned(again).chosen) == ("A dog jumps.", True)
    assert (confirmed.captioned(again).text, confirmed.captioned(again).to_check) == ("A cat runs.", True)
    assert chosen.written("Mine.").edited
    assert not chosen.written("Mine.").chosen


def test_only_long_captions_are_hinted_at() -> None:
    assert alt_text_hint("x" * 125) is None
    assert (alt_text_hint("x" * 126) or "").startswith("126 characters")


def test_the_samples_are_real_photos() -> None:
    found = samples()
    assert len(found) == 4
    for path in found.values():
        with Image.open(path) as image:
            image.verify()


def test_models_from_the_environment_stand_behind_the_embedded_ones() -> None:
    found = models({"CAPTIONER_MODELS": "/m/small:/n/small::/o/photo-en"}, separator=":")
    assert found == {"photo-en": "photo-en", "small": "/m/small", "/n/small": "/n/small", "/o/photo-en": "/o/photo-en"}


# -------------------------------------------------------------------------------------------------------------- the gat


def wait_until(condition: "object") -> None:
    for _ in range(2000):
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.005)
    raise AssertionError("it never came to be")


def test_no_more_than_the_places_are_inside_and_the_first_to_come_goes_first() -> None:
    gate, release, inside, order, told = Gate(2), threading.Semaphore(0), [], [], {}

    def visitor(number: int) -> None:
        with gate.place(lambda position: told.setdefault(number, []).append(position)):
            inside.append(number)
            order.append(number)
            release.acquire()
            inside.remove(number)

    threads = []
    for number in range(5):
        threads.append(threading.Thread(target=visitor, args=(number,)))
        threads[-1].start()
        wait_until(lambda number=number: number in order or number in told)
    assert sorted(inside) == [0, 1]
    assert [told[number][0] for number in (2, 3, 4)] == [1, 2, 3]
    for left in range(5):
        release.release()
        wait_until(lambda left=left: len(order) == min(5, left + 3))
        assert len(inside) <= 2
    for thread in threads:
        thread.join()
    assert order[2:] == [2, 3, 4]
    assert told[4][-1] == 1
    assert 0 not in told


def test_whoever_leaves_the_queue_makes_room() -> None:
    gate, release = Gate(1), threading.Event()

    def holder() -> None:
        with gate.place(lambda position: None):
            release.wait()

    def leave(position: int) -> None:
        raise RuntimeError(f"gone from {position}")

    thread = threading.Thread(target=holder)
    thread.start()
    wait_until(lambda: gate._tickets)
    with pytest.raises(RuntimeError, match="gone from 1"), gate.place(leave):
        raise AssertionError("nobody may come in")
    release.set()
    thread.join()
    told: list[int] = []
    with gate.place(told.append):
        assert told == []
    assert gate._tickets == []


def test_work_is_done_in_few_threads_and_its_errors_come_back() -> None:
    gate = Gate(1)
    threads = {gate.run(threading.get_ident, lambda position: None) for _ in range(3)}
    assert len(threads) == 1
    assert threads != {threading.get_ident()}
    with pytest.raises(ZeroDivisionError):
        gate.run(lambda: 1 // 0, lambda position: None)
    assert gate.run(lambda: 7, lambda position: None) == 7


# ------------------------------------------------------------------------------------------------------------ the memor

_BLOCKS = """
import ctypes, sys
from captioner.visit.memory import give_back_large_blocks

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
libc.mallinfo.restype = type("Info", (ctypes.Structure,), {"_fields_": [(name, ctypes.c_int) for name in "abcdefghij"]})
told = sys.argv[1] == "told" and give_back_large_blocks()
libc.free(libc.malloc(20_000_000))
before = libc.mallinfo().e
block = libc.malloc(4_000_000)
print(told, libc.mallinfo().e - before > 0)  # in a separate mapping, which is released when it is freed
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps large blocks")
@pytest.mark.parametrize(("word", "told"), [("told", True), ("untold", False)])
def test_large_blocks_have_a_mapping_of_their_own_once_the_c_library_is_told(word: str, told: bool) -> None:
    done = subprocess.run([sys.executable, "-c", _BLOCKS, word], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(told), str(told)]


# --------------------------------------------------------------------------------------------------------------- export

NAMES = ("=cmd.jpg", 'a,b\n"c".jpg', "![x](http://example.org/y.png).jpg", "../../etc/passwd.jpg", "Zoë 犬.heic")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "'x", "''x", "x", "", "a=b"])
def test_a_cell_is_no_formula_and_comes_back(text: str) -> None:
    assert not to_cell(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert from_cell(to_cell(text)) == text


def test_the_csv_holds_every_text_and_no_formula() -> None:
    text = to_csv([photo(name, text="A dog.").written("=HYPERLINK()") for name in NAMES])
    assert text.startswith("\ufefffile,caption,")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert tuple(from_cell(row["file"]) for row in rows) == NAMES
    assert {row["caption"] for row in rows} == {"'=HYPERLINK()"}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    assert rows[0]["edited"] == "True"
    assert rows[0]["model_caption"] == "A dog."


def test_json_lines_hold_what_stands_and_what_the_model_said() -> None:
    lines = to_json_lines([photo("a\u2028.jpg").written("Mine."), photo()]).splitlines()
    first, second = map(json.loads, lines)
    assert (first["file"], first["caption"], first["edited"], first["model_caption"]) == (
        "a\u2028.jpg",
        "Mine.",
        True,
        "A dog runs.",
    )
    assert second["captions"] == [{"caption": "A dog runs.", "log_prob": -1.5}]
    assert second["certainty"] == "please check"


def test_a_choice_has_its_own_column() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv([photo().choosing("A dog jumps."), photo().written("Mine.")]))))
    assert [(row["caption"], row["edited"], row["chosen"]) for row in rows] == [
        ("A dog jumps.", "False", "True"),
        ("Mine.", "True", "False"),
    ]


def test_coco_ids_are_the_names_numbers_unless_two_photos_share_one() -> None:
    names = ("COCO_val2014_000000391895.jpg", "IMG_7.jpg", "DSC_7.jpg", "DSC_7.jpg", "cat.png", "1" * 30 + ".jpg")
    results = json.loads(to_coco_results([photo(name) for name in names]))
    assert [result["image_id"] for result in results] == [
        391895,
        "IMG_7.jpg",
        "DSC_7.jpg",
        "DSC_7.jpg (2)",
        "cat.png",
        "1" * 30 + ".jpg",
    ]
    assert {result["caption"] for result in results} == {"A dog runs."}


def test_the_zip_has_a_text_for_each_photo_under_a_harmless_name() -> None:
    with zipfile.ZipFile(
        io.BytesIO(to_zip([photo(name) for name in (*NAMES, "zoë 犬.png", "/", "CON.jpg")]))
    ) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        assert {archive.read(name) for name in names} == {b"A dog runs.\n"}
    assert names == [
        "=cmd.txt",
        "a,b__c_.txt",
        "y.png).txt",
        "passwd.txt",
        "Zoë 犬.heic.txt",
        "zoë 犬.png.txt",
        "photo.txt",
        "_CON.txt",
    ]


@pytest.mark.parametrize(
    "name", ["", ".", "..", " ", "a/b", "a\\b", "x\x00y", "com1", "\u202egnp.exe", "\ud800", "x" * 500]
)
def test_a_safe_name_leads_nowhere(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert len(safe) <= 101
    assert not set(safe) & set('/\\:*?"<>|\x00\u202e\ud800')
    assert safe.strip(" .") == safe
    assert safe.lower() != "com1"
    assert safe_name(safe) == safe


# ---------------------------------------------------------------------------------------------------------------- score


def files(*captions: str) -> tuple[bytes, bytes]:
    annotations = {
        "images": [{"id": number, "file_name": f"{number}.jpg"} for number in range(3)],
        "annotations": [{"image_id": number, "caption": f"a dog runs on beach {number}"} for number in range(3)],
    }
    results = [{"image_id": number, "caption": caption} for number, caption in enumerate(captions)]
    return json.dumps(annotations).encode(), json.dumps(results).encode()


def test_two_files_give_scores() -> None:
    outcome = score_files(*files("a dog runs on beach 0", "a dog runs on beach 1", "nothing"))
    assert outcome.scores.images == 3
    assert 0.5 < outcome.scores.as_dict()["Bleu_1"] < 1


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        (("a dog",), "2 photos .* without results"),
        (("a dog", "a dog", "a dog", "a cat"), "1 id .* without annotations"),
    ],
)
def test_what_is_missing_is_an_error_unless_allowed(captions: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        score_files(*files(*captions))
    assert score_files(*files(*captions), allow_missing=True).scores.images == min(3, len(captions))


def test_a_wrong_file_is_named_as_the_visitor_knows_it() -> None:
    good, _ = files("a dog")
    with pytest.raises(UsageError, match=r"^The results file is not JSON"):
        score_files(good, b"no")
    with pytest.raises(UsageError, match=r"^The annotations file is not UTF-8"):
        score_files(b"\xff", b"[]")


def test_swapped_files_are_noticed() -> None:
    annotations, results = files("a dog", "a dog", "a dog")
    with pytest.raises(
        UsageError, match=r"The annotations file looks like a results file\. Did you swap the two files\?"
    ):
        score_files(results, annotations)
    with pytest.raises(UsageError, match=r"The results file looks like an annotations file\. Did you swap"):
        score_files(annotations, annotations)
