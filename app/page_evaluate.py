"""The page that scores captions against people's."""

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
    st.title("How good are the captions?")
    st.write("Compare captions from any model with captions that people wrote for the same photos.")
    left, right = st.columns(2)
    annotations = left.file_uploader(
        "People's captions", "json", help='A COCO annotations file: {"images": […], "annotations": […]}'
    )
    results = right.file_uploader(
        "The model's captions",
        "json",
        help='A COCO results file: [{"image_id": 42, "caption": "a dog"}]. The Caption page offers one to download.',
    )
    allow_missing = st.checkbox("Score what is there, even if some photos lack captions in one of the files")
    if annotations is not None and results is not None:
        asked = (annotations.file_id, results.file_id, allow_missing)
        if st.session_state.get("asked") != asked:
            st.session_state.pop("scored", None)
            st.session_state.scored = (scored(annotations, results, allow_missing), annotations.name, results.name)
            st.session_state.asked = asked
    if "scored" in st.session_state:  # it outlives a visit to another page, where the files do not
        outcome, *names = st.session_state.scored
        if isinstance(outcome, str):
            st.error("These files cannot be scored.")
            st.text(outcome)
        else:
            show(outcome, names)


def scored(annotations: "UploadedFile", results: "UploadedFile", allow_missing: bool) -> Outcome | str:
    """The scores, or why there are none."""
    said = st.empty()
    said.write("Scoring…")
    try:
        return scoring_gate().run(
            lambda: score_files(annotations.getvalue(), results.getvalue(), allow_missing=allow_missing),
            lambda position: said.write(f"You are number {position} in the queue."),
        )
    except CaptionerError as problem:
        return str(problem)
    finally:
        said.empty()


def show(outcome: Outcome, names: list[str]) -> None:
    """Draw the scores of two files, the histogram, and the best and the worst captions."""
    st.subheader(f"Scores of {outcome.scores.images:,} captions")
    st.text(" and ".join(names))
    intervals = outcome.scores.confidence_intervals()
    rows = [
        {
            "measure": LABELS[name],
            "score": f"{100 * value:.1f}",
            "95 % interval": "{:.1f} to {:.1f}".format(*(100 * end for end in intervals[name])),
        }
        for name, value in outcome.scores.as_dict().items()
    ]
    left, right = st.columns(2, gap="large")
    left.table(rows, hide_index=True, alt="Scores with intervals")
    left.caption("×100. The interval says how far the score depends on which photos these happened to be.")
    right.image(standalone(cider_histogram(outcome)), alt="How many photos have which CIDEr", width="stretch")
    groups = chosen(outcome, _no_picture)
    for name, column in zip(("best", "worst"), st.columns(2, gap="large"), strict=True):
        with column:
            st.subheader(f"The {name} captions")
            for card in groups.get(name, []):
                show_card(card)
    page = report_files(outcome, _no_picture)["report.html"]
    st.download_button("Download the report", page, "report.html", "text/html", on_click="ignore")


def _no_picture(_: CaptionedPhoto) -> None:
    """The visitor brought none."""


def show_card(card: Card) -> None:
    """Draw one caption and what people wrote; strangers wrote both, so it is plain text."""
    with st.container(border=True):
        st.text(card.caption)
        st.caption(f"CIDEr {100 * card.cider:.1f}. People wrote:")
        st.text("\n".join(card.references))


main()
