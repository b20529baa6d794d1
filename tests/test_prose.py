"""The prose rules find what they should, also across line breaks, and their file is well formed."""

import pytest

from tests.prose import files, findings, rules


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Captions go home as CSV.", 1),
        ("The model\ncomes along.", 2),
        ("x = 1\n# what another has found, such\n# a one\n", 2),
        ('f"{path}: the file stands "\nf"there already"', 1),
        ("written as JSON lines", 1),
        ("Photos that are no photos", 1),
    ],
)
def test_riddling_phrases_are_found_with_their_line(text: str, line: int) -> None:
    assert [found[0] for found in findings(text)] == [line]


@pytest.mark.parametrize(
    "text",
    [
        "Download the captions as CSV.",
        "The file already exists.",
        "JSON Lines",
        "There are no photos.",
        "json_lines = 1",
    ],
)
def test_plain_phrases_pass(text: str) -> None:
    assert list(findings(text)) == []


def test_every_rule_has_advice_and_the_package_is_searched() -> None:
    assert all(rules().values())
    assert {"files.py", "README.md", "options.py", "style.css"} <= {path.name for path in files()}
