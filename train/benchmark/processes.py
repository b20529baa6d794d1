"""What only a new process shows: its start and its memory."""

import importlib.metadata
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
IMPORTS = "import torch, torchvision"
PEAK = f"sys.path.append({str(ROOT)!r}); import train.benchmark.processes as p; print(p.peak_memory(), file=sys.stderr)"


def seconds(words: Sequence[str], *, root: Path = ROOT) -> float:
    """Wall time of a Python process, including start and exit."""
    begun = time.perf_counter()
    run(words, root=root)
    return time.perf_counter() - begun


def run(words: Sequence[str], *, root: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """Run Python with these arguments, importing from a checkout; returns the process with its output."""
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, *words],
        cwd=root,
        env=os.environ | {"PYTHONPATH": path},
        check=True,
        capture_output=True,
        text=True,
    )


def peak_memory() -> float:
    """Greatest memory of this process until now, in MB (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def start_times(photo: Path, *, rounds: int) -> dict[str, float]:
    """Medians of so many rounds in turns: a cold caption, the imports that it cannot do without, and `--help`."""
    commands = {
        "cold_start_s": ["-m", "captioner", "caption", str(photo)],
        "imports_s": ["-c", IMPORTS],
        "help_s": ["-m", "captioner", "caption", "--help"],
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, words in commands.items():
            taken = seconds(words)
            if number:  # the first reads the files from the disk
                found[name].append(taken)
    times = {name: statistics.median(values) for name, values in found.items()}
    return times | {"cold_start_ratio": times["cold_start_s"] / times["imports_s"]}


def memory(photos: Sequence[Path], names: Path, *, counts: Sequence[int], root: Path = ROOT) -> dict[str, float]:
    """Peak memory in MB of `captioner caption` for N photos, all its threads included, above that of the imports.

    Args:
        photos: named again and again until there are enough.
        names: a file that may be written.
        root: the checkout that is measured.
        counts: numbers of photos; the first gives `peak_rss_over_imports_mb`, each `peak_rss_over_imports_mb_N`.
    """
    imports = float(run(["-c", f"import sys; {IMPORTS}; {PEAK}"], root=root).stderr)
    found = {"imports_rss_mb": imports}
    code = f"import sys; from captioner.cli import main; main(['caption', '--files-from', sys.argv[1]]); {PEAK}"
    for count in counts:
        lines = [str(photos[number % len(photos)].resolve()) for number in range(count)]
        names.write_text("\n".join(lines) + "\n", encoding="utf-8")
        over = float(run(["-c", code, str(names)], root=root).stderr.splitlines()[-1]) - imports
        found.setdefault("peak_rss_over_imports_mb", over)
        found[f"peak_rss_over_imports_mb_{count}"] = over
    return found


def installed_sizes() -> dict[str, float]:
    """MB on disk of the package with its model, and of what it needs beyond torch and torchvision, streamlit's part
    apart.
    """
    package = sum(path.stat().st_size for path in (ROOT / "captioner").rglob("*") if path.is_file()) / 1e6
    torch, page = _closure({"torch", "torchvision"}), _closure({"streamlit"})
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    rest = {_name(line) for line in lines if line and not line.startswith("#")} - {"torch", "torchvision", "streamlit"}
    library = _closure(rest) - torch
    return {
        "installed_captioner_mb": package,
        "installed_libraries_mb": sum(map(_size, library)),
        "installed_page_mb": sum(map(_size, page - library - torch)),
    }


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0].lower().replace("_", "-")


def _closure(names: set[str]) -> set[str]:
    """Installed packages that these need, themselves included."""
    found: set[str] = set()
    open_names = set(names)
    while open_names:
        name = open_names.pop()
        try:
            needed = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # for other systems or versions
            continue
        found.add(name)
        open_names |= {_name(line) for line in needed if "extra ==" not in line} - found
    return found


def _size(name: str) -> float:
    files = importlib.metadata.files(name) or []
    paths = [Path(str(file.locate())) for file in files]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6
