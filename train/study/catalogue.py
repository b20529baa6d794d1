"""The studies by name. Heavy imports happen only when one is run."""

import ast
import difflib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from captioner.errors import UsageError
from train.study.setting import Finding, Setting

STUDIES = (
    "sharing",
    "gradients",
    "cells",
    "forcing",
    "bidirectional",
    "characters",
    "attention",
    "pixels",
    "memory",
)
"""Each is a module of this package with a docstring, a `CLAIM` and a function `study`."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """One study.

    Attributes:
        name: name of its module.
        about: its docstring; the first line is the title.
        claim: the claim under test, in one sentence.
        run: runs it.
    """

    name: str
    about: str
    claim: str
    run: Callable[[Setting], Finding]


def explain(name: str) -> str:
    """The first line of a study's docstring, read without importing the study."""
    source = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def check_names(names: list[str]) -> list[str]:
    """The studies with these names; `all` stands for all of them.

    Raises:
        UsageError: a name is unknown, or no name is given.
    """
    if not names:
        raise UsageError(f"give the name of a study, or all; the studies are: {', '.join(STUDIES)}.")
    for name in names:
        if name not in {"all", *STUDIES}:
            close = difflib.get_close_matches(name, ("all", *STUDIES), n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise UsageError(f"no study {name!r}.{hint} The studies are: all, {', '.join(STUDIES)}.")
    return list(STUDIES) if "all" in names else list(dict.fromkeys(names))


def load(name: str) -> Study:
    """Import the study with this name, which must be known."""
    module = import_module(f"train.study.{name}")
    return Study(name=name, about=module.__doc__ or "", claim=module.CLAIM, run=module.study)
