"""The report: the same numbers as in the JSON, no external resources, and captions and names escaped."""

import csv
import dataclasses
import io
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from captioner.datasets import CaptionedPhoto
from captioner.errors import UsageError
from captioner.evaluation import charts
from captioner.evaluation.comparison import compare
from captioner.evaluation.language import novel_share, wording
from captioner.evaluation.outcome import KnownCaptions, Outcome
from captioner.evaluation.per_image import COLUMNS, read_csv
from captioner.evaluation.reliability import confidence_groups, rank_correlation
from captioner.evaluation.report import report_files
from captioner.evaluation.scores import LABELS, METRICS, score

HOSTILE = "<img src=x onerror=alert(1)>.jpg"
SPECIES = ("dog", "cat", "bird", "horse", "crab", "fox", "owl", "cow", "pig", "hen", "elk", "ant")
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Parses a page strictly: every element that is opened must be closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def outcome(captions: dict[str, str] | None = None, **changes: object) -> Outcome:
    """Twelve photos, some with correct and some with wrong captions."""
    photos = tuple(
        CaptionedPhoto(f"{kind}.jpg", f"{kind}.jpg", (f"A {kind} sits on the grass.", f"one {kind} rests"))
        for kind in SPECIES
    )
    photos = changes.pop("photos", photos)  # type: ignore[assignment]
    given = {photo.id: "A dog sits on the grass." for photo in photos} | (captions or {})
    references = {photo.id: photo.captions for photo in photos}
    scores = score(given, references, resamples=50)
    base = Outcome(
        photos=photos,
        captions=given,
        scores=scores,
        settings={"model": "small", "decoding": {"beam_size": 3}, "limit": None, "references_sha256": "x"},
        known=KnownCaptions("the 1 training captions of x.json", ("a dog sits on the grass",)),
        confidences={photo.id: 0.9 if photo.id == "dog.jpg" else 0.3 for photo in photos},
        beam_sizes={1: scores, 3: scores},
    )
    return dataclasses.replace(base, **changes)


def files_of(found: Outcome) -> dict[str, str]:
    return report_files(found, lambda photo: "data:image/jpeg;base64,AAAA")


def written(directory: Path, found: Outcome) -> Path:
    directory.mkdir()
    for name, text in files_of(found).items():
        (directory / name).write_bytes(text.encode())
    return directory


# ---------------------------------------------------------------------------------------------------------------- page


def test_the_pages_numbers_are_those_of_the_json() -> None:
    found = outcome(meteor=0.1234)
    files = files_of(found)
    figures = json.loads(files["scores.json"])
    assert figures == json.loads(json.dumps(found.to_json()))
    rows = re.findall(r"<tr><th>([\w-]+)</th>(.*?)</tr>", files["report.html"])
    cells = {name: re.findall(r"<td[^>]*>(.*?)</td>", row) for name, row in rows}
    for name in METRICS:
        low, high = figures["confidence_intervals"][name]
        expected = [f"{100 * figures[name]:.1f}", f"{100 * low:.1f} to {100 * high:.1f}", "12"]
        assert cells[LABELS[name]] == expected
    assert cells["METEOR"] == ["12.3", "", "12"]
    page = Page(files["report.html"])
    ours, people = figures["language"]["captions"], figures["language"]["references"]
    assert f"{ours['mean_words']:.1f} ({ours['shortest']} to {ours['longest']})" in page.text
    assert f"{people['mean_words']:.1f} ({people['shortest']} to {people['longest']})" in page.text
    assert f"confidence and CIDEr-D over 12 photos: {figures['confidence']['rank_correlation']:.2f}" in page.text
    assert "decoding.beam_size" in page.text
    assert "limit" not in page.text  # options that were not given are not listed


def test_the_page_asks_nobody_for_anything() -> None:
    text = files_of(outcome())["report.html"]
    assert not re.search(r"(https?:)?//[a-z]", text)
    page = Page(text)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "embed", "form", "base"})
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes), tag
        assert "href" not in attributes
        if "src" in attributes:
            assert (attributes["src"] or "").startswith("data:image/jpeg;base64,")
    assert "url(" not in text
    assert "@import" not in text


