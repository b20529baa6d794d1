"""The page that scores captions against reference captions."""

from typing import TYPE_CHECKING

import streamlit as st
from resources import scoring_gate

from captioner import CaptionerError
from captioner.datasets import CaptionedPhoto
from captioner.evaluation.charts import standalone
from captioner.evaluation.outcome import Outcome
from captioner.evaluation.report import Card, chosen, cider_histogram, report_files
from captioner.evaluation.scores import LABELS
from captioner.visit.scoring import score_files

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile


def main() -> None:
    """Draw the page."""
    st.title("Evaluate captions")
    st.write("Score captions from any model against captions that people wrote for the same photos.")
    left, right = st.columns(2)
    annotations = left.file_uploader(
        "Captions written by people",
        "json",
        key="annotations",
        help='A COCO annotations file (JSON): {"images": […], "annotations": […]}',
    )
    results = right.file_uploader(
        "Captions to score",
        "json",
        key="results",
        help='A COCO results file (JSON): [{"image_id": 42, "caption": "a dog"}]. '
        "To get one from the Caption page, select “Other formats”.",
    )
    allow_missing = st.checkbox("Skip photos that are missing from one of the files")
    if annotations is not None and results is not None:
        asked = (annotations.file_id, results.file_id, allow_missing)
        if st.session_state.get("asked") != asked:
            st.session_state.pop("scored", None)
            st.session_state.scored = (scored(annotations, results, allow_missing), annotations.name, results.name)
            st.session_state.asked = asked
    if "scored" in st.session_state:  # kept when the visitor opens another page; the files are not
        outcome, *names = st.session_state.scored
        if isinstance(outcome, str):
            st.error("The files could not be scored.")
            st.text(outcome)
        else:
            show(outcome, names)


def scored(annotations: "UploadedFile", results: "UploadedFile", allow_missing: bool) -> Outcome | str:
    """The scores, or an error message."""
    said = st.empty()
    said.write("Scoring…")
    try:
        return scoring_gate().run(
            lambda: score_files(annotations.getvalue(), results.getvalue(), allow_missing=allow_missing),
            lambda position: said.write(f"Waiting: you are number {position} in the queue."),
        )
    except CaptionerError as problem:
        return str(problem)
    finally:
        said.empty()


def show(outcome: Outcome, names: list[str]) -> None:
    """Draw the scores of two files, the histogram, and the best and worst captions."""
    st.subheader(f"Scores of {outcome.scores.images:,} captions")
    st.text("{1} scored against {0}".format(*names))
    intervals = outcome.scores.confidence_intervals()
    rows = [
        {
            "metric": LABELS[name],
            "score": f"{100 * value:.1f}",
            "95 % interval": "{:.1f} to {:.1f}".format(*(100 * end for end in intervals[name])),
        }
        for name, value in outcome.scores.as_dict().items()
    ]
    left, right = st.columns(2, gap="large")
    left.table(rows, hide_index=True, alt="Scores with 95 % intervals")
    left.caption("All scores ×100. The interval shows how much a score would vary with other photos of the same kind.")
    right.image(standalone(cider_histogram(outcome)), alt="Histogram of CIDEr-D per photo", width="stretch")
    groups = chosen(outcome, _no_picture)
    titles = {"best": "Highest-scoring captions", "worst": "Lowest-scoring captions"}
    for (name, title), column in zip(titles.items(), st.columns(2, gap="large"), strict=True):
        with column:
            st.subheader(title)
            for card in groups.get(name, []):
                show_card(card)
    page = report_files(outcome, _no_picture)["report.html"]
    st.download_button("Download report (HTML)", page, "report.html", "text/html", on_click="ignore")


def _no_picture(_: CaptionedPhoto) -> None:
    """The visitor uploads captions only, no photos."""


def show_card(card: Card) -> None:
    """Draw a caption and its references as plain text, because both are untrusted."""
    with st.container(border=True):
        st.text(card.caption)
        st.caption(f"CIDEr-D {100 * card.cider:.1f}. People wrote:")
        st.text("\n".join(card.references))


main()
