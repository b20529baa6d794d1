"""The page "Evaluate", driven without a browser."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from tests.app.pages import alts, texts


def evaluate(page: AppTest, annotations: object, results: object) -> AppTest:
    page.switch_page("page_evaluate.py").run()
    for uploader, name, data in zip(
        page.file_uploader, ("annotations", "results"), (annotations, results), strict=True
    ):
        content = data if isinstance(data, bytes) else json.dumps(data).encode()
        uploader.set_value((f"{name}.json", content, "application/json"))
    page.run()
    assert not page.exception
    return page


ANNOTATIONS = {
    "images": [{"id": number, "file_name": f"{number}.jpg"} for number in range(4)],
    "annotations": [{"image_id": number, "caption": f"a dog runs on beach number {number}"} for number in range(4)],
}


RESULTS = [{"image_id": number, "caption": f"a dog runs on beach number {2 * number}"} for number in range(3)]


def test_scores_intervals_histogram_best_and_worst(page: AppTest) -> None:
    evaluate(page, ANNOTATIONS, [*RESULTS, {"image_id": 3, "caption": "![x](http://example.org/y.png)"}])
    assert page.subheader[0].value == "Scores of 4 captions"
    assert list(page.table[0].value["metric"]) == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr-D"]
    assert all(" to " in interval for interval in page.table[0].value["95 % interval"])
    assert alts(page) == ["Histogram of CIDEr-D per photo"]
    assert [subheader.value for subheader in page.subheader[1:]] == [
        "Highest-scoring captions",
        "Lowest-scoring captions",
    ]
    assert "results.json scored against annotations.json" in texts(page)
    assert "a dog runs on beach number 0" in texts(page)
    assert not [markdown for markdown in page.markdown if "example.org" in markdown.value]


def test_missing_results_are_told_and_can_be_left_out(page: AppTest) -> None:
    evaluate(page, ANNOTATIONS, RESULTS)
    assert page.error[0].value == "The files could not be scored."
    assert "1 photo (first: '3') of 4 without results" in texts(page)[0]
    page.checkbox[0].check().run()
    assert page.subheader[0].value == "Scores of 3 captions"


def test_scores_outlive_a_visit_to_another_page(page: AppTest) -> None:
    evaluate(page, ANNOTATIONS, [*RESULTS, {"image_id": 3, "caption": "a dog"}])
    page.switch_page("page_caption.py").run()
    page.switch_page("page_evaluate.py").run()
    assert page.subheader[0].value == "Scores of 4 captions"


@pytest.mark.parametrize("results", [b"", b"\xff\xfe", b"{}", b"[1]", [], [{"image_id": 1}]])
def test_a_wrong_results_file_is_one_sentence(page: AppTest, results: object) -> None:
    evaluate(page, ANNOTATIONS, results)
    assert page.error[0].value == "The files could not be scored."
    assert texts(page)[0].startswith("The results file")