def test_strangers_text_stays_text() -> None:
    caption = '<script>alert("x")</script> & {{ 7 * 7 }}'
    photo = CaptionedPhoto(HOSTILE, HOSTILE, ('"><svg onload=alert(2)>', "a 'dog'"))
    found = outcome({HOSTILE: caption}, photos=(photo,), settings={"model": HOSTILE, "references_sha256": "x"})
    page = Page(files_of(found)["report.html"])
    assert page.text.count(HOSTILE) == 2  # under its photo, and in the settings
    assert caption in page.text
    assert "49" not in page.text
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [attributes["alt"] for attributes in pictures] == ['Reference caption: "><svg onload=alert(2)>']
    assert "script" not in {tag for tag, _ in page.tags}


def test_every_picture_is_told_in_words_too() -> None:
    page = Page(files_of(outcome())["report.html"])
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) == 12  # four best, four median, four worst
    assert all(attributes["alt"] for attributes in pictures)
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(drawings) == 5
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in drawings)


def test_light_dark_and_phones_are_thought_of() -> None:
    text = files_of(outcome())["report.html"]
    assert "color-scheme: light dark" in text
    assert text.count("prefers-color-scheme") == 6  # the page and its five plots
    assert 'name="viewport"' in text


@pytest.mark.parametrize("photos", range(1, 9))
def test_few_photos_are_shown_once_each(photos: int) -> None:
    found = outcome(photos=outcome().photos[:photos])
    shown = re.findall(r'<p class="soft small">(\w+\.jpg)</p>', files_of(found)["report.html"])
    assert len(shown) == len(set(shown)) >= min(2, photos)


def test_best_and_worst_are_what_they_are_called() -> None:
    right = {f"{kind}.jpg": f"A {kind} sits on the grass." for kind in ("cat", "elk", "ant")}  # and the dog
    text = files_of(outcome(right))["report.html"]
    best, middle, worst = (set(re.findall(r"(\w+)\.jpg<", part)) for part in text.split("<h3>")[1:])
    assert best == {"dog", "cat", "elk", "ant"}
    assert middle == {"bird", "horse", "crab", "fox"}  # all others score 0 and keep their order
    assert worst == {"owl", "cow", "pig", "hen"}


def test_without_a_model_there_is_no_confidence_and_no_beam() -> None:
    found = outcome(confidences={}, beam_sizes={})
    files = files_of(found)
    assert {"confidence", "beam_sizes", "METEOR"}.isdisjoint(json.loads(files["scores.json"]))
    assert "onfidence" not in Page(files["report.html"]).text
    assert {row["confidence"] for row in csv.DictReader(io.StringIO(files["per_image.csv"]))} == {""}


def test_results_are_in_cocos_format() -> None:
    photos = (CaptionedPhoto("42", "42.jpg", ("a dog",)), CaptionedPhoto("b.jpg", "b.jpg", ("a cat",)))
    results = json.loads(files_of(outcome({"42": "Ein Hund im Café 🐕", "b.jpg": ""}, photos=photos))["results.json"])
    assert results == [{"image_id": 42, "caption": "Ein Hund im Café 🐕"}, {"image_id": "b.jpg", "caption": ""}]


# ---------------------------------------------------------------------------------------------------------------- plots


def heights(svg: str) -> list[float]:
    return [float(bar) for bar in re.findall(r'class="bar".*?height="([\d.]+)"', svg)]


def test_bars_are_as_high_as_their_counts() -> None:
    svg = charts.histogram([0, 1, 5, 5, 5, 9.9], title="t", x_label="x")
    tall = heights(svg)
    unit = max(tall) / 3
    assert sum(tall) == pytest.approx(6 * unit, abs=0.5)
    assert svg.count(">t<") == 1


def test_whole_numbers_have_a_bar_each_and_shares_beside_others() -> None:
    tall = heights(charts.histogram([1, 2, 2, 3], beside=[2], whole=True, title="t", x_label="x"))
    assert len(tall) == 4  # 0 to 3
    assert tall[2] == pytest.approx(2 * tall[1], abs=0.3)


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.0], [1e-9], [3.0], [1e6, 0.0]])
def test_strange_values_are_drawn_inside_the_picture(values: list[float]) -> None:
    points = [(value, value, value, value) for value in values]
    for svg in (
        charts.histogram(values, title="t", x_label="x"),
        charts.points(points, title="t", x_label="x", y_label="y"),
    ):
        for name, limit in (("x", charts.WIDTH), ("cx", charts.WIDTH), ("cy", charts.HEIGHT), ("y", charts.HEIGHT)):
            numbers = [float(number) for number in re.findall(rf'<(?:rect|circle)[^>]* {name}="([^"]+)"', svg)]
            assert all(0 <= number <= limit for number in numbers)
        ET.fromstring(svg)


