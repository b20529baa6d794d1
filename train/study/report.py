"""A finding written down: a table, a picture, the numbers, and a page for docs/study."""

import json
import math
import statistics
import time
from pathlib import Path

import torch

from captioner.errors import OutputError
from captioner.files import replacing
from train.drawing import require_matplotlib
from train.study.catalogue import Study, load
from train.study.setting import Entry, Finding, Setting

REMARKS = "## Remarks"
"""Under this heading a page holds what a person wrote; it stays when the page is written anew."""


def to_table(finding: Finding) -> str:
    """The table in Markdown, with columns of one width, so that it can be read in a terminal too."""
    cells = [list(finding.columns), *([_show(cell) for cell in row] for row in finding.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    words = [all(isinstance(row[place], str) for row in finding.rows) for place in range(len(widths))]
    lines = [
        " | ".join(
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(row, widths, words, strict=True)
        )
        for row in cells
    ]
    rule = "|".join(
        "-" * (width + 2) if left else "-" * (width + 1) + ":" for width, left in zip(widths, words, strict=True)
    )
    return "\n".join([f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])])


def run_and_write(name: str, setting: Setting, directory: Path) -> None:
    """Do a study, print what came of it, and write NAME.png, NAME.json and the page NAME.md.

    Args:
        name: of the study.
        setting: how it is done.
        directory: where to write; made if it is not there.

    Raises:
        UsageError: matplotlib or data is missing.
        OutputError: a file cannot be written.
    """
    require_matplotlib("a study draws a picture")  # before minutes of computing, not after
    torch.set_num_threads(1)  # small tensors: more threads would only wait for each other
    study = load(name)
    begun = time.perf_counter()
    finding = study.run(setting)
    print(f"{name}: {study.about.strip().partition(chr(10))[0]}\n\n{to_table(finding)}\n\n{finding.seen}\n")
    picture, *_ = write(study, finding, setting, directory)
    print(f"{picture} ({time.perf_counter() - begun:.0f} s)\n")


def write(study: Study, finding: Finding, setting: Setting, directory: Path) -> list[Path]:
    """Write the three files of a study and return them; see `run_and_write`."""
    command = to_command(study.name, setting, directory)
    picture, numbers, page = (directory / f"{study.name}.{kind}" for kind in ("png", "json", "md"))
    data = {
        "study": study.name,
        "command": command,
        "quick": setting.quick,
        "seeds": setting.seeds,
        "columns": finding.columns,
        "rows": finding.rows,
        "seen": finding.seen,
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        text = to_page(study, finding, setting, command) + _remarks(page)
        with replacing(picture) as temporary:
            finding.figure.savefig(temporary, format="png")
        with replacing(numbers) as temporary:
            temporary.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        with replacing(page) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise OutputError(f"{directory}: the study cannot be written there ({problem.strerror}).") from None
    return [picture, numbers, page]


def to_command(name: str, setting: Setting, directory: Path) -> str:
    """The command that does a study in this setting; the data's directory is called DIR, for it is elsewhere
    elsewhere.
    """
    words = ["python -m train study", name]
    words += ["--quick"] if setting.quick else []
    words += ["--data DIR"] if setting.data else []
    words += [f"--seeds {len(setting.seeds)}"] if len(setting.seeds) != (1 if setting.quick else 3) else []
    words += [f"--out {directory.as_posix()}"] if directory != Path("runs/study") else []
    return " ".join(words)


def to_page(study: Study, finding: Finding, setting: Setting, command: str) -> str:
    """The page of a study."""
    title, _, about = study.about.strip().partition("\n")
    seeds = len(setting.seeds)
    spread = f"Mean ± standard deviation over {seeds} seeds." if seeds > 1 else "One seed."
    parts = [
        f"# {study.name}",
        title,
        f"- **The notes claim:** {study.claim}\n- **Seen:** {finding.seen}",
        f"![{title}]({study.name}.png)",
        to_table(finding),
        f"{spread} Made by",
        f"```\n{command}\n```",
        about.strip(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _remarks(page: Path) -> str:
    """What a person added to the page that is there, with its heading."""
    if not page.is_file():
        return ""
    _, heading, remarks = page.read_text(encoding="utf-8").partition(f"\n{REMARKS}\n")
    return heading + remarks


def _show(cell: Entry) -> str:
    if isinstance(cell, str | int):
        return str(cell)
    values = cell if isinstance(cell, tuple) else (cell,)
    mean = statistics.fmean(values)
    if not math.isfinite(mean):
        return str(mean)
    if len(values) == 1:
        return _number(mean, mean)
    spread = statistics.stdev(values)
    like = max(abs(mean), spread)
    return f"{_number(mean, like, spread)} ± {_number(spread, like, spread)}"


def _number(value: float, like: float, spread: float = 0.0) -> str:
    """As many decimals of `value` as show three digits of the number `like`, and one of the spread; four at most."""
    if 0 < abs(like) < 1e-3 or abs(like) >= 1e6:
        return f"{value:.1e}"
    decimals = 2 - math.floor(math.log10(abs(like))) if like else 1
    if spread:
        decimals = max(decimals, -math.floor(math.log10(spread)))
    return f"{value:.{min(max(decimals, 0), 4)}f}"
