"""METEOR by the official program: its scores, and the errors if it cannot run."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from captioner.errors import CaptionerError, UsageError
from captioner.evaluation import official


def test_meteor_is_the_official_ones(evaluate: Any, results: Any) -> None:
    try:
        official.require_official()
    except UsageError as problem:
        pytest.skip(str(problem))
    path = results({2: "", 3: "a ||| cup", 4: "Ein Café, 犬"})
    figures = json.loads(evaluate("--results", path, "--official", "--format", "json")[1])
    assert 0 < figures["METEOR"] < 1
    assert "METEOR" in evaluate("--results", results(), "--official")[1]
    assert official.meteor({"a": "a dog runs"}, {"a": ["A dog runs.", "x"]}) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("missing", "advice"), [("java", "default-jre-headless"), ("pycocoevalcap", "pip install")])
def test_without_java_or_the_package_a_sentence_says_what_to_install(
    missing: str, advice: str, evaluate: Any, results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(official.shutil, "which", lambda name: None if name == missing else f"/bin/{name}")
    monkeypatch.setattr(official.importlib.util, "find_spec", lambda name: None if name == missing else object())
    code, out, err = evaluate("--results", results(), "--official")
    assert (code, out) == (2, "")
    assert advice in err
    assert err.count("\n") == 1
    other = {"java": "pip install", "pycocoevalcap": "default-jre-headless"}[missing]
    assert other not in err


def test_a_failing_java_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("pycocoevalcap")
    if sys.platform == "win32":
        pytest.skip("needs a Unix shell")
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\nread line\necho nonsense\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(CaptionerError, match="Java program failed"):
        official.meteor({"a": "a dog"}, {"a": ["a dog"]})