def test_the_histogram_stands_alone() -> None:
    svg = files_of(outcome())["cider_histogram.svg"]
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "(12 photos)" in svg


@pytest.mark.parametrize(("least", "step"), [(0, 1), (1, 1), (1.01, 2), (0.03, 0.05), (51, 100), (5, 5)])
def test_steps_are_round(least: float, step: float) -> None:
    assert charts.nice_step(least) == pytest.approx(step)


# ------------------------------------------------------------------------------------------------------------ per image


def test_per_image_csv_has_each_photos_scores_and_gives_them_back(tmp_path: Path) -> None:
    found = outcome()
    path = written(tmp_path / "a", found) / "per_image.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))
    assert tuple(rows[0]) == COLUMNS
    single = found.scores.by_photo()
    for row in rows:
        assert {name: float(row[name]) for name in METRICS} == pytest.approx(single[row["image_id"]], abs=1e-6)
    back = read_csv(path)
    assert back.captions == found.captions
    assert np.allclose(back.per_image, found.scores.per_image, atol=1e-6)
    for field in dataclasses.fields(back.bleu_statistics):
        ours, theirs = getattr(back.bleu_statistics, field.name), getattr(found.scores.bleu_statistics, field.name)
        assert np.array_equal(ours, theirs), field.name


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "'quoted", "'=x", 'a "b", c\nd'])
def test_no_cell_is_a_formula_and_none_is_changed(text: str, tmp_path: Path) -> None:
    photo = CaptionedPhoto(text, text, ("a dog",))
    directory = written(tmp_path / "a", outcome({text: text}, photos=(photo,)))
    path = directory / "per_image.csv"
    for cell in list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))[1]:
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert dict(read_csv(path).captions) == {text: text}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: "", "has other columns"),
        (lambda text: text.replace("caption", "sentence", 1), "has other columns"),
        (lambda text: text.splitlines()[0], "contains no photos"),
        (lambda text: text[: len(text) - 30], "1 row (first: 13) damaged"),
        (lambda text: re.sub(r"\n(dog.*?),0\.9,[\d.]+", r"\n\1,0.9,nan", text), "1 row (first: 2) damaged"),
        (lambda text: text + text.splitlines()[1], "1 id (first: 'dog.jpg') listed more than once"),
        (lambda text: text + "x" * 200_000, "is not CSV"),
    ],
)
def test_a_damaged_table_is_one_sentence(damage: object, message: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a", outcome()) / "per_image.csv"
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")  # type: ignore[operator]
    with pytest.raises(UsageError, match=re.escape(message)):
        read_csv(path)


# --------------------------------------------------------------------------------------------------- language, confiden


def test_wording_by_hand() -> None:
    found = wording([["a", "dog"], ["a", "dog"], ["a", "man", "with", "a"], []])
    assert (found.captions, found.mean_words, found.shortest, found.longest, found.empty) == (4, 2, 0, 4, 1)
    assert found.vocabulary == 4
    assert found.repeated == 0.5
    assert found.ends_on_function_word == 0.25


def test_novel_means_not_among_the_known() -> None:
    assert novel_share([["a", "dog"], ["a", "cat"]], [["a", "dog"], ["dog"]]) == 0.5
    found = outcome({"cat.jpg": "A cat, perhaps."})
    assert found.novel == pytest.approx(1 / 12)  # neither case nor a full stop makes a caption new
    assert found.to_json()["language"]["novel"]["compared_with"] == "the 1 training captions of x.json"


def test_groups_are_cut_by_confidence() -> None:
    confidences = [0.9, 0.1, 0.5] * 10
    groups = confidence_groups(confidences, [10 * value for value in confidences])
    assert [group.photos for group in groups] == [10, 10, 10]
    assert [group.confidence for group in groups] == pytest.approx([0.1, 0.5, 0.9])
    assert [group.score for group in groups] == pytest.approx([1, 5, 9])
    scattered = confidence_groups([0.5] * 10, [0.0, 2.0] * 5)[0]
    assert scattered.high - scattered.score == pytest.approx(1.96 * np.std([0, 2] * 5, ddof=1) / 10**0.5)
    assert len(confidence_groups([0.5], [1.0])) == 1
    assert len(confidence_groups([0.5] * 5000, [1.0] * 5000)) == 10


def test_rank_correlation_by_hand() -> None:
    assert rank_correlation([1, 2, 3], [10, 20, 90]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert rank_correlation([1, 1, 2, 2], [1, 2, 1, 2]) == pytest.approx(0)
    assert rank_correlation([1, 2, 2, 3], [1, 3, 2, 4]) == pytest.approx(0.9486833)
    assert rank_correlation([1, 1], [1, 2]) is None


# ----------------------------------------------------------------------------------------------------------- comparison


def test_who_wins_where(tmp_path: Path) -> None:
    worse = written(tmp_path / "a", outcome())
    right = {f"{kind}.jpg": f"A {kind} sits on the grass." for kind in SPECIES[:9]}
    better = written(tmp_path / "b", outcome(right | {"dog.jpg": "zzz"}))
    found = compare(worse, better)
    assert (found.photos, found.wins) == (12, (1, 3, 8))
    assert [one.image_id for one in found.first_wins] == ["dog.jpg"]
    assert len(found.second_wins) == 5
    assert found.second_wins[0].second_cider >= found.second_wins[-1].second_cider
    cider = found.differences["CIDEr"]
    assert cider.second - cider.first == pytest.approx(cider.difference)
    assert cider.low < cider.difference < cider.high
    figures = json.loads((worse / "scores.json").read_text()), json.loads((better / "scores.json").read_text())
    for name in METRICS:
        one = found.differences[name]
        assert (one.first, one.second) == pytest.approx((figures[0][name], figures[1][name]), abs=1e-6)
    assert found.sentence().startswith("B leads by")
    assert compare(better, worse).sentence().startswith("A leads by")
    table = found.to_table()
    assert found.sentence() in table
    assert json.loads(json.dumps(found.to_json()))["wins"] == {"first": 1, "neither": 3, "second": 8}


def test_the_bootstrap_is_paired(tmp_path: Path) -> None:
    """Two reports that differ on one photo: without pairing, the interval would be as wide as those of the scores."""
    first, second = outcome(), outcome({"cat.jpg": "A cat sits on the grass."})
    found = compare(written(tmp_path / "a", first), written(tmp_path / "b", second)).differences["CIDEr"]
    own = np.diff(first.scores.confidence_intervals()["CIDEr"])[0]
    assert found.low >= 0
    assert found.high - found.low < own
    same = compare(tmp_path / "a", tmp_path / "a")
    assert [(one.low, one.difference, one.high) for one in same.differences.values()] == [(0, 0, 0)] * 6
    assert "is not significant" in same.sentence()


def test_the_order_of_the_photos_does_not_matter(tmp_path: Path) -> None:
    first = outcome({"cat.jpg": "A cat sits on the grass."})
    second = outcome({"cat.jpg": "A cat sits on the grass."}, photos=tuple(reversed(first.photos)))
    found = compare(written(tmp_path / "a", first), written(tmp_path / "b", second))
    assert found.wins == (0, 12, 0)
    assert found.differences["Bleu_4"].high == pytest.approx(0, abs=1e-12)


def test_reports_on_different_things_are_not_compared(tmp_path: Path) -> None:
    first = written(tmp_path / "a", outcome())
    fewer = written(tmp_path / "b", outcome(photos=outcome().photos[:9]))
    other = written(tmp_path / "c", outcome(settings={"references_sha256": "y"}))
    for pair in ((first, fewer), (fewer, first)):
        with pytest.raises(
            UsageError, match=r"a contains 3 photos \(first: 'hen.jpg', 'elk.jpg', 'ant.jpg'\) missing from .*b"
        ):
            compare(*pair)
    with pytest.raises(UsageError, match="different references"):
        compare(first, other)
    with pytest.raises(UsageError, match="cannot be read"):
        compare(first, tmp_path / "none")
    (other / "scores.json").write_text("{")
    with pytest.raises(UsageError, match="truncated"):
        compare(first, other)
