"""Caption files on disk."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def write(tmp_path: Path) -> Callable[[object], Path]:
    def write(data: object) -> Path:
        path = tmp_path / "data.json"
        path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
        return path

    return write


@pytest.fixture
def official(tmp_path: Path) -> Path:
    lines = [
        "a.jpg#0\tA dog .",
        "a.jpg#1\tA brown dog #1 runs",
        "b.jpg#0\tCats .",
        "c.jpg#0\tA\u2028bus",
        "d.jpg.1#0\tLost",
    ]
    (tmp_path / "Flickr8k.token.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for split, file in {"train": "a.jpg", "dev": "b.jpg", "test": "c.jpg"}.items():
        (tmp_path / f"Flickr_8k.{split}Images.txt").write_text(f"{file}\r\n\r\n", encoding="utf-8")
    return tmp_path
