"""`python -m tests.prose`: report awkward phrases and inconsistent spellings of terms.

The rules are in `prose.toml`. Prose, comments and strings are searched alike, as plain text.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
RULES = Path(__file__).with_suffix(".toml")
SUFFIXES = {".md", ".py", ".html", ".js", ".css", ".toml", ".yml"}
SEARCHED = ("README.md", "CONTRIBUTING.md", "mkdocs.yml", "docs", "captioner", "app", "train", "tests")
NOT_SEARCHED = {"pretrained", "prose.toml", "test_prose.py", "site", "__pycache__"}
# Between two words of a phrase: a line break within prose, a comment, or adjacent string literals.
BREAK = r"""(?:[\s#"'>]+f?["']?)"""


def rules() -> dict[re.Pattern[str], str]:
    """Patterns to report → advice."""
    tables = tomllib.loads(RULES.read_text(encoding="utf-8"))
    exact = {"phrases": re.IGNORECASE, "terms": re.NOFLAG}
    return {
        re.compile(rf"\b{phrase.replace(' ', BREAK)}", exact[table]): advice
        for table, phrases in tables.items()
        for phrase, advice in phrases.items()
    }


def files() -> Iterator[Path]:
    """All files to search."""
    for place in (ROOT / name for name in SEARCHED):
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.suffix in SUFFIXES and path.is_file() and not NOT_SEARCHED & {*path.relative_to(ROOT).parts}:
                yield path


def findings(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, phrase and advice for each finding in a text."""
    for pattern, advice in rules().items():
        for found in pattern.finditer(text):
            yield text.count("\n", 0, found.start()) + 1, " ".join(found[0].split()), advice


def main() -> int:
    """Print the findings; returns 1 if there are any, else 0."""
    count = 0
    for path in files():
        for line, phrase, advice in sorted(findings(path.read_text(encoding="utf-8"))):
            print(f"{path.relative_to(ROOT)}:{line}: {phrase!r}: write {advice}")
            count += 1
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())
